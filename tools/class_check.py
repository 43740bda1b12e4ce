"""A class that logs in at once: a real JupyterHub, its proxy, and learners who each run a whole lab through it.

Invariant: a learner does what a browser does (logs in, waits, opens the lab, runs its cells over the WebSocket), and
the check fails unless every output of everybody is the one in the committed notebook.

    python -m tools.class_check                       20 learners, lab 04
    python -m tools.class_check --learners 5 --lab 01
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any

import nbformat
import psutil
import requests
import websocket

from tools import build_labs, canonical, hub, lab_sources
from tools.kernel_channel import KernelError, execute
from tools.learner import MOST_SECONDS, CheckError, Learner

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "class-check"

# The teacher's own settings, without accounts on this machine whoever runs this, and with the drawings of the build.
CONFIG = """
load_subconfig({config!r})
c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = {password!r}
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {homes!r}
c.Spawner.environment |= {environment!r}
c.Spawner.args = ["--allow-root"]
"""


def shown(outputs: list[Any]) -> list[Any]:
    """Outputs as they are compared: all of it, but a picture only by its sentence."""
    found = []
    for output in canonical.canonical_outputs(outputs):
        if "data" in output:
            output.data = {
                kind: kind.startswith("image/") or text for kind, text in output.data.items()
            }
        found.append(output)
    return found


def learn(learner: Learner, password: str, lab: Path, together: Barrier, measured: Barrier) -> None:
    """All that one learner does, from the login to the lab's last cell."""
    together.wait()
    started = time.monotonic()
    learner.log_in(password)
    cells = [cell for cell in nbformat.read(lab, 4).cells if cell.cell_type == "code"]
    with learner.kernel(f"labs/{lab.name}") as channel:
        learner.seconds["ready"] = time.monotonic() - started
        for number, cell in enumerate(cells, start=1):
            _, outputs = execute(channel, cell.source, MOST_SECONDS)
            if shown(outputs) != shown(cell.outputs):
                raise CheckError(
                    f"{learner.name}: code cell {number} of {lab.name} shows {str(shown(outputs))[:500]}"
                    f" instead of {str(shown(cell.outputs))[:500]}"
                )
        learner.seconds["done"] = time.monotonic() - started
        measured.wait()  # everybody has run everything
        measured.wait()  # and has been weighed


