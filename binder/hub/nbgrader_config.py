"""nbgrader for these labs: `make assignment` puts this file into the course's folder, and nbgrader works there.

Invariant: what a learner gets differs from the labs only by the graded cells (a test compares them).
"""

import os
from pathlib import Path

c = get_config()  # noqa: F821  # whoever loads this file brings it

c.CourseDirectory.course_id = "step-labs"
# The gradebook, gradebook.db, lies here, too: keep this folder.
c.CourseDirectory.root = str(Path(__file__).resolve().parent)

# Where learners fetch and hand in: `make hub` says so to every server. Without it, see nbgrader zip_collect.
if exchange := os.environ.get("STEP_LABS_EXCHANGE"):
    c.Exchange.root = exchange

# The labs' own stub: an unanswered task runs, and its check says what is missing.
c.ClearSolutions.code_stub = {"python": "pass  # your code here"}

# A learner who deletes a graded cell gets it back, and a notebook is graded as a whole within bounds.
c.OverwriteCells.add_missing_cells = True
c.Execute.timeout = 120  # seconds a cell
