"""One night as a page: a single HTML file that needs nothing from outside. `render` is the one door.

What a page is made of is imported by everybody; the template and the charts only when a page is made.
"""

from fwlens.report.content import Artefact, Beside, Night, Report, Source

__all__ = ["MOST_BYTES", "SHARED_SCRIPT", "Artefact", "Beside", "Night", "Report", "Source", "plot_library", "render"]

MOST_BYTES = 3_000_000
"""How large a page may be, the plot library not counted."""
SHARED_SCRIPT = "plotly.min.js"
"""The name of the plot library where several pages share it."""


def plot_library() -> str:
    """The plot library as JavaScript."""
    from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]

    return str(get_plotlyjs())


def render(night: Night, *, name: str | None = "night", shared_script: bool = False, most: int = MOST_BYTES) -> Report:
    """The page, below `most` bytes, and what lies beside it: tables and artefacts that were cut, whole.

    `name` is the page's file name without its ending, as texts on it call the files beside (None: there is no place
    beside it). With `shared_script` the page loads `SHARED_SCRIPT` from its own folder instead of holding it; else the
    library comes on top of `most`.
    """
    from fwlens.report import page

    return page.render(
        night, name, "" if shared_script else plot_library(), SHARED_SCRIPT if shared_script else "", most
    )
