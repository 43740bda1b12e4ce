"""Whatever thread hears what a page asks for, one thread does it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Thread, current_thread, main_thread

import pytest

from tests.widgets.seen import CompareLab, StepLab
from widgets.page import home

LOOP = "loop: add x0, x0, #1\nb loop"


async def elsewhere(do: Callable[[], object]) -> None:
    """Do it as a subshell does: in another thread, with a loop of its own."""

    async def there() -> None:
        do()

    thread = Thread(target=lambda: asyncio.run(there()), daemon=True)
    thread.start()
    while thread.is_alive():
        await asyncio.sleep(0.01)


def message(**content: object) -> dict[str, object]:
    return {"content": {"data": {"method": "custom", "content": content}}, "buffers": []}


@pytest.mark.parametrize("make", [StepLab, CompareLab])
def test_a_click_that_another_thread_hears_moves_the_guest_at_home(
    make: type[StepLab | CompareLab],
) -> None:
    async def try_it() -> None:
        lab, threads = make(LOOP), []
        lab._actions["step"] = lambda _: threads.append(current_thread())
        await elsewhere(lambda: lab._buttons["step"]._handle_msg(message(event="click")))
        await elsewhere(lambda: lab._status_line._handle_msg(message(do="step")))
        assert threads == [main_thread()] * 2

    asyncio.run(try_it())


def test_another_program_from_another_thread_ends_a_run_and_says_so() -> None:
    async def try_it() -> None:
        lab = StepLab(LOOP)
        await elsewhere(lab.start_run)
        await asyncio.sleep(0.1)
        assert lab.running
        await elsewhere(lambda: lab.load("nop"))
        await asyncio.sleep(0.1)
        assert not lab.running
        assert lab.position == 0
        assert lab.status.startswith("Not started.")

    asyncio.run(try_it())


def test_what_goes_wrong_at_home_goes_wrong_where_it_was_asked_for() -> None:
    async def try_it() -> None:
        lab, found = StepLab(LOOP), []

        def ask() -> None:
            with pytest.raises(ValueError, match="beyond"):
                home.at_home(refuse)
            found.append(lab.position)

        def refuse() -> None:
            raise ValueError("beyond")

        await elsewhere(ask)
        assert found == [0]

    asyncio.run(try_it())
