"""What belongs to the curriculum: where its files are, its tasks, questions and answers."""

from widgets.course.files import (
    NoSuchFileError,
    checks,
    exercises,
    labs_folder,
    links_from_below,
    program,
)

__all__ = [
    "NoSuchFileError",
    "checks",
    "exercises",
    "labs_folder",
    "links_from_below",
    "program",
]
