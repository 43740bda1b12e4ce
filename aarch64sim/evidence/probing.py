"""What a kernel *is*: its entry in kernels.json, asked of its guests.

Invariant: every value is one that a guest of this kernel read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from aarch64sim.arch.sysregs import KEYS
from aarch64sim.evidence.scenario import Scenario
from aarch64sim.evidence.scenario_vmm import EndlessGuest, ScenarioVmm
from aarch64sim.evidence.simulated import Event, Target
from aarch64sim.kvm.vm_state import SmcCall

_MARK = 0x5A5A_5A5A_5A5A  # no register that is asked for holds this
_AT_ONCE = 18  # x0-x17; the handler has x29 and x30
_OTHERS = [
    "midr_el1",
    "mpidr_el1",
    "revidr_el1",
    "aidr_el1",
    "ctr_el0",
    "dczid_el0",
    "clidr_el1",
    "cntfrq_el0",
]
_HANDLER = """
.org 0x40001200
    add x29, x29, #1
    mrs x30, elr_el1
    add x30, x30, #4
    msr elr_el1, x30
    eret
"""


def kernel_name(about: Event) -> str:
    """The name of a recording: linux- and the release, from what uname says.

    >>> kernel_name({"release": "5.10.0-30-cloud-arm64", "version": "#1 SMP Debian 5.10.218-1 (2024-06-01)"})
    'linux-5.10.218'
    """
    found = re.search(r"Debian (\d+\.\d+(\.\d+)?)", about["version"])
    found = found or re.match(r"(\d+\.\d+(\.\d+)?)", about["release"])
    return f"linux-{found[1] if found else about['release']}"


def kernel_entry(target: Target, about: Event, cpu: str) -> Event:
    """The entry in kernels.json for a kernel that calls itself `about`, on `cpu`."""
    vhe = {True: ", VHE", False: ", no VHE"}.get(about.get("vhe", ""), "")
    version = _call(target, "hvc #0")[0]
    return {
        "kernel": kernel_name(about),
        "made": f"real ({about['release']} {about['version']})",
        "cpu": cpu + vhe,
        "psci_version": version,
        "smc": _smc(target, version).value,
        "id_registers": dict(_id_registers(target)),
    }


def _id_registers(target: Target) -> Iterator[tuple[str, str]]:
    """Name and value of each register that a guest may read."""
    names = [n for n in KEYS if n.startswith(("id_aa64", "s3_0_c0_"))]
    names += [n for n in _OTHERS if n in KEYS]
    for first in range(0, len(names), _AT_ONCE):
        some = names[first : first + _AT_ONCE]
        code = [f"    mrs x{n}, {name}" for n, name in enumerate(some)]
        marks = "; ".join(f"set x{n} {_MARK:#x}" for n in range(len(some)))
        for name, value in zip(some, _final(target, marks, code), strict=False):
            if int(value, 16) != _MARK:
                yield name, value


def _call(target: Target, instruction: str) -> tuple[str, bool]:
    """X0 after PSCI_VERSION was called by this instruction, and whether that was UNDEFINED."""
    x = _final(target, "set x0 0x84000000", [f"    {instruction}"])
    return x[0], x[29] != "0x0"


def _smc(target: Target, version: str) -> SmcCall:
    try:
        value, undefined = _call(target, "smc #0")
    except EndlessGuest:
        return SmcCall.NEVER_SKIPPED
    if undefined:
        return SmcCall.UNDEFINED
    return SmcCall.PSCI if value == version else SmcCall.REFUSED


def _final(target: Target, start: str, code: list[str]) -> list[str]:
    """X0-X30 after this code ran without any debugging."""
    source = "\n".join([f"// start: {start}", "", *code, "    str w20, [x20]", _HANDLER])
    x: list[str] = ScenarioVmm(Scenario.parse("probe", source), target).record()[-1]["x"]
    return x
