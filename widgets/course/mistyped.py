"""What a notebook shows of an error that a learner's own line makes in the project: one sentence, and no traceback.

Invariant: only what a learner's line has done is shortened: an error that one of the project's lines raises with a
sentence, a call of one of its functions with an argument that it does not have or of another type than it says, a name
that a thing of its own does not have or that cannot be set, or a value that one of its widgets' traits refuses.
A fault of the project's keeps its traceback.
"""

from __future__ import annotations

import difflib
import gc
import inspect
import linecache
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import FrozenInstanceError
from types import FrameType, FunctionType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from widgets.course.alone import missing

WIDTH = 95  # characters
MOST_NAMES = 12  # that a sentence lists
OURS = ("aarch64sim", "widgets", "checks")
_CALL = re.compile(
    r"(?P<called>[\w.]+)\(\) (?P<what>got an unexpected keyword argument '(?P<name>\w+)'|missing .*|takes .*)"
)
_NO_SETTER = re.compile(r"property '(\w+)' of '(\w+)' object has no setter")
_NO_CALL = re.compile(r"'(\w+)' object is not callable")


def sentence(error: BaseException) -> str:
    """One sentence for an error that a learner's line has made; "" for any other, or one with words of its own."""
    frames = list(_frames(error))
    if not frames or error.__cause__ is not None or hasattr(error, "_render_traceback_"):
        return ""
    last, line = frames[-1]
    if last.f_globals.get("__name__") == "__main__" and (text := missing(error)):
        return text
    if _is_ours(str(last.f_globals.get("__name__"))):
        text = linecache.getline(last.f_code.co_filename, line, last.f_globals)
        if text.strip().startswith("raise "):
            return _said(error)
    if _is_refused_by_trait(error, last):
        return _said(error)
    if isinstance(error, FrozenInstanceError):
        return _frozen(error, type(last.f_locals.get("self")))
    call = _CALL.match(str(error)) if isinstance(error, TypeError) else None
    if call and (function := _our_function(call["called"], last.f_globals)):
        return _argument(call, function)
    if any(_is_ours(str(frame.f_globals.get("__name__"))) for frame, _ in frames):
        wrong = isinstance(error, TypeError | AttributeError | ValueError)
        return _another_type([frame for frame, _ in frames]) if wrong else ""
    return _attribute(error) if isinstance(error, AttributeError) else _not_called(error)


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


def _named(path: str, near: Mapping[str, Any]) -> Iterator[Any]:
    """What the project names so, "Scenario.__init__" or "trap": `near` is looked at first."""
    first, *rest = path.split(".")
    modules = [vars(module) for name, module in list(sys.modules.items()) if _is_ours(name)]
    for names in (near, *modules):
        found: Any = names.get(first)
        for part in rest:
            found = getattr(found, part, None)
        if _is_ours(str(getattr(found, "__module__", ""))):
            yield found


def _our_function(path: str, near: Mapping[str, Any]) -> Callable[..., Any] | None:
    return next(filter(inspect.isfunction, _named(path, near)), None)


def _argument(call: re.Match[str], function: Callable[..., Any]) -> str:
    takes = [name for name in inspect.signature(function).parameters if name != "self"]
    if not call["name"]:
        called = _short(call["called"])
        return f"{called}() {call['what']}; it takes {', '.join(takes) or 'no argument'}."
    near = difflib.get_close_matches(call["name"], takes, 1)
    asked = f" Did you mean {near[0]}?" if near else ""
    return f"There is no argument {call['name']}.{asked} There are {', '.join(takes)}."


def _short(qualified: str) -> str:
    """What a learner calls a function: its own name, of `__init__` that of its class."""
    return qualified.removesuffix(".__init__").rpartition(".")[2]


def _attribute(error: AttributeError) -> str:
    """Of a name that a thing of the project does not have, or that cannot be set."""
    if (found := _NO_SETTER.match(str(error))) and any(_named(found[2], {})):
        return f"{found[1]} of a {found[2]} cannot be set."
    kind = error.obj if isinstance(error.obj, type) else type(error.obj)
    if not _is_ours(kind.__module__):
        return ""
    names = [name for name in dir(error.obj) if not name.startswith("_")]
    if near := difflib.get_close_matches(str(error.name), names, 1):
        return f"{kind.__name__} has no {error.name}. Did you mean {near[0]}?"
    listed = f" There are {', '.join(names)}." if 0 < len(names) <= MOST_NAMES else ""
    return f"{kind.__name__} has no {error.name}.{listed}"


def _not_called(error: BaseException) -> str:
    found = _NO_CALL.match(str(error))
    ours = found and any(_named(found[1], {}))
    return f"A {found[1]} is not a function: leave the brackets out." if found and ours else ""


def _frozen(error: FrozenInstanceError, kind: type) -> str:
    return f"A {kind.__name__} cannot be changed: {error}." if _is_ours(kind.__module__) else ""


def _another_type(frames: Sequence[FrameType]) -> str:
    """Of an argument of the learner's line that is not what the function it has come to says that it takes."""
    handed: list[object] | None = None
    for frame in frames:
        if not _is_ours(str(frame.f_globals.get("__name__"))):
            continue
        names, _, others, given = inspect.getargvalues(frame)
        if handed is None:
            more = given.get(others, {}) if others else {}
            handed = [*(given.get(name) for name in names), *more.values()]
        for name, words, kind in _hints(frame):
            value = given.get(name)
            if name in given and any(value is each for each in handed) and not _fits(value, kind):
                called = _short(frame.f_code.co_qualname)
                return (
                    f"TypeError: the argument {name} of {called}() should be {words}, not {value!r}"
                )
    return ""


def _hints(frame: FrameType) -> Iterator[tuple[str, str, Any]]:
    """The arguments of the function that runs in a frame: name, type as it is written, type if it is known now."""
    running = (each for each in gc.get_referrers(frame.f_code) if isinstance(each, FunctionType))
    for function in running:
        for name, words in function.__annotations__.items():
            try:
                yield name, str(words), eval(str(words), function.__globals__)
            except (NameError, AttributeError, TypeError, SyntaxError):
                continue  # imported for a type checker alone


def _fits(value: object, hint: Any) -> bool:
    """Whether a value is of a type, as far as that is easily seen."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, each) for each in get_args(hint))
    if origin is Literal:
        return value in get_args(hint)
    if hint is int and hasattr(value, "__index__"):
        return True
    kind = type(None) if hint is None else (int, float) if hint is float else origin or hint
    try:
        return isinstance(value, kind)
    except TypeError:
        return True


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
