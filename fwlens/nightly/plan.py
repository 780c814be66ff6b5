"""Knows what a night is: what it reads and until when, for what look-back, and how it went."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from fwlens import emit, run
from fwlens.answer import Answer
from fwlens.diff import Diff
from fwlens.nightly.cut import SLOT
from fwlens.nightly.files import Logs
from fwlens.nightly.intake import Workspace
from fwlens.nightly.tiles import floor
from fwlens.notify import Notice
from fwlens.store import Run, Store

Level = Literal["info", "warning", "error"]
Tell = Callable[[Level, str, str, dict[str, object]], None]
"""Told what happens: how grave it is, a short name for it, a sentence, and its fields."""


@dataclass(frozen=True, slots=True)
class Night:
    """What a night does: what it reads and until when (arrivals, UTC), for what look-back, and where results go.

    `post` tells a notice and says what went wrong. `clock` is the time of day (UTC).
    """

    store: Store
    reports: Path
    until: datetime
    look_back: timedelta
    window: timedelta
    overlap: timedelta
    keep_flows: timedelta
    keep_runs: timedelta
    keep_reports: timedelta
    ask: run.Ask
    version: str
    clock: Callable[[], datetime]
    place: emit.Options = emit.Options()
    workspaces: Sequence[Workspace] = ()
    logs: Logs | None = None
    post: Callable[[Notice], str] | None = None
    dry_run: bool = False

    @property
    def run(self) -> str:
        """What the run is called: by its end."""
        return run_name(self.until)

    @property
    def since(self) -> datetime:
        """Where the look-back begins."""
        return floor(self.until - self.look_back, SLOT)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a night went: its answer, what changed since which run, where its results lie, and what could not be read."""

    answer: Answer
    diff: Diff
    earlier: Run | None
    folder: Path
    faults: tuple[str, ...]

    @property
    def exit(self) -> int:
        """1 where something could not be read, 3 where there is something to allow, else 0."""
        if self.faults:
            return 1
        return 3 if self.answer.recommendations or self.answer.unsaid else 0


def run_name(until: datetime) -> str:
    """What a run is called: the end of what it read, to the second."""
    return until.strftime("%Y-%m-%dT%H:%M:%SZ")
