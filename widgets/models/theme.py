"""The colours of every figure and panel, named by what they say, for light and dark pages.

Invariant: no two roles share a colour, so what is seen in a picture tells which role painted it.
"""

from __future__ import annotations

# Blue, orange and magenta keep apart under every colour vision; their lightness differs, too.
LIGHT = {
    "page": "#ffffff",
    "surface": "#f6f8fa",
    "ink": "#1b1f24",
    "muted": "#57606a",
    "line": "#848d97",
    "rule": "#d0d7de",
    "here": "#24292f",  # borders of the current state: inactive
    "here-fill": "#dde2e8",
    "run": "#0b5cad",  # active-not-pending: one instruction may run
    "run-fill": "#d3e7fb",
    "stop": "#964500",  # active-pending: stop before the next instruction
    "stop-fill": "#ffe2b8",
    "bug": "#a3155e",  # what should not be, or is missing
    "bug-fill": "#fde7f1",
    "badge": "#1b1f25",
    "badge-ink": "#fffffe",
}
DARK = {
    "page": "#111111",
    "surface": "#1c2128",
    "ink": "#e6edf3",
    "muted": "#b4bec9",
    "line": "#7d8794",
    "rule": "#3d444d",
    "here": "#d5dce4",
    "here-fill": "#3a424d",
    "run": "#7cc0ff",
    "run-fill": "#0f3a63",
    "stop": "#ffb861",
    "stop-fill": "#5a3500",
    "bug": "#ff8ec2",
    "bug-fill": "#4d1130",
    "badge": "#e6edf4",
    "badge-ink": "#111112",
}
THEMES = {"light": LIGHT, "dark": DARK}


def css_variables(colours: dict[str, str]) -> str:
    """The declarations that give every role its colour.

    >>> css_variables({"ink": "#1b1f24"})
    '--sl-ink:#1b1f24'
    """
    return ";".join(f"--sl-{role}:{colour}" for role, colour in colours.items())


def colours_of(theme: str) -> dict[str, str]:
    """The colour of every role in a theme; ValueError if there is none of that name."""
    if theme not in THEMES:
        raise ValueError(f"there is no theme {theme!r}: there are {' and '.join(THEMES)}")
    return THEMES[theme]
