"""Knows tables: CSV in its dialects, Parquet, and the answers of the Log Analytics query API, as frames of texts."""

import csv
import io
import re
from typing import Final

import msgspec
import polars as pl

from fwlens.source.format import Fault, plain_name
from fwlens.source.records import frame_of, placed, text_of

_SURPLUS: Final = "__over__"
TOO_MANY: Final = "malformed: more fields than the header has"
BROKEN_CSV: Final = "malformed: not CSV"
BROKEN_PARQUET: Final = "malformed: not a Parquet file"
NO_TABLE: Final = "no log: neither JSON, CSV nor Parquet of a known table"
BROKEN_ANSWER: Final = "malformed: not an answer of the Log Analytics query API"


class _Column(msgspec.Struct):
    name: str = ""
    ColumnName: str = ""


class _Table(msgspec.Struct):
    columns: list[_Column] = []
    rows: list[msgspec.Raw] = []
    Columns: list[_Column] = []
    Rows: list[msgspec.Raw] = []


class _Error(msgspec.Struct):
    code: str = ""
    message: str = ""


class _Answer(msgspec.Struct):
    """https://learn.microsoft.com/azure/azure-monitor/logs/api/response-format (and Data Explorer's older spelling)."""

    tables: list[_Table] = []
    Tables: list[_Table] = []
    error: _Error | None = None


def has_marks(header: list[str], marks: tuple[tuple[str, ...], ...]) -> bool:
    """Whether a header holds all columns of one of the marks, or a column that names the table."""
    there = {plain_name(name) for name in header}
    return any(all(name.casefold() in there for name in mark) for mark in (*marks, ("Type", "TimeGenerated")))


def read_csv(data: bytes, marks: tuple[tuple[str, ...], ...]) -> tuple[pl.DataFrame, list[Fault]]:
    """CSV with a header that a format knows: `line` and its columns as texts.

    Dialects seen: the portal's (`TimeGenerated [UTC]`, `7/18/2025, 12:26:46.737 PM`), all quoted with `0`/`1`,
    touched by Excel (`TRUE`), scrubbed (`-` for empty), and `;` or tab instead of the comma.
    """
    head, _, body = data.partition(b"\n")
    first = head[: 1 << 16].decode("utf-8", "replace").strip()
    separator = max(",;\t", key=first.count)
    header = next(csv.reader([first], delimiter=separator), [])
    if not has_marks(header, marks):
        rows = sum(1 for line in data.splitlines() if line.strip())
        return pl.DataFrame(), [(NO_TABLE, rows, 1)]
    names = [*(_unique(header)), _SURPLUS]
    faults: list[Fault] = []
    try:
        frame = pl.read_csv(
            _line(names, separator) + body,
            schema=dict.fromkeys(names, pl.String),
            separator=separator,
            truncate_ragged_lines=True,
        )
    except pl.exceptions.PolarsError:
        frame = _line_by_line(body, names, separator, faults)
    else:
        # A quoted field may hold line ends: then later rows stand further down than their number says.
        breaks = pl.sum_horizontal(pl.all().str.count_matches("\n", literal=True).fill_null(0))
        many = body.count(b"\n") > frame.height + 1
        before = breaks.cum_sum() - breaks if many else pl.lit(0)
        frame = frame.with_columns(line=(pl.int_range(pl.len()) + 2 + before).cast(pl.UInt32))
    texts = pl.all().exclude("line", _SURPLUS)
    frame = frame.filter(~pl.all_horizontal(texts.is_null()))
    surplus = frame.filter(pl.col(_SURPLUS).is_not_null())
    faults += [(TOO_MANY, 1, line) for line in surplus["line"]]
    return frame.filter(pl.col(_SURPLUS).is_null()).drop(_SURPLUS), faults


def _unique(header: list[str]) -> list[str]:
    """Names of a header, a repeated or empty one by its place."""
    return [name if name and header.index(name) == i else f"__{i}__" for i, name in enumerate(header)]


def _line(names: list[str], separator: str) -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator="\n").writerow(names)
    return out.getvalue().encode()


def _line_by_line(body: bytes, names: list[str], separator: str, faults: list[Fault]) -> pl.DataFrame:
    """The slow way through a damaged file: each line for itself, the broken ones set aside."""
    rows: list[list[str | int | None]] = []
    for line, text in enumerate(body.decode("utf-8", "replace").splitlines(), start=2):
        if not text.strip():
            continue
        try:
            fields = next(csv.reader([text], delimiter=separator, strict=True))
        except csv.Error:
            faults.append((BROKEN_CSV, 1, line))
            continue
        padded: list[str | int | None] = [*fields[: len(names)], *[None] * (len(names) - len(fields))]
        rows.append([line, *padded])
    return pl.DataFrame(rows, schema={"line": pl.UInt32, **dict.fromkeys(names, pl.String)}, orient="row")


def read_parquet(data: bytes) -> tuple[pl.DataFrame, list[Fault]]:
    """A Parquet file with every plain column as text; `line` is the number of the row."""
    try:
        frame = pl.read_parquet(io.BytesIO(data))
    except (pl.exceptions.PolarsError, OSError):
        return pl.DataFrame(), [(BROKEN_PARQUET, 1, 1)]
    texts = []
    for name, dtype in frame.schema.items():
        column = pl.col(name)
        if isinstance(dtype, pl.Datetime):
            column = column.dt.convert_time_zone("UTC") if dtype.time_zone else column
            texts.append(column.dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ"))
        elif not dtype.is_nested():
            texts.append(column.cast(pl.String))
    return frame.select(*texts).with_row_index("line", offset=1), []


def read_answer(data: bytes) -> tuple[pl.DataFrame, list[Fault]]:
    """The tables of a query answer. A partial one is read and said to be partial; an error alone is a fault."""
    try:
        answer = msgspec.json.decode(data, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return pl.DataFrame(), [(BROKEN_ANSWER, 1, 1)]
    frames, faults = [], list[Fault]()
    for table in (*answer.tables, *answer.Tables):
        names = _unique([column.name or column.ColumnName for column in (*table.columns, *table.Columns)])
        rows = []
        for line, text in placed(data, (*table.rows, *table.Rows)):
            cells = msgspec.json.decode(text)
            if not isinstance(cells, list) or len(cells) != len(names):
                faults.append((BROKEN_ANSWER, 1, line))
                continue
            rows.append([line, *map(text_of, cells)])
        frames.append(pl.DataFrame(rows, schema={"line": pl.UInt32, **dict.fromkeys(names, pl.String)}, orient="row"))
    if answer.error:
        code = re.sub(r"[^A-Za-z]", "", answer.error.code)[:40] or "unnamed"
        said = "the answer is partial, rows are missing" if frames else "the answer is an error, it holds no rows"
        faults.append((f"Log Analytics: {said} ({code})", 0 if frames else 1, 1))
    if not frames:
        return frame_of([]), faults
    return pl.concat(frames, how="diagonal"), faults
