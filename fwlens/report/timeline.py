"""Knows when flows were denied: bars of time by verdict, few enough to be read, and hours that have no rows at all."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from fwlens.report.content import Night
from fwlens.report.words import clock

VERDICTS: Final = ("needed", "unexplained", "refused")
_LENGTHS: Final = (
    timedelta(minutes=15), timedelta(hours=1), timedelta(hours=6), timedelta(days=1), timedelta(days=7),
    timedelta(days=28),
)  # fmt: skip
_MOST: Final = 160
_LISTED: Final = 12


@dataclass(frozen=True, slots=True)
class Bar:
    """The denials of one span of time, in log entries, in the order of `VERDICTS`."""

    begin: datetime
    entries: tuple[int, ...]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.entries)


@dataclass(frozen=True, slots=True)
class Timeline:
    """Bars of equal length without a gap, the first to the last denial."""

    length: timedelta
    bars: tuple[Bar, ...]

    @property
    def said(self) -> str:
        """`15 minutes`, `1 hour`, `7 days`: how long a bar is."""
        for noun, unit in (("day", timedelta(days=1)), ("hour", timedelta(hours=1))):
            if self.length >= unit:
                return f"{self.length // unit} {noun}{'s' if self.length >= 2 * unit else ''}"
        return f"{self.length // timedelta(minutes=1)} minutes"

    @property
    def highest(self) -> int:
        """The entries of the highest bar."""
        return max((bar.total for bar in self.bars), default=0)


def bars(night: Night) -> Timeline:
    """Denials by verdict, in the shortest spans that are not too many."""
    denied = night.timeline.filter(pl.col("verdict").is_in(VERDICTS))
    if not denied.height:
        return Timeline(night.slot, ())
    first, last = denied.select(pl.col("slot").min(), last=pl.col("slot").max()).row(0)
    length = next((one for one in _LENGTHS if one >= night.slot and (last - first) / one < _MOST - 1), _LENGTHS[-1])
    spans = denied.group_by(slot=pl.col("slot").dt.truncate(length)).agg(
        pl.col("events").filter(pl.col("verdict") == name).sum().alias(name) for name in VERDICTS
    )
    every = spans.select(slot=pl.datetime_range(pl.col("slot").min(), pl.col("slot").max(), length))
    filled = every.join(spans, on="slot", how="left", maintain_order="left").fill_null(0)
    return Timeline(length, tuple(Bar(begin, tuple(entries)) for begin, *entries in filled.iter_rows()))


def silent_hours(night: Night) -> tuple[int, int, str]:
    """Hours without any row that was used, of how many in the window, and which: `2026-11-20 22:00 (2 hours)`."""
    begin, end = night.since or night.answer.first_seen, night.until or night.answer.last_seen
    if begin is None or end is None or begin > end:
        return 0, 0, ""
    hour = timedelta(hours=1)
    last = end - timedelta(microseconds=1) if night.until else end
    first = begin.replace(minute=0, second=0, microsecond=0)
    every = pl.select(slot=pl.datetime_range(first, last, hour, time_zone="UTC", time_unit="us"))
    heard = night.timeline.select(pl.col("slot").dt.truncate("1h")).unique()
    silent = every.join(heard, on="slot", how="anti", maintain_order="left")["slot"].to_list()
    runs: list[tuple[datetime, int]] = []
    for when in silent:
        if runs and runs[-1][0] + runs[-1][1] * hour == when:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((when, 1))
    texts = [f"{clock(when)} ({count} hour{'s' if count > 1 else ''})" for when, count in runs[:_LISTED]]
    more = f" and {len(runs) - _LISTED:,} more times" if len(runs) > _LISTED else ""
    return len(silent), every.height, ", ".join(texts) + more
