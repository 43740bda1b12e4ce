"""Write the README's table "where it runs" from what the last `make frontends` found.

Invariant: a row is what tests/browser/frontends.json says; nothing about a front end is written here.

    python -m tools.frontends            write the table
    python -m tools.frontends --check    compare with what is there, write nothing
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tools.committed import ROOT, asked_to_check, settle

README = ROOT / "README.md"
DATA = ROOT / "tests" / "browser" / "frontends.json"
BEGIN = "<!-- Built by `make frontends` from tests/browser/frontends.json -->\n"
END = "<!-- End of the table -->\n"


def rows(path: Path = DATA) -> list[dict[str, Any]]:
    """What was found in each front end."""
    return list(json.loads(path.read_text(encoding="utf-8")))


def verdict(row: dict[str, Any]) -> str:
    """How many checks a front end passes, and what is in the way of each other.

    >>> verdict({"checks": {"shows": "yes", "Step": "no: there is no Step"}})
    '1 of 2; Step: there is no Step'
    >>> verdict({"not tried": "it cannot be installed"})
    'not tried: it cannot be installed'
    """
    if "not tried" in row:
        return f"not tried: {row['not tried']}"
    checks: dict[str, str] = row["checks"]
    failed = [f"{name}: {said[4:]}" for name, said in checks.items() if said != "yes"]
    if not failed:
        return f"all {len(checks)}"
    return "; ".join([f"{len(checks) - len(failed)} of {len(checks)}", *failed])


def versions(row: dict[str, Any]) -> str:
    """The front end's version, and that of the widgets under it."""
    first, *others = row.get("versions", {}).items()
    return f"{first[1]} ({', '.join(' '.join(each) for each in others)})"


def table(found: list[dict[str, Any]]) -> str:
    """The table in Markdown, and the checks by name."""
    lines = ["| front end | version | checks passed | tried |", "|---|---|---|---|"]
    for row in found:
        version = versions(row) if "versions" in row else ""
        lines.append(f"| {row['front end']} | {version} | {verdict(row)} | {row['date']} |")
    names = ", ".join(next(row["checks"] for row in found if "checks" in row))
    return "\n".join([*lines, "", f"The checks: {names}.", ""])


def main(arguments: list[str] | None = None) -> int:
    """Write or check; the exit status is 1 on a difference."""
    check = asked_to_check(__doc__, arguments)
    text = README.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        print(f"README.md: has no lines {BEGIN.strip()} and {END.strip()}")
        return 1
    before, rest = text.split(BEGIN)
    built = before + BEGIN + table(rows()) + END + rest.split(END)[1]
    return settle(
        README,
        built.encode(),
        check=check,
        same="README.md: its table of front ends is what was found",
        other="README.md: its table of front ends is not what was found; run python -m tools.frontends",
        written="README.md: table of front ends written",
    )


if __name__ == "__main__":
    sys.exit(main())
