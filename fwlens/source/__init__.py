"""Logs become flows. `read` is the one door; `FORMATS` is the table to extend.

Files are read two at a time and folded one by one, so that memory follows the largest file and the number of distinct
conversations, never the total size.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import IO, Final

import polars as pl

from fwlens import flow
from fwlens.ledger import Ledger, Share, add_up
from fwlens.source import azdiag, azfw, files, flowlog, records, tabular, traffic
from fwlens.source.files import Container, Content, Input
from fwlens.source.format import ALLOWED, Fault, Format, raw_rows

FORMATS: Final = (azfw.FORMAT, azdiag.FORMAT, flowlog.FORMAT, traffic.FORMAT)

_TABLES: Final = {alias: table for form in FORMATS for alias, table in form.tables.items()}
_COLUMNS: Final = tuple(dict.fromkeys(name for form in FORMATS for name in form.columns))
_MARKS: Final = tuple(mark for form in FORMATS for _, mark in form.marks) + (("msg_s",),)
_UNKNOWN: Final = "no known table of Azure Firewall, NSG or VNet flow logs"
_EMPTY: Final = "empty file"
_WORKERS: Final = 2
_MERGE_AT: Final = 2_000_000

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Flows:
    """What was read: folded flows (`flow.FLOW`), the ledger, service-tag files found by the way, and faults to tell."""

    rows: pl.DataFrame
    ledger: Ledger
    service_tags: tuple[tuple[str, bytes], ...] = ()
    faults: tuple[str, ...] = ()


@dataclass(slots=True)
class _Reading:
    """One file on its way: what was read, used and set aside so far."""

    place: Input
    flows: list[pl.DataFrame] = field(default_factory=list)
    formats: set[str] = field(default_factory=set)
    set_aside: list[Fault] = field(default_factory=list)
    rows_read: int = 0
    rows_used: int = 0
    service_tags: bytes | None = None
    fault: str = ""

    def share(self) -> Share:
        aside = self.set_aside
        return Share(self.place.path, frozenset(self.formats), self.rows_read, self.rows_used, tuple(aside))

    def lose(self, faults: Iterable[Fault]) -> None:
        """Rows that the container could not give."""
        for fault in faults:
            self.rows_read += fault[1]
            self.set_aside.append(fault)

    def take(self, form: Format, raw: pl.LazyFrame, *, with_allowed: bool) -> None:
        """Raw rows of one format, folded, conformed and counted."""
        entries = form.entries(raw)
        if not with_allowed:
            allowed = pl.when(pl.col("action") == "Allow").then(pl.lit(ALLOWED))
            entries = entries.with_columns(fault=pl.coalesce("fault", allowed))
        good, bad = flow.conform(flow.fold_entries(entries).collect(engine="streaming"), self.place.path)
        self.formats.add(form.name)
        self.rows_used += int(good["rows"].sum())
        self.flows.append(flow.fold(good))
        reasons = bad.group_by("reason").agg(pl.col("rows").sum(), pl.col("line").min()).sort("reason")
        self.set_aside += reasons.select("reason", "rows", "line").rows()


def read(
    paths: Iterable[str],
    *,
    with_allowed: bool = False,
    stdin: IO[bytes] | None = None,
    progress: Progress | None = None,
) -> Flows:
    """Read every log behind the paths (files, folders, globs, `-`) into folded flows and a ledger that closes.

    Allowed entries are only counted unless `with_allowed`. `progress` is called with each path when it is done. Raises
    FwlensError for a folder without files; all other faults are in the answer, and the rest is read.
    """

    def one(place: Input) -> _Reading:
        reading = _read_input(place, stdin, with_allowed=with_allowed)
        if progress:
            progress(place.path)
        return reading

    places = list(files.inputs(paths))
    shares, faults, tags, parts = [], [], [], [flow.empty()]
    with ThreadPoolExecutor(_WORKERS) as pool:
        for reading in pool.map(one, places):
            shares.append(reading.share())
            parts += reading.flows
            if sum(part.height for part in parts) > _MERGE_AT + 2 * parts[0].height:
                parts = [flow.fold(pl.concat(parts))]
            if reading.service_tags:
                tags.append((reading.place.path, reading.service_tags))
            if reading.fault and (reading.place.named or len(places) == 1):
                faults.append(reading.fault)
    return Flows(flow.fold(pl.concat(parts)), add_up(shares), tuple(sorted(tags)), tuple(faults))


def _read_input(place: Input, stdin: IO[bytes] | None, *, with_allowed: bool) -> _Reading:
    reading = _Reading(place)
    try:
        content = files.load(place, stdin)
    except OSError as error:
        reading.fault = f"{place.path}: cannot be read ({error.strerror or error}). Check the path and its permissions."
        reading.set_aside.append(("cannot be read", 0, 1))
        return reading
    if content.container is Container.SERVICE_TAGS:
        reading.service_tags = content.data
        reading.formats.add("service-tags")
        return reading
    _read_content(reading, content, with_allowed=with_allowed)
    if content.torn:
        reading.lose([(content.torn, 1, content.data.count(b"\n") + 1)])
    if not reading.formats:
        what = "is empty" if content.container is Container.EMPTY else "holds no log that fwlens knows"
        reading.fault = f"{place.path}: {what}. Export Azure Firewall, NSG or VNet flow logs as JSON, CSV or Parquet."
    return reading


def _read_content(reading: _Reading, content: Content, *, with_allowed: bool) -> None:
    match content.container:
        case Container.EMPTY:
            reading.set_aside.append((_EMPTY, 0, 1))
        case Container.JSON_LINES:
            try:
                _read_lines(reading, records.lines(content, reading.place.path), with_allowed=with_allowed)
            except pl.exceptions.ComputeError:
                content = records.mended(content, reading.place.path)
                _read_lines(reading, records.lines(content, reading.place.path), with_allowed=with_allowed)
        case Container.DOCUMENT | Container.VALUES:
            blob = flowlog.decode_blob(content.data)
            if blob is not None:
                _read_flow_log(reading, [(record, 1) for record in blob], content.data, with_allowed=with_allowed)
                return
            texts, faults = records.cut(content.data)
            reading.lose(faults)
            _read_texts(reading, texts, with_allowed=with_allowed)
        case _:
            frame, faults = _table_of(content)
            reading.lose(faults)
            if frame.width:
                _read_rows(reading, frame, with_allowed=with_allowed)


def _table_of(content: Content) -> tuple[pl.DataFrame, list[Fault]]:
    if content.container is Container.PARQUET:
        return tabular.read_parquet(content.data)
    if content.container is Container.ANSWER:
        return tabular.read_answer(content.data)
    return tabular.read_csv(content.data, _MARKS)


def _read_lines(reading: _Reading, lines: pl.LazyFrame, *, with_allowed: bool) -> None:
    """JSON Lines: whole lines are judged by literals first, and only those that may be a denial are decoded."""
    text = pl.col("text")
    whole = text.str.starts_with("{") & text.str.ends_with("}")
    denied = text.str.contains_any(_literals("denied"))
    flowless = text.str.contains_any(
        [f'"{key}":{blank}"{table}"' for key in ("category", "Type") for blank in ("", " ") for table in _flowless()]
    )
    allowed = text.str.contains_any(_literals("allowed")) & ~denied & (not with_allowed)
    kinds = lines.with_columns(allowed=whole & allowed, flowless=whole & flowless & ~allowed)
    table = text.str.extract(r'"(?:category|Type)": ?"([A-Za-z]+)"').replace(_TABLES)
    loud, quiet, tables = pl.collect_all(
        [
            kinds.filter(~pl.col("allowed") & ~pl.col("flowless")).select("line", "text"),
            kinds.filter("allowed").select(rows=pl.len(), line=pl.col("line").min()),
            kinds.filter("flowless").group_by(table=table).agg(rows=pl.len(), line=pl.col("line").min()),
        ],
        engine="streaming",
    )
    rows, line = quiet.row(0)
    reading.lose([(ALLOWED, rows, line)] if rows else [])
    reading.lose((f"{name}: a table without flows", rows, line) for name, rows, line in tables.sort("line").rows())
    if rows or tables.height:
        first = min(filter(None, [line, tables["line"].min()]))
        sample = lines.filter(pl.col("line") == first).collect(engine="streaming")
        reading.formats |= _formats_of(sample)
    _read_texts(reading, loud, with_allowed=with_allowed)


def _literals(kind: str) -> list[str]:
    """The literals of all formats, with and without a blank behind the colon."""
    texts = [text for form in FORMATS for text in (form.allowed if kind == "allowed" else form.denied)]
    return sorted({spaced for text in texts for spaced in (text, text.replace('":"', '": "'))})


def _flowless() -> list[str]:
    return [name for form in FORMATS for name in form.flowless]


def _formats_of(texts: pl.DataFrame) -> set[str]:
    frame, _ = records.columns_of(texts, _COLUMNS)
    tables = set(_with_table(raw_rows(frame, _COLUMNS))["table"])
    return {form.name for form in FORMATS if tables & set(form.tables.values())}


def _read_texts(reading: _Reading, texts: pl.DataFrame, *, with_allowed: bool) -> None:
    texts = records.opened(texts)
    is_flow_log = pl.col("text").str.contains(f'"{flowlog.TUPLES}"', literal=True)
    found = []
    for line, text in texts.filter(is_flow_log).iter_rows():
        record = flowlog.decode_record(text)
        if record is None:
            reading.lose([(flowlog.MALFORMED_RECORD, 1, line)])
        else:
            found.append((record, line))
    if found:
        _read_flow_log(reading, found, b"", with_allowed=with_allowed)
    others = texts.filter(~is_flow_log)
    if others.height:
        frame, faults = records.columns_of(others, _COLUMNS)
        reading.lose(faults)
        _read_rows(reading, frame, with_allowed=with_allowed)


def _read_flow_log(
    reading: _Reading, found: Sequence[tuple[flowlog.Record, int]], blob: bytes, *, with_allowed: bool
) -> None:
    tuples = flowlog.gather(found, blob, with_allowed=with_allowed)
    reading.rows_read += tuples.rows
    reading.formats.add(flowlog.FORMAT.name)
    if tuples.allowed:
        reading.set_aside.append((ALLOWED, tuples.allowed, tuples.allowed_line))
    if tuples.rules:
        reading.take(flowlog.FORMAT, flowlog.lines_frame(tuples), with_allowed=with_allowed)


def _with_table(raw: pl.DataFrame) -> pl.DataFrame:
    """Raw rows with the `table` they belong to: as they say, else as their columns tell, else null."""
    named = pl.col("tables").list.eval(pl.element().replace_strict(_TABLES, default=None, return_dtype=pl.String))
    told = [
        pl.when(pl.all_horizontal(pl.col(name).is_not_null() for name in columns)).then(pl.lit(table))
        for form in FORMATS
        for table, columns in form.marks
    ]
    return raw.with_columns(table=pl.coalesce(named.list.drop_nulls().list.first(), *told))


def _read_rows(reading: _Reading, frame: pl.DataFrame, *, with_allowed: bool) -> None:
    raw = _with_table(raw_rows(frame, _COLUMNS))
    reading.rows_read += raw.height
    for form in FORMATS:
        mine = raw.filter(pl.col("table").is_in(set(form.tables.values())))
        if mine.height:
            reading.take(form, mine.lazy(), with_allowed=with_allowed)
    strangers = raw.filter(pl.col("table").is_null())
    if strangers.height:
        reading.set_aside.append((_UNKNOWN, strangers.height, int(strangers["line"][0])))
