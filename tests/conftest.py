"""What all tests share: Hypothesis profiles, and skips that are failures where all must be there.

A test that lacks something on this machine says so in one sentence, as in
`pytest.skip("no gdb-multiarch here")`; with NO_SKIPS=1 it fails instead. A skip that is right
everywhere starts with "by design:".
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings

BY_DESIGN = "by design:"

settings.register_profile("quick", deadline=None)
settings.register_profile(
    "fuzz", deadline=None, max_examples=20_000, suppress_health_check=list(HealthCheck)
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def _forbid_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure, unless it is by design or an expected failure."""
    if not report.skipped or hasattr(report, "wasxfail") or not os.environ.get("NO_SKIPS"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if reason.removeprefix("Skipped: ").startswith(BY_DESIGN):
        return
    report.outcome = "failed"
    report.longrepr = f"skipped, which NO_SKIPS forbids: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _forbid_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _forbid_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Let each of pytest-xdist's workers collect its tests on a day of its own.

    pytest-xdist asks that all workers find the same names. A name that contains the time, as the
    bytes of `gzip.compress` do, then differs in every run, not in one of a hundred.
    """
    worker: str = getattr(session.config, "workerinput", {}).get("workerid", "gw0")
    day = time.time() + 86_400 * int(worker.removeprefix("gw"))
    with mock.patch.object(time, "time", return_value=day):
        return (yield)
