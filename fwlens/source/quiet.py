"""Knows which lines of JSON nobody needs to decode: allowed entries, and tables without flows. Literals tell.

A literal stands between JSON quotes, where no logged value can forge it. What is quiet is only counted, by the table
that it names; a line that may be a denial, stands for many rows, or is not whole, is loud and will be decoded. So a
line that is wrongly loud costs time, and nothing else.
"""

import re
from collections.abc import Sequence
from typing import Final

import polars as pl

from fwlens.source.format import ROWS, Format
from fwlens.source.records import NESTED

_MARK: Final = r'"(?:category|Type)": ?"'
_NAME: Final = r'[A-Za-z_]+"'
_LONGEST: Final = 64


def judged(
    lines: pl.LazyFrame, head: bytes, formats: Sequence[Format], *, with_allowed: bool
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Lines to decode (`line`, `text`), and the others by the table that they name (`table`, `rows`, first `line`).

    `head` is how the lines begin: what their writer puts between keys and values, and which literals are worth a look.
    """
    text, table = pl.col("text"), pl.col("table")
    denied = "|".join(
        map(re.escape, [*(text for form in formats for text in _spaced(form.denied)), *NESTED, f'"{ROWS}"'])
    )
    allowed = [text for form in formats for text in _spaced(form.allowed) if text.encode() in head]
    tables = [name for form in formats for name in form.tables]
    flowless = [name for form in formats for name in form.flowless]
    whole = (
        text.str.starts_with("{")
        & text.str.ends_with("}")
        & (text.str.count_matches("{", literal=True) == text.str.count_matches("}", literal=True))
        & ~text.str.contains(denied)
    )
    is_allowed = pl.any_horizontal(pl.lit(False), *(text.str.contains(each, literal=True) for each in allowed))
    named = pl.when(whole).then(_table(head))
    kinds = lines.with_columns(table=named).with_columns(
        quiet=(table.is_in(flowless) | (table.is_in(tables) & is_allowed & (not with_allowed))).fill_null(False)
    )
    loud = kinds.filter(~pl.col("quiet") & (text.str.strip_chars() != "")).select("line", "text")
    quiet = kinds.filter("quiet").group_by("table").agg(rows=pl.len(), line=pl.col("line").min())
    found = pl.collect_all([loud, quiet], engine="streaming")
    return found[0], found[1].sort("table")


def _spaced(literals: Sequence[str]) -> list[str]:
    """Literals with and without a blank behind the colon."""
    return sorted({spaced for text in literals for spaced in (text, text.replace('":"', '": "'))})


def _table(head: bytes) -> pl.Expr:
    """The first table that a line names, or null. Where all lines begin alike a search and a slice take the place of a
    pattern: a fifth of the time."""
    text = pl.col("text")
    marks = set(re.findall(f"{_MARK}(?={_NAME})".encode(), head))
    if len(marks) != 1:
        return text.str.extract(f"{_MARK}({_NAME})").str.strip_suffix('"')
    mark = marks.pop().decode()
    # A slice counts characters and a search bytes: behind a longer character it is beside the mark, and the line loud.
    found = text.str.slice(text.str.find(mark, literal=True), len(mark) + _LONGEST)
    name = found.str.strip_prefix(mark).str.splitn('"', 2).struct.field("field_0")
    return pl.when(found.str.starts_with(mark)).then(name)