@contextmanager
def running_hub(folder: Path, password: str) -> Iterator[tuple[psutil.Popen, str]]:
    """A hub with the teacher's settings in a folder of its own, on ports that are free."""
    hub.prepare(folder)
    homes = f"{folder}/learners/{{username}}"
    settings = {"PYTHONHASHSEED": "0", "SOURCE_DATE_EPOCH": "0"}
    settings["MATPLOTLIBRC"] = build_labs.environment()["MATPLOTLIBRC"]
    teacher = str(hub.HUB / "jupyterhub_config.py")
    config = folder / "hub" / "config.py"
    config.write_text(
        CONFIG.format(config=teacher, password=password, homes=homes, environment=settings)
    )
    port = next(p for p in range(18_000, 60_000, 10) if all(hub.free(p + n) for n in range(3)))
    env = hub.environment(folder)
    words = [
        *hub.command(port, config),
        f"--ConfigurableHTTPProxy.command={hub.install_proxy(env)}",
    ]
    log = folder / "hub" / "hub.log"
    url = f"http://127.0.0.1:{port}"
    with log.open("w") as output:
        process = psutil.Popen(
            words, env=hub.with_node(env), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            _wait_for(url, process, log)
            yield process, url
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def _wait_for(url: str, process: psutil.Popen, log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if requests.get(f"{url}/hub/login", timeout=5).ok:
                return
        except requests.RequestException:
            time.sleep(0.1)
    raise CheckError(f"the hub did not start:\n{log.read_text()[-2000:]}")


def server_of(hub_process: psutil.Process, learner: Learner) -> psutil.Process:
    """The learner's server, among the hub's children."""
    for child in hub_process.children():
        if child.environ().get("JUPYTERHUB_USER") == learner.name:
            return child
    raise CheckError(f"{learner.name}: the server is gone")


def run_class(count: int, lab: Path) -> None:
    """Let them all in at once, and say how long everybody waited and what they weigh."""
    folder = WORK / "class"
    shutil.rmtree(folder, ignore_errors=True)
    password = secrets.token_urlsafe(12)
    with running_hub(folder, password) as (process, url):
        learners = [Learner(f"learner-{number:02}", url) for number in range(1, count + 1)]
        together, measured = Barrier(count), Barrier(count + 1)
        with ThreadPoolExecutor(count) as pool:
            futures = [
                pool.submit(_guarded, learner, password, lab, together, measured)
                for learner in learners
            ]
            try:
                measured.wait(timeout=2 * MOST_SECONDS)
                servers = [server_of(process, learner) for learner in learners]
                print(report(lab, learners, process, servers), flush=True)
                measured.wait()
            except BrokenBarrierError:
                pass
            for future in futures:
                future.result()


def _guarded(learner: Learner, *more: Any) -> None:
    """One learner; whoever fails lets all the others go."""
    try:
        learn(learner, *more)
    except BrokenBarrierError:
        pass
    except BaseException:
        more[-1].abort()
        raise


# What it took


@dataclass(frozen=True)
class Weight:
    """Memory in MB: resident, and the process's share of it (a page that several use is divided)."""

    rss: float
    pss: float

    def __str__(self) -> str:
        return f"{self.pss:.0f} MB ({self.rss:.0f} resident)"


def weigh(*processes: psutil.Process) -> Weight:
    """All of them together."""
    full = [process.memory_full_info() for process in processes]
    return Weight(sum(f.rss for f in full) / 1e6, sum(getattr(f, "pss", f.rss) for f in full) / 1e6)


def middle(weights: list[Weight]) -> Weight:
    """The median."""
    rss, pss = statistics.median(w.rss for w in weights), statistics.median(w.pss for w in weights)
    return Weight(rss, pss)


def report(
    lab: Path, learners: list[Learner], hub_: psutil.Process, servers: list[psutil.Process]
) -> str:
    """The figures, in a few lines."""

    def seconds(what: str) -> str:
        all_ = [learner.seconds[what] for learner in learners]
        return f"{statistics.median(all_):.0f} s (median), {max(all_):.0f} s (the last)"

    kernels = [kernel for server in servers for kernel in server.children()]
    proxy = [
        each
        for child in hub_.children()
        if child not in servers
        for each in (child, *child.children())
    ]
    whole = [weigh(server, *server.children(recursive=True)) for server in servers]
    return "\n".join(
        [
            f"{len(learners)} learners at once on {os.cpu_count()} cores, lab {lab.name[:2]}: every output is right",
            f"  from the click on Log in to a kernel:  {seconds('ready')}",
            f"  ... and to the last output of the lab: {seconds('done')}",
            f"  memory of a learner: {middle(whole)}, at most {max(whole, key=lambda w: w.pss)}",
            f"    of it the server: {middle([weigh(server) for server in servers])}",
            f"    and the kernel:   {middle([weigh(kernel) for kernel in kernels])}",
            f"  memory of the hub: {weigh(hub_)}; of its proxy: {weigh(*proxy)}",
        ]
    )


def main(arguments: list[str] | None = None) -> int:
    """The exit status is 1, with one sentence, if anybody did not finish or saw something wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--learners", type=int, default=20)
    parser.add_argument("--lab", default="04", help="the number of the lab that all of them run")
    options = parser.parse_args(arguments)
    try:
        labs = lab_sources.find_labs(ROOT / "labs" / "source")
        (lab,) = lab_sources.choose(labs, [options.lab])
        run_class(options.learners, ROOT / "labs" / lab.name)
    except (CheckError, KernelError, hub.HubError, lab_sources.LabError) as error:
        print(error, file=sys.stderr)
        return 1
    except (OSError, websocket.WebSocketException) as error:
        print(
            f"the connection to the hub failed: {error}; see {WORK}/class/hub/hub.log",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
