"""`python -m tests.benchmarks.bench_gdb`: steps per second through gdb's protocol, ours and QEMU's, from a bare client.

Invariant: both servers run as processes of their own, step the same loop, and are asked by the same client in turns;
the PCs that they stop at are compared.
"""

from __future__ import annotations

import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from aarch64sim.asm import assemble
from aarch64sim.gdb.rsp import frame
from tests.benchmarks import figures

LOOP = "start: add x0, x0, #1\n eor x1, x0, x2\n str x1, [x21]\n ldr x2, [x21]\n b start\n"
QEMU = shutil.which("qemu-system-aarch64")
PC = 32
QEMU_BASE = 0x4010_0000


class NotStarted(Exception):
    """A server did not come up; the text is what it said."""


def _last_words(process: subprocess.Popen[bytes]) -> str:
    process.kill()
    said = process.communicate(timeout=10)[1] or b""
    return said.decode(errors="replace").strip() or "it said nothing"


class Client:
    """One gdb, as lean as can be."""

    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + 20
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > end:
                    raise NotStarted(_last_words(process)) from None
                time.sleep(0.05)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.ack = True
        self.ask(b"qSupported:swbreak+")
        self.ack = self.ask(b"QStartNoAckMode") != b"OK"  # QEMU 7.2 knows no other mode
        self.ask(b"?")
        self.ask(b"Hg1")

    def ask(self, payload: bytes) -> bytes:
        self.socket.sendall(frame(payload))
        while b"#" not in self.buffer or len(self.buffer) < self.buffer.find(b"#") + 3:
            self.buffer += self.socket.recv(65536)
        end = self.buffer.find(b"#")
        reply, self.buffer = self.buffer[self.buffer.find(b"$") + 1 : end], self.buffer[end + 3 :]
        if self.ack:
            self.socket.sendall(b"+")
        return reply

    def pc(self) -> int:
        return int.from_bytes(bytes.fromhex(self.ask(b"g").decode())[8 * PC : 8 * PC + 8], "little")


def steps_per_second(client: Client, count: int, *, registers: bool) -> float:
    """vCont;s over and over; with `registers` a g after each, as gdb may do."""
    start = time.perf_counter()
    for _ in range(count):
        assert client.ask(b"vCont;s:1")[:1] == b"T"
        if registers:
            client.ask(b"g")
    return count / (time.perf_counter() - start)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def our_server(folder: Path, port: int) -> subprocess.Popen[bytes]:
    program = folder / "loop.s"
    program.write_text(LOOP)
    command = [sys.executable, "-m", "aarch64sim", "gdb", str(program), "--port", str(port)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def qemu_server(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """The same words, at EL1 without a kernel; elsewhere, since QEMU has its device tree at the start of memory."""
    assert QEMU
    image = folder / "loop.bin"
    image.write_bytes(assemble(LOOP).segments[0].data)
    command = [QEMU, *["-M", "virt", "-cpu", "cortex-a57", "-m", "64", "-display", "none", "-S"]]
    command += [
        *["-monitor", "none", "-serial", "none", "-nic", "none"],
        "-gdb",
        f"tcp:127.0.0.1:{port}",
    ]
    command += ["-device", f"loader,file={image},addr={QEMU_BASE:#x},cpu-num=0,force-raw=on"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def main(steps: int = 3000, rounds: int = 3, *, record: bool = False) -> int:
    """Print steps per second of both; status 1 if QEMU's is faster. With `record`, keep them for the README's chart."""
    servers = {"ours": our_server, "QEMU's": qemu_server} if QEMU else {"ours": our_server}
    speed: dict[tuple[str, bool], list[float]] = {}
    stops: dict[str, list[int]] = {}
    with tempfile.TemporaryDirectory() as name:
        processes, clients = [], {}
        try:
            for server, start in servers.items():
                port = free_port()
                process = start(Path(name), port)
                processes.append(process)
                clients[server] = client = Client(port, process)
                client.ask(b"P15=" + (0x4000_4000).to_bytes(8, "little").hex().encode())
                stops[server] = []
                for _ in range(12):
                    client.ask(b"vCont;s:1")
                    stops[server].append(client.pc() & 0xFFFFF)
            for _ in range(rounds):
                for server, client in clients.items():
                    for registers in (False, True):
                        found = steps_per_second(client, steps, registers=registers)
                        speed.setdefault((server, registers), []).append(found)
        except NotStarted as error:
            print(f"{server} server could not be started: {error}", file=sys.stderr)
            return 2
        finally:
            for process in processes:
                process.terminate()
                process.wait(10)
    assert len({tuple(pcs) for pcs in stops.values()}) == 1, (
        f"they stop in different places: {stops}"
    )
    for (server, registers), values in speed.items():
        what = "step and g" if registers else "step"
        print(f"{server:<7} {what:<11} {statistics.median(values):>8,.0f} steps/s")
    if record:
        medians = {server: statistics.median(speed[server, False]) for server in servers}
        figures.record("gdb steps", medians)
    if not QEMU:
        print("no qemu-system-aarch64 here (apt install qemu-system-arm): nothing to compare with")
        return 0
    ratios = [
        statistics.median(speed["ours", r]) / statistics.median(speed["QEMU's", r])
        for r in (False, True)
    ]
    print(f"ours / QEMU's: x{ratios[0]:.1f}; with g x{ratios[1]:.1f}")
    return int(min(ratios) <= 1)


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:] if argument != "--record"]
    sys.exit(main(*numbers, record="--record" in sys.argv))
