"""Knows what a log format is, and the few readings that several formats share.

Containers (`files`, `records`, `tabular`) turn every file into *raw* rows: all columns text, named as Azure names them,
plus `table` (which table a row belongs to), `time`, `resource`, `msg` and `line`. A format turns them into entries.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec
import polars as pl

from fwlens.flow import TIME

# Where a row says its table, time, resource and message, in the order they are believed.
TABLE: Final = ("Type", "category", "Category", "TableName")
TIME_NAMES: Final = ("time", "TimeGenerated")
RESOURCE: Final = ("resourceId", "_ResourceId", "ResourceId")
MESSAGE: Final = ("msg", "msg_s")
COMMON: Final = (*TABLE, *TIME_NAMES, *RESOURCE, *MESSAGE)
# What a row says that stands for many: `queries/*.kql` fold conversations where the logs lie.
ROWS: Final = "FoldedRows"
FOLDED: Final = (ROWS, "FirstSeen", "LastSeen")
NOT_DECODED: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises: no JSON, no UTF-8, nested deeper than any log."""
_ZONE: Final = r"\s*\[[^\]]*\]$"
_MOST_EVENTS: Final = 1 << 48
_MOST_ROWS: Final = 1 << 40
_MISCOUNTED: Final = "malformed: FoldedRows is no number of rows"

Fault = tuple[str, int, int]
"""Why rows are set aside, how many, and the line of the first."""

NO_FLOWS: Final = "a table without flows"
ALERT: Final = "alert: logged and not denied (its rule table has the flow)"


@dataclass(frozen=True, slots=True)
class Format:
    """One family of tables and how to read it. A value, not a class to inherit from.

    `tables` maps each table or diagnostic category to the table it means. `columns` are the raw columns it reads.
    `marks` name the table of rows that do not: the first whose columns are all there. `flowless` tables are recognised
    and counted and hold no flows. `entries` turns raw rows of these tables into `ENTRY` rows.

    `logs` says of a table (or of the format, where it has none) in which logs (`flow.log`) its flows may stand.

    `subnets` tells of denied rows which `address` lies in which named `subnet`, for formats that know.

    `allowed` and `denied` are for lines of JSON that nobody has decoded yet: a line that holds one of `allowed` and
    none of `denied` is an allowed entry. They lie between JSON quotes, where no logged value can forge them.
    """

    name: str
    tables: Mapping[str, str]
    columns: tuple[str, ...]
    entries: Callable[[pl.LazyFrame], pl.LazyFrame]
    marks: tuple[tuple[str, tuple[str, ...]], ...] = ()
    flowless: tuple[str, ...] = ()
    logs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    allowed: tuple[str, ...] = ()
    denied: tuple[str, ...] = field(default=())
    subnets: Callable[[pl.LazyFrame], pl.LazyFrame] | None = None


def paired(json_text: bytes) -> bytes:
    """The same JSON without half surrogate pairs, which msgspec refuses. Raises ValueError where it is no JSON."""
    return json.dumps(json.loads(json_text.decode("utf-8", "replace")), ensure_ascii=False).encode("utf-8", "replace")


def plain_name(column: str) -> str:
    """A column's name without the zone that the portal adds (`TimeGenerated [UTC]`), in one case."""
    return re.sub(_ZONE, "", column).casefold()


def raw_rows(frame: pl.DataFrame, columns: tuple[str, ...]) -> pl.DataFrame:
    """Texts under Azure's names as raw rows: `line`, `tables`, `time`, `resource`, `msg` and the named columns.

    `tables` lists the names that a row gives for its table. Absent columns are null. Where rows may stand for many each
    has in `stands` for how many, whether it `miscounted` (then it is one row), and `until` when they were seen.
    """
    there = {plain_name(name): name for name in reversed(frame.columns)}
    folded = ROWS.casefold() in there

    def column(name: str) -> pl.Expr:
        found = name if name in frame.columns else there.get(name.casefold())
        return (pl.col(found) if found is not None else pl.lit(None, pl.String)).alias(name)

    raw = frame.select(
        "line",
        *(column(name) for name in columns if name not in MESSAGE),
        *(map(column, FOLDED) if folded else ()),
        tables=pl.concat_list(column(name) for name in TABLE),
        time=pl.coalesce(column(name) for name in TIME_NAMES),
        resource=pl.coalesce(column(name) for name in RESOURCE),
        msg=pl.coalesce(column(name) for name in MESSAGE),
    )
    return _with_folds(raw) if folded else raw


