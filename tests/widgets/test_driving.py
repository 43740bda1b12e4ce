"""What moves the guest of a panel: run to, back, phases, last write; two panels, closed panels, code that fails."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from html import unescape

import pytest

from aarch64sim import Debugger
from aarch64sim.debug import HistoryError
from tests.widgets.seen import StepLab, press

COUNT = "mov x0, #0\nloop: add x0, x0, #1\nstr x0, [x21]\nldr w2, [x19, #0x18]\nb loop"
ENDLESS = "loop: add x0, x0, #1\n b loop"
EVIL = "<img src=x onerror=\"alert('1')\"><script>alert(2)</script> \U0001f600"


@pytest.fixture
def lab() -> StepLab:
    return StepLab(COUNT, kernel="fixed")


def on_a_loop(lab: StepLab, *acts: Callable[[], object]) -> None:
    """Do these on an event loop, and wait for the run to end."""

    async def run() -> None:
        for act in acts:
            act()
            await asyncio.sleep(0.02)
        while lab.running:
            await asyncio.sleep(0.005)

    asyncio.run(asyncio.wait_for(run(), 20))


def status(lab: StepLab) -> str:
    return str(lab._shown["status.text"])


# Run to


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("loop", "Arrived at 0x40000004 (add x0, x0, #0x1)."),
        ("line 4", "Arrived at 0x4000000c"),
        (
            "exit MMIO",
            "At the exit. Step 4, event 2 of 10, kernel: KVM_RUN returns: KVM_EXIT_MMIO. Step finishes",
        ),
        ("x0 == 5", "Stopped at 0x40000008 (str x0, [x21]): x0 == 5."),
    ],
)
def test_run_to_arrives_and_says_where(lab: StepLab, where: str, says: str) -> None:
    on_a_loop(lab, lambda: press(lab, "travel", f"run {where}"))
    assert says in status(lab)
    assert not lab.debugger.breakpoints
    again = StepLab(COUNT, kernel="fixed")
    assert again.run_to(where).pc == lab.debugger.last.pc
    assert status(again) == status(lab)


def test_a_run_to_what_is_never_met_is_stopped_or_ends_and_says_so(store: str) -> None:
    lab = StepLab(store, kernel="fixed")
    on_a_loop(lab, lambda: press(lab, "travel", "run x9 == 77"))
    assert "has ended" in status(lab)
    assert "Never reached: x9 == 77." in status(lab)
    lab = StepLab(ENDLESS, kernel="fixed")
    on_a_loop(lab, lambda: press(lab, "travel", "run x9 == 77"), lambda: press(lab, "stop"))
    assert status(lab).startswith("Stopped by you after")


def test_another_kernel_chosen_in_the_middle_of_a_run_says_that_the_run_has_ended() -> None:
    lab = StepLab(ENDLESS, kernel="fixed")
    on_a_loop(lab, lambda: press(lab, "run"), lambda: press(lab, "kernel", "v4.3"))
    assert status(lab).startswith("The run has ended; the guest starts over under Linux 4.3")
    assert lab.position == 0
    press(lab, "kernel", "fixed")
    assert status(lab).startswith("Not started.")


@pytest.mark.parametrize("verb", ["run", "break", "watch", "write"])
def test_what_is_no_place_says_why_and_moves_nothing(lab: StepLab, verb: str) -> None:
    lab.step()
    for where in ("", "nowhere", EVIL, "'\"", "line 0", "x99", "-1", "=="):
        press(lab, "travel", f"{verb} {where}")
        assert status(lab).startswith("Could not do that: "), where
        assert lab.debugger.position == 1
        assert not lab.running
        assert lab._shown["points"] == ""


def test_a_breakpoint_on_a_line_without_an_instruction_names_the_next_one(store: str) -> None:
    lab = StepLab(store, kernel="fixed")
    press(lab, "travel", "break line 1")
    assert "line 1 has no instruction; the nearest line that has one is 3" in status(lab)
    press(lab, "travel", "break line 3")
    assert lab._shown["bp-40000000@aria-pressed"] == "true"


# Points, back, last write


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("0x40004000", "stores to 0x40004000 to 0x40004007"),
        ("0x40004000/4 read", "loads from 0x40004000 to 0x40004003"),
        ("[0x40004000]", "stores to 0x40004000"),
        ("uart", "accesses to 0x9000000 to 0x9000fff"),
        ("0x9000018/4 read", "loads from 0x9000018"),
        ("loop access", "accesses to 0x40000004"),
    ],
)
def test_a_watchpoint_is_listed_and_removed(lab: StepLab, what: str, says: str) -> None:
    press(lab, "travel", f"watch {what}")
    assert says in status(lab)
    assert says in lab._shown["points"]
    press(lab, "remove", "w 0")
    assert lab._shown["points"] == ""
    press(lab, "remove", "w 0")
    assert "gone already" in status(lab)


def test_a_run_stops_at_watched_memory_and_at_a_watched_device(lab: StepLab) -> None:
    press(lab, "travel", "watch 0x40004000")
    lab.run()
    assert "stored to 0x40004000: 0x0 -> 0x1" in status(lab)
    press(lab, "remove", "w 0")
    press(lab, "travel", "watch uart")
    lab.run()
    assert "Watched device access" in status(lab)


def test_run_back_goes_to_the_stop_before(lab: StepLab) -> None:
    press(lab, "travel", "break loop")
    lab.run()
    lab.run()
    lab.step()
    press(lab, "reverse")
    assert lab.snapshot()["pc"] == 0x4000_0004
    assert lab.debugger.registers["x0"] == 1
    press(lab, "reverse")
    press(lab, "reverse")
    assert lab.snapshot()["step"] == 0


def test_the_last_write_is_found_and_asked_again_the_one_before(lab: StepLab) -> None:
    lab.run(20)
    press(lab, "travel", "write x0")
    first = lab.snapshot()["step"]
    assert re.search(
        rf"Last written in step {first} by 0x40000004 \(add x0, x0, #0x1\): x0 0x\d+ -> 0x\d+",
        status(lab),
    )
    press(lab, "travel", "write x0")
    assert lab.snapshot()["step"] < first
    press(lab, "travel", "write x7")
    assert "no step from 1 to" in status(lab)
    with pytest.raises(HistoryError):
        lab.last_write("x7")
    press(lab, "travel", "write [0x40004000]")
    assert "[0x40004000]" in status(lab) or "Could not do that" in status(lab)


def test_looking_back_through_a_long_history_can_be_stopped_and_finds_what_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("aarch64sim.debug.reverse.REST_SECONDS", 0.0)
    lab = StepLab(f"mov x7, #7\n{ENDLESS}", kernel="fixed")
    lab.run(20_000)
    on_a_loop(lab, lambda: press(lab, "travel", "write x9"), lambda: press(lab, "stop"))
    assert status(lab).startswith(
        ("Stopped by you: nothing was found back to step", "Could not do that:")
    )
    assert lab.snapshot()["step"] == 20_000
    on_a_loop(lab, lambda: press(lab, "travel", "write x9"))
    assert status(lab) == "Could not do that: no step from 1 to 20000 has changed x9."
    on_a_loop(lab, lambda: press(lab, "travel", "write x7"))
    assert "x7 0x0 -> 0x7" in status(lab)
    assert lab.snapshot()["step"] == 1
    lab.goto(20_000)
    on_a_loop(lab, lambda: press(lab, "reverse"))
    assert lab.snapshot()["step"] == 0


# The log and the ticks


def test_the_log_lists_all_events_and_a_click_goes_there(lab: StepLab) -> None:
    for _ in range(5):
        lab.step()
    lines = "".join(str(lab._shown[f"log-{n}"]) for n in range(20))
    events = lab.debugger.events
    assert lines.count("<button") == len(events)
    for event in events:
        assert event.text in unescape(lines)
    press(lab, "log", "2:1")
    assert (lab.debugger.position, lab.moment) == (2, 1)
    assert "sl-lognow" in lab._shown["log-1@class"]
    assert lab._shown["log-4@class"] == "sl-ahead"
    assert 'aria-current="true"' in lab._shown["log-1"]
    assert "aarch64sim/kvm/" in lab._shown["event"]


def test_a_step_sends_the_lines_of_that_step_only(lab: StepLab) -> None:
    for _ in range(3):
        lab.step()
    before = {n: lab._shown[f"log-{n}"] for n in range(20)}
    lab.step()
    assert [n for n in before if before[n] != lab._shown[f"log-{n}"]] == [3]


def test_the_log_of_a_long_run_shows_the_steps_around_the_current_one() -> None:
    lab = StepLab(ENDLESS, kernel="fixed")
    lab.run(3_000)
    assert "Steps 2981 to 3000 of 3000." in lab._shown["log-note.text"]
    lab.goto(1234)
    assert "Steps 1221 to 1240 of 3000." in lab._shown["log-note.text"]
    assert ">1234<" in lab._shown["log-13"]
    assert lab.debugger.length == 3_000


def test_the_slider_marks_exits_and_stops(store: str) -> None:
    lab = StepLab(store, kernel="fixed")
    lab.run()
    assert lab._shown["ticks@viewBox"] == "0 0 7 12"
    assert lab._shown["ticks-MMIO@d"] == "M2 0V5M7 0V5"
    assert lab._shown["ticks-stop@d"] == "M7 7V12"
    assert "at 2, 7." in lab._shown["marks.text"]
    lab.goto(2)
    assert lab._shown["marks.text"].startswith("Step 2 of 7: exit to a device (MMIO). ")
    long = StepLab(COUNT, kernel="fixed")
    long.run(5_000)
    assert len(str(long._shown["ticks-MMIO@d"])) < 3_000


# Two panels, a closed panel


def shared(lab: StepLab) -> dict[str, object]:
    """What two panels on one debugger have in common: not what they say, nor the names in their drawings."""
    own = ("#", "step-style", "errors", "status")
    return {name: value for name, value in lab._shown.items() if not name.startswith(own)}


def test_two_panels_on_one_debugger_follow_each_other(store: str) -> None:
    first = StepLab(store, kernel="v4.3")
    second = StepLab(debugger=first.debugger)
    for move in (
        first.step,
        lambda: press(second, "step"),
        lambda: press(first, "event", "1"),
        lambda: press(second, "breakpoint", str(0x4000_0010)),
        lambda: press(first, "kernel", "fixed"),
        lambda: press(second, "assemble", "nop\nadd x5, x5, #1\n"),
        lambda: first.goto(0),
    ):
        move()
        assert shared(first) == shared(second)
    assert "add x5, x5, #1" in first._shown["listing"]


def test_a_run_of_one_panel_is_stopped_from_the_other() -> None:
    first = StepLab(ENDLESS, kernel="fixed")
    second = StepLab(debugger=first.debugger)
    on_a_loop(first, lambda: press(first, "run"), lambda: press(second, "stop"))
    for lab in (first, second):
        assert "Stopped by you" in status(lab)
        assert lab._shown["do-stop@aria-disabled"] == "true"


def test_closing_a_panel_ends_its_run_and_keeps_the_debugger() -> None:
    lab = StepLab(ENDLESS, kernel="fixed")
    on_a_loop(lab, lambda: press(lab, "run"), lab.close)
    position = lab.debugger.position
    assert position > 0
    again = StepLab(debugger=lab.debugger)
    again.step()
    assert again.snapshot()["step"] == position + 1


def test_closing_one_of_two_panels_leaves_the_run_to_the_other() -> None:
    first = StepLab(ENDLESS, kernel="fixed")
    second = StepLab(debugger=first.debugger)

    async def run() -> None:
        press(first, "run")
        await asyncio.sleep(0.02)
        first.close()
        await asyncio.sleep(0.02)
        assert second.running
        press(second, "stop")
        while second.running:
            await asyncio.sleep(0.005)

    asyncio.run(asyncio.wait_for(run(), 20))
    assert "Stopped by you" in status(second)


# What the learner's own code does


class Angry:
    """A device that fails at its third access."""

    name, size = "angry", 8

    def __init__(self) -> None:
        self.count = 0

    def read(self, offset: int, length: int) -> int:
        self.count += 1
        return 7 // (3 - self.count)

    def write(self, offset: int, length: int, value: int) -> None:
        """Take it."""

    def save(self) -> int:
        return self.count

    def restore(self, state: int) -> None:
        self.count = state


DEVICE = "movz x3, #0x903, lsl #16\nloop: ldr w1, [x3]\nb loop"


def angry() -> StepLab:
    return StepLab(DEVICE, kernel="fixed", devices=[(0x0903_0000, Angry())])


def test_a_device_that_fails_is_said_and_the_guest_stands_where_it_stood() -> None:
    lab = angry()
    for _ in range(9):
        press(lab, "step")
    assert "Broken off by ZeroDivisionError" in status(lab)
    assert "of read()" in status(lab)
    assert lab.snapshot()["step"] == 5
    press(lab, "back")
    assert lab.snapshot()["step"] == 4
    with pytest.raises(ZeroDivisionError):
        lab.run()


def test_a_run_that_a_device_breaks_off_ends_and_says_so() -> None:
    lab = angry()
    on_a_loop(lab, lambda: press(lab, "run"))
    assert "Broken off by ZeroDivisionError" in status(lab)
    assert lab._shown["do-stop@aria-disabled"] == "true"
    assert lab.snapshot()["step"] == 5


def test_a_device_starts_over_with_the_guest() -> None:
    lab = angry()
    for _ in range(4):
        lab.step()
    lab.use_kernel("v6.14")
    assert lab.goto(0).number == 0
    assert [lab.step().number for _ in range(4)] == [1, 2, 3, 4]
    assert lab.debugger.registers["x1"] == 7


# Text of the learner's


def test_markup_in_every_field_is_shown_as_text_or_refused(lab: StepLab) -> None:
    lab.step()
    for action in ("goto", "register", "address", "type", "remove", "breakpoint", "event", "log"):
        press(lab, action, EVIL)
    for verb in ("run", "break", "watch", "write", EVIL):
        press(lab, "travel", f"{verb} {EVIL}")
    press(lab, "assemble", f'// {EVIL}\nnop\n.ascii "{EVIL}"\n{EVIL}: nop')
    press(lab, "kernel", EVIL)
    press(lab, "speed", EVIL)
    for key, value in lab._shown.items():
        if "@" not in key and not key.endswith(".text") and isinstance(value, str):
            assert "<img" not in value
            assert "<script" not in value
    assert lab.debugger.kernel.name == "fixed"
    press(lab, "step")
    assert lab.snapshot()["step"] == 2


def test_ten_thousand_lines_are_assembled_stepped_and_run_to(lab: StepLab) -> None:
    press(lab, "assemble", "nop\n" * 9_998 + "last: add x1, x1, #1\nb last\n")
    lab.step()
    assert lab.run_to("last").pc == 0x4000_0000 + 4 * 9_998
    assert "aria-current" not in str(lab._shown["listing"])
    assert lab._shown["row-40009c38@aria-current"] == "step"


def test_a_panel_may_be_given_its_own_debugger() -> None:
    debugger = Debugger(COUNT, "v5.3")
    lab = StepLab(debugger=debugger)
    lab.use_kernel("fixed")
    assert lab.debugger is debugger


# Inside a step


def test_step_from_the_middle_of_a_step_finishes_that_step(store: str) -> None:
    lab = StepLab(store, kernel="v4.3")
    press(lab, "later")
    press(lab, "later")
    press(lab, "step")
    assert (lab.debugger.position, lab.moment) == (1, None)
    assert "Stopped at 0x40000004" in status(lab)


def test_a_run_to_an_exit_stops_at_it_and_keeps_what_ran_unseen(store: str) -> None:
    lab = StepLab(store, kernel="v4.3")
    lab.run_to("exit MMIO")
    assert lab.step_events[lab.moment or 0].text.endswith("KVM_EXIT_MMIO")
    assert "The instruction at 0x40000008 (add x1, x1, #0x1) ran without a stop." in status(lab)
    lab.step()
    assert (lab.debugger.position, lab.moment) == (2, None)


def test_the_last_write_names_the_instruction_that_made_it(store: str) -> None:
    lab = StepLab(store, kernel="v4.3", by_steps=True)
    lab.run(2)
    press(lab, "travel", "write x1")
    assert "in step 2 by 0x40000008 (add x1, x1, #0x1)" in status(lab)


def test_the_last_write_to_ss_is_an_event_of_the_step(store: str) -> None:
    lab = StepLab(store, kernel="v4.3", by_steps=True)
    with pytest.raises(HistoryError, match="has changed SS"):
        lab.last_write("ss")
    lab.run(2)
    seen = []
    for _ in range(3):
        press(lab, "travel", "write ss")
        seen.append((lab.debugger.position, lab.step_events[lab.moment or 0].what))
    assert seen == [(2, "retire"), (2, "arm"), (1, "retire")]
    assert status(lab).startswith("SS was written last here: 1 -> 0.")
