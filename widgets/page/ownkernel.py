"""A learner's own kernel: what it is called, in what it differs from the presets, and how it fits into a text.

Invariant: a kernel is a preset only if it equals one and nothing is patched; `from_plain(to_plain(k))` equals `k`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import Enum
from typing import Any

from aarch64sim.debug import Debugger
from aarch64sim.kvm import Kernel, kernels

VALUE = "your kernel"  # what the chooser sends for it
_STORY = ("name", "title", "summary")
_BEHAVIOURS = tuple(field.name for field in fields(Kernel) if field.name not in _STORY)


@dataclass(frozen=True, slots=True)
class OwnKernel:
    """A kernel that is no preset, or one with the learner's patch in it."""

    kernel: Kernel
    patched: bool = False

    @classmethod
    def of(cls, debugger: Debugger) -> OwnKernel | None:
        """That of a debugger, None under a preset."""
        if not debugger.patched and is_preset(debugger.kernel):
            return None
        return cls(debugger.kernel, debugger.patched)

    @property
    def title(self) -> str:
        """`your kernel: fixed, patched`; a release is just that."""
        kernel = self.kernel
        if kernels.get(kernel.name) == kernel and not self.patched:
            return kernel.title
        changed = "" if is_preset(kernel) or not _borrowed(kernel, "title") else ", changed"
        return f"your kernel: {kernel.title}{changed}{', patched' if self.patched else ''}"

    @property
    def summary(self) -> str:
        """Its own summary, or the fields in which it differs from the nearest preset."""
        kernel, words = self.kernel, []
        if not is_preset(kernel) and _borrowed(kernel, "summary"):
            base, changes = nearest(kernel)
            said = ", ".join(f"{name}: {_words(value)}" for name, value in changes.items())
            words.append(f"{base.name} with {said}" if said else f"as {base.name}")
        else:
            words.append(kernel.summary)
        return "; ".join([*words, "with your patch"] if self.patched else words)


def is_preset(kernel: Kernel) -> bool:
    """Whether this very kernel is in the list."""
    return kernel in kernels.values()


def nearest(kernel: Kernel) -> tuple[Kernel, dict[str, Any]]:
    """The preset of that name, or else the one that differs in the fewest behaviours; and those of `kernel`."""
    base = min(kernels.values(), key=lambda k: (k.name != kernel.name, len(kernel.differences(k))))
    return base, {name: own for name, (own, _) in kernel.differences(base).items()}


def _borrowed(kernel: Kernel, field: str) -> bool:
    return any(getattr(kernel, field) == getattr(preset, field) for preset in kernels.values())


def _words(value: Any) -> str:
    return str(value.value) if isinstance(value, Enum) else "yes" if value else "no"


def to_plain(kernel: Kernel) -> str | dict[str, Any]:
    """A name, or the nearest preset's and what is different, as JSON can hold it."""
    if is_preset(kernel):
        return kernel.name
    base, changes = nearest(kernel)
    changes |= {name: getattr(kernel, name) for name in _STORY}
    plain = {n: v.name if isinstance(v, Enum) else v for n, v in changes.items()}
    return {"base": base.name, **plain}


def from_plain(plain: object) -> Kernel:
    """The kernel; ValueError for what is none."""
    if isinstance(plain, str) and plain in kernels:
        return kernels[plain]
    named = plain.get("base") if isinstance(plain, Mapping) else None
    if not isinstance(plain, Mapping) or not isinstance(named, str) or named not in kernels:
        raise ValueError(f"there is no kernel {str(plain)[:80]!r}")
    base = kernels[named]
    return replace(base, **{n: _value(base, n, v) for n, v in plain.items() if n != "base"})


def _value(base: Kernel, name: str, plain: object) -> Any:
    if name not in (*_STORY, *_BEHAVIOURS):
        raise ValueError(f"a kernel has no behaviour {name!r}")
    now = getattr(base, name)
    if isinstance(now, Enum) and isinstance(plain, str) and plain in type(now).__members__:
        return type(now)[plain]
    if type(plain) is not type(now):
        raise ValueError(f"{name} of a kernel is not {plain!r}")
    return plain
