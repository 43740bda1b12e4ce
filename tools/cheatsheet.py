"""Write labs/cheat-sheet.pdf, the page that `widgets.figures.cheatsheet` draws.

Invariant: the same packages give the same bytes.

    python -m tools.cheatsheet            write it
    python -m tools.cheatsheet --check    compare with what is there, write nothing
"""

from __future__ import annotations

import sys

from tools.committed import ROOT, asked_to_check, settle
from widgets.figures.cheatsheet import cheat_sheet

PDF = ROOT / "labs" / "cheat-sheet.pdf"


def main(arguments: list[str] | None = None) -> int:
    """Write or check; the exit status is 1 on a difference."""
    check = asked_to_check(__doc__, arguments)
    return settle(
        PDF,
        cheat_sheet().pdf(),
        check=check,
        same=f"labs/{PDF.name}: {'is its build' if check else 'unchanged'}",
        other=f"labs/{PDF.name}: differs from its build; run make labs",
        written=f"labs/{PDF.name}: written",
    )


if __name__ == "__main__":
    sys.exit(main())
