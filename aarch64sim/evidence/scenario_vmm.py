"""The VMM of a scenario: runs its guest on a target, does what its header says when it says so, and keeps a transcript.

Invariant: a real kernel and a simulated one meet the same VMM, this one; the transcript is what recordings hold.
"""

from __future__ import annotations

from typing import Any

from aarch64sim.evidence.scenario import Action, Rule, Scenario, ScenarioError, debug_flags
from aarch64sim.evidence.simulated import EINTR, READ_REGISTERS, Event, Target
from aarch64sim.vmm.machine import EXIT_BASE

BRK = 0x3C  # the exception class of a BRK in AArch64
MOST_FAILURES = 2  # exits that nobody answers: the second one ends a scenario
_EXITS = {"DEBUG": "debug", "ARM_NISV": "nisv", "SYSTEM_EVENT": "system_event"}


class EndlessGuest(Exception):
    """The guest ran for longer than the recorder waits."""


class ScenarioVmm:
    """One run of a scenario; `events` is the transcript so far."""

    def __init__(self, scenario: Scenario, target: Target) -> None:
        self.scenario = scenario
        self.target = target
        self.events: list[Event] = []
        self.registers: dict[str, int] = {}
        self.saved: dict[str, int] = {}
        self.counts: dict[str, int] = {}
        self.failures = self.loads = 0
        self.over = False

    def record(self) -> list[Event]:
        """Run it to its end. EndlessGuest if the guest loops, ScenarioError if the header asks for nonsense."""
        self.target.begin(self.scenario.words)
        for action in self.scenario.start:
            self.act(action)
        while not self.over:
            self.run()
        memory = {hex(address): count for address, count in self.scenario.final}
        self.perform({"op": "final", "memory": memory})
        return self.events

    @property
    def pc(self) -> int:
        """The guest's PC as userspace last read or set it."""
        return self.registers.get("pc", 0)

    def perform(self, operation: Event) -> Event:
        """Have the target do it, and note what came back."""
        event = self.target.perform(operation)
        if event.pop("too_long", False):
            raise EndlessGuest(self.scenario.name)
        self.registers |= {n: int(v, 16) for n, v in event.get("registers", {}).items()}
        self.events.append(event)
        return event

    # --- KVM_RUN ---------------------------------------------------------------------------------

    def run(self, how: str = "") -> None:
        """One KVM_RUN, and what follows from it."""
        event = self.perform({"op": "KVM_RUN"} | ({how: 1} if how else {}))
        if self._count("run") >= self.scenario.limit:
            self.perform({"op": "truncated"})
            self.over = True
        elif event["errno"] == EINTR:
            self.over = not how
        elif event["errno"]:
            self._fail()
        else:
            self._serve(event)

    def _serve(self, event: Event) -> None:
        kind, place = self._kind(event)
        if kind == "store" and place == EXIT_BASE:
            self.over = True
            return
        if kind == "load" and self.scenario.answers:
            value = self.scenario.answers[self.loads % len(self.scenario.answers)]
            self.loads += 1
            self.perform({"op": "mmio_data", "value": hex(value)})
        number, runs = self._count(kind), self.counts["run"]
        rules = [r for r in self.scenario.rules if self._matches(r, kind, number, runs, place)]
        for action in (action for rule in rules for action in rule.actions):
            if not self.over:
                self.act(action)
        if not rules and kind not in ("load", "store", "debug"):
            self._fail()

    def _kind(self, event: Event) -> tuple[str, int]:
        """What kind of event an exit is, and where."""
        reason = event["exit_reason"]
        if reason == "MMIO":
            mmio = event["mmio"]
            return "store" if mmio["is_write"] else "load", int(mmio["phys_addr"], 16)
        if reason == "DEBUG" and int(event["debug"]["hsr"], 16) >> 26 == BRK:
            return "brk", self.pc
        return _EXITS.get(reason, reason.lower()), self.pc

    def _matches(self, rule: Rule, kind: str, number: int, runs: int, place: int) -> bool:
        if rule.event != kind and rule.event != "run":
            return False
        if rule.number and rule.number != (runs if rule.event == "run" else number):
            return False
        return not rule.place or self.scenario.value(rule.place) == place

    def _count(self, kind: str) -> int:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return self.counts[kind]

    def _fail(self) -> None:
        self.failures += 1
        self.over = self.failures >= MOST_FAILURES

    # --- actions ---------------------------------------------------------------------------------

    def act(self, action: Action) -> None:
        """Do one action of the header."""
        if action.name == "run":
            self.run(_HOW[action.words[0]] if action.words else "")
        elif action.name == "end":
            self.over = True
        elif action.name == "save":
            self.saved = dict(self.registers)
        elif action.name == "restore":
            for name in READ_REGISTERS:
                if name in self.saved and self.saved[name] != self.registers[name]:
                    self._set(name, self.saved[name])
        elif action.name == "set":
            self._set(
                action.words[0], self.scenario.value(action.words[1], self.pc) & (1 << 64) - 1
            )
        else:
            self.perform(self._operation(action))

    def _set(self, name: str, value: int) -> None:
        event = self.perform({"op": "KVM_SET_ONE_REG", "register": name, "value": hex(value)})
        if not event.get("errno"):
            self.registers[name] = value

    def _operation(self, action: Action) -> Event:
        """The event that asks for it."""
        words = action.words
        values = [
            self.scenario.value(w, self.pc) for w in words if w[:1].isdigit() or w[:2] == "pc"
        ]
        if action.name == "debug":
            places = dict(zip(words[1::2], words[2::2], strict=True))
            points = {kind: hex(self.scenario.value(place)) for kind, place in places.items()}
            return {"op": "KVM_SET_GUEST_DEBUG", "control": hex(debug_flags(words[0])), **points}
        if action.name == "irq":
            later: dict[str, Any] = {"during_next_run": True} if words[1:] else {}
            return {"op": "KVM_IRQ_LINE", "level": values[0], **later}
        if action.name == "rom":
            return {
                "op": "KVM_SET_USER_MEMORY_REGION", "slot": 1, "guest_phys_addr": hex(values[0]),
                "memory_size": hex(values[1]), "readonly": True, "first_word": hex(values[2]),
            }  # fmt: skip
        if action.name == "ioeventfd":
            return {"op": "KVM_IOEVENTFD", "addr": hex(values[0]), "len": values[1]}
        if action.name == "write":
            address = self.scenario.value(words[0], self.pc)
            word = self.scenario.value(words[1])
            return {"op": "write_memory", "address": hex(address), "word": f"{word:#010x}"}
        if action.name == "data":
            return {"op": "mmio_data", "value": hex(values[0])}
        if action.name == "reason":
            return {"op": "set_exit_reason", "value": words[0]}
        if action.name == "cap":
            return {"op": "KVM_ENABLE_CAP", "cap": f"KVM_CAP_{words[0]}"}
        if action.name == "abort":
            return {"op": "KVM_SET_VCPU_EVENTS", "ext_dabt_pending": 1}
        raise ScenarioError(f"{self.scenario.name}: {action} is nothing that userspace can do")


_HOW = {"immediate_exit": "immediate_exit", "signal": "pending_signal"}
