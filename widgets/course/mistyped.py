"""What a notebook shows of an error that a learner's own line makes in the project: one sentence, and no traceback.

Invariant: only what is said on purpose is shortened: an error that one of the project's lines raises with a sentence, a
call of one of its functions with an argument that it does not have, a name close to one that a thing of its own has, or
a value that one of its widgets' traits refuses.
A fault of the project's keeps its traceback.
"""

from __future__ import annotations

import difflib
import inspect
import linecache
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any

WIDTH = 95  # characters
OURS = ("aarch64sim", "widgets", "checks")
_CALL = re.compile(
    r"(?P<called>[\w.]+)\(\) (?P<what>got an unexpected keyword argument '(?P<name>\w+)'|missing .*|takes .*)"
)


def sentence(error: BaseException) -> str:
    """One sentence for an error that a learner's line has made; "" for any other, or one with words of its own."""
    frames = list(_frames(error))
    if not frames or error.__cause__ is not None or hasattr(error, "_render_traceback_"):
        return ""
    last, line = frames[-1]
    if _is_ours(str(last.f_globals.get("__name__"))):
        text = linecache.getline(last.f_code.co_filename, line, last.f_globals)
        if text.strip().startswith("raise "):
            return _said(error)
    if _is_refused_by_trait(error, last):
        return _said(error)
    if isinstance(error, AttributeError) and not any(
        _is_ours(str(frame.f_globals.get("__name__"))) for frame, _ in frames
    ):
        return _attribute(error)
    call = _CALL.match(str(error)) if isinstance(error, TypeError) else None
    function = call and _our_function(call["called"], last.f_globals)
    return _argument(call, function) if call and function else ""


def _frames(error: BaseException) -> Iterator[tuple[FrameType, int]]:
    """The frames from the learner's own on, and their lines: what runs the cell is left out."""
    trace, there = error.__traceback__, False
    while trace is not None:
        there = there or trace.tb_frame.f_globals.get("__name__") == "__main__"
        if there:
            yield trace.tb_frame, trace.tb_lineno
        trace = trace.tb_next


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in OURS


def _is_refused_by_trait(error: BaseException, frame: FrameType) -> bool:
    """Whether it is traitlets that says what a trait of a thing of the project's takes."""
    owner = frame.f_locals.get("obj")
    return type(error).__name__ == "TraitError" and _is_ours(type(owner).__module__)


def _said(error: BaseException) -> str:
    """What an error says; of the kernel's errors without the number, which its name stands for."""
    text = str(error.strerror if isinstance(error, OSError) and error.strerror else error)
    return f"{type(error).__name__}: {text}"


def _our_function(path: str, near: Mapping[str, Any]) -> Callable[..., Any] | None:
    """The function of the project that Python names so, "Scenario.__init__" or "trap": `near` is looked at first."""
    first, *rest = path.split(".")
    modules = [vars(module) for name, module in list(sys.modules.items()) if _is_ours(name)]
    for names in (near, *modules):
        found: Any = names.get(first)
        for part in rest:
            found = getattr(found, part, None)
        if inspect.isfunction(found) and _is_ours(found.__module__):
            return found
    return None


def _argument(call: re.Match[str], function: Callable[..., Any]) -> str:
    takes = [name for name in inspect.signature(function).parameters if name != "self"]
    if not call["name"]:
        called = call["called"].removesuffix(".__init__")
        return f"{called}() {call['what']}; it takes {', '.join(takes) or 'no argument'}."
    near = difflib.get_close_matches(call["name"], takes, 1)
    asked = f" Did you mean {near[0]}?" if near else ""
    return f"There is no argument {call['name']}.{asked} There are {', '.join(takes)}."


def _attribute(error: AttributeError) -> str:
    """Of a name that a thing of the project does not have; "" where none of its names is near."""
    kind = error.obj if isinstance(error.obj, type) else type(error.obj)
    if not _is_ours(kind.__module__):
        return ""
    names = [name for name in dir(error.obj) if not name.startswith("_")]
    near = difflib.get_close_matches(str(error.name), names, 1)
    return f"{kind.__name__} has no {error.name}. Did you mean {near[0]}?" if near else ""


def shorten() -> None:
    """Let the notebook that this runs in show such errors as a sentence."""
    python = sys.modules.get("IPython")
    shell = python.get_ipython() if python else None
    if shell is None:
        return

    def show(shell: Any, kind: Any, error: BaseException, trace: Any, tb_offset: Any = None) -> Any:
        if text := sentence(error):
            lines = textwrap.wrap(text, WIDTH)  # a page breaks a longer line anywhere
            error._render_traceback_ = lambda: lines  # type: ignore[attr-defined]
        return shell.showtraceback((kind, error, trace), tb_offset=tb_offset)

    shell.set_custom_exc((Exception,), show)
