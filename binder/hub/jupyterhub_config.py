"""JupyterHub for a class on one machine: `make hub` runs it (labs/instructors.md).

Invariant: nothing is reachable from another machine unless a teacher says so here, and a learner's work is never
overwritten. What learners write lies in the class's folder, STEP_LABS_CLASS.
"""

import os
from pathlib import Path

c = get_config()  # noqa: F821  # JupyterHub brings it

HERE = Path(__file__).resolve().parent
CLASS = Path(os.environ["STEP_LABS_CLASS"]).resolve()

# --- who gets in from where ------------------------------------------------------------------------------------------

# This machine only. For a room, put a web server with a certificate in front (Caddy: `reverse_proxy 127.0.0.1:8000`).
# Or let the hub do it: c.JupyterHub.bind_url = "https://:443", with ssl_key and ssl_cert. Never without TLS: passwords
# travel here.
c.JupyterHub.bind_url = "http://127.0.0.1:8000"

if os.geteuid() == 0:
    # As root: everybody has an account on this machine, and their server runs as them. For grades, take this.
    c.JupyterHub.authenticator_class = "pam"
    c.JupyterHub.spawner_class = "localprocess"
else:
    # As anybody else: one password for the class, and everybody chooses a name. All servers run as the one who started
    # the hub, so a learner can read what the others write. For a class that trusts each other.
    c.JupyterHub.authenticator_class = "shared-password"
    c.SharedPasswordAuthenticator.user_password = (CLASS / "password").read_text().strip()
    c.JupyterHub.spawner_class = "simple"
    c.SimpleLocalProcessSpawner.home_dir_template = f"{CLASS}/learners/{{username}}"
c.Authenticator.allow_all = True
c.Authenticator.username_pattern = "[a-z][a-z0-9_-]{0,31}"  # it becomes a folder's name

# --- a learner's server ----------------------------------------------------------------------------------------------

c.Spawner.cmd = [str(HERE / "start")]
c.Spawner.default_url = "/lab/tree/labs/00-start-here.ipynb"
c.Spawner.environment = {
    "JUPYTER_CONFIG_PATH": str(HERE / "learner"),
    "STEP_LABS_EXCHANGE": str(CLASS / "exchange"),
    "STEP_LABS_SOLUTIONS": os.environ.get("STEP_LABS_SOLUTIONS", ""),
}

# --- thirty who click at the same moment -----------------------------------------------------------------------------

# A start takes two to four seconds of one core. Thirty on two cores: the last one waits for a minute or two. That is
# slow and no failure, so the hub waits longer than that, and turns nobody of a class away.
c.JupyterHub.concurrent_spawn_limit = 40
c.Spawner.start_timeout = 300
c.Spawner.http_timeout = 300

# --- the hub's own files ---------------------------------------------------------------------------------------------

c.JupyterHub.db_url = f"sqlite:///{CLASS}/hub/jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = f"{CLASS}/hub/cookie_secret"
c.ConfigurableHTTPProxy.pid_file = f"{CLASS}/hub/proxy.pid"
