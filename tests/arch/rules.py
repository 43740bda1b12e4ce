"""What Arm's text says about stepping, exception entry and return, and debug events, said once more.

Invariant: nothing here comes from the simulator; a rule is a sentence of the manual (DDI 0487) and the shortest table,
set or expression that says the same. PSTATE is an SPSR image throughout. What the manual leaves open is `OPEN`.
The machine: EL0 to EL2 in AArch64, no EL3, no Secure state, stage 1 off; a Neoverse N1 with DIT and BTI.
"""

from __future__ import annotations

OPEN = None

# C5.2.20: where SPSR_ELx keeps the fields of PSTATE.
NZCV, DIT, UAO, PAN, SS, IL = 0xF000_0000, 1 << 24, 1 << 23, 1 << 22, 1 << 21, 1 << 20
SSBS, BTYPE, D, SERROR, IRQ, FIQ = 1 << 12, 0b11 << 10, 1 << 9, 1 << 8, 1 << 7, 1 << 6
DAIF = D | SERROR | IRQ | FIQ
FIELDS = NZCV | DIT | UAO | PAN | SS | IL | SSBS | BTYPE | D | SERROR | IRQ | FIQ | 0b1101
EL0T, EL1T, EL1H, EL2T, EL2H = 0b0000, 0b0100, 0b0101, 0b1000, 0b1001
LEVEL = {EL0T: 0, EL1T: 1, EL1H: 1, EL2T: 2, EL2H: 2}


# --- D2.3, D2.5: where debug exceptions go, and from where ---


def debug_target(tde: int, tge: int) -> int:
    """EL2 while MDCR_EL2.TDE or HCR_EL2.TGE is 1, else EL1."""
    return 2 if 1 in (tde, tge) else 1


def debug_enabled(el: int, masked: int, *, target: int, kde: int, locks: int) -> bool:
    """Never under the OS Lock or Double Lock; from below the target always; at it with KDE=1 and D=0; not above."""
    if locks:
        return False
    return {-1: True, 0: (kde, bool(masked)) == (1, False), 1: False}[(el > target) - (el < target)]


# --- D2.11: software step ---


def step(mdscr_ss: int, spsr: int, enabled: bool) -> str:
    """Table D2-17."""
    if not (mdscr_ss and enabled):
        return "inactive"
    return "active-not-pending" if spsr & SS else "active-pending"


def after_instruction(mdscr_ss: int, spsr: int) -> int:
    """SSAdvance, which does not ask whether debug exceptions are enabled."""
    return spsr & ~SS if mdscr_ss else spsr


def returns_to(el: int, spsr: int, tge: int) -> int | None:
    """The mode that an ERET at `el` goes to; None for an illegal return: AArch32, no mode, higher, EL1 under TGE."""
    mode = spsr & 0b11111
    if mode not in LEVEL or LEVEL[mode] > el or (LEVEL[mode] == 1 and tge):
        return None
    return mode


def after_return(
    pstate: int, spsr: int, *, tge: int, mdscr_ss: int, target: int, kde: int, locks: int
) -> tuple[int, int]:
    """PSTATE after an ERET, and the bits of it that are not UNKNOWN (D1.4.4, D2.11.4).

    SS is SPSR.SS only where stepping was impossible at the ERET and is possible where it goes. An illegal return keeps
    level and SP, sets IL, and leaves the bits that the manual names UNKNOWN.
    """
    el = LEVEL[pstate & 0b1111]
    mode = returns_to(el, spsr, tge)
    flags = spsr & (NZCV | PAN | D | SERROR | IRQ | FIQ)
    new, known = flags | (pstate & 0b1101) | IL, FIELDS & ~(SSBS | BTYPE | UAO | DIT)
    there = el
    if mode is not None:
        new, known = spsr & FIELDS & ~(SS | 0b1101) | mode, FIELDS
        there = LEVEL[mode]
    at_source = debug_enabled(el, pstate & D, target=target, kde=kde, locks=locks)
    at_target = debug_enabled(there, spsr & D, target=target, kde=kde, locks=locks)
    copied = mdscr_ss and not at_source and at_target
    return new | (spsr & SS if copied else 0), known


# --- D1.4.2: taking an exception ---


def after_entry(
    pstate: int, target: int, *, span: int, dssbs: int, call: int, mdscr_ss: int
) -> tuple[int, int]:
    """SPSR_ELx, and the new PSTATE. SVC, HVC and SMC have completed: SS has advanced before it is saved."""
    saved = after_instruction(mdscr_ss, pstate) if call else pstate
    new = saved & (NZCV | DIT | PAN) | D | SERROR | IRQ | FIQ | (EL2H if target == 2 else EL1H)
    if target == 1 and not span:
        new |= PAN
    return saved, new | (SSBS if dssbs else 0)


def vector(pstate: int, target: int) -> int:
    """Table D1-5: the group of the vectors."""
    if LEVEL[pstate & 0b1111] != target:
        return 0x400
    return 0x200 if pstate & 1 else 0


