"""Knows how to make good boxes of a relation that has too many to list: heavy ones, for needs that are still unmet.

A box grows along a path: values that a combination of the others allows, fewer for each further combination, as long as
what the box weighs may still rise. The heaviest is taken, what it meets weighs nothing any more, and so on to the end;
all that was made on the way is there for a search to choose from.
"""

from collections.abc import Collection, Iterator, Sequence
from functools import reduce
from itertools import accumulate
from math import prod
from random import Random
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fwlens.cover.boxes import Cell, Listing, most_for, places, values_of
from fwlens.cover.reach import Bits, located
from fwlens.cover.solve import Need

_STARTS: Final = 24
_WORK: Final = 300_000
"""Paths for a box times combinations: fewer paths in a large relation."""
_LEAST: Final = 4
"""With fewer paths the boxes are no better than lines."""
_NEXT: Final = 64
"""So many further combinations are weighed in a step, those first that keep the heaviest values."""
_PATIENCE: Final = 4
"""So many steps that make a box lighter end its path."""
_KEPT: Final = 3
_PASSES: Final = 3

Weights = NDArray[np.float32]
Sides = tuple[Bits, ...]
"""A box: per dimension which of the values it holds."""


def made(needs: Sequence[Need], cells: Collection[Cell]) -> Listing | None:
    """Maximal boxes within cells that are made for the needs, among them a cover; None where it takes too long."""
    values = values_of(cells)
    of, shape = places(values), tuple(map(len, values))
    starts = min(_STARTS, _WORK // prod(shape))
    if starts < _LEAST:
        return None
    at = located((cell for need in needs for cell in need), of)
    sizes = [len(need) for need in needs]
    begins = [0, *accumulate(sizes)][:-1]
    allowed = np.zeros(shape, bool)
    allowed[located(cells, of)] = True
    masks: set[tuple[int, ...]] = set()
    room = most_for(len(needs))
    random = Random(len(needs))  # noqa: S311 - the same boxes every time
    for _ in range(_PASSES):
        unmet = np.ones(len(needs), bool)
        while unmet.any():
            weights = np.zeros(shape, np.float32)
            np.add.at(weights, at, np.repeat(unmet, sizes))
            found = sorted(_made(allowed, weights, starts, random), key=lambda one: -one[0])
            masks.update(_masks(sides) for _, sides in (found if len(masks) < room else found[:1]))
            held = np.logical_and.reduce([side[where] for side, where in zip(found[0][1], at, strict=True)])
            unmet &= ~np.logical_or.reduceat(held, begins)
    return Listing(values, tuple(sorted(masks)))


def _masks(sides: Sides) -> tuple[int, ...]:
    return tuple(int.from_bytes(np.packbits(side, bitorder="little").tobytes(), "little") for side in sides)


def _made(allowed: Bits, weights: Weights, most: int, random: Random) -> list[tuple[float, Sides]]:
    """Maximal boxes that weigh much, and what each weighs."""
    if allowed.ndim == 1:
        return [(float(weights[allowed].sum()), (allowed,))]
    axis = min(range(allowed.ndim), key=lambda each: (allowed.shape[each] == 1, allowed.shape[each]))
    lines: Any = np.moveaxis(allowed, axis, 0).reshape(allowed.shape[axis], -1)
    weigh = np.moveaxis(weights, axis, 0).reshape(lines.shape)
    others = allowed.shape[:axis] + allowed.shape[axis + 1 :]
    starts = np.flatnonzero((weigh * lines).any(axis=0))
    steps: dict[bytes, tuple[Bits, Bits]] = {}
    for start in sorted(random.sample([*starts.tolist()], min(most, len(starts)))):
        path = sorted(_path(lines, weigh, start), key=lambda step: -step[0])
        steps.update((values.tobytes(), (values, rests)) for _, values, rests in path[:_KEPT])
    found = []
    for values, rests in steps.values():
        for _, sides in _made(rests.reshape(others), weigh[values].sum(axis=0).reshape(others), most, random):
            # More values may have what is left of the combinations: a box is maximal, and who meets the least of needs
            # with maximal boxes meets all.
            inner = reduce(np.logical_and.outer, sides).ravel()
            full = lines[:, inner].all(axis=1)
            found.append((float(weigh[full][:, inner].sum()), (*sides[:axis], full, *sides[axis:])))
    return found


def _path(lines: Bits, weigh: Weights, start: int) -> Iterator[tuple[float, Bits, Bits]]:
    """From one combination on: the values, the combinations that all of them have, and what both weigh."""
    values, best, worse = lines[:, start], 0.0, 0
    lacks: Any = (~lines).astype(np.float32)
    while values.any() and worse < _PATIENCE:
        rests: Bits = np.asarray(lines[values].all(axis=0))
        weight = float(weigh[values][:, rests].sum())
        yield weight, values, rests
        best, worse = max(best, weight), 0 if weight > best else worse + 1
        kept = lines & values[:, None]
        further = np.flatnonzero(kept.any(axis=0) & ~rests)
        if not len(further):
            break
        heavy = (kept[:, further] * weigh[:, rests].sum(axis=1)[:, None]).sum(axis=0)
        further = further[np.argsort(-heavy, kind="stable")[:_NEXT]]
        left = kept[:, further].T.astype(np.float32)
        whole = ((left @ weigh) * (left @ lacks == 0)).sum(axis=1)
        values = kept[:, further[int(whole.argmax())]]
