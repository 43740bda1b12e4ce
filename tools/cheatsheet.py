"""Write labs/cheat-sheet.pdf, the page that `widgets.figures.cheatsheet` draws.

Invariant: the same packages give the same bytes.

    python -m tools.cheatsheet            write it
    python -m tools.cheatsheet --check    compare with what is there, write nothing
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from widgets.figures.cheatsheet import cheat_sheet

ROOT = Path(__file__).resolve().parent.parent
PDF = ROOT / "labs" / "cheat-sheet.pdf"


def main(arguments: list[str] | None = None) -> int:
    """Write or check; the exit status is 1 on a difference."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    options = parser.parse_args(arguments)
    before, built = PDF.read_bytes() if PDF.exists() else b"", cheat_sheet().pdf()
    if before == built:
        print(f"labs/{PDF.name}: {'is its build' if options.check else 'unchanged'}")
        return 0
    if options.check:
        print(f"labs/{PDF.name}: differs from its build; run make labs")
        return 1
    PDF.write_bytes(built)
    print(f"labs/{PDF.name}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
