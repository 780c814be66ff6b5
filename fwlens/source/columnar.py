"""Knows how Parquet is read piece by piece, and which of its rows nobody needs to turn into texts.

Columns that no format looks at stay where they are. Texts come as numbers of a dictionary: whether a row is allowed is
asked of each word once, and only rows that may be denied become texts. A row that is wrongly taken for one of these
costs time, and nothing else.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from fwlens.source.format import ROWS, TABLE, Fault, Format, plain_name
from fwlens.source.tabular import BROKEN_PARQUET, named, texts_of

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

_MANY: Final = 1 << 19
"""So many rows are judged at once."""
_NAMING: Final = frozenset(name.casefold() for name in TABLE)
_FEW: Final = 1 << 16
"""So many rows are turned into texts at once."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows as texts (`line` is the number of the row), what could not be read, and rows that are only counted: the
    name that they give for their table, how many, and the first."""

    rows: pl.DataFrame
    faults: tuple[Fault, ...] = ()
    counted: tuple[tuple[str, int, int], ...] = ()


def pieces(
    place: str | bytes, columns: Collection[str], formats: Sequence[Format], *, with_allowed: bool
) -> Iterator[Piece]:
    """A Parquet file, by its path or as bytes, piece by piece; where it is damaged the rest is one fault.

    `columns` are those that are looked at, in small letters. Arrow reads: polars' own reader ends the whole process on
    some damaged files.
    """
    import pyarrow as pa
    from pyarrow import parquet

    at = 0
    try:
        source = pa.OSFile(place) if isinstance(place, str) else pa.BufferReader(place)
        file = parquet.ParquetFile(source)
        schema = file.schema_arrow
        if not file.metadata.num_rows or len(set(schema.names)) < len(schema.names):
            yield _texts(_whole(file.read(use_threads=False)), 0)
            return
        words = [
            field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
        ]
        wanted = [name for name in schema.names if plain_name(name) in columns] or schema.names[:1]
        folds = ROWS.casefold() in map(plain_name, wanted)
        judges = {} if with_allowed or folds else _judges(wanted, set(words), formats)
        file = parquet.ParquetFile(source, read_dictionary=words)
        size = _MANY if judges else _FEW
        for group in range(file.num_row_groups):  # a batch over several would be lost with any of them
            for batch in file.iter_batches(size, row_groups=[group], columns=wanted, use_threads=False):
                table = _whole(pa.Table.from_batches([batch]))
                yield from _judged(table, at, judges, formats)
                at += table.num_rows
    except (pa.ArrowException, OSError, ValueError):
        yield Piece(pl.DataFrame(), ((BROKEN_PARQUET, 1, at + 1),))


def _whole(table: "pa.Table") -> "pa.Table":
    table.validate(full=True)
    return table


def _judges(
    columns: Sequence[str], words: set[str], formats: Sequence[Format]
) -> dict[str, Mapping[str, frozenset[str]]]:
    """Per format the columns whose words say that a row is allowed, where rows name their table and have these."""
    naming = [name for name in columns if plain_name(name) in _NAMING]
    if not naming or not set(naming) <= words & set(TABLE):
        return {}
    found: dict[str, Mapping[str, frozenset[str]]] = {}
    for form in formats:
        by_column: dict[str, set[str]] = {}
        for literal in form.allowed:
            for column, word in json.loads(f"{{{literal}}}").items() if literal.startswith('"') else ():
                by_column.setdefault(column, set()).add(word)
        found[form.name] = {column: frozenset(some) for column, some in by_column.items() if column in words}
    return found if any(found.values()) else {}


def _judged(
    table: "pa.Table", at: int, judges: Mapping[str, Mapping[str, frozenset[str]]], formats: Sequence[Format]
) -> Iterator[Piece]:
    """Rows that may be denied as texts, a few at a time, and the others by the table that they name."""
    if not judges:
        yield _texts(table, at)
        return
    names = _tables(table, formats)
    quiet = pl.repeat(value=False, n=table.num_rows, eager=True)
    for form in formats:
        mine = [name for name in form.tables if name not in form.flowless]
        for column, words in judges.get(form.name, {}).items():
            allowed = _asked(table, column, dict.fromkeys(words, column)).is_not_null()
            quiet |= allowed & names.is_in(mine).fill_null(value=False)
    lines = pl.int_range(at + 1, at + 1 + table.num_rows, dtype=pl.UInt32, eager=True)
    counted = pl.DataFrame({"table": names, "line": lines}).filter(quiet).group_by("table")
    by_table = counted.agg(rows=pl.len(), line=pl.col("line").min()).sort("table")
    yield Piece(pl.DataFrame(), counted=tuple((name, rows, line) for name, rows, line in by_table.iter_rows()))
    loud = (~quiet).arg_true()
    for start in range(0, len(loud), _FEW):
        some = loud.slice(start, _FEW)
        yield _texts(table.take(some.to_arrow()), at, some)


def _tables(table: "pa.Table", formats: Sequence[Format]) -> pl.Series:
    """The name that each row gives for its table: the first that is known, as for any row."""
    known = {name: name for form in formats for name in form.tables}
    told = [_asked(table, name, known) for name in TABLE if name in table.column_names]
    return pl.select(table=pl.coalesce(told)).to_series()


def _asked(table: "pa.Table", column: str, words: Mapping[str, str]) -> pl.Series:
    """What each row's word in a column is told to be, null for all others; each word is asked for once."""
    parts = [pl.Series(dtype=pl.String)]
    for chunk in table.column(column).chunks:
        told = pl.Series([*(words.get(word) for word in chunk.dictionary.to_pylist()), None], dtype=pl.String)
        parts.append(told.gather(pl.Series(chunk.indices).fill_null(len(told) - 1)))
    return pl.concat(parts)


def _texts(table: "pa.Table", at: int, numbers: pl.Series | None = None) -> Piece:
    """Rows as texts, numbered from `at` on; `numbers` are their places where they are some of a crowd."""
    rows = texts_of(table, named(table.column_names))
    places = pl.int_range(len(rows), dtype=pl.UInt32, eager=True) if numbers is None else numbers.cast(pl.UInt32)
    return Piece(rows.insert_column(0, (places + (at + 1)).cast(pl.UInt32).alias("line")))
