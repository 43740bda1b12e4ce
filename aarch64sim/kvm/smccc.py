"""HVC and SMC: calls by the SMC Calling Convention (Arm DEN 0028), PSCI (Arm DEN 0022) among them
(arch/arm64/kvm/hypercalls.c, psci.c).

Invariant: an HVC is never skipped, since the CPU has moved the PC already; an SMC, if it is, before its call.
"""

from __future__ import annotations

from collections.abc import Callable

from aarch64sim.arch.exceptions import Taken
from aarch64sim.arch.registers import MASK32, MASK64
from aarch64sim.arch.syndrome import EC, immediate
from aarch64sim.events import Change, What
from aarch64sim.kvm.adjust_pc import inject_undefined
from aarch64sim.kvm.run_page import ExitReason
from aarch64sim.kvm.vcpu_state import VcpuState
from aarch64sim.kvm.vm_state import SmcCall

_NOT_SUPPORTED, _INVALID_PARAMETERS, _ALREADY_ON, _INTERNAL_FAILURE = -1, -2, -4, -6
_NO_ENTROPY = -3  # of the random number generator
_SHUTDOWN, _RESET = 1, 2  # KVM_SYSTEM_EVENT_*
_PSCI_1_0, _PSCI_1_1, _PSCI_1_3 = 0x1_0000, 0x1_0001, 0x1_0003
_AFFINITY = 0xFF_00FF_FFFF  # MPIDR_EL1.Aff3 to Aff0
_SIXTY_FOUR = 0x4000_0000  # the function takes 64-bit arguments

_PSCI_VERSION, _CPU_SUSPEND, _CPU_OFF, _CPU_ON, _AFFINITY_INFO = range(0x8400_0000, 0x8400_0005)
_MIGRATE_INFO_TYPE, _SYSTEM_OFF, _SYSTEM_RESET = 0x8400_0006, 0x8400_0008, 0x8400_0009
_PSCI_FEATURES, _SYSTEM_RESET2, _SYSTEM_OFF2 = 0x8400_000A, 0x8400_0012, 0x8400_0015
_HIBERNATE_OFF = 1  # the one kind of SYSTEM_OFF2
_TRNG_VERSION, _TRNG_FEATURES, _TRNG_UUID, _TRNG_RND = range(0x8400_0050, 0x8400_0054)
_SMCCC_VERSION, _ARCH_FEATURES = 0x8000_0000, 0x8000_0001
_VENDOR_FEATURES, _VENDOR_UID = 0x8600_0000, 0x8600_FF01
_WORKAROUND_1, _WORKAROUND_2, _WORKAROUND_3 = 0x8000_8000, 0x8000_7FFF, 0x8000_3FFF
_PV_TIME_FEATURES = 0xC500_0020
_WITH_64_BITS = frozenset(
    {_CPU_SUSPEND, _CPU_ON, _AFFINITY_INFO, _SYSTEM_RESET2, _SYSTEM_OFF2, _TRNG_RND}
)

# What ARCH_FEATURES says of a feature: the workarounds for a CPU as the recorded ones, which needs none of the first.
_ARCH_FEATURE = {_WORKAROUND_1: 1, _WORKAROUND_2: -1, _WORKAROUND_3: 0, _PV_TIME_FEATURES: 0}
_KVM_UID = [0xB66F_B428, 0xE911_C52E, 0x564B_CAA9, 0x743A_004D]
_KVM_TRNG_UID = [0x00E0_210D, 0xEB11_8443, 0x4452_7080, 0x4C5A_4E55]


def answered_at_el2(vcpu: VcpuState, taken: Taken | None) -> bool:
    """Serve an HVC that the exception vector answers itself, without leaving the guest (el1_hvc_guest, hyp-entry.S).

    The calls for the workarounds are: X0 and X1 come back 0, and nobody arms the step anew.
    """
    if taken is None or taken.ec != EC.HVC or vcpu.vm.host.psci_version < _PSCI_1_0:
        return False
    if vcpu.cpu.r[0] & MASK32 not in (_WORKAROUND_1, _WORKAROUND_2, _WORKAROUND_3):
        return False
    vcpu.cpu.r[0:2] = [0, 0]
    return True


def handle_hvc(vcpu: VcpuState, taken: Taken) -> int:
    """HVC. The CPU has advanced PC and SS; nothing to skip."""
    return _call(vcpu)


