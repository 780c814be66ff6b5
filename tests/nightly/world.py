"""A small world for nights: a workspace whose rows arrive when a test says, and files that grow."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from fwlens import flow, source
from fwlens.emit import Options
from fwlens.flow import Span
from fwlens.nightly import SLOT, Night, Outcome, Stretch, TakenIn, Workspace, night, take_in
from fwlens.nightly.files import Logs, found_in
from fwlens.run import Ask
from fwlens.source.files import Input
from fwlens.store import Store
from tests import night as logs
from tests.night import Entry

T0 = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)
TAGS = Path(__file__).parents[2] / "sample_logs/service-tags.json"
HUGGING_FACE = Entry(0, "10.20.1.4", "", 443, "HTTPS", "huggingface.co")
PYPI = Entry(0, "10.20.1.4", "", 443, "HTTPS", "pypi.org")
DOCKER = Entry(0, "10.20.1.5", "", 443, "HTTPS", "auth.docker.io")
ALLOWED = Entry(0, "10.20.1.4", "", 443, "HTTPS", "pypi.org", action="Allow")


def seen(entry: Entry, minutes: float) -> Entry:
    """The entry, so many minutes after T0."""
    return replace(entry, second=int(minutes * 60))


def lines(entries: Iterable[Entry]) -> bytes:
    """Entries as a storage account has them."""
    return "".join(json.dumps(logs.azfw(entry)) + "\n" for entry in entries).encode()


@dataclass
class Arrivals:
    """Rows with the time of their arrival; what was asked for is kept, and the pulls named in `broken` fail."""

    rows: list[tuple[datetime, Entry]] = field(default_factory=list)
    asked: list[Stretch] = field(default_factory=list)
    broken: set[int] = field(default_factory=set)

    def pull(self, stretch: Stretch) -> Sequence[Input]:
        self.asked.append(stretch)
        if len(self.asked) - 1 in self.broken:
            raise BrokenPipeError
        inside = [entry for arrived, entry in self.rows if stretch.begin <= arrived < stretch.end]
        body = lines(inside)
        label = f"ws/AZFW {stretch.begin:%Y-%m-%dT%H:%M:%S}/{stretch.end:%Y-%m-%dT%H:%M:%S}"
        return [Input(label, named=False, fetch=lambda: body)] if inside else []

    @property
    def workspace(self) -> Workspace:
        return Workspace("ws", self.pull)


@dataclass
class Told:
    """What a night says."""

    lines: list[tuple[str, str, str]] = field(default_factory=list)

    def __call__(self, level: str, event: str, text: str, fields: object = None) -> None:
        self.lines.append((level, event, text))


def plan(folder: Path, until: datetime, *workspaces: Workspace, files: Sequence[str] = (), **more: Any) -> Night:
    """A night over a store in a folder, with short spans; `more` are other fields of it."""
    made = Night(
        store=Store(str(folder / "store")),
        reports=folder / "reports",
        until=until,
        look_back=timedelta(days=1),
        window=timedelta(hours=6),
        overlap=timedelta(hours=1),
        keep_flows=timedelta(days=10),
        keep_runs=timedelta(days=20),
        keep_reports=timedelta(days=15),
        ask=Ask((), region="westeurope"),
        version="1",
        clock=lambda: T0 + timedelta(days=999),
        place=Options(),
        workspaces=workspaces,
        logs=Logs(lambda _: tuple(found_in(files))) if files else None,
    )
    return replace(made, **more)


def run(folder: Path, until: datetime, *workspaces: Workspace, files: Sequence[str] = (), **more: Any) -> Outcome:
    """Such a night, done."""
    return night(plan(folder, until, *workspaces, files=files, **more), Told())


def taking_in(folder: Path, until: datetime, *workspaces: Workspace, files: Sequence[str] = (), **more: Any) -> TakenIn:
    """The first part of such a night: what is new comes into the store."""
    return take_in(plan(folder, until, *workspaces, files=files, **more), Told())


def stored(folder: Path) -> pl.DataFrame:
    """All flows of a store, folded."""
    rows = Store(str(folder / "store")).flows(T0 - timedelta(days=1000))
    return flow.fold(rows.drop("input"), "slot").drop("origin")


def read(entries: Iterable[Entry]) -> pl.DataFrame:
    """The same entries, read at once."""
    body = lines(entries)
    got = source.read([], places=[Input("x", named=False, fetch=lambda: body)], span=Span(every=SLOT))
    return got.slots.drop("origin")
