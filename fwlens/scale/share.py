"""Knows the share of one task: blobs, lines or rows of a table in, partly folded flows and their ledger out, as Arrow.

Pure functions of their batches, without Spark: a task that is tried again gives the same rows again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import msgspec
import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]

from fwlens import source
from fwlens.flow import FLOW, KEY, Span
from fwlens.ledger import Ledger, SetAside
from fwlens.source import Flows
from fwlens.source.files import Input

BY: Final = ("share", "slot", *(name for name in KEY if name != "rule"), "folded")
"""What partly folded rows are grouped by. Rules that differ in case only are one rule, under its text in small letters:
made here, so that it is the same letter by letter as in a fold without Spark."""
COLUMNS: Final = (*BY, "first_seen", "last_seen", "events", "origin", "rule")
"""The columns of a share: a flow, or `share` and how often it is there (`events`), with all others null. Times are
microseconds of the epoch: no time zone of a session can touch them."""
TIMES: Final = ("slot", "first_seen", "last_seen")
"""The columns that are times."""
_NUMBERS: Final = dict.fromkeys((*TIMES, "events"), "bigint") | {"dst_port": "int"}
SCHEMA: Final = ", ".join(f"{name} {_NUMBERS.get(name, 'string')}" for name in COLUMNS)
"""The same in Spark's words."""
MOST: Final = (1 << 63) - 1
"""The most events that Spark's whole numbers hold."""
_ARROW: Final = pa.schema(
    [(name, {"bigint": pa.int64(), "int": pa.int32()}.get(_NUMBERS.get(name, ""), pa.string())) for name in COLUMNS]
)
_CROWD: Final = 200_000
"""So many rows of a table are read at a time: reading costs the same however few they are."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of every task.

    `names` are the places as Spark calls them with the names that a person gave; `named` are the inputs that were named
    one by one, and `alone` says that there is one only: what is wrong with them is told.
    """

    span: Span = Span()
    with_allowed: bool = False
    names: tuple[tuple[str, str], ...] = ()
    named: frozenset[str] = frozenset()
    alone: bool = False
    version: str = ""


class Told(msgspec.Struct, frozen=True):
    """What became of the rows of a batch, and what is wrong with its inputs."""

    ledger: Ledger
    faults: tuple[str, ...] = ()


def mine() -> str:
    """The version of fwlens that is installed here, empty where that cannot be told."""
    try:
        return version("fwlens")
    except PackageNotFoundError:
        return ""


def local(path: str) -> str:
    """A path that Spark listed, as one of this machine if it is one: without `file:`."""
    return f"/{path.removeprefix('file:').lstrip('/')}" if path.startswith("file:") else path


def shown(asked: Asked, path: str) -> str:
    """A path as a person knows it, beginning as it was given."""
    path = local(path)
    for theirs, given in asked.names:
        if path == theirs:
            return given
        if path.startswith(f"{theirs.rstrip('/')}/"):
            return str(Path(given, path[len(theirs.rstrip("/")) + 1 :]))
    return path


