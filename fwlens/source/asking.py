"""Knows how one question is put to Log Analytics until there is a whole answer, or it is clear that there is none.

A partial answer is never taken for a whole one. Tries, waits and their sum are bounded, and every one is told.
"""

import email.utils
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from threading import Lock, Semaphore
from typing import Final
from zlib import crc32

import msgspec

from fwlens.errors import FwlensError
from fwlens.source import refusal
from fwlens.source.format import NOT_DECODED, paired
from fwlens.source.session import WAIT, Reply, Request, Scope, Session

_SKEW: Final = 300
_TOO_LARGE: Final = re.compile(
    r"(?i)exceed\w* the set limit|TOO_LARGE|too large|ResponseSize|PayloadTooLarge|memory|E_RUNAWAY|E_QUERY_RESULT"
)
_TIMED_OUT: Final = re.compile(r"(?i)timeout|timed out")
_BASIC: Final = re.compile(r"(?i)(?:basic|auxiliary) logs? table|/search'?\s+instead|UnsupportedApiQueryValidation")
_NO_TABLE: Final = re.compile(r"(?i)failed to resolve (?:table|entity)\b[^']*'([^']+)'")
_TICKS: Final = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a pull goes. The service's own limits: 500,000 rows, about 104 MB, 5 queries of a user at a time.

    https://learn.microsoft.com/azure/azure-monitor/service-limits#log-queries-and-language
    """

    rows: int = 500_000
    size: int = 100_000_000
    floor: timedelta = timedelta(minutes=1)
    parts: int = 64
    longest: timedelta = timedelta(days=7)
    at_once: int = 4
    tries: int = 5
    first_wait: float = 2.0
    longest_wait: float = 120.0
    """Seconds: `Retry-After` is obeyed up to this."""
    retries: int = 100
    waiting: float = 1800.0
    """All retries and all seconds of waiting of one pull."""


@dataclass(frozen=True, slots=True)
class Question:
    """One query, bound, for one scope: what is sent, how messages name it, and whether it goes by `/search`."""

    scope: Scope
    label: str
    table: str
    text: str
    seen_from: datetime
    seen_before: datetime
    search: bool = False

    @property
    def request(self) -> Request:
        """A search takes its time from the request and not from the query: a little more, the query keeps the seams."""
        if not self.search:
            return Request(self.scope, self.text)
        begin = (self.seen_from - timedelta(seconds=1)).astimezone(UTC)
        end = (self.seen_before + timedelta(seconds=1)).astimezone(UTC)
        return Request(self.scope, searched(self.text), f"{begin:{_TICKS}}/{end:{_TICKS}}", search=True)


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole answer as it was sent, and its rows."""

    body: bytes
    rows: int


@dataclass(frozen=True, slots=True)
class TooMuch:
    """More than one answer can hold, or than the service can do in time: to be asked in smaller pieces."""

    why: str


class Turn(Enum):
    """What is no answer and no failure either."""

    SEARCH = auto()  # a Basic or Auxiliary table
    NO_TABLE = auto()
    NO_LOGS = auto()  # a workspace that never held any


@dataclass(frozen=True, slots=True)
class Again:
    """To be tried once more, after `wait` seconds if the server named them; `then` is what it means at last."""

    why: str
    wait: float | None = None
    then: "TooMuch | Turn | None" = None


Outcome = Whole | TooMuch | Turn
LIMITS: Final = Limits()


