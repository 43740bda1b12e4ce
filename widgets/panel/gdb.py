"""A door for gdb in a panel: `lab.serve_gdb()`, and the panel follows what gdb does.

Invariant: panel and gdb drive the same debugger, also after the panel has started it over.
"""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING

from aarch64sim.debug import Debugger
from aarch64sim.gdb.server import GdbServer, serve

if TYPE_CHECKING:
    from widgets.panel.driving import Driving

_open: dict[int, GdbDoor] = {}  # by port, so that a cell may be run again


class GdbDoor:
    """A server for one gdb on this computer. `port` is where, `close()` ends it. A door of ours on that port is closed,
    if no gdb is attached there.

    OSError with a sentence if the port is in use; RuntimeError where no event loop runs, outside of a notebook.
    """

    _server: GdbServer | None

    def __init__(self, lab: Driving, port: int = 0) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError(
                "gdb is served by the event loop of a notebook, and none runs here; outside of one, start"
                " `python -m aarch64sim gdb FILE.s`"
            ) from None
        if port in _open and _open[port].attached:
            raise OSError(
                errno.EADDRINUSE,
                f"gdb is attached to another panel on port {port}: type `detach` there, or choose another port",
            )
        if port in _open:
            _open[port].close()
        self._lab = lab
        self.port, self._why, self._server = 0, "", None
        try:
            self._server = serve(lab.debugger, port, self._changed)
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.ENOSYS):
                raise
            self._why = str(error.strerror)  # a door that says why it stays shut
            return
        self.port = self._server.port
        _open[self.port] = self

    def _changed(self, debugger: Debugger) -> None:
        """gdb has moved the guest or written to it."""
        if debugger is self._lab.debugger:
            self._lab.follow()

    @property
    def attached(self) -> bool:
        """A gdb is there."""
        return self._server is not None and self._server.client is not None

    def close(self) -> None:
        """Send gdb away and stop listening."""
        if _open.get(self.port) is self:
            del _open[self.port]
        if self._server is not None:
            self._server.close()

    def __repr__(self) -> str:
        if self.attached:
            return f"gdb is attached on port {self.port}"
        return self._why or f"gdb may attach: target remote :{self.port}"
