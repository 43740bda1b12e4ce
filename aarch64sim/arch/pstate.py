"""PSTATE as named fields, and its image in SPSR_ELx (Arm ARM C5.2.20).

Invariant: `PState.to_spsr` and `PState.from_spsr` are inverse on every bit that an AArch64 guest has.
"""

from __future__ import annotations

from dataclasses import dataclass

NZCV = 0xF << 28
DIT, UAO, PAN = 1 << 24, 1 << 23, 1 << 22
SS, IL = 1 << 21, 1 << 20
SSBS = 1 << 12
BTYPE = 3 << 10
D = 1 << 9
DAIF = 0xF << 6
AARCH32 = 1 << 4
MODE = 0xF
EL1H = 0b0101  # of MODE: EL1 with SP_EL1


def names_aarch32_user(spsr: int) -> bool:
    """Whether M[4:0] of an SPSR image is AArch32's User mode, the one that an AArch64 EL1 could return to."""
    return spsr & (AARCH32 | MODE) == AARCH32


@dataclass(slots=True)
class PState:
    """Process state: the condition flags, masks and level; each field a bit but for `el` and `btype` (2 bits)."""

    n: int = 0
    z: int = 0
    c: int = 0
    v: int = 0
    ss: int = 0
    il: int = 0
    d: int = 1
    a: int = 1
    i: int = 1
    f: int = 1
    el: int = 1
    sp: int = 1
    pan: int = 0
    uao: int = 0
    dit: int = 0
    ssbs: int = 0
    btype: int = 0

    def to_spsr(self) -> int:
        """The 32-bit SPSR_ELx image.

        >>> hex(PState(ss=1).to_spsr())
        '0x2003c5'
        """
        return (
            self.n << 31
            | self.z << 30
            | self.c << 29
            | self.v << 28
            | self.dit << 24
            | self.uao << 23
            | self.pan << 22
            | self.ss << 21
            | self.il << 20
            | self.ssbs << 12
            | self.btype << 10
            | self.d << 9
            | self.a << 8
            | self.i << 7
            | self.f << 6
            | self.el << 2
            | self.sp
        )

    def set_flags_and_masks(self, spsr: int) -> None:
        """Copy from an SPSR image everything but SS, IL, the Exception level and SPSel."""
        self.n = spsr >> 31 & 1
        self.z = spsr >> 30 & 1
        self.c = spsr >> 29 & 1
        self.v = spsr >> 28 & 1
        self.dit = spsr >> 24 & 1
        self.uao = spsr >> 23 & 1
        self.pan = spsr >> 22 & 1
        self.ssbs = spsr >> 12 & 1
        self.btype = spsr >> 10 & 3
        self.d = spsr >> 9 & 1
        self.a = spsr >> 8 & 1
        self.i = spsr >> 7 & 1
        self.f = spsr >> 6 & 1

    @classmethod
    def from_spsr(cls, spsr: int) -> PState:
        """The state that a 32-bit SPSR image describes.

        >>> PState.from_spsr(0x2003C5) == PState(ss=1)
        True
        """
        state = cls(el=level_of(spsr), sp=sp_of(spsr))
        state.set_all_but_stack(spsr)
        return state

    def set_all_but_stack(self, spsr: int) -> None:
        """Copy from an SPSR image everything but the Exception level and SPSel, which select the stack pointer."""
        self.set_flags_and_masks(spsr)
        self.ss, self.il = ss_of(spsr), il_of(spsr)

    def __str__(self) -> str:
        flags = "".join(
            k.upper() if getattr(self, k) else k for k in ("n", "z", "c", "v", "d", "a", "i", "f")
        )
        mode = f"EL{self.el}{'h' if self.sp else 't'}"
        return f"{flags[:4]} {flags[4:]} {mode} SS={self.ss}{' IL' if self.il else ''}"


def level_of(spsr: int) -> int:
    """The Exception level that an SPSR image names: M[3:2]."""
    return spsr >> 2 & 3


def sp_of(spsr: int) -> int:
    """SPSel of an SPSR image, M[0]: 1 for the level's own stack pointer, 0 for SP_EL0."""
    return spsr & 1


def ss_of(spsr: int) -> int:
    """SPSR_ELx.SS."""
    return spsr >> 21 & 1


def il_of(spsr: int) -> int:
    """SPSR_ELx.IL."""
    return spsr >> 20 & 1


def d_of(spsr: int) -> int:
    """SPSR_ELx.D."""
    return spsr >> 9 & 1


def vector_offset(spsr: int, target_el: int = 1) -> int:
    """Which group of vectors an exception taken to `target_el` in this state uses: an offset from VBAR_ELx
    (Arm ARM D1.4.1.6).

    >>> hex(vector_offset(0x3C5)), hex(vector_offset(0x3C4)), hex(vector_offset(0))
    ('0x200', '0x0', '0x400')
    """
    if level_of(spsr) < target_el:
        return 0x400
    return 0x200 if sp_of(spsr) else 0


def kept_at_a_vector(spsr: int, *, span: int, dssbs: int = 0) -> int:
    """What software that enters an exception at EL1 on the CPU's behalf keeps of PSTATE: NZCV, DIT and PAN.

    PAN is set unless SCTLR_EL1.SPAN (`span`) is, and SSBS is SCTLR_EL1.DSSBS (Arm ARM D1.4.2, AArch64.TakeException).
    """
    return spsr & (NZCV | DIT | PAN) | (0 if span else PAN) | (SSBS if dssbs else 0)
