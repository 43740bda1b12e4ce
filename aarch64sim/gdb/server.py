"""A server for gdb (`target remote :1234`) on the event loop: one client, on this computer only.

Invariant: it listens on 127.0.0.1 and nowhere else, there is no parameter for it; when its client is gone the guest
stands still, and the next one is served.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import deque
from collections.abc import Callable

from aarch64sim.debug.debugger import Debugger
from aarch64sim.gdb.rsp import Reader, Signal, frame
from aarch64sim.gdb.session import Session

HOST = "127.0.0.1"
LOOK = 0.2  # seconds between two calls of `on_change` while the guest runs


class GdbServer:
    """Serves `debugger`. `on_change(debugger)` is called after gdb has moved the guest or written to it.

    A guest may be driven from elsewhere at the same time: every packet works on the debugger as it stands. Assign to
    `debugger` to serve another one.
    """

    def __init__(
        self,
        debugger: Debugger,
        listener: socket.socket,
        on_change: Callable[[Debugger], None] | None,
    ) -> None:
        self.debugger = debugger
        self.port: int = listener.getsockname()[1]
        self.client: Connection | None = None
        self._on_change = on_change
        self._told = False
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._server: asyncio.Server | None = None
        self._starting = self._loop.create_task(self._start())

    async def _start(self) -> None:
        self._server = await self._loop.create_server(lambda: Connection(self), sock=self._listener)

    def close(self) -> None:
        """End the session and stop listening."""
        self._starting.cancel()
        if self.client:
            self.client.close()
        if self._server:
            self._server.close()
        self._listener.close()

    async def wait_closed(self) -> None:
        """Until nobody listens any more."""
        if self._server:
            await self._server.wait_closed()

    def tell(self) -> None:
        """Something changed: call `on_change` as soon as the loop is free, once for all that happened until then."""
        if self._on_change and not self._told:
            self._told = True
            self._loop.call_soon(self._call)

    def _call(self) -> None:
        self._told = False
        if self._on_change:
            self._on_change(self.debugger)

    def __repr__(self) -> str:
        state = "gdb is attached" if self.client else "waiting for gdb"
        return f"GdbServer({HOST}:{self.port}, {state}; target remote :{self.port})"


class Connection(asyncio.Protocol):
    """One client: bytes in, replies out, and the run that it asked for."""

    def __init__(self, server: GdbServer) -> None:
        self._server = server
        self._reader = Reader()
        self._session: Session | None = None  # None: refused
        self._waiting: deque[bytes | Signal] = deque()
        self._clogged = False
        self._last = b""
        self._transport: asyncio.Transport | None = None
        self._run: asyncio.Task[None] | None = None

    # --- asyncio -----------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there: the only one, or one that is told so."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._server.client is None:
            self._server.client = self
            self._session = Session(self._server.debugger)

    def data_received(self, data: bytes) -> None:
        """Answer what came."""
        self._waiting += self._reader.feed(data)
        self._work()

    def _work(self) -> None:
        """Answer what waits, as long as the client reads its answers."""
        session = self._session
        while self._waiting and not self._clogged and self._transport:
            item = self._waiting.popleft()
            if session is None:
                if isinstance(item, bytes):
                    self._refuse()
            elif isinstance(item, bytes):
                if not session.no_ack:
                    self._write(b"+")
                self._answer(session, item)
            elif item is Signal.INTERRUPT:
                if self._run:
                    self._stop_run(session)
            elif item is Signal.BROKEN:
                if not session.no_ack:
                    self._write(b"-")
            elif item is Signal.NAK and self._last and not session.no_ack:
                self._write(self._last)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone, maybe in the middle of a run."""
        self._cancel()
        self._transport = None
        if self._session is not None:
            self._session.leave()
            self._server.client = None
            self._server.tell()

    def pause_writing(self) -> None:
        """The client does not read its answers: no more questions."""
        self._clogged = True
        if self._transport and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It does again."""
        self._clogged = False
        self._work()
        if not self._clogged and self._transport and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self) -> None:
        """End the connection."""
        self._cancel()
        self._waiting.clear()
        if self._transport:
            self._transport.close()

    # --- answers -----------------------------------------------------------------------------------------------------

    def _answer(self, session: Session, payload: bytes) -> None:
        if self._run and payload[:1] not in (b"k", b"D"):
            return  # while the guest runs gdb has nothing to ask but Ctrl-C
        session.debugger = self._server.debugger
        self._reply(session, session.answer(payload))
        if session.over:
            self.close()
        elif session.work is not None and not self._run:
            self._run = asyncio.get_running_loop().create_task(self._running(session))

    def _reply(self, session: Session, reply: bytes | None) -> None:
        if session.changed:
            session.changed = False
            self._server.tell()
        for message in session.messages:
            self._write(frame(message))
        session.messages.clear()
        if reply is not None:
            self._last = frame(reply)
            self._write(self._last)

    def _write(self, data: bytes) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.write(data)

    def _refuse(self) -> None:
        self._write(b"+" + frame(b"E.another gdb is attached to this guest; detach it first"))
        self.close()

    # --- runs --------------------------------------------------------------------------------------------------------

    async def _running(self, session: Session) -> None:
        """A run or a search, slice by slice, so that Ctrl-C and everything else on the loop is heard."""
        loop = asyncio.get_running_loop()
        looked, reply = loop.time(), None
        while session.work is not None and reply is None:
            session.debugger = self._server.debugger
            reply = next(session.work)
            if loop.time() - looked > LOOK:
                looked = loop.time()
                self._server.tell()
            await asyncio.sleep(0)
        self._run, session.work = None, None
        self._reply(session, reply)

    def _stop_run(self, session: Session) -> None:
        self._cancel()
        self._reply(session, session.interrupt())

    def _cancel(self) -> None:
        if self._run:
            self._run.cancel()
            self._run = None


def serve(
    debugger: Debugger, port: int = 0, on_change: Callable[[Debugger], None] | None = None
) -> GdbServer:
    """Serve gdb on 127.0.0.1:`port` (0: any free one, see `.port`), on the event loop that runs now.

    OSError if the port is in use (EADDRINUSE) or not allowed (EACCES), with a sentence that says what to do; ValueError
    for a number that is no port.
    """
    if not 0 <= port <= 65535:
        raise ValueError(f"{port} is no port: they go from 0 to 65535")
    asyncio.get_running_loop()  # RuntimeError now rather than a socket that nobody serves
    try:
        listener = socket.create_server((HOST, port))
    except OSError as error:
        known = {
            errno.EADDRINUSE: f"port {port} is in use: choose another, or 0 for any free one",
            errno.EACCES: f"port {port} is not allowed: choose one above 1023",
            errno.ENOTSUP: "no gdb can attach here: this Python has no sockets, as in a browser",
            errno.ENOSYS: "no gdb can attach here: this Python has no sockets, as in a browser",
        }
        raise OSError(error.errno, known.get(error.errno or 0, str(error))) from None
    listener.setblocking(False)
    return GdbServer(debugger, listener, on_change)


async def serve_forever(debugger: Debugger, port: int, announce: Callable[[str], None]) -> None:
    """Serve until cancelled; `announce` is given the sentence that tells how to attach."""
    server = serve(debugger, port)
    announce(
        f"Waiting for gdb on {HOST}:{server.port}. In another terminal:"
        f" gdb-multiarch -ex 'target remote :{server.port}'   (Ctrl-C here ends it)"
    )
    try:
        await asyncio.Event().wait()
    finally:
        server.close()
