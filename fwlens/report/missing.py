"""Knows what a page cannot tell: which evidence is missing, and what that leaves open."""

from collections.abc import Iterator
from dataclasses import dataclass

from fwlens.ledger import ALLOWED, UNACCOUNTED
from fwlens.report.content import Night, Source
from fwlens.report.timeline import silent_hours
from fwlens.report.words import logs, plural


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that was not there to be read, in a few words, and what follows from it."""

    what: str
    so: str


@dataclass(frozen=True, slots=True)
class Heard:
    """A format with the files and rows that were of it, and those of its tables that had none."""

    source: Source
    silent: tuple[str, ...]
    files: int
    rows_read: int
    rows_used: int


def heard(night: Night) -> tuple[Heard, ...]:
    """Every known format. A file that holds two of them counts with both."""
    found = []
    for source in night.sources:
        mine = [one for one in night.answer.ledger.inputs if source.format in one.format.split(", ")]
        read, used = sum(one.rows_read for one in mine), sum(one.rows_used for one in mine)
        silent = tuple(name for name in source.tables if name not in night.answer.ledger.tables)
        found.append(Heard(source, silent, len(mine), read, used))
    return tuple(found)


def gaps(night: Night) -> tuple[Gap, ...]:
    """Everything that is missing, the most serious first."""
    return tuple(_gaps(night))


def _gaps(night: Night) -> Iterator[Gap]:
    yield from (Gap(fault, "What it holds is in no number of this page.") for fault in night.faults)
    for entry in night.answer.ledger.set_aside:
        if entry.reason == UNACCOUNTED:
            yield Gap(f"{plural(entry.rows, 'row')}: {entry.reason}.", f"The first of them is near {entry.first}.")
    for one in heard(night):
        if not one.rows_read:
            named = logs(one.source.format, ())
            yield Gap(f"No rows of {named}.", "What only these logs show is not in this page.")
    silent, hours, which = silent_hours(night)
    if silent:
        read = "no row was used" if night.with_allowed else "nothing was denied"
        so = (
            "Either nothing was sent, or the log did not arrive."
            if night.with_allowed
            else "Allowed entries are counted and not dated; --with-allowed tells a quiet hour from a missing log."
        )
        yield Gap(f"In {silent:,} of {plural(hours, 'hour')} {read}: {which}.", so)
    if night.answer.service_tags is None:
        yield Gap("No service-tag file.", "Flows that are known by an address only stay unexplained.")
    allowed = sum(entry.rows for entry in night.answer.ledger.set_aside if entry.reason == ALLOWED)
    if not night.with_allowed:
        yield Gap(
            f"Allowed entries were counted ({allowed:,}) and not looked at.",
            "A need that was not blocked may work, or nobody tried it; --with-allowed tells which.",
        )
