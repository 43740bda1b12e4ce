"""Which stated limit of the model explains a difference from a recording, if one does.

Invariant: a limit is seen in what the guest does before the difference, or proved by a replay without it that agrees to
the end; no scenario and no kernel is known by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace as changed

from aarch64sim.arch import sysregs
from aarch64sim.arch.access import peek
from aarch64sim.arch.choices import QEMU, Choices
from aarch64sim.arch.decode import decode
from aarch64sim.arch.encodings import OTHER_SIMD
from aarch64sim.arch.exceptions import Taken
from aarch64sim.arch.execute.system import REGISTER_SPACE
from aarch64sim.arch.memory import PAGE_BITS
from aarch64sim.arch.pstate import AARCH32, names_aarch32_user
from aarch64sim.arch.syndrome import EC
from aarch64sim.evidence.recording import Recording
from aarch64sim.evidence.replay import Replay, Result, Unreplayable
from aarch64sim.kvm.behaviours import Arming
from aarch64sim.kvm.kernels import Kernel
from aarch64sim.kvm.vcpu import Vcpu

_ERET = 0xD69F_03E0
_CALL, _ITS_OPERATION = (0xD400_0002, 0xD400_0003), 0xFFE0_001F  # HVC and SMC, with any immediate
# KVM's vendor call that gives the host's time, and those that give random bits
_HOSTS_OWN = (0x8600_0001, 0x8400_0053, 0xC400_0053)
_AT_ONCE = ("simd", "gic", "time")  # limits that show in the event that meets them, or not at all
_ACCESSES = ("read_system_register", "write_system_register")
_HOSTS_REGISTERS = {"icc": "gic", "cnt": "time"}  # by how their names begin
_MOST_INTERRUPTS = 4  # of the host in one recording


def judged(result: Result, choices: Choices = QEMU) -> Result:
    """The same result, with the key of `LIMITS` that explains its difference in `limit`, if one does."""
    recording, kernel = result.recording, result.kernel
    if result.agrees or recording.damage or kernel is None:
        return result
    if choices != QEMU and _difference_with(recording, kernel, QEMU, set()) is None:
        return result  # another CPU, not a limit
    forgets = result.difference and kernel.arming is Arming.EVERY_ENTRY
    if forgets and _interrupted(recording, kernel, choices):
        return changed(result, limit="interrupted host")
    return changed(result, limit=_met(recording, kernel, choices))


# --- limits that the guest meets ------------------------------------------------------------------


def _met(recording: Recording, kernel: Kernel, choices: Choices) -> str:
    """The first limit that the guest, or its VMM, meets before the two part."""
    replay = Replay(recording, kernel, choices=choices)
    vcpu, met, now = replay.target.vcpu, list[str](), list[str]()
    code = {i.address: i.word for i in recording.program}

    def run_cpu(limit: int) -> Taken | None:
        for _ in range(limit):
            if limit_here := _limit_at(vcpu, code):
                (now if limit_here in _AT_ONCE else met).append(limit_here)
            taken = vcpu.cpu.run(1)
            if taken and taken.target_el >= vcpu.cpu.host_el:
                return taken
        return None

    del vcpu.run  # the short cut past `run_cpu`
    vcpu.run_cpu = run_cpu

    def look(number: int) -> None:
        event = recording.events[number]
        now.clear()
        if _sets_aarch32(event):
            met.append("aarch32")
        with suppress(LookupError, TypeError, ValueError):  # an event may be damaged
            if event["op"] == "write_memory":
                code[int(event["address"], 16)] = int(event["word"], 16)

    _first_difference(replay, look)
    return next(iter([*met, *now]), "")


def _sets_aarch32(event: object) -> bool:
    """Whether the VMM puts the guest into AArch32 state."""
    try:
        return event["register"] == "pstate" and bool(int(event["value"], 16) & AARCH32)  # type: ignore[index]
    except (LookupError, TypeError, ValueError):
        return False


def _first_difference(replay: Replay, look: Callable[[int], None]) -> int | None:
    """The number of the event that differs or can't be replayed, None if all agree; `look` sees each number before."""
    steps = replay.run()
    for number in range(len(replay.recording.events)):
        look(number)
        try:
            if next(steps)[2]:
                return number
        except Unreplayable:
            return number
    return None


def _limit_at(vcpu: Vcpu, code: Mapping[int, int]) -> str:
    """The limit that the instruction at PC meets; "" for almost all. `code` is what userspace put there."""
    cpu = vcpu.cpu
    word = peek(cpu, cpu.pc, 4)
    if cpu.pc >> PAGE_BITS in cpu.memory.stage2 and word != code.get(cpu.pc, word):
        return "caches"  # the guest has overwritten it, and a CPU may execute what was there
    if word == _ERET and cpu.pstate.el == 1:
        to_user = names_aarch32_user(cpu.sys.spsr_el1)
        return "aarch32" if to_user and cpu.sys.get("id_aa64pfr0_el1") & 0xF == 2 else ""
    if word & _ITS_OPERATION in _CALL and cpu.r[0] & 0xFFFF_FFFF in _HOSTS_OWN:
        return "time"
    row, fields = decode(word, cpu.features) or (None, None)
    if row in OTHER_SIMD:
        return "simd"
    if row and fields and row.binder in _ACCESSES:
        register = sysregs.BY_KEY.get(fields.key | REGISTER_SPACE)
        return _HOSTS_REGISTERS.get(register.name[:3], "") if register else ""
    return ""


# --- a host that is interrupted -------------------------------------------------------------------


def _interrupted(recording: Recording, kernel: Kernel, choices: Choices) -> bool:
    """Whether the recording is replayed to the end by a host whose interrupts come at some of the pending steps."""
    interrupted: set[int] = set()
    while len(interrupted) <= _MOST_INTERRUPTS:
        at = _difference_with(recording, kernel, choices, interrupted)
        if at is None:
            return True
        if at in interrupted or recording.events[at]["op"] != "KVM_RUN":
            return False
        interrupted.add(at)
    return False


def _difference_with(
    recording: Recording, kernel: Kernel, choices: Choices, interrupted: set[int]
) -> int | None:
    """The first event that differs if the host is interrupted in these; None if all agree."""
    replay = Replay(recording, kernel, choices=choices)
    vcpu = replay.target.vcpu
    enter, now = vcpu.enter_guest, list[int]()

    def enter_guest(limit: int) -> tuple[Taken | None, int]:
        taken, limit = enter(limit)
        if taken and taken.ec == EC.SOFTWARE_STEP and now[-1] in interrupted:
            # The interrupt is taken before the step exception. KVM has nothing to do for the guest, and goes back.
            vcpu.disarm_step()
            vcpu.arm_step()
            vcpu.adjust_pc()
            taken, limit = enter(limit)
        return taken, limit

    del vcpu.run
    vcpu.enter_guest = enter_guest
    return _first_difference(replay, now.append)