def virtual_interrupt(pstate: int, *, tge: int, vf: int, vi: int, vse: int) -> int | None:
    """Virtual FIQ, IRQ, SError in this order, unmasked, below EL2 and not under TGE: the vector's offset."""
    if tge or LEVEL[pstate & 0b1111] == 2:
        return None
    for asserted, mask, offset in ((vf, FIQ, 0x100), (vi, IRQ, 0x080), (vse, SERROR, 0x180)):
        if asserted and not pstate & mask:
            return offset
    return None


# --- D1.4.5.6: what comes first ---

ORDER = ("interrupt", "step", "alignment", "abort", "breakpoint", "brk", "undefined")


def first(present: set[str], *, illegal_last: bool) -> str | None:
    """The first of those present; Illegal Execution state is before the abort, or right after the breakpoint."""
    place = ORDER.index("brk" if illegal_last else "abort")
    order = (*ORDER[:place], "illegal", *ORDER[place:])
    return next((what for what in order if what in present), None)


# --- D2.8, D2.9: breakpoints and watchpoints ---


def at_level(control: int, el: int) -> bool | None:
    """HMC, SSC and PMC or PAC (Table D2-9), for EL0 and EL1."""
    levels = {
        (0, 0, 1): (1,), (0, 0, 2): (0,), (0, 0, 3): (0, 1), (1, 0, 1): (1,), (1, 0, 3): (0, 1),
        (1, 3, 0): (),
    }.get((control >> 13 & 1, control >> 14 & 3, control >> 1 & 3))  # fmt: skip
    return OPEN if levels is None else el in levels


def watched(value: int, control: int) -> set[int] | range | None:
    """The bytes that a watchpoint watches; reserved, so OPEN: MASK 1 and 2, a gap in BAS, MASK with a part of BAS."""
    mask, bas = control >> 24 & 31, control >> 5 & 0xFF
    if mask:
        if mask < 3 or bas != 0xFF or value % (1 << mask):
            return OPEN
        return range(value, value + (1 << mask))
    if "01" in f"{bas:b}".strip("0"):
        return OPEN
    first, size = (value & ~3, 4) if value & 4 else (value & ~7, 8)
    return {first + n for n in range(size) if bas & 1 << n}


def watchpoint(
    value: int, control: int, address: int, size: int, *, load: bool, store: bool, el: int
) -> bool | None:
    """Whether an unlinked watchpoint fires for an access from `el`; LSC says for which accesses."""
    if not control & 1 or not ((control >> 3 & 1 and load) or (control >> 4 & 1 and store)):
        return False
    level, bytes_ = at_level(control, el), watched(value, control)
    if level is False:
        return False
    if bytes_ is OPEN or level is OPEN:
        return OPEN
    return any(byte in bytes_ for byte in range(address, address + size))


def in_its_block(far: int, address: int, meeting: list[int]) -> bool:
    """D2.9.8.2.4: FAR is between the lowest byte accessed and the highest that was watched, in the same aligned block
    of 64 bytes (DC ZVA's) as one that was watched and accessed."""
    return address <= far <= max(meeting) and any(far >> 6 == byte >> 6 for byte in meeting)


AWARE = (4, 5)  # of six breakpoints these compare contexts
CONTEXT1, VMID, CONTEXT2 = "CONTEXTIDR_EL1", "VMID", "CONTEXTIDR_EL2"
COMPARES = {  # DBGBCR.BT of a breakpoint by itself; the next number is the one that others link to
    2: {CONTEXT1}, 6: {CONTEXT1}, 8: {VMID}, 10: {VMID, CONTEXT1}, 12: {CONTEXT2},
    14: {CONTEXT1, CONTEXT2},
}  # fmt: skip


def context_is(value: int, compared: set[str], now: dict[str, int]) -> bool:
    """DBGBVR holds CONTEXTIDR_EL1 in its lower half, CONTEXTIDR_EL2 or the VMID in its upper half."""
    held = {CONTEXT1: value & 0xFFFF_FFFF, CONTEXT2: value >> 32, VMID: value >> 32 & 0xFF}
    return all(held[name] == now[name] for name in compared)


def breakpoint(
    n: int, registers: list[tuple[int, int]], pc: int, el: int, now: dict[str, int]
) -> bool | None:
    """Whether breakpoint `n` of (DBGBCR, DBGBVR) fires before the instruction at `pc`."""
    control, value = registers[n]
    kind = control >> 20 & 15
    if not control & 1 or (kind & 1 and kind != 1):
        return False  # off, or only there to be linked to
    if kind in (4, 5) or (kind > 1 and n not in AWARE):
        return OPEN
    matches: bool | None = (
        value >> 2 == pc >> 2 if kind < 2 else context_is(value, COMPARES[kind], now)
    )
    if kind == 1:
        matches = _both(matches, linked(control >> 16 & 15, registers, now))
    return _both(matches, at_level(control, el))


def linked(n: int, registers: list[tuple[int, int]], now: dict[str, int]) -> bool | None:
    """Whether the breakpoint that LBN names, one for links, is on and its context is the current one."""
    if n not in AWARE:
        return OPEN
    control, value = registers[n]
    compared = COMPARES.get((control >> 20 & 15) - 1)
    if not control & 1 or (control >> 20 & 15) in (1, 5) or compared is None:
        return False
    return context_is(value, compared, now)


def _both(one: bool | None, other: bool | None) -> bool | None:
    if False in (one, other):
        return False
    return OPEN if OPEN in (one, other) else True
