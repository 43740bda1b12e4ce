"""Build the site: static files with panels that step, from histories computed here.

Invariant: what a page says is made by the models and sentences of the live panel; the site holds no fact of its own,
and no page asks another site for anything.

    python -m tools.site                  all of it, in build/site
    python -m tools.site --front          the front page alone (a second)
    python -m tools.site --no-python      all but the 21 MB for Python in the browser
"""

from __future__ import annotations

import argparse
import gzip
import shutil
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from aarch64sim.debug import Debugger
from aarch64sim.kvm import kernels
from tools import site_labs, site_python
from tools.badges import addresses
from tools.lab_sources import Lab, find_labs
from widgets.course import program
from widgets.figures.poster import poster
from widgets.figures.svg_writer import page_svg
from widgets.models.theme import DARK, LIGHT, css_variables
from widgets.page.listing import Listing
from widgets.web.guest import Guest
from widgets.web.history import FRONT_KERNELS, history
from widgets.web.view import skeleton

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "site"
STATIC = ROOT / "widgets" / "web" / "static"
SENTENCE = "Watch a hypervisor lose an instruction while it single-steps an AArch64 guest, find out why, and fix it."
Pages = Sequence[tuple[str, str]]  # a page and its title, in reading order


def head(title: str) -> str:
    """The beginning of every page."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><meta name="description" content="{escape(SENTENCE)}">'
        '<link rel="icon" href="data:,"><link rel="stylesheet" href="site.css">'
        '<script src="panel.js" defer></script></head><body>'
    )


def stylesheet() -> str:
    """The panel's own style, the colours of both themes, and the style of the pages."""
    board = (ROOT / "widgets" / "static" / "board.css").read_text(encoding="utf-8")
    dark = f"@media screen and (prefers-color-scheme: dark) {{ :root, .sl-board {{ {css_variables(DARK)} }} }}"
    themes = f":root, .sl-board {{ {css_variables(LIGHT)} }}\n{dark}\n"
    return board + themes + (STATIC / "page.css").read_text(encoding="utf-8")


def panel(name: str, data: dict[str, Any], together: str = "") -> str:
    """A panel that steps, its history beside it, and what stands there where no script runs.

    Panels with the same word in `together` step together.
    """
    start = data["start"]
    titles = [(kernel["name"], kernel["title"]) for kernel in data["kernels"]]
    return (
        skeleton(titles, name, start["kernel"], together)
        + f'<script type="application/json">{site_labs.in_script(data)}</script>'
        + (
            still(data["source"], start["kernel"], start["step"])
            if start["kernel"] in kernels
            else ""
        )
    )


def still(source: str, kernel: str, step: int) -> str:
    """A picture of a panel, and its words."""
    debugger = Debugger(source, kernel)
    while debugger.position < step and not debugger.ended:
        debugger.step()
    guest = Guest(debugger)
    figure, line = guest.diagram(), guest.last_timeline
    title = f"{debugger.kernel.title}, step {debugger.position}"
    drawing = poster(title, Listing(debugger.program), debugger, figure, line)
    drawn = page_svg(drawing, f"{title}. {figure.sentence}")
    return (
        f'<div class="web-still"><div class="sl-board">{drawn}</div><p>This is a picture: without JavaScript nothing'
        f" here steps. In words: {escape(figure.sentence)} {escape(line.sentence)}</p></div>"
    )


BESIDE = (
    '<p>New words are explained in the <a href="glossary.html">glossary</a>; <a href="cheat-sheet.pdf">one page</a>'
    f' sums all labs up. The simulator and the notebooks are <a href="{addresses()["Homepage"]}">here</a>.</p>'
)


def front(labs: Pages) -> str:
    """The front page."""
    data = history(program("store"), FRONT_KERNELS)
    cards = "".join(f'<li><a href="{name}.html">{escape(title)}</a></li>' for name, title in labs)
    reading = f"<h2>The labs</h2><ul class='web-cards'>{cards}</ul>{BESIDE}" if labs else ""
    return (
        head("aarch64-step-labs: one click on Step, two instructions gone")
        + f"<main><h1>One click on Step, two instructions gone</h1><p>{SENTENCE}</p>"
        "<p>Click <strong>Step</strong> twice (or press <kbd>n</kbd>), and look at the line with the exclamation mark."
        " Then choose <em>fixed</em> as the kernel.</p>"
        + panel("front", data)
        + "<p>The guest is seven instructions; the second stores to a device, which the hypervisor must emulate."
        " Everything that you see was computed by the simulator of the labs, which is held to recordings of real"
        " Linux kernels.</p>" + reading + "</main></body></html>\n"
    )


