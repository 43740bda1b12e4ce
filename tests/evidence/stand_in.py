"""A stand-in for the recorder program: the same requests and answers, with a simulated kernel behind them.

As a program it serves standard input as labs/recordings/recorder/ does. Its argument says what fails:
`no-kvm`, `no-permission`, `panic-N` and `hang-N` (at the N-th VM), `garbled-N`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from aarch64sim.arch.sysregs import KEYS
from aarch64sim.evidence.recorder import one_reg_id
from aarch64sim.evidence.recording import host_of, linux_errno, load
from aarch64sim.evidence.simulated import READ_REGISTERS, Simulated
from aarch64sim.kvm.kernels import kernels
from aarch64sim.kvm.run_page import ExitReason
from aarch64sim.vmm.start import StartState, default_start, recordings_folder

KERNEL = "linux-6.12.117"
NAMES = {one_reg_id(name): name for name in [*READ_REGISTERS, *KEYS]}
UNSET = (0, 0, 0, 0)


class StandIn:
    def __init__(self, fault: str) -> None:
        self.fault, _, number = fault.partition("-")
        self.at = int(number) if number.isdigit() else 0
        self.refusal = {"no-kvm": 2, "no-permission": 13}.get(fault, 0)
        self.watched: list[str] = []
        self.last: dict[str, int] = {}
        self.vms = 0
        self.host = host_of(load(recordings_folder()).kernels[KERNEL])

    def answer(self, name: str, *numbers: int) -> dict[str, Any]:
        if name == "about":
            return {"release": "6.12.117-test", "version": "#1 Debian 6.12.117-1", "vhe": True}
        return getattr(self, name)(*numbers) or {}

    def new(self) -> dict[str, Any]:
        self.vms += 1
        if self.vms == self.at:
            self.fail()
        if self.refusal:
            return {"errno": self.refusal, "at": "/dev/kvm"}
        start = default_start()
        unknown = {
            n: v for n, v in start.registers.items() if n in ("sctlr_el1", "far_el1", "esr_el1")
        }
        self.target = Simulated(kernels[KERNEL], StartState((), unknown), self.host)
        self.last = dict.fromkeys(self.watched, 0)
        return {}

    def fail(self) -> None:
        if self.fault == "panic":
            print("[    1.0] Kernel panic - not syncing: for a test", flush=True)
            sys.exit(1)
        if self.fault == "hang":
            time.sleep(60)
        if self.fault == "garbled":
            print("@{[  1.0] some message of the kernel", flush=True)

    def init(self) -> None:
        pass

    def slot(self, number: int, base: int, size: int, readonly: int) -> None:
        self.target.vm.set_user_memory_region(number, base, size, readonly=bool(readonly))

    def put(self, address: int, *words: int) -> None:
        for n, word in enumerate(words):
            self.target.vm.write_memory(address + 4 * n, word.to_bytes(4, "little"))

    def watch(self, identifier: int) -> None:
        self.watched.append(NAMES[identifier])

    def set(self, identifier: int, value: int) -> None:
        self.target.vcpu.set_one_reg(NAMES[identifier], value)

    def get(self, identifier: int) -> dict[str, Any]:
        return {"value": hex(self.target.vcpu.get_one_reg(NAMES[identifier]))}

    def run(self, how: int, milliseconds: int) -> dict[str, Any]:
        names = {1: "immediate_exit", 2: "pending_signal"}
        event = self.target.perform({"op": "KVM_RUN"} | ({names[how]: 1} if how else {}))
        now = {name: self.target.vcpu.get_one_reg(name) for name in self.watched}
        event["registers"] = {n: hex(v) for n, v in now.items() if v != self.last[n]}
        self.last = now
        for name in ("op", "immediate_exit", "pending_signal"):
            event.pop(name, None)
        return {**event, "exit_reason": ExitReason[event["exit_reason"]].value}

    def debug(self, control: int, bvr: int, bcr: int, wvr: int, wcr: int) -> None:
        points = {kind: hex(address) for kind, address in (("hwbp", bvr), ("hwwp", wvr)) if address}
        self.perform({"op": "KVM_SET_GUEST_DEBUG", "control": hex(control), **points})

    def abort(self) -> None:
        self.perform({"op": "KVM_SET_VCPU_EVENTS", "ext_dabt_pending": 1})

    def irq(self, level: int, later: int) -> None:
        self.target.vm.irq_line(level, when_waiting=bool(later))

    def cap(self, number: int) -> None:
        self.target.vm.enable_cap({177: "ARM_NISV_TO_USER"}[number])

    def ioeventfd(self, address: int, length: int) -> None:
        self.target.vm.ioeventfd(address, length)

    def data(self, value: int) -> None:
        self.target.vcpu.kvm_run.mmio.data = value

    def reason(self, number: int) -> None:
        self.target.vcpu.kvm_run.exit_reason = ExitReason(number)

    def memory(self, address: int, count: int) -> dict[str, Any]:
        data = self.target.vm.read_memory(address, 8 * count)
        words = [hex(int.from_bytes(data[i : i + 8], "little")) for i in range(0, len(data), 8)]
        return {"words": words}

    def perform(self, event: dict[str, Any]) -> None:
        if number := self.target.perform(event).get("errno"):
            raise OSError(number, self.target.failure)


def serve(stand_in: StandIn, say: Callable[[dict[str, Any]], None]) -> None:
    for line in sys.stdin:
        name, *words = line.split()
        numbers = [int(word, 16) for word in words if name != "watch" or word == words[0]]
        try:
            say({"errno": 0} | stand_in.answer(name, *numbers))
        except OSError as error:
            say({"errno": linux_errno(error)})


if __name__ == "__main__":
    print("@" + json.dumps({"errno": 0, "ready": True}), flush=True)
    serve(
        StandIn(" ".join(sys.argv[1:])), lambda answer: print("@" + json.dumps(answer), flush=True)
    )
