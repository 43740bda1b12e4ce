"""A folder as a plain web server gives it out, and a reader's browser on it.

Invariant: a reader's browser meets no error on a page, and asks no other site for anything.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext


class Quiet(SimpleHTTPRequestHandler):
    """Says nothing of what it gives out."""

    def log_message(self, format: str, *values: object) -> None:
        """Nothing."""


class Server(ThreadingHTTPServer):
    """As Python has it, but with room for a class that comes at once; of more than five some would wait for seconds."""

    request_queue_size = 128


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address at which the folder is given out until the block ends."""
    with Server(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@contextmanager
def reading(browser: Browser, address: str, **options: Any) -> Iterator[BrowserContext]:
    """A browser with nothing kept from before; AssertionError at the end for an error, or a request to another site."""
    faults: list[str] = []
    home = urlsplit(address).netloc

    def asked(url: str) -> None:
        if url.startswith("http") and urlsplit(url).netloc != home:
            faults.append(f"asked another site: {url}")

    context = browser.new_context(**{"viewport": {"width": 1366, "height": 768}} | options)
    context.on("weberror", lambda error: faults.append(str(error.error)))
    context.on("request", lambda request: asked(request.url))
    try:
        yield context
    finally:
        context.close()
    assert faults == []
