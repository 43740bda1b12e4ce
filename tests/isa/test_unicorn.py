"""What instructions do, against Unicorn: random words of the table from random states.

Invariant: no difference is tolerated; what Unicorn cannot answer for is listed in `oracle.LEFT_OUT` and tested by hand.
"""

from __future__ import annotations

import pytest

from aarch64sim.arch.encodings import ENCODINGS
from tests.isa import oracle

pytest.importorskip("unicorn", reason="no unicorn here")


def test_random_instructions_agree() -> None:
    assert oracle.differences(6000, seed=1) == []


@pytest.mark.fuzz
@pytest.mark.parametrize("seed", range(20))
def test_a_million_random_instructions_agree(seed: int) -> None:
    assert oracle.differences(50_000, seed=1000 + seed) == []


def test_what_is_left_out_exists() -> None:
    assert set(oracle.LEFT_OUT) <= {row.binder for row in ENCODINGS}
    compared = {row.binder for row in ENCODINGS} - set(oracle.LEFT_OUT)
    assert len(compared) > 3 * len(oracle.LEFT_OUT)
