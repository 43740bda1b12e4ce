"""A learner of a hub, at a browser: logs in, waits for the server, opens a notebook, gets a kernel.

Invariant: everything goes through the hub's public address, with the cookies that a browser would have.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests
import websocket

from tools.kernel_channel import wait_until_ready

MOST_SECONDS = 600  # until a server is ready, and until everybody is done


class CheckError(Exception):
    """What went wrong, for whom."""


@dataclass
class Learner:
    """One of the class, at a browser; `seconds` says when they had a page, a kernel, and all outputs."""

    name: str
    url: str
    seconds: dict[str, float] = field(default_factory=dict)
    web: requests.Session = field(default_factory=requests.Session)

    @property
    def base(self) -> str:
        return f"{self.url}/user/{self.name}"

    def get(self, path: str, **more: Any) -> requests.Response:
        answer = self.web.get(f"{self.url}{path}", timeout=MOST_SECONDS, **more)
        if not answer.ok:
            raise CheckError(f"{self.name}: {answer.status_code} {answer.reason} at {answer.url}")
        return answer

    def log_in(self, password: str) -> None:
        """Log in, which starts the server, and follow its progress as the waiting page does."""
        self.get("/hub/login")
        form = {"username": self.name, "password": password, "_xsrf": self.xsrf("/hub/")}
        answer = self.web.post(f"{self.url}/hub/login", data=form, timeout=MOST_SECONDS)
        if not answer.ok:
            raise CheckError(f"{self.name}: {answer.status_code} at {answer.url}")
        if "/hub/spawn-pending/" not in answer.url:
            return
        progress = f"/hub/api/users/{self.name}/server/progress"
        with self.get(progress, params={"_xsrf": self.xsrf("/hub/")}, stream=True) as events:
            for line in map(str, events.iter_lines(decode_unicode=True)):
                if '"failed": true' in line:
                    raise CheckError(f"{self.name}: the server did not start: {line[6:]}")
                if '"ready": true' in line:
                    return
        raise CheckError(f"{self.name}: the hub did not say that the server is ready")

    def xsrf(self, path: str) -> str:
        return next(c.value or "" for c in self.web.cookies if c.name == "_xsrf" and c.path == path)

    @contextmanager
    def kernel(self, path: str) -> Iterator[websocket.WebSocket]:
        """A kernel for a notebook, as JupyterLab starts it, and its channel."""
        self.get(f"/user/{self.name}/lab/tree/{path}")
        request: dict[str, Any] = {
            "path": path,
            "name": path,
            "type": "notebook",
            "kernel": {"name": "python3"},
        }
        answer = self.web.post(
            f"{self.base}/api/sessions",
            json=request,
            headers={"X-XSRFToken": self.xsrf(f"/user/{self.name}/")},
            timeout=MOST_SECONDS,
        )
        if not answer.ok:
            raise CheckError(f"{self.name}: no kernel, {answer.status_code}: {answer.text[:200]}")
        address = f"{self.base.replace('http', 'ws', 1)}/api/kernels/{answer.json()['kernel']['id']}/channels"
        cookies = requests.cookies.get_cookie_header(
            self.web.cookies, requests.Request("GET", self.base + "/").prepare()
        )
        channel = websocket.create_connection(address, timeout=MOST_SECONDS, cookie=cookies)
        channel.settimeout(1)
        try:
            wait_until_ready(channel, MOST_SECONDS)
            yield channel
        finally:
            channel.close()
