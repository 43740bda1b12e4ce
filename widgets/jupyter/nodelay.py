"""A Jupyter server extension: send what the kernel says at once (TCP_NODELAY on its WebSocket).

Invariant: it only ever changes a socket option; a server that it does not know it leaves alone.
"""

from __future__ import annotations

import inspect
from typing import Any


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "widgets.jupyter.nodelay"}]


def _load_jupyter_server_extension(app: Any) -> None:
    """Wrap the kernel WebSocket's `open`, once per process.

    The server leaves Nagle's algorithm on: a click is answered by several small messages, and all
    but the first wait for the browser's delayed acknowledgement, 40 ms on Linux.
    """
    try:
        from jupyter_server.services.kernels.websocket import KernelWebsocketHandler
    except ImportError:
        app.log.info("aarch64-step-labs: no kernel WebSocket handler to speed up")
        return
    original: Any = KernelWebsocketHandler.open
    if getattr(original, "sends_at_once", False):
        return

    async def open_without_delay(self: Any, *args: Any, **kwargs: Any) -> None:
        if self.ws_connection is not None:
            self.set_nodelay(True)
        opened = original(self, *args, **kwargs)
        if inspect.isawaitable(opened):
            await opened

    open_without_delay.sends_at_once = True  # type: ignore[attr-defined]
    KernelWebsocketHandler.open = open_without_delay  # type: ignore[method-assign]
