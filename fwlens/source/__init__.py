"""Logs become flows. `read` is the one door; `FORMATS` is the table to extend.

Files are read two at a time and folded one by one, so that memory follows the largest file and the number of distinct
conversations, never the total size.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import IO, Final

import polars as pl

from fwlens import flow
from fwlens.flow import Span
from fwlens.ledger import ALLOWED, Ledger, Share, add_up
from fwlens.source import azdiag, azfw, files, flowlog, records, tabular, traffic
from fwlens.source.files import Container, Content, Input
from fwlens.source.format import NO_FLOWS, Fault, Format, present, raw_rows

FORMATS: Final = (azfw.FORMAT, azdiag.FORMAT, flowlog.FORMAT, traffic.FORMAT)

_TABLES: Final = {alias: table for form in FORMATS for alias, table in form.tables.items()}
_FORMAT_OF: Final = {alias: form.name for form in FORMATS for alias in form.tables}
_FLOWLESS: Final = tuple(name for form in FORMATS for name in form.flowless)
_COLUMNS: Final = tuple(dict.fromkeys(name for form in FORMATS for name in form.columns))
_MARKS: Final = (*(mark for form in FORMATS for _, mark in form.marks), ("msg_s",))
_UNKNOWN: Final = "no known table of Azure Firewall, NSG or VNet flow logs"
_EMPTY: Final = "empty file"
_TAGS: Final = "service-tags"
_OUTSIDE: Final = "outside the time that was asked for (--since, --until)"
_NOTHING: Final = flow.empty().insert_column(0, pl.lit(None, flow.TIME).alias("slot"))
_NO_FILES: Final = "folder without files"
_FORBIDDEN: Final = "cannot be read"
_EXPORT: Final = "Export Azure Firewall, NSG or VNet flow logs as JSON, CSV or Parquet."
_WORKERS: Final = 2
_CROWD: Final = 200_000
_MERGE_AT: Final = 2_000_000

Progress = Callable[[int, int], None]
"""Told how many of how many files are read."""


@dataclass(frozen=True, slots=True)
class Flows:
    """What was read: folded flows (`flow.FLOW`), the ledger, service-tag files found by the way, and faults to tell.

    `slots` are the flows folded within each slot of the span only, with its begin in `slot` (null without `every`).
    `subnets` are denied addresses with the subnets that logs name for them, both as logged.
    """

    rows: pl.DataFrame
    ledger: Ledger
    slots: pl.DataFrame
    service_tags: tuple[tuple[str, bytes], ...] = ()
    faults: tuple[str, ...] = ()
    subnets: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class _Reading:
    """One file on its way: what was read, used and set aside so far. `unread` says that rows of it are lost."""

    place: Input
    span: Span
    with_allowed: bool
    entries: list[pl.DataFrame] = field(default_factory=list)
    formats: set[str] = field(default_factory=set)
    set_aside: list[Fault] = field(default_factory=list)
    subnets: set[tuple[str, str]] = field(default_factory=set)
    rows_read: int = 0
    service_tags: bytes | None = None
    fault: str = ""
    unread: bool = False

    def lose(self, faults: Iterable[Fault]) -> None:
        """Rows that the container could not give."""
        for fault in faults:
            self.rows_read += fault[1]
            self.set_aside.append(fault)

    def take(self, form: Format, raw: pl.LazyFrame) -> None:
        """Raw rows of one format as entries, those with equal texts folded."""
        when = pl.col("first_seen")
        allowed = pl.when((pl.col("action") == "Allow") & (not self.with_allowed)).then(pl.lit(ALLOWED))
        outside = pl.when(~self.span.inside(when)).then(pl.lit(_OUTSIDE))
        entries = form.entries(raw).with_columns(
            fault=pl.coalesce("fault", allowed, outside), slot=self.span.slot(when), place=pl.lit(self.place.label)
        )
        self.formats.add(form.name)
        self.entries.append(flow.fold_entries(entries).collect(engine="streaming"))
        self.subnets.update(form.subnets(raw).collect().rows() if form.subnets else ())


@dataclass(slots=True)
class _Conforming:
    """Entries of many files on their way to flows, put into our words a crowd at a time: each time costs the same."""

    waiting: list[pl.DataFrame] = field(default_factory=list)
    flows: list[pl.DataFrame] = field(default_factory=lambda: [_NOTHING])
    used: dict[str, int] = field(default_factory=dict)
    set_aside: dict[str, list[Fault]] = field(default_factory=dict)

    def add(self, entries: Iterable[pl.DataFrame]) -> None:
        """Entries to conform, now or later."""
        self.waiting += entries
        if sum(frame.height for frame in self.waiting) > _CROWD:
            self.settle()

    def settle(self) -> None:
        """Conform what waits, and fold the flows if they have become many."""
        if not self.waiting:
            return
        good, bad = flow.conform(pl.concat(self.waiting))
        self.waiting = []
        for place, rows in good.group_by("place").agg(pl.col("rows").sum()).iter_rows():
            self.used[place] = self.used.get(place, 0) + rows
        reasons = bad.group_by("place", "reason").agg(pl.col("rows").sum(), pl.col("line").min())
        for place, *fault in reasons.sort("place", "reason").iter_rows():
            self.set_aside.setdefault(place, []).append((fault[0], fault[1], fault[2]))
        self.flows.append(flow.fold(good, "slot"))
        if sum(part.height for part in self.flows) > _MERGE_AT + 2 * self.flows[0].height:
            self.flows = [flow.fold(pl.concat(self.flows), "slot")]

    def share(self, reading: _Reading) -> Share:
        """One file's share of the ledger, when all is settled."""
        place = reading.place.label
        aside = (*reading.set_aside, *self.set_aside.get(place, ()))
        return Share(place, frozenset(reading.formats), reading.rows_read, self.used.get(place, 0), aside)


