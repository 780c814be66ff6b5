"""Knows flows that were folded before: a table with all columns of the Flow frame, as fwlens itself writes it.

Such a file is a log like any other: its rows are counted, and held to every law again, for anybody may have written it.
"""

from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from fwlens.flow import ACTIONS, CAUSES, FLOW, KEY, PLANES, UNPRINTABLE
from fwlens.ledger import Ledger
from fwlens.source.format import Format, when_text

TABLE: Final = "flows"
STRANGE: Final = "malformed: not a flow of fwlens"
_LONGEST: Final = 1000
_MOST_EVENTS: Final = 1 << 48


def is_folded(frame: pl.DataFrame) -> bool:
    """Whether a table of texts is a Flow frame: all its columns are there, by their very names."""
    return set(FLOW) <= set(frame.columns)


def _entries(raw: pl.LazyFrame) -> pl.LazyFrame:
    """A row is a log entry with the times and the number of events that it was folded with."""
    denied = pl.col("action") == "Deny"
    first, last = when_text(pl.col("first_seen")), when_text(pl.col("last_seen"))
    events = pl.col("events").cast(pl.UInt64, strict=False)
    sound = (
        pl.col("action").is_in(ACTIONS.categories.to_list())
        & pl.col("plane").is_in(PLANES.categories.to_list())
        & pl.when(denied).then(pl.col("cause").is_in(CAUSES.categories.to_list())).otherwise(pl.col("cause").is_null())
        & (first <= last)
        & events.is_between(1, _MOST_EVENTS)
    ).fill_null(value=False)
    texts = [name for name in KEY if name not in ("cause", "plane")]
    return raw.select(
        *texts,
        cause=pl.when(sound).then("cause"),
        plane=pl.when(sound).then("plane"),
        first_seen=first,
        last_seen=last,
        events=events,
        fault=pl.when(~sound).then(pl.lit(STRANGE)),
        rows=pl.lit(1, pl.UInt32),
        line="line",
    )


def origins(raw: pl.DataFrame, place: str) -> pl.DataFrame:
    """Where the first entry of each row was written (`first`), for the place where the row itself stands (`origin`)."""
    first = pl.col("origin").str.replace_all(UNPRINTABLE, "\N{REPLACEMENT CHARACTER}").str.slice(0, _LONGEST)
    here = pl.concat_str(pl.lit(place), pl.lit(":"), "line")
    return raw.select(origin=here, first=pl.when(first != "").then(first)).drop_nulls()


class _Beside(msgspec.Struct):
    rows_read: int
    rows_set_aside: int
    inputs: list[msgspec.Raw]
    faults: list[str]


def beside(path: Path) -> Path:
    """Where the ledger of a file of folded flows lies: `flows.ledger.json` for `flows.parquet`."""
    return path.with_name(f"{path.name.removesuffix('.parquet')}.ledger.json")


def told(ledger: Ledger, *, spans: bool) -> tuple[str, ...]:
    """What to say of folded files among the inputs: what they were folded from, and, where `spans` of time are asked
    for, that a row has only two times."""
    lines, seen = [], set[Path]()
    for account in ledger.inputs:
        if account.format != FORMAT.name:
            continue
        path = Path(account.path)
        places = [(beside(one), one) for one in (path, path.parent) if one.name]  # Spark writes a folder of files
        place, what = next((pair for pair in places if pair[0].is_file()), places[0])
        if place in seen:
            continue
        seen.add(place)
        try:
            was = msgspec.json.decode(place.read_bytes(), type=_Beside)
        except (OSError, ValueError):
            continue
        many = "1 fault was" if len(was.faults) == 1 else f"{len(was.faults):,} faults were"
        inputs = "1 input" if len(was.inputs) == 1 else f"{len(was.inputs):,} inputs"
        faults = f" {many} told then: flows may be missing." if was.faults else ""
        lines.append(
            f"{what}: folded from {was.rows_read:,} rows of {inputs}, of which {was.rows_set_aside:,} were "
            f"set aside ({place.name} says why).{faults}"
        )
    if spans and any(account.format == FORMAT.name for account in ledger.inputs):
        lines.append("Folded flows count at the time at which they were first seen: fold with --slot for finer times.")
    return tuple(lines)


FORMAT: Final = Format(name="folded", tables={TABLE: TABLE}, columns=tuple(FLOW), entries=_entries)
