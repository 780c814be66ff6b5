"""Knows what a stored input says of itself: its share of the ledger, and how many of its rows were used of each hour.

A night answers for a look-back, and inputs reach beyond it. As every input says when its rows were, the ledger of any
look-back closes without reading an input again.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final

import msgspec
from msgspec import structs

from fwlens import ledger
from fwlens.errors import FwlensError
from fwlens.ledger import Counted, Ledger, SetAside

OUTSIDE: Final = "outside the look-back (--look-back)"
ARRIVED: Final = " arrived "
"""What stands in the name of a window's logs before when they arrived."""
_UNKNOWN: Final = "unknown"
AFTER: Final = "after the end of the night (--until)"


class Part(msgspec.Struct, frozen=True):
    """One log of an input (a file, or a table's answer): its rows, and those used by slot (epoch seconds, UTC).

    Of its allowed entries that were only counted it says how many there are, in which logs (`flow.log`) they may stand,
    and how many of them the last night that was done had already.
    """

    path: str
    format: str
    rows_read: int
    used: tuple[tuple[int, int], ...]
    allowed: int = 0
    logs: tuple[str, ...] = ()
    known: int = 0


class Account(msgspec.Struct, frozen=True):
    """All logs of an input, why rows were set aside, whether allowed entries were decoded, and by which night.

    Of a file also what it held as a whole (its length and digest), and when its first and last flow were seen
    (microseconds since 1970, UTC).
    """

    parts: tuple[Part, ...]
    set_aside: tuple[tuple[str, int, str], ...]
    tables: tuple[str, ...]
    with_allowed: bool
    night: str = ""
    content: str = ""
    seen: tuple[int, int] | None = None

    @property
    def rows_read(self) -> int:
        """Rows of all its logs."""
        return sum(part.rows_read for part in self.parts)

    @property
    def last(self) -> datetime | None:
        """When its last slot with rows begins."""
        seconds = [second for part in self.parts for second, _ in part.used]
        return datetime.fromtimestamp(max(seconds), UTC) if seconds else None

    def has(self, since: datetime, until: datetime) -> bool:
        """Whether rows of it were used in slots from `since` on and before `until`."""
        first, end = since.timestamp(), until.timestamp()
        return any(first <= second < end for part in self.parts for second, _ in part.used)

    def merged(self, name: Callable[[str], str]) -> "Account":
        """The same with other names for its logs; those that share a name are one log."""
        logs: dict[str, list[Part]] = {}
        for part in self.parts:
            logs.setdefault(name(part.path), []).append(part)
        aside: dict[tuple[str, str], int] = {}
        for reason, rows, first in self.set_aside:
            aside[reason, name(first)] = aside.get((reason, name(first)), 0) + rows
        parts = []
        for path, each in sorted(logs.items()):
            used: dict[int, int] = {}
            for second, rows in (slot for part in each for slot in part.used):
                used[second] = used.get(second, 0) + rows
            formats = ", ".join(sorted({part.format for part in each}))
            names = tuple(sorted({log for part in each for log in part.logs}))
            read, allowed, known = (sum(numbers) for numbers in zip(*map(_numbers, each), strict=True))
            parts.append(Part(path, formats, read, tuple(sorted(used.items())), allowed, names, known))
        reasons = sorted((reason, rows, first) for (reason, first), rows in aside.items())
        return structs.replace(self, parts=tuple(parts), set_aside=tuple(reasons))

    def after(self, earlier: Iterable["Account"], done: str) -> "Account":
        """The same, knowing which allowed entries earlier readings of it had by the last night that was `done`."""
        before: dict[str, int] = {}
        for part, night in ((part, account.night) for account in earlier for part in account.parts):
            before[_kind(part)] = before.get(_kind(part), 0) + (part.known if night > done else part.allowed)
        parts = (structs.replace(part, known=before.get(_kind(part), 0)) for part in self.parts)
        return structs.replace(self, parts=tuple(parts))

    def counted(self, since: datetime | None) -> tuple[Counted, ...]:
        """Its allowed entries that were only counted; since a time, those that the last night did not have."""
        is_new = ((part.path, part.allowed - (part.known if since else 0), part.logs) for part in self.parts)
        return tuple(Counted(path, rows, logs, since) for path, rows, logs in is_new if rows > 0)

    def as_json(self) -> str:
        """What stands in the store."""
        return msgspec.json.encode(self).decode()

    @staticmethod
    def parse(text: str, label: str) -> "Account":
        """Read it again. Raises FwlensError for what no fwlens wrote."""
        try:
            return msgspec.json.decode(text, type=Account)
        except msgspec.DecodeError as error:
            raise FwlensError(f"The store's account of {label} cannot be read ({error}).") from None


def account_of(
    read: Ledger, used: Iterable[tuple[str, datetime | None, int]], *, with_allowed: bool, night: str = ""
) -> Account:
    """The account of what was read at once, by a night: its ledger, and rows used by log and slot."""
    slots: dict[str, list[tuple[int, int]]] = {}
    counted = {one.path: (one.rows, one.logs) for one in read.counted}
    for path, slot, rows in used:
        slots.setdefault(path, []).append((int(slot.timestamp()) if slot else 0, rows))
    return Account(
        tuple(
            Part(
                one.path, one.format, one.rows_read, tuple(sorted(slots.get(one.path, ()))), *counted.get(one.path, ())
            )
            for one in read.inputs
        ),
        tuple((one.reason, one.rows, one.first) for one in read.set_aside),
        read.tables,
        with_allowed,
        night,
    )


def _kind(part: Part) -> str:
    """The table of a window; a file has one log, whatever it is called."""
    table, arrived, _ = part.path.partition(ARRIVED)
    return table if arrived else ""


def _numbers(part: Part) -> tuple[int, int, int]:
    return part.rows_read, part.allowed, part.known


def ledger_of(accounts: Iterable[Account], since: datetime, until: datetime) -> Ledger:
    """The ledger of a look-back: rows used before `since` or from `until` on (where slots begin) are set aside."""
    begin, end = since.timestamp(), until.timestamp()
    inputs: dict[str, ledger.Account] = {}
    reasons: dict[str, list[tuple[int, str]]] = {}
    tables: set[str] = set()
    for account in accounts:
        tables.update(account.tables)
        for reason, rows, first in account.set_aside:
            reasons.setdefault(reason, []).append((rows, first))
        for part in account.parts:
            before = sum(rows for second, rows in part.used if second < begin)
            after = sum(rows for second, rows in part.used if second >= end)
            inside = sum(rows for _, rows in part.used) - before - after
            for reason, rows in ((OUTSIDE, before), (AFTER, after)):
                if rows:
                    reasons.setdefault(reason, []).append((rows, part.path))
            one = ledger.Account(part.path, part.format, part.rows_read, inside, part.rows_read - inside)
            inputs[part.path] = _both(inputs[part.path], one) if part.path in inputs else one
    aside = [
        SetAside(reason, sum(n for n, _ in each), min(first for _, first in each)) for reason, each in reasons.items()
    ]
    return Ledger(
        tuple(sorted(inputs.values(), key=lambda one: one.path)),
        tuple(sorted(aside, key=lambda one: (-one.rows, one.reason))),
        tuple(sorted(tables)),
    )


def _both(one: ledger.Account, two: ledger.Account) -> ledger.Account:
    """Two files that had one name in turn, as one input."""
    read, used = one.rows_read + two.rows_read, one.rows_used + two.rows_used
    return ledger.Account(one.path, two.format if one.format == _UNKNOWN else one.format, read, used, read - used)