def read(
    paths: Iterable[str],
    *,
    with_allowed: bool = False,
    span: Span = Span(),
    stdin: IO[bytes] | None = None,
    progress: Progress | None = None,
) -> Flows:
    """Read every log behind the paths (files, folders, globs, `-`) into folded flows and a ledger that closes.

    Allowed entries are only counted unless `with_allowed`, those outside the `span` never used. `progress` is told
    after each file. Faults are in the answer and the rest is read; a file in a folder that is no log is told in the
    ledger only.
    """

    def one(place: Input) -> _Reading:
        return _read_input(_Reading(place, span, with_allowed), stdin)

    places = list(files.inputs(paths))
    conforming, readings, faults, tags, subnets = _Conforming(), list[_Reading](), [], [], set[tuple[str, str]]()
    with ThreadPoolExecutor(_WORKERS) as pool:
        for reading in pool.map(one, places):
            conforming.add(reading.entries)
            subnets |= reading.subnets
            readings.append(replace(reading, entries=[], subnets=set(), service_tags=None))
            if progress:
                progress(len(readings), len(places))
            if reading.service_tags:
                tags.append((reading.place.label, reading.service_tags))
            if reading.fault and (reading.place.named or reading.unread or len(places) == 1):
                faults.append(reading.fault)
    if places and not faults and not any(reading.formats - {_TAGS} for reading in readings):
        alone = f"{places[0].label}: holds service tags and no log"
        several = f"None of these {len(places)} files holds a log"
        faults.append(f"{several if len(places) > 1 else alone} that fwlens knows. {_EXPORT}")
    conforming.settle()
    shares = [conforming.share(reading) for reading in readings]
    slots = flow.fold(pl.concat(conforming.flows), "slot")
    return Flows(flow.fold(slots), add_up(shares), slots, tuple(sorted(tags)), tuple(faults), tuple(sorted(subnets)))


