"""The system registers: one table of names, encodings, levels and traps (Arm ARM D24), and the values.

Invariant: a register exists only if it has a row (`Choices` leave some out); who may touch it and what traps is there.
A table, so longer than other files: every register that a guest can name is here as a row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aarch64sim.arch.registers import MASK64
from aarch64sim.arch.syndrome import system_key

BREAKPOINTS, WATCHPOINTS = 6, 4  # as ID_AA64DFR0_EL1.BRPs and WRPs say, less one
COUNTERS = 6  # event counters of the PMU, as PMCR_EL0.N says
CONTEXT_AWARE = 2  # so many breakpoints, the last ones, as CTX_CMPs says

# Bits of the control registers that the model reads, by their names in the manual.
MDSCR_SS, MDSCR_TDCC, MDSCR_KDE, MDSCR_MDE = 1 << 0, 1 << 12, 1 << 13, 1 << 15
MDCR_TPM, MDCR_TDE, MDCR_TDA, MDCR_TDOSA, MDCR_TDRA = 1 << 6, 1 << 8, 1 << 9, 1 << 10, 1 << 11
SCTLR_M, SCTLR_A, SCTLR_SA, SCTLR_SA0 = 1 << 0, 1 << 1, 1 << 3, 1 << 4
SCTLR_UMA, SCTLR_DZE, SCTLR_UCT, SCTLR_NTWI, SCTLR_NTWE = 1 << 9, 1 << 14, 1 << 15, 1 << 16, 1 << 18
SCTLR_SPAN, SCTLR_E0E, SCTLR_EE, SCTLR_UCI = 1 << 23, 1 << 24, 1 << 25, 1 << 26
SCTLR_DSSBS = 1 << 44
HCR_VM, HCR_FMO, HCR_IMO, HCR_AMO = 1 << 0, 1 << 3, 1 << 4, 1 << 5
HCR_VF, HCR_VI, HCR_VSE = 1 << 6, 1 << 7, 1 << 8
HCR_DC, HCR_TWI, HCR_TWE = 1 << 12, 1 << 13, 1 << 14
HCR_TID1, HCR_TID2, HCR_TID3, HCR_TSC, HCR_TIDCP = 1 << 16, 1 << 17, 1 << 18, 1 << 19, 1 << 20
HCR_TACR, HCR_TSW, HCR_TVM, HCR_TGE, HCR_HCD = 1 << 21, 1 << 22, 1 << 26, 1 << 27, 1 << 29
HCR_TRVM, HCR_RW, HCR_TLOR, HCR_TERR = 1 << 30, 1 << 31, 1 << 35, 1 << 36
HCR_PENDING = HCR_VI | HCR_VF | HCR_VSE  # virtual interrupts
CPTR_TFP = 1 << 10
ICH_HCR_TC, ICH_HCR_TALL0, ICH_HCR_TALL1 = 1 << 10, 1 << 11, 1 << 12
OSLSR_OSLK, OSDLR_DLK = 1 << 1, 1 << 0
DCZID_DZP = 1 << 4
VTCR_T0SZ = 0x3F  # 64 less the bits of an address that stage 2 translates

# Trap name -> (control register, bit, directions). All go to EL2; Arm ARM D24.2 under each control bit.
TRAPS = {
    "tvm": ("hcr_el2", HCR_TVM, "w"),
    "trvm": ("hcr_el2", HCR_TRVM, "r"),
    "tid1": ("hcr_el2", HCR_TID1, "r"),
    "tid2": ("hcr_el2", HCR_TID2, "rw"),
    "tid3": ("hcr_el2", HCR_TID3, "r"),
    "tacr": ("hcr_el2", HCR_TACR, "rw"),
    "tlor": ("hcr_el2", HCR_TLOR, "rw"),
    "terr": ("hcr_el2", HCR_TERR, "rw"),
    "tc": ("ich_hcr_el2", ICH_HCR_TC, "rw"),
    "tall0": ("ich_hcr_el2", ICH_HCR_TALL0, "rw"),
    "tall1": ("ich_hcr_el2", ICH_HCR_TALL1, "rw"),
    "tda": ("mdcr_el2", MDCR_TDA, "rw"),
    "tdosa": ("mdcr_el2", MDCR_TDOSA, "rw"),
    "tdra": ("mdcr_el2", MDCR_TDRA, "rw"),
    "tpm": ("mdcr_el2", MDCR_TPM, "rw"),
}

# EL0 traps to EL1: name -> (control register, bits of which one must be 1 to allow EL0).
EL0_ENABLES = {
    "uma": ("sctlr_el1", SCTLR_UMA),
    "uct": ("sctlr_el1", SCTLR_UCT),
    "cnt": ("cntkctl_el1", 3),
    "pct": ("cntkctl_el1", 1 << 0),
    "vct": ("cntkctl_el1", 1 << 1),
    "vt": ("cntkctl_el1", 1 << 8),
    "pt": ("cntkctl_el1", 1 << 9),
    "pmu": ("pmuserenr_el0", 1 << 0),
}

# EL0 traps to EL1 while a bit is 1: name -> (control register, bit).
EL0_TRAPS = {"tdcc": ("mdscr_el1", MDSCR_TDCC)}

# Without the feature there is no such register: name -> (ID register, lowest bit of its field, smallest value).
PROMISES = {
    "dit": ("id_aa64pfr0_el1", 48, 1),
    "ras": ("id_aa64pfr0_el1", 28, 1),
    "ssbs": ("id_aa64pfr1_el1", 4, 2),
}

# name  op0 op1 CRn CRm op2  lowest EL to read / to write (- = never)  reset value  traps and EL0 enables
_ROWS = """
midr_el1            3 0 0 0 0   1 -  0x413fd0c1
mpidr_el1           3 0 0 0 5   1 -  0x80000000
revidr_el1          3 0 0 0 6   1 -  0                  tid1
id_aa64pfr0_el1     3 0 0 4 0   1 -  0x1101000010110111 tid3
id_aa64pfr1_el1     3 0 0 4 1   1 -  0x21               tid3
id_aa64zfr0_el1     3 0 0 4 4   1 -  0                  tid3
id_aa64dfr0_el1     3 0 0 5 0   1 -  0x10305408         tid3
id_aa64dfr1_el1     3 0 0 5 1   1 -  0                  tid3
id_aa64afr0_el1     3 0 0 5 4   1 -  0                  tid3
id_aa64afr1_el1     3 0 0 5 5   1 -  0                  tid3
id_aa64isar0_el1    3 0 0 6 0   1 -  0x100010211120     tid3
id_aa64isar1_el1    3 0 0 6 1   1 -  0x100001           tid3
id_aa64mmfr0_el1    3 0 0 7 0   1 -  0x101122           tid3
id_aa64mmfr1_el1    3 0 0 7 1   1 -  0x10212122         tid3
id_aa64mmfr2_el1    3 0 0 7 2   1 -  0x1011             tid3
sctlr_el1           3 0 1 0 0   1 1  0xc50078           tvm,trvm
actlr_el1           3 0 1 0 1   1 1  0                  tacr
cpacr_el1           3 0 1 0 2   1 1  0
ttbr0_el1           3 0 2 0 0   1 1  0                  tvm,trvm
ttbr1_el1           3 0 2 0 1   1 1  0                  tvm,trvm
tcr_el1             3 0 2 0 2   1 1  0                  tvm,trvm
spsr_el1            3 0 4 0 0   1 1  0
elr_el1             3 0 4 0 1   1 1  0
sp_el0              3 0 4 1 0   1 1  0
spsel               3 0 4 2 0   1 1  0
currentel           3 0 4 2 2   1 -  0
pan                 3 0 4 2 3   1 1  0
uao                 3 0 4 2 4   1 1  0
afsr0_el1           3 0 5 1 0   1 1  0                  tvm,trvm
afsr1_el1           3 0 5 1 1   1 1  0                  tvm,trvm
erridr_el1          3 0 5 3 0   1 -  0                  ras,terr
errselr_el1         3 0 5 3 1   1 1  0                  ras,terr
erxfr_el1           3 0 5 4 0   1 -  0                  ras,terr
erxctlr_el1         3 0 5 4 1   1 1  0                  ras,terr
erxstatus_el1       3 0 5 4 2   1 1  0                  ras,terr
erxaddr_el1         3 0 5 4 3   1 1  0                  ras,terr
erxmisc0_el1        3 0 5 5 0   1 1  0                  ras,terr
erxmisc1_el1        3 0 5 5 1   1 1  0                  ras,terr
esr_el1             3 0 5 2 0   1 1  0                  tvm,trvm
far_el1             3 0 6 0 0   1 1  0                  tvm,trvm
par_el1             3 0 7 4 0   1 1  0
mair_el1            3 0 10 2 0  1 1  0                  tvm,trvm
amair_el1           3 0 10 3 0  1 1  0                  tvm,trvm
lorsa_el1           3 0 10 4 0  1 1  0                  tlor
lorea_el1           3 0 10 4 1  1 1  0                  tlor
lorn_el1            3 0 10 4 2  1 1  0                  tlor
lorc_el1            3 0 10 4 3  1 1  0                  tlor
lorid_el1           3 0 10 4 7  1 -  0                  tlor
vbar_el1            3 0 12 0 0  1 1  0
isr_el1             3 0 12 1 0  1 -  0
disr_el1            3 0 12 1 1  1 1  0                  ras
icc_pmr_el1         3 0 4 6 0   1 1  0                  tc
icc_iar0_el1        3 0 12 8 0  1 -  0x3ff              tall0
icc_eoir0_el1       3 0 12 8 1  - 1  0                  tall0
icc_hppir0_el1      3 0 12 8 2  1 -  0x3ff              tall0
icc_bpr0_el1        3 0 12 8 3  1 1  2                  tall0
icc_ap0r0_el1       3 0 12 8 4  1 1  0                  tall0
icc_ap1r0_el1       3 0 12 9 0  1 1  0                  tall1
icc_dir_el1         3 0 12 11 1 - 1  0                  tc
icc_rpr_el1         3 0 12 11 3 1 -  0xff               tc
icc_sgi1r_el1       3 0 12 11 5 - 1  0                  tc
icc_asgi1r_el1      3 0 12 11 6 - 1  0                  tc
icc_sgi0r_el1       3 0 12 11 7 - 1  0                  tc
icc_iar1_el1        3 0 12 12 0 1 -  0x3ff              tall1
icc_eoir1_el1       3 0 12 12 1 - 1  0                  tall1
icc_hppir1_el1      3 0 12 12 2 1 -  0x3ff              tall1
icc_bpr1_el1        3 0 12 12 3 1 1  3                  tall1
icc_ctlr_el1        3 0 12 12 4 1 1  0x8c00             tc
icc_igrpen0_el1     3 0 12 12 6 1 1  0                  tall0
icc_igrpen1_el1     3 0 12 12 7 1 1  0                  tall1
icc_sre_el1         3 0 12 12 5 1 1  7
contextidr_el1      3 0 13 0 1  1 1  0                  tvm,trvm
tpidr_el1           3 0 13 0 4  1 1  0
cntkctl_el1         3 0 14 1 0  1 1  0
ccsidr_el1          3 1 0 0 0   1 -  0x700fe01a         tid2
clidr_el1           3 1 0 0 1   1 -  0xa200023          tid2
aidr_el1            3 1 0 0 7   1 -  0                  tid1
cbar_el1            3 1 15 3 0  1 -  0x8000000
csselr_el1          3 2 0 0 0   1 1  0                  tid2
ctr_el0             3 3 0 0 1   0 -  0x8444c004         uct,tid2
dczid_el0           3 3 0 0 7   0 -  4
nzcv                3 3 4 2 0   0 0  0
daif                3 3 4 2 1   0 0  0                  uma
dit                 3 3 4 2 5   0 0  0                  dit
ssbs                3 3 4 2 6   0 0  0                  ssbs
fpcr                3 3 4 4 0   0 0  0
fpsr                3 3 4 4 1   0 0  0
pmcr_el0            3 3 9 12 0  0 0  0x41013000         pmu,tpm
pmcntenset_el0      3 3 9 12 1  0 0  0                  pmu,tpm
pmcntenclr_el0      3 3 9 12 2  0 0  0                  pmu,tpm
pmovsclr_el0        3 3 9 12 3  0 0  0                  pmu,tpm
pmswinc_el0         3 3 9 12 4  - 0  0                  pmu,tpm
pmselr_el0          3 3 9 12 5  0 0  0                  pmu,tpm
pmceid0_el0         3 3 9 12 6  0 -  0                  pmu,tpm
pmceid1_el0         3 3 9 12 7  0 -  0                  pmu,tpm
pmccntr_el0         3 3 9 13 0  0 0  0                  pmu,tpm
pmxevtyper_el0      3 3 9 13 1  0 0  0                  pmu,tpm
pmxevcntr_el0       3 3 9 13 2  0 0  0                  pmu,tpm
pmuserenr_el0       3 3 9 14 0  0 1  0                  tpm
pmovsset_el0        3 3 9 14 3  0 0  0                  pmu,tpm
pmccfiltr_el0       3 3 14 15 7 0 0  0                  pmu,tpm
pmintenset_el1      3 0 9 14 1  1 1  0                  tpm
pmintenclr_el1      3 0 9 14 2  1 1  0                  tpm
tpidr_el0           3 3 13 0 2  0 0  0
tpidrro_el0         3 3 13 0 3  0 1  0
cntfrq_el0          3 3 14 0 0  0 -  0x3b9aca0          cnt
cntpct_el0          3 3 14 0 1  0 -  0                  pct
cntvct_el0          3 3 14 0 2  0 -  0                  vct
cntp_tval_el0       3 3 14 2 0  0 0  0                  pt
cntp_ctl_el0        3 3 14 2 1  0 0  0                  pt
cntp_cval_el0       3 3 14 2 2  0 0  0                  pt
cntv_tval_el0       3 3 14 3 0  0 0  0                  vt
cntv_ctl_el0        3 3 14 3 1  0 0  0                  vt
cntv_cval_el0       3 3 14 3 2  0 0  0                  vt
mdscr_el1           2 0 0 2 2   1 1  0                  tda
mdccint_el1         2 0 0 2 0   1 1  0                  tda
osdtrrx_el1         2 0 0 0 2   1 1  0                  tda
osdtrtx_el1         2 0 0 3 2   1 1  0                  tda
oseccr_el1          2 0 0 6 2   1 1  0                  tda
oslar_el1           2 0 1 0 4   - 1  0                  tdosa
oslsr_el1           2 0 1 1 4   1 -  8                  tdosa
osdlr_el1           2 0 1 3 4   1 1  0                  tdosa
mdrar_el1           2 0 1 0 0   1 -  0                  tdra
dbgclaimset_el1     2 0 7 8 6   1 1  0xff               tda
dbgclaimclr_el1     2 0 7 9 6   1 1  0                  tda
dbgauthstatus_el1   2 0 7 14 6  1 -  0                  tda
mdccsr_el0          2 3 0 1 0   0 -  0                  tdcc,tda
sctlr_el2           3 4 1 0 0   2 2  0x30c50830
hcr_el2             3 4 1 1 0   2 2  0x80000000
mdcr_el2            3 4 1 1 1   2 2  0
cptr_el2            3 4 1 1 2   2 2  0x33ff
vttbr_el2           3 4 2 1 0   2 2  0
vtcr_el2            3 4 2 1 2   2 2  0
spsr_el2            3 4 4 0 0   2 2  0
elr_el2             3 4 4 0 1   2 2  0
sp_el1              3 4 4 1 0   2 2  0
esr_el2             3 4 5 2 0   2 2  0
vsesr_el2           3 4 5 2 3   2 2  0
far_el2             3 4 6 0 0   2 2  0
hpfar_el2           3 4 6 0 4   2 2  0
vbar_el2            3 4 12 0 0  2 2  0
contextidr_el2      3 4 13 0 1  2 2  0
tpidr_el2           3 4 13 0 2  2 2  0
ich_hcr_el2         3 4 12 11 0 2 2  0
"""

# Registers with bits that a write does not reach, and those that it does.
_WRITABLE = {
    "vbar_el1": ~0x7FF,
    "vbar_el2": ~0x7FF,
    "csselr_el1": 0xF,
    "pmselr_el0": 0x1F,
    **dict.fromkeys(("afsr0_el1", "afsr1_el1", "amair_el1"), 0),  # as on a Neoverse N1
    **dict.fromkeys(("errselr_el1", "erxctlr_el1", "erxstatus_el1", "erxaddr_el1"), 0),
    **dict.fromkeys(("erxmisc0_el1", "erxmisc1_el1"), 0),
    **dict.fromkeys((f"dbgwvr{n}_el1" for n in range(WATCHPOINTS)), ~3),
    **dict.fromkeys(("icc_sre_el1", "icc_bpr0_el1", "icc_bpr1_el1"), 0),  # as the recorded CPUs
    **dict.fromkeys(("icc_ap0r0_el1", "icc_ap1r0_el1"), 0xFFFF_FFFF),
    **dict.fromkeys(("icc_igrpen0_el1", "icc_igrpen1_el1"), 1),
    "icc_pmr_el1": 0xF8,
    "icc_ctlr_el1": 3,
}


def kept(name: str, value: int) -> int:
    """What the register `name` holds of 64 bits that an MSR writes."""
    if name.startswith("dbgbcr"):  # BAS[1] and BAS[3] are copies of BAS[0] and BAS[2]
        bas = value & 0b0101 << 5
        return value & ~(0xF << 5) | bas | bas << 1
    writable = _WRITABLE.get(name, MASK64)
    return BY_KEY[KEYS[name]].reset & ~writable | value & writable


NEVER = 4  # no Exception level reaches it


@dataclass(frozen=True, slots=True)
class SystemRegister:
    """One row: who may read and write it (lowest Exception level), reset value, what traps."""

    name: str
    key: int
    read_el: int
    write_el: int
    reset: int
    conditions: tuple[str, ...]

    @property
    def reserved(self) -> bool:
        """It has no name of its own, only the encoding's."""
        return self.name.startswith("s3_")


