"""Knows tables: CSV in its dialects, Parquet, and the answers of the Log Analytics query API, as frames of texts."""

import contextlib
import csv
import io
import itertools
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec
import polars as pl

from fwlens.source.files import Container, Content, packed_as
from fwlens.source.format import NOT_DECODED, Fault, paired, plain_name
from fwlens.source.records import frame_of, placed, text_of

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

_SURPLUS: Final = "__over__"
_ABOVE: Final = re.compile(rb'\A[ \r\n]*(?:"?(?:#TYPE |sep=)[^\n]*\n[ \r\n]*)?')
_ELSEWHERE: Final = re.compile(r"\[(?!UTC\])[^\]]+\]$")
"""How the portal names a column of times that are not in UTC: `TimeGenerated [Local Time]`, without the offset."""
NO_ZONE: Final = "times in no known zone, taken for UTC: choose UTC where they are exported"
_DATE: Final = (
    r"^\s*(?P<first>[0-9]{1,2})(?P<mark>[/.])(?P<second>[0-9]{1,2})[/.](?P<year>[0-9]{4}),?"
    r"\s+(?P<clock>[0-9]{1,2}:[0-9]{2}:[0-9.]+)\s*(?P<half>[AaPp][Mm])?\s*$"
)
_LOOKED: Final = 100
"""In so many rows a column shows whether it holds such dates: a look at all would take as long as reading them."""
_FEW: Final = 4
"""So many separators behind a line end in one field are another row, not a text."""
TOO_MANY: Final = "malformed: more fields than the header has"
BROKEN_CSV: Final = "malformed: not CSV"
BROKEN_PARQUET: Final = "malformed: not a Parquet file"
BROKEN_ARROW: Final = "malformed: not a file of Arrow's IPC format"
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


_ANSWER: Final = msgspec.json.Decoder(_Answer)


def read_table(content: Content, marks: tuple[tuple[str, ...], ...]) -> tuple[pl.DataFrame, list[Fault]]:
    """A table in any container but Parquet, as texts."""
    if content.container is Container.ARROW:
        return read_arrow(content.data)
    if content.container is Container.ANSWER:
        return read_answer(content.data)
    if content.container is Container.PACKED:
        return pl.DataFrame(), [(f"packed: {packed_as(content.data)}; unpack it, or save it as CSV", 1, 1)]
    return read_csv(content.data, marks)


def has_marks(header: list[str], marks: tuple[tuple[str, ...], ...]) -> bool:
    """Whether a header holds all columns of one of the marks, or a column that names the table."""
    there = {plain_name(name) for name in header}
    return any(all(name.casefold() in there for name in mark) for mark in (*marks, ("Type", "TimeGenerated")))


def read_csv(data: bytes, marks: tuple[tuple[str, ...], ...]) -> tuple[pl.DataFrame, list[Fault]]:
    """CSV with a header that a format knows: `line` and its columns as texts.

    Dialects seen: the portal's (`TimeGenerated [UTC]`, `7/18/2025, 12:26:46.737 PM`), all quoted with `0`/`1`,
    touched by Excel (`TRUE`), scrubbed (`-` for empty), and `;` or tab instead of the comma. PowerShell's `#TYPE …` and
    Excel's `sep=,` may stand above the header.
    """
    before = _ABOVE.match(data)
    rest = data[before.end() :] if before else data
    above = data.count(b"\n", 0, len(data) - len(rest)) + 1
    head, _, body = rest.partition(b"\n")
    first = head[: 1 << 16].decode("utf-8", "replace").strip("\r")
    separator = max(",;\t", key=first.count)
    header = _fields(first, separator) or []
    if not has_marks(header, marks):
        rows = sum(1 for line in data.splitlines() if line.strip())
        return pl.DataFrame(), [(NO_TABLE, rows, 1)]
    names = [*named(header), _SURPLUS]
    faults: list[Fault] = []
    frame = _at_once(body, names, separator)
    if frame is None:
        frame = _line_by_line(body, names, separator, faults)
    frame = _month_first(frame.with_columns(pl.col("line") + above))
    texts = pl.all().exclude("line", _SURPLUS)
    frame = frame.filter(~pl.all_horizontal(texts.is_null()))
    surplus = frame.filter(pl.col(_SURPLUS).is_not_null())
    faults = [(reason, rows, line + above) for reason, rows, line in faults]
    faults += [(NO_ZONE, 0, above)] if any(_ELSEWHERE.search(name) for name in header) else []
    faults += [(TOO_MANY, 1, line) for line in surplus["line"]]
    return frame.filter(pl.col(_SURPLUS).is_null()).drop(_SURPLUS), faults


