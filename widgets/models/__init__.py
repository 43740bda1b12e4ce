"""What is shown, as data: diagrams, timelines, syndromes. Invariant: no matplotlib and no HTML in here."""
