"""Knows which boxes reach which needs, as a matrix of bits, and which of both say nothing new.

A need that every box of some other need reaches is met with that one; a box that reaches only what another one does is
never better. What is left is far smaller, and has a cover with as few boxes.
"""

from collections.abc import Collection, Iterable, Sequence
from itertools import accumulate
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fwlens.cover.boxes import Cell, Listing, places, values_of
from fwlens.cover.solve import Need

Bits = NDArray[np.bool_]
"""Boxes x needs, unless it is said otherwise."""
Numbers = NDArray[np.int64]

_FIRST: Final = 48
_ROWS: Final = 1000
_COMPARED: Final = 100_000_000_000
"""Boxes times boxes times needs."""
_NEEDS: Final = 5_000
_COMBINATIONS: Final = 4_000_000
SIDE: Final = 5_000
"""So many values of a dimension are compared with each other, which takes memory for each pair."""


def least_of(needs: Sequence[Need], cells: Collection[Cell]) -> list[Need]:
    """Of needs those that are not met wherever another one is: in each dimension, its value may have no more than
    theirs among the cells that are allowed. All where some have alternatives, or where comparing takes too long.
    """
    values = values_of(cells)
    of, shape = places(values), [len(side) for side in values]
    if prod(shape) > _COMBINATIONS or max(shape) > SIDE or any(len(need) > 1 for need in needs):
        return list(needs)
    allowed, times = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    at = located(map(min, needs), of)
    allowed[located(cells, of)], times[at] = 1, 1
    for axis in range(len(shape)):
        lines = np.moveaxis(allowed, axis, 0).reshape(shape[axis], -1)
        within = lines @ (1 - lines).T == 0
        first = within & ~(within.T & np.tri(len(within), k=-1, dtype=bool))  # of equal lines the first is the least
        times = np.moveaxis(np.tensordot(first.astype(np.float32), times, (0, axis)), 0, axis)
    return [need for need, others in zip(needs, times[at], strict=True) if others < 1.5]


def located(cells: Iterable[Cell], of: Sequence[dict[str, int]]) -> tuple[Numbers, ...]:
    """The places of cells, dimension by dimension."""
    return tuple(np.array([[place[v] for place, v in zip(of, cell, strict=True)] for cell in cells], np.int64).T)


def reach(listing: Listing, needs: Sequence[Need]) -> Bits:
    """Needs x boxes: whether the box holds a cell of the need."""
    cells = [cell for need in needs for cell in sorted(need)]
    held = np.ones((len(cells), len(listing.masks)), bool)
    for axis, place in enumerate(places(listing.values)):
        if len(place) > 1:
            held &= inside(listing, axis)[[place[cell[axis]] for cell in cells]]
    begins = [0, *accumulate(map(len, needs))][:-1]
    return held if len(cells) == len(needs) else np.logical_or.reduceat(held, begins, axis=0)


def inside(listing: Listing, axis: int) -> Bits:
    """Values of a dimension x boxes: whether the box holds the value."""
    return _unpacked([box[axis] for box in listing.masks], len(listing.values[axis]))


def _unpacked(masks: Sequence[int], bits: int) -> Bits:
    """Bits x masks."""
    wide = -(-bits // 8)
    packed = np.frombuffer(b"".join(mask.to_bytes(wide, "little") for mask in masks), np.uint8).reshape(-1, wide)
    return np.ascontiguousarray(np.unpackbits(packed, axis=1, count=bits, bitorder="little").T.astype(bool))


def hardest(by_need: Bits) -> Numbers:
    """Of needs x boxes the needs whose boxes hold those of no other need, of equal ones the first; all where comparing
    them takes too long."""
    if len(by_need) > _NEEDS:
        return np.arange(len(by_need))
    met = np.zeros(len(by_need), bool)
    for need, mine in enumerate(by_need):
        if met[need]:
            continue
        boxes = np.flatnonzero(mine)
        few = boxes[:: max(1, len(boxes) // _FIRST)]
        others = np.flatnonzero(by_need[:, few].all(axis=1))
        others = others[by_need[np.ix_(others, boxes)].all(axis=1)]
        met[others] = True
        # Where all have the same boxes, this one stays; a later one with fewer boxes may still take its place.
        met[need] = False
    return np.flatnonzero(~met)


def distinct(reached: Bits) -> Numbers:
    """One of equal rows each, the first, in their order; none that reaches nothing."""
    first: dict[bytes, int] = {}
    packed = np.packbits(reached, axis=1)
    for number in np.flatnonzero(packed.any(axis=1)):
        first.setdefault(packed[number].tobytes(), int(number))
    return np.array([*first.values()], np.int64)


def largest(reached: Bits) -> Numbers:
    """Of distinct boxes those whose needs lie within those of no other; all where comparing them takes too long."""
    if len(reached) * reached.size > _COMPARED:
        return np.arange(len(reached))
    order = np.argsort(-reached.sum(axis=1), kind="stable")
    sizes = reached.sum(axis=1)[order]
    floats: Any = reached[order].astype(np.float32)
    kept = np.ones(len(order), bool)
    for begin in range(0, len(order), _ROWS):
        mine = slice(begin, begin + _ROWS)
        larger = int(np.searchsorted(-sizes, -sizes[mine][-1]))
        held = floats[mine] @ floats[:larger].T >= sizes[mine, None]
        kept[mine] = ~(held & (sizes[None, :larger] > sizes[mine, None])).any(axis=1)
    return np.sort(order[kept])
