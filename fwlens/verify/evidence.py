"""Knows what evidence says otherwise than logs show it, field by field and by its names in JSON."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from fwlens.answer import as_text
from fwlens.document import Said
from fwlens.errors import plain
from fwlens.proof import Backing
from fwlens.rule import Evidence

Window = tuple[datetime | None, datetime | None]
"""The first and the last time that flows were seen; None where there are none."""
MOST: Final = 3
"""So many of a kind are told, and the rest is counted."""


def unlike(says: Said, behind: Backing, *, within: Window | None = None) -> Iterator[str]:
    """What evidence says otherwise than logs. Where these reach further than the answer (`within`), it may say less,
    and of no other time."""
    shown, around, whole = behind.shown, behind.around, within is None
    for name in ("flows", "events"):
        wrong = counted(name, says[name], getattr(shown, name) if shown else 0, whole=whole) if name in says else ""
        if wrong:
            yield wrong
    if around is None:
        return
    inner = shown if shown and whole else None
    yield from _when("first_seen", says, around.first_seen, inner.first_seen if inner else around.last_seen)
    yield from _when("last_seen", says, inner.last_seen if inner else around.first_seen, around.last_seen)
    for name in ("devices", "denied_by"):
        if name in says:
            yield from _which(name, says[name], around, inner)
    for name in ("first_seen", "last_seen"):
        when, (begin, end) = says.get(name), within or (None, None)
        if isinstance(when, datetime) and ((begin and when < begin) or (end and when > end)):
            yield f"{name} is {as_text(when)}, which is not in the window of the answer"


def counted(name: str, says: object, holds: int, *, whole: bool) -> str:
    """What is wrong with a number, if so; of logs that are not all the answer's (`whole`) it may be less."""
    if says == holds or (not whole and isinstance(says, int) and 0 <= says <= holds):
        return ""
    return f"{name} is {says:,}, and these logs show {'' if whole else 'no more than '}{holds:,}"


def together(told: list[Said]) -> Said:
    """What entries for the same conversation say together; nothing of what one of them does not say."""
    events = [each.get("events") for each in told]
    found: dict[str, object] = {}
    if None not in events:
        found["events"] = sum(each for each in events if isinstance(each, int))
    for name, pick in (("first_seen", 0), ("last_seen", -1)):
        times = sorted(when for each in told if isinstance(when := each.get(name), datetime))
        if len(times) == len(told):
            found[name] = times[pick]
    return found


def as_one(what: str, wrong: Iterable[str]) -> Iterator[str]:
    """All that is wrong with one thing in one sentence."""
    every = list(wrong)
    if every:
        yield f"{what} is stale: {'; '.join(every)}."


def some(values: Iterable[object]) -> str:
    """The first of them, and how many more there are."""
    texts = sorted(plain(str(value)) for value in values)
    return ", ".join(texts[:MOST]) + (f" and {len(texts) - MOST} more" if len(texts) > MOST else "")


def _when(name: str, says: Said, earliest: datetime, latest: datetime) -> Iterator[str]:
    when = says.get(name)
    if isinstance(when, datetime) and not earliest <= when <= latest:
        holds = earliest if when < earliest else latest
        yield f"{name} is {as_text(when)}, and these logs show {as_text(holds)}"


def _which(name: str, says: object, around: Evidence, inner: Evidence | None) -> Iterator[str]:
    told = set(says) if isinstance(says, tuple) else set()
    strange = told - set(getattr(around, name))
    missing = set(getattr(inner, name)) - told if inner else set()
    if strange:
        yield f"{name} names {some(strange)}, which these logs do not show"
    if missing:
        yield f"{name} leaves out {some(missing)}"
