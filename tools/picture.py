"""Make the README's picture: the panel after the step that skipped an instruction, as its static PNG."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path

from widgets import StepLab
from widgets.course import program

LABS = Path(__file__).resolve().parent.parent / "labs"


def main() -> None:
    """Write labs/images/first-light.png."""
    lab = StepLab(program("store"), kernel="v4.3")
    lab.step()
    lab.step()
    bundle = lab._repr_mimebundle_()
    data = (bundle[0] if isinstance(bundle, tuple) else bundle)["image/png"]
    target = LABS / "images" / "first-light.png"
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(b64decode(data) if isinstance(data, str) else data)
    print(f"{target.relative_to(LABS.parent)}: {lab!r}")


if __name__ == "__main__":
    main()
