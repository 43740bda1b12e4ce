"""What JupyterLab is told when this package is installed."""
