"""Do without Docker what Binder does with binder/: render the recipe, perform its steps in order.

Invariant: each step sees only what it sees in the image (the requirements are installed before the
repository is there), and the end is every lab executed through the server that binder/start ran.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import websocket

from tests.browser.harness import find_chromium
from tests.browser.server import Server
from tools.kernel_channel import KernelError, execute, wait_until_ready
from tools.measure import DRIVEN, first_click, megabytes

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "binder"
REPO2DOCKER = "jupyter-repo2docker==2026.4.0"
# What the image brings and a lab leans on; the versions are read from repo2docker's own lock file.
IMAGE_PACKAGES = (
    "jupyterlab",
    "jupyter_server",
    "jupyterlab_widgets",
    "ipywidgets",
    "ipykernel",
    "notebook",
)


class StepError(Exception):
    """A step that failed; the text says which and why."""


def run(step: str, *command: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Run one step and say how long it took; its output is shown only if it fails."""
    started = time.monotonic()
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise StepError(f"{step} failed:\n{done.stdout[-3000:]}")
    print(f"{step}: {time.monotonic() - started:.1f} s", flush=True)
    return done.stdout


def make_venv(folder: Path, python: str = sys.executable) -> Path:
    """A clean environment; returns the folder of its programs."""
    shutil.rmtree(folder, ignore_errors=True)
    run(f"new environment {folder.name}", python, "-m", "venv", folder, cwd=ROOT)
    return folder / "bin"


def project_files() -> list[Path]:
    """What a clone would hold: everything but what .gitignore leaves out."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        raise StepError("git does not list the project's files; work in a clone of the repository")
    return [Path(name) for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def copy_project(target: Path, files: list[Path]) -> None:
    shutil.rmtree(target, ignore_errors=True)
    for name in files:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name)


def render_recipe(repository: Path) -> Path:
    """Have repo2docker write its Dockerfile and check it; returns repo2docker's own folder."""
    tools = make_venv(WORK / "repo2docker")
    run("install repo2docker", tools / "pip", "install", "-q", REPO2DOCKER, cwd=WORK)
    recipe = run(
        "render the Dockerfile",
        *(tools / "jupyter-repo2docker", "--no-build", "--debug", repository),
        cwd=WORK,
    )
    version = python_version()
    expected = [
        f"conda environment for python={version}",
        r"COPY .*binder/requirements\.txt",
        "gdb-multiarch",
        r'pip install --no-cache-dir -r "binder/requirements\.txt"',
        r"COPY .* src/ \$\{REPO_DIR\}/",
        r"RUN \./binder/postBuild",
        r"R2D_ENTRYPOINT=.*binder/start",
    ]
    at = 0
    for pattern in expected:
        found = re.compile(pattern).search(recipe, at)
        if found is None:
            recipe = recipe[-4000:]
            raise StepError(f"the Dockerfile has no {pattern!r} where it belongs:\n{recipe}")
        at = found.end()
    return next(tools.parent.glob("lib/python*/site-packages/repo2docker"))


def python_version() -> str:
    return (ROOT / "binder" / "runtime.txt").read_text().strip().removeprefix("python-")


def image_requirements(repo2docker: Path) -> list[str]:
    """The versions of the image's own packages, as repo2docker pins them."""
    lock = repo2docker / "buildpacks" / "conda" / f"environment.py-{python_version()}-linux-64.lock"
    text = lock.read_text()
    pins = []
    for name in IMAGE_PACKAGES:
        found = re.search(rf"/{name}-(\d[\w.]*)-[^-/]+\.(?:conda|tar\.bz2)", text)
        if found is None:
            raise StepError(f"repo2docker's image no longer brings {name}")
        pins.append(f"{name}=={found[1]}")
    return pins


def find_python() -> str:
    """The image's Python if this machine has it, else the one that runs this."""
    name = f"python{python_version()}"
    if (
        shutil.which(name)
        and subprocess.run([name, "-c", ""], capture_output=True, check=False).returncode == 0
    ):
        return name
    print(f"(no {name} here: taking Python {sys.version_info.major}.{sys.version_info.minor})")
    return sys.executable


# The server


def get(url: str, data: dict[str, Any] | None = None) -> Any:
    """GET, or POST of JSON; the answer's JSON, or its text."""
    body = None if data is None else json.dumps(data).encode()
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read().decode()
        return json.loads(text) if "json" in answer.headers.get("Content-Type", "") else text


