"""How long a click takes to be seen, measured inside the page.

Invariant: times are the browser's own, from the click event to the task behind the frame that shows its last change.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from playwright.sync_api import Locator


@dataclass(frozen=True)
class Latency:
    """Milliseconds from a click to the first change, and to the paint that shows the last one."""

    changed: list[float]
    painted: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.painted)

    def __str__(self) -> str:
        return (
            f"click to change {statistics.median(self.changed):.0f} ms, "
            f"click to paint {self.median:.0f} ms (medians of {len(self.painted)})"
        )


WATCH_FOR_CHANGES = """element => {
    const seen = window.stepLabsClicks = { clicked: null, changed: null, painted: null };
    if (window.stepLabsObserver) window.stepLabsObserver.disconnect();
    if (!window.stepLabsListening) {
        window.stepLabsListening = true;
        document.addEventListener('click', () => {
            Object.assign(window.stepLabsClicks,
                { clicked: performance.now(), changed: null, painted: null });
        }, true);
    }
    window.stepLabsObserver = new MutationObserver(() => {
        if (seen.clicked === null) return;
        seen.changed ??= performance.now();
        // After the frame that shows it: an animation frame, then the first task behind that.
        requestAnimationFrame(() => setTimeout(() => { seen.painted = performance.now(); }));
    });
    window.stepLabsObserver.observe(
        element, { subtree: true, childList: true, characterData: true, attributes: true });
}"""


def click_to_paint(button: Locator, watched: Locator, clicks: int = 40) -> Latency:
    """Click with the mouse, one click at a time, and time the changes inside `watched`."""
    page = button.page
    watched.evaluate(WATCH_FOR_CHANGES)
    changed, painted = [], []
    for number in range(clicks + 1):
        button.click()
        page.wait_for_function("() => window.stepLabsClicks.painted !== null", timeout=10_000)
        # One click may bring several updates: wait until nothing has been painted for a while.
        page.wait_for_function("() => performance.now() - window.stepLabsClicks.painted > 60")
        seen = page.evaluate("() => window.stepLabsClicks")
        if number > 0:  # the first one warms caches on both sides
            changed.append(seen["changed"] - seen["clicked"])
            painted.append(seen["painted"] - seen["clicked"])
    return Latency(changed, painted)


RAPID_CLICKS = """async ([words, wanted]) => {
    const panel = document.querySelector('.sl-panel');
    const button = panel.querySelector(`.sl-do-${words}`);
    const position = panel.querySelector('.sl-history .sl-position');
    for (let n = 0; n < 30; n++) { button.click(); await new Promise(r => setTimeout(r, 20)); }
    const last = performance.now();
    while (position.textContent !== wanted) {
        if (performance.now() - last > 60000) throw new Error('stuck at ' + position.textContent);
        await new Promise(r => setTimeout(r, 2));
    }
    return performance.now() - last;
}"""


def lag_after_thirty_clicks(panel: Locator, wanted: str, words: str = "step") -> float:
    """Click 30 times, 20 ms apart; milliseconds from the last click until the position reads `wanted`."""
    return float(panel.page.evaluate(RAPID_CLICKS, [words, wanted]))
