"""A front end's server on a loopback port, over a copy of labs/ with a configuration folder of its own.

Nothing of the developer's is touched.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class App:
    """What serves the page: its module, where a notebook is on it, what answers once it is up, and its own options."""

    module: str
    place: str
    alive: str
    options: tuple[str, ...]

    def command(self, port: int, token: str, folder: Path) -> list[str]:
        """The arguments of Python; {port}, {token} and {folder} stand in the options."""
        filled = [each.format(port=port, token=token, folder=folder) for each in self.options]
        return ["-m", self.module, "--no-browser", *filled]


OF_THE_SERVER = (
    "--allow-root",
    "--ServerApp.root_dir={folder}",
    "--ServerApp.ip=127.0.0.1",
    "--ServerApp.port={port}",
    "--ServerApp.port_retries=0",
    "--IdentityProvider.token={token}",
    "--ServerApp.jpserver_extensions={{'widgets.jupyter.nodelay': True}}",
)
JUPYTERLAB = App(
    "jupyterlab",
    "lab/tree",
    "api/status",
    (*OF_THE_SERVER, "--LabApp.expose_app_in_browser=True"),
)


@dataclass(frozen=True)
class Server:
    """A running server: where it is, its token, and the folder it serves (labs/ is in it)."""

    url: str
    token: str
    folder: Path
    app: App = JUPYTERLAB

    def address(self, notebook: str) -> str:
        return f"{self.url}/{self.app.place}/{notebook}?token={self.token}&reset"


def jupyter_environment(home: Path) -> dict[str, str]:
    """The environment of a Jupyter that keeps everything of its own in `home`."""
    return os.environ | {
        "JUPYTER_PREFER_ENV_PATH": "1",
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
    }


@contextmanager
def jupyter_server(
    home: Path, *options: str, app: App = JUPYTERLAB, python: str = sys.executable
) -> Iterator[Server]:
    """A front end's server, over a copy of labs/ in `home`, until the block ends."""
    folder = home / "served"
    if not folder.exists():
        shutil.copytree(ROOT / "labs", folder / "labs", ignore=shutil.ignore_patterns("recordings"))
        (folder / "labs" / "recordings").symlink_to(ROOT / "labs" / "recordings")
    server, process = _started(home, folder, options, app, python)
    try:
        yield server
    finally:
        _end(process)


def _started(
    home: Path, folder: Path, options: tuple[str, ...], app: App, python: str
) -> tuple[Server, subprocess.Popen[bytes]]:
    """A server that is up. Another process may take the port that was free a moment ago: then once more."""
    log = home / "server.log"
    for tries_left in (2, 1, 0):
        port, token = free_port(), secrets.token_hex(16)
        with log.open("a") as output:
            process = subprocess.Popen(
                [python, *app.command(port, token, folder), *options],
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                env=jupyter_environment(home),
            )
        server = Server(f"http://127.0.0.1:{port}", token, folder, app)
        try:
            _wait_until_up(server, process, log)
            return server, process
        except BaseException as error:
            _end(process)
            if not tries_left or not isinstance(error, NotUpError):
                raise
    raise AssertionError


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class NotUpError(RuntimeError):
    """A server that has ended before it was up, or is not up in time."""


def _wait_until_up(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    address = f"{server.url}/{server.app.alive}?token={server.token}"
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(address, timeout=5)
            return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.05)
    raise NotUpError(f"{server.app.module} did not start:\n{log.read_text()[-3000:]}")
