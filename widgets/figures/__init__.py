"""Diagrams and timelines as pictures, drawn from the models."""
