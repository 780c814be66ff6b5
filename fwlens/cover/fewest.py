"""Knows how to cover needs with few boxes where there are too many to try, and to prove how few it could be at best.

A linear program gives a first bound, and what it cannot see, that crowns take more boxes, is demanded of it. A search
looks for a cover. Where the two do not meet, an integer program is asked for one box more than is proven, and so on;
where they are far apart, groups of needs are asked about by themselves first, and what they take is demanded too.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from fwlens.cover.boxes import Box, Cell, Listing, hull, maximal, most_for
from fwlens.cover.crowns import Crowns, unlike
from fwlens.cover.dense import made
from fwlens.cover.kept import nearest
from fwlens.cover.ranks import Ranks
from fwlens.cover.reach import Bits, Numbers, distinct, hardest, inside, largest, least_of, reach
from fwlens.cover.search import search
from fwlens.cover.solve import Need, fooling
from fwlens.cover.solver import Relaxed, fewer, whole

_TURNS: Final = 50
_STILL: Final = 7
"""So many turns without a crown that lifts the bound are the last."""
_LIFT: Final = 0.01
_SEARCHED: Final = 10_000
"""Of more boxes than that the largest are searched, and those that the linear program asked for."""
_EFFORT: Final = 15_000_000
"""Nodes times nonzeros of an integer program: a node of a large one takes longer."""
_NEAR: Final = 0.05
"""Within so much of the cover a bound is near: to bring it nearer is worth a try, and no more."""
_TRY: Final = 1_200_000
_ASKS: Final = 60
_LOOKS: Final = 3_000_000
"""Groups of needs that are asked about, and boxes times groups that are looked at."""
_FEW: Final = 8
"""Fewer nodes are not worth the first one, which takes the longest."""
_LARGEST: Final = 200_000


@dataclass(frozen=True, slots=True)
class Fewest:
    """Boxes that meet all needs, and a proven lower bound on their number."""

    boxes: list[Box]
    bound: int


def fewest(needs: Sequence[Need], cells: frozenset[Cell], earlier: Sequence[Box] = ()) -> Fewest:
    """As few boxes within cells as can be found, of `earlier` ones as many as then can be, and a bound."""
    # More threads gain nothing here, and wait for each other where other processes run.
    with threadpool_limits(limits=1, user_api="blas"):
        return _fewest(needs, cells, earlier)


def _fewest(needs: Sequence[Need], cells: frozenset[Cell], earlier: Sequence[Box]) -> Fewest:
    listed = _listed(needs, cells)
    plain = min(_lines(needs), key=len)
    if listed is not None:
        chosen, among, bound = _closed_in(listed, Crowns(needs, cells, listed.inside), len(plain))
        found = Fewest(listed.near(chosen, among, needs, earlier), bound)
    else:
        found = _unlisted(needs, cells, len(plain), earlier)
    alike = (found.boxes, plain) if earlier else (plain, found.boxes)
    return Fewest(min(alike, key=len), found.bound)


def _unlisted(needs: Sequence[Need], cells: frozenset[Cell], enough: int, earlier: Sequence[Box]) -> Fewest:
    """A cover of made boxes (of single needs where `enough` are the fewest, or where it would take too long), and what
    can be proven without all boxes."""
    bound = max(fooling(needs, cells), unlike(needs, cells))
    if bound >= enough:
        return Fewest([hull([min(need)]) for need in needs], bound)
    bound = max(bound, bound_of_part(needs, cells))
    listing = made(needs, cells)
    if listing is None:
        return Fewest([hull([min(need)]) for need in needs], bound)
    some = _Boxes(listing, least_of(needs, cells))
    best, every = search(some.reached, bound)[-1], np.arange(len(some.reached))
    return Fewest(some.near(best, every, needs, earlier), bound)


def _lines(needs: Sequence[Need]) -> list[list[Box]]:
    """The plain covers: for each dimension one box per combination of the others. No cover may be worse than these."""
    covers = []
    cells = sorted(min(need) for need in needs)
    for axis in range(len(cells[0])):
        lines: dict[Cell, list[Cell]] = {}
        for cell in cells:
            lines.setdefault(cell[:axis] + cell[axis + 1 :], []).append(cell)
        covers.append([hull(line) for line in lines.values()])
    return covers


class _Boxes:
    """Boxes of a listing and the needs that they reach, without those that say nothing new."""

    def __init__(self, listing: Listing, needs: Sequence[Need]) -> None:
        by_need = reach(listing, needs)
        reached = np.ascontiguousarray(by_need[hardest(by_need)].T)
        boxes = distinct(reached)
        self.listing, self._boxes = listing, boxes[largest(reached[boxes])]
        self.reached: Bits = reached[self._boxes]

    def named(self, chosen: Iterable[int]) -> list[Box]:
        """Boxes by their numbers."""
        return [self.listing.box(int(self._boxes[number])) for number in chosen]

    def near(self, chosen: Numbers, among: Numbers, needs: Sequence[Need], earlier: Sequence[Box]) -> list[Box]:
        """The chosen boxes, or no more others of which more are earlier ones."""
        if not earlier:
            return self.named(chosen)
        every = np.union1d(among, chosen)
        some = Listing(self.listing.values, tuple(self.listing.masks[number] for number in self._boxes[every]))
        return nearest(some, np.searchsorted(every, chosen), needs, earlier)

    @property
    def inside(self) -> list[Bits]:
        """Per dimension boxes x values."""
        return [inside(self.listing, axis).T[self._boxes] for axis in range(len(self.listing.values))]


def _listed(needs: Sequence[Need], cells: frozenset[Cell]) -> _Boxes | None:
    """The maximal boxes of allowed cells, where they can be listed."""
    least = least_of(needs, cells)
    listing = maximal(cells, most_for(len(least)))
    return None if listing is None else _Boxes(listing, least)


def bound_of_part(needs: Sequence[Need], cells: frozenset[Cell]) -> int:
    """The bound of as many values of a dimension as leave the boxes few enough to be listed: all need no fewer."""
    values = min((sorted(side) for side in hull(cells) if len(side) > 1), key=len, default=[])
    axis = next((i for i, side in enumerate(hull(cells)) if sorted(side) == values), 0)
    while len(values) > 1:
        values = values[: len(values) // 2]
        part = frozenset(cell for cell in cells if cell[axis] in values)
        mine = [need for need in needs if need <= part]
        if mine and (listed := _listed(mine, part)):
            return whole(Relaxed(listed.reached).bound)
    return 1


def _closed_in(listed: _Boxes, crowns: Crowns, enough: int) -> tuple[Numbers, Numbers, int]:
    """A cover and a bound, as near to each other as can be, with the boxes that were searched (all by number) between
    them; `enough` boxes are known to suffice."""
    reached = listed.reached
    relaxed = Relaxed(reached)
    _crowned(relaxed, crowns, enough)
    bound = whole(relaxed.bound)
    among = _promising(reached, relaxed)
    best = among[search(reached[among], bound)[-1]]
    if _is_near(bound + 1, best):  # one proof brings it there
        best, bound = _pressed(reached, relaxed, best, bound, _TRY)
    if not _is_near(bound, best):
        _ranked(relaxed, Ranks(reached, _ASKS, _LOOKS // len(reached)), len(best))
        best, bound = _pressed(reached, relaxed, best, max(bound, whole(relaxed.bound)), _EFFORT)
    return best, among, bound


def _pressed(reached: Bits, relaxed: Relaxed, best: Numbers, bound: int, effort: int) -> tuple[Numbers, int]:
    """The cover and the bound, after as many boxes as are proven to be needed were asked for, and then one more."""
    if reached.sum() > _LARGEST:
        return best, bound
    rows, least = relaxed.demands()
    while bound < len(best):
        nodes = (_TRY if _is_near(bound, best) else effort) // int(rows.sum())
        if nodes < _FEW:
            break
        asked = fewer(rows, least, bound, nodes=nodes)
        if asked.refuted:
            bound += 1
        elif asked.chosen is not None and len(asked.chosen) < len(best) and reached[asked.chosen].any(axis=0).all():
            best = asked.chosen
        else:
            break
    return best, bound


def _crowned(relaxed: Relaxed, crowns: Crowns, enough: int) -> None:
    """Demand of crowns what they take, until none is found that lifts the bound, or none needs to."""
    still = 0
    for turn in range(_TURNS):
        if whole(relaxed.bound) >= enough:
            break
        before = relaxed.bound
        for crown in crowns.beyond(relaxed.weights, turn):
            relaxed.demand(crowns.touching(crown), crown.least)
        relaxed.solve()
        still = 0 if relaxed.bound > before + _LIFT else still + 1
        if still == _STILL:
            break


def _is_near(bound: int, best: Numbers) -> bool:
    return bound >= (1 - _NEAR) * len(best)


def _ranked(relaxed: Relaxed, ranks: Ranks, enough: int) -> None:
    """Demand of groups of needs what they take, until `enough` boxes are proven to be needed or it takes too long."""
    while whole(relaxed.bound) < enough and not ranks.is_spent:
        for group in ranks.beyond(relaxed.weights):
            relaxed.demand(group.boxes, group.least)
        relaxed.solve()


def _promising(reached: Bits, relaxed: Relaxed) -> Numbers:
    if len(reached) <= _SEARCHED:
        return np.arange(len(reached))
    order = np.argsort(-reached.sum(axis=1), kind="stable")
    return np.union1d(relaxed.held, order[:_SEARCHED])
