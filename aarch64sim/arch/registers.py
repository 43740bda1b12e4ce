"""How the 34 slots of `Cpu.r` are numbered. Invariant: no instruction tests for register 31 when it runs, because the
binder has already chosen the stack pointer (31), the zero register (32, never written) or the sink (33, never read)."""

SP = 31
ZERO = 32
SINK = 33

MASK32 = 0xFFFF_FFFF
MASK64 = 0xFFFF_FFFF_FFFF_FFFF


def source(n: int) -> int:
    """Slot to read for register field `n` where 31 means XZR.

    >>> source(30), source(31)
    (30, 32)
    """
    return ZERO if n == 31 else n


def destination(n: int) -> int:
    """Slot to write for register field `n` where 31 means XZR.

    >>> destination(30), destination(31)
    (30, 33)
    """
    return SINK if n == 31 else n