@contextmanager
def started_server(repository: Path, env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Run `binder/start jupyter lab` on loopback; gives its address and token."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    command = [
        *("binder/start", "jupyter", "lab", "--no-browser", "--allow-root", "--ip=127.0.0.1"),
        *(f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}"),
        DRIVEN,
    ]
    url = f"http://127.0.0.1:{port}"
    log = WORK / "server.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            command, cwd=repository, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            deadline = time.monotonic() + 60
            while True:
                try:
                    get(f"{url}/api/status?token={token}")
                    break
                except (urllib.error.URLError, ConnectionError):
                    if server.poll() is not None or time.monotonic() > deadline:
                        said = log.read_text()[-3000:]
                        raise StepError(f"the server did not start:\n{said}") from None
                    time.sleep(0.05)
            yield url, token
        finally:
            server.terminate()
            server.wait(timeout=20)


def connect(address: str) -> websocket.WebSocket:
    """The channel of a kernel that answers; KernelError for one that does not."""
    channel = websocket.create_connection(address, timeout=60)
    channel.settimeout(1)  # from here on silence is measured by `ask`
    wait_until_ready(channel)
    return channel


def run_notebook(url: str, token: str, repository: Path, path: str) -> None:
    """Open a session on a notebook, execute its cells one by one; a cell that raises ends it."""
    get(f"{url}/lab/tree/{path}?token={token}")
    request = {"path": path, "name": path, "type": "notebook", "kernel": {"name": "python3"}}
    kernel = get(f"{url}/api/sessions?token={token}", request)["kernel"]["id"]
    address = f"{url.replace('http', 'ws', 1)}/api/kernels/{kernel}/channels?token={token}"
    try:
        socket_ = connect(address)
    except KernelError:
        # It happens that another program takes a port between the server's choice and the kernel's start.
        print(f"{path}: the kernel does not answer, and is restarted", flush=True)
        get(f"{url}/api/kernels/{kernel}/restart?token={token}", {})
        socket_ = connect(address)
    cells = json.loads((repository / path).read_text(encoding="utf-8"))["cells"]
    for number, cell in enumerate(cells, start=1):
        if cell["cell_type"] != "code":
            continue
        error, _ = execute(socket_, "".join(cell["source"]))
        if error and "raises-exception" not in cell["metadata"].get("tags", []):
            raise StepError(f"{path}, cell {number}: {error}")
    socket_.close()
    remove = urllib.request.Request(f"{url}/api/kernels/{kernel}?token={token}", method="DELETE")
    urllib.request.urlopen(remove, timeout=60).close()


def main() -> int:
    """All steps in their order; the exit status is 1 at the first that fails."""
    WORK.mkdir(parents=True, exist_ok=True)
    try:
        files = project_files()
        repository = WORK / "home"
        copy_project(repository, files)
        repo2docker = render_recipe(repository)

        programs = make_venv(WORK / "image", find_python())
        pip: list[str | Path] = [programs / "pip", "install", "-q", "--disable-pip-version-check"]
        run("the image's own packages", *pip, *image_requirements(repo2docker), cwd=WORK)
        before = megabytes(WORK / "image")

        # At this point of the recipe the image holds one file of the repository.
        copy_project(repository, [Path("binder/requirements.txt")])
        run("binder/requirements.txt", *pip, "-r", "binder/requirements.txt", cwd=repository)

        copy_project(repository, files)
        home = WORK / "user"
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        env = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")}
        env |= {"HOME": str(home), "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
        env.pop("VIRTUAL_ENV", None)
        run("binder/postBuild", "./binder/postBuild", cwd=repository, env=env)
        run("pip check", programs / "pip", "check", cwd=repository, env=env)

        started = time.monotonic()
        with started_server(repository, env) as (url, token):
            up = time.monotonic() - started
            print(f"server up: {up:.1f} s after its start")
            if find_chromium():
                clicked = up + first_click(Server(url, token, repository))
                print(f"first click answered: {clicked:.1f} s after the server's start", flush=True)
            else:
                print("(no Chromium here to measure the first click with: apt install chromium)")
            sources = (repository / "labs" / "source").glob("[0-9][0-9]-*.py")
            notebooks = sorted(f"{source.stem}.ipynb" for source in sources)
            for name in notebooks:
                at = time.monotonic()
                run_notebook(url, token, repository, f"labs/{name}")
                print(f"labs/{name}: all cells in {time.monotonic() - at:.1f} s", flush=True)
        size = megabytes(WORK / "image")
        print(
            f"environment: {size:.0f} MB, {size - before:.0f} MB of them not the image's own;"
            f" repository: {megabytes(repository):.0f} MB; {len(notebooks)} notebooks executed"
        )
    except (StepError, KernelError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
