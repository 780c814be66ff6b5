"""Knows the three Delta tables, and that a commit is whole or not there.

`flows` holds what was read, a partition for each day of `first_seen`, and beside the flows of an input a row with the
account of that input (its `day` is null). As one table has one commit, an input is done only by the commit that holds
its rows. How far a source has come is a transaction of Delta (`txn`) in the same commit: it stays through checkpoints
and the clean-up of the log, where notes on a commit do not, and of two runs that write one step Delta refuses one.
https://github.com/delta-io/delta/blob/master/PROTOCOL.md#transaction-identifiers
"""

import contextlib
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
from fwlens.errors import FwlensError
from fwlens.store.account import Account
from fwlens.store.harm import Verb, sentence
from fwlens.store.rows import NO_FLOWS, RECOMMENDATIONS, RUNS, SCHEMAS, Kept, Run, Taken, rows_of

VERSION: Final = "fwlens/1"
_REMOTE: Final = ("abfs://", "abfss://", "az://", "adl://", "azure://")
_TIDY_AFTER: Final = timedelta(days=8)


def is_remote(uri: str) -> bool:
    """Whether a store lies in a data lake and not in a folder of this machine."""
    return uri.startswith(_REMOTE)


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

    def has_flows(self) -> bool:
        """Whether anything was ever put here, and is not lost."""
        return self._table("flows") is not None

    def progress(self, source: str) -> int | None:
        """How far a source has come, as its last commit said."""
        table = self._table("flows")
        with self._told("read", "flows"):
            return table.transaction_version(source) if table else None

    def put(self, source: str, progress: int, taken: Sequence[Taken], replaced: Sequence[str] = ()) -> None:
        """Commit inputs in place of what the store has of them and of `replaced` (ids), and how far `source` is."""
        rows = pl.concat([NO_FLOWS, *(rows_of(one) for one in taken)])
        ids = sorted({*replaced, *(one.id for one in taken)})
        self._commit("flows", rows, f"input IN ({_listed(ids)})", source, progress)

    def flows(self, since: datetime) -> pl.DataFrame:
        """Flows of the slots from `since` on: `input`, `slot` and the columns of `flow.FLOW`."""
        inside = (pc.field("day") >= pa.scalar(f"{since:%Y-%m-%d}")) & (pc.field("slot") >= pa.scalar(since))
        return self._read("flows", inside, ["input", "slot", *flow.FLOW]).cast(flow.FLOW)

    def runs(self) -> tuple[Run, ...]:
        """Every run, the first one first."""
        frame = self._read("runs", None, list(RUNS)).sort("until", "run")
        return tuple(Run(**{**row, "told": tuple(row["told"] or ())}) for row in frame.iter_rows(named=True))

    def recommendations(self, run: str) -> pl.DataFrame:
        """The rules of a run, in the order of their ids."""
        return self._read("recommendations", pc.field("run") == run, list(RECOMMENDATIONS)).sort("rule")

    def recommend(self, run: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Commit the rules of a run, in place of those that it may have from an earlier attempt."""
        frame = pl.DataFrame([{**row, "run": run} for row in rows], RECOMMENDATIONS)
        self._commit("recommendations", frame, f"run = '{run}'", "fwlens/recommendations")

    def finish(self, run: Run) -> None:
        """Commit how a run ended, in place of an earlier attempt at it."""
        row = {name: getattr(run, name) for name in RUNS}
        row["told"] = list(run.told)
        self._commit("runs", pl.DataFrame([row], RUNS), f"run = '{run.run}'", "fwlens/runs")

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
            with self._told("write", name):
                table.delete(old)
                table.vacuum(int(_TIDY_AFTER / timedelta(hours=1)), dry_run=False)
                self._written(name, table)

    def _table(self, name: str) -> DeltaTable | None:
        held, options = self._tables.get(name), dict(self.options())
        if held and held[1] == options:
            return held[0]
        with self._told("read", name):
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
        with self._told("write", name):
            DeltaTable.create(
                f"{self.uri}/{name}",
                Schema.from_arrow(pl.DataFrame(schema=SCHEMAS[name]).to_arrow().schema),
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
        with self._told("write", name):
            version = (table.transaction_version(source) or 0) + 1 if progress is None else progress
            properties = CommitProperties(app_transactions=[Transaction(source, version)])
            write_deltalake(table, rows, mode="overwrite", predicate=place, commit_properties=properties)
            self._written(name, table)

    def _written(self, name: str, table: DeltaTable) -> None:
        """A table is opened again after each commit: delta-rs does not always find its own version in a lake."""
        self._versions[name] = table.version()
        self._tables.pop(name, None)

    def _read(self, name: str, inside: pc.Expression | None, columns: list[str]) -> pl.DataFrame:
        wanted = {one: SCHEMAS[name][one] for one in columns}
        table = self._table(name)
        if table is None:
            return pl.DataFrame(schema=wanted)
        with self._told("read", name):
            found = table.to_pyarrow_dataset().to_table(filter=inside, columns=columns)
            return pl.DataFrame(pl.from_arrow(found)).cast(wanted)  # type: ignore[arg-type]

    @contextlib.contextmanager
    def _told(self, verb: Verb, name: str) -> Iterator[None]:
        """What Delta and the disk say of a table, as one sentence."""
        try:
            yield
        except FwlensError:
            raise
        except CommitFailedError:
            raise FwlensError(
                f"{self.uri}: another run wrote to the store at the same time, and this one stopped. Start it again."
            ) from None
        except (DeltaError, OSError, pa.ArrowException, pl.exceptions.PolarsError, ValueError) as error:
            raise FwlensError(sentence(self.uri, name, verb, error)) from None


def _listed(ids: Sequence[str]) -> str:
    return ", ".join(f"'{one}'" for one in ids)
