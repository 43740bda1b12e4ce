"""The nodes of Python's syntax tree that the room makes: as those of `ast`, but each has a place from the beginning.

Invariant: nothing but their place is different. Python compiles no node without one, and to go through a whole tree for
it takes longer than to compile it.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

_KINDS = (
    "Assign", "Attribute", "AugAssign", "BinOp", "BoolOp", "Break", "Call", "Compare", "Constant", "Continue",
    "ExceptHandler", "Expr", "FunctionDef", "If", "IfExp", "Name", "Pass", "Return", "Subscript", "Try", "Tuple",
    "UnaryOp", "While", "arg", "keyword",
)  # fmt: skip

if TYPE_CHECKING:
    from ast import *  # noqa: F403
else:
    _PLACE = {"lineno": 1, "end_lineno": 1, "col_offset": 0, "end_col_offset": 0}
    for _kind in _KINDS:
        globals()[_kind] = type(_kind, (getattr(ast, _kind),), {"__module__": __name__, **_PLACE})
