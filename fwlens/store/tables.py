"""Knows the three Delta tables, what a row of each is, and that a commit is whole or not there.

`flows` holds what was read, a partition for each day of `first_seen`, and beside the flows of an input a row with the
account of that input (its `day` is null). As one table has one commit, an input is done only by the commit that holds
its rows. How far a source has come is a transaction of Delta (`txn`) in the same commit: it stays through checkpoints
and the clean-up of the log, where notes on a commit do not, and of two runs that write one step Delta refuses one.
https://github.com/delta-io/delta/blob/master/PROTOCOL.md#transaction-identifiers
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from fwlens import flow
from fwlens.errors import FwlensError, one_line
from fwlens.flow import TIME, Columns
from fwlens.store.account import Account

VERSION: Final = "fwlens/1"
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
_RECOMMENDATIONS: Final[Columns] = {
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
_RUNS: Final[Columns] = {
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
_SCHEMAS: Final[dict[str, Columns]] = {"flows": _FLOWS, "recommendations": _RECOMMENDATIONS, "runs": _RUNS}
_REMOTE: Final = ("abfs://", "abfss://", "az://", "adl://", "azure://")
_FULL: Final = ("os error 28", "os error 27", "os error 122")
_TIDY_AFTER: Final = timedelta(days=8)


def is_remote(uri: str) -> bool:
    """Whether a store lies in a data lake and not in a folder of this machine."""
    return uri.startswith(_REMOTE)


def digest(text: str) -> str:
    """The id of an input: what stands in predicates is hexadecimal, whatever a name is made of."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


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
    """What the store says of an input, without its flows."""

    id: str
    label: str
    mark: str
    begin: datetime
    end: datetime
    account: Account


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


