"""Every control of every panel, found on the page: what the mouse does, the keyboard does.

Invariant: no control is named here. A new one is tried because it is there, both ways, from the same beginning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.gallery import PANELS
from tests.browser.workbench import Workbench

MOST_IN_A_GROUP = 1  # of a list or table that are alike but for their place

# Numbers every control that a learner can get at, and tells about it.
FIND = """([panel, most]) => {
    panel.querySelectorAll('details').forEach(each => { each.open = true; });
    const all = panel.querySelectorAll('button, input, select, textarea, summary, a[href], .noUi-handle');
    const seen = new Map();
    return [...all].filter(e => e.checkVisibility() && !e.closest('.sl-hidden')).filter(e => {
        if (e.matches('[data-tip]')) return false; // what it says comes with the focus; a click adds nothing
        const group = e.closest('[data-group], table');
        seen.set(group, (seen.get(group) || 0) + 1);
        return !group || seen.get(group) <= most;
    }).map((e, number) => {
        e.dataset.probe = number;
        const label = e.labels?.[0]?.textContent;
        return {
            number, tag: e.tagName, type: e.matches('.noUi-handle') ? 'range' : e.type || '',
            name: (e.getAttribute('aria-label') || label || e.title || e.textContent || e.value || '').trim(),
            idle: e.getAttribute('aria-disabled') === 'true' || e.disabled || e.readOnly === true
                || e.type === 'radio' && e.checked, // it is chosen: nothing is left to do
            button: e.dataset.enter || '',
        };
    });
}"""
# All that a learner can tell two moments of a panel apart by.
LOOK = """panel => [panel.innerText, ...[...panel.querySelectorAll('*')].map(e => [
    e.getAttribute('aria-pressed'), e.getAttribute('aria-disabled'), e.getAttribute('class'),
    e.open, e.checked, 'value' in e ? e.value : null].join())].join('\\n')"""

# The control that has the focus, and those that the arrows lead to from there; null outside the panel.
STOP = """panel => {
    const now = document.activeElement;
    if (!panel.contains(now)) return null;
    const group = now.type === 'radio' ? now.closest('.sl-question') : now.closest('[data-group]');
    return [now, ...(group ? group.querySelectorAll('button, input') : [])]
        .map(e => e.dataset.probe).filter(number => number !== undefined);
}"""


@dataclass(frozen=True)
class Control:
    """One control as `FIND` tells of it."""

    number: int
    tag: str
    type: str
    name: str
    idle: bool
    button: str

    @property
    def text(self) -> str:
        """What to write into it: an assignment where one is asked for, else a number."""
        return "x1 = 0x10" if "=" in self.name else "0x40004010"

    @property
    def is_field(self) -> bool:
        return self.tag == "TEXTAREA" or (self.tag == "INPUT" and self.type == "text")


def find(panel: Locator) -> list[Control]:
    found: list[dict[str, Any]] = panel.evaluate(
        "(panel, most) => (" + FIND + ")([panel, most])", MOST_IN_A_GROUP
    )
    return [Control(**each) for each in found]


def by_mouse(panel: Locator, control: Control, at: Locator) -> None:
    if control.idle:
        at.click(force=True)
    elif control.tag == "SELECT":
        chosen = at.evaluate("e => e.selectedIndex")
        at.focus()  # as a click does
        at.select_option(
            index=chosen + 1
        )  # the list itself is drawn by the system, not by the page
    elif control.type == "range":
        panel.locator(".sl-history .noUi-base").click(position={"x": 1, "y": 2}, force=True)
    elif control.is_field:
        at.click()
        at.fill(control.text)
        if control.button:
            panel.locator(f"[data-do='{control.button}']").click()
        elif panel.locator(".sl-row", has=at).locator("button").count():
            panel.locator(".sl-row", has=at).locator("button").first.click()
        else:
            panel.locator("[role=status], .sl-status").first.click()
    else:
        at.click()


def by_keyboard(panel: Locator, control: Control, at: Locator) -> None:
    keyboard = panel.page.keyboard
    at.focus()
    if control.tag == "SELECT":
        keyboard.press("ArrowDown")
    elif control.type == "range":
        keyboard.press("Home")
    elif control.is_field and not control.idle:
        keyboard.press("ControlOrMeta+a")
        keyboard.type(control.text)
        keyboard.press("Tab" if control.tag == "TEXTAREA" else "Enter")
    elif control.type in ("radio", "checkbox"):
        keyboard.press("Space")
    else:
        keyboard.press("Enter")


def reached(panel: Locator) -> set[int]:
    """The numbers of the controls that Tab comes by; in a group that is one stop, the arrows lead on."""
    panel.evaluate(
        "panel => { panel.tabIndex = -1; panel.focus(); panel.removeAttribute('tabindex'); }"
    )
    numbers: set[int] = set()
    while True:
        panel.page.keyboard.press("Tab")
        here: list[str] | None = panel.evaluate(STOP)
        if here is None or (here and set(map(int, here)) <= numbers):
            return numbers
        numbers |= set(map(int, here))


def settled(bench: Workbench, panel: Locator) -> str:
    """What is to be seen once the kernel has done all that it was asked, and a run has ended."""
    bench.lab.ask_kernel()
    stop = panel.locator(".sl-do-stop")
    if stop.count() and stop.is_enabled():
        expect(stop).to_be_disabled()
        bench.lab.ask_kernel()
    # Names in drawings, and a slider's word for a tap that is just over.
    return re.sub(r"sl[0-9a-f]{6,}-| noUi-state-tap", "", str(panel.evaluate(LOOK)))


def outcome(bench: Workbench, code: str, number: int, act: Any) -> tuple[str, str]:
    """A fresh panel before and after one control was worked."""
    panel = bench.show(code)
    bench.lab.ask_kernel()  # the open page of the Tab comes after the panel
    control = find(panel)[number]
    before = settled(bench, panel)
    act(panel, control, panel.locator(f"[data-probe='{number}']"))
    return before, settled(bench, panel)


@pytest.mark.parametrize("name", PANELS)
def test_what_the_mouse_does_the_keyboard_does(bench: Workbench, name: str) -> None:
    code = PANELS[name]
    panel = bench.show(code)
    bench.lab.ask_kernel()  # the board draws itself again when the kernel has told all
    controls = find(panel)
    assert controls
    stops = reached(panel)
    away = [each for each in controls if each.number not in stops and not each.idle]
    wrong = [f"Tab does not lead to {each}" for each in away]
    for control in controls:
        who = f"{control.tag} {control.number} {control.name!r}"
        if control.idle and control.name:
            continue
        before, mouse = outcome(bench, code, control.number, by_mouse)
        _, keyboard = outcome(bench, code, control.number, by_keyboard)
        if not control.name:
            wrong.append(f"{who} has no name")
        if mouse == before and not control.idle:
            wrong.append(f"{who} does nothing")
        if mouse != keyboard:
            pairs = zip(mouse.split("\n"), keyboard.split("\n"), strict=False)
            first = next((pair for pair in pairs if pair[0] != pair[1]), ("more", "less"))
            wrong.append(f"{who} does {first[0]!r} by mouse, {first[1]!r} by keyboard")
    assert wrong == []
