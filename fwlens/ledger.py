"""Knows the account of every row read: used or set aside, by file and by reason. It closes, and checks that it does."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

ALLOWED: Final = "allowed: counted, not decoded (--with-allowed decodes it)"
OUTSIDE: Final = "outside the "
"""How every reason begins that a row has another time than was asked for."""
UNACCOUNTED: Final = "not accounted for: a fault in fwlens, please report it"


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the rows of one input. `format` names the formats found in it, `unknown` if none."""

    path: str
    format: str
    rows_read: int
    rows_used: int
    rows_set_aside: int


@dataclass(frozen=True, slots=True)
class SetAside:
    """Why rows yield no flow, how many do not, and where the first stands (`file:line`, or the place alone)."""

    reason: str
    rows: int
    first: str


class Counted(NamedTuple):
    """An input with allowed entries that were only counted: how many, in which logs (`flow.log`) they may stand, and
    from when on some were written (UTC), where that is known."""

    path: str
    rows: int
    logs: tuple[str, ...]
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ledger:
    """All inputs in the order of their paths, the reasons with the most rows first, the tables that had rows, and the
    inputs with allowed entries that were only counted."""

    inputs: tuple[Account, ...]
    set_aside: tuple[SetAside, ...]
    tables: tuple[str, ...] = ()
    counted: tuple[Counted, ...] = ()

    @property
    def rows_read(self) -> int:
        """Rows, lines and flow tuples seen in all inputs."""
        return sum(account.rows_read for account in self.inputs)

    @property
    def rows_used(self) -> int:
        """Those that were folded into flows."""
        return sum(account.rows_used for account in self.inputs)

    @property
    def rows_set_aside(self) -> int:
        """Those that were not; each has a reason."""
        return sum(account.rows_set_aside for account in self.inputs)


def unblocked(ledger: Ledger) -> str:
    """What is known where no flow was blocked, in a sentence: rows of another time, or of no use, tell nothing."""
    read = f"{ledger.rows_read:,} {'row' if ledger.rows_read == 1 else 'rows'} read"
    allowed = sum(entry.rows for entry in ledger.set_aside if entry.reason == ALLOWED)
    outside = sum(entry.rows for entry in ledger.set_aside if entry.reason.startswith(OUTSIDE))
    if not ledger.rows_read:
        return "No rows were read, so nothing is known."
    if outside and not ledger.rows_used:
        lies = "lies" if outside == ledger.rows_read else "is known to lie"
        return f"None of {read} {lies} in the time that was asked for."
    if not ledger.rows_used and not allowed:
        return f"0 of {read} could be used, so nothing is known."
    return f"Nothing was blocked in {read}."


@dataclass(frozen=True, slots=True)
class Share:
    """One input's share of the ledger before it is added up: reasons with their rows and the line of the first."""

    path: str
    formats: frozenset[str]
    rows_read: int
    rows_used: int
    set_aside: tuple[tuple[str, int, int], ...]
    tables: frozenset[str] = frozenset()
    logs: frozenset[str] = frozenset()

    @property
    def counted(self) -> tuple[Counted, ...]:
        """Itself, if it has allowed entries that were only counted."""
        rows = sum(rows for reason, rows, _ in self.set_aside if reason == ALLOWED)
        return (Counted(self.path, rows, tuple(sorted(self.logs))),) if rows else ()


def add_up(shares: Iterable[Share]) -> Ledger:
    """The ledger of all shares. Rows that a share lost are set aside as `UNACCOUNTED`: the sum always closes."""
    accounts, reasons, tables, counted = [], dict[str, list[tuple[int, str, int]]](), set[str](), list[Counted]()
    for share in sorted(shares, key=lambda share: share.path):
        tables |= share.tables
        counted += share.counted
        aside = list(share.set_aside)
        missing = share.rows_read - share.rows_used - sum(rows for _, rows, _ in aside)
        if missing:
            aside.append((UNACCOUNTED, missing, 1))
        for reason, rows, line in aside:
            reasons.setdefault(reason, []).append((rows, share.path, line))
        accounts.append(
            Account(
                path=share.path,
                format=", ".join(sorted(share.formats)) or "unknown",
                rows_read=share.rows_read,
                rows_used=share.rows_used,
                rows_set_aside=share.rows_read - share.rows_used,
            )
        )
    entries = []
    for reason, places in reasons.items():
        path, line = min((path, line) for _, path, line in places)
        entries.append(SetAside(reason, sum(rows for rows, _, _ in places), f"{path}:{line}" if line else path))
    ordered = sorted(entries, key=lambda entry: (-entry.rows, entry.reason))
    return Ledger(tuple(accounts), tuple(ordered), tuple(sorted(tables)), added(counted))


def added(counted: Iterable[Counted]) -> tuple[Counted, ...]:
    """The same with one entry for each path, in their order; when they were written is not told."""
    every: dict[str, list[Counted]] = {}
    for one in counted:
        every.setdefault(one.path, []).append(one)
    return tuple(
        Counted(path, sum(one.rows for one in each), tuple(sorted({log for one in each for log in one.logs})))
        for path, each in sorted(every.items())
    )


def together(ledgers: Iterable[Ledger]) -> Ledger:
    """One ledger of several that were added up apart.

    An input that several of them name (a file read in pieces, a table in batches) has one account.
    """
    accounts, reasons, tables = dict[str, list[Account]](), dict[str, list[SetAside]](), set[str]()
    counted: list[Counted] = []
    for ledger in ledgers:
        tables.update(ledger.tables)
        counted += ledger.counted
        for account in ledger.inputs:
            accounts.setdefault(account.path, []).append(account)
        for entry in ledger.set_aside:
            reasons.setdefault(entry.reason, []).append(entry)
    inputs = [
        Account(
            path=path,
            format=", ".join(sorted({name for each in parts for name in each.format.split(", ")} - {"unknown"}))
            or "unknown",
            rows_read=sum(each.rows_read for each in parts),
            rows_used=sum(each.rows_used for each in parts),
            rows_set_aside=sum(each.rows_set_aside for each in parts),
        )
        for path, parts in sorted(accounts.items())
    ]
    entries = [
        SetAside(reason, sum(each.rows for each in parts), min((each.first for each in parts), key=_place))
        for reason, parts in reasons.items()
    ]
    ordered = sorted(entries, key=lambda entry: (-entry.rows, entry.reason))
    return Ledger(tuple(inputs), tuple(ordered), tuple(sorted(tables)), added(counted))


def _place(first: str) -> tuple[str, int]:
    """`file:line` in an order in which line 9 comes before line 10."""
    path, colon, line = first.rpartition(":")
    return (path, int(line)) if colon and line.isdecimal() and line.isascii() else (first, 0)