def handle_smc(vcpu: VcpuState, taken: Taken) -> int:
    """SMC: trapped before it executes, so it must be skipped; what it does is the host's configuration."""
    smc = vcpu.vm.host.smc
    if smc is SmcCall.UNDEFINED:
        inject_undefined(vcpu)
        return 1
    if smc is not SmcCall.NEVER_SKIPPED:
        vcpu.skip_instruction()
    if smc is SmcCall.PSCI and not immediate(taken.esr or 0):  # a call's immediate is 0
        return _call(vcpu)
    _put(vcpu, [_NOT_SUPPORTED])
    return 1


def _call(vcpu: VcpuState) -> int:
    """The call whose function number is in W0; the answer goes to X0, with SMCCC 1.1 to X0-X3."""
    function = vcpu.cpu.r[0] & MASK32
    base = function & ~_SIXTY_FOUR
    if base != function and base in _WITH_64_BITS:
        arguments = vcpu.cpu.r[1:4]
    else:
        base, arguments = function, [x & MASK32 for x in vcpu.cpu.r[1:4]]
    if (event := _system_event(vcpu, base, arguments)) is not None:
        vcpu.powered_off = True  # should userspace start it again, the guest finds an error
        if base == _SYSTEM_RESET2:
            _put(vcpu, [_INTERNAL_FAILURE, *arguments])  # X1 to X3 are cut to the width of the call
        else:
            _answer(vcpu, [_INTERNAL_FAILURE])
        vcpu.kvm_run.exit_reason = ExitReason.SYSTEM_EVENT
        vcpu.kvm_run.system_event.type = event
        return 0
    serve = _SERVED.get(base)
    served = serve(vcpu, arguments) if serve else _NOT_SUPPORTED
    _answer(vcpu, served if isinstance(served, list) else [served])
    return 1


def _system_event(vcpu: VcpuState, function: int, arguments: list[int]) -> int | None:
    """What the guest asks userspace for: KVM_SYSTEM_EVENT_SHUTDOWN or _RESET; None if it is another call."""
    if function in (_SYSTEM_OFF, _SYSTEM_RESET):
        return _SHUTDOWN if function == _SYSTEM_OFF else _RESET
    version, kind = vcpu.vm.host.psci_version, arguments[0] & MASK32
    warm_or_vendor = kind == 0 or kind >= 0x8000_0000
    if function == _SYSTEM_RESET2 and warm_or_vendor and version >= _PSCI_1_1:
        return _RESET
    hibernates = kind in (0, _HIBERNATE_OFF) and not arguments[1]
    if function == _SYSTEM_OFF2 and hibernates and version >= _PSCI_1_3:
        return _SHUTDOWN
    return None


# --- the calls ---


def _smccc_version(vcpu: VcpuState, arguments: list[int]) -> int:
    return 0x1_0001 if vcpu.vm.host.psci_version >= _PSCI_1_0 else _NOT_SUPPORTED


def _arch_features(vcpu: VcpuState, arguments: list[int]) -> int:
    known = vcpu.vm.host.psci_version >= _PSCI_1_0
    return _ARCH_FEATURE.get(arguments[0], _NOT_SUPPORTED) if known else _NOT_SUPPORTED


def _psci_features(vcpu: VcpuState, arguments: list[int]) -> int:
    version, base = vcpu.vm.host.psci_version, arguments[0] & ~_SIXTY_FOUR
    asked = base if base in _WITH_64_BITS else arguments[0]
    if asked == _SYSTEM_OFF2 and version >= _PSCI_1_3:
        return _HIBERNATE_OFF  # a mask of its kinds
    known = asked in _PSCI or (asked == _SYSTEM_RESET2 and version >= _PSCI_1_1)
    return 0 if known and version >= _PSCI_1_0 else _NOT_SUPPORTED


def _cpu_off(vcpu: VcpuState, arguments: list[int]) -> int:
    vcpu.powered_off = True
    return 0


def _cpu_on(vcpu: VcpuState, arguments: list[int]) -> int:
    """The one vCPU is on; there is no other."""
    return _ALREADY_ON if _names_this(vcpu, arguments[0], 0) else _INVALID_PARAMETERS


def _affinity_info(vcpu: VcpuState, arguments: list[int]) -> int:
    """0 is ON. A level names a group of CPUs: that many affinity fields do not count."""
    affinity, level = arguments[:2]
    return 0 if level <= 3 and _names_this(vcpu, affinity, level) else _INVALID_PARAMETERS


