"""Knows how a window of time is pulled from Log Analytics: whole, in as many pieces as that takes.

A piece that is too much for one answer is halved by time, down to a minute, and then by the hash of its conversations.
The pieces of a window never overlap and leave nothing out: every bound is half-open, `[from, before)`.
"""

import gzip
import queue
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Final

from fwlens.errors import FwlensError
from fwlens.query import FLOWS, Query, Value, bind, find
from fwlens.source.asking import LIMITS, Asker, Limits, Outcome, Question, TooMuch, Turn, Whole
from fwlens.source.files import Input
from fwlens.source.session import Scope, Session, Target

_BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)
_END: Final = datetime(2200, 1, 1, tzinfo=UTC)
SLOT: Final = timedelta(days=1)

Watch = Callable[[str, float], None]
"""Told the name of a window and how much of it is there, from 0 to 1."""


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """Event time (TimeGenerated) and arrival (ingestion_time()) of what is asked for, half-open, in UTC."""

    seen_from: datetime
    seen_before: datetime
    arrived_from: datetime = _BEGINNING
    arrived_before: datetime = _END

    def __post_init__(self) -> None:
        """Refuse a window of nothing, and times without a zone."""
        bounds = (self.seen_from, self.seen_before, self.arrived_from, self.arrived_before)
        if any(bound.tzinfo is None for bound in bounds):
            raise FwlensError("A window needs times with a zone.")
        if self.seen_from >= self.seen_before or self.arrived_from >= self.arrived_before:
            raise FwlensError(f"No time is left in the window {self}: its end is not after its beginning.")

    def __str__(self) -> str:
        """`2026-11-20T22:00Z/23:00Z`, and the arrival where that is bounded."""
        seen = _between(self.seen_from, self.seen_before)
        if (self.arrived_from, self.arrived_before) == (_BEGINNING, _END):
            return seen
        return f"{seen} arrived {_between(self.arrived_from, self.arrived_before)}"

    def halves(self, floor: timedelta) -> "tuple[Window, Window] | None":
        """The window in two along its shorter time, as rows lie evenly along that one; None below twice the floor."""
        seen, arrived = self.seen_before - self.seen_from, self.arrived_before - self.arrived_from
        for length, is_seen in sorted([(seen, True), (arrived, False)], key=lambda each: (each[0], not each[1])):
            if length >= 2 * floor and is_seen:
                middle = self.seen_from + _half(length)
                return replace(self, seen_before=middle), replace(self, seen_from=middle)
            if length >= 2 * floor:
                middle = self.arrived_from + _half(length)
                return replace(self, arrived_before=middle), replace(self, arrived_from=middle)
        return None

    def days(self, longest: timedelta) -> "Iterator[Window]":
        """The window in stretches of event time that one query may well answer."""
        begin = self.seen_from
        while begin < self.seen_before:
            end = min(begin + longest, self.seen_before)
            yield replace(self, seen_from=begin, seen_before=end)
            begin = end


def _half(length: timedelta) -> timedelta:
    """Half of a length, in whole minutes: never below the floor, which is at least one."""
    minutes = length // timedelta(minutes=2)
    return timedelta(minutes=minutes) if minutes else length / 2


def _between(begin: datetime, end: datetime) -> str:
    begin, end = begin.astimezone(UTC), end.astimezone(UTC)
    shown = _shown(end)
    return f"{_shown(begin)}/{shown.partition('T')[2] if begin.date() == end.date() else shown}"


def _shown(when: datetime) -> str:
    precision = "minutes" if not (when.second or when.microsecond) else "auto"
    return f"{when.replace(tzinfo=None).isoformat(timespec=precision)}Z"


