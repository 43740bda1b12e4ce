"""Packets: framing, escapes, run lengths, and what is no packet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aarch64sim.gdb.rsp import MAX_PACKET, Reader, Signal, escape, expand, frame, unescape


@given(st.binary(max_size=300))
def test_escaped_data_comes_back(data: bytes) -> None:
    assert unescape(escape(data)) == data
    assert not set(b"$#*") & set(escape(data))


@given(
    st.lists(st.binary(max_size=40).map(escape), max_size=6),
    st.lists(st.integers(1, 7), min_size=1),
)
def test_packets_come_out_however_the_bytes_are_cut(payloads: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(frame(b"X" + payload) for payload in payloads)
    reader, found, at = Reader(), [], 0
    while at < len(stream):
        size = cuts[at % len(cuts)]
        found += reader.feed(stream[at : at + size])
        at += size
    assert found == [b"X" + payload for payload in payloads]


@pytest.mark.parametrize(
    ("stream", "items"),
    [
        (b"+-\x03", [Signal.ACK, Signal.NAK, Signal.INTERRUPT]),
        (b"garbage\xff\x00$?#3f", [b"?"]),
        (b"$?#00", [Signal.BROKEN]),
        (b"$?#zz", [Signal.BROKEN]),
        (b"$m1,$?#3f", [b"?"]),
        (b"$?#3", []),
        (b"$#00", [b""]),
        (b"$0* #7a", [b"0000"]),
        (b"$*!#4b", [Signal.BROKEN]),
        (b"$0*#5a", [Signal.BROKEN]),
        (b"GET / HTTP/1.1\r\n\r\n", []),
    ],
)
def test_what_comes_in_is_taken_apart(stream: bytes, items: list[bytes | Signal]) -> None:
    assert Reader().feed(stream) == items


def test_a_packet_that_is_too_long_is_dropped_and_the_next_is_heard() -> None:
    reader = Reader()
    assert reader.feed(b"$" + b"a" * (MAX_PACKET + 2)) == [Signal.BROKEN]
    assert reader.feed(b"a" * 100_000) == []
    assert len(reader._buffer) == 0
    assert reader.feed(b"aa#00$?#3f") == [b"?"]


def test_a_run_length_cannot_make_a_packet_too_long() -> None:
    assert expand(b"0" + b"*~" * 200) is None
    assert expand(b"0* ") == b"0000"
    assert expand(b"a0*!b") == b"a00000b"
