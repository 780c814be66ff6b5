"""Knows how a window of time is pulled from Log Analytics: whole, in as many pieces as that takes.

A piece that is too much for one answer is halved by time, down to a minute, and then by the hash of its conversations.
"""

import gzip
import queue
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from threading import Event, Thread
from typing import Final

from fwlens.errors import FwlensError
from fwlens.query import FLOWS, Query, find
from fwlens.source.asking import LIMITS, Asker, Limits, Outcome, Question, TooMuch, Turn, Whole
from fwlens.source.files import Input
from fwlens.source.piece import Piece, Window, shown
from fwlens.source.session import Scope, Session, Target

__all__ = ["LIMITS", "Answer", "Limits", "Piece", "Session", "Target", "Window", "answers", "pull"]

SLOT: Final = timedelta(days=1)
_PATIENCE: Final = 0.5  # seconds: how long a thread gets to end when the pull fails, and how often Ctrl-C is heard

Watch = Callable[[str, float], None]
"""Told the name of a window and how much of it is there, from 0 to 1."""


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
    asker = Asker(session, limits, tell)

    def ask(piece: Piece) -> Outcome:
        text, seen = piece.bound(with_allowed=with_allowed, slot=slot), piece.window
        table = piece.query.table
        return asker.ask(
            Question(piece.scope, piece.label, table, text, seen.seen_from, seen.seen_before, search=piece.search)
        )

    course = _Course(limits, tell, watch or _unwatched)
    for piece in pieces:
        course.watch(piece.root, 0.0)
    _work(pieces, ask, course.settle, limits.at_once)
    # A service that has logs and says that it has none is asked again; then it is believed.
    doubted = tuple(piece for piece in course.silent if piece.scope in asker.alive)
    _work(doubted, ask, course.settle, limits.at_once)
    course.close(pieces, asker.alive)
    if not any(answer.rows for answer in course.given):
        tell(
            f"no log entries from {shown(window.seen_from)} until {shown(window.seen_before)} (UTC). Entries take 3 to "
            "10 minutes to arrive, flow logs an hour or more."
        )
    order = {piece.root: place for place, piece in enumerate(pieces)}
    return tuple(
        sorted(
            course.given,
            key=lambda each: (order[each.piece.root], each.piece.window, each.piece.parts, each.piece.part),
        )
    )


def _unwatched(_: str, __: float) -> None:
    """Nobody looks."""


@dataclass(slots=True)
class _Course:
    """What has come of a pull so far."""

    limits: Limits
    tell: Callable[[str], None]
    watch: Watch
    given: list[Answer] = field(default_factory=list)
    silent: list[Piece] = field(default_factory=list)
    missing: dict[Scope, set[str]] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)

    def settle(self, piece: Piece, outcome: Outcome) -> tuple[Piece, ...]:
        """Take an outcome; the pieces that are to be asked for in its place."""
        match outcome:
            case Turn.SEARCH:
                return (replace(piece, search=True),)
            case TooMuch(why):
                smaller = piece.smaller(self.limits)
                if not smaller:
                    raise _indivisible(piece, why)
                self.tell(f"{piece.label}: {why}; asking for it in two pieces.")
                return smaller
            case Whole(body, rows):
                self.given.append(Answer(piece, gzip.compress(body, 1, mtime=0), rows))
            case Turn.NO_TABLE:
                self.missing.setdefault(piece.scope, set()).add(piece.query.table)
            case Turn.NO_LOGS:
                self.silent.append(piece)
        self.shares[piece.root] = min(self.shares.get(piece.root, 0.0) + piece.share, 1.0)
        self.watch(piece.root, self.shares[piece.root])
        return ()

    def close(self, pieces: Sequence[Piece], alive: set[Scope]) -> None:
        """Tell which tables there are none of. Raises FwlensError where no scope has any."""
        scopes = tuple(dict.fromkeys(piece.scope for piece in pieces))
        bare = [scope for scope in scopes if scope not in alive]
        if len(bare) == len(scopes):
            raise FwlensError(self._bare(bare[0]))
        for scope in scopes:
            if scope in bare:
                self.tell(self._bare(scope))
            elif scope in self.missing:
                tables = ", ".join(sorted(self.missing[scope]))
                self.tell(f"{scope.title} has no table {tables}: nothing of that kind is sent there.")
        twice = sorted({piece.label for piece in self.silent if piece.scope in alive})
        for label in twice:
            self.tell(f"{label}: no content (HTTP 204) however often it is asked, taken for no entries.")

    def _bare(self, scope: Scope) -> str:
        ways = (
            "A firewall sends its logs by a diagnostic setting (resource-specific tables), flow logs come by Traffic "
            "Analytics."
        )
        if any(piece.scope == scope for piece in self.silent):
            return f"{scope.title} is empty: no logs were ever sent there. {ways}"
        tables = ", ".join(sorted(self.missing[scope]))
        return f"{scope.title} has none of the tables that were asked for ({tables}). {ways}"


def planned(
    target: Target, window: Window, queries: Sequence[Query] | None = None, limits: Limits = LIMITS
) -> tuple[Piece, ...]:
    """What is asked for first, before anything proves too large."""
    if not target.scopes:
        raise FwlensError("Name a workspace or a resource to ask for logs.")
    asked = tuple(map(find, FLOWS)) if queries is None else tuple(queries)
    pieces = [
        Piece(scope, query, stretch)
        for scope in target.scopes
        for query in asked
        for stretch in (window.days(limits.longest) if "parts" in query.parameters else (window,))
    ]
    return tuple(replace(piece, root=f"{piece.query.name} {piece.window} {piece.scope.name}") for piece in pieces)


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

    def next_outcome() -> tuple[Piece, Outcome]:
        while True:
            try:
                piece, outcome = done.get(timeout=_PATIENCE)
            except queue.Empty:
                continue  # a wait without an end would be deaf to Ctrl-C on some systems
            if isinstance(outcome, Exception):
                raise outcome
            return piece, outcome

    threads = [Thread(target=work, daemon=True) for _ in range(min(at_once, len(pieces)))]
    for piece in pieces:
        waiting.put(piece)
    for thread in threads:
        thread.start()
    try:
        open_ones = len(pieces)
        while open_ones:
            more = settle(*next_outcome())
            for each in more:
                waiting.put(each)
            open_ones += len(more) - 1
    except Exception:
        stop.set()
        _end(threads, waiting, _PATIENCE)
        raise
    _end(threads, waiting, None)


def _end(threads: Sequence[Thread], waiting: "queue.SimpleQueue[Piece | None]", patience: float | None) -> None:
    for _ in threads:
        waiting.put(None)
    for thread in threads:
        thread.join(patience)


def _indivisible(piece: Piece, why: str) -> FwlensError:
    return FwlensError(
        f"{piece.label}: {why}, and it cannot be asked for in smaller pieces. Ask for other hours (--since, --until), "
        "for one resource (--resource), or export the table to a storage account and read that."
    )
