"""The error that everything in this room raises for bad input.

Invariant: its text is one sentence for the person who gave the input.
"""


class EvidenceError(ValueError):
    """Recording, replaying or comparing cannot be done; the text is one sentence."""
