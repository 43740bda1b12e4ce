"""Debian's arm64 kernels, by apt: found, downloaded, verified and unpacked; no other source.

Invariant: nothing of this computer's own apt changes: lists and packages go to a private root.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aarch64sim.evidence.errors import EvidenceError

SUITES = ("bullseye", "bookworm", "trixie", "sid")  # where a version is looked for
_NO_SECURITY = ("sid", "unstable", "testing")  # nor backports
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
HELPER = "/usr/lib/apt/apt-helper"
_PACKAGE = re.compile(
    r"^Package: (linux-(?:image|binary)-\d\S*-cloud-arm64)\n(?:.+\n)*", re.MULTILINE
)


class DebianError(EvidenceError):
    """There is no kernel to be had; the text is one sentence."""


@dataclass(frozen=True, order=True)
class Package:
    """A kernel package; the newest is the greatest."""

    key: tuple[int, ...]
    name: str
    version: str
    uri: str
    hash: str

    @property
    def release(self) -> str:
        """The kernel's own version, such as 6.12.118."""
        return re.split(r"[-~+]", self.version)[0]


def cache_folder() -> Path:
    """Where kernels are kept between runs."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "aarch64-step-labs" / "debian"


def kernel_image(what: str, folder: Path | None = None) -> Path:
    """The image of Debian's cloud kernel for arm64 of a suite ("trixie", "" for stable) or version ("6.12.118")."""
    root = folder or cache_folder()
    if (there := root / f"vmlinuz-{what}").is_file():
        return there
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise DebianError(
            "apt-get and dpkg-deb are not installed: Debian's kernels come by apt; give a file with --image"
        )
    root.mkdir(parents=True, exist_ok=True)
    apt = Apt(root, what)
    package = _choose(what, sorted(apt.packages()))
    image = root / f"vmlinuz-{package.release}"
    if not image.is_file():
        _unpack(apt.download(package), image)
    return image


def _choose(what: str, packages: list[Package]) -> Package:
    if what[:1].isdigit():
        fitting = [p for p in packages if p.release == what or p.release.startswith(what + ".")]
    else:
        fitting = packages
    if fitting:
        return fitting[-1]
    newest = {p.key[:2]: p.release for p in packages}  # of each series
    raise DebianError(
        f"Debian's archive has no arm64 kernel {what}; it has {', '.join(newest.values())}"
    )


class Apt:
    """apt in a private root, for arm64, with the archive that this computer's own apt uses."""

    def __init__(self, root: Path, what: str) -> None:
        self.root = root
        for name in ("lists/partial", "cache/archives/partial"):
            (root / name).mkdir(parents=True, exist_ok=True)
        (root / "status").touch()
        self._sources = root / "sources.list"
        self._sources.write_text("\n".join(self._lines(what)) + "\n", "utf-8")

    def packages(self) -> Iterator[Package]:
        """The kernels that the archive has."""
        said = self._run("apt-get", "update", "-q")
        found = False
        form = "$(CREATED_BY) $(REPO_URI) $(FILENAME)"
        for line in self._run("apt-get", "indextargets", "--format", form).splitlines():
            kind, archive, index = line.split(" ", 2)
            if kind == "Packages":
                for package in _packages(archive, self._run(HELPER, "cat-file", index)):
                    found = True
                    yield package
        if not found:
            why = next((line[2:] for line in said.splitlines() if line[:2] in ("E:", "W:")), "")
            raise DebianError(
                f"Debian's archive shows no arm64 kernel ({why.strip() or 'no such suite'}): name a suite"
                f" ({', '.join(SUITES)}), a version, or a file (--image)"
            )

    def download(self, package: Package) -> Path:
        """The package's file, which has the hash that the signed index names."""
        file = self.root / f"{package.name}.deb"
        said = self._run(HELPER, "download-file", package.uri, str(file), f"SHA256:{package.hash}")
        if not file.is_file():
            why = re.search(r"Failed to fetch.*|[EW]: .*", said)
            raise DebianError(
                f"apt cannot download {package.name}: {why[0] if why else 'it does not say why'}"
            )
        return file

    def _lines(self, what: str) -> Iterator[str]:
        """The lines of a sources.list; the archive's address is the one that apt knows here already."""
        signed = f" signed-by={KEYRING}" if KEYRING.exists() else ""
        main, security = self._archives()
        for suite in SUITES if what[:1].isdigit() else (what or "stable",):
            plain = "-" not in suite and suite not in _NO_SECURITY
            for archive, ending in ((main, ""), (main, "-backports"), (security, "-security")):
                wanted = not ending or (plain and (ending == "-security" or what[:1].isdigit()))
                if archive and wanted:
                    yield f"deb [arch=arm64{signed}] {archive} {suite}{ending} main"

    def _archives(self) -> tuple[str, str]:
        form = "$(CREATED_BY) $(ORIGIN) $(RELEASE) $(SITE)"
        said = _output("apt-get", "indextargets", "--format", form)
        main = security = ""
        for line in said.splitlines():
            kind, origin, suite, site = (*line.split(), "", "", "", "")[:4]
            if kind == "Packages" and origin == "Debian":
                if suite.endswith("-security"):
                    security = security or site
                else:
                    main = main or site
        if not main:
            raise DebianError(
                "this computer's apt knows no archive of Debian: run apt-get update, or give a file with --image"
            )
        return main, security

    def _run(self, *command: str) -> str:
        options = {
            "Dir::Etc::sourcelist": self._sources,
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State::lists": self.root / "lists",
            "Dir::State::status": self.root / "status",
            "Dir::Cache": self.root / "cache",
            "APT::Architecture": "arm64",
            "APT::Architectures": "arm64",
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Debug::NoLocking": "1",
        }
        settings = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return _output(command[0], *settings, *command[1:], folder=self.root)


def _packages(archive: str, index: str) -> Iterator[Package]:
    """The kernels of one index of packages."""
    for stanza in _PACKAGE.finditer(index):
        fields = dict(re.findall(r"^(Version|Filename|SHA256): (.*)$", stanza[0], re.MULTILINE))
        version = fields["Version"]
        numbers = [int(n) for n in re.split(r"[-~+]", version)[0].split(".") if n.isdigit()]
        # From 6.19 on linux-image-X only depends on linux-binary-X, which then is the greater.
        key = (*numbers, int("-binary-" in stanza[1]))
        yield Package(key, stanza[1], version, archive + fields["Filename"], fields["SHA256"])


def _output(*command: str, folder: Path | None = None) -> str:
    """What a command says, on both its outputs; it may fail."""
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    return done.stdout + (done.stderr if done.returncode else "")


def _unpack(package: Path, image: Path) -> None:
    """The kernel out of a package; the package goes."""
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE
    ) as unpacking:
        with tarfile.open(fileobj=unpacking.stdout, mode="r|") as archive:
            data = _kernel_in(archive)
        assert unpacking.stdout
        unpacking.stdout.read()  # or dpkg-deb dies of a closed pipe
    if data is None:
        raise DebianError(f"{package.name} holds no kernel image (vmlinuz)")
    image.with_suffix(".part").write_bytes(data)
    image.with_suffix(".part").rename(image)
    package.unlink()


def _kernel_in(archive: tarfile.TarFile) -> bytes | None:
    for member in archive:
        if member.isfile() and Path(member.name).name.startswith("vmlinuz"):
            data = archive.extractfile(member)
            return data.read() if data else None
    return None
