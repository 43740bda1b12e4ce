"""nbgrader for these labs: `make assignment` puts this file into the course's folder, and nbgrader works there.

Invariant: what a learner gets differs from the labs only by the graded cells (a test compares them).
"""

from pathlib import Path

from nbgrader import preprocessors as step

from widgets.course.afresh import GradeAfresh

c = get_config()  # noqa: F821  # whoever loads this file brings it

c.CourseDirectory.course_id = "step-labs"
# The gradebook, gradebook.db, lies here, too: keep this folder.
course = Path(__file__).resolve().parent
c.CourseDirectory.root = str(course)

# Where learners of `make hub` fetch and hand in. Without a hub, their files go into submitted/NAME/ASSIGNMENT/ here.
c.Exchange.root = str(course.parent / "exchange")

# The labs' own stub: an unanswered task runs, and its check says what is missing.
c.ClearSolutions.code_stub = {"python": "pass  # your code here"}

# A learner who deletes a graded cell gets it back.
c.OverwriteCells.add_missing_cells = True

# No notebook that was handed in is executed: each answer is graded from its source, in a fresh process.
c.Autograde.autograde_preprocessors = [
    GradeAfresh,
    step.IgnorePattern,
    step.LimitOutput,
    step.SaveAutoGrades,
    step.AssignLatePenalties,
    step.CheckCellMetadata,
]
