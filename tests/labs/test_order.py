"""The order of knowledge: a word is explained where a learner meets it first, reading the labs from 00 to 09."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import jupytext
import pytest

SOURCES = sorted((Path(__file__).resolve().parents[2] / "labs" / "source").glob("[0-9][0-9]-*.py"))

# A word (a regular expression), the lab that introduces it, and the words with which it does so.
TERMS = {
    r"guest": ("00", r"A \*\[guest\]"),
    r"hypervisor": ("00", r"\[hypervisor\]\(glossary.md\)\* runs the virtual machine"),
    r"KVM\b(?!_)": ("00", r"\[KVM\]\(glossary.md\)\*, a part of the\s+Linux kernel"),
    r"userspace": ("00", r"\[userspace\]\(glossary.md\)\*, an ordinary program"),
    r"UART": ("00", r"\[UART\]\(glossary.md\)\*, a serial port"),
    r"exit device": ("00", r"\*exit device\*, which ends the program"),
    r"\bEL2\b": ("00", r"\[EL2\]\(glossary.md\)\* is the privilege level"),
    r"\bERET\b": ("00", r"\[ERET\]\(glossary.md\)\* is the instruction"),
    r"SPSR_EL": ("00", r"\[SPSR_EL2\]\(glossary.md\)\* holds the guest's PSTATE"),
    r"syndrome": ("00", r"\*\[syndrome\]\(glossary.md\)\*: the number"),
    r"\bhsr\b": ("00", r"`hsr` is the \*\[syndrome\]"),
    r"\bTGE\b": ("01", r"`HCR_EL2.TGE`, which sends"),
    r"\bTDE\b": ("01", r"`MDCR_EL2.TDE`. It means"),
    r"\bSMC\b": ("01", r"SMC the firmware"),
    r"\bHVC\b": ("01", r"HVC a hypervisor"),
    r"\bKDE\b": ("01", r"`MDSCR_EL1.KDE`"),
    r"[Ss]quash": ("02", r"\*Squashed\* means put out of action"),
    r"\bioctl": ("02", r"ioctls on the file descriptor"),
    r"reservation": ("02", r"\*reservation\* of its load"),
    r"(?i:stage 2)": ("03", r"\[stage 2\]\(glossary.md\), the hypervisor's own table"),
    r"memory slot|\[slots?\]": ("03", r"\[slots\]\(glossary.md\), ranges"),
    r"\bBTI\b": ("04", r"BTI, \*branch target identification\*"),
    r"landing pad": ("04", r"\*landing pad\*, an instruction made for that"),
    r"immediate_exit": ("04", r"In \*immediate_exit\*\s+userspace calls"),
    r"[Ee]arly advance|[Ll]ate advance": ("05", r"This is the \*\*early advance\*\*"),
    r"\b[Aa]rm(?:s|ed|ing)?\b(?! Arch| emul| manual|64|,)": ("05", r"The word \*arm\* is the key"),
    r"what-if": ("05", r"\*what-if\* are 6.1.192 with a line or two changed"),
    r"ioeventfd": ("06", r"an\s+\*ioeventfd\* is a device in the kernel"),
    r"\bWFI\b": ("06", r"\*WFI\* waits for an interrupt"),
    r"\bVHE\b": ("07", r"\*virtualization host extensions\*"),
    r"\bBRK\b": ("08", r"a BRK now: the breakpoint instruction"),
    r"mutant": ("09", r"is called a \*mutant\*"),
    r"golden": ("09", r"a \*golden\* test"),
    r"\bPSCI\b": ("09", r"\*PSCI\* is the interface"),
    r"ENOSYS": ("03", r"KVM_RUN fails with \[ENOSYS\]"),
    r"Maydell": ("01", r"Maydell, who maintains"),
    r"\bDall\b": ("03", r"Dall, who maintained KVM"),
    r"Bennée": ("02", r"Bennée wrote the patch that"),
}
LATER = (
    "## Read on",
    "What you will be able to do",
)  # a list of what is to come, and of where to read more


@dataclass(frozen=True)
class Place:
    """A piece of text that a learner reads, in its order."""

    lab: str
    text: str


def course() -> list[Place]:
    """What a learner reads, from the first lab to the last: prose, and the questions' words; no solutions."""
    found = []
    for source in SOURCES:
        for cell in jupytext.read(source, fmt="py:percent").cells:
            if "solution" in cell.metadata.get("tags", []):
                continue
            if cell.cell_type == "markdown" and not cell.source.startswith(LATER):
                text = re.sub(r"\*\*What you will be able to do\*\*(?s:.*)", "", cell.source)
                found.append(Place(source.name[:2], text))
            elif cell.source.startswith("Question("):
                found.append(Place(source.name[:2], cell.source))
    return found


COURSE = course()


@pytest.mark.parametrize("term", TERMS)
def test_a_term_is_explained_where_it_is_first_used(term: str) -> None:
    lab, introduction = TERMS[term]
    flat = [re.sub(r"\s+", " ", place.text) for place in COURSE]
    pattern = introduction.replace(r"\s+", " ")
    explained = [n for n, text in enumerate(flat) if re.search(pattern, text)]
    assert explained, f"lab {lab} does not say {introduction}"
    assert COURSE[explained[0]].lab == lab
    used = next(n for n, text in enumerate(flat) if re.search(term, text))
    assert used >= explained[0], f"used in lab {COURSE[used].lab}: {COURSE[used].text[:300]}"
