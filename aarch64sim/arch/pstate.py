"""PSTATE as named fields, and its image in SPSR_ELx (Arm ARM C5.2.19).

Invariant: `PState.to_spsr` and `PState.from_spsr` are inverse on every bit that an AArch64 guest has.
"""

from __future__ import annotations

from dataclasses import dataclass

SS = 1 << 21  # SPSR_ELx.SS, and where PSTATE.SS stands in it
IL = 1 << 20
D = 1 << 9
DAIF = 0xF << 6
AARCH32 = 1 << 4
MODE = 0xF


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
        state = cls(ss=spsr >> 21 & 1, il=spsr >> 20 & 1, el=spsr >> 2 & 3, sp=spsr & 1)
        state.set_flags_and_masks(spsr)
        return state

    def __str__(self) -> str:
        flags = "".join(
            k.upper() if getattr(self, k) else k for k in ("n", "z", "c", "v", "d", "a", "i", "f")
        )
        mode = f"EL{self.el}{'h' if self.sp else 't'}"
        return f"{flags[:4]} {flags[4:]} {mode} SS={self.ss}{' IL' if self.il else ''}"
