"""Knows how to cover needs with few boxes where there are too many to try, and to prove how few it could be at best.

A linear program gives a first bound. What it cannot see is that a *block*, the needs of a few hosts or a few clients,
takes a whole number of boxes: for blocks where the covers found have more boxes than the program, an integer program
of the block alone says how many it takes, and that is demanded of the whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from fwlens.cover.blocks import Blocks
from fwlens.cover.boxes import Box, Cell, hull, maximal
from fwlens.cover.reach import Bits, Numbers, distinct, hardest, largest, reach
from fwlens.cover.search import search
from fwlens.cover.solve import Need, fooling
from fwlens.cover.solver import Relaxed, choose, whole

_ROUNDS: Final = 8
_LOOKED: Final = 20_000_000
"""Rounds times boxes times needs: a round looks at them all."""
_CUTS: Final = 8
"""So many blocks are demanded before the program is solved again."""
_TRIES: Final = 16
_GAIN: Final = 0.001
_GROWTH: Final = 0.02
_NARROW: Final = 6.0
_WIDEST: Final = 24.0
_COVERS: Final = 300
_EFFORT: Final = 3_000_000
"""Nodes times nonzeros of the last search: a node of a large program takes longer."""
_LARGEST: Final = 600_000


@dataclass(frozen=True, slots=True)
class Fewest:
    """Boxes that meet all needs, and a proven lower bound on their number."""

    boxes: list[Box]
    bound: int


def fewest(needs: Sequence[Need]) -> Fewest:
    """As few boxes as can be found, with a bound."""
    # More threads gain nothing here, and wait for each other where other processes run.
    with threadpool_limits(limits=1, user_api="blas"):
        return _fewest(needs)


def _fewest(needs: Sequence[Need]) -> Fewest:
    listing = maximal(_all(needs))
    by_need = reach(listing, needs)
    hard = hardest(by_need)
    reached = np.ascontiguousarray(by_need[hard].T)
    boxes = distinct(reached)
    boxes = boxes[largest(reached[boxes])]
    reached = reached[boxes]
    if not listing.complete:
        found = search(reached, 1)[-1]
        bound = max(fooling(needs, _all(needs)), bound_of_part(needs))
    else:
        relaxed = Relaxed(reached)
        covers = search(reached, whole(relaxed.bound))
        found, bound = covers[-1], whole(relaxed.bound)
        if bound < len(found):
            found, bound = _proven(reached, Blocks(needs, by_need, boxes), relaxed, covers)
    return Fewest([listing.box(int(boxes[j])) for j in found], bound)


def _all(needs: Sequence[Need]) -> frozenset[Cell]:
    return frozenset(cell for need in needs for cell in need)


def bound_of_part(needs: Sequence[Need]) -> int:
    """The bound of as many values of a dimension as leave the boxes few enough to be listed: all need no fewer."""
    cells = _all(needs)
    values = min((sorted(side) for side in hull(cells) if len(side) > 1), key=len, default=[])
    axis = next((i for i, side in enumerate(hull(cells)) if sorted(side) == values), 0)
    while len(values) > 1:
        values = values[: len(values) // 2]
        part = frozenset(cell for cell in cells if cell[axis] in values)
        inside = [need for need in needs if need <= part]
        listing = maximal(part)
        if inside and listing.complete:
            return whole(Relaxed(_without_vain(reach(listing, inside))).bound)
    return 1


def _without_vain(by_need: Bits) -> Bits:
    """Boxes x needs, of those that say something new."""
    reached = np.ascontiguousarray(by_need[hardest(by_need)].T)
    return reached[distinct(reached)]


def _proven(reached: Bits, blocks: Blocks, relaxed: Relaxed, covers: list[Numbers]) -> tuple[Numbers, int]:
    """The best cover and the best bound; a better cover may turn up on the way."""
    best = covers[-1]
    chosen = np.array([np.isin(np.arange(len(reached)), cover) for cover in covers[-_COVERS:]])
    widest = _NARROW
    for _ in range(max(1, min(_ROUNDS, _LOOKED // reached.size))):
        if whole(relaxed.bound) >= len(best) or widest > _WIDEST:
            break
        before = relaxed.bound
        if _demanded(blocks, relaxed, chosen, widest):
            relaxed.solve()
        if relaxed.bound < before + _GROWTH:
            widest *= 2
    bound = whole(relaxed.bound)
    if bound < len(best) and reached.sum() <= _LARGEST:
        rows, least = relaxed.demands()
        choice = choose(rows, nodes=max(1, _EFFORT // int(rows.sum())), known=best, least=least)
        bound = max(bound, whole(choice.bound))
        better = np.array(choice.columns, np.int64)
        if len(better) < len(best) and reached[better].any(axis=0).all():
            best = better
    return best, bound


def _demanded(blocks: Blocks, relaxed: Relaxed, covers: Bits, widest: float) -> int:
    """Demand of some blocks what they take; how many they were."""
    done = 0
    for block in blocks.candidates(relaxed.weights, covers, widest)[:_TRIES]:
        touching = blocks.touching(block)
        if blocks.takes(block) > relaxed.weights[touching].sum() + _GAIN:
            relaxed.demand(touching, blocks.takes(block))
            done += 1
            if done == _CUTS:
                break
    return done
