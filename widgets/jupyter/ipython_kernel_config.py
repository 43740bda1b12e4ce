"""What every IPython kernel of this environment loads: see `alone`."""

c = get_config()  # type: ignore[name-defined]  # noqa: F821  # IPython brings it
c.IPKernelApp.extensions = ["widgets.jupyter.alone"]
