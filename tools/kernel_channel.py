"""A kernel behind a Jupyter server, over its WebSocket: run a cell, get its outputs.

Invariant: a cell's outputs are those that a notebook would hold, and a kernel that says nothing ends in a sentence.
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import websocket
from nbformat import NotebookNode
from nbformat.v4 import output_from_msg

CELL_SECONDS = 120
OUTPUTS = ("stream", "display_data", "execute_result", "error")


class KernelError(Exception):
    """The kernel did not answer."""


@dataclass
class Ran:
    """What one request gave: the reply, None if none came in time, and the outputs on the way."""

    reply: dict[str, Any] | None = None
    outputs: list[NotebookNode] = field(default_factory=list)


def ask(channel: websocket.WebSocket, kind: str, content: dict[str, Any], seconds: float) -> Ran:
    """Send a request to the kernel, and listen until it is answered and the kernel is idle again."""
    message_id = uuid.uuid4().hex
    header = {"msg_id": message_id, "msg_type": f"{kind}_request", "version": "5.3"}
    header |= {"username": "learner", "session": "labs", "date": ""}
    request = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
    channel.send(json.dumps(request | {"channel": "shell"}))
    ran, idle = Ran(), False
    deadline = time.monotonic() + seconds
    # The server's pings keep the connection alive forever: silence is measured here.
    while not (ran.reply and idle) and time.monotonic() < deadline:
        try:
            message = json.loads(channel.recv())
        except websocket.WebSocketTimeoutException:
            continue
        if message["parent_header"].get("msg_id") != message_id:
            continue
        if message["msg_type"] == f"{kind}_reply":
            ran.reply = dict(message["content"])
        elif message["msg_type"] == "status":
            idle = message["content"]["execution_state"] == "idle"
        elif message["msg_type"] in OUTPUTS:
            ran.outputs.append(output_from_msg(message))
    return ran


def wait_until_ready(channel: websocket.WebSocket, seconds: float = 60) -> None:
    """Ask the kernel who it is until it answers: one that is just starting may miss a request, or take its time."""
    patience, deadline = 2.0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        if ask(channel, "kernel_info", {}, patience).reply is not None:
            return
        patience *= 2
    raise KernelError(f"a kernel did not answer within {seconds:.0f} seconds")


def execute(
    channel: websocket.WebSocket, code: str, seconds: float = CELL_SECONDS
) -> tuple[str, list[NotebookNode]]:
    """Execute one cell; returns the error it ended in, or "", and its outputs."""
    content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
    ran = ask(channel, "execute", content, seconds)
    if ran.reply is None:
        return f"no end after {seconds} s", ran.outputs
    failed = ran.reply["status"] == "error"
    return f"{ran.reply['ename']}: {ran.reply['evalue']}" if failed else "", ran.outputs
