"""A stock gdb in batch mode, for lab 08: attached to a guest, given commands, and what it prints.

Invariant: the text is gdb's own, with each command in front of what it printed. Left out are only what differs between
two versions of gdb (its greeting, its comments on numbers, tabs) and the goodbye.
"""

from __future__ import annotations

import asyncio
import os
import re
import select
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aarch64sim import Debugger
from aarch64sim.gdb.server import GdbServer, serve
from aarch64sim.kvm import Kernel
from widgets.course import program

NO_GDB = (
    "Python in a browser can start no gdb. The transcript, 08-attach-gdb.md, shows what it prints."
    if sys.platform == "emscripten"
    else "There is no gdb-multiarch on this computer. Install it (apt install gdb-multiarch), and run the cell again."
)
SECONDS = 20  # for gdb to start
SILENCE = 4.0  # seconds between two of its lines, once it is attached
MOST_TEXT = 1 << 16
_QUIET = ("set confirm off", "set pagination off", "set style enabled off", "set width 0")
_NOISE = re.compile(
    r"^warning: No executable has been specified.*|^determining executable automatically.*"
    r"|^\[Inferior 1 .*detached\]|^The target architecture is set to.*"
)


class SessionTooLongError(Exception):
    """gdb did not come to its end."""


def gdb_there() -> bool:
    """Whether a gdb that knows AArch64 can be started."""
    return shutil.which("gdb-multiarch") is not None


def talk(port: int, *commands: str) -> str:
    """What gdb prints when it attaches to `port` and is given the commands; one sentence if there is no gdb."""
    found = shutil.which("gdb-multiarch")
    if found is None:
        return NO_GDB
    line = [found, "-nx", "-batch"]
    for setting in _QUIET:
        line += ["-iex", setting]
    line += ["-ex", "set architecture aarch64"]
    for command in (f"target remote :{port}", *commands):
        shown = "target remote :1234" if command.startswith("target remote") else command
        line += ["-ex", _echo(shown), "-ex", command]
    with subprocess.Popen(
        line,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"LC_ALL": "C", "DEBUGINFOD_URLS": ""},
    ) as gdb:
        try:
            return clean(_said(gdb).decode("utf-8", "replace"))
        finally:
            gdb.kill()


def _said(gdb: subprocess.Popen[bytes]) -> bytes:
    """All that gdb prints; SessionTooLongError if it falls silent, or goes on and on."""
    assert gdb.stdout
    said = b""
    while len(said) < MOST_TEXT:
        attached = b"(gdb) target remote" in said
        ready, _, _ = select.select([gdb.stdout], [], [], SILENCE if attached else SECONDS)
        if not ready:
            raise SessionTooLongError("gdb did not come to the end of its commands")
        part = os.read(gdb.stdout.fileno(), 1 << 16)
        if not part:
            return said
        said += part
    raise SessionTooLongError("gdb printed on and on")


def _echo(command: str) -> str:
    escaped = command.replace("\\", "\\\\").replace('"', '\\"')
    return f"echo (gdb) {escaped}\\n"


def clean(text: str) -> str:
    """gdb's text without what is different elsewhere."""
    lines = [re.sub(r"\s*// #.*$", "", line).rstrip() for line in text.splitlines()]
    kept = [line.expandtabs(8) for line in lines if line and not _NOISE.match(line)]
    return "\n".join(kept)


@contextmanager
def served(debugger: Debugger) -> Iterator[GdbServer]:
    """The debugger behind a server on a thread of its own, for as long as the block lasts."""
    loop = asyncio.new_event_loop()
    servers: list[GdbServer] = []
    ready = threading.Event()

    async def start() -> None:
        servers.append(serve(debugger))
        await asyncio.sleep(0)
        ready.set()

    def run() -> None:
        loop.run_until_complete(start())
        loop.run_forever()

    def end() -> None:
        servers[0].close()
        loop.call_later(0.01, loop.stop)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait()
    try:
        yield servers[0]
    finally:
        loop.call_soon_threadsafe(end)
        thread.join()
        loop.close()


@dataclass(frozen=True)
class Talk:
    """A session, and the guest as it was left."""

    text: str
    debugger: Debugger

    def __str__(self) -> str:
        return self.text


def attach(*commands: str, kernel: str | Kernel = "v4.3", source: str | None = None) -> Talk:
    """Attach gdb to a new guest, store.s if no other is given, and give it the commands."""
    debugger = Debugger(program("store") if source is None else source, kernel)
    if not gdb_there():
        return Talk(NO_GDB, debugger)
    with served(debugger) as server:
        return Talk(talk(server.port, *commands), debugger)


async def beside(port: int, *commands: str) -> str:
    """`talk` to a server that this notebook runs: the notebook must not stand still meanwhile."""
    return await asyncio.to_thread(talk, port, *commands) if gdb_there() else NO_GDB


# --- the transcript ----------------------------------------------------------------------------------

TRANSCRIPT = (
    ("A store to a device, under Linux 4.3", "v4.3", ("x/3i $pc", "stepi", "stepi", "x/i $pc", "p $x1")),
    ("The same, under a kernel that steps correctly", "fixed", ("stepi", "stepi", "x/i $pc", "p $x1")),
    (
        "Another kernel in the middle of a session",
        "v4.3",
        ("stepi 2", "x/i $pc", "monitor kernel fixed", "stepi 2", "x/i $pc"),
    ),
    (
        "A breakpoint right after the store, under Linux 4.3",
        "v4.3",
        ("break *0x40000008", "stepi", "stepi", "p $x1"),
    ),
    ("Back over it, under Linux 4.3", "v4.3", ("stepi 2", "reverse-stepi", "x/i $pc", "p $x1")),
    (
        "Two views of one register, under Linux 4.3",
        "v4.3",
        ("stepi", "info registers mdscr_el1", "monitor mdscr"),
    ),
)  # fmt: skip


def transcript() -> str:
    """labs/08-attach-gdb.md: what gdb prints, run just now."""
    parts = [
        "# A gdb session",
        "What a stock `gdb-multiarch` prints, attached to `labs/programs/store.s`:",
        f"```asm\n{program('store').strip()}\n```",
        "Look at the second `stepi` of the first two sessions. Under Linux 4.3 it ends two instructions later: the guest"
        " has run the `str`\nand the `add` after it, and gdb was notified of one stop. [Lab 08](08-attach-gdb.ipynb)"
        " says why.",
    ]
    for title, kernel, commands in TRANSCRIPT:
        command = f"$ python -m aarch64sim gdb labs/programs/store.s --kernel {kernel} &"
        talked = f"{command}\n$ gdb-multiarch\n{attach(*commands, kernel=kernel)}"
        parts += [f"## {title}", f"```text\n{talked}\n```"]
    parts.append(
        "This file is made by `python labs/checks/gdb_in_batch.py`, and a test compares it with what gdb prints now."
    )
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    from pathlib import Path

    Path(__file__).parents[1].joinpath("08-attach-gdb.md").write_text(
        transcript(), encoding="utf-8"
    )
