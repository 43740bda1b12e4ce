"""The hub's settings hold together, and what keeps it from starting is said in a sentence."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from traitlets.config import PyFileConfigLoader

from tools import hub
from tools.lab_sources import find_labs

ROOT = Path(__file__).resolve().parents[2]
VALUES = yaml.safe_load((hub.HUB / "values.yaml").read_text(encoding="utf-8"))
CONFIG = (hub.HUB / "jupyterhub_config.py").read_text(encoding="utf-8")
FIRST = f"/lab/tree/labs/{find_labs(ROOT / 'labs' / 'source')[0].name}"

# Of values.schema.yaml of the chart, what these values use; None is a value, "*" anything.
CHART: dict[str, Any] = {
    "hub": {"config": "*", "concurrentSpawnLimit": None, "activeServerLimit": None},
    "proxy": {
        "service": {"type": None},
        "https": {"enabled": None, "hosts": None, "letsencrypt": {"contactEmail": None}},
    },
    "singleuser": {
        "image": {"name": None, "tag": None},
        "cmd": None,
        "extraEnv": "*",
        "storage": {"type": None, "homeMountPath": None, "capacity": None},
        "defaultUrl": None,
        "memory": {"guarantee": None, "limit": None},
        "cpu": {"guarantee": None, "limit": None},
        "startTimeout": None,
    },
    "prePuller": {"hook": {"enabled": None}, "continuous": {"enabled": None}},
    "cull": {"enabled": None, "timeout": None, "every": None, "maxAge": None},
}


def strangers(values: Any, chart: Any, at: str = "") -> list[str]:
    """The keys that the chart does not have."""
    if chart == "*" or chart is None:
        return []
    found = [f"{at}{key}" for key in values if key not in chart]
    for key in values.keys() & chart.keys():
        found += strangers(values[key], chart[key], f"{at}{key}.")
    return found


def test_every_key_of_the_clusters_values_is_one_of_the_charts() -> None:
    assert strangers(VALUES, CHART) == []
    assert strangers({"hub": {"concurrentSpawns": 1}}, CHART) == ["hub.concurrentSpawns"]


def settings(folder: Path, monkeypatch: pytest.MonkeyPatch, user: int) -> Any:
    """What JupyterHub reads from the settings when that user starts it."""
    monkeypatch.setenv("STEP_LABS_CLASS", str(folder))
    monkeypatch.setattr(os, "geteuid", lambda: user)
    return PyFileConfigLoader("jupyterhub_config.py", path=str(hub.HUB)).load_config()


def test_an_ordinary_users_hub_asks_for_the_password_of_the_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = hub.prepare(tmp_path)
    read = settings(tmp_path, monkeypatch, user=1000)
    assert read.JupyterHub.authenticator_class == "shared-password"
    assert read.SharedPasswordAuthenticator.user_password == password
    assert read.JupyterHub.spawner_class == "simple"


def test_roots_hub_gives_nobody_a_server_that_is_not_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = settings(tmp_path, monkeypatch, user=0)
    assert read.JupyterHub.authenticator_class == "pam"
    assert read.JupyterHub.spawner_class == "localprocess"


@pytest.mark.parametrize("user", [0, 1000])
def test_only_this_machine_reaches_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: int
) -> None:
    hub.prepare(tmp_path)
    read = settings(tmp_path, monkeypatch, user)
    assert read.JupyterHub.bind_url.startswith("http://127.0.0.1:")
    assert not {"hub_ip", "ip"} & set(read.JupyterHub)
    monkeypatch.setattr(hub, "free", lambda port: True)
    words = " ".join(hub.command(8100))
    assert set(re.findall(r"//([^:]+):", words)) == {"127.0.0.1"}


def test_both_hubs_open_the_first_lab() -> None:
    assert VALUES["singleuser"]["defaultUrl"] == FIRST
    assert f'default_url = "{FIRST}"' in CONFIG


def test_a_learners_volume_hides_nothing_of_the_image() -> None:
    user = VALUES["singleuser"]
    assert user["storage"]["homeMountPath"] == user["extraEnv"]["STEP_LABS_HOME"]
    (command,) = user["cmd"]
    program = ROOT / Path(command).relative_to("/home/jovyan")
    assert os.access(program, os.X_OK)


def test_without_a_teachers_password_nobody_enters_the_cluster() -> None:
    assert VALUES["hub"]["config"]["SharedPasswordAuthenticator"]["user_password"] is None


def test_a_class_of_thirty_may_start_at_once() -> None:
    (limit,) = re.findall(r"concurrent_spawn_limit = (\d+)", CONFIG)
    assert int(limit) >= 30
    assert VALUES["hub"]["concurrentSpawnLimit"] >= 30


def test_the_start_makes_a_learners_copy_once_and_overwrites_nothing(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    server = programs / "jupyterhub-singleuser"
    server.write_text('#!/bin/sh\necho "$OMP_NUM_THREADS $PWD $*"\n')
    server.chmod(0o755)
    home = tmp_path / "ada"
    home.mkdir()
    env = os.environ | {"HOME": str(home), "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    env.pop("STEP_LABS_HOME", None)

    def start() -> str:
        return subprocess.run(
            [hub.HUB / "start", "--port=1"], env=env, capture_output=True, text=True, check=True
        ).stdout

    assert (
        start() == f"1 {home} --KernelManager.transport=ipc --ServerApp.root_dir={home} --port=1\n"
    )
    notebook = home / FIRST.removeprefix("/lab/tree/")
    assert json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    notebook.write_text("mine")
    start()
    assert notebook.read_text() == "mine"


# --- what keeps it from starting -------------------------------------------------------------------------------------


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert hub.main(list(arguments)) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_a_port_in_use_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refused(capsys, "--class", str(tmp_path), f"--port={port}")
    assert f"Port {port} is in use" in said
    assert "make hub ARGS=--port=" in said


def test_a_folder_that_cannot_be_made_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    said = refused(capsys, "--class", str(tmp_path / "file" / "class"))
    assert "choose another folder: make hub CLASS=" in said


def test_no_node_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hub, "PROXY", tmp_path / "proxy")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "There is no node here" in refused(capsys, "--class", str(tmp_path / "class"))


@pytest.mark.classroom
def test_no_network_for_the_proxy_is_said_and_tried_again_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hub, "PROXY", tmp_path / "proxy")
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    for _ in range(2):
        assert "no network" in refused(capsys, "--class", str(tmp_path / "class"))


def test_the_password_is_made_once_and_like_the_hubs_files_for_the_teacher_only(
    tmp_path: Path,
) -> None:
    first = hub.prepare(tmp_path)
    assert len(first) >= 8
    assert hub.prepare(tmp_path) == first
    for name in ("password", "hub", "learners", "course"):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_learner_reads_no_course_and_moves_nothing_in_the_exchange() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        folder = Path(place)
        folder.chmod(0o755)
        hub.prepare(folder)
        (folder / "course" / "gradebook.db").write_text("grades")
        (folder / "exchange" / "step-labs").mkdir()

        def as_a_learner(command: str) -> int:
            return subprocess.call(
                ["sh", "-c", command], cwd="/", user=65534, group=65534, stderr=subprocess.DEVNULL
            )

        assert as_a_learner(f"cat {folder}/course/gradebook.db") != 0
        assert as_a_learner(f"cat {folder}/password") != 0
        assert as_a_learner(f"mv {folder}/exchange/step-labs {folder}/exchange/mine") != 0
        assert as_a_learner(f"mkdir {folder}/exchange/other") == 0


def test_a_place_that_learners_cannot_reach_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "root" / "project"
    closed.mkdir(parents=True)
    for place in (closed, *closed.parents):
        if place.stat().st_mode & 0o001 == 0:
            place.chmod(place.stat().st_mode | 0o001) if os.access(place, os.W_OK) else None
    (tmp_path / "root").chmod(0o700)
    assert hub.unreachable(closed) is not None
    assert hub.unreachable(Path("/usr/bin")) is None


HUB = """
import subprocess, sys, time
code = "import time; time.sleep(100)  # configurable-http-proxy"
child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
open(sys.argv[1], "w").write(str(child.pid))
time.sleep(100)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_hub_ends_with_all_that_it_has_started(tmp_path: Path, number: signal.Signals) -> None:
    program, found = tmp_path / "hub.py", tmp_path / "hub" / "proxy.pid"
    found.parent.mkdir()
    program.write_text(HUB)
    words = [sys.executable, str(program), str(found)]
    code = (
        "import os, sys; from tools import hub;"
        f" sys.exit(hub.run({words!r}, os.environ | {{'STEP_LABS_CLASS': {str(tmp_path)!r}}}))"
    )
    made = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL)
    while not found.exists() or not found.read_text():
        time.sleep(0.05)
    made.send_signal(number)
    made.wait(timeout=30)
    pid = int(found.read_text())
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text():
            break
        time.sleep(0.05)
    else:
        pytest.fail("its child is still there")


