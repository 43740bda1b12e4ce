"""The software-step state machine of the Arm architecture, as pure functions (Arm ARM D2.11).

Invariant: nothing here, and nothing anywhere else, remembers the state: it is computed from the bits each time.
PSTATE.SS == 0 while stepping is active means *pending*, not *off*.
"""

from __future__ import annotations

from aarch64sim.step_state import StepState

__all__ = [
    "StepState",
    "advance_ss",
    "debug_exceptions_enabled",
    "debug_target_el",
    "exception_entry_spsr_ss",
    "exception_return_ss",
    "step_state",
]


def debug_target_el(*, tde: int, tge: int) -> int:
    """The Exception level that debug exceptions go to, 1 or 2 (Arm ARM D2.5).

    `tde` is MDCR_EL2.TDE, `tge` is HCR_EL2.TGE.

    >>> debug_target_el(tde=1, tge=0)
    2
    """
    return 2 if tde or tge else 1


def debug_exceptions_enabled(*, el: int, target_el: int, kde: int, d: int, os_lock: int) -> bool:
    """Whether debug exceptions are enabled from Exception level `el` (Arm ARM D2.3).

    From below the debug target level they always are: MDSCR_EL1.KDE (`kde`) and PSTATE.D (`d`) count only at the
    target level itself. The OS Lock (OSLSR_EL1.OSLK) or the OS Double Lock (OSDLR_EL1.DLK) disables them everywhere.

    >>> debug_exceptions_enabled(el=1, target_el=2, kde=0, d=1, os_lock=0)
    True
    """
    if os_lock or el > target_el:
        return False
    return el < target_el or bool(kde and not d)


def step_state(
    *, mdscr_ss: int, pstate_ss: int, enabled: bool, target_aarch64: bool = True
) -> StepState:
    """The state of the machine (Arm ARM Table D2-17).

    `mdscr_ss` is MDSCR_EL1.SS, `pstate_ss` is PSTATE.SS, `enabled` comes from `debug_exceptions_enabled` for the
    current Exception level; `target_aarch64` is false only where the debug target level uses AArch32.

    >>> print(step_state(mdscr_ss=1, pstate_ss=0, enabled=True))
    active-pending
    """
    if not (target_aarch64 and enabled and mdscr_ss):
        return StepState.INACTIVE
    return StepState.ACTIVE_NOT_PENDING if pstate_ss else StepState.ACTIVE_PENDING


def exception_return_ss(
    *,
    spsr_ss: int,
    mdscr_ss: int,
    enabled_at_source: bool,
    enabled_at_target: bool,
    target_aarch64: bool = True,
) -> int:
    """PSTATE.SS after an exception return: the only way to set it (DebugExceptionReturnSS, Arm ARM D2.11.4).

    SPSR_ELx.SS is copied only when stepping is configured, was impossible where ERET stands and is possible where
    it goes to. `enabled_at_target` is judged with SPSR_ELx.D, which becomes PSTATE.D.
    """
    if mdscr_ss and target_aarch64 and not enabled_at_source and enabled_at_target:
        return spsr_ss
    return 0


def advance_ss(*, mdscr_ss: int, pstate_ss: int, target_aarch64: bool = True) -> int:
    """PSTATE.SS after an instruction completed (SSAdvance, Arm ARM D2.11.11).

    This is the function whose comment Maydell appealed to in 2014: whoever completes an instruction on the CPU's
    behalf must do this, too.
    """
    return 0 if mdscr_ss and target_aarch64 else pstate_ss


def exception_entry_spsr_ss(*, mdscr_ss: int, pstate_ss: int, call: bool) -> int:
    """SPSR_ELx.SS saved by an exception entry (Arm ARM Tables D2-21 and D2-22).

    SVC, HVC and SMC (`call`) complete before they raise their exception, so the step is spent: 0. Anything else
    keeps PSTATE.SS: the instruction has not run, the step is still owed.
    """
    return advance_ss(mdscr_ss=mdscr_ss, pstate_ss=pstate_ss) if call else pstate_ss