def _names_this(vcpu: VcpuState, affinity: int, level: int) -> bool:
    """Whether this vCPU, whose affinity fields are 0, is the one or in the group."""
    reserved = affinity & ~_AFFINITY and vcpu.vm.kernel.psci_affinity_checked
    lowest = (0, 8, 16, 32)[level]
    return not reserved and not (affinity & _AFFINITY) >> lowest


def _invalid(since: int) -> Callable[[VcpuState, list[int]], int]:
    """A call of this version of PSCI that asks for a reserved kind."""
    return lambda vcpu, _: (
        _INVALID_PARAMETERS if vcpu.vm.host.psci_version >= since else _NOT_SUPPORTED
    )


def _vendor(answer: list[int]) -> Callable[[VcpuState, list[int]], list[int]]:
    """A service of KVM's own."""
    return lambda vcpu, _: answer if vcpu.vm.kernel.vendor_calls_answered else [_NOT_SUPPORTED]


def _entropy(serve: Callable[[VcpuState, list[int]], list[int]]) -> _Serve:
    """A call of the random number generator (Arm DEN 0098)."""

    def answer(vcpu: VcpuState, arguments: list[int]) -> list[int]:
        return serve(vcpu, arguments) if vcpu.vm.kernel.entropy_calls_answered else [_NOT_SUPPORTED]

    return answer


def _entropy_features(vcpu: VcpuState, arguments: list[int]) -> list[int]:
    known = (*range(_TRNG_VERSION, _TRNG_RND + 1), _TRNG_RND | _SIXTY_FOUR)
    return [0 if arguments[0] in known else _NOT_SUPPORTED]


def _random(vcpu: VcpuState, arguments: list[int]) -> list[int]:
    """So many random bits, of which there are none here (`LIMITS["time"]`)."""
    bits, most = arguments[0] & MASK32, 192 if vcpu.cpu.r[0] & _SIXTY_FOUR else 96
    return [_INVALID_PARAMETERS if bits > most else _NO_ENTROPY if bits else 0]


_Serve = Callable[[VcpuState, list[int]], int | list[int]]
_SERVED: dict[int, _Serve] = {
    _PSCI_VERSION: lambda vcpu, _: vcpu.vm.host.psci_version,
    _CPU_SUSPEND: lambda vcpu, _: 0,
    _CPU_OFF: _cpu_off,
    _CPU_ON: _cpu_on,
    _AFFINITY_INFO: _affinity_info,
    _MIGRATE_INFO_TYPE: lambda vcpu, _: 2,  # there is no trusted OS to migrate
    _PSCI_FEATURES: _psci_features,
    _SYSTEM_RESET2: _invalid(_PSCI_1_1),
    _SYSTEM_OFF2: _invalid(_PSCI_1_3),
    _TRNG_VERSION: _entropy(lambda *_: [0x1_0000]),
    _TRNG_FEATURES: _entropy(_entropy_features),
    _TRNG_UUID: _entropy(lambda *_: _KVM_TRNG_UID),
    _TRNG_RND: _entropy(_random),
    _SMCCC_VERSION: _smccc_version,
    _ARCH_FEATURES: _arch_features,
    _VENDOR_FEATURES: _vendor([0b11]),  # this call, and PTP
    _VENDOR_UID: _vendor(_KVM_UID),
}
# What PSCI_FEATURES knows, whatever the version.
_PSCI = {*_SERVED, _SYSTEM_OFF, _SYSTEM_RESET} - {
    _ARCH_FEATURES, _VENDOR_FEATURES, _VENDOR_UID, _SYSTEM_RESET2, _SYSTEM_OFF2,
    _TRNG_VERSION, _TRNG_FEATURES, _TRNG_UUID, _TRNG_RND,
}  # fmt: skip


def _answer(vcpu: VcpuState, values: list[int]) -> None:
    """The answer in X0; with PSCI 1.0 came SMCCC 1.1, which fills X0-X3 (smccc_set_retval)."""
    whole = vcpu.vm.host.psci_version >= _PSCI_1_0
    _put(vcpu, [*values, 0, 0, 0][:4] if whole else values[:1])


def _put(vcpu: VcpuState, values: list[int]) -> None:
    r = vcpu.cpu.r
    changes = []
    for n, value in enumerate(values):
        old, r[n] = r[n], value & MASK64
        if old != r[n] or n == 0:
            changes.append(Change(f"x{n}", old, r[n]))
    vcpu.note(What.CALL, f"the call is answered: {values[0]}", tuple(changes))
