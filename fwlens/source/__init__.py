"""Logs become flows. `read` is the one door; `FORMATS` is the table to extend.

Files are read two at a time and folded one by one, so that memory follows the largest file and the number of distinct
conversations, never the total size.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import IO, Final

import polars as pl

from fwlens import flow
from fwlens.errors import FwlensError
from fwlens.flow import Span
from fwlens.ledger import ALLOWED, Ledger, Share, add_up
from fwlens.source import (
    azdiag,
    azfw,
    columnar,
    elsewhere,
    files,
    flowlog,
    folded,
    quiet,
    records,
    second,
    tabular,
    traffic,
)
from fwlens.source.crowd import Crowd, Wanted
from fwlens.source.files import PEEK, Container, Content, Input
from fwlens.source.flowlog import Tuples
from fwlens.source.format import COMMON, FOLDED, NO_FLOWS, ROWS, Fault, Format, raw_rows, rows_of
from fwlens.source.tables import columns_in, with_table
from fwlens.twin import Twin

FORMATS: Final = (azfw.FORMAT, azdiag.FORMAT, flowlog.FORMAT, traffic.FORMAT)

_TABLES: Final = {alias: table for form in FORMATS for alias, table in form.tables.items()}
_FORMAT_OF: Final = {alias: form.name for form in FORMATS for alias in form.tables}
_LOGS: Final = {name: logs for form in FORMATS for name, logs in form.logs.items()}
_FLOWLESS: Final = tuple(name for form in FORMATS for name in form.flowless)
_COLUMNS: Final = tuple(dict.fromkeys(name for form in FORMATS for name in form.columns))
_MARKS: Final = (*(mark for form in FORMATS for _, mark in form.marks), ("msg_s",), ("Type", ROWS))
COLUMNS: Final = frozenset(name.casefold() for name in (*_COLUMNS, *COMMON, *FOLDED, *folded.FORMAT.columns))
"""Every column of a table that is looked at, in small letters: all others need not be fetched."""
_UNKNOWN: Final = "no known table of Azure Firewall, NSG or VNet flow logs"
EMPTY: Final = "empty file"
TAGS: Final = "service-tags"
_QUIET: Final = "log-analytics"  # the answer of a query that found nothing: no table to tell a format by, and no fault
NO_FILES: Final = "folder without files"
FORBIDDEN: Final = "cannot be read"
UNREAD: Final = (FORBIDDEN, files.TORN)
"""Reasons for which rows of an input are lost that nobody can count."""
_EXPORT: Final = "Export Azure Firewall, NSG or VNet flow logs as JSON, CSV or Parquet."
_CUT_PARQUET: Final = "the Parquet file is damaged: what follows is lost. Fetch it again."
_WORKERS: Final = 2
_SLICE: Final = 10_000
"""So many records are decoded at once: decoded they take several times the memory of their texts."""

Progress = Callable[[int, int], None]
"""Told how many of how many files are read."""


@dataclass(frozen=True, slots=True)
class Flows:
    """What was read: folded flows (`flow.FLOW`), the ledger, service-tag files found by the way, and faults to tell.

    `slots` are the flows folded within each slot of the span only, with its begin in `slot` (null without `every`).
    `subnets` are denied addresses with the subnets that logs name for them, both as logged. `used` says how many rows
    of each input became flows of each slot, and `unread` of which inputs rows are lost.
    """

    rows: pl.DataFrame
    ledger: Ledger
    slots: pl.DataFrame
    service_tags: tuple[tuple[str, bytes], ...] = ()
    faults: tuple[str, ...] = ()
    subnets: tuple[tuple[str, str], ...] = ()
    used: tuple[tuple[str, datetime | None, int], ...] = ()
    unread: tuple[str, ...] = ()


@dataclass(slots=True)
class _Reading:
    """One file on its way: what was read and set aside so far. `unread` says that rows of it are lost."""

    place: Input
    wanted: Wanted
    tuples: list[Tuples] = field(default_factory=list)
    entries: list[pl.DataFrame] = field(default_factory=list)
    formats: set[str] = field(default_factory=set)
    tables: set[str] = field(default_factory=set)
    set_aside: list[Fault] = field(default_factory=list)
    subnets: set[tuple[str, str]] = field(default_factory=set)
    origins: list[pl.DataFrame] = field(default_factory=list)
    rows_read: int = 0
    service_tags: bytes | None = None
    fault: str = ""
    unread: bool = False

    def lose(self, faults: Iterable[Fault]) -> None:
        """Rows that the container could not give."""
        for fault in faults:
            self.rows_read += fault[1]
            self.set_aside.append(fault)

    def pass_over(self, counted: Iterable[tuple[str, int, int]]) -> None:
        """Rows that are only counted, by the name of their table: how many, and the line of the first."""
        for table, rows, line in counted:
            self.lose([(f"{_TABLES[table]}: {NO_FLOWS}" if table in _FLOWLESS else ALLOWED, rows, line)])
            self.formats.add(_FORMAT_OF[table])
            self.tables.add(_TABLES[table])

    def take(self, form: Format, raw: pl.LazyFrame) -> None:
        """Raw rows of one format as entries."""
        self.formats.add(form.name)
        self.entries.append(self.wanted.entries(form, raw, pl.lit(self.place.label)))
        self.subnets.update(form.subnets(raw).collect().rows() if form.subnets else ())

    def take_tuples(self, tuples: Tuples) -> None:
        """Tuples of a flow log, which are split when they are many."""
        self.rows_read += tuples.rows
        self.formats.add(flowlog.FORMAT.name)
        if tuples.allowed:
            self.set_aside.append((ALLOWED, tuples.allowed, tuples.allowed_line))
        self.tuples.append(tuples)

    def share(self, crowd: Crowd) -> Share:
        """The file's share of the ledger, when all is settled."""
        place = self.place.label
        aside = (*self.set_aside, *crowd.set_aside.get(place, ()))
        used, names = crowd.used.get(place, 0), (*self.tables, *self.formats)
        logs = frozenset(log for name in names for log in _LOGS.get(name, ()))
        return Share(place, frozenset(self.formats), self.rows_read, used, aside, frozenset(self.tables), logs)


