"""Knows what is listed otherwise than logs show it: the conversations that have no rule, as a crowd."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

import polars as pl

from fwlens.answer import destination
from fwlens.document.shape import Listed
from fwlens.errors import plain
from fwlens.flow import Columns, service
from fwlens.verify.evidence import MOST

_WHO: Final = ("src_ip", "destination", "service", "direction", "plane", "cause")
_TIMES: Final = ("first_seen", "last_seen")
_SAID: Final[Columns] = {**dict.fromkeys((*_WHO, *_TIMES), pl.String), "events": pl.Int64}
_PIECE: Final = 20_000
_ISO: Final = "%Y-%m-%dT%H:%M:%S%.6fZ"


def misread(listed: Iterator[Listed], here: pl.DataFrame, *, whole: bool) -> Iterator[str]:
    """What is wrong with a list, the first of it. `here` are the MATCHED rows that it should be of; where they are not
    all the answer's (`whole`) it may leave out some, and say less of others."""
    says = pl.concat([pl.DataFrame(schema=_SAID), *_pieces(listed)])
    holds = here.select(
        pl.col("src_ip"),
        destination().alias("destination"),
        service(pl.col("protocol"), pl.col("dst_port")).alias("service"),
        *(pl.col(name).cast(pl.String) for name in ("direction", "plane", "cause")),
        pl.col("events").cast(pl.Int64),
        *_TIMES,
    )
    is_said = {name: not says[name].null_count() for name in says.columns}
    who = [name for name in _WHO if is_said[name] or name == "destination"]
    compared = ["rows", *(name for name in ("events", *_TIMES) if is_said[name])]
    compared += [f"every {name}" for name in _TIMES if is_said[name]]
    told, shown = _folded(says.with_columns(map(_time, _TIMES)), who), _folded(holds, who)
    both = told.join(shown, on=who, how="full", coalesce=True, nulls_equal=True, suffix=" here")
    is_strange = pl.col("rows here").is_null()
    differs = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name} here")) for name in compared)
    wrong = both.filter(differs if whole else is_strange).sort(*who, nulls_last=True)
    for row in wrong.head(MOST).iter_rows(named=True):
        yield _told(row, who, compared)
    if wrong.height > MOST:
        yield f"and {wrong.height - MOST:,} more"


def _pieces(listed: Iterator[Listed]) -> Iterator[pl.DataFrame]:
    while some := list(islice(listed, _PIECE)):
        yield pl.DataFrame({name: [getattr(each, name) for each in some] for name in _SAID}, schema=_SAID)


def _time(name: str) -> pl.Expr:
    """A text as a time, in UTC where it names no zone; null for what is none."""
    text = pl.col(name).str
    naive = text.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False).dt.replace_time_zone("UTC")
    return pl.coalesce(text.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False), naive)


def _folded(rows: pl.DataFrame, who: Sequence[str]) -> pl.DataFrame:
    """One row for all that look alike, with times as JSON has them, and with what any other time would change."""
    first, last = pl.col("first_seen").min(), pl.col("last_seen").max()
    every = (pl.col(name).to_physical().sum().alias(f"every {name}") for name in _TIMES)
    folded = rows.group_by(who).agg(pl.len().alias("rows"), pl.col("events").sum(), first, last, *every)
    return folded.with_columns(pl.col(*_TIMES).dt.strftime(_ISO))


def _told(row: dict[str, object], who: Sequence[str], compared: Sequence[str]) -> str:
    beside = ", ".join(str(row[name]) for name in ("direction", "plane", "cause") if name in who)
    what = plain(f"{row['src_ip']} to {row['destination'] or 'an unknown host'} over {row['service']} ({beside})")
    if row["rows here"] is None:
        return f"it names {what}, which is not"
    if row["rows"] is None:
        return f"it leaves out {what}"
    if row["rows"] != row["rows here"]:
        return f"{what} is there {row['rows']:,} times, and these logs show {row['rows here']:,}"
    name = next(name for name in compared if row[name] != row[f"{name} here"])
    if name.startswith("every "):
        return f"a {name.removeprefix('every ')} of {what} is another than these logs show"
    return f"{name} of {what} is {row[name] or 'no time'}, and these logs show {row[f'{name} here']}"
