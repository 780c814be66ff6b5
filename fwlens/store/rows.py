"""Knows what a row of each of the three tables is: flows and accounts of inputs, rules, and runs."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec
import polars as pl

from fwlens import flow
from fwlens.flow import TIME, Columns
from fwlens.store.account import Account

_NARROW: Final[Columns] = {"events": pl.Int64, "dst_port": pl.Int32}  # Delta knows no unsigned numbers
_FLOW: Final[Columns] = {
    name: _NARROW.get(name, kind if kind == TIME else pl.String) for name, kind in flow.FLOW.items()
}
_FLOWS: Final[Columns] = {
    "day": pl.String,
    "input": pl.String,
    "slot": TIME,
    **_FLOW,
    "label": pl.String,
    "mark": pl.String,
    "begin": TIME,
    "end": TIME,
    "account": pl.String,
}
RECOMMENDATIONS: Final[Columns] = {
    "run": pl.String,
    "rule": pl.String,
    "platform": pl.String,
    "layer": pl.String,
    "direction": pl.String,
    "sources": pl.List(pl.String),
    "destinations": pl.List(pl.String),
    "services": pl.List(pl.String),
    "needs": pl.List(pl.String),
    "pages": pl.List(pl.String),
    "doubts": pl.List(pl.String),
    "flows": pl.Int64,
    "events": pl.Int64,
    "first_seen": TIME,
    "last_seen": TIME,
}
RUNS: Final[Columns] = {
    "run": pl.String,
    "until": TIME,
    "since": TIME,
    "started": TIME,
    "finished": TIME,
    "state": pl.String,
    "exit": pl.Int32,
    "folder": pl.String,
    "told": pl.List(pl.String),
    "rows_read": pl.Int64,
    "rows_used": pl.Int64,
    "new": pl.Int64,
    "open": pl.Int64,
    "resolved": pl.Int64,
    "undocumented": pl.Int64,
    "answer": pl.String,
    "diff": pl.String,
    "fwlens": pl.String,
}
_TURN: Final = "\n"  # in no name of a place: these are shown as plain text
SCHEMAS: Final[dict[str, Columns]] = {"flows": _FLOWS, "recommendations": RECOMMENDATIONS, "runs": RUNS}


def digest(text: str) -> str:
    """The id of an input: what stands in predicates is hexadecimal, whatever a name is made of."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def name_of(label: str) -> str:
    """What an input is called where it lies."""
    return label.partition(_TURN)[0]


@dataclass(frozen=True, slots=True)
class Taken:
    """An input as it was read: its flows by slot (`flow.FLOW` and `slot`), and what it says of itself.

    `mark` tells whether it changed since (a file's size and times, a blob's ETag); `begin` and `end` are a window of
    arrival, or the time of a file.
    """

    label: str
    mark: str
    begin: datetime
    end: datetime
    account: Account
    slots: pl.DataFrame

    @property
    def id(self) -> str:
        """What the store calls it."""
        return digest(self.label)


@dataclass(frozen=True, slots=True)
class Kept:
    """What the store says of an input, without its flows.

    Several files may have had one name in turn: what was read of each has a label of its own.
    """

    id: str
    label: str
    mark: str
    begin: datetime
    end: datetime
    account: Account

    @property
    def name(self) -> str:
        """What the input is called where it lies."""
        return name_of(self.label)

    @property
    def turn(self) -> int:
        """Which file of this name it is, from 1 on."""
        number = self.label.partition(_TURN)[2]
        return int(number) if number.isdecimal() else 1

    @property
    def next_label(self) -> str:
        """The label of the next file of this name."""
        return f"{self.name}{_TURN}{self.turn + 1}"


@dataclass(frozen=True, slots=True)
class Run:
    """How a run ended. Times are UTC; `answer` and `diff` are its JSON, and empty where the run `failed`.

    `new`, `open`, `resolved` and `undocumented` count needs.
    """

    run: str
    until: datetime
    since: datetime
    started: datetime
    finished: datetime
    state: str
    exit: int
    folder: str
    told: tuple[str, ...]
    rows_read: int
    rows_used: int
    new: int
    open: int
    resolved: int
    undocumented: int
    answer: str
    diff: str
    fwlens: str

    @property
    def dropped(self) -> int:
        """How many needs were no longer recommended for, as the diff says: one of an earlier fwlens does not."""
        return len(self._needs.dropped)

    @property
    def unknown(self) -> int:
        """Of how many needs nothing was known, as the diff says."""
        return len(self._needs.unknown)

    @property
    def _needs(self) -> "_Needs":
        try:
            return msgspec.json.decode(self.diff or "{}", type=_Diff).needs
        except msgspec.DecodeError:
            return _Needs()


class _Needs(msgspec.Struct):
    dropped: tuple[msgspec.Raw, ...] = ()
    unknown: tuple[msgspec.Raw, ...] = ()


class _Diff(msgspec.Struct):
    needs: _Needs = msgspec.field(default_factory=_Needs)


NO_FLOWS: Final = pl.DataFrame(schema=_FLOWS)


def rows_of(one: Taken) -> pl.DataFrame:
    """The flows of an input and its account, as rows of the table."""
    said = pl.DataFrame(
        {
            "input": [one.id],
            "label": [one.label],
            "mark": [one.mark],
            "begin": [one.begin],
            "end": [one.end],
            "account": [one.account.as_json()],
        },
        {name: kind for name, kind in _FLOWS.items() if name in ("input", "label", "mark", "begin", "end", "account")},
    )
    flows = one.slots.with_columns(input=pl.lit(one.id), day=pl.col("first_seen").dt.strftime("%Y-%m-%d"))
    both = pl.concat([flows.cast(_FLOW), said], how="diagonal")  # type: ignore[arg-type]
    return both.select(*_FLOWS)
