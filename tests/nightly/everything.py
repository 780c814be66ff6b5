"""The libraries that a night imports, so that a process that has them already can begin nights quickly.

Nothing of fwlens is among them: some of its modules make frames when they are imported, with which polars starts its
threads, and a process with threads must not fork.
"""

import azure.identity
import azure.monitor.query
import azure.storage.blob
import deltalake
import jinja2
import msgspec
import plotly.offline  # type: ignore[import-untyped]
import polars
import pyarrow.dataset  # type: ignore[import-untyped]
import rich
import typer
import yaml

__all__ = [
    "azure", "deltalake", "jinja2", "msgspec", "plotly", "polars", "pyarrow", "rich", "typer", "yaml",
]  # fmt: skip
