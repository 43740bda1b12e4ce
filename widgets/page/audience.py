"""Who looks at an output: a page that is alive, or a file that is written.

Invariant: where nobody can tell, a picture is made, so that no notebook is built without its pictures.
"""

from __future__ import annotations

import sys


def a_page_looks() -> bool:
    """Whether a page asked for the cell that runs now. Pages name the cell; nbclient, nbconvert and nbval do not."""
    if sys.platform == "emscripten":
        return True  # Python in a browser works for the page around it
    shell = sys.modules.get("IPython") and sys.modules["IPython"].get_ipython()
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return False
    parent = kernel.get_parent("shell")
    return "cellId" in parent.get("metadata", {})