@dataclass(slots=True)
class Asker:
    """Puts questions, from several threads. Keeps what retries of the whole pull may cost, and tells of each."""

    session: Session
    limits: Limits
    tell: Callable[[str], None]
    alive: set[Scope] = field(default_factory=set)
    """Whose tables were found to answer."""
    _lock: Lock = field(default_factory=Lock)
    _searches: Semaphore = field(default_factory=lambda: Semaphore(2))
    _retries: int = 0
    _waited: float = 0.0
    _skewed: bool = False

    def ask(self, question: Question) -> Outcome:
        """Try until there is an outcome. Raises FwlensError where no try can help, or none is left."""
        if question.search:
            with self._searches:
                return self._ask(question)
        return self._ask(question)

    def _ask(self, question: Question) -> Outcome:
        attempt = 1
        while True:
            reply = self.session.send(question.request)
            self._check_clock(reply)
            outcome = judge(reply, question, self.limits, self.session.now())
            if isinstance(outcome, Whole):
                self.alive.add(question.scope)
            if outcome is Turn.NO_LOGS and question.scope in self.alive:
                outcome = Again("HTTP 204, no content", then=Turn.NO_LOGS)
            if not isinstance(outcome, Again):
                return outcome
            if attempt == self.limits.tries:
                break
            self._wait(question, outcome, attempt)
            attempt += 1
        if outcome.then is not None:
            return outcome.then
        raise FwlensError(
            f"{question.label}: no whole answer after {self.limits.tries} tries ({outcome.why}). {_way_out(reply)}"
        )

    def _wait(self, question: Question, again: Again, attempt: int) -> None:
        """Wait as long as the server asks for, or longer each time, and say so."""
        limits = self.limits
        spread = 1 + crc32(f"{question.label} {attempt}".encode()) % 250 / 1000
        wait = limits.first_wait * 2 ** (attempt - 1) * spread if again.wait is None else again.wait
        asks = ""
        if wait > limits.longest_wait:
            asks = f" (it asks for {wait:,.0f} s)" if again.wait is not None else ""
            wait = limits.longest_wait
        with self._lock:
            self._retries += 1
            self._waited += wait
            spent = self._retries > limits.retries or self._waited > limits.waiting
        if spent:
            raise FwlensError(
                f"{question.label}: {again.why}, and this pull has been tried again {self._retries - 1} times already. "
                "Wait for the service to recover, or ask for less time (--since, --until)."
            )
        tries = f"{attempt} of {limits.tries - 1}"
        self.tell(f"{question.label}: {again.why}, trying again in {wait:.0f} s{asks} ({tries}).")
        self.session.sleep(wait)

    def _check_clock(self, reply: Reply) -> None:
        """Tell once if the server's clock and ours differ by more than five minutes."""
        date = _when(reply.date)
        if date is None:
            return
        ahead = self.session.now() - date.timestamp()
        with self._lock:
            told, self._skewed = self._skewed, self._skewed or abs(ahead) > _SKEW
        if abs(ahead) > _SKEW and not told:
            side = "ahead of" if ahead > 0 else "behind"
            self.tell(
                f"this machine's clock is {_span(abs(ahead))} {side} the service's ({date:%Y-%m-%dT%H:%MZ}). Times "
                "counted from now, such as --since 1h, are meant by this machine's clock."
            )


def judge(reply: Reply, question: Question, limits: Limits, now: float) -> Outcome | Again:
    """What a reply means. Raises FwlensError for what neither a retry nor a split can mend."""
    status, told = reply.status, refusal.faults(reply.body)
    words = " ".join(f"{code} {message}" for code, message in told)
    name, where = f"HTTP {status}", question.scope.title
    if status == 0:
        return _unanswered(reply, question)
    if status == 200:
        return _answer(reply.body, limits)
    if status == 204:
        return Turn.NO_LOGS
    if status == 429:
        return Again(f"throttled ({name})", _retry_after(reply, now), TooMuch("the service throttles"))
    if status == 413 or (status in (400, 500) and _TOO_LARGE.search(words)):
        return TooMuch(f"the answer is too large ({refusal.code(told) if told else name})")
    if (status == 504 and told) or (status in (400, 500, 503) and _TIMED_OUT.search(words)):
        return TooMuch(f"the query takes too long ({name})")
    if status == 504:
        return Again(name, _retry_after(reply, now), TooMuch(f"the query takes too long ({name})"))
    if status >= 500 or status == 408 or not told:
        return Again(f"{name}{'' if told else ' without an answer in JSON'}", _retry_after(reply, now))
    if status == 400 and not question.search and _BASIC.search(words):
        return _by_search(question)
    missing = _NO_TABLE.search(words)
    if status == 400 and missing and missing[1].casefold() == question.table.casefold():
        return Turn.NO_TABLE
    if status == 401 or "InvalidAuthenticationToken" in words or "ExpiredAuthenticationToken" in words:
        raise refusal.unauthorised(where, told, f"{datetime.fromtimestamp(now, UTC):%Y-%m-%dT%H:%MZ}")
    if status == 403:
        raise refusal.forbidden(where, told, is_workspace=question.scope.is_workspace)
    if status == 404:
        raise refusal.not_found(where, told, is_workspace=question.scope.is_workspace)
    raise refusal.refused(question.label, status, told)


