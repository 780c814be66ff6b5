"""Knows how finely the store keeps apart when things happened: by the hour, and where a night ends within one, there.

A file tells of the time after the end of a night too (`--until`, or what was logged in the last minutes). All of it is
stored, and each night answers for what was before its end. A file that cannot hold anything later is not read finely.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from fwlens import flow
from fwlens.nightly.tiles import floor
from fwlens.store import Account

SLOT: Final = timedelta(hours=1)
"""How finely the store keeps apart when things happened."""
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Cut:
    """The end of a night, and what it does to the slot that it lies in."""

    until: datetime

    @property
    def begin(self) -> datetime:
        """The begin of the slot in which the night ends."""
        return floor(self.until, SLOT)

    def every(self, changed: datetime) -> timedelta:
        """How finely a file is to be read that last changed then: so that a slot begins where the night ends."""
        if self.until == self.begin or changed < self.until:
            return SLOT
        return timedelta(seconds=math.gcd(SLOT // _SECOND, (self.until - self.begin) // _SECOND))

    def slot(self, when: datetime) -> datetime:
        """The slot of a time: its hour, or the end of the night for what is after it in the same hour."""
        hour = floor(when, SLOT)
        return self.until if hour == self.begin and when >= self.until else hour

    def slots(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Flows in the slots of the store."""
        hour = pl.col("slot").dt.truncate(SLOT)
        later = (hour == self.begin) & (pl.col("slot") >= self.until)
        return flow.fold(rows.with_columns(slot=pl.when(later).then(self.until).otherwise(hour)), "slot")

    def used(self, rows: Iterable[tuple[str, datetime | None, int]]) -> Iterator[tuple[str, datetime | None, int]]:
        """Rows used by log and slot, in the slots of the store."""
        found: dict[tuple[str, datetime | None], int] = {}
        for path, when, count in rows:
            key = path, self.slot(when) if when else None
            found[key] = found.get(key, 0) + count
        for (path, slot), count in found.items():
            yield path, slot, count

    def is_in(self, account: Account) -> bool:
        """Whether an input that was read before is cut here, or has nothing that would have to be."""
        return account.has(self.until, self.until + _SECOND) or not account.has(self.begin, self.until)