@dataclass(frozen=True, slots=True)
class Piece:
    """What one answer is to hold: a query, for a scope, a window and a part of its conversations."""

    scope: Scope
    query: Query
    window: Window
    part: int = 0
    parts: int = 1
    search: bool = False
    share: float = 1.0
    root: str = field(default="", compare=False)

    @property
    def label(self) -> str:
        """`workspace-guid/AZFWNetworkRule 2026-11-20T22:00Z/23:00Z`, with the part where there are several."""
        part = f" part {self.part + 1} of {self.parts}" if self.parts > 1 else ""
        return f"{self.scope.name}/{self.query.table} {self.window}{part}"

    def smaller(self, limits: Limits) -> "tuple[Piece, ...]":
        """The same in two pieces; none where it cannot be made smaller."""
        half = self.share / 2
        if halves := self.window.halves(limits.floor):
            return tuple(replace(self, window=each, share=half) for each in halves)
        if self.parts < limits.parts and "parts" in self.query.parameters:
            # What falls on `part` of n falls on `part` or on `part + n` of 2n.
            return tuple(
                replace(self, part=part, parts=2 * self.parts, share=half)
                for part in (self.part, self.part + self.parts)
            )
        return ()

    def bound(self, *, with_allowed: bool, slot: timedelta) -> str:
        """The query with the values of this piece, as it is sent."""
        values: dict[str, Value] = {
            "seenFrom": self.window.seen_from,
            "seenBefore": self.window.seen_before,
            "arrivedFrom": self.window.arrived_from,
            "arrivedBefore": self.window.arrived_before,
            "withAllowed": with_allowed,
            "slot": slot,
            "part": self.part,
            "parts": self.parts,
        }
        return bind(self.query, {name: value for name, value in values.items() if name in self.query.parameters})


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: which piece of the pull it is, and its body as the service sent it, gzipped."""

    piece: Piece
    body: bytes
    rows: int

    @property
    def place(self) -> Input:
        """The answer as a place to read from."""
        return Input(self.piece.label, named=False, fetch=lambda: self.body)


def pull(
    target: Target,
    window: Window,
    *,
    session: Session,
    tell: Callable[[str], None],
    queries: Sequence[Query] | None = None,
    with_allowed: bool = False,
    slot: timedelta = SLOT,
    watch: Watch | None = None,
    limits: Limits = LIMITS,
) -> tuple[Input, ...]:
    """Every answer to the queries (by default all that give flows) as a place to read from, but those without rows.

    Whole, or FwlensError: partial answers, retries and Basic tables are dealt with on the way, and `tell` hears of it.
    The order is that of the scopes, the queries and time, whatever came first.
    """
    given = answers(
        target, window, session=session, tell=tell, queries=queries, with_allowed=with_allowed, slot=slot, watch=watch,
        limits=limits,
    )  # fmt: skip
    return tuple(each.place for each in given if each.rows)


def answers(
    target: Target,
    window: Window,
    *,
    session: Session,
    tell: Callable[[str], None],
    queries: Sequence[Query] | None = None,
    with_allowed: bool = False,
    slot: timedelta = SLOT,
    watch: Watch | None = None,
    limits: Limits = LIMITS,
) -> tuple[Answer, ...]:
    """The same as answers, also those without rows."""
    pieces = planned(target, window, queries, limits)
    order = {piece.root: place for place, piece in enumerate(pieces)}
    given: list[Answer] = []
    absent: dict[Scope, set[str]] = {}
    share = dict.fromkeys(order, 0.0)
    asker = Asker(session, limits, tell)

    def ask(piece: Piece) -> Outcome:
        text = piece.bound(with_allowed=with_allowed, slot=slot)
        seen = piece.window
        return asker.ask(
            Question(piece.scope, piece.label, piece.query.table, text, seen.seen_from, seen.seen_before, piece.search)
        )

    def settle(piece: Piece, outcome: Outcome) -> tuple[Piece, ...]:
        match outcome:
            case Turn.SEARCH:
                return (replace(piece, search=True),)
            case TooMuch(why):
                smaller = piece.smaller(limits)
                if not smaller:
                    raise _indivisible(piece, why)
                tell(f"{piece.label}: {why}; asking for it in two pieces.")
                return smaller
            case Whole(body, rows):
                given.append(Answer(piece, gzip.compress(body, 1, mtime=0), rows))
            case turn:
                absent.setdefault(piece.scope, set()).add(piece.query.table if turn is Turn.NO_TABLE else "")
        share[piece.root] += piece.share
        if watch:
            watch(piece.root, share[piece.root])
        return ()

    if watch:
        for root in order:
            watch(root, 0.0)
    _work(pieces, ask, settle, limits.at_once)
    _tell_absent(target.scopes, absent, {piece.query.table for piece in pieces}, tell)
    given.sort(
        key=lambda answer: (order[answer.piece.root], answer.piece.window, answer.piece.parts, answer.piece.part)
    )
    if not any(answer.rows for answer in given):
        tell(
            f"no log entries from {_shown(window.seen_from)} until {_shown(window.seen_before)} (UTC). Entries take 3 "
            "to 10 minutes to arrive, flow logs an hour or more."
        )
    return tuple(given)


def planned(
    target: Target, window: Window, queries: Sequence[Query] | None = None, limits: Limits = LIMITS
) -> tuple[Piece, ...]:
    """What is asked for first, before anything proves too large."""
    if not target.scopes:
        raise FwlensError("Name a workspace or a resource to ask for logs.")
    asked = tuple(map(find, FLOWS)) if queries is None else tuple(queries)
    pieces = [
        Piece(scope, query, part)
        for scope in target.scopes
        for query in asked
        for part in window.days(limits.longest)
    ]  # fmt: skip
    return tuple(replace(piece, root=f"{piece.label} {piece.query.name}") for piece in pieces)


def explained(pieces: Sequence[Piece], address: str, *, with_allowed: bool, slot: timedelta) -> str:
    """Every query that would be sent, with its window and where to: KQL that can be pasted into the portal."""
    told = []
    for piece in pieces:
        told.append(f"// {piece.label}\n// POST {address}/v1{piece.scope.path}/query\n")
        told.append(piece.bound(with_allowed=with_allowed, slot=slot).rstrip("\n") + "\n\n")
    return "".join(told)


def _work(
    pieces: Sequence[Piece],
    ask: Callable[[Piece], Outcome],
    settle: Callable[[Piece, Outcome], tuple[Piece, ...]],
    at_once: int,
) -> None:
    """Ask for all pieces, several at a time, and for those that they fall into; the first failure ends it all.

    The threads are daemons: Ctrl-C does not wait for an answer that may take minutes.
    """
    waiting: queue.SimpleQueue[Piece | None] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[Piece, Outcome | Exception]] = queue.SimpleQueue()
    stop = Event()

    def work() -> None:
        while (piece := waiting.get()) is not None and not stop.is_set():
            try:
                done.put((piece, ask(piece)))
            except Exception as error:
                done.put((piece, error))

    threads = [Thread(target=work, daemon=True) for _ in range(min(at_once, len(pieces)))]
    for piece in pieces:
        waiting.put(piece)
    for thread in threads:
        thread.start()
    try:
        open_ones = len(pieces)
        while open_ones:
            piece, outcome = done.get()
            if isinstance(outcome, Exception):
                raise outcome
            more = settle(piece, outcome)
            for each in more:
                waiting.put(each)
            open_ones += len(more) - 1
    finally:
        stop.set()
        for _ in threads:
            waiting.put(None)
    for thread in threads:
        thread.join()


def _indivisible(piece: Piece, why: str) -> FwlensError:
    return FwlensError(
        f"{piece.label}: {why}, and it cannot be asked for in smaller pieces. Ask for other hours (--since, --until), "
        "for one resource (--resource), or export the table to a storage account and read that."
    )


def _tell_absent(
    scopes: Sequence[Scope], absent: dict[Scope, set[str]], tables: set[str], tell: Callable[[str], None]
) -> None:
    """Tell which tables there are none of. Raises FwlensError where there is none at all."""
    bare = [scope for scope in scopes if "" in absent.get(scope, ()) or absent.get(scope, set()) >= tables]
    if len(bare) == len(scopes):
        raise FwlensError(_bare(bare[0], absent[bare[0]]))
    for scope in scopes:
        if scope in bare:
            tell(_bare(scope, absent[scope]))
        elif scope in absent:
            tell(f"{scope.title} has no table {', '.join(sorted(absent[scope]))}: nothing of that kind is sent there.")


def _bare(scope: Scope, missing: set[str]) -> str:
    if "" in missing:
        return (
            f"{scope.title} is empty: no logs were ever sent there. A firewall sends its logs by a diagnostic setting "
            "(resource-specific tables), flow logs come by Traffic Analytics."
        )
    return (
        f"{scope.title} has none of the tables that fwlens reads ({', '.join(sorted(missing))}). A firewall sends its "
        "logs by a diagnostic setting (resource-specific tables), flow logs come by Traffic Analytics."
    )
