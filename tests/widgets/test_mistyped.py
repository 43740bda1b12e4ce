"""A typing mistake in a learner's line is answered with one sentence; every other error keeps its traceback."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from widgets.course.mistyped import sentence

SETUP = """
from dataclasses import replace
from aarch64sim import Debugger, GuestDebug, Kernel, kernels
from aarch64sim.vmm import Machine
from widgets import CompareLab, EsrRuler, LifeCycle, RecordedRun, StepLab, StopTable
from widgets.course import exercises, program
from checks.lab01.bench import Bench
from checks.lab02.probe import guest
from checks.lab09.scenario import Scenario
lab, store = exercises("00"), program("store")
def own(a): return a
"""
MISTYPED = [
    ('Scenario("a", store, stop=[4])', "There is no argument stop. Did you mean stops? There are name, program, stops"),
    ("Scenario()", "Scenario() missing 1 required positional argument: 'name'; it takes name, program"),
    ('StepLab(store, kernal="v4.3")', "There is no argument kernal. Did you mean kernel?"),
    ('CompareLab(store, left="v4.3", lefft="fixed")', "There is no argument lefft."),
    ('Debugger(store, kernal="v4.3")', "Did you mean kernel?"),
    ('replace(kernels["v5.3"], pc_advanse=1)', "There is no argument pc_advanse. Did you mean pc_advance?"),
    ("Kernel(skip_clear_ss=True)", "Did you mean skip_clears_ss?"),
    ('replace(kernels["v5.3"], pc_advance="EARLY")', "TypeError: pc_advance of a kernel is PcAdvance.BEFORE_EXIT or"),
    ("Kernel(skip_clears_ss=2)", "TypeError: skip_clears_ss of a kernel is True or False, not 2"),
    ('Bench("nop").enter(el=1, mdscr=1)', "There is no argument mdscr. Did you mean mdscr_ss?"),
    ('Debugger(store).machine.vcpu.run(imediate_exit=True)', "Did you mean immediate_exit?"),
    ('kernels["v9.9"]', "UnknownKernelError: no kernel 'v9.9'; known are v4.3,"),
    ('StepLab("foo")', "AssemblyError: line 1, column 1: unknown mnemonic 'foo'"),
    ('lab.hint("late_kernal")', "ValueError: there is no task 'late_kernal'; there are late_kernel,"),
    ("Debugger(store).step(2)", "takes 1 positional argument but 2 were given; it takes no argument."),
    ("GuestDebug.ENABEL", "GuestDebug has no ENABEL. Did you mean ENABLE?"),
    ('lab.checks("late_kernel", 1)', "Lab has no checks. Did you mean check?"),
    ("Debugger(store).stepp()", "Debugger has no stepp. Did you mean step?"),
    ("StepLab(5)", "TypeError: a program is source text, a Program, or the path of a .s file, not 5"),
    ("StepLab(store).position = 'two'", "TraitError: The 'position' trait of a StepLab instance expected an int, not"),
    ("StepLab(store).pc = 5", 'TraitError: The "pc" trait is read-only.'),
    ("StepLab(store, views='memory')", "TypeError: views are names of parts, such as ('program',"),
    ("StepLab('stor.s')", "FileNotFoundError: there is no file stor.s in "),
    ("StepLab(store).run('x')", "ValueError: the limit of a run is a whole number from 0 on, not 'x'"),
    ("CompareLab(store).run(1.5)", "ValueError: the limit of a run is a whole number from 0 on, not 1.5"),
    ("CompareLab(store).goto('x')", "HistoryError: there is no click 'x': they go from 0 to 0"),
    ("Machine(5, 'v4.3')", "TypeError: a program is a Program or its source text, not 5"),
    ("Debugger(store, uart_input='hi')", "TypeError: the input of a UART is bytes such as b'hello', not 'hi'"),
    ("StepLab(store).event('x')", "TypeError: the argument by of event() should be int, not 'x'"),
    ("StepLab(store, debugger=5)", "the argument debugger of StepLab() should be Debugger | None, not 5"),
    ("Debugger(store, patch=5)", "the argument patch of Debugger() should be Patch | None, not 5"),
    ("Debugger(store).read_memory('x', 4)", "the argument address of read_memory() should be int, not 'x'"),
    ("Bench('nop').enter(el='x')", "the argument el of enter() should be int, not 'x'"),
    ("StepLab(store).machine()", "A Part is not a function: leave the brackets out."),
    ("StepLab(store).goto()", "goto() missing 1 required positional argument: 'number'; it takes number."),
    ("StepLab(store).diagram().export('/nowhere/x.svg')", "OSError: /nowhere/x.svg cannot be written: No such file"),
    ("Debugger(store).kernel = 'v9'", "kernel of a Debugger cannot be set."),
    ("kernels['v4.3'].name = 'x'", "A Kernel cannot be changed: cannot assign to field 'name'."),
    ("kernels.v4", "Kernels has no v4. There are get, items, keys, values."),
    ("lab.questions", "Lab has no questions."),
    ("EsrRuler('x')", "TypeError: a syndrome is a whole number of 32 bits, not 'x'"),
    ("LifeCycle('v4.3')", "TypeError: LifeCycle takes a Kernel; of a name LifeCycle.of('v4.3') makes one"),
    ("RecordedRun('v4.3', 'x')", "ValueError: there is no recording of 'x' on 'v4.3'"),
    ("RecordedRun('linux-4.14.177', 'a_alu', 'v9')", "UnknownKernelError: no kernel 'v9'"),
    ('guest(store, 4)', "OSError: arm64 has no KVM_GUESTDBG flags 0x4"),
]  # fmt: skip
KEPT = [
    "lab.grade('late_kernel', 'v5.11')",  # it shows its verdict itself
    "1 / 0",
    "own(b=1)",
    "raise ValueError('mine')",
    "store.nothing",
    "own()()",
    "Debugger(store, patch=lambda machine: 1 / 0)",
    "StopTable(1, 2, 3, 4).sentence",
]


@pytest.fixture(scope="module")
def notebook() -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(SETUP, names)
    return names


def _error(line: str, names: dict[str, Any]) -> BaseException:
    with pytest.raises(Exception) as raised:
        exec(compile(line, "<a cell>", "exec"), names)
    return raised.value


@pytest.mark.parametrize(("line", "said"), MISTYPED)
def test_a_mistyped_line_gets_one_sentence(line: str, said: str, notebook: dict[str, Any]) -> None:
    text = sentence(_error(line, notebook))
    assert text.startswith(said) or said in text.partition(" There are")[0]
    assert "\n" not in text


@pytest.mark.parametrize("line", KEPT)
def test_any_other_error_keeps_its_traceback(line: str, notebook: dict[str, Any]) -> None:
    assert sentence(_error(line, notebook)) == ""


@pytest.mark.parametrize(
    ("first", "line", "kind", "said"),
    [
        (SETUP, 'lab.hint("late_kernal")', ValueError,
         "ValueError: there is no task 'late_kernal'; there are late_kernel, three_in_one, nothing_stepped"),
        ("from widgets import StepLab", "StepLab(5)", TypeError,
         "TypeError: a program is source text, a Program, or the path of a .s file, not 5"),
    ],
    ids=["in a lab", "in a notebook of one's own"],
)  # fmt: skip
def test_a_notebook_shows_the_sentence_alone(
    first: str, line: str, kind: type[Exception], said: str
) -> None:
    shell = InteractiveShell.instance()
    try:
        shell.run_cell(first)
        shown = io.StringIO()
        with redirect_stdout(shown), redirect_stderr(shown):
            result = shell.run_cell(line)
        assert isinstance(result.error_in_exec, kind)  # the cell has failed all the same
        assert " ".join(shown.getvalue().split()) == said
    finally:
        InteractiveShell.clear_instance()
