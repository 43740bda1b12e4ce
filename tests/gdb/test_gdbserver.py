"""The server, asked by a bare client: every packet, bad packets, clients that vanish, and who may connect."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aarch64sim import Debugger
from aarch64sim.gdb.server import serve
from aarch64sim.gdb.target_xml import REGISTERS
from tests.debug.programs import ENDLESS, STORE

from .gdbtools import Client, served, wait_for

WATCHED = "start: mov x0, #7\nstr w0, [x21, #4]\nldr x1, [x21]\nstr w20, [x20]\n"


def number(reply: bytes) -> int:
    return int.from_bytes(bytes.fromhex(reply.decode()), "little")


def little(value: int, size: int = 8) -> bytes:
    return value.to_bytes(size, "little").hex().encode()


def test_registers_and_memory_are_read_and_written() -> None:
    debugger = Debugger(STORE, "v4.3")
    with served(debugger) as server, Client(server.port) as client:
        g = client.ask(b"g")
        assert len(g) == 2 * (33 * 8 + 4)
        assert number(g[2 * 32 * 8 : 2 * 33 * 8]) == 0x4000_0000
        assert client.ask(b"P2=" + little(0x1234)) == b"OK"
        assert number(client.ask(b"p2")) == 0x1234 == debugger.registers["x2"]
        assert client.ask(b"G" + little(5) + g[16:]) == b"OK"
        assert (debugger.registers["x0"], debugger.registers["x2"]) == (5, 0)
        assert client.ask(b"P20=" + little(0x4000_0008)) == b"OK"
        assert client.pc() == 0x4000_0008
        assert client.ask(b"P21=" + little(0x3C4, 4)) == b"OK"
        assert number(client.ask(b"p1f")) == debugger.machine.vcpu.get_one_reg("sp_el0")
        mdscr = next(n for n, r in enumerate(REGISTERS) if r.name == "mdscr_el1")
        assert client.ask(b"P%x=%b" % (mdscr, little(1))) == b"OK"
        assert debugger.registers["mdscr_el1"] == 1
        assert client.ask(b"m40000000,4") == b"200880d2"
        assert client.ask(b"M40005000,3:010203") == b"OK"
        assert client.ask(b"X40005003,2:}\x03*") == b"OK"
        assert debugger.read_memory(0x4000_5000, 5) == b"\1\2\3#*"
        assert client.ask(b"m401ffffe,8") == b"0000"


def test_g_holds_what_p_gives_register_by_register() -> None:
    source = "msr spsel, #0\nmov x1, #3\nmov sp, x19\nadds x2, x1, #1\nmov x29, x1\nstr w20, [x20]"
    with served(Debugger(source, "v5.0")) as server, Client(server.port) as client:
        for _ in range(6):
            one_by_one = b"".join(client.ask(b"p%x" % n) for n in range(34))
            assert client.ask(b"g") == one_by_one
            stop = client.ask(b"s")
            for register in (29, 31, 32):
                assert b"%x:%b;" % (register, client.ask(b"p%x" % register)) in stop


@pytest.mark.parametrize(
    "packet",
    [
        b"m0,4",
        b"M10,1:00",
        b"X10,1:a",
        b"m401ffffff00,4",
        b"M401fffff,2:0000",
        b"mffffffffffffffff,2",
    ],
)
def test_memory_that_is_none_is_e14(packet: bytes) -> None:
    debugger = Debugger(STORE)
    debugger.run(3)
    with served(debugger) as server, Client(server.port) as client:
        assert client.ask(packet) == b"E14"
    assert debugger.length == 3


@pytest.mark.parametrize(
    ("packet", "reply"),
    [
        (b"vMustReplyEmpty", b""), (b"QThreadEvents:1", b""), (b"qTStatus", b""), (b"vCont;x", b"E16"),
        (b"\xff\xfe\x80", b""), (b"", b""), (b"p", b"E16"), (b"pfff", b"E16"), (b"P0=12", b"E16"), (b"Pzz=0", b"E16"),
        (b"P21=00000000", b"OK"), (b"P21=10000000", b"E16"),
        (b"m", b"E16"), (b"m1", b"E16"), (b"m-1,4", b"E16"),
        (b"M40000000,4:00", b"E16"), (b"M40000000,1:xx", b"E16"), (b"m40000000," + b"f" * 17, b"E16"),
        (b"Z0,1,4", b"E16"), (b"Z9,40000000,4", b""), (b"Z2,40004000,0", b"E16"),
         (b"z0,40000000,4", b"OK"), (b"bx", b""),
        (b"qXfer:features:read:other.xml:0,100", b"E00"), (b"qXfer:features:read:target.xml:0", b"E16"),
        (b"qfThreadInfo", b"m1"), (b"qsThreadInfo", b"l"),
         (b"qC", b"QC1"), (b"Hg0", b"OK"), (b"Hx", b""), (b"T1", b"OK"),
        (b"qAttached", b"1"), (b"vCont?", b"vCont;c;C;s;S"), (b"qRcmd,zz", b"E16"),
    ],
)  # fmt: skip
def test_an_odd_packet_has_its_answer(packet: bytes, reply: bytes) -> None:
    with served(Debugger(STORE)) as server, Client(server.port) as client:
        assert client.ask(packet) == reply
        assert client.pc() == 0x4000_0000


def test_the_target_description_is_read_in_parts() -> None:
    with served(Debugger(STORE)) as server, Client(server.port) as client:
        whole, more = b"", b"m"
        while more == b"m":
            part = client.ask(b"qXfer:features:read:target.xml:%x,800" % len(whole))
            more, whole = part[:1], whole + part[1:]
        assert whole.startswith(b"<?xml")
        assert whole.endswith(b"</target>")
        assert b'name="mdscr_el1"' in whole


def test_acknowledgements_until_they_are_switched_off() -> None:
    with served(Debugger(STORE)) as server, Client(server.port, no_ack=False) as client:
        client.socket.sendall(b"$?#00")
        assert client.socket.recv(10) == b"-"
        client.send(b"qC")
        assert client.reply() == b"QC1"
        client.socket.sendall(b"-")
        assert client.reply() == b"QC1"
        assert client.ask(b"QStartNoAckMode") == b"OK"


def test_the_step_over_the_store_ends_two_instructions_later_only_in_the_old_kernel() -> None:
    for kernel, pc in (("v4.3", 0x4000_000C), ("fixed", 0x4000_0008)):
        with served(Debugger(STORE, kernel)) as server, Client(server.port) as client:
            assert client.ask(b"s").startswith(b"T05thread:1;")
            client.ask(b"vCont;s:1")
            assert client.pc() == pc
            assert client.ask(b"bs").startswith(b"T05thread")
            assert client.pc() == 0x4000_0004
            client.ask(b"bs")
            assert client.ask(b"bs").startswith(b"T05replaylog:begin;")


@pytest.mark.parametrize("kind", [b"0", b"1"])
def test_breakpoints_stop_a_continue_forwards_and_backwards(kind: bytes) -> None:
    with served(Debugger(STORE, "v4.3")) as server, Client(server.port) as client:
        name = b"swbreak" if kind == b"0" else b"hwbreak"
        assert client.ask(b"Z%b,40000008,4" % kind) == b"OK"
        assert client.ask(b"vCont;c").startswith(b"T05" + name)
        assert client.pc() == 0x4000_0008
        assert client.ask(b"m40000008,4") == b"21040091"
        assert client.ask(b"c").startswith(b"T05" + name)  # gdb steps over it first, if it wants to
        assert client.pc() == 0x4000_0008
        assert client.ask(b"s").startswith(b"T05thread")
        assert client.ask(b"c").startswith(b"T05thread")
        assert client.ask(b"c").startswith(b"T02replaylog:end;")
        assert client.ask(b"bc").startswith(b"T05" + name)
        assert client.pc() == 0x4000_0008
        assert client.ask(b"z%b,40000008,4" % kind) == b"OK"
        assert client.ask(b"bc").startswith(b"T05replaylog:begin;")


@pytest.mark.parametrize("kind", [b"0", b"1"])
def test_a_breakpoint_where_the_guest_stands_is_met_at_once(kind: bytes) -> None:
    with served(Debugger(STORE, "fixed")) as server, Client(server.port) as client:
        name = b"swbreak" if kind == b"0" else b"hwbreak"
        client.ask(b"s")
        client.ask(b"Z%b,40000004,4" % kind)
        client.ask(b"P20=" + little(0x4000_0004))
        assert client.ask(b"vCont;c").startswith(b"T05" + name)
        client.ask(b"s")
        client.ask(b"z%b,40000004,4" % kind)
        client.ask(b"P20=" + little(0x4000_0004))
        assert client.ask(b"vCont;c").startswith(b"T05thread")


WRITES = "mov x0, #-1\nstr x0, [x21]\nnop\nstr w20, [x20]"


@pytest.mark.parametrize("back", [b"bc", b"bs"])
def test_the_write_that_was_just_made_is_met_on_the_way_back(back: bytes) -> None:
    with served(Debugger(WRITES)) as server, Client(server.port) as client:
        client.ask(b"s")
        client.ask(b"s")
        client.ask(b"Z2,40004004,4")
        assert client.ask(back).startswith(b"T05watch:40004004;")
        assert client.pc() == 0x4000_0008  # gdb undoes it itself, and looks at the value then
        assert client.ask(b"bs").startswith(b"T05thread")
        assert client.pc() == 0x4000_0004
        assert client.ask(back).startswith(
            b"T05replaylog:begin;" if back == b"bc" else b"T05thread"
        )


def test_a_search_back_is_ended_by_ctrl_c_and_others_have_their_turn() -> None:
    debugger = Debugger("1: add x0, x0, #1\nb 1b")
    debugger.run(400_000)
    with served(debugger) as server, Client(server.port) as client:
        client.send(b"bc")
        time.sleep(0.2)
        client.socket.sendall(b"\x03")
        assert client.reply().startswith(b"T02thread")
        assert debugger.position == 400_000


def test_a_load_and_a_store_exclusive_go_through_a_continue_and_a_step_says_what_it_does() -> None:
    loop = "1: ldxr w0, [x21]\nadd w0, w0, #1\nstxr w3, w0, [x21]\ncbnz w3, 1b\nnop\nstr w20, [x20]"
    with served(Debugger(loop, "v4.3")) as server, Client(server.port) as client:
        client.ask(b"Z0,40000010,4")
        assert client.ask(b"c").startswith(b"T05swbreak")
        assert number(client.ask(b"p3")) == 0
        client.ask(b"P20=" + little(0x4000_0000))
        client.send(b"s")
        assert client.reply().startswith(b"T05thread")
        assert b"clears the exclusive monitor" in bytes.fromhex(client.console[-1].decode())


def test_a_run_can_be_a_row_of_steps_and_ctrl_c_says_why_it_did_not_leave_the_loop() -> None:
    debugger = Debugger("1: ldxr w0, [x21]\nstxr w3, w0, [x21]\ncbnz w3, 1b\nstr w20, [x20]")
    with served(debugger) as server, Client(server.port) as client:

        def monitor(line: str) -> str:
            return bytes.fromhex(
                client.ask(b"qRcmd," + line.encode().hex().encode()).decode()
            ).decode()

        assert "enters the guest freely" in monitor("run")
        assert "a row of single steps" in monitor("run steps")
        assert "expected steps or freely" in monitor("run fast")
        client.send(b"c")
        wait_for(lambda: debugger.exclusives > 3)
        client.socket.sendall(b"\x03")
        assert client.reply().startswith(b"T02thread:1;")
        assert b"clears the exclusive monitor" in bytes.fromhex(client.console[-1].decode())
        assert "enters the guest freely" in monitor("run freely")
        assert client.ask(b"c").startswith(b"T05")
        assert debugger.ended


def test_a_watchpoint_stops_in_front_of_the_access() -> None:
    with served(Debugger(WATCHED)) as server, Client(server.port) as client:
        assert client.ask(b"Z2,40004004,4") == b"OK"
        assert client.ask(b"c").startswith(b"T05watch:40004004;")
        assert client.pc() == 0x4000_0004
        assert client.ask(b"z2,40004004,4") == b"OK"
        client.ask(b"s")
        assert client.ask(b"m40004004,4") == b"07000000"
        assert client.ask(b"Z3,40004000,8") == b"OK"
        assert client.ask(b"c").startswith(b"T05rwatch:40004000;")
        assert client.ask(b"Z2,9010000,4") == b"OK"


def test_ctrl_c_stops_an_endless_loop() -> None:
    debugger = Debugger(ENDLESS)
    with served(debugger) as server, Client(server.port) as client:
        client.send(b"c")
        wait_for(lambda: debugger.position > 2000)
        client.socket.sendall(b"\x03")
        assert client.reply().startswith(b"T02thread:1;")
        position = debugger.position
        assert client.ask(b"s").startswith(b"T05")
        assert debugger.position == position + 1


def test_a_client_that_vanishes_in_mid_run_stops_the_guest_and_the_next_is_served() -> None:
    debugger = Debugger(ENDLESS)
    with served(debugger) as server:
        client = Client(server.port)
        client.ask(b"Z0,40000100,4")
        client.send(b"c")
        wait_for(lambda: debugger.position > 1000)
        client.close()
        wait_for(lambda: server.client is None)
        position = debugger.position
        time.sleep(0.05)
        assert debugger.position == position
        assert not debugger.breakpoints
        with Client(server.port) as again:
            assert again.ask(b"?").startswith(b"T05")


def test_breakpoints_set_elsewhere_outlive_gdb() -> None:
    debugger = Debugger(STORE)
    debugger.add_breakpoint(line=4)
    with served(debugger) as server:
        with Client(server.port) as client:
            client.ask(b"Z0,40000008,4")
            client.ask(b"Z0,40000010,4")
            client.ask(b"z0,40000008,4")
            assert client.ask(b"D") == b"OK"
            assert client.reply() == b""
        wait_for(lambda: server.client is None)
    assert debugger.breakpoints == {0x4000_0008}


def test_a_second_client_is_refused_politely() -> None:
    with served(Debugger(STORE)) as server, Client(server.port) as first:
        second = Client(server.port, no_ack=False)
        assert (
            second.ask(b"qSupported") == b"E.another gdb is attached to this guest; detach it first"
        )
        assert second.reply() == b""
        second.close()
        assert first.pc() == 0x4000_0000


def test_kill_ends_the_session_but_not_the_server() -> None:
    with served(Debugger(STORE)) as server:
        for _ in range(3):
            with Client(server.port) as client:
                client.send(b"k")
                assert client.reply() == b""
            wait_for(lambda: server.client is None)


def test_extended_remote_stays_and_starts_the_guest_again() -> None:
    with served(Debugger(STORE)) as server, Client(server.port) as client:
        assert (
            client.ask(b"vRun;") == client.ask(b"vAttach;1") == b""
        )  # `target remote` has neither
        assert client.ask(b"!") == b"OK"
        client.ask(b"s")
        assert client.ask(b"D") == b"OK"
        assert client.ask(b"vAttach;1").startswith(b"T05")
        assert client.pc() == 0x4000_0004
        assert client.ask(b"vRun;").startswith(b"T05")
        assert client.pc() == 0x4000_0000
        client.ask(b"s")
        client.send(b"k")
        client.send(b"R00")
        assert client.ask(b"?").startswith(b"T05")
        assert client.pc() == 0x4000_0000


def test_monitor_commands_answer_with_text() -> None:
    debugger = Debugger(STORE, "v4.3")
    with served(debugger) as server, Client(server.port) as client:

        def monitor(line: str) -> str:
            return bytes.fromhex(
                client.ask(b"qRcmd," + line.encode().hex().encode()).decode()
            ).decode()

        client.ask(b"s")
        client.ask(b"s")
        assert "emulated instruction is skipped and SS is kept" in monitor("events")
        assert "step 1: Stopped at 0x40000004." in monitor("events 1")
        assert "there is no step 9" in monitor("events 9")
        assert monitor("mdscr").splitlines()[1:4] == [
            "mdscr_el1.ss     0     1",
            "mdcr_el2.tde     1     1",
            "spsr_el2.ss      0     1",
        ]
        assert "0x4000000c" in monitor("stops")
        assert monitor("console") == "A\n"
        assert "v4.3" in monitor("kernel")
        assert "unknown kernel" in monitor("kernel v99").lower() or "v99" in monitor("kernel v99")
        assert debugger.position == 2
        assert "starts over under" in monitor("kernel v6.14")
        assert debugger.kernel.name == "v6.14"
        assert "step 0" in monitor("goto 0")
        assert "invalid literal" in monitor("goto x") or "no number" in monitor("goto x")
        assert "monitor kernel NAME" in monitor("help")
        assert "there is no command 'coffee'" in monitor("coffee")
        assert "starts over" in monitor("restart")


def test_whoever_watches_is_told_once_after_each_move() -> None:
    debugger, seen = Debugger(STORE, "v4.3"), []
    with (
        served(debugger, lambda d: seen.append(d.position)) as server,
        Client(server.port) as client,
    ):
        client.ask(b"s")
        wait_for(lambda: seen == [1])
        client.ask(b"P0=" + little(7))
        wait_for(lambda: seen == [1, 1])
        client.ask(b"g")
        client.ask(b"c")
        wait_for(lambda: seen[-1] == debugger.position == 7)


def test_a_watcher_that_fails_does_not_hurt_the_session() -> None:
    def broken(_: Debugger) -> None:
        raise RuntimeError("a panel")

    with served(Debugger(STORE), broken) as server, Client(server.port) as client:
        for _ in range(3):
            assert client.ask(b"s").startswith(b"T05")


def test_the_server_can_be_given_another_debugger() -> None:
    other = Debugger(STORE, "fixed")
    with served(Debugger(STORE, "v4.3")) as server, Client(server.port) as client:
        client.ask(b"Z0,40000010,4")
        client.ask(b"c")
        server.debugger = other
        assert client.pc() == 0x4000_0000
        client.ask(b"s")
        assert other.position == 1
        assert client.ask(b"z0,40000010,4") == b"OK"


def test_gdb_and_another_driver_take_turns() -> None:
    debugger = Debugger(STORE)
    with served(debugger) as server, Client(server.port) as client:
        client.ask(b"s")
        debugger.step()
        assert client.pc() == 0x4000_0008
        client.ask(b"s")
        assert debugger.goto(1).pc == 0x4000_0004
        assert client.pc() == 0x4000_0004


def test_only_this_computer_can_connect() -> None:
    with served(Debugger(STORE)) as server:
        assert server._listener.getsockname()[0] == "127.0.0.1"
        assert "127.0.0.1" in repr(server)


def test_a_port_in_use_is_one_sentence() -> None:
    async def main() -> None:
        first = serve(Debugger(STORE))
        with pytest.raises(OSError, match=rf"port {first.port} is in use: choose another"):
            serve(Debugger(STORE), first.port)
        with pytest.raises(ValueError, match="99999 is no port"):
            serve(Debugger(STORE), 99999)
        first.close()

    asyncio.run(main())


def test_without_a_loop_nothing_is_served() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        serve(Debugger(STORE))


def test_the_command_line_serves_and_says_how_to_attach(tmp_path: Path) -> None:
    program = tmp_path / "store.s"
    program.write_text(STORE)
    command = [
        sys.executable,
        "-m",
        "aarch64sim",
        "gdb",
        str(program),
        "--kernel",
        "v4.3",
        "--port",
    ]
    with subprocess.Popen(
        [*command, "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        line = process.stdout.readline()
        port = int(line.split("127.0.0.1:")[1].split(".")[0])
        with Client(port) as client:
            client.ask(b"s")
            client.ask(b"s")
            assert client.pc() == 0x4000_000C
            taken = subprocess.run(
                [*command, str(port)], capture_output=True, text=True, check=False
            )
            assert taken.returncode == 2
            assert taken.stderr.count("\n") == 1
            assert f"port {port} is in use" in taken.stderr
        process.terminate()
        process.wait(10)


def test_a_client_that_never_reads_costs_bounded_memory() -> None:
    with served(Debugger(STORE)) as server:
        client = Client(server.port)
        client.socket.settimeout(0.3)
        request = b"$m40000000,1f00#" + b"%02x" % (sum(b"m40000000,1f00") & 0xFF)
        sent = 0
        try:
            while sent < 4_000_000:
                sent += client.socket.send(request * 500)
        except TimeoutError:
            pass
        assert server.client is not None
        transport = server.client._transport
        assert transport is not None
        assert transport.get_write_buffer_size() < 200_000
        client.close()
        wait_for(lambda: server.client is None)
