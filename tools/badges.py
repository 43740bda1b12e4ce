"""Write the addresses behind the README's badges: one for the course, one for each lab.

Invariant: every address is made of Homepage in pyproject.toml and the name of a lab's source.

    python -m tools.badges            write them
    python -m tools.badges --check    compare with what is there, write nothing
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from tools.committed import ROOT, asked_to_check, settle

README = ROOT / "README.md"
BEGIN = "<!-- Built by `make labs` from [project.urls] in pyproject.toml -->\n"


def addresses(root: Path = ROOT) -> dict[str, str]:
    """The repository, its Binder and its site, all made of one value: Homepage in [project.urls]."""
    urls = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    owner, name = str(urls["Homepage"]).split("/")[-2:]
    return {
        "Homepage": urls["Homepage"],
        "Binder": f"https://mybinder.org/v2/gh/{owner}/{name}/main",
        "Site": f"https://{owner}.github.io/{name}/",
    }


def definitions(root: Path = ROOT) -> str:
    """The link definitions, in the order in which they are used."""
    urls = addresses(root)
    labs = [source.stem for source in sorted((root / "labs" / "source").glob("[0-9][0-9]-*.py"))]
    opened = {name: f"{urls['Binder']}?urlpath=lab/tree/labs/{name}.ipynb" for name in labs}
    ci = f"{urls['Homepage']}/actions/workflows/ci.yml"
    lines = [
        "[badge]: https://mybinder.org/badge_logo.svg",
        f"[binder]: {opened[labs[0]]}",
        f"[ci]: {ci}",
        f"[ci-badge]: {ci}/badge.svg",
        *(f"[open-{name[:2]}]: {address}" for name, address in opened.items()),
        f"[site]: {urls['Site']}",
    ]
    return BEGIN + "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Write or check; the exit status is 1 on a difference."""
    check = asked_to_check(__doc__, arguments)
    text = README.read_text(encoding="utf-8")
    if BEGIN not in text:
        print(f"README.md: has no line {BEGIN.strip()}")
        return 1
    built = text.split(BEGIN)[0] + definitions()
    return settle(
        README,
        built.encode(),
        check=check,
        same=f"README.md: its badges are {'their build' if check else 'unchanged'}",
        other="README.md: its badges differ from their build; run make labs",
        written="README.md: badges written",
    )


if __name__ == "__main__":
    sys.exit(main())