def _month_first(frame: pl.DataFrame) -> pl.DataFrame:
    """Dates as the portal writes them in the US. Elsewhere the day comes first, as a number above 12 in any row tells,
    or else dots or a clock of 24 hours."""
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    looked = frame.head(_LOOKED).select(pl.col(texts).str.contains(_DATE).any())
    names = [name for name in texts if looked[name].item()]
    parts = [frame.select(parts=pl.col(name).str.extract_groups(_DATE)).unnest("parts") for name in names]
    if not parts:
        return frame
    first, second = (pl.col(name).cast(pl.Int32).max().fill_null(0) for name in ("first", "second"))
    abroad = (pl.col("mark") == ".").any() | (pl.col("half").is_null() & pl.col("first").is_not_null()).any()
    day_first = pl.concat(parts).select((second <= 12) & ((first > 12) | abroad)).item()
    turned = pl.col(names).str.replace(_DATE, "${second}/${first}/${year} ${clock} ${half}").str.strip_chars_end()
    return frame.with_columns(turned) if day_first else frame


def named(header: list[str]) -> list[str]:
    """Names of a header; a repeated or empty one, or one that we need ourselves, goes by its place."""
    taken = {"", "line", _SURPLUS}
    return [name if name not in taken and header.index(name) == i else f"__{i}__" for i, name in enumerate(header)]


def _fields(line: str, separator: str) -> list[str] | None:
    """The fields of one line, or None where its quotes do not close."""
    try:
        return next(csv.reader([line], delimiter=separator, strict=True), [])
    except csv.Error:
        return None


def _at_once(body: bytes, names: list[str], separator: str) -> pl.DataFrame | None:
    """All rows with `line` counted from 1, or None where a stray quote has run rows together."""
    try:
        frame = pl.read_csv(
            _line(names, separator) + body,
            schema=dict.fromkeys(names, pl.String),
            separator=separator,
            truncate_ragged_lines=True,
        )
    except pl.exceptions.PolarsError:
        mended = body.decode("utf-8", "replace").encode()
        return _at_once(mended, names, separator) if mended != body else None
    line = pl.int_range(1, pl.len() + 1)
    if body.count(b"\n") < frame.height + body.endswith(b"\n"):
        return frame.with_columns(line=line.cast(pl.UInt32))
    # A quoted field may hold line ends: then later rows stand further down than their number says.
    row = rf"\n(?:[^\n]*?{re.escape(separator)}){{{max(len(names) - 2, _FEW)}}}"
    if frame.select(pl.any_horizontal(pl.all().str.contains(row).any())).item():
        return None
    ends = pl.sum_horizontal(pl.all().str.count_matches("\n", literal=True).fill_null(0))
    return frame.with_columns(line=(line + ends.cum_sum() - ends).cast(pl.UInt32))


def _line(names: list[str], separator: str) -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator="\n").writerow(names)
    return out.getvalue().encode()


