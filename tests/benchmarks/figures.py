"""The figures that the README's chart is drawn from: what the benchmarks measured on one machine, side by side.

Invariant: only `record` writes the file, with what one run of a benchmark measured; nothing in it is copied by hand.
"""

from __future__ import annotations

import json
import platform
from pathlib import Path

FILE = Path(__file__).with_name("figures.json")


def record(section: str, figures: dict[str, float]) -> None:
    """Put a benchmark's figures (per second) into the file, in place of those that it had there."""
    known = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    known["python"] = f"{platform.python_implementation()} {platform.python_version()}"
    known.setdefault("machine", "two shared cores of a server (x86-64)")
    known.setdefault("per second", {})[section] = {k: round(v) for k, v in figures.items()}
    FILE.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
