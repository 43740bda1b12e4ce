"""Where capstone and our decoder disagree about which words are instructions, and what display_text does then.

Invariant: ours rules; the lists say why the other differs.
"""

from __future__ import annotations

import re

import pytest

from aarch64sim.arch.decode import decode
from aarch64sim.asm import disassemble, display_text
from tests.isa.test_gnu import NOT_OURS, near_words

capstone = pytest.importorskip("capstone", reason="no capstone here")

# Words that we execute and capstone 5 does not show.
UNKNOWN_TO_CAPSTONE = {
    r"(ldp|ldpsw|stp|ldxp|ldaxp|stnp|ldnp)\b.*": "equal transfer registers, or the base among them, with writeback",
    r"(ldt?r|stt?r)\w* .*(\]!|\], #-?\d+)": "writeback to a base that is also transferred",
    r"(ldtr|sttr)\w* (?P<w>.)(?P<n>\d+), \[x(?P=n).*": "the same, for LDTR and STTR, which write nothing back",
    r"st[l]?x[rp]\w* .*": "the status register is also the base or transferred",
    r"udf .*": "shown from version 6 on",
}
# Words that capstone shows and objdump does not, beyond what NOT_OURS lists.
UNKNOWN_TO_US = {
    r"(mrs|msr|sys|sysl|at|dc|ic|tlbi|cfp|dvp|cpp|cosp) .*": "op0 = 0 as a system register",
    r"(ldapr|ldaprb|ldaprh) .*": "should-be-one bits that are zero",
    r"(ldg|stg|stgp|ldgm|stgm|stzgm|st2g|stzg|stz2g|addg|subg|irg|gmi|subps?|cmpp) .*": "MTE",
    r"gcs\w+.*|trcit .*|chkfeat .*": "GCS, ITE, CHK",
}


def _shown(word: int) -> str:
    engine = capstone.Cs(getattr(capstone, "CS_ARCH_AARCH64", None) or capstone.CS_ARCH_ARM64, 0)
    for _, _, mnemonic, operands in engine.disasm_lite(word.to_bytes(4, "little"), 0, 1):
        return f"{mnemonic} {operands}".strip()
    return ""


def _explained(text: str, *lists: dict[str, str]) -> bool:
    return any(re.fullmatch(pattern, text) for reasons in lists for pattern in reasons)


def test_the_differences_are_the_listed_ones() -> None:
    for word in near_words(5, 6000):
        ours, theirs = decode(word) is not None, _shown(word)
        if ours and not theirs:
            assert _explained(disassemble(word), UNKNOWN_TO_CAPSTONE), (
                hex(word),
                disassemble(word),
            )
        elif theirs and not ours:
            assert _explained(theirs, UNKNOWN_TO_US, NOT_OURS), (hex(word), theirs)


def test_an_undefined_word_is_shown_as_a_word() -> None:
    pacia = 0xDAC103E0
    assert _shown(pacia)
    assert decode(pacia) is None
    assert display_text(pacia) == ".word 0xdac103e0"


def test_a_word_that_only_we_know_is_shown_in_our_text() -> None:
    assert display_text(0x00000007) in ("udf #0x7", "udf #7")
