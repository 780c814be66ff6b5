"""Knows which windows of arrival a night asks a workspace for, so that every arrival lies in exactly one stored window.

A row lies in a window by the time of its arrival (`ingestion_time()`), which never changes, so windows that meet
without a gap hold every row once, however late it tells of what happened. The last hours before the end of the last
night are asked for again (the overlap), because a row may be found later than it arrived; a window that is asked for
again takes the place of the stored ones that it covers.
https://learn.microsoft.com/azure/azure-monitor/logs/data-ingestion-time
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_LATE: Final = timedelta(days=2, hours=1)
_MOST_EARLY: Final = timedelta(days=1, hours=1)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A window of arrival, from `begin` on and before `end` (UTC)."""

    begin: datetime
    end: datetime

    @property
    def seen(self) -> tuple[datetime, datetime]:
        """Between which event times its rows lie.

        Log Analytics replaces a time that is more than two days older or one day newer than the arrival of its row.
        https://learn.microsoft.com/azure/azure-monitor/logs/data-ingestion-time
        """
        return self.begin - _MOST_LATE, self.end + _MOST_EARLY


@dataclass(frozen=True, slots=True)
class Tile:
    """A window to ask for, and the stored ones that it takes the place of (by their index)."""

    window: Stretch
    covers: tuple[int, ...] = ()


def floor(when: datetime, step: timedelta) -> datetime:
    """The last multiple of a step (counted from 1970, UTC) that is not after a time."""
    return EPOCH + (when - EPOCH) // step * step


def tiles(
    stored: Sequence[Stretch], until: datetime, *, look_back: timedelta, step: timedelta, overlap: timedelta
) -> list[Tile]:
    """The windows to ask for, in the order to do so. `stored` follow one another without a gap, and so they do after
    any number of these.

    Together with the stored windows that none of them covers they reach from the look-back (or what is stored before
    it) to `until` without gap or overlap. Nothing is asked for where the store is at `until` or beyond.
    """
    begin = floor(until - look_back, step)
    if not stored:
        return [Tile(one) for one in _cut(begin, until, step, ())]
    first, last = stored[0].begin, stored[-1].end
    if until < last:
        return []
    missing = [Tile(one) for one in reversed(_cut(begin, first, step, ()))]  # so that what is done leaves no gap
    again = [i for i, one in enumerate(stored) if one.end > last - overlap]
    start = stored[again[0]].begin if again else last
    inner = [stored[i] for i in again]
    fresh = _cut(start, until, step, inner)
    return missing + [Tile(one, tuple(i for i in again if one.begin <= stored[i].begin < one.end)) for one in fresh]


def _cut(begin: datetime, end: datetime, step: timedelta, whole: Sequence[Stretch]) -> list[Stretch]:
    """From `begin` to `end`, cut at multiples of the step that lie within none of `whole`."""
    cuts, at = [begin], floor(begin, step) + step
    while at < end:
        if not any(one.begin < at < one.end for one in whole):
            cuts.append(at)
        at += step
    cuts.append(end)
    return [Stretch(one, two) for one, two in pairwise(cuts) if one < two]
