"""What is not a kernel, a program or a step of the history is refused with a sentence, and nothing changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aarch64sim import Debugger
from aarch64sim.debug import HistoryError
from aarch64sim.kvm import VM


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda: Debugger("nop", 5), TypeError, "a kernel is a Kernel or a name such as"),
        (lambda: VM(5), TypeError, "a kernel is a Kernel or a name such as"),
        (lambda: Debugger(5), TypeError, "a program is a Program or its source text, not 5"),
        (lambda: Debugger("nop").restart(program=5), TypeError, "a program is a Program or its"),
        (lambda: Debugger("nop").goto("1"), HistoryError, "there is no step '1'"),
        (lambda: Debugger("nop").goto(None), HistoryError, "there is no step None"),
        (lambda: Debugger("nop").run_to_exit(5), ValueError, "KVM_RUN has no exit '5'"),
        (lambda: Debugger("nop").watch(0x4000_4000, "8"), ValueError, "'8' bytes at 0x40004000"),
        (lambda: Debugger("nop").type("x"), TypeError, "input is bytes, such as b'x', not 'x'"),
    ],
)
def test_what_is_none_is_refused_with_a_sentence(
    make: Callable[[], Any], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        make()


def test_no_kernel_has_a_capability_that_is_no_name() -> None:
    assert VM("v4.3").check_extension(1) == 0  # type: ignore[arg-type]
