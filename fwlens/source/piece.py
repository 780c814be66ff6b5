"""Knows the pieces of a pull: windows of time and parts of conversations, and how they fall into smaller ones.

Pieces never overlap and leave nothing out: every bound is half-open, `[from, before)`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from fwlens.errors import FwlensError
from fwlens.query import Query, Value, bind
from fwlens.source.asking import Limits
from fwlens.source.session import Scope

_BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)
_END: Final = datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """Event time (TimeGenerated) and arrival (ingestion_time()) of what is asked for, half-open, in UTC."""

    seen_from: datetime
    seen_before: datetime
    arrived_from: datetime = _BEGINNING
    arrived_before: datetime = _END

    def __post_init__(self) -> None:
        """Refuse a window of nothing, and times without a zone."""
        bounds = (self.seen_from, self.seen_before, self.arrived_from, self.arrived_before)
        if any(bound.tzinfo is None for bound in bounds):
            raise FwlensError("A window needs times with a zone.")
        if self.seen_from >= self.seen_before or self.arrived_from >= self.arrived_before:
            raise FwlensError(f"No time is left in the window {self}: its end is not after its beginning.")

    def __str__(self) -> str:
        """`2026-11-20T22:00Z/23:00Z`, and the arrival where that is bounded."""
        seen = _between(self.seen_from, self.seen_before)
        if (self.arrived_from, self.arrived_before) == (_BEGINNING, _END):
            return seen
        return f"{seen} arrived {_between(self.arrived_from, self.arrived_before)}"

    def halves(self, floor: timedelta) -> "tuple[Window, Window] | None":
        """The window in two along its shorter time, as rows lie evenly along that one; None below twice the floor.

        An arrival without bounds is not halved: nearly all of it holds no row.
        """
        seen, arrived = self.seen_before - self.seen_from, self.arrived_before - self.arrived_from
        is_bounded = self.arrived_from > _BEGINNING and self.arrived_before < _END
        by_seen, by_arrival = seen >= 2 * floor, is_bounded and arrived >= 2 * floor
        if by_seen and (seen <= arrived or not by_arrival):
            middle = self.seen_from + _half(seen)
            return replace(self, seen_before=middle), replace(self, seen_from=middle)
        if by_arrival:
            middle = self.arrived_from + _half(arrived)
            return replace(self, arrived_before=middle), replace(self, arrived_from=middle)
        return None

    def days(self, longest: timedelta) -> "Iterator[Window]":
        """The window in stretches of event time that one query may well answer."""
        begin = self.seen_from
        while begin < self.seen_before:
            end = min(begin + longest, self.seen_before)
            yield replace(self, seen_from=begin, seen_before=end)
            begin = end


def _half(length: timedelta) -> timedelta:
    """Half of a length, in whole minutes: never below the floor, which is at least one."""
    minutes = length // timedelta(minutes=2)
    return timedelta(minutes=minutes) if minutes else length / 2


def _between(begin: datetime, end: datetime) -> str:
    begin, end = begin.astimezone(UTC), end.astimezone(UTC)
    last = shown(end)
    return f"{shown(begin)}/{last.partition('T')[2] if begin.date() == end.date() else last}"


def shown(when: datetime) -> str:
    """A time in UTC, as messages write it: `2026-11-20T22:00Z`."""
    precision = "minutes" if not (when.second or when.microsecond) else "auto"
    return f"{when.replace(tzinfo=None).isoformat(timespec=precision)}Z"


@dataclass(frozen=True, slots=True)
class Piece:
    """What one answer is to hold: a query, for a scope, a window and a part of its conversations."""

    scope: Scope
    query: Query
    window: Window
    part: int = 0
    parts: int = 1
    search: bool = False
    share: float = 1.0
    root: str = field(default="", compare=False)

    @property
    def label(self) -> str:
        """`workspace-guid/AZFWNetworkRule 2026-11-20T22:00Z/23:00Z`, with the part where there are several."""
        part = f" part {self.part + 1} of {self.parts}" if self.parts > 1 else ""
        return f"{self.scope.name}/{self.query.table or self.query.name} {self.window}{part}"

    def smaller(self, limits: Limits) -> "tuple[Piece, ...]":
        """The same in two pieces; none where it cannot be made smaller, or where pieces would not fold to the same."""
        half = self.share / 2
        if "parts" not in self.query.parameters:
            return ()
        if halves := self.window.halves(limits.floor):
            return tuple(replace(self, window=each, share=half) for each in halves)
        if self.parts < limits.parts:
            # What falls on `part` of n falls on `part` or on `part + n` of 2n.
            return tuple(
                replace(self, part=part, parts=2 * self.parts, share=half)
                for part in (self.part, self.part + self.parts)
            )
        return ()

    def bound(self, *, with_allowed: bool, slot: timedelta) -> str:
        """The query with the values of this piece, as it is sent."""
        values: dict[str, Value] = {
            "seenFrom": self.window.seen_from,
            "seenBefore": self.window.seen_before,
            "arrivedFrom": self.window.arrived_from,
            "arrivedBefore": self.window.arrived_before,
            "withAllowed": with_allowed,
            "slot": slot,
            "part": self.part,
            "parts": self.parts,
        }
        return bind(self.query, {name: value for name, value in values.items() if name in self.query.parameters})