def _parse(row: str) -> SystemRegister:
    name, op0, op1, crn, crm, op2, read_el, write_el, reset, *conditions = row.split()
    return SystemRegister(
        name,
        system_key(int(op0), int(op1), int(crn), int(crm), int(op2)),
        NEVER if read_el == "-" else int(read_el),
        NEVER if write_el == "-" else int(write_el),
        int(reset, 0),
        tuple(conditions[0].split(",")) if conditions else (),
    )


def _debug_rows() -> list[str]:
    breakpoints = [(f"dbgb{kind}r{n}", n) for n in range(BREAKPOINTS) for kind in "vc"]
    watchpoints = [(f"dbgw{kind}r{n}", n) for n in range(WATCHPOINTS) for kind in "vc"]
    op2 = {"dbgbv": 4, "dbgbc": 5, "dbgwv": 6, "dbgwc": 7}
    return [
        f"{name}_el1 2 0 0 {n} {op2[name[:5]]} 1 1 0 tda" for name, n in breakpoints + watchpoints
    ]


def _counter_rows() -> list[str]:
    kinds = (("pmevcntr", 8), ("pmevtyper", 12))
    return [
        f"{k}{n}_el0 3 3 14 {crm} {n} 0 0 0 pmu,tpm" for k, crm in kinds for n in range(COUNTERS)
    ]