def build(out: Path, *, labs: bool = True, python: bool = True, lite: Path | None = None) -> None:
    """Write the site into a folder that is made anew; `lite` is a JupyterLite that goes with it."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / "site.css").write_text(stylesheet(), encoding="utf-8")
    for script in ("panel.js", "worker.js"):
        shutil.copy(STATIC / script, out)
    found = find_labs(ROOT / "labs" / "source")
    pages = [(lab.source.stem, f"{lab.name[:2]} {lab.title}") for lab in found]
    (out / "index.html").write_text(front(pages if labs else []), encoding="utf-8")
    if python:
        site_python.write(out)
    if lite:
        shutil.copytree(lite, out / "lite")
    if labs:
        write_labs(out, found, pages)


def write_labs(out: Path, labs: Sequence[Lab], pages: Pages) -> None:
    """Every lab as a page, with the texts and pictures that they link to."""
    shutil.copytree(site_labs.LABS / "images", out / "images")
    shutil.copy(site_labs.LABS / "cheat-sheet.pdf", out)
    home = addresses()["Homepage"]
    for at, lab in enumerate(labs):
        name, title = pages[at]
        writer = site_labs.LabPage(home)
        body = writer.body(site_labs.executed(lab))
        page = lab_page(pages, at, body, lite=(out / "lite").exists())
        (out / f"{name}.html").write_text(page, encoding="utf-8")
        print(f"{name}.html: {title}, {len(page) / 1e3:.0f} kB, {writer.panels} panels")
    for source, (name, title) in site_labs.TEXTS.items():
        text = (site_labs.LABS / source).read_text(encoding="utf-8")
        made = site_labs.reachable(site_labs.markdown(text, home))
        body = f"{navigation(pages)}<main>{made}</main></body></html>"
        (out / f"{name}.html").write_text(head(title) + body, encoding="utf-8")


def lab_page(pages: Pages, at: int, body: str, *, lite: bool = False) -> str:
    """One lab, with the ways to run it and to its neighbours."""
    name, title = pages[at]
    lab = f"{addresses()['Binder']}?urlpath=lab/tree/labs/{name}.ipynb"
    above, below = navigation(pages, at), navigation(pages, at, "labs, at the end")
    here = (
        f'<a class="web-broad" href="lite/lab/index.html?path=labs/{name}.ipynb">open it in JupyterLab in this'
        f' browser</a><a class="web-narrow" href="lite/notebooks/index.html?path=labs/{name}.ipynb">open it as a'
        " notebook in this browser</a> (30 MB, once; nothing is installed), "
        if lite
        else ""
    )
    run = (
        f'<p class="sl-note">You are reading this lab; its panels step and its predictions can be answered here.'
        f' For the tasks, {here}<a href="{lab}">open it on Binder</a> (a minute), or run <code>make lab</code>'
        " at home.</p>"
    )
    return f"{head(title)}{above}<main>{run}{body}</main>{below}</body></html>\n"


def navigation(pages: Pages, at: int = -1, name: str = "labs") -> str:
    """Links to the front page and to the neighbours; `name` tells the two of a page apart."""
    links = ['<a href="index.html">All labs</a>']
    if at > 0:
        links.append(
            f'<a href="{pages[at - 1][0]}.html" rel="prev">\u2190 {escape(pages[at - 1][1])}</a>'
        )
    if 0 <= at < len(pages) - 1:
        links.append(
            f'<a href="{pages[at + 1][0]}.html" rel="next">{escape(pages[at + 1][1])} \u2192</a>'
        )
    return f'<nav class="web-nav" aria-label="{name}">{"".join(links)}</nav>'


def first_step_size(out: Path) -> int:
    """Bytes, compressed, that a reader needs for the first step."""
    names = ("index.html", "site.css", "panel.js")
    return sum(len(gzip.compress((out / name).read_bytes(), 9, mtime=0)) for name in names)


def main(arguments: list[str] | None = None) -> int:
    """Build, and say how large it is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=OUT, help="the folder, made anew")
    parser.add_argument("--front", action="store_true", help="the front page alone")
    parser.add_argument("--no-labs", action="store_true", help="the front page, and Python")
    parser.add_argument("--no-python", action="store_true", help="no Python in the browser")
    parser.add_argument("--lite", type=Path, help="the folder that tools.lite made")
    options = parser.parse_args(arguments)
    python = not (options.front or options.no_python)
    if python:
        site_python.need("node", "npm")
    if options.lite and not (options.lite / "index.html").exists():
        sys.exit(
            f"There is no JupyterLite in {options.lite}: make lite builds one in build/lite/site."
        )
    labs = not (options.front or options.no_labs)
    build(options.out, lite=options.lite, labs=labs, python=python)
    whole = sum(path.stat().st_size for path in options.out.rglob("*") if path.is_file())
    print(
        f"{options.out}: {whole / 1e6:.1f} MB; {first_step_size(options.out) / 1e3:.1f} kB, compressed,"
        " until the first step"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