def _with_folds(raw: pl.DataFrame) -> pl.DataFrame:
    """The columns of `FOLDED` as `time`, `until`, `stands` and `miscounted`."""
    text = present(ROWS)
    number = text.str.replace(r"\.0$", "").cast(pl.Int64, strict=False)
    sound = number.is_between(0, _MOST_ROWS).fill_null(value=False)
    first, last = present("FirstSeen"), present("LastSeen")
    return raw.with_columns(
        time=pl.coalesce(first, "time"),
        until=last,
        stands=pl.when(sound).then(number).otherwise(1).cast(pl.UInt64),
        miscounted=text.is_not_null() & ~sound,
    ).drop(FOLDED)


def rows_of(raw: pl.DataFrame) -> int:
    """For how many rows of a log raw rows stand."""
    return int(raw["stands"].sum()) if "stands" in raw.columns else raw.height


def entries_of(form: Format, raw: pl.LazyFrame) -> pl.LazyFrame:
    """Raw rows of one format as `ENTRY` rows, also those that stand for many: all formats read the two alike.

    A format hands the `line` of a row on as it is, so it carries what the row says of itself past the format. A row of
    a log is one entry at least. What was folded elsewhere has no line here: it is 0.
    """
    if "stands" not in raw.collect_schema():
        return form.entries(raw).with_columns(pl.col("rows").cast(pl.UInt64))
    stands, miscounted, until = (pl.col("line").struct.field(name) for name in ("stands", "miscounted", "until"))
    entries = form.entries(raw.with_columns(line=pl.struct("stands", "miscounted", "until")))
    return entries.with_columns(
        rows=pl.col("rows") * stands,
        events=pl.max_horizontal("events", pl.col("rows") * stands),
        last_seen=pl.max_horizontal("last_seen", when_text(until)),
        fault=pl.coalesce(pl.when(miscounted).then(pl.lit(_MISCOUNTED)), "fault"),
        line=pl.lit(0, pl.UInt32),
    )


def present(name: str) -> pl.Expr:
    """A raw column with its ways to be empty (``, `-`, `None`) as null."""
    text = pl.col(name).str.strip_chars(" \t")
    return pl.when(~text.is_in(["", "-", "None", "null"])).then(text)


def when_text(text: pl.Expr) -> pl.Expr:
    """A time as any of the logs writes it, in UTC; null for what is none. Without a zone it is UTC.

    Seen: `2023-09-06T14:33:46.8119710Z`, `2025-11-26T14:16:47.139739+00:00`, `2025-11-21 19:45:18.0766240`,
    `7/18/2025, 12:26:46.737 PM`, `8/25/2025 8:11:21.937 PM`, `06-14-2025  07:17:00`.
    """
    naive = (
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M:%S%.f",
        "%m/%d/%Y, %I:%M:%S%.f %p",
        "%m/%d/%Y %I:%M:%S%.f %p",
        "%m/%d/%Y %H:%M:%S%.f",
        "%m-%d-%Y %H:%M:%S%.f",
    )
    zoned = text.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
    return pl.coalesce(
        zoned, *(text.str.to_datetime(form, time_unit="us", time_zone="UTC", strict=False) for form in naive)
    ).cast(TIME)


def path(*names: str) -> pl.Expr:
    """The parts of a rule's place that are there, outermost first: `policy / group / collection / rule`."""
    return pl.when(pl.any_horizontal(present(name).is_not_null() for name in names)).then(
        pl.concat_str(*(present(name) for name in names), separator=" / ", ignore_nulls=True)
    )


def unprefixed(rule: pl.Expr) -> pl.Expr:
    """An NSG rule's own name: flow logs put `UserRule_` or `DefaultRule_` in front of it."""
    return rule.str.replace("^(?:UserRule|DefaultRule)_", "")


def flowless(tables: tuple[str, ...]) -> pl.Expr:
    """The fault of rows whose table holds no flows, null for others."""
    return pl.when(pl.col("table").is_in(tables)).then(pl.concat_str(pl.col("table"), pl.lit(f": {NO_FLOWS}")))


def is_true(name: str) -> pl.Expr:
    """A boolean as exports write it: `true`, `True`, `TRUE`, `1`."""
    return pl.col(name).str.to_lowercase().is_in(["true", "1"]).fill_null(False)


def count(*names: str) -> pl.Expr:
    """The sum of counters as events: at least 1, as one row is at least one log entry, and 1 for nonsense."""
    counters = (pl.col(name).cast(pl.Float64, strict=False).fill_null(0) for name in names)
    total = pl.sum_horizontal(*counters)
    return pl.when(total.is_between(1, _MOST_EVENTS)).then(total).otherwise(1).cast(pl.UInt64)
