"""What a learner or teacher may say to a panel in code: names that exist, traits with values that make sense.

Invariant: a name or value that a panel does not have is refused with one sentence, and changes nothing.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import ipywidgets
import traitlets

from aarch64sim.kvm import Kernel, UnknownKernelError
from aarch64sim.kvm.kernels import kernel_of


class Face(traitlets.HasTraits):
    """Mixed into a panel: refuses attributes that it does not have, and lists only its public face."""

    _public: tuple[str, ...] = ()

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_") and not self._takes(name):
            raise AttributeError(self._refusal(name))
        super().__setattr__(name, value)

    def _takes(self, name: str) -> bool:
        found = getattr(type(self), name, None)
        if isinstance(found, traitlets.TraitType) or hasattr(ipywidgets.VBox, name):
            return True  # the second: ipywidgets sets its own
        return isinstance(found, property) and found.fset is not None

    def _refusal(self, name: str) -> str:
        kind, settable = type(self).__name__, self._settable()
        if hasattr(type(self), name):
            return f"{kind}.{name} cannot be set; what can be set: {', '.join(settable)}"
        near = get_close_matches(name, self._public, 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        return f"{kind} has no {name!r}{hint}; what can be set: {', '.join(settable)}"

    def _settable(self) -> list[str]:
        traits = {name: getattr(type(self), name, None) for name in self._public}
        return [
            n for n, t in traits.items() if isinstance(t, traitlets.TraitType) and not t.read_only
        ]

    def __dir__(self) -> list[str]:
        return sorted({*self._public, "layout", "observe", "unobserve", "add_class", "close"})


def one_of(name: str, value: Any, known: list[str]) -> str:
    """The value; TraitError with the names that exist for one that does not."""
    if value in known:
        return str(value)
    near = get_close_matches(str(value), known, 1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise traitlets.TraitError(f"there is no {name} {value!r}{hint}; there are {', '.join(known)}")


def kernel_named(name: str) -> Kernel:
    """The kernel of that name; TraitError with the names that exist for one that does not."""
    try:
        return kernel_of(name)
    except UnknownKernelError as error:
        raise traitlets.TraitError(str(error)) from None
