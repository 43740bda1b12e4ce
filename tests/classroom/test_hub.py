"""The hub's settings hold together, and what keeps it from starting is said in a sentence."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from traitlets.config import PyFileConfigLoader

from tools import hub
from tools.build_labs import find_labs

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
    for name in ("password", "hub", "learners"):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0
