"""What is built and committed: written, or with `--check` compared with the file that is there.

Invariant: with `--check` nothing is written, and the exit status is 1 on a difference.
"""

from __future__ import annotations

import argparse
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def asked_to_check(doc: str | None, arguments: list[str] | None) -> bool:
    """Whether the command line has `--check`; `doc` is the module's."""
    parser = argparse.ArgumentParser(description=(doc or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    return bool(parser.parse_args(arguments).check)


def settle(path: Path, built: bytes, *, check: bool, same: str, other: str, written: str) -> int:
    """Write or compare; the exit status. The words are what is printed when the file is the same, another, written."""
    if path.exists() and path.read_bytes() == built:
        said, status = same, 0
    elif check:
        said, status = other, 1
    else:
        path.write_bytes(built)
        said, status = written, 0
    print(said)
    return status