@dataclass(slots=True)
class Store:
    """The tables beneath a place. `options` gives what opens it (a token, a key); nothing of it is kept or told.

    Every method raises FwlensError where the store cannot be read or written; then nothing of that step is in it.
    """

    uri: str
    options: Callable[[], Mapping[str, str]] = field(default=dict, repr=False)
    _tables: dict[str, tuple[DeltaTable, Mapping[str, str]]] = field(default_factory=dict, repr=False)
    _versions: dict[str, int] = field(default_factory=dict, repr=False)

    def inputs(self) -> tuple[Kept, ...]:
        """Every input that is in the store, in the order of labels."""
        columns = ["input", "label", "mark", "begin", "end", "account"]
        frame = self._read("flows", pc.field("day").is_null(), columns).sort("label", "input")
        return tuple(
            Kept(row[0], row[1], row[2], row[3], row[4], Account.parse(row[5], row[1])) for row in frame.iter_rows()
        )

    def progress(self, source: str) -> int | None:
        """How far a source has come, as its last commit said."""
        table = self._table("flows")
        with self._told("read"):
            return table.transaction_version(source) if table else None

    def put(self, source: str, progress: int, taken: Sequence[Taken], replaced: Sequence[str] = ()) -> None:
        """Commit inputs in place of what the store has of them and of `replaced` (ids), and how far `source` is."""
        rows = pl.concat([_NO_FLOWS, *(_rows(one) for one in taken)])
        ids = sorted({*replaced, *(one.id for one in taken)})
        self._commit("flows", rows, f"input IN ({_listed(ids)})", source, progress)

    def flows(self, since: datetime) -> pl.DataFrame:
        """Flows of the slots from `since` on: `input`, `slot` and the columns of `flow.FLOW`."""
        inside = (pc.field("day") >= pa.scalar(f"{since:%Y-%m-%d}")) & (pc.field("slot") >= pa.scalar(since))
        return self._read("flows", inside, ["input", "slot", *flow.FLOW]).cast(flow.FLOW)

    def runs(self) -> tuple[Run, ...]:
        """Every run, the first one first."""
        frame = self._read("runs", None, list(_RUNS)).sort("until", "run")
        return tuple(Run(**{**row, "told": tuple(row["told"] or ())}) for row in frame.iter_rows(named=True))

    def recommendations(self, run: str) -> pl.DataFrame:
        """The rules of a run, in the order of their ids."""
        return self._read("recommendations", pc.field("run") == run, list(_RECOMMENDATIONS)).sort("rule")

    def recommend(self, run: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Commit the rules of a run, in place of those that it may have from an earlier attempt."""
        frame = pl.DataFrame([{**row, "run": run} for row in rows], _RECOMMENDATIONS)
        self._commit("recommendations", frame, f"run = '{run}'", "fwlens/recommendations")

    def finish(self, run: Run) -> None:
        """Commit how a run ended, in place of an earlier attempt at it."""
        row = {name: getattr(run, name) for name in _RUNS}
        row["told"] = list(run.told)
        self._commit("runs", pl.DataFrame([row], _RUNS), f"run = '{run.run}'", "fwlens/runs")

    def forget(self, day: datetime, gone: Sequence[str], runs_before: datetime) -> None:
        """Drop flows of the days before `day`, accounts of the inputs `gone`, and runs before then; tidy the files.

        What no commit needs any more is deleted from the disk after eight days, so that readers can finish.
        """
        parts = [f"day < '{day:%Y-%m-%d}'", *([f"day IS NULL AND input IN ({_listed(gone)})"] if gone else [])]
        when = f"run < '{runs_before:%Y-%m-%dT%H:%M:%SZ}'"
        for name, old in (
            ("flows", " OR ".join(f"({part})" for part in parts)),
            ("recommendations", when),
            ("runs", when),
        ):
            table = self._table(name)
            if table is None:
                continue
            with self._told("write"):
                table.delete(old)
                table.vacuum(int(_TIDY_AFTER / timedelta(hours=1)), dry_run=False)
                self._written(name, table)

    def _table(self, name: str) -> DeltaTable | None:
        held, options = self._tables.get(name), dict(self.options())
        if held and held[1] == options:
            return held[0]
        with self._told("read"):
            try:
                table = DeltaTable(f"{self.uri}/{name}", storage_options=options)
            except TableNotFoundError:
                return None
            if table.metadata().description != VERSION:
                raise FwlensError(f"{self.uri}: {name} was not written by this version of fwlens. Check --store.")
            if self._versions.setdefault(name, table.version()) != table.version():
                raise CommitFailedError  # what another has written since it was last open
            self._tables[name] = table, options
        return table

    def _made(self, name: str) -> DeltaTable:
        """The table, made where it is missing."""
        table = self._table(name)
        if table is not None:
            return table
        with self._told("write"):
            DeltaTable.create(
                f"{self.uri}/{name}",
                Schema.from_arrow(pl.DataFrame(schema=_SCHEMAS[name]).to_arrow().schema),
                mode="ignore",
                partition_by=["day"] if name == "flows" else None,
                name=name,
                description=VERSION,
                storage_options=dict(self.options()),
            )
        made = self._table(name)
        if made is None:
            raise FwlensError(f"{self.uri}: the store could not be made. Check --store.")
        return made

    def _commit(self, name: str, rows: pl.DataFrame, place: str, source: str, progress: int | None = None) -> None:
        """Rows in place of those that the predicate holds for."""
        table = self._made(name)
        with self._told("write"):
            version = (table.transaction_version(source) or 0) + 1 if progress is None else progress
            properties = CommitProperties(app_transactions=[Transaction(source, version)])
            write_deltalake(table, rows, mode="overwrite", predicate=place, commit_properties=properties)
            self._written(name, table)

    def _written(self, name: str, table: DeltaTable) -> None:
        """A table is opened again after each commit: delta-rs does not always find its own version in a lake."""
        self._versions[name] = table.version()
        self._tables.pop(name, None)

    def _read(self, name: str, inside: pc.Expression | None, columns: list[str]) -> pl.DataFrame:
        wanted = {one: _SCHEMAS[name][one] for one in columns}
        table = self._table(name)
        if table is None:
            return pl.DataFrame(schema=wanted)
        with self._told("read"):
            found = table.to_pyarrow_dataset().to_table(filter=inside, columns=columns)
            return pl.DataFrame(pl.from_arrow(found)).cast(wanted)  # type: ignore[arg-type]

    @contextlib.contextmanager
    def _told(self, verb: str) -> Iterator[None]:
        """What Delta and the disk say, as one sentence."""
        try:
            yield
        except FwlensError:
            raise
        except CommitFailedError:
            raise FwlensError(
                f"{self.uri}: another run wrote to the store at the same time, and this one stopped. Start it again."
            ) from None
        except (DeltaError, OSError, pa.ArrowException, pl.exceptions.PolarsError, ValueError) as error:
            raise FwlensError(f"{self.uri}: the store cannot be {_DONE[verb]} ({_why(error)}).") from None


_DONE: Final = {"read": "read", "write": "written"}


def _why(error: Exception) -> str:
    """The cause in a few plain words. The texts of storage libraries may quote requests, so most of it is left out."""
    text = str(error)
    if any(mark in text for mark in _FULL):
        return "No space left on device"
    first = one_line(text)
    return f"{type(error).__name__}: {first.partition('?')[0][:160]}"


def _listed(ids: Sequence[str]) -> str:
    return ", ".join(f"'{one}'" for one in ids)


_NO_FLOWS: Final = pl.DataFrame(schema=_FLOWS)


def _rows(one: Taken) -> pl.DataFrame:
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
