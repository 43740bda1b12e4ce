"""A panel on a web page with no Jupyter: its history computed before, or by Python in the reader's browser.

Invariant: a page says what a StepLab says at the same step (a test holds it to that), and asks no other site.
"""
