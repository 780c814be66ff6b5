"""Knows which table a row belongs to, and which columns texts hold."""

from collections.abc import Sequence

import polars as pl

from fwlens.source.format import FOLDED, ROWS, Format, present


def columns_in(texts: pl.DataFrame, formats: Sequence[Format]) -> tuple[str, ...]:
    """The columns of those formats that the texts hold a column of: decoding looks for each, found or not."""
    text = pl.col("text").str
    marks = {form.name: [f'"{name}' for name in form.columns] for form in formats if form.columns}
    folded = text.contains(f'"{ROWS}"', literal=True).any()
    found = {name: text.contains_any(columns).any() for name, columns in marks.items()}
    there = texts.select(folded=folded, **found).row(0, named=True)
    columns = (name for form in formats if there.get(form.name) for name in form.columns)
    return tuple(dict.fromkeys((*columns, *(FOLDED if there["folded"] else ()))))


def with_table(raw: pl.DataFrame, formats: Sequence[Format]) -> pl.DataFrame:
    """Raw rows with the `table` they belong to: as they say, else as their columns tell, else null."""
    tables = {alias: table for form in formats for alias, table in form.tables.items()}
    named = pl.col("tables").list.eval(pl.element().replace_strict(tables, default=None, return_dtype=pl.String))
    raw = raw.with_columns(table=named.list.drop_nulls().list.first())
    if not raw["table"].null_count():
        return raw
    told = [
        pl.when(pl.all_horizontal(present(name).is_not_null() for name in columns)).then(pl.lit(table))
        for form in formats
        for table, columns in form.marks
    ]
    return raw.with_columns(table=pl.coalesce("table", *told))
