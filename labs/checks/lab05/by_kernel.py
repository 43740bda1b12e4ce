"""Tasks of lab 05 that are answered with kernels: two predicates on the switches, two pairs, and one kernel.

Invariant: a predicate is compared with what every kernel of the switches does; a pair may differ in one field only.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aarch64sim import Kernel, kernels
from aarch64sim.kvm.kernels import Leftover, SkipApplied

from checks.lab05.experiments import (
    BASE,
    EARLY,
    LATE,
    PC_WORDS,
    REAL,
    differing,
    guest_right,
    host_right,
    position,
    simulated,
    switches,
)
from checks.task import NotAnswered, Wrong, call, describe

# --- guest_steps_right, host_steps_right -------------------------------------------------------------------


def _recipe(kernel: Kernel) -> str:
    advance, clears, applied = position(kernel)
    real = REAL.get((advance, clears, applied))
    shown = (
        f"PC moves {'late' if advance is LATE else 'early'}, SS {'cleared' if clears else 'kept'}, the skip runs"
        f" {'before' if applied is SkipApplied.AT_ONCE else 'after'} arming"
    )
    return f"The kernel that shows it: {shown}" + (f"\nRecorded: {real}" if real else "")


def _telling_first() -> list[Kernel]:
    """The kernels of the switches, those first that somebody has built and that are nearest to right."""
    return sorted(
        switches(),
        key=lambda k: (position(k) not in REAL, not k.skip_clears_ss, k.pc_advance is EARLY),
    )


def _answer(predicate: Any, kernel: Kernel) -> bool:
    said = call(predicate, kernel)
    if said is None:
        raise NotAnswered("let the function return True or False")
    if said not in (True, False):
        raise Wrong(f"the function should return True or False, and returned {describe(said)}")
    return bool(said)


def guest_steps_right(answer: Any) -> str:
    """The check of the task of that name."""
    for kernel in _telling_first():
        said, right = _answer(answer, kernel), guest_right(kernel)
        if said and not right:
            raise Wrong(
                "you say that the guest steps itself correctly here, and it is stopped late. Nobody clears SS, so the"
                " step that the guest granted itself is still owed after the skip",
                misconception="skip-is-pc",
                evidence=_recipe(kernel),
            )
        if not said and right:
            raise Wrong(
                "you say that the guest's own step is late here, and it is right. Who sets SS when nobody steps from"
                " outside? Only the guest's ERET. The kernel arms nothing, so nothing undoes the clearing",
                evidence=_recipe(kernel),
            )
    return "right: for a guest that steps itself, clearing SS at the skip is the whole fix."


def host_steps_right(answer: Any) -> str:
    """The check of the task of that name. It is about the switches of BASE; newer kernels are asked, but not graded."""
    for kernel in _telling_first():
        said, right = _answer(answer, kernel), host_right(kernel)
        if said and not right:
            text, misconception = _why_late(kernel)
            raise Wrong(
                f"you say that the debugger stops in the right place, and it is late. {text}",
                misconception=misconception,
                evidence=_recipe(kernel),
            )
        if not said and right:
            raise Wrong(
                "you say that the debugger's stop is late, and it is right: SS is cleared, and nothing sets it between"
                " the clearing and the ERET",
                evidence=_recipe(kernel),
            )
    more = (
        ""
        if _knows_today(answer)
        else " (That is the rule up to 6.13. What changed then is the end of this lab.)"
    )
    return f"right: it is not enough to clear SS. It must be cleared after it was armed.{more}"


def _why_late(kernel: Kernel) -> tuple[str, str]:
    """Why the host stops late under a kernel of the switches, and the misconception of who thinks otherwise."""
    if not kernel.skip_clears_ss:
        return "The PC moves, and nobody clears SS", "skip-is-pc"
    if kernel.skip_applied is SkipApplied.AT_ONCE:
        text = "The skip clears SS, and then the kernel sets it again, as at every entry while the host steps"
        return text, "clear-anywhere"
    return (
        "With the early advance the skip is done with, SS and all, when KVM_RUN returns to userspace. In 6.1.192 the next"
        " KVM_RUN arms SS again",
        "clear-anywhere",
    )


def _knows_today(answer: Any) -> bool:
    """Whether a rule is also right about the early advance in today's kernels."""
    names = ("v6.1.192", "v6.3", "v6.14", "v7.2", "fixed")
    early = [replace(kernels[name], pc_advance=EARLY) for name in names]
    return all(_answer(answer, kernel) == host_right(kernel) for kernel in early)


# --- dall, maydell --------------------------------------------------------------------------------------------


def _pair(answer: Any) -> tuple[Kernel, Kernel]:
    if not isinstance(answer, list | tuple) or len(answer) != 2:
        raise Wrong(f"this task asks for a pair of kernels, and this is {describe(answer)}")
    if None in answer:
        raise NotAnswered("fill in both kernels")
    pair = [kernels[k] if isinstance(k, str) and k in kernels else k for k in answer]
    for kernel in pair:
        if not isinstance(kernel, Kernel):
            raise Wrong(
                f"a kernel is made with replace(kernels[...], ...), and this is {describe(kernel)}"
            )
    return pair[0], pair[1]


