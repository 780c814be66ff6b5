"""Knows the files beside a page: whole tables, as CSV that no spreadsheet runs and as Parquet as they are."""

import io

import polars as pl

from fwlens.errors import FORMULA
from fwlens.flow import UNPRINTABLE
from fwlens.report.content import Beside, Sheet


def files(sheet: Sheet) -> tuple[Beside, Beside]:
    """The whole table, twice."""
    return Beside(f"{sheet.name}.csv", csv(sheet.frame)), Beside(f"{sheet.name}.parquet", parquet(sheet.frame))


def csv(frame: pl.DataFrame) -> bytes:
    """A table for spreadsheets: times as ISO 8601, no control characters, a quote before what looks like a formula."""
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    times = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Datetime)]
    safe = frame.with_columns(
        *(pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ") for name in times),
        *(pl.col(name).str.replace_all(UNPRINTABLE, " ").str.replace_all(FORMULA, "$1'$2") for name in texts),
    )
    return safe.write_csv().encode()


def parquet(frame: pl.DataFrame) -> bytes:
    """A table for programs."""
    out = io.BytesIO()
    frame.write_parquet(out)
    return out.getvalue()
