"""A session as a short text: program, kernel and step, to be taken up again in another notebook.

Invariant: `decode(encode(s))` is `s`; a text that is no session is refused with one sentence, and runs nothing.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import asdict, dataclass
from typing import Any

MARK = "step1."
LARGEST = 1 << 20  # bytes of program text that a code may unpack to


class SessionError(ValueError):
    """The text is no session code."""


@dataclass(frozen=True, slots=True)
class Session:
    """What makes a panel stand where it stands; `kernel` is a preset's name, or what `ownkernel.to_plain` gives."""

    program: str
    kernel: str | dict[str, Any]
    step: int


def encode(session: Session) -> str:
    """The code of a session.

    >>> decode(encode(Session("nop", "v4.3", 1)))
    Session(program='nop', kernel='v4.3', step=1)
    """
    packed = zlib.compress(json.dumps(asdict(session), sort_keys=True).encode(), 9)
    return MARK + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def decode(code: str) -> Session:
    """The session of a code; SessionError if it is none."""
    if not isinstance(code, str):
        raise SessionError(f"a session code is a text, and this is a {type(code).__name__}")
    text = "".join(code.split())
    if not text.startswith(MARK):
        raise SessionError(f"a session code begins with {MARK}")
    text = text.removeprefix(MARK)
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return _session(json.loads(zlib.decompressobj().decompress(packed, LARGEST)))
    except (zlib.error, ValueError, KeyError, TypeError, RecursionError):
        raise SessionError("the session code is damaged: copy all of it") from None


def _session(data: Any) -> Session:
    """The session that JSON describes; ValueError, KeyError or TypeError if it describes none."""
    program, kernel, step = data["program"], data["kernel"], data["step"]
    if not isinstance(program, str) or not isinstance(kernel, str | dict):
        raise TypeError("program and kernel")
    if type(step) is not int or step < 0:
        raise ValueError("step")
    program.encode()  # half a surrogate pair cannot be shown
    return Session(program, kernel, step)