def read(
    paths: Iterable[str],
    *,
    places: Iterable[Input] = (),
    with_allowed: bool = False,
    span: Span = Span(),
    stdin: IO[bytes] | None = None,
    progress: Progress | None = None,
    tenant: str | None = None,
    twin: Twin | None = None,
) -> Flows:
    """Read every log behind the paths into folded flows and a ledger that closes.

    A path is a file, a folder, a glob, `-`, or an address of blobs (`https://…`, `abfss://…`), which are read as who
    runs this, in an Entra `tenant` if one is given.

    `places` are read beside the paths: what lies elsewhere than on this machine, each with a label of its own.

    Allowed entries are only counted unless `with_allowed`, those outside the `span` never used. `progress` is told
    after each file. Faults are in the answer and the rest is read; a file in a folder that is no log is told in the
    ledger only. A `twin` reads blobs at the same time.
    """
    with contextlib.ExitStack() as stay:
        everywhere = [*elsewhere.inputs(paths, span, tenant, stay), *places]
        return _read_all(everywhere, Wanted(span, with_allowed), stdin, progress, twin)


def _read_all(
    everywhere: Sequence[Input],
    wanted: Wanted,
    stdin: IO[bytes] | None,
    progress: Progress | None,
    twin: Twin | None,
) -> Flows:
    crowd, readings, faults, tags, subnets = Crowd(wanted), list[_Reading](), [], [], set[tuple[str, str]]()
    for reading in _ahead(
        lambda place: _read_input(_Reading(place, wanted), stdin, twin), everywhere, 3 if twin else _WORKERS
    ):
        crowd.add(reading.place.label, reading.tuples, reading.entries, reading.origins)
        subnets |= reading.subnets
        readings.append(replace(reading, tuples=[], entries=[], origins=[], subnets=set(), service_tags=None))
        if progress:
            progress(len(readings), len(everywhere))
        if reading.service_tags:
            tags.append((reading.place.label, reading.service_tags))
        if reading.fault and (reading.place.named or reading.unread or len(everywhere) == 1):
            faults.append(reading.fault)
    if everywhere and not faults and not any(reading.formats - {TAGS} for reading in readings):
        alone = f"{everywhere[0].label}: holds service tags and no log"
        several = f"None of these {len(everywhere)} files holds a log"
        faults.append(f"{several if len(everywhere) > 1 else alone} that fwlens knows. {_EXPORT}")
    slots = crowd.settle()
    ledger = add_up(reading.share(crowd) for reading in readings)
    rows = flow.fold(slots) if wanted.span.every else slots.drop("slot")
    used = tuple((place, slot, rows) for (place, slot), rows in sorted(crowd.used_in.items(), key=str))
    unread = tuple(reading.place.label for reading in readings if reading.unread)
    return Flows(rows, ledger, slots, tuple(sorted(tags)), tuple(faults), tuple(sorted(subnets)), used, unread)


