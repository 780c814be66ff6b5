"""Knows what a sound catalogue is: the checks behind `fwlens catalog check` that no single file can make."""

import re
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from fnmatch import fnmatchcase
from itertools import product
from typing import Final

from fwlens.requirement import Catalog, Page, Requirement, Way
from fwlens.rule import Endpoint

STALE: Final = timedelta(days=365)
_ADDRESS: Final = re.compile(r"https://[a-z0-9.-]+(/[!-~]*)?")


def check(catalog: Catalog, today: date) -> tuple[list[str], list[str]]:
    """Errors and warnings, each a sentence, in the order of ids."""
    known = {requirement.id for requirement in catalog.requirements}
    errors = [line for one in catalog.requirements for line in _faults(one, known)]
    errors += _notes(catalog, known)
    errors += _overlaps(catalog.requirements)
    pages = _pages(catalog)
    errors += [f"{page.title}: its address {page.url!r} is no https address." for page in pages if not _is_web(page)]
    stale = [page for page in pages if today - page.read_on > STALE]
    return errors, [f"{page.title}: read on {page.read_on}, more than a year ago. Read it again." for page in stale]


def _pages(catalog: Catalog) -> list[Page]:
    """Every page that something is cited from, each once."""
    every = {page for one in catalog.requirements for page in (one.page, *one.also)}
    return sorted(every | {note.page for note in catalog.notes}, key=lambda page: (page.title, page.url, page.read_on))


def _is_web(page: Page) -> bool:
    return bool(_ADDRESS.fullmatch(page.url))


def _faults(one: Requirement, known: set[str]) -> Iterator[str]:
    if not one.purpose:
        yield f"{one.id}: it does not say what it is for."
    for way in one.ways:
        if any(peer.kind == "any" for peer in way.peers):
            yield f"{one.id}: a bare * is no need, it is everything."
    named = {"superseded_by": one.superseded_by, "conflicts_with": one.conflicts_with, "within": one.within}
    for field, ids in named.items():
        for stranger in sorted(set(ids) - known):
            yield f"{one.id}: {field} names {stranger}, which is not in the catalogue."


def _notes(catalog: Catalog, known: set[str]) -> Iterator[str]:
    for note in catalog.notes:
        for pattern in note.about:
            if not any(fnmatchcase(name, pattern) for name in known):
                yield f"note {note.id}: it is about {pattern}, which is not in the catalogue."


def _overlaps(requirements: Iterable[Requirement]) -> Iterator[str]:
    """Two needs that name the same endpoint, and a need that lies within another without saying so (`within`)."""
    ends = [(one, way, peer) for one in requirements for way in one.ways for peer in way.peers if peer.kind != "any"]
    for (one, way, peer), (other, other_way, other_peer) in product(ends, ends):
        if one.id == other.id or not _meet(one, way, other, other_way):
            continue
        if peer == other_peer and one.id < other.id:
            yield f"{one.id} and {other.id} both name {peer} over the same service: restate one of them."
        elif peer != other_peer and _covers(other_peer, peer) and other.id not in one.within:
            yield f"{one.id}: {peer} lies within {other_peer} of {other.id}: say so with within: [{other.id}]."


def _meet(one: Requirement, way: Way, other: Requirement, other_way: Way) -> bool:
    """Whether two ways can apply to the same flow: direction, cloud and a service in common."""
    services = product(way.over, other_way.over)
    return (
        one.direction == other.direction
        and bool(set(one.cloud) & set(other.cloud))
        and any(a.carries(b) or b.carries(a) for a, b in services)
    )


def _covers(wide: Endpoint, narrow: Endpoint) -> bool:
    return wide.kind != "address" and wide.covers(narrow)
