"""Malformed packets: no crash, no hang, bounded memory, and afterwards the server works as before."""

from __future__ import annotations

import gc
import random
import tracemalloc

import pytest

from aarch64sim import Debugger
from aarch64sim.gdb.rsp import Reader, frame
from aarch64sim.gdb.session import Session
from tests.debug.programs import STORE

from .gdbtools import Client, served, wait_for

SEEDS = [
    b"?", b"g", b"G00", b"p20", b"P20=0000004000000000", b"P21=c5030000", b"m40000000,10",
    b"M40005000,2:0102", b"X40005000,2:ab", b"c", b"s", b"C05", b"S05;40000000", b"vCont?",
    b"vCont;c", b"vCont;s:1;c", b"Z0,40000008,4", b"z0,40000008,4", b"Z1,40000008,4",
    b"Z2,40004000,8", b"z2,40004000,8", b"Z3,40004001,3", b"Z4,9000000,4", b"bs", b"bc",
    b"qSupported:swbreak+", b"qXfer:features:read:target.xml:0,fff",
    b"qXfer:features:read:target.xml:fff,1", b"qRcmd,6b65726e656c", b"qRcmd,6576656e7473",
    b"qRcmd,676f746f2030", b"qfThreadInfo", b"vMustReplyEmpty", b"Hg0", b"D", b"vKill;1", b"T1",
    b"QThreadEvents:1", b"!",
]  # fmt: skip
ALPHABET = b"0123456789abcdef,:;=+-$#}*\x03\x00\xffZzmMXgGpPcsbvqkDHT?"


def malformed(way: random.Random) -> bytes:
    """Bytes that are nearly a packet, or not at all."""
    payload = bytearray(way.choice(SEEDS))
    for _ in range(way.choice((0, 1, 1, 2, 4))):
        kind, at = way.randrange(5), way.randrange(len(payload) + 1)
        if kind == 0:
            payload[at:at] = bytes(way.choices(ALPHABET, k=way.randrange(1, 5)))
        elif kind == 1:
            del payload[at : at + way.randrange(1, 4)]
        elif kind == 2 and payload:
            payload[at % len(payload)] = way.randrange(256)
        elif kind == 3:
            payload[at:at] = way.choice(
                (b"f" * 17, b"0*~*~*~", b"}", b"ffffffffffffffff", b"-1", b"\xc3\xa9")
            )
        else:
            payload += way.choice(SEEDS)
    shape = way.randrange(12)
    data = frame(bytes(payload))
    if shape == 0:
        return data[: way.randrange(len(data) + 1)]
    if shape == 1:
        return data[:-2] + b"zz"
    if shape == 2:
        return way.randbytes(way.randrange(1, 40))
    if shape == 3:
        return b"$" + b"a" * way.randrange(20_000)
    return data


def assert_it_still_works(port: int) -> None:
    with Client(port) as client:
        client.ask(b"qRcmd," + b"restart".hex().encode())
        assert client.ask(b"s").startswith(b"T05")
        assert client.pc() == 0x4000_0004


def run_sessions(count: int, seed: int) -> None:
    """`count` malformed packets to sessions without a network: a c is run to its end in few steps."""
    way = random.Random(seed)
    debugger = Debugger(STORE, "v4.3")
    session, reader = Session(debugger), Reader()
    for number in range(count):
        for item in reader.feed(malformed(way)):
            if not isinstance(item, bytes):
                continue
            reply = session.answer(item)
            assert reply is None or isinstance(reply, bytes)
            if session.work is not None:
                stop = debugger.run_slice(20, finish=False)
                session.work = None
                assert session.stop_reply(stop).startswith(b"T")
            assert reply is None or len(reply) <= 0x4000
        assert len(reader._buffer) <= 0x4000 + 20_000
        session.messages.clear()
        if session.over or number % 200 == 0:
            session.leave()
            debugger.restart("v4.3")
            session = Session(debugger)


def test_a_session_answers_malformed_packets() -> None:
    run_sessions(4000, 1)


@pytest.mark.fuzz
def test_a_session_answers_100000_malformed_packets_in_bounded_memory() -> None:
    run_sessions(5000, 2)
    gc.collect()
    tracemalloc.start()
    run_sessions(95_000, 3)
    gc.collect()
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"kept {kept / 1e6:.1f} MB, peak {peak / 1e6:.1f} MB")
    assert kept < 5e6
    assert peak < 100e6


def test_the_server_outlives_malformed_packets() -> None:
    way = random.Random(7)
    with served(Debugger(STORE, "v4.3")) as server:
        for _ in range(25):
            client = Client(server.port, no_ack=False)
            client.socket.settimeout(0.2)
            try:
                for _ in range(20):
                    client.socket.sendall(malformed(way))
                client.socket.recv(65536)
            except OSError:
                pass  # it hung up, or had nothing to say
            client.close()
            wait_for(lambda: server.client is None)
        assert_it_still_works(server.port)