def _read_input(reading: _Reading, stdin: IO[bytes] | None) -> _Reading:
    place = reading.place
    try:
        content = files.load(place, stdin)
    except IsADirectoryError:
        reading.set_aside.append((_NO_FILES, 0, 1))
        reading.fault = f"{place.label}: the folder holds no files. Name a folder or file with exported logs."
        return reading
    except OSError as error:
        reading.set_aside.append((_FORBIDDEN, 0, 1))
        reading.unread = True
        why = error.strerror or error
        reading.fault = f"{place.label}: cannot be read ({why}). Check the path and its permissions."
        return reading
    if content.container is Container.SERVICE_TAGS:
        reading.service_tags = content.data
        reading.formats.add(_TAGS)
        return reading
    _read_content(reading, content)
    if content.torn:
        reading.lose([(content.torn, 1, content.data.count(b"\n") + 1)])
        reading.unread = True
        reading.fault = f"{place.label}: {content.torn}. Fetch it again."
    elif not reading.formats:
        reading.fault = f"{place.label}: {_nothing(reading)}. {_EXPORT}"
    return reading


def _nothing(reading: _Reading) -> str:
    """Why a file has given no row of any format."""
    reasons = [reason for reason, _, _ in reading.set_aside]
    if _EMPTY in reasons and len(reasons) == 1:
        return "is empty"
    if not reasons:
        return "holds no rows"
    if set(reasons) & {_UNKNOWN, tabular.NO_TABLE}:
        return "holds no log that fwlens knows"
    return f"nothing could be read ({reasons[-1]})"


def _read_content(reading: _Reading, content: Content) -> None:
    match content.container:
        case Container.EMPTY:
            reading.set_aside.append((_EMPTY, 0, 1))
        case Container.JSON_LINES:
            _read_lines(reading, content)
        case Container.DOCUMENT | Container.VALUES:
            blob = flowlog.decode_blob(content.data)
            if blob is not None:
                _read_flow_log(reading, [(blob, content.data, 1)])
                return
            texts, faults = records.cut(content.data)
            reading.lose(faults)
            _read_texts(reading, texts)
        case _:
            frame, faults = _table_of(content)
            reading.lose(faults)
            if frame.width:
                _read_rows(reading, frame)


def _table_of(content: Content) -> tuple[pl.DataFrame, list[Fault]]:
    if content.container is Container.PARQUET:
        return tabular.read_parquet(content.data)
    if content.container is Container.ANSWER:
        return tabular.read_answer(content.data)
    return tabular.read_csv(content.data, _MARKS)


def _read_lines(reading: _Reading, content: Content) -> None:
    """JSON Lines: whole lines are judged by literals first, and only those that may be a denial are decoded."""
    try:
        texts, quiet = _judged(records.lines(content, reading.place.path), with_allowed=reading.with_allowed)
    except pl.exceptions.ComputeError:
        content = records.mended(content, reading.place.path)
        texts, quiet = _judged(records.lines(content, reading.place.path), with_allowed=reading.with_allowed)
    for table, rows, line in quiet.sort("table").rows():
        reason = f"{_TABLES[table]}: {NO_FLOWS}" if table in _FLOWLESS else ALLOWED
        reading.lose([(reason, rows, line)])
        reading.formats.add(_FORMAT_OF[table])
    _read_texts(reading, texts)