def _line_by_line(body: bytes, names: list[str], separator: str, faults: list[Fault]) -> pl.DataFrame:
    """The slow way through a damaged file: each line for itself, the broken ones set aside."""
    rows: list[list[str | int | None]] = []
    for line, text in enumerate(body.decode("utf-8", "replace").split("\n"), start=1):
        if not text.strip():
            continue
        fields = _fields(text.rstrip("\r"), separator)
        if fields is None:
            faults.append((BROKEN_CSV, 1, line))
            continue
        padded = [field or None for field in fields[: len(names)]]
        rows.append([line, *padded, *[None] * (len(names) - len(padded))])
    return pl.DataFrame(rows, schema={"line": pl.UInt32, **dict.fromkeys(names, pl.String)}, orient="row")


def read_arrow(data: bytes) -> tuple[pl.DataFrame, list[Fault]]:
    """A file of Arrow's IPC format (Feather, and what Spark hands out): plain columns as texts, rows by number."""
    import pyarrow as pa

    return _checked(lambda: pa.ipc.open_file(pa.BufferReader(data)).read_all(), BROKEN_ARROW)


def _checked(read: "Callable[[], pa.Table]", broken: str) -> tuple[pl.DataFrame, list[Fault]]:
    """A table of Arrow, held to be whole, as texts."""
    import pyarrow as pa

    try:
        table = read()
        table.validate(full=True)
        names = named(table.column_names)
    except (pa.ArrowException, OSError, ValueError):
        return pl.DataFrame(), [(broken, 1, 1)]
    return texts_of(table, names).with_row_index("line", offset=1), []


def texts_of(table: "pa.Table", names: list[str]) -> pl.DataFrame:
    """Every plain column of a table of Arrow as text."""
    import pyarrow as pa

    texts = []
    for name, column in zip(names, table.columns, strict=True):
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("us"), safe=False)  # in UTC
        if not pa.types.is_nested(column.type):
            with contextlib.suppress(pa.ArrowException):
                if pa.types.is_dictionary(column.type):  # Arrow cannot take texts out of a dictionary of views
                    column = pa.chunked_array(
                        [part.dictionary.cast(pa.large_string()).take(part.indices) for part in column.chunks],
                        pa.large_string(),
                    )
                texts.append(pl.Series(name, column.cast(pa.large_string())))
    return pl.DataFrame(texts)


def read_answer(data: bytes) -> tuple[pl.DataFrame, list[Fault]]:
    """The tables of a query answer. A partial one is read and said to be partial; an error alone is a fault."""
    try:
        answer = _ANSWER.decode(data)
    except NOT_DECODED:
        try:
            data = paired(data)
            answer = _ANSWER.decode(data)
        except (*NOT_DECODED, ValueError):
            return pl.DataFrame(), [(BROKEN_ANSWER, 1, 1)]
    frames, faults = [], list[Fault]()
    tables = (*answer.tables, *answer.Tables)
    rows = placed(data, (row for table in tables for row in (*table.rows, *table.Rows)))
    for table in tables:
        names = named([column.name or column.ColumnName for column in (*table.columns, *table.Columns)])
        cells = []
        for line, text in itertools.islice(rows, len(table.rows) + len(table.Rows)):
            row = _cells(text, len(names))
            if row is None:
                faults.append((BROKEN_ANSWER, 1, line))
            else:
                cells.append([line, *row])
        frames.append(pl.DataFrame(cells, schema={"line": pl.UInt32, **dict.fromkeys(names, pl.String)}, orient="row"))
    if answer.error:
        code = re.sub(r"[^A-Za-z]", "", answer.error.code)[:40] or "unnamed"
        said = "the answer is partial, rows are missing" if frames else "the answer is an error, it holds no rows"
        faults.append((f"Log Analytics: {said} ({code})", 0 if frames else 1, 1))
    return pl.concat(frames, how="diagonal") if frames else frame_of([]), faults


def _cells(text: str, width: int) -> list[str | None] | None:
    """The cells of a row as texts, or None for what is no row of this table."""
    try:
        cells = json.loads(text, parse_int=str)
        return [text_of(cell) for cell in cells] if isinstance(cells, list) and len(cells) == width else None
    except (ValueError, RecursionError):
        return None
