"""The HTML of one board, view by view: listing, registers, log, wording."""