def _judged(lines: pl.LazyFrame, *, with_allowed: bool) -> list[pl.DataFrame]:
    """Lines to decode, and the others by the table that they name: how many and the first of them.

    Others are whole objects of a table without flows, or hold a literal of allowed entries and none of denied ones.
    """
    text, table = pl.col("text"), pl.col("table")
    whole = (
        text.str.starts_with("{")
        & text.str.ends_with("}")
        & (text.str.count_matches("{", literal=True) == text.str.count_matches("}", literal=True))
        & ~text.str.contains_any([*_literals("denied"), *records.NESTED])
    )
    named = text.str.extract(r'"(?:category|Type)": ?"([A-Za-z_]+)"')
    allowed = table.is_in(list(_FORMAT_OF)) & text.str.contains_any(_literals("allowed")) & (not with_allowed)
    kinds = lines.with_columns(table=pl.when(whole).then(named)).with_columns(
        quiet=(table.is_in(_FLOWLESS) | allowed).fill_null(False)
    )
    loud = kinds.filter(~pl.col("quiet")).select("line", "text")
    quiet = kinds.filter("quiet").group_by("table").agg(rows=pl.len(), line=pl.col("line").min())
    return pl.collect_all([loud, quiet], engine="streaming")


def _literals(kind: str) -> list[str]:
    """The literals of all formats, with and without a blank behind the colon."""
    texts = [text for form in FORMATS for text in (form.allowed if kind == "allowed" else form.denied)]
    return sorted({spaced for text in texts for spaced in (text, text.replace('":"', '": "'))})


def _read_texts(reading: _Reading, texts: pl.DataFrame) -> None:
    texts, faults = records.opened(texts)
    reading.lose(faults)
    is_flow_log = pl.col("text").str.contains_any(flowlog.MARKS)
    pieces: list[flowlog.Piece] = []
    for line, text in texts.filter(is_flow_log).iter_rows():
        decoded = flowlog.decode_record(text)
        if decoded is None:
            reading.lose([(flowlog.MALFORMED_RECORD, 1, line)])
        else:
            pieces.append(([decoded[0]], decoded[1], line))
    if pieces:
        _read_flow_log(reading, pieces)
    others = texts.filter(~is_flow_log)
    if others.height:
        frame, faults = records.columns_of(others, _columns_in(others))
        reading.lose(faults)
        _read_rows(reading, frame)


def _columns_in(texts: pl.DataFrame) -> tuple[str, ...]:
    """The columns of those formats that the texts hold a column of: decoding looks for each, found or not."""
    text = texts["text"].str
    return tuple(
        dict.fromkeys(
            name
            for form in FORMATS
            if form.columns and text.contains_any([f'"{name}' for name in form.columns]).any()
            for name in form.columns
        )
    )


def _read_flow_log(reading: _Reading, pieces: list[flowlog.Piece]) -> None:
    tuples = flowlog.gather(pieces, with_allowed=reading.with_allowed)
    reading.rows_read += tuples.rows
    reading.formats.add(flowlog.FORMAT.name)
    if tuples.allowed:
        reading.set_aside.append((ALLOWED, tuples.allowed, tuples.allowed_line))
    if tuples.rules:
        reading.take(flowlog.FORMAT, flowlog.lines_frame(tuples, reading.span))


def _with_table(raw: pl.DataFrame) -> pl.DataFrame:
    """Raw rows with the `table` they belong to: as they say, else as their columns tell, else null."""
    named = pl.col("tables").list.eval(pl.element().replace_strict(_TABLES, default=None, return_dtype=pl.String))
    raw = raw.with_columns(table=named.list.drop_nulls().list.first())
    if not raw["table"].null_count():
        return raw
    told = [
        pl.when(pl.all_horizontal(present(name).is_not_null() for name in columns)).then(pl.lit(table))
        for form in FORMATS
        for table, columns in form.marks
    ]
    return raw.with_columns(table=pl.coalesce("table", *told))


def _read_rows(reading: _Reading, frame: pl.DataFrame) -> None:
    raw = _with_table(raw_rows(frame, _COLUMNS))
    reading.rows_read += raw.height
    for form in FORMATS:
        mine = raw.filter(pl.col("table").is_in(set(form.tables.values())))
        if mine.height:
            reading.take(form, mine.lazy())
    strangers = raw.filter(pl.col("table").is_null())
    if strangers.height:
        reading.set_aside.append((_UNKNOWN, strangers.height, int(strangers["line"][0])))