def test_a_lab_that_has_changed_reaches_a_learner_and_loses_no_work(tmp_path: Path) -> None:
    project, home = tmp_path / "project", tmp_path / "ada"
    (project / "binder" / "hub").mkdir(parents=True)
    (project / "labs" / "solutions").mkdir(parents=True)
    home.mkdir()
    shutil.copy(hub.HUB / "start", project / "binder" / "hub" / "start")
    (project / "binder" / "start").write_text("#!/bin/sh\n")
    (project / "binder" / "start").chmod(0o755)

    def start(**more: str) -> None:
        env = {"HOME": str(home), "PATH": os.environ["PATH"]} | more
        subprocess.run([project / "binder" / "hub" / "start"], env=env, check=True)

    def publish(text: str) -> None:
        for name in ("00-a.ipynb", "01-b.ipynb", "instructors.md", "glossary.md"):
            (project / "labs" / name).write_text(text)

    publish("first")
    start()
    (home / "labs" / "01-b.ipynb").write_text("my work")
    publish("second")
    (project / "labs" / "02-c.ipynb").write_text("a new lab")
    for _ in range(2):
        start()
    read = {p.name: p.read_text() for p in (home / "labs").iterdir() if p.is_file()}
    assert read == {
        "00-a.ipynb": "second",
        "01-b.ipynb": "my work",
        "01-b-new.ipynb": "second",
        "02-c.ipynb": "a new lab",
        "glossary.md": "second",
    }
    assert not (home / "labs" / "solutions").exists()
    start(STEP_LABS_SOLUTIONS="1")
    assert (home / "labs" / "solutions").exists()
