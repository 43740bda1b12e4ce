"""What a cell needs to run alone: the earlier cells that bind the names it uses, and theirs in turn.

Invariant: nothing is run here; cells are only read.
"""

from __future__ import annotations

import ast
import builtins
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


@dataclass(frozen=True)
class Cell:
    """A code cell, with its id."""

    id: str
    source: str

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree; SyntaxError if it has none. Cells may await."""
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST
        tree = compile(self.source, self.id, "exec", flags)
        assert isinstance(tree, ast.Module)
        return tree

    @cached_property
    def binds(self) -> set[str]:
        """The names that it leaves to later cells."""
        return set(_bound(self.tree)) if self._parses else set()

    @cached_property
    def uses(self) -> set[str]:
        """The names that it takes from earlier cells, perhaps: all that it reads anywhere, but for the builtins."""
        if not self._parses:
            return set()
        names = [node for node in ast.walk(self.tree) if isinstance(node, ast.Name)]
        return {node.id for node in names if not isinstance(node.ctx, ast.Del)} - set(dir(builtins))

    @property
    def _parses(self) -> bool:
        try:
            return bool(self.tree)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False


def _bound(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        match child:
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                yield name
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from (alias.asname or alias.name.partition(".")[0] for alias in names)
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
        if not isinstance(child, _SCOPES):
            yield from _bound(child)


def needed(cells: Sequence[Cell], target: int) -> list[Cell]:
    """The cells before `target` that it needs, directly or through others, in their order.

    >>> cells = [Cell("a", "import math"), Cell("b", "x = 1"), Cell("c", "y = math.pi"), Cell("d", "y + 1")]
    >>> [cell.id for cell in needed(cells, 3)]
    ['a', 'c']
    """
    found: set[int] = set()
    left = [target]
    while left:
        here = left.pop()
        for name in cells[here].uses:
            binding = [n for n in range(here) if name in cells[n].binds]
            if binding and binding[-1] not in found:
                found.add(binding[-1])
                left.append(binding[-1])
    return [cells[n] for n in sorted(found)]


def cells_of(notebook: Path) -> list[Cell]:
    """The code cells of a notebook file."""
    read = json.loads(notebook.read_text(encoding="utf-8"))
    return [
        Cell(str(cell.get("id", "")), "".join(cell["source"]))
        for cell in read["cells"]
        if cell["cell_type"] == "code"
    ]


def notebooks() -> list[Path]:
    """The notebooks of the labs around this folder; none where only the package is."""
    here = Path.cwd()
    found = (
        sorted(folder.glob("[0-9][0-9]-*.ipynb")) for folder in (here, *here.parents, here / "labs")
    )
    return next(filter(None, found), [])


def missing(error: BaseException) -> str:
    """One sentence for a name that a cell of a lab would have bound, had it run; "" for any other error."""
    if type(error) is not NameError or error.name not in _bound_in(tuple(notebooks())):
        return ""
    return (
        f"There is no {error.name} yet: run the cells above first"
        " (menu Run, Run All Above Selected Cell), then this one."
    )


@cache
def _bound_in(paths: tuple[Path, ...]) -> frozenset[str]:
    """The names that the cells of these notebooks bind; of what is no notebook, none."""
    names: set[str] = set()
    for path in paths:
        with suppress(OSError, ValueError, LookupError, TypeError):
            names |= {name for cell in cells_of(path) for name in cell.binds}
    return frozenset(names)


def checked(cell: Cell) -> tuple[str, str, str] | None:
    """A task's cell taken apart: what comes before the check, the task's name, and the answer that is checked.

    >>> checked(Cell("task-one", 'x = 1\\nlab.check("one", x)'))
    ('x = 1', 'one', 'x')
    """
    if not cell._parses or not cell.tree.body:
        return None
    match last := cell.tree.body[-1]:
        case ast.Expr(ast.Call(ast.Attribute(attr="check"), [ast.Constant(str(name)), answer])):
            before = "\n".join(cell.source.split("\n")[: last.lineno - 1]).rstrip()
            return before, name, ast.get_source_segment(cell.source, answer) or ""
    return None
