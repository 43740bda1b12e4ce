"""A session as a short text: program, kernel and step, to be taken up again in another notebook.

Invariant: `decode(encode(s))` is `s`; a text that is no session is refused with one sentence, and runs nothing.
"""

from __future__ import annotations

import base64
import binascii
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
    text = "".join(code.split())
    if not text.startswith(MARK):
        raise SessionError(f"a session code begins with {MARK}")
    text = text.removeprefix(MARK)
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        plain = zlib.decompressobj().decompress(packed, LARGEST)
        data = json.loads(plain)
        kernel = data["kernel"] if isinstance(data["kernel"], dict) else str(data["kernel"])
        session = Session(str(data["program"]), kernel, int(data["step"]))
    except (binascii.Error, zlib.error, ValueError, KeyError, TypeError):
        raise SessionError("the session code is damaged: copy all of it") from None
    if session.step < 0:
        raise SessionError("the session code is damaged: copy all of it")
    return session
