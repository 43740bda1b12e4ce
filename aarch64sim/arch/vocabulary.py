"""The words in which instructions are described, named as in the manual's pseudocode (Arm ARM J1).

Invariant: pure functions on unsigned integers; `sf` is 1 for 64-bit and 0 for 32-bit data throughout.
"""

from __future__ import annotations

from functools import cache

from aarch64sim.arch.registers import MASK32, MASK64

CRC32_POLYNOMIAL = 0xEDB88320  # reflected 0x04C11DB7 (CRC32) and 0x1EDC6F41 (CRC32C)
CRC32C_POLYNOMIAL = 0x82F63B78


def ones(width: int) -> int:
    """`width` bits, all one."""
    return (1 << width) - 1


def mask_of(sf: int) -> int:
    """The mask of a register's width."""
    return MASK64 if sf else MASK32


def sign_extend(value: int, width: int) -> int:
    """The low `width` bits of `value` as a signed integer.

    >>> sign_extend(0x1FF, 9), sign_extend(0x0FF, 9)
    (-1, 255)
    """
    top = 1 << width - 1
    return (value & (top - 1)) - (value & top)


def shift_right_arithmetic(value: int, amount: int, width: int) -> int:
    """ASR of a `width`-bit value by 0 to `width` - 1 places."""
    return sign_extend(value, width) >> amount & ones(width)


def rotate_right(value: int, amount: int, width: int) -> int:
    """ROR of a `width`-bit value by 0 to `width` - 1 places.

    >>> hex(rotate_right(0x12345678, 8, 32))
    '0x78123456'
    """
    return (value >> amount | value << width - amount) & ones(width)


def shift_register(value: int, kind: int, amount: int, sf: int) -> int:
    """ShiftReg(): LSL, LSR, ASR or ROR (`kind` 0 to 3) of a value already cut to its width."""
    width = 32 << sf
    if kind == 0:
        return value << amount & ones(width)
    if kind == 1:
        return value >> amount
    if kind == 2:
        return shift_right_arithmetic(value, amount, width)
    return rotate_right(value, amount, width)


def extend_register(value: int, option: int, amount: int) -> int:
    """ExtendReg(): UXTB UXTH UXTW UXTX SXTB SXTH SXTW SXTX (`option` 0 to 7), then left by 0 to 4; not yet cut.

    >>> hex(extend_register(0xFFFF_FF80, 4, 1) & 0xFFFF_FFFF)
    '0xffffff00'
    """
    width = 8 << (option & 3)
    return (sign_extend(value, width) if option & 4 else value & ones(width)) << amount


def add_with_carry(x: int, y: int, carry: int, sf: int) -> tuple[int, int, int, int, int]:
    """AddWithCarry(): the result and N, Z, C, V; x and y already cut to their width.

    >>> add_with_carry(5, 0xFFFF_FFFA, 1, 0)  # 5 - 5
    (0, 0, 1, 1, 0)
    """
    width = 32 << sf
    total = x + y + carry
    result = total & ones(width)
    n = result >> width - 1
    return (
        result,
        n,
        0 if result else 1,
        total >> width,
        ((x ^ result) & (y ^ result)) >> width - 1,
    )


def count_leading_zeros(value: int, width: int) -> int:
    """CountLeadingZeroBits()."""
    return width - value.bit_length()


def count_leading_sign(value: int, width: int) -> int:
    """CountLeadingSignBits(): how many bits after the top one equal it."""
    return count_leading_zeros((value ^ value >> 1) & ones(width - 1), width - 1)


def reverse_bits(value: int, width: int) -> int:
    """The bits of `value` from the other end."""
    return int(f"{value:0{width}b}"[::-1], 2)


def reverse_bytes(value: int, width: int, container: int) -> int:
    """The bytes of every `container`-bit part of a `width`-bit value from the other end.

    >>> hex(reverse_bytes(0x11223344, 32, 16))
    '0x22114433'
    """
    size = container // 8
    data = value.to_bytes(width // 8, "little")
    parts = (data[i : i + size][::-1] for i in range(0, width // 8, size))
    return int.from_bytes(b"".join(parts), "little")


def crc32(accumulator: int, value: int, bits: int, polynomial: int) -> int:
    """CRC32 of the low `bits` of `value` on top of `accumulator`, without final inversion."""
    accumulator ^= value & ones(bits)
    for _ in range(bits):
        accumulator = accumulator >> 1 ^ (polynomial if accumulator & 1 else 0)
    return accumulator


@cache  # at most 5,334 values and 16,384 keys
def bitmask_immediate(n: int, imms: int, immr: int, sf: int) -> int | None:
    """DecodeBitMasks() for logical immediates: the 32- or 64-bit value, None if reserved.

    >>> hex(bitmask_immediate(0, 0b111100, 0, 1)), bitmask_immediate(1, 63, 0, 1)
    ('0x5555555555555555', None)
    """
    length = (n << 6 | (~imms & 0x3F)).bit_length() - 1
    if length < 1 or (n and not sf):
        return None
    size = 1 << length
    levels = size - 1
    if imms & levels == levels:
        return None
    element = rotate_right(ones((imms & levels) + 1), immr & levels, size)
    return element * (ones(32 << sf) // ones(size))  # side by side, as often as it fits


def encode_bitmask_immediate(value: int, sf: int) -> tuple[int, int, int] | None:
    """N, imms, immr of a logical immediate, None if the value cannot be one: inverse of `bitmask_immediate`.

    >>> encode_bitmask_immediate(0xFF00, 1)
    (1, 7, 56)
    """
    width = 32 << sf
    if value in (0, ones(width)) or value >> width:
        return None
    size = width
    while size > 2 and value & ones(size // 2) == value >> size // 2 & ones(size // 2):
        size //= 2
        value &= ones(size)
    for rotation in range(size):  # turn left until the ones stand at the bottom
        turned = rotate_right(value, size - rotation, size) if rotation else value
        if turned & (turned + 1) == 0:
            run = turned.bit_length()
            imms = (run - 1) | (~(2 * size - 1) & 0x3F)
            return int(size == 64), imms, rotation
    return None


def condition_holds(cond: int, n: int, z: int, c: int, v: int) -> bool:
    """ConditionHolds(): cond 0 to 15 (EQ ... NV; the last two always hold)."""
    base = (z, c, n, v, c & ~z & 1, int(n == v), int(n == v) & ~z & 1, 1)[cond >> 1]
    return bool(base ^ (cond & 1)) if cond != 15 else True
