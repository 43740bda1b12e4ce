"""A panel with a gdb attached: it follows what gdb does, gdb is given what the panel makes, and both may drive."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable

import pytest

from aarch64sim.gdb.rsp import frame
from tests.widgets.seen import StepLab
from widgets.panel.gdb import GdbDoor

ENDLESS = "again: add x1, x1, #1\nb again\n"
Ask = Callable[[bytes], Awaitable[bytes]]


def attached(lab: StepLab, session: Callable[[Ask], Awaitable[None]]) -> None:
    """Attach a bare client to the panel, on one event loop with it."""

    async def run() -> None:
        door = lab.serve_gdb()
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)

        async def ask(payload: bytes) -> bytes:
            writer.write(payload if payload == b"\x03" else frame(payload))
            while True:
                await reader.readuntil(b"$")
                reply = (await reader.readuntil(b"#"))[:-1]
                await reader.readexactly(2)
                writer.write(b"+")
                if reply[:1] != b"O" or reply == b"OK":
                    await asyncio.sleep(0.01)  # the panel is told when the loop is free
                    return reply

        await session(ask)
        writer.close()
        door.close()

    asyncio.run(asyncio.wait_for(run(), 20))


async def pc(ask: Ask) -> int:
    return int.from_bytes(bytes.fromhex((await ask(b"p20")).decode()), "little")


def test_the_panel_follows_gdb(store: str) -> None:
    lab = StepLab(store, "v4.3")

    async def session(ask: Ask) -> None:
        for shown, moved in ((0x4000_0004, b"vCont;s"), (0x4000_000C, b"s"), (0x4000_0004, b"bs")):
            assert (await ask(moved)).startswith(b"T05")
            assert f"{shown:#x}" in lab._shown["status.text"]
            assert f"pc={shown:#x}" in repr(lab)
        assert await ask(b"P7=8877665544332211") == b"OK"
        assert "0x1122334455667788" in str(lab._shown)

    attached(lab, session)


def test_the_panel_shows_the_kernel_that_gdb_has_chosen(store: str) -> None:
    lab = StepLab(store, "v4.3")

    async def session(ask: Ask) -> None:
        await ask(b"s")
        before = {name: value for name, value in lab._shown.items() if name.startswith("kernel")}
        await ask(b"qRcmd," + b"monitor kernel fixed"[8:].hex().encode())
        after = {name: value for name, value in lab._shown.items() if name.startswith("kernel")}
        assert before != after
        assert repr(lab) == "StepLab(fixed, step 0, pc=0x40000000, inactive)"

    attached(lab, session)


def test_both_drive_the_same_guest(store: str) -> None:
    lab = StepLab(store, "v4.3")

    async def session(ask: Ask) -> None:
        lab.step()
        assert await pc(ask) == 0x4000_0004
        await ask(b"s")
        assert lab.back().pc == 0x4000_0004
        assert await pc(ask) == 0x4000_0004

    attached(lab, session)


def test_gdb_is_given_the_debugger_that_the_panel_makes(store: str) -> None:
    lab = StepLab(store, "v4.3")

    async def session(ask: Ask) -> None:
        await ask(b"s")
        lab.use_kernel("fixed")  # which keeps the place: one step
        assert await pc(ask) == 0x4000_0004
        await ask(b"s")
        assert await pc(ask) == 0x4000_0008
        assert lab.debugger.last.pc == 0x4000_0008
        lab.load("nop\nnop\nstr w20, [x20]\n")
        await ask(b"s")
        assert lab.debugger.position == 1
        assert await pc(ask) == 0x4000_0004

    attached(lab, session)


def test_a_run_of_gdb_is_seen_while_it_goes_on() -> None:
    lab = StepLab(ENDLESS, "fixed")

    async def session(ask: Ask) -> None:
        run = asyncio.create_task(ask(b"c"))
        while lab.debugger.position < 2000:
            await asyncio.sleep(0.01)
        lab.start_run()  # both at once: nobody breaks
        await asyncio.sleep(0.1)
        lab.stop()
        while lab.running:
            await asyncio.sleep(0.01)
        assert not run.done()
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        assert (await ask(b"\x03")).startswith(b"T02")
        position = lab.debugger.position
        assert f"step {position}" in repr(lab)
        await asyncio.sleep(0.05)
        assert lab.debugger.position == position

    attached(lab, session)


def test_a_port_in_use_is_said_in_one_sentence(store: str) -> None:
    lab = StepLab(store)

    async def serve() -> GdbDoor:
        return lab.serve_gdb(taken)

    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with pytest.raises(OSError, match=rf"port {taken} is in use: choose another"):
            asyncio.run(serve())


def test_a_second_door_closes_the_first(store: str) -> None:
    lab = StepLab(store)

    async def serve() -> tuple[GdbDoor, GdbDoor]:
        first, second = lab.serve_gdb(), lab.serve_gdb()
        await asyncio.sleep(0.01)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", first.port)
        _, writer = await asyncio.open_connection("127.0.0.1", second.port)
        await asyncio.sleep(0.01)
        assert second.attached
        writer.close()
        second.close()
        return first, second

    _, second = asyncio.run(serve())
    assert repr(second) == f"gdb may attach: target remote :{second.port}"


def test_a_door_is_not_closed_on_an_attached_gdb(store: str) -> None:
    async def serve() -> None:
        lab = StepLab(store)
        door = lab.serve_gdb()
        await asyncio.sleep(0.01)
        _, writer = await asyncio.open_connection("127.0.0.1", door.port)
        await asyncio.sleep(0.01)
        assert lab.serve_gdb(door.port) is door is lab.serve_gdb()
        assert repr(door) == f"gdb is attached on port {door.port}"
        with pytest.raises(OSError, match="type `detach` there"):
            StepLab(store).serve_gdb(door.port)
        writer.close()
        door.close()

    asyncio.run(serve())


def test_a_cell_that_opens_a_door_may_be_run_again(store: str) -> None:
    async def serve() -> None:
        first = StepLab(store).serve_gdb()
        await asyncio.sleep(0.01)
        again = StepLab(store).serve_gdb(first.port)
        assert again.port == first.port
        await asyncio.sleep(0.01)
        _, writer = await asyncio.open_connection("127.0.0.1", again.port)
        await asyncio.sleep(0.01)
        assert again.attached
        assert not first.attached
        writer.close()
        again.close()

    asyncio.run(serve())


def test_without_an_event_loop_it_says_what_to_do_instead(store: str) -> None:
    with pytest.raises(RuntimeError, match="python -m aarch64sim gdb"):
        StepLab(store).serve_gdb()


def test_a_door_where_there_are_no_sockets_stays_shut_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.ENOTSUP, "Not supported")

    monkeypatch.setattr(socket, "create_server", refused)

    async def open_one() -> str:
        door = StepLab("nop").serve_gdb()
        assert not door.attached
        door.close()
        return repr(door)

    assert "no sockets" in asyncio.run(open_one())
