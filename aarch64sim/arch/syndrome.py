"""Exception syndromes: ESR_ELx encoded and decoded, side by side (Arm ARM D24.2.45).

Invariant: nobody else in the simulator knows where a field of a syndrome is.
"""

from __future__ import annotations

from enum import IntEnum

IL = 1 << 25  # 32-bit instruction
ISV = 1 << 24
ISS_MASK = (1 << 25) - 1
CONDITION_ALWAYS = 1 << 24 | 0xE << 20  # CV and COND of an instruction that is not conditional


class EC(IntEnum):
    """Exception classes, ESR_ELx[31:26]. Where a class has a same-level twin, it is this value + 1."""

    UNKNOWN = 0x00
    WFX = 0x01
    FP_ACCESS = 0x07
    ILLEGAL_STATE = 0x0E
    SVC = 0x15
    HVC = 0x16
    SMC = 0x17
    SYSTEM = 0x18
    INSTRUCTION_ABORT = 0x20
    INSTRUCTION_ABORT_SAME = 0x21
    PC_ALIGNMENT = 0x22
    DATA_ABORT = 0x24
    DATA_ABORT_SAME = 0x25
    SP_ALIGNMENT = 0x26
    SERROR = 0x2F
    BREAKPOINT = 0x30
    BREAKPOINT_SAME = 0x31
    SOFTWARE_STEP = 0x32
    SOFTWARE_STEP_SAME = 0x33
    WATCHPOINT = 0x34
    WATCHPOINT_SAME = 0x35
    BRK = 0x3C


SAME_LEVEL_TWIN = frozenset(
    {EC.INSTRUCTION_ABORT, EC.DATA_ABORT, EC.BREAKPOINT, EC.SOFTWARE_STEP, EC.WATCHPOINT}
)


class FSC(IntEnum):
    """Fault status codes, ISS[5:0]; the two low bits of the first three are the level."""

    ADDRESS_SIZE = 0x00
    TRANSLATION = 0x04
    PERMISSION = 0x0C
    EXTERNAL = 0x10
    EXTERNAL_ON_WALK = 0x14  # on a translation table walk, level 0
    ALIGNMENT = 0x21
    DEBUG = 0x22


def esr(ec: int, iss: int) -> int:
    """The 32-bit syndrome of class `ec` with ISS (25 bits) of a 32-bit instruction.

    >>> hex(esr(EC.SOFTWARE_STEP, software_step(stepped=True, exclusive=False)))
    '0xcb000022'
    """
    return ec << 26 | IL | iss


def class_alone(ec: int) -> int:
    """A syndrome that holds nothing but the class, not even IL: no CPU makes one, some kernels do."""
    return ec << 26


def exception_class(syndrome: int) -> int:
    """ESR_ELx.EC, 6 bits."""
    return syndrome >> 26 & 0x3F


# --- data aborts ---

WNR = 1 << 6
S1PTW = 1 << 7
CM = 1 << 8
STATUS = 0x3F  # DFSC or IFSC


def access(
    size: int,
    register: int,
    *,
    sign_extend: bool = False,
    sixty_four: bool = False,
    acquire_release: bool = False,
) -> int:
    """What a load or store of one general register adds to the ISS of a data abort: ISV SAS SSE SRT SF AR.

    `size` in bytes (1, 2, 4, 8); `register` 0-31, 31 = XZR; `sixty_four`: the register is an X register.

    >>> hex(esr(EC.DATA_ABORT, access(8, 1, sixty_four=True) | FSC.TRANSLATION | 1))
    '0x93c18005'
    """
    return (
        ISV
        | (size.bit_length() - 1) << 22
        | sign_extend << 21
        | register << 16
        | sixty_four << 15
        | acquire_release << 14
    )


def has_valid_access(syndrome: int) -> bool:
    """ISV: the fields about the access are valid, so that software can emulate it."""
    return bool(syndrome & ISV)


def access_size(syndrome: int) -> int:
    """Bytes accessed, from SAS: 1, 2, 4 or 8."""
    return 1 << (syndrome >> 22 & 3)


def sign_extends(syndrome: int) -> bool:
    """SSE: the load sign-extends."""
    return bool(syndrome >> 21 & 1)


def transfer_register(syndrome: int) -> int:
    """SRT: the register, 0-31, 31 = XZR."""
    return syndrome >> 16 & 31


def is_sixty_four(syndrome: int) -> bool:
    """SF: the register is an X register."""
    return bool(syndrome >> 15 & 1)


def is_write(syndrome: int) -> bool:
    """WnR: the access was a write."""
    return bool(syndrome & WNR)


def on_walk(syndrome: int) -> bool:
    """S1PTW: the abort was met on a translation table walk."""
    return bool(syndrome & S1PTW)


def is_cache_maintenance(syndrome: int) -> bool:
    """CM: the fault came from a cache maintenance or address translation instruction."""
    return bool(syndrome & CM)


# --- the others ---


def waiting(*, wfe: bool) -> int:
    """ISS of a trapped WFI, or WFE."""
    return CONDITION_ALWAYS | wfe


def is_wfe(syndrome: int) -> bool:
    """TI: the trapped instruction is WFE, not WFI."""
    return bool(syndrome & 1)


def immediate(syndrome: int) -> int:
    """The 16-bit immediate of a call or BRK."""
    return syndrome & 0xFFFF


def software_step(*, stepped: bool, exclusive: bool) -> int:
    """ISS of a Software Step exception (Arm ARM Table D2-23).

    `stepped` (ISV): an instruction was stepped, so `exclusive` (EX) tells whether it was a load-exclusive.
    """
    return stepped << 24 | (stepped and exclusive) << 6 | FSC.DEBUG


def stepped_exclusive(syndrome: int) -> bool:
    """Whether this is a Software Step exception after a load-exclusive (ISV and EX)."""
    lower = exception_class(syndrome) in (EC.SOFTWARE_STEP, EC.SOFTWARE_STEP_SAME)
    return lower and bool(syndrome >> 24 & syndrome >> 6 & 1)


def system_access(key: int, register: int, *, read: bool) -> int:
    """ISS of a trapped MSR, MRS or system instruction; `key` is op0 op1 CRn CRm op2 as in the instruction."""
    op0, op1, crn, crm, op2 = system_fields(key)
    return op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | register << 5 | crm << 1 | read


def trapped_system_access(iss: int) -> tuple[int, int, bool]:
    """Key, register (0-31) and direction (True = read) of a trapped system access: inverse of `system_access`."""
    key = system_key(iss >> 20 & 3, iss >> 14 & 7, iss >> 10 & 15, iss >> 1 & 15, iss >> 17 & 7)
    return key, iss >> 5 & 31, bool(iss & 1)


def system_key(op0: int, op1: int, crn: int, crm: int, op2: int) -> int:
    """One number (16 bits) that names a system register: op0 op1 CRn CRm op2."""
    return op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2


def system_fields(key: int) -> tuple[int, int, int, int, int]:
    """op0, op1, CRn, CRm, op2 of a key: inverse of `system_key`."""
    return key >> 14, key >> 11 & 7, key >> 7 & 15, key >> 3 & 15, key & 7