def _ahead(one: Callable[[Input], _Reading], places: Iterable[Input], most: int) -> Iterator[_Reading]:
    """Each file as it was read, in order. No more than `most` wait to be used, and an interrupt waits for none."""
    pool, coming = ThreadPoolExecutor(_WORKERS), deque[Future[_Reading]]()
    try:
        for place in places:
            if len(coming) == most:
                yield coming.popleft().result()
            coming.append(pool.submit(one, place))
        while coming:
            yield coming.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _read_input(reading: _Reading, stdin: IO[bytes] | None, twin: Twin | None) -> _Reading:
    place = reading.place
    is_file = twin is not None and place.fetch is None and place.path != files.STDIN
    if twin and is_file and (found := twin.ask(place.path, with_allowed=reading.wanted.with_allowed)) is not None:
        reading.take_tuples(second.unpacked(found))
        return reading
    try:
        content = files.load(place, stdin)
    except IsADirectoryError:
        reading.set_aside.append((NO_FILES, 0, 1))
        reading.fault = f"{place.label}: the folder holds no files. Name a folder or file with exported logs."
        return reading
    except FwlensError as error:  # a place elsewhere says itself what is wrong
        reading.set_aside.append((FORBIDDEN, 0, 1))
        reading.unread = True
        reading.fault = str(error)
        return reading
    except OSError as error:
        reading.set_aside.append((FORBIDDEN, 0, 1))
        reading.unread = True
        why = error.strerror or error
        reading.fault = f"{place.label}: cannot be read ({why}). Check the path and its permissions."
        return reading
    if content.container is Container.SERVICE_TAGS:
        reading.service_tags = content.data
        reading.formats.add(TAGS)
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
    if EMPTY in reasons and len(reasons) == 1:
        return "is empty"
    if not reasons:
        return "holds no rows"
    if set(reasons) & {_UNKNOWN, tabular.NO_TABLE}:
        return "holds no log that fwlens knows"
    return f"nothing could be read ({reasons[-1]})"


def _read_content(reading: _Reading, content: Content) -> None:
    match content.container:
        case Container.EMPTY:
            reading.set_aside.append((EMPTY, 0, 1))
        case Container.JSON_LINES:
            _read_lines(reading, content)
        case Container.DOCUMENT | Container.VALUES:
            tuples = second.flow_log(content.data, with_allowed=reading.wanted.with_allowed)
            if tuples is not None:
                reading.take_tuples(tuples)
                return
            texts, faults = records.cut(content.data)
            reading.lose(faults)
            _read_texts(reading, texts)
        case Container.PARQUET:
            file = reading.place.path if content.in_place else content.data
            for piece in columnar.pieces(file, COLUMNS, FORMATS, with_allowed=reading.wanted.with_allowed):
                reading.lose(piece.faults)
                if piece.faults and reading.formats:
                    reading.unread, reading.fault = True, f"{reading.place.label}: {_CUT_PARQUET}"
                reading.pass_over(piece.counted)
                if piece.rows.width:
                    _read_rows(reading, piece.rows)
        case _:
            frame, faults = tabular.read_table(content, _MARKS)
            reading.lose(faults)
            if frame.width:
                _read_rows(reading, frame)


def _read_lines(reading: _Reading, content: Content) -> None:
    """JSON Lines: whole lines are judged by literals first, and only those that may be a denial are decoded."""

    def judged(content: Content) -> tuple[pl.DataFrame, pl.DataFrame]:
        lines = records.lines(content, reading.place.path)
        return quiet.judged(lines, content.data[:PEEK], FORMATS, with_allowed=reading.wanted.with_allowed)

    try:
        texts, others = judged(content)
    except pl.exceptions.ComputeError:
        texts, others = judged(records.mended(content, reading.place.path))
    reading.pass_over(others.rows())
    _read_texts(reading, texts)


def _read_texts(reading: _Reading, texts: pl.DataFrame) -> None:
    texts, faults = records.opened(texts)
    reading.lose(faults)
    is_flow_log = texts.select(pl.col("text").str.contains_any(flowlog.MARKS)).to_series()
    pieces: list[flowlog.Piece] = []
    if is_flow_log.any():
        for line, text in texts.filter(is_flow_log).iter_rows():
            decoded = flowlog.decode_record(text)
            if decoded is None:
                reading.lose([(flowlog.MALFORMED_RECORD, 1, line)])
            else:
                pieces.append(([decoded[0]], decoded[1], line))
        texts = texts.filter(~is_flow_log)
    if pieces:
        reading.take_tuples(flowlog.gather(pieces, with_allowed=reading.wanted.with_allowed))
    for some in texts.iter_slices(_SLICE):
        frame, faults = records.columns_of(some, columns_in(some, FORMATS))
        reading.lose(faults)
        _read_rows(reading, frame)


def _read_rows(reading: _Reading, frame: pl.DataFrame) -> None:
    if folded.is_folded(frame):
        reading.rows_read += frame.height
        reading.tables.add(folded.TABLE)
        reading.take(folded.FORMAT, frame.lazy())
        reading.origins.append(folded.origins(frame, reading.place.label))
        return
    raw = with_table(raw_rows(frame, _COLUMNS), FORMATS)
    reading.rows_read += rows_of(raw)
    if not raw.height and "stands" in raw.columns:
        reading.formats.add(_QUIET)
    there = set(raw["table"].unique())
    reading.tables |= there - {None}
    for form in FORMATS:
        if mine := there & set(form.tables.values()):
            whole = mine == there  # most files hold the tables of one format
            reading.take(form, raw.lazy() if whole else raw.lazy().filter(pl.col("table").is_in(mine)))
    if None in there:
        strangers = raw.filter(pl.col("table").is_null())
        reading.set_aside.append((_UNKNOWN, rows_of(strangers), int(strangers["line"][0])))
