"""What is not modelled, in one place: the guide, `--help` and errors say it in these words.

Invariant: each entry says what a guest or userspace meets instead.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """Something that real hardware or Linux has and the model has not: `what` it is, and what happens `instead`."""

    what: str
    instead: str

    def __str__(self) -> str:
        return f"{self.what}: {self.instead}"


LIMITS: dict[str, Limit] = {
    "stage 1": Limit(
        "Translation tables of the guest (SCTLR_EL1.M = 1)",
        "the bit is kept and read back, addresses stay physical ones, and no stage-1 fault is ever raised.",
    ),
    "device alignment": Limit(
        "Alignment faults while the guest's MMU is off",
        "an unaligned access succeeds, as on a CPU whose memory is Normal. The choice `unaligned_device_faults`"
        " gives what the manual asks for.",
    ),
    "aarch32": Limit(
        "AArch32, also at EL0, although the recorded CPUs have it there",
        "a return to it is an illegal exception return (PSTATE.IL = 1).",
    ),
    "simd": Limit(
        "SIMD and floating-point arithmetic",
        "only loads and stores of V registers execute; any other word of their encodings is UNDEFINED, or trapped by"
        " CPACR_EL1.FPEN.",
    ),
    "extensions": Limit(
        "SVE, SME, pointer authentication, BTI checks, memory tagging and nested virtualization",
        "the ID registers do not offer them, and their instructions are UNDEFINED or NOPs, as on a Neoverse N1.",
    ),
    "gic": Limit(
        "An interrupt controller in the kernel (KVM_CREATE_IRQCHIP, vGIC) and the guest's timers",
        "userspace raises the vCPU's IRQ line itself (KVM_IRQ_LINE); a timer counts instructions and never fires. The"
        " ICC registers, which up to Linux 6.11 are the host's own then, only keep what is written.",
    ),
    "vcpus": Limit(
        "More than one vCPU",
        "a second KVM_CREATE_VCPU fails with EEXIST; PSCI CPU_ON finds no other CPU.",
    ),
    "time": Limit(
        "Time and random numbers",
        "counters count instructions, so that runs repeat exactly; KVM's PTP call answers NOT_SUPPORTED, and its TRNG"
        " call NO_ENTROPY.",
    ),
    "pmu": Limit(
        "A PMU for the guest",
        "its registers are UNDEFINED, or read as zero up to Linux 5.10.",
    ),
    "caches": Limit(
        "Caches, TLBs and stale instructions",
        "maintenance completes and changes nothing; a store to code is seen by the next fetch.",
    ),
    "id registers": Limit(
        "ID registers that userspace may lower (KVM_SET_ONE_REG, from Linux 6.7 on)",
        "only the value that is there is accepted, any other is EINVAL. MIDR_EL1, REVIDR_EL1 and AIDR_EL1 can be"
        " changed where the kernel allows it (6.15).",
    ),
    "ipa size": Limit(
        "Other sizes of the guest's address space than 40 bits",
        "slots beyond are refused (EFAULT).",
    ),
    "interrupted host": Limit(
        "Interrupts of the host",
        "a guest is left only for what it does itself, a signal or a limit, so a kernel that forgets a step over any"
        " host interrupt shows it only where the guest causes the exit.",
    ),
}


def in_words() -> str:
    """All of it, an entry a line."""
    return "\n".join(map(str, LIMITS.values()))
