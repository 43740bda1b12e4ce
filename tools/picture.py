"""Make the README's moving picture, labs/images/step.gif: the step that skips, and the one that does not.

Invariant: every frame is a photograph of the real panel in a browser; the caption and the pointer are painted on it.

    make picture
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Locator, expect, sync_playwright

from tests.browser.harness import LabPage, find_chromium, lab_page, launch, write_notebook
from tests.browser.server import jupyter_server
from widgets.models.theme import LIGHT

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "labs" / "images" / "step.gif"
PANEL = r"""from widgets import StepLab
from widgets.course import program
source = program("store").split("\n", 2)[2]  # without its two lines of comment
StepLab(source, kernel="v4.3", views=("program", "console", "changes", "timeline"))"""
WINDOW = (1240, 1000)
MARGIN, CAPTION = 10, 34  # pixels around the panel, and of the line above it
POINTER = [(0, 0), (0, 17), (4, 13), (7, 19), (10, 18), (7, 12), (12, 12)]


@dataclass(frozen=True)
class Frame:
    """One picture: the panel, what is said above it, where the pointer is, how long it stays."""

    panel: Image.Image
    caption: str
    pointer: tuple[float, float] | None
    milliseconds: int


def frames(lab: LabPage) -> Iterator[Frame]:
    """A click on Step under Linux 4.3, and the same one under a kernel without the bug."""
    panel = lab.page.locator(".sl-panel")
    step = panel.locator(".sl-do-step")

    def photograph(says: str, caption: str, at: Locator | None, milliseconds: int) -> Frame:
        expect(panel.get_by_role("status")).to_contain_text(says)
        lab.page.mouse.move(2, 2)
        lab.page.wait_for_timeout(400)  # what fades has faded
        outer, box = panel.bounding_box(), at.bounding_box() if at else None
        pointer = (
            (
                box["x"] - outer["x"] + 0.6 * box["width"],
                box["y"] - outer["y"] + 0.6 * box["height"],
            )
            if box and outer
            else None
        )
        picture = Image.open(io.BytesIO(panel.screenshot(animations="disabled")))
        return Frame(picture.convert("RGB"), caption, pointer, milliseconds)

    step.click()
    store = "The next instruction is a store to a device."
    yield photograph("Stopped at 0x40000004", f"Linux 4.3. {store}", step, 3000)
    step.click()
    skipped = "One step, two instructions: the add at 0x40000008 ran, and nobody stopped."
    yield photograph("ran without a stop", skipped, None, 5500)
    panel.locator(".sl-do-start").click()
    panel.locator(".sl-choose-kernel select").select_option(label="fixed")
    step.click()
    yield photograph("Stopped at 0x40000004", f"A kernel without the bug. {store}", step, 3000)
    step.click()
    right = "One step, one instruction: it stops at the add."
    yield photograph("Stopped at 0x40000008", right, None, 4500)


def paint(frame: Frame, size: tuple[int, int]) -> Image.Image:
    """The frame as it is shown, all of one size."""
    picture = Image.new("RGB", size, LIGHT["page"])
    picture.paste(frame.panel, (MARGIN, MARGIN + CAPTION))
    draw = ImageDraw.Draw(picture)
    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    font = ImageFont.truetype(fonts / "DejaVuSans-Bold.ttf", 15)
    draw.text((MARGIN, MARGIN), frame.caption, fill=LIGHT["ink"], font=font)
    if frame.pointer:
        x, y = frame.pointer[0] + MARGIN, frame.pointer[1] + MARGIN + CAPTION
        arrow = [(x + dx, y + dy) for dx, dy in POINTER]
        draw.polygon(arrow, fill="black", outline="white")
    return picture


def save(shots: list[Frame]) -> None:
    """Write the GIF; the frames share one palette, so that nothing flickers."""
    size = (
        max(shot.panel.width for shot in shots) + 2 * MARGIN,
        max(shot.panel.height for shot in shots) + 2 * MARGIN + CAPTION,
    )
    pictures = [paint(shot, size) for shot in shots]
    together = Image.new("RGB", (size[0], size[1] * len(pictures)))
    for number, picture in enumerate(pictures):
        together.paste(picture, (0, size[1] * number))
    palette = together.quantize(256, Image.Quantize.MAXCOVERAGE)
    first, *rest = (p.quantize(palette=palette, dither=Image.Dither.NONE) for p in pictures)
    first.save(
        TARGET,
        save_all=True,
        append_images=rest,
        duration=[shot.milliseconds for shot in shots],
        loop=0,
        optimize=True,
    )


def main() -> int:
    """Photograph and write; the exit status is 1 without a browser."""
    if find_chromium() is None:
        print(
            "There is no Chromium here to photograph the panel in (Debian: apt install chromium)."
        )
        return 1
    with (
        tempfile.TemporaryDirectory() as home,
        jupyter_server(Path(home)) as server,
        sync_playwright() as playwright,
    ):
        browser = launch(playwright)
        write_notebook(server.folder / "labs" / "picture.ipynb", PANEL)
        with lab_page(browser, server, *WINDOW) as lab:
            lab.open_notebook("labs/picture.ipynb")
            lab.run_all()
            lab.page.wait_for_selector(".sl-panel")
            shots = list(frames(lab))
        browser.close()
    save(shots)
    with Image.open(TARGET) as picture:
        kilobytes = TARGET.stat().st_size / 1000
        print(f"labs/images/{TARGET.name}: {len(shots)} frames, {picture.size}, {kilobytes:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
