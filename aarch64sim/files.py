"""Where the files are that come with the project.

Invariant: they are found from an installed package as from a checkout.
"""

from __future__ import annotations

from pathlib import Path


def recordings_folder() -> Path:
    """Where the recordings are: inside the installed package, or in labs/ of a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "recordings"
    return installed if installed.is_dir() else package.parent / "labs" / "recordings"