def _reserved_id_rows(named: list[str]) -> list[str]:
    """What no row names in the space of the ID registers reads as zero: reserved, RAZ."""
    taken = {tuple(row.split()[1:6]) for row in named}
    space = [("3", "0", "0", f"{crm}", f"{op2}") for crm in range(1, 8) for op2 in range(8)]
    return [f"s3_0_c0_c{k[3]}_{k[4]} {' '.join(k)} 1 - 0 tid3" for k in space if k not in taken]


_NAMED = _ROWS.strip().splitlines() + _debug_rows() + _counter_rows()
REGISTERS = tuple(_parse(row) for row in _NAMED + _reserved_id_rows(_NAMED))
BY_KEY = {register.key: register for register in REGISTERS}
KEYS = {register.name: register.key for register in REGISTERS}
NAMES = {register.key: register.name for register in REGISTERS}


# What says whether an instruction needs a look around first (`Cpu.must_look`).
LOOKED_AT = ("mdscr_el1", "hcr_el2")


class SystemRegisters:
    """The values, one attribute (unsigned 64-bit) per row; `looked_at` is called when one of `LOOKED_AT` is written."""

    # The ones that the model itself reads, for the type checker.
    sctlr_el1: int
    cpacr_el1: int
    spsr_el1: int
    elr_el1: int
    esr_el1: int
    far_el1: int
    vbar_el1: int
    mdscr_el1: int
    oslsr_el1: int
    osdlr_el1: int
    hcr_el2: int
    mdcr_el2: int
    cptr_el2: int
    spsr_el2: int
    elr_el2: int
    esr_el2: int
    vsesr_el2: int
    far_el2: int
    hpfar_el2: int
    vbar_el2: int
    vtcr_el2: int
    _looked_at: Callable[[], None]

    __slots__ = ("__dict__", "_looked_at")

    def __init__(self, looked_at: Callable[[], None] = lambda: None) -> None:
        object.__setattr__(self, "_looked_at", looked_at)
        for register in REGISTERS:
            setattr(self, register.name, register.reset)

    def __setattr__(self, name: str, value: int) -> None:
        self.__dict__[name] = value
        if name in LOOKED_AT:
            self._looked_at()

    def get(self, name: str) -> int:
        """The value of the register `name` (lower case); KeyError if there is none."""
        return int(self.__dict__[name])

    def set(self, name: str, value: int) -> None:
        """Set the register `name` (lower case) to 64 bits; KeyError if there is none."""
        if name not in self.__dict__:
            raise KeyError(name)
        setattr(self, name, value & MASK64)

    def copy_values(self) -> dict[str, int]:
        """A copy of all values, for a checkpoint."""
        return dict(self.__dict__)

    def restore_values(self, values: dict[str, int]) -> None:
        """Put back what `copy_values` gave."""
        self.__dict__.update(values)
        self._looked_at()