def _differ_only_in(one: Kernel, other: Kernel, field: str, *free: str) -> None:
    found = [name for name in differing(one, other) if name not in free]
    if field not in found:
        raise Wrong(f"your two kernels do not differ in {field}, so they show nothing about it")
    if len(found) > 1:
        rest = ", ".join(name for name in found if name != field)
        raise Wrong(
            f"your two kernels differ in {field}, and also in {rest}. Whatever you see, nobody knows which of them did"
            " it: change one thing"
        )


def dall(answer: Any) -> str:
    """The check of the task of that name."""
    kept, cleared = _pair(answer)
    if kept == cleared:
        raise Wrong("this is the same kernel twice")
    _differ_only_in(kept, cleared, "skip_clears_ss")
    if kept.skip_clears_ss:
        kept, cleared = cleared, kept
    if host_right(cleared):
        raise Wrong(
            "in this pair the clearing fixes both, the guest's own stepping and the debugger's. So it shows no"
            " difference between them: take a kernel in which the clearing comes before SS is armed",
            misconception="clear-anywhere",
        )
    if host_right(kept) or guest_right(kept):
        raise Wrong("the first kernel should have the bug, for the host and for the guest")
    return (
        "right. Clearing SS, and nothing else: the debugger's stop is late with and without it, and the guest's own is"
        " fixed. Nobody arms SS for a guest that steps itself. That is the relation that Dall was not sure of."
    )


def maydell(answer: Any) -> str:
    """The check of the task of that name."""
    early, late = _pair(answer)
    if early == late:
        raise Wrong("this is the same kernel twice")
    if early.pc_advance is LATE:
        early, late = late, early
    _differ_only_in(early, late, "pc_advance", "early_skip_remembers_step")
    if late.leftover_advance is Leftover.BEFORE_PUT_AWAY and host_right(late):
        raise Wrong(
            f"from 6.14 on there is another answer, and the end of this lab asks for it. Take kernels['{BASE.name}'] as"
            " the base here"
        )
    for kernel, name in ((early, "early"), (late, "late")):
        if not guest_right(kernel):
            raise Wrong(
                f"a guest that steps itself is stopped late under the {name} kernel: let the skip clear SS",
                misconception="skip-is-pc",
            )
    if not host_right(late):
        where = "the late kernel" if host_right(early) else "both kernels"
        raise Wrong(
            f"the debugger's stop is late under {where}: look at your rule for host_steps_right once more",
            misconception="clear-anywhere",
        )
    if not host_right(early):
        raise Wrong(
            "the debugger's stop is late under the early kernel, so this pair suggests that stepping needs the late"
            " advance. It does not: there is a field that gives the early kernel a memory of the step that is spent",
            misconception="clear-anywhere",
        )
    seen = [simulated("pc", kernel) for kernel in (early, late)]
    return (
        "right. Both step correctly, host and guest. What the late advance alone gives is what userspace sees: the PC"
        f" at KVM_EXIT_MMIO is that of the {PC_WORDS[seen[0]]} under the early kernel, and that of the"
        f" {PC_WORDS[seen[1]]} under the late one. And so an injected"
        " abort returns to the access, and not to the instruction after it."
    )


# --- one_line -----------------------------------------------------------------------------------------------


def one_line(answer: Any) -> str:
    """The check of the task of that name."""
    if isinstance(answer, str) and answer in kernels:
        answer = kernels[answer]
    if not isinstance(answer, Kernel):
        raise Wrong(
            f"this task asks for a kernel, made with replace(kernels['v7.2'], ...), and this is {describe(answer)}"
        )
    early = replace(kernels["v7.2"], pc_advance=EARLY)
    changed = differing(early, answer)
    if answer.pc_advance is LATE:
        raise Wrong("your kernel has the late advance; the task is about the early one")
    if not changed:
        raise Wrong(
            "this is 7.2 with the early advance, and it steps correctly: change one more field"
        )
    if len(changed) > 1:
        raise Wrong(f"your kernel differs in {', '.join(changed)}: change one field only")
    if host_right(answer):
        raise Wrong(
            f"with another {changed[0]} the debugger still stops in the right place. Which line decides whose SS the"
            " skip clears?"
        )
    if not guest_right(answer):
        raise Wrong(
            f"with another {changed[0]} the guest that steps itself is late, too, so this is the bug of 2014 again. The"
            " skip should still clear SS: whose?",
            misconception="skip-is-pc",
        )
    if changed != ["leftover_advance"]:
        also = host_right(replace(answer, pc_advance=LATE))
        why = (
            "no line has moved, but the kernel no longer remembers that a step is spent"
            if also
            else "a step over an access is late also under the late advance"
        )
        raise Wrong(
            f"it is late, but not for the reason of 6.13: with another {changed[0]} {why}",
            misconception="clear-anywhere",
        )
    return (
        "right. The same line, run after the host's step state is put away instead of before it, clears the guest's SS"
        " instead of the host's. Nobody notes that the step is spent, and the next entry arms it again."
    )