def of_blobs(asked: Asked, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The shares of whole blobs: `path` and `content`."""
    _same(asked)
    for batch in batches:
        contents = batch.column("content")
        labels = [shown(asked, path) for path in batch.column("path").to_pylist()]
        places = [
            Input(label, named=label in asked.named, fetch=partial(_blob, contents, i))
            for i, label in enumerate(labels)
        ]
        if places:
            read = source.read([], places=places, with_allowed=asked.with_allowed, span=asked.span)
            yield _share(asked, read, Told(read.ledger, _faults(asked, places, read)))


def of_lines(asked: Asked, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The shares of pieces of large blobs: `path`, `start` (the byte where the piece begins) and its lines as `value`.

    A place in it is cited as `path@start:line`, where the first whole line behind that byte is line 1.
    """
    _same(asked)
    runs = ((place, lines) for batch in batches for place, lines in _runs(batch))
    for (url, start), same in groupby(runs, key=itemgetter(0)):
        content = b"".join(b"%b\n" % line for _, lines in same for line in lines.to_pylist())
        label = shown(asked, unquote(url))
        piece = Input(f"{label}@{start}", named=True, fetch=partial(bytes, content))
        read = source.read([], places=[piece], with_allowed=asked.with_allowed, span=asked.span)
        inputs = tuple(replace(account, path=label) for account in read.ledger.inputs)
        yield _share(asked, read, Told(replace(read.ledger, inputs=inputs)))


def of_table(asked: Asked, label: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The shares of a table's rows. They have no order, so its label alone is where they stand."""
    _same(asked)
    for some in _crowds(batches):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, some[0].schema) as file:
            for batch in some:
                file.write_batch(batch)
        content = sink.getvalue()
        table = Input(label, named=True, fetch=content.to_pybytes)
        read = source.read([], places=[table], with_allowed=asked.with_allowed, span=asked.span)
        aside = tuple(SetAside(each.reason, each.rows, table.label) for each in read.ledger.set_aside)
        yield _share(asked, read, Told(replace(read.ledger, set_aside=aside)), origin=table.label)


def packed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches as cells, so that every version of Spark hands them to its driver with their types."""
    for batch in batches:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        yield pa.record_batch({"batch": pa.array([sink.getvalue().to_pybytes()], pa.binary())})


def unpacked(cells: Sequence[bytes]) -> pl.DataFrame:
    """The rows of `packed` batches, times in UTC: `flow.FLOW` in any order, with `slot` first where there are slots."""
    frames = [pl.DataFrame(pa.ipc.open_stream(cell).read_all()) for cell in cells]
    typed = [
        frame.with_columns(pl.col(pl.Datetime).dt.convert_time_zone("UTC")).with_columns(
            pl.col(name).cast(kind) for name, kind in FLOW.items()
        )
        for frame in frames
    ]
    return pl.concat(typed) if typed else pl.DataFrame(schema=FLOW)


def _same(asked: Asked) -> None:
    here = mine()
    if asked.version and here and asked.version != here:
        raise RuntimeError(f"fwlens {asked.version} asks and fwlens {here} is installed on a worker")


def _blob(contents: pa.Array, i: int) -> bytes:
    return bytes(contents[i].as_py())


def _runs(batch: pa.RecordBatch) -> Iterator[tuple[tuple[str, int], pa.Array]]:
    """The lines of each piece with its path and start: they stand together."""
    keys = list(zip(batch.column("path").to_pylist(), batch.column("start").to_pylist(), strict=True))
    at = 0
    for key, same in groupby(keys):
        rows = sum(1 for _ in same)
        yield key, batch.column("value").slice(at, rows)
        at += rows


def _crowds(batches: Iterator[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    some: list[pa.RecordBatch] = []
    for batch in batches:
        some.append(batch)
        if sum(each.num_rows for each in some) >= _CROWD:
            yield some
            some = []
    if any(each.num_rows for each in some):
        yield some


def _faults(asked: Asked, places: Sequence[Input], read: Flows) -> tuple[str, ...]:
    """What is to be told of a batch, as if all its inputs had been read together with those of all other tasks."""
    if asked.alone:
        return read.faults
    unread = any(entry.reason in source.UNREAD for entry in read.ledger.set_aside)
    if len(places) == 1 and not places[0].named and not unread:
        return ()
    return tuple(fault for fault in read.faults if any(fault.startswith(f"{place.label}: ") for place in places))


def _share(asked: Asked, read: Flows, told: Told, origin: str | None = None) -> pa.RecordBatch:
    """Flows and, as one row more, what is told, in one batch for Spark."""
    flows = read.slots if asked.span.every else read.rows.with_columns(slot=pl.lit(None, pl.Datetime("us", "UTC")))
    rows = flows.select(
        *(pl.col(name).dt.epoch("us") for name in TIMES),
        *(pl.col(name).cast(pl.String) for name in FLOW if name not in (*_NUMBERS, "origin")),
        pl.col("events").clip(upper_bound=MOST).cast(pl.Int64),
        pl.col("dst_port").cast(pl.Int32),
        pl.col("origin") if origin is None else pl.lit(origin).alias("origin"),
        folded=pl.col("rule").str.to_lowercase(),
        share=pl.lit(None, pl.String),
    )
    row = pl.DataFrame(
        {"share": [msgspec.json.encode(told).decode()], "events": [1]}, {"share": pl.String, "events": pl.Int64}
    )
    table = pl.concat([rows, row], how="diagonal").select(COLUMNS).to_arrow().cast(_ARROW)
    return table.combine_chunks().to_batches()[0]
