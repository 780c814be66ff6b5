"""Knows which hour a blob's path tells, and so which folders can hold what a span of time asks for.

Flow logs, diagnostic settings and data export all write `…/y=2026/m=11/d=20/h=22/m=00/…`, in UTC.
https://learn.microsoft.com/azure/network-watcher/vnet-flow-logs-overview
https://learn.microsoft.com/azure/azure-monitor/logs/logs-data-export
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Final

# Diagnostic settings place an entry by when it was received, not by when it was made: it lies in its hour or a later
# one, and around the hour in the one before too. https://learn.microsoft.com/azure/azure-monitor/platform/resource-logs
EARLIER: Final = timedelta(hours=1)
"""How much earlier than asked for a blob's hour may be."""
LATER: Final = timedelta(hours=3)
"""How much later: what arrives later than this is found with a later --until only."""

_DATED: Final = re.compile(r"(?:^|/)y=([0-9]{4})/(?:m=([0-9]{2})/(?:d=([0-9]{2})/(?:h=([0-9]{2})/)?)?)?")
_OWNER: Final = re.compile(r"(?:^|/)(?:[A-Za-z]*resourceid)=/", re.IGNORECASE)
_HOUR: Final = timedelta(hours=1)


class Reach(Enum):
    """How much of a folder can be wanted. UNKNOWN: its path tells no time."""

    NONE = auto()
    SOME = auto()
    ALL = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Hours:
    """The hours of blobs that can hold entries of a span: from `begin` on and before `end`, open where None (UTC)."""

    begin: datetime | None = None
    end: datetime | None = None

    def reach(self, path: str) -> Reach:
        """How much of what lies at a path, folder (with its slash) or blob, can be wanted."""
        told = told_by(path)
        if self.begin is None and self.end is None:
            return Reach.ALL
        if told is None:
            return Reach.UNKNOWN
        begin, end = told
        if (self.begin and end <= self.begin) or (self.end and begin >= self.end):
            return Reach.NONE
        inside = (not self.begin or begin >= self.begin) and (not self.end or end <= self.end)
        return Reach.ALL if inside else Reach.SOME

    def __str__(self) -> str:
        if self.begin and self.end:
            return f"the hours {self.begin:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC"
        if self.begin:
            return f"the hours from {self.begin:%Y-%m-%d %H:%M} UTC on"
        return f"the hours before {self.end:%Y-%m-%d %H:%M} UTC" if self.end else "any hour"


def hours(since: datetime | None, until: datetime | None) -> Hours:
    """The hours whose blobs can hold entries from `since` on and before `until` (aware times), with their margins."""
    begin, end = _moved(since, -EARLIER), _moved(until, LATER)
    if end is not None and end != _floor(end):
        end = _moved(end, _HOUR)
    return Hours(_floor(begin) if begin else None, _floor(end) if end else None)


def _moved(time: datetime | None, by: timedelta) -> datetime | None:
    """A time in UTC, later by so much; None where the calendar ends."""
    try:
        return time.astimezone(UTC) + by if time else None
    except OverflowError:
        return None


def _floor(time: datetime) -> datetime:
    return time.replace(minute=0, second=0, microsecond=0)


def told_by(path: str) -> tuple[datetime, datetime] | None:
    """The time that a path tells, from its begin on and before its end: an hour, a day, a month or a year."""
    found = _DATED.search(path)
    if not found:
        return None
    year, month, day, hour = (int(part) if part else None for part in found.groups())
    try:
        begin = datetime(year or 0, month or 1, day or 1, hour or 0, tzinfo=UTC)
        if hour is not None:
            return begin, begin + _HOUR
        if day is not None:
            return begin, begin + timedelta(days=1)
        if month is not None:
            return begin, begin.replace(year=begin.year + month // 12, month=month % 12 + 1)
        return begin, begin.replace(year=begin.year + 1)
    except (ValueError, OverflowError):
        return None


def is_laid_out(path: str) -> bool:
    """Whether Azure lays out what follows by resource and hour, so that it is worth to look folder by folder."""
    return bool(_OWNER.search(path) or _DATED.search(path))
