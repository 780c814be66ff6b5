"""Knows how what many files hold becomes flows: a crowd of files at a time, for each time costs the same.

Nothing here grows with the total size: tuples and entries wait only until they are a crowd, and flows are folded.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import polars as pl

from fwlens import flow
from fwlens.flow import Span
from fwlens.ledger import ALLOWED
from fwlens.source import flowlog
from fwlens.source.flowlog import Tuples
from fwlens.source.format import Fault, Format, entries_of

_OUTSIDE: Final = "outside the time that was asked for (--since, --until)"
_NOTHING: Final = flow.empty().insert_column(0, pl.lit(None, flow.TIME).alias("slot"))
_CROWD: Final = 100_000
_FRAME: Final = 400
"""So many rows take as much memory as a frame takes for itself: a crowd of small files is a crowd of frames."""
_CROWD_BYTES: Final = 8_000_000
_FILE_BYTES: Final = 1_000
"""So many bytes of tuples take as much as what is kept beside them."""
_MERGE_AT: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries of a log are wanted: those of a span of time, and allowed ones only on request."""

    span: Span
    with_allowed: bool

    def entries(self, form: Format, raw: pl.LazyFrame, place: pl.Expr) -> pl.DataFrame:
        """Raw rows of one format as entries, those with equal texts folded."""
        when = pl.col("first_seen")
        allowed = pl.when((pl.col("action") == "Allow") & (not self.with_allowed)).then(pl.lit(ALLOWED))
        outside = pl.when(~self.span.inside(when)).then(pl.lit(_OUTSIDE))
        entries = entries_of(form, raw).with_columns(
            fault=pl.coalesce("fault", allowed, outside), slot=self.span.slot(when), place=place
        )
        return flow.fold_entries(entries).collect(engine="streaming")


@dataclass(slots=True)
class Crowd:
    """Tuples and entries of many files on their way to flows, and what became of the rows of each file.

    `rows` and `size` say how much is waiting: rows of entries and bytes of tuples, and what these take besides.
    """

    wanted: Wanted
    tuples: list[tuple[str, Tuples]] = field(default_factory=list)
    entries: list[pl.DataFrame] = field(default_factory=list)
    flows: list[pl.DataFrame] = field(default_factory=lambda: [_NOTHING])
    origins: list[pl.DataFrame] = field(default_factory=list)
    used: dict[str, int] = field(default_factory=dict)
    used_in: dict[tuple[str, datetime | None], int] = field(default_factory=dict)
    set_aside: dict[str, list[Fault]] = field(default_factory=dict)
    rows: int = 0
    size: int = 0

    def add(
        self,
        place: str,
        tuples: Iterable[Tuples],
        entries: Iterable[pl.DataFrame],
        origins: Iterable[pl.DataFrame] = (),
    ) -> None:
        """What a file holds, to be conformed now or later; `origins` say where its rows were written first."""
        for each in tuples:
            self.tuples.append((place, each))
            self.size += each.size + _FILE_BYTES
        for frame in entries:
            self._take(frame)
        self.origins += origins
        if self.size > _CROWD_BYTES:
            self._split()
        if self.rows > _CROWD:
            self._conform()

    def settle(self) -> pl.DataFrame:
        """All flows, folded within each slot."""
        self._split()
        self._conform()
        every, self.flows = pl.concat(self.flows), []
        return flow.fold(every, "slot")

    def _take(self, frame: pl.DataFrame) -> None:
        self.entries.append(frame)
        self.rows += frame.height + _FRAME

    def _split(self) -> None:
        if any(each.texts for _, each in self.tuples):
            raw = flowlog.lines_frame(self.tuples, self.wanted.span)
            self._take(self.wanted.entries(flowlog.FORMAT, raw, pl.col("place")))
        self.tuples, self.size = [], 0

    def _conform(self) -> None:
        if not self.entries:
            return
        good, bad = flow.conform(pl.concat(self.entries))
        self.entries, self.rows = [], 0
        for place, slot, rows in good.group_by("place", "slot").agg(pl.col("rows").sum()).iter_rows():
            self.used[place] = self.used.get(place, 0) + rows
            self.used_in[place, slot] = self.used_in.get((place, slot), 0) + rows
        reasons = bad.group_by("place", "reason").agg(pl.col("rows").sum(), pl.col("line").min())
        for place, *fault in reasons.sort("place", "reason").iter_rows():
            self.set_aside.setdefault(place, []).append((fault[0], fault[1], fault[2]))
        if self.origins:
            known = good.join(pl.concat(self.origins), on="origin", how="left", maintain_order="left")
            good, self.origins = known.with_columns(origin=pl.coalesce("first", "origin")).drop("first"), []
        self.flows.append(flow.fold(good, "slot"))
        if sum(part.height for part in self.flows) > _MERGE_AT + 2 * self.flows[0].height:
            self.flows = [flow.fold(pl.concat(self.flows), "slot")]
