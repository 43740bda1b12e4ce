"""What the first import costs a kernel that has IPython and ipywidgets already: CPU seconds, and memory.

Invariant: figures only, each beside its aim; bytecode is compiled before, as it is after the first time.

    python -m tests.benchmarks.bench_import
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.bench_site import say
from tools.site import ROOT

KERNEL = """
import ipykernel.zmqshell, anywidget, time
def first(what):
    begun = time.process_time()
    exec(what, {})
    return time.process_time() - begun
print(first("import widgets"))
print(first("from widgets import StepLab"))
print(first("from widgets import StepLab; StepLab('nop', 'v4.3')"))
print(int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6)
"""
ASKED = (
    ("import widgets", "s", 0.15),
    ("from widgets import StepLab", "s", 0.15),
    ("the first StepLab", "s", None),
    ("memory of that process", "MB", 90),
)


def main() -> int:
    """The best of five processes; bytecode in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"PYTHONPYCACHEPREFIX": str(Path(folder))}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [sys.executable, "-c", KERNEL]
        runs = [
            subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, check=True)
            for _ in range(6)
        ]
    told = [[float(line) for line in run.stdout.split()] for run in runs[1:]]
    print(f"load average {os.getloadavg()[0]:.1f}")
    for (what, unit, aim), times in zip(ASKED, zip(*told, strict=True), strict=True):
        say(what, min(times), unit, aim)
    return 0


if __name__ == "__main__":
    sys.exit(main())