def _by_search(question: Question) -> Turn:
    """What has another plan is asked through another door, and not by resource.

    https://learn.microsoft.com/azure/azure-monitor/logs/basic-logs-query
    """
    if not question.scope.is_workspace:
        raise FwlensError(
            f"{question.scope.title}: {question.table} has the Basic or Auxiliary plan and can only be asked through "
            "its workspace. Name that with --workspace."
        )
    return Turn.SEARCH


class _Table(msgspec.Struct):
    columns: list[msgspec.Raw]
    rows: list[msgspec.Raw]


class _Answer(msgspec.Struct):
    tables: list[_Table] | None = None
    error: msgspec.Raw = msgspec.Raw()


_ANSWER: Final = msgspec.json.Decoder(_Answer)


def _answer(body: bytes, limits: Limits) -> Outcome | Again:
    """A body with status 200: whole, partial (it has an `error`), or no answer at all."""
    if not body.strip():
        return Again("HTTP 200 with an empty body")
    try:
        try:
            answer = _ANSWER.decode(body)
        except NOT_DECODED:
            answer = _ANSWER.decode(paired(body))
    except (*NOT_DECODED, ValueError):
        return Again("HTTP 200 with a body that is no whole answer")
    if bytes(answer.error) not in (b"", b"null"):
        return TooMuch(f"the answer is partial ({refusal.code(refusal.faults(body))})")
    if answer.tables is None:
        return Again("HTTP 200 with a body that is no whole answer")
    rows = sum(len(table.rows) for table in answer.tables)
    if rows >= limits.rows or len(body) >= limits.size:
        return TooMuch(f"the answer is as large as one may be ({rows:,} rows, {len(body):,} bytes)")
    return Whole(body, rows)


def _unanswered(reply: Reply, question: Question) -> Outcome | Again:
    match reply.fault:
        case "timeout":
            return TooMuch(f"no answer within {WAIT + 30} s")
        case "endless":
            return TooMuch("the answer does not end")
        case "certificate":
            raise FwlensError(
                f"{question.scope.title}: the server's certificate is not trusted here. Behind a proxy that opens TLS, "
                "name its certificate in REQUESTS_CA_BUNDLE."
            )
        case "unreachable":
            return Again("the service cannot be reached")
        case _:
            return Again("the connection was dropped")


def _way_out(reply: Reply) -> str:
    if reply.fault == "unreachable":
        return "Is the network up, does this machine resolve the service's name, is a proxy needed (HTTPS_PROXY)?"
    if reply.status == 200 or (400 <= reply.status < 500):
        return "Something between here and the service answers in its place: check HTTPS_PROXY and --endpoint."
    return "Try again later; https://azure.status.microsoft tells of outages."


def _retry_after(reply: Reply, now: float) -> float | None:
    """The seconds a server asks to wait, which it may also give as a date."""
    text = reply.retry_after.strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text):
        return float(text)
    date = _when(text)
    return None if date is None else max(0.0, date.timestamp() - now)


def _when(text: str) -> datetime | None:
    try:
        date = email.utils.parsedate_to_datetime(text) if text else None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date.replace(tzinfo=UTC) if date and date.tzinfo is None else date


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} minutes" if minutes < 120 else f"{round(minutes / 60)} hours"


def searched(text: str) -> str:
    """A query for `/search`: no `where` may name TimeGenerated there, so what keeps the seams names a copy of it."""
    out: list[str] = []
    for line in text.splitlines():
        if re.match(r"\s*\|\s*where\b", line) and "TimeGenerated" in line:
            if not any("| extend SeenAt = TimeGenerated" in earlier for earlier in out):
                out.append("| extend SeenAt = TimeGenerated")
            line = re.sub(r"\bTimeGenerated\b", "SeenAt", line)
        out.append(line)
    return "\n".join(out)
