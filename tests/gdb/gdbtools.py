"""A server in a thread, a bare client, and a real gdb, for the tests of the gdb server."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from aarch64sim import Debugger
from aarch64sim.gdb.rsp import frame
from aarch64sim.gdb.server import GdbServer, serve

GDB = shutil.which("gdb-multiarch")
needs_gdb = pytest.mark.skipif(
    GDB is None, reason="no gdb-multiarch here (apt install gdb-multiarch)"
)
PATIENCE = 60  # seconds after which something is taken to hang, on however slow a computer


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until it is so."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@contextmanager
def served(
    debugger: Debugger, on_change: Callable[[Debugger], None] | None = None
) -> Iterator[GdbServer]:
    """The debugger behind a server that runs on a loop of its own."""
    loop = asyncio.new_event_loop()
    made: list[GdbServer] = []
    ready = threading.Event()

    async def main() -> None:
        made.append(serve(debugger, 0, on_change))
        await asyncio.sleep(0)
        ready.set()

    def run() -> None:
        loop.run_until_complete(main())
        loop.run_forever()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(PATIENCE)
    try:
        yield made[0]
    finally:
        loop.call_soon_threadsafe(made[0].close)
        loop.call_soon_threadsafe(lambda: loop.call_later(0.01, loop.stop))
        thread.join(PATIENCE)
        assert not thread.is_alive()
        loop.close()


class Client:
    """A bare client: sends packets, reads replies."""

    def __init__(self, port: int, *, no_ack: bool = True) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        self.console: list[bytes] = []  # O packets
        self.no_ack = False
        if no_ack:
            assert self.ask(b"QStartNoAckMode") == b"OK"
            self.no_ack = True

    def send(self, payload: bytes) -> None:
        self.socket.sendall(frame(payload))

    def reply(self) -> bytes:
        """The next packet, O packets left out; b"" once the server has closed."""
        while True:
            start = self._buffer.find(b"$")
            end = self._buffer.find(b"#", start)
            if start >= 0 and len(self._buffer) >= end + 3 > 2:
                payload = self._buffer[start + 1 : end]
                self._buffer = self._buffer[end + 3 :]
                if not self.no_ack:
                    self.socket.sendall(b"+")
                if payload[:1] != b"O" or payload == b"OK":
                    return payload
                self.console.append(payload[1:])
                continue
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                return b""
            self._buffer += data

    def ask(self, payload: bytes) -> bytes:
        self.send(payload)
        return self.reply()

    def pc(self) -> int:
        return int.from_bytes(bytes.fromhex(self.ask(b"p20").decode()), "little")

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def gdb(port: int, *commands: str, timeout: float = PATIENCE) -> str:
    """What a real gdb prints on these commands, once attached."""
    assert GDB
    line = [GDB, "-nx", "-batch", "-ex", "set confirm off", "-ex", "set pagination off"]
    line += ["-ex", "set architecture aarch64", "-ex", f"target remote 127.0.0.1:{port}"]
    for command in commands:
        line += ["-ex", command]
    done = subprocess.run(line, capture_output=True, text=True, timeout=timeout, check=False)
    return done.stdout + done.stderr
