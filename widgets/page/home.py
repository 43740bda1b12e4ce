"""One thread for all that a page asks for: the one in which the cells run.

JupyterLab gives the messages of widgets a subshell, a thread of the kernel's beside that of the cells (ipykernel 7).
A run on the event loop of one thread, and a click that is answered in the other, would move the same guest at once.

Invariant: what is done at home is done in the main thread, one thing after another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import wait
from threading import current_thread, main_thread
from typing import TypeVar

Made = TypeVar("Made")

ASK_SECONDS = 0.2  # between two looks whether home is still there
_loop: asyncio.AbstractEventLoop | None = None


def remember() -> None:
    """The loop that runs in the main thread now, where a widget is made, is home from now on."""
    global _loop
    if current_thread() is main_thread():
        try:
            _loop = asyncio.get_running_loop()
        except RuntimeError:  # no notebook
            _loop = None


def at_home(do: Callable[[], Made]) -> Made:
    """Do it in the main thread, wait for it, and return or raise what it does; where no loop runs there, do it here."""
    loop = _loop
    if loop is None or not loop.is_running() or current_thread() is main_thread():
        return do()

    async def there() -> Made:
        return do()

    asked = asyncio.run_coroutine_threadsafe(there(), loop)
    while loop.is_running():  # a kernel that ends waits for its threads
        if wait([asked], ASK_SECONDS).done:
            return asked.result()
    raise RuntimeError("the kernel ends")
