"""The recorder on a real kernel: what it is asked, and what it answers, over its standard input and output.

Invariant: a recorder that dies, or says nothing for too long, becomes a RecorderError of one sentence.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from aarch64sim.arch.sysregs import KEYS
from aarch64sim.evidence.errors import EvidenceError
from aarch64sim.evidence.recording import POISON
from aarch64sim.evidence.simulated import READ_REGISTERS, Event
from aarch64sim.kvm.run_page import ExitReason
from aarch64sim.vmm.start import StartState

ENOENT, EACCES, EPERM = 2, 13, 1
BOOT_SECONDS, ANSWER_SECONDS, RUN_MILLISECONDS = 180.0, 60.0, 1500
MOST_IN_FLIGHT = 1000  # bytes of requests that are not answered yet: what a console can hold
_CORE, _SYSTEM = (
    0x6030_0000_0010_0000,
    0x6030_0000_0013_0000,
)  # KVM_REG_ARM64 | _SIZE_U64 | _ARM_CORE, _ARM64_SYSREG
_CORE_INDEX = {f"x{n}": 2 * n for n in range(31)} | {  # offset in struct kvm_regs, in 32-bit units
    "sp_el0": 62, "pc": 64, "pstate": 66, "sp_el1": 68, "elr_el1": 70, "spsr_el1": 72,
}  # fmt: skip
_CAPS = {"KVM_CAP_ARM_NISV_TO_USER": 177}
_BREAKPOINT, _WATCHPOINT = 0x1E7, 0x1FF  # BAS=0xf, EL0 and EL1; a watchpoint on loads and stores


class RecorderError(EvidenceError):
    """Nothing can be recorded (any more); the text is one sentence that says what to do."""


class GuestFailure(RecorderError):
    """The kernel died or hangs: what has been recorded until then is good."""


def one_reg_id(name: str) -> int:
    """The 64-bit id that KVM_GET_ONE_REG takes for a register; KeyError for an unknown name."""
    if name in _CORE_INDEX:
        return _CORE + _CORE_INDEX[name]
    return _SYSTEM + KEYS[name]


class Recorder:
    """The target that is a real kernel, behind the recorder's standard input and output."""

    def __init__(self, command: Iterable[str], start: StartState) -> None:
        self.start = start
        self._console: deque[str] = deque(maxlen=200)
        words = list(command)
        self._program, self._greeted = Path(words[0]).name, False
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert self._process.stdin
        assert self._process.stdout
        self._input, self._output = self._process.stdin, self._process.stdout
        os.set_blocking(self._output.fileno(), False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._output, selectors.EVENT_READ)
        self._pending = b""
        try:
            self._greet()
        except BaseException:
            self.close()
            raise

    def _greet(self) -> None:
        self._answer(BOOT_SECONDS)
        self.about = self.ask("about")[0]
        self.ask(*(f"watch {one_reg_id(name):x} {name}" for name in READ_REGISTERS))
        self._check_kvm(self.ask("new")[0])
        self._greeted = True

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the recorder, and the kernel that was booted for it."""
        self._process.kill()
        self._process.wait()
        self._selector.close()
        self._output.close()
        with suppress(OSError):
            self._input.close()

    def _check_kvm(self, answer: Event) -> None:
        if answer["errno"] == 0:
            return
        if answer["errno"] == ENOENT:
            raise RecorderError(
                f"Linux {self.about['release']} has no /dev/kvm: choose a kernel that is built with KVM"
                " and started at EL2"
            )
        if answer["errno"] in (EACCES, EPERM):
            raise RecorderError(
                "no permission on /dev/kvm: add yourself to its group (sudo usermod -aG kvm $USER)"
                " and log in again"
            )
        raise RecorderError(f"{answer['at']} failed with errno {answer['errno']}")

    # --- the target ------------------------------------------------------------------------------

    def begin(self, program: Iterable[tuple[int, int]]) -> None:
        """A new VM in the start state (what KVM leaves "unknown" stays so), with the program in its memory."""
        slots = enumerate(self.start.memory)
        requests = ["new", "init", *(f"slot {n} {base:x} {size:x} 0" for n, (base, size) in slots)]
        requests += [
            f"set {one_reg_id(name):x} {value:x}"
            for name, value in self.start.registers.items()
            if value != POISON
        ]
        requests += _puts(program)
        for request, answer in zip(requests, self.ask(*requests), strict=True):
            if answer["errno"]:
                raise RecorderError(f"{request!r} failed with errno {answer['errno']}")
        self._first = True

    def perform(self, operation: Event) -> Event:
        """Do it; the event with what came back, as recordings hold it."""
        if operation["op"] == "KVM_RUN":
            return self._run(operation)
        if operation["op"] == "final":
            return self._final(operation)
        event = {name: value for name, value in operation.items() if name != "errno"}
        requests = list(_requests(operation))
        errors = [answer["errno"] for answer in (self.ask(*requests) if requests else [])]
        if any(errors):
            event["errno"] = next(filter(None, errors))
        return event

    def _run(self, operation: Event) -> Event:
        how = {name: 1 for name in ("immediate_exit", "pending_signal") if operation.get(name)}
        number = 1 if "immediate_exit" in how else 2 if how else 0
        answer = self.ask(f"run {number} {RUN_MILLISECONDS:x}")[0]
        reason = answer["exit_reason"]
        known = {int(member): member.name for member in ExitReason}
        answer["exit_reason"] = known.get(reason, str(reason))
        if self._first:
            there = answer["registers"]
            answer["registers"] = {
                n: there.get(n, "0x0")
                for n in READ_REGISTERS
                if n in there or not n.startswith("x")
            }
            self._first = False
        answer["registers"] = {
            name: value
            for name, value in answer["registers"].items()
            if name.startswith("x") or value != hex(POISON)
        }
        return {"op": "KVM_RUN", **how, **answer}

    def _final(self, operation: Event) -> Event:
        areas = {
            address: words if isinstance(words, int) else len(words)
            for address, words in operation["memory"].items()
        }
        x = self.ask(*(f"get {one_reg_id(f'x{n}'):x}" for n in range(31)))
        memory = self.ask(*(f"memory {int(address, 16):x} {n:x}" for address, n in areas.items()))
        return {
            "op": "final",
            "x": [answer["value"] for answer in x],
            "memory": {address: m["words"] for address, m in zip(areas, memory, strict=True)},
        }

    # --- the line --------------------------------------------------------------------------------

    def ask(self, *requests: str) -> list[Event]:
        """The answers to these requests, in order; GuestFailure when there is none."""
        answers: list[Event] = []
        waiting: deque[int] = deque()
        for request in requests:
            line = request.encode() + b"\n"
            while waiting and sum(waiting) + len(line) > MOST_IN_FLIGHT:
                answers.append(self._answer(ANSWER_SECONDS))
                waiting.popleft()
            try:
                self._input.write(line)
                self._input.flush()
            except OSError:
                raise self._dead() from None
            waiting.append(len(line))
        answers += [self._answer(ANSWER_SECONDS) for _ in waiting]
        return answers

    def _answer(self, seconds: float) -> Event:
        deadline = time.monotonic() + seconds
        while True:
            line, found, rest = self._pending.partition(b"\n")
            if found:
                self._pending = rest
                text = line.decode("latin-1").strip()
                noise, found_answer, answer = text.partition("@{")
                if noise:
                    self._console.append(noise)
                if found_answer:
                    return self._read("{" + answer)
            else:
                self._wait(deadline - time.monotonic())

    def _read(self, answer: str) -> Event:
        try:
            event: Event = json.loads(answer)
        except ValueError:
            raise GuestFailure(
                f"the recorder's answer was garbled on the console: {answer[:60]!r}"
            ) from None
        return event

    def _wait(self, seconds: float) -> None:
        if seconds <= 0 or not self._selector.select(seconds):
            needs = "; it needs a PL011 console, devtmpfs and an initial RAM disk built in"
            advice = "" if self._greeted else needs
            raise GuestFailure(f"the kernel says nothing any more{self._last_words()}{advice}")
        data = self._output.read()
        if not data:
            raise self._dead()
        self._pending += data

    def _dead(self) -> GuestFailure:
        advice = "" if self._greeted else "; choose another kernel"
        panic = next((line for line in self._console if "Kernel panic" in line), "")
        if panic:
            why = panic.partition("Kernel panic")[2].strip(" -")
            return GuestFailure(f"the kernel panicked: {why}{advice}")
        return GuestFailure(f"{self._program} ended{self._last_words()}")

    def _last_words(self) -> str:
        return f" (the last on its console: {self._console[-1]!r})" if self._console else ""


def _puts(program: Iterable[tuple[int, int]]) -> Iterator[str]:
    """Requests that write the words, up to 64 neighbours in one."""
    run: list[int] = []
    first = 0
    for address, word in sorted(program):
        if run and (address != first + 4 * len(run) or len(run) == 64):
            yield f"put {first:x} " + " ".join(f"{w:x}" for w in run)
            run = []
        if not run:
            first = address
        run.append(word)
    if run:
        yield f"put {first:x} " + " ".join(f"{w:x}" for w in run)


def _requests(event: Event) -> Iterator[str]:
    """What the recorder is asked for an event other than KVM_RUN; KeyError for an operation that it has not."""
    op = event["op"]
    if op == "KVM_SET_GUEST_DEBUG":
        bp, wp = int(event.get("hwbp", "0"), 16), int(event.get("hwwp", "0"), 16)
        controls = (bp, _BREAKPOINT if bp else 0, wp, _WATCHPOINT if wp else 0)
        yield f"debug {int(event['control'], 16):x} " + " ".join(f"{v:x}" for v in controls)
    elif op == "KVM_SET_ONE_REG":
        yield f"set {one_reg_id(event['register']):x} {int(event['value'], 16):x}"
    elif op == "KVM_SET_VCPU_EVENTS":
        yield "abort"
    elif op == "KVM_IRQ_LINE":
        yield f"irq {event['level']} {int(bool(event.get('during_next_run')))}"
    elif op == "KVM_ENABLE_CAP":
        yield f"cap {_CAPS[event['cap']]:x}"
    elif op == "KVM_IOEVENTFD":
        yield f"ioeventfd {int(event['addr'], 16):x} {event['len']:x}"
    elif op == "KVM_SET_USER_MEMORY_REGION":
        base, size = int(event["guest_phys_addr"], 16), int(event["memory_size"], 16)
        yield f"slot {event['slot']} {base:x} {size:x} {int(bool(event.get('readonly')))}"
        if "first_word" in event:
            word = int(event["first_word"], 16)
            yield f"put {base:x} {word & 0xFFFF_FFFF:x} {word >> 32:x}"
    elif op == "write_memory":
        yield f"put {int(event['address'], 16):x} {int(event['word'], 16):x}"
    elif op == "mmio_data":
        yield f"data {int(event['value'], 16):x}"
    elif op == "set_exit_reason":
        yield f"reason {ExitReason[event['value']].value:x}"
    elif op != "truncated":
        raise KeyError(op)
