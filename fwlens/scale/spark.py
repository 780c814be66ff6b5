"""Knows how Spark folds logs: it reads blobs and tables, each task folds its share, and `groupBy` folds the shares.

Blobs come through Spark's `binaryFile` source, because that reads wherever Spark reads (`abfss:`, volumes, lakehouses,
local folders) with the credentials that Spark has: https://spark.apache.org/docs/latest/sql-data-sources-binaryFile.html
It packs small blobs into a task by their sizes (`spark.sql.files.maxPartitionBytes`, 128 MB) and splits none; a larger
one is read in pieces, by its lines.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import TYPE_CHECKING, Final

import msgspec
import polars as pl

from fwlens import flow, source
from fwlens.errors import FwlensError, one_line
from fwlens.flow import CAUSES, FLOW, KEY, Span
from fwlens.ledger import Ledger, Share, add_up, together
from fwlens.scale import share
from fwlens.scale.listing import EXPORT, Listing, blobs, label_of, listed, spelled
from fwlens.scale.share import Asked, Told
from fwlens.source.format import plain_name

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

PIECE: Final = 128 << 20
"""A blob with more bytes is read in pieces if its name says that it has lines."""
WHOLE: Final = 512 << 20
"""A blob with more bytes that has no lines to split it at is not read: a task would need several times its size."""
_LINES: Final = (".json", ".jsonl", ".ndjson", ".log", ".txt")
_TOO_LARGE: Final = f"larger than {WHOLE >> 20} MB and not splittable by lines"
_INSTALL: Final = "%pip install fwlens in the first cell of a notebook, or as a library of the cluster"
_SAID: Final = 400


@dataclass(frozen=True, slots=True)
class Folded:
    """What Spark folded: `rows` in the order of `flow.fold` (times are timestamps, `events` is a long), the ledger of
    all inputs, faults to tell, and the service-tag files that lay among the logs.

    With slots each row has the begin of its slot in `slot`. The rows are held by Spark; `rows.unpersist()` lets go.
    """

    rows: "DataFrame"
    ledger: Ledger
    faults: tuple[str, ...] = ()
    service_tags: tuple[str, ...] = ()


def flows(
    spark: "SparkSession",
    logs: "str | Sequence[str] | DataFrame",
    *,
    with_allowed: bool = False,
    span: Span = Span(),
    label: str = "table",
) -> Folded:
    """Fold logs on Spark: paths, folders and globs that Spark can open, or a table with Azure's column names.

    `label` names the table in the ledger and as the origin of its flows. Raises FwlensError where Spark fails; what is
    wrong with single inputs is told in `faults`, and all others are read.
    """
    asked = Asked(span, with_allowed, version=share.mine())
    try:
        if isinstance(logs, str):
            return of_listing(spark, listed(spark, [logs], asked))
        if isinstance(logs, Sequence):
            return of_listing(spark, listed(spark, logs, asked))
        return _of_table(logs, asked, label)
    except _failures() as error:
        raise FwlensError(_why(str(error))) from None


def fetched(folded: Folded) -> pl.DataFrame:
    """The flows as a frame on the driver, as if folded there: `flow.FLOW`, with `slot` first where asked for."""
    cells = [bytes(row["batch"]) for row in folded.rows.mapInArrow(share.packed, "batch binary").collect()]
    rows = share.unpacked(cells)
    if "slot" not in folded.rows.columns:
        return flow.fold(rows)
    return flow.fold(rows if cells else rows.insert_column(0, pl.lit(None, flow.TIME).alias("slot")), "slot")


def write(folded: Folded, place: str) -> None:
    """Write the flows with Spark, as a folder of Parquet files. Raises FwlensError where something is there."""
    try:
        folded.rows.write.parquet(place)
    except _failures() as error:
        raise FwlensError(_why(str(error))) from None


def _of_table(table: "DataFrame", asked: Asked, label: str) -> Folded:
    from pyspark.sql.types import StructType

    inner = next((field for field in table.schema.fields if field.name == "properties"), None)
    if inner is not None and isinstance(inner.dataType, StructType):  # as storage and Event Hub write records
        there = {name.casefold() for name in table.columns}
        names = [field.name for field in inner.dataType.fields if field.name.casefold() not in there]
        table = table.select("*", *(f"properties.`{name}`" for name in names)).drop("properties")
    known = [name for name in table.columns if "`" not in name and plain_name(name) in source.COLUMNS]
    if not known:
        raise FwlensError(f"{label}: the table has no column that fwlens knows. {EXPORT}")
    columns = table.select(*(f"`{name}`" for name in known))
    parts = columns.mapInArrow(partial(share.of_table, asked, label), share.SCHEMA)
    rows, ledger, faults = _folded(parts, asked)
    if not any(account.format != "unknown" for account in ledger.inputs):
        faults = (*faults, f"{label}: holds no log that fwlens knows. {EXPORT}")
    return Folded(rows, ledger, faults)


def of_listing(spark: "SparkSession", listing: Listing) -> Folded:
    """Fold what was listed; what cannot be read then is missed, and told."""
    asked = listing.asked
    try:
        rows, ledger, faults = _folded(_parts(spark, listing), asked)
    except _failures() as error:
        raise FwlensError(_why(str(error))) from None
    seen = {account.path for account in ledger.inputs}
    labels = {label_of(share.shown(asked, path)): size for path, size in listing.sizes}
    lost, shares = list(listing.faults), list(listing.shares)
    for path in sorted(set(labels) - seen):
        large = labels[path] > WHOLE
        shares.append(Share(path, frozenset(), 0, 0, ((_TOO_LARGE if large else source.FORBIDDEN, 0, 1),)))
        way_out = "Split it, or read it with fwlens recommend." if large else "Check that it is whole and still there."
        lost.append(f"{path}: {'is ' + _TOO_LARGE if large else 'Spark cannot read it'}. {way_out}")
    ledger = together([ledger, add_up(shares)])
    faults = (*faults, *lost)
    formats = {name for account in ledger.inputs for name in account.format.split(", ")}
    if not faults and not formats - {"unknown", source.TAGS}:
        faults = (f"None of these {len(ledger.inputs)} files holds a log that fwlens knows. {EXPORT}",)
    tags = tuple(account.path for account in ledger.inputs if source.TAGS in account.format.split(", "))
    return Folded(rows, ledger, tuple(sorted(faults)), tags)


def _parts(spark: "SparkSession", listing: Listing) -> "DataFrame":
    """The shares of all tasks: of blobs, and of pieces of large ones."""
    from pyspark.sql import functions as sql

    in_lines = [path for path, size in listing.sizes if size > PIECE and path.lower().endswith(_LINES)]
    whole = [path for path, size in listing.sizes if PIECE < size <= WHOLE and path not in set(in_lines)]
    parts = [spark.createDataFrame([], share.SCHEMA)]
    fold = partial(share.of_blobs, listing.asked)
    if any(size <= PIECE for _, size in listing.sizes):
        small = blobs(spark, listing.paths).where(sql.col("length") <= PIECE).select("path", "content")
        parts.append(small.mapInArrow(fold, share.SCHEMA))
    if whole:
        parts.append(blobs(spark, [*map(share.local, whole)]).select("path", "content").mapInArrow(fold, share.SCHEMA))
    if in_lines:
        lines = spark.read.option("lineSep", "\n").text([spelled(share.local(path)) for path in in_lines])
        pieces = lines.select(
            sql.col("_metadata.file_path").alias("path"),
            sql.col("_metadata.file_block_start").alias("start"),
            sql.col("value").cast("binary").alias("value"),
        )
        parts.append(pieces.mapInArrow(partial(share.of_lines, listing.asked), share.SCHEMA))
    return reduce(lambda one, other: one.unionByName(other), parts)


def _folded(parts: "DataFrame", asked: Asked) -> "tuple[DataFrame, Ledger, tuple[str, ...]]":
    """The shares folded by Spark, read once for flows and ledger."""
    from pyspark.sql import functions as sql

    most = sql.lit(share.MOST)
    folded = _held(
        parts.groupBy(*share.BY).agg(
            sql.min("first_seen").alias("first_seen"),
            sql.max("last_seen").alias("last_seen"),
            sql.coalesce(sql.try_sum("events"), most).alias("events"),
            sql.min("origin").alias("origin"),
            sql.min("rule").alias("rule"),
        )
    )
    told = folded.where(sql.col("share").isNotNull()).select("share", "events").collect()
    shares = [(msgspec.json.decode(row["share"], type=Told), int(row["events"])) for row in told]
    ledger = together(each.ledger for each, copies in shares for _ in range(copies))
    faults = tuple(dict.fromkeys(fault for each, _ in shares for fault in each.faults))
    flows = folded.where(sql.col("share").isNull()).orderBy(*_order())
    cells = [_cell(name) for name in (("slot", *FLOW) if asked.span.every else FLOW)]
    return flows.select(*cells), ledger, faults


def _cell(name: str) -> "Column":
    from pyspark.sql import functions as sql

    return sql.timestamp_micros(name).alias(name) if name in share.TIMES else sql.col(name)


def _order() -> "list[Column]":
    """The total order of `flow.fold`: causes in their own order, what is missing last."""
    from pyspark.sql import functions as sql

    rank = sql.when(sql.lit(False), -1)
    for i, cause in enumerate(CAUSES.categories):
        rank = rank.when(sql.col("cause") == cause, i)
    names = ("slot", *(name for name in KEY if name != "rule"), "folded")
    return [(rank if name == "cause" else sql.col(name)).asc_nulls_last() for name in names]


def _held(folded: "DataFrame") -> "DataFrame":
    """The folded shares, kept by Spark so that no log is read twice. A serverless Databricks keeps none:
    https://learn.microsoft.com/azure/databricks/compute/serverless/limitations."""
    from pyspark.errors import PySparkException

    try:
        return folded.persist()
    except PySparkException:
        return folded


def _failures() -> tuple[type[Exception], ...]:
    """What Spark raises."""
    from py4j.protocol import Py4JError  # type: ignore[import-untyped]
    from pyspark.errors import PySparkException

    return PySparkException, Py4JError


def _why(text: str) -> str:
    """What Spark says of a failure, in one sentence with the way out."""
    if found := re.search(r"No module named '([A-Za-z0-9_.]+)'", text):
        return f"Spark's workers have no {found[1]}: install fwlens on them too ({_INSTALL})."
    if found := re.search(r"fwlens [0-9a-z.+]+ asks and fwlens [0-9a-z.+]+ is installed on a worker", text):
        return f"{found[0]}: install the same version on both ({_INSTALL})."
    if lines := re.findall(r"^[A-Za-z_.]+(?:Error|Exception): .+", text, re.MULTILINE):
        text = lines[-1]
    said = one_line(text)
    return f"Spark could not do it: {said[:_SAID]}{'…' if len(said) > _SAID else ''}"
