"""Knows how documented needs fared: blocked, working, both, or not seen, each alone and by the page that states it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import polars as pl

from fwlens.report.content import Column, Night, Sheet
from fwlens.requirement import Page, Requirement

State = Literal["blocked", "blocked in part", "working", "never seen", "not blocked"]
"""`not blocked` is all that is known of a need where allowed entries were not looked at."""

STATES: Final[tuple[State, ...]] = ("blocked", "blocked in part", "working", "not blocked", "never seen")
LETTERS: Final[dict[State, str]] = {
    "blocked": "B",
    "blocked in part": "P",
    "working": "W",
    "not blocked": "·",
    "never seen": "·",
}
"""What stands for a state in a small square, where a colour alone would not be enough."""


@dataclass(frozen=True, slots=True)
class Fate:
    """One need with what the logs show of it, in conversations."""

    need: Requirement
    state: State
    blocked: int
    working: int


@dataclass(frozen=True, slots=True)
class PageFates:
    """A page with all the needs that it states, the blocked ones first."""

    page: Page
    fates: tuple[Fate, ...]

    def of(self, state: State) -> tuple[Fate, ...]:
        """Those in one state."""
        return tuple(fate for fate in self.fates if fate.state == state)


def fates(night: Night) -> tuple[Fate, ...]:
    """Every need, the blocked ones first, then in the order of their ids."""
    seen: dict[str, dict[str, int]] = {}
    counted = night.matched.group_by("requirement", "verdict").agg(flows=pl.len())
    for requirement, verdict, flows in counted.iter_rows():
        seen.setdefault(requirement or "", {})[verdict] = flows
    every = [_fate(need, seen.get(need.id, {}), with_allowed=night.with_allowed) for need in night.needs]
    return tuple(sorted(every, key=lambda fate: (STATES.index(fate.state), fate.need.id)))


def _fate(need: Requirement, seen: dict[str, int], *, with_allowed: bool) -> Fate:
    blocked, working = seen.get("needed", 0), seen.get("working", 0)
    state: State = "never seen" if with_allowed else "not blocked"
    if blocked:
        state = "blocked in part" if working else "blocked"
    elif working:
        state = "working"
    return Fate(need, state, blocked, working)


def by_page(every: Sequence[Fate]) -> tuple[PageFates, ...]:
    """The matrix: pages with blocked needs first. A need stands on each page that states it.

    Sections of a page have titles of their own: it is called what most of its needs call it, the same on every night.
    """
    pages: dict[str, tuple[Counter[Page], list[Fate]]] = {}
    for fate in every:
        for page in dict.fromkeys((fate.need.page, *fate.need.also)):
            titles, rows = pages.setdefault(page.url, (Counter(), []))
            titles[page] += 1
            if not rows or rows[-1] is not fate:
                rows.append(fate)
    found = [PageFates(_called(titles), tuple(rows)) for titles, rows in pages.values()]

    def blocked(one: PageFates) -> int:
        return len(one.of("blocked")) + len(one.of("blocked in part"))

    return tuple(sorted(found, key=lambda one: (-blocked(one), -len(one.of("working")), one.page.title, one.page.url)))


def _called(titles: Counter[Page]) -> Page:
    return min(titles, key=lambda page: (-titles[page], page.title, page.basis, page.read_on, page.dated))


def sheet(every: Sequence[Fate]) -> Sheet:
    """Every need in a line."""
    columns = (
        Column("need", "Need", "need"),
        Column("state", "State", "choice"),
        Column("blocked", "Blocked flows", "number"),
        Column("working", "Working flows", "number"),
        Column("purpose", "What for"),
        Column("level", "Level", "choice"),
        Column("layer", "Stated by", "choice"),
        Column("page", "Page"),
        Column("read_on", "Read on"),
    )
    rows = [
        (
            fate.need.id,
            fate.state,
            fate.blocked,
            fate.working,
            fate.need.purpose,
            fate.need.level,
            fate.need.basis,
            fate.need.page.title,
            fate.need.page.read_on.isoformat(),
        )
        for fate in every
    ]
    schema = {column.key: pl.Int64() if column.kind == "number" else pl.String() for column in columns}
    frame = pl.DataFrame(rows, schema, orient="row")
    return Sheet("needs", "Every documented need", "blocked ones first", columns, frame)
