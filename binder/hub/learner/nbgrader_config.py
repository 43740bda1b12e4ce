"""nbgrader in a learner's server on the hub: which course, where to fetch and hand in, and as whom.

Invariant: a learner hands in under the name that the hub knows, whatever account their server runs as.
"""

import os

c = get_config()  # noqa: F821  # whoever loads this file brings it

c.CourseDirectory.course_id = "step-labs"
c.CourseDirectory.student_id = os.environ.get("JUPYTERHUB_USER", "*")
c.Exchange.root = os.environ["STEP_LABS_EXCHANGE"]
