"""Where recorders come from: compiled here, and started on this computer's /dev/kvm or in a kernel that QEMU boots.

Invariant: what is missing here, a compiler, QEMU or /dev/kvm, becomes a RecorderError that says what to do.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import zlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from aarch64sim.evidence.recorder import Recorder, RecorderError
from aarch64sim.vmm.start import StartState, recordings_folder

QEMU = "qemu-system-aarch64"
KVM = Path("/dev/kvm")
_MAGIC_AT = 56


def build(folder: Path) -> Path:
    """Compile the recorder into `folder`; RecorderError without a compiler for arm64."""
    native = platform.machine() in ("aarch64", "arm64")
    compilers = (["cc", "gcc", "clang"] if native else []) + ["aarch64-linux-gnu-gcc"]
    compiler = next(filter(None, map(shutil.which, compilers)), None)
    packages = "gcc libc6-dev" if native else "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
    if compiler is None:
        raise RecorderError(f"no C compiler for arm64 is installed: apt-get install {packages}")
    sources, program = sorted((recordings_folder() / "recorder").glob("*.c")), folder / "recorder"
    command = [compiler, "-O1", "-static", "-pthread", "-o", str(program), *map(str, sources)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        why = next(iter(re.findall(r"error: (.*)", made.stderr)), "its linker failed")
        raise RecorderError(
            f"{compiler} cannot compile the recorder ({why}): apt-get install {packages}"
        )
    return program


def native_command(program: Path) -> list[str]:
    """How the recorder is started here; RecorderError where no /dev/kvm of arm64 is."""
    if platform.machine() not in ("aarch64", "arm64"):
        raise RecorderError(
            "this computer is no arm64 one: name a kernel to boot under QEMU (--debian, or --image FILE)"
        )
    if not KVM.exists():
        raise RecorderError(
            "there is no /dev/kvm here: load KVM, or name a kernel to boot under QEMU (--debian, --image FILE)"
        )
    return [str(program)]


def qemu_command(program: Path, image: Path, cpu: str) -> list[str]:
    """How QEMU boots `image` at EL2 with the recorder as its only program; RecorderError without QEMU."""
    if shutil.which(QEMU) is None:
        raise RecorderError(f"{QEMU} is not installed: apt-get install qemu-system-arm")
    if not image.is_file():
        raise RecorderError(f"{image}: there is no kernel image of that name")
    if not _is_kernel(image):
        raise RecorderError(
            f"{image} is no arm64 kernel image: name a build's arch/arm64/boot/Image, or a vmlinuz for arm64 that is"
            " not packed for EFI (zboot)"
        )
    initrd = program.with_suffix(".cpio")
    initrd.write_bytes(cpio([("dev", 0o40755, b""), ("init", 0o100755, program.read_bytes())]))
    return [
        QEMU, "-M", "virt,virtualization=on,gic-version=3", "-cpu", cpu, "-accel", "tcg", "-smp", "1", "-m", "512",
        "-nodefaults", "-nic", "none", "-display", "none", "-no-reboot",
        "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
        "-kernel", str(image), "-initrd", str(initrd), "-append", "console=ttyAMA0 quiet loglevel=1 panic=-1",
    ]  # fmt: skip


def _is_kernel(image: Path) -> bool:
    """Whether it begins as Linux' booting.rst says, perhaps compressed by gzip: QEMU boots no other."""
    with image.open("rb") as file:
        head = file.read(1 << 16)
    if head[:2] == b"\x1f\x8b":
        with suppress(zlib.error):
            head = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head)
    return head[_MAGIC_AT:][:4] == b"ARM\x64"


def cpio(files: Iterable[tuple[str, int, bytes]]) -> bytes:
    """An archive in the "newc" format: name, mode and contents of each file."""
    archive = b""
    for number, (name, mode, data) in enumerate([*files, ("TRAILER!!!", 0, b"")], 1):
        path = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
        archive += b"070701" + b"".join(b"%08x" % field for field in fields) + path
        archive += b"\0" * (-len(archive) % 4) + data
        archive += b"\0" * (-len(archive) % 4)
    return archive


class Workshop:
    """Where recorders are started, one after another: compiled once, and booted again when one died."""

    def __init__(self, start: StartState, image: Path | None, cpu: str) -> None:
        self._folder = TemporaryDirectory(prefix="recorder-")
        try:
            program = build(Path(self._folder.name))
            self._command = qemu_command(program, image, cpu) if image else native_command(program)
        except RecorderError:
            self._folder.cleanup()
            raise
        self.start, self.image = start, image
        self.cpu = cpu if image else _this_cpu()

    def recorder(self) -> Recorder:
        """A recorder that answers; RecorderError if there is none to be had."""
        return Recorder(self._command, self.start)

    def close(self) -> None:
        """Remove what was compiled."""
        self._folder.cleanup()


def _this_cpu() -> str:
    """What /proc/cpuinfo says of this computer's CPU: implementer and part."""
    text = Path("/proc/cpuinfo").read_text("utf-8") if Path("/proc/cpuinfo").exists() else ""
    found = dict(re.findall(r"^CPU (implementer|part)\s*: (\S+)", text, re.MULTILINE))
    return f"implementer {found.get('implementer', '?')} part {found.get('part', '?')}"
