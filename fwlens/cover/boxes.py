"""Knows boxes: products of sets, one per dimension, inside a set of allowed cells; their maximal ones and their parts.

A rule is a box: every source x every destination x every service. A *maximal* box is one that nothing can be added to.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations, product, zip_longest
from operator import and_, or_
from random import Random
from typing import Final

Cell = tuple[str, ...]
"""One combination that a rule may allow: a value in each dimension."""
Box = tuple[frozenset[str], ...]
"""A product: every combination of a value of each set."""

_NONE: Final[frozenset[str]] = frozenset()
_PATHS: Final = 2
_STRAY: Final = 0.1
TOO_MANY: Final = 40_000
"""So many maximal boxes and no more are listed; beyond it only some are."""
_BITS: Final = 100_000_000
"""Boxes times cells: the same limit for relations of many cells."""
_SOME: Final = 8_000


def cells_of(box: Box) -> Iterator[Cell]:
    """All combinations that a box allows."""
    return product(*box)


def size(box: Box) -> int:
    """How many combinations a box allows."""
    count = 1
    for values in box:
        count *= len(values)
    return count


def hull(cells: Iterable[Cell]) -> Box:
    """The smallest box around cells."""
    return tuple(frozenset(values) for values in zip(*cells, strict=True))


def sort_key(box: Box) -> tuple[tuple[str, ...], ...]:
    """The total order of boxes: by their sorted values, dimension by dimension."""
    return tuple(tuple(sorted(values)) for values in box)


def components(cells: frozenset[Cell]) -> list[frozenset[Cell]]:
    """Cells that could share a box, directly or through others; boxes never span two of these components.

    Inside a box one gets from any cell to any other by changing one value at a time, so cells that differ in one value
    are neighbours and nothing else needs to be.
    """
    parent: dict[Cell, Cell] = {cell: cell for cell in cells}

    def root(cell: Cell) -> Cell:
        while parent[cell] != cell:
            parent[cell] = parent[parent[cell]]
            cell = parent[cell]
        return cell

    seen: dict[tuple[int, Cell], Cell] = {}
    for cell in cells:
        for dimension in range(len(cell)):
            rest = (dimension, cell[:dimension] + cell[dimension + 1 :])
            parent[root(cell)] = root(seen.setdefault(rest, cell))
    groups: dict[Cell, set[Cell]] = {}
    for cell in cells:
        groups.setdefault(root(cell), set()).add(cell)
    return sorted((frozenset(group) for group in groups.values()), key=min)


@dataclass(frozen=True, slots=True)
class Listing:
    """The maximal boxes of a relation in their order, and whether these are all of them.

    A box is a mask per dimension: which of the `values` of that dimension it holds, the first as the lowest bit.
    """

    values: tuple[tuple[str, ...], ...]
    masks: tuple[tuple[int, ...], ...]
    complete: bool

    def box(self, number: int) -> Box:
        """One of the boxes, by its place."""
        return tuple(
            frozenset(value for i, value in enumerate(values) if mask >> i & 1)
            for values, mask in zip(self.values, self.masks[number], strict=True)
        )

    @property
    def boxes(self) -> tuple[Box, ...]:
        """All boxes."""
        return tuple(map(self.box, range(len(self.masks))))


def maximal(cells: frozenset[Cell]) -> Listing:
    """The maximal boxes of a relation: all of them up to about `TOO_MANY`, else some of every shape."""
    most = min(TOO_MANY, max(1, _BITS // len(cells)))
    values = tuple(tuple(sorted(side)) for side in hull(cells))
    place = [{value: i for i, value in enumerate(side)} for side in values]
    placed = [tuple(of[value] for of, value in zip(place, cell, strict=True)) for cell in cells]
    found, complete = _maximal(placed, len(values), most)
    return Listing(values, tuple(sorted(found)), complete)


def _maximal(cells: Collection[tuple[int, ...]], dimensions: int, most: int) -> tuple[set[tuple[int, ...]], bool]:
    """Of cells given by the places of their values."""
    if dimensions == 1:
        return {(_mask(place for (place,) in cells),)}, True
    sides = [len({cell[axis] for cell in cells}) for axis in range(dimensions)]
    axis = sides.index(min(sides))
    support: dict[tuple[int, ...], int] = {}
    for cell in cells:
        rest = cell[:axis] + cell[axis + 1 :]
        support[rest] = support.get(rest, 0) | 1 << cell[axis]
    closed, complete = _closed(support.values(), most)
    found: set[tuple[int, ...]] = set()
    for values in closed:
        rests = [cell for cell, there in support.items() if not values & ~there]
        inner, whole = _maximal(rests, dimensions - 1, most)
        complete = complete and whole
        for box in inner:
            # More values may carry it than those it was found for, where it is not all that these carry.
            full = _carried(box, support) if len(inner) > 1 and len(closed) > 1 else values
            found.add((*box[:axis], full, *box[axis:]))
    return found, complete


def _carried(box: tuple[int, ...], support: dict[tuple[int, ...], int]) -> int:
    """The values that all combinations of a box have."""
    sides = [[i for i in range(mask.bit_length()) if mask >> i & 1] for mask in box]
    return reduce(and_, (support[cell] for cell in product(*sides)))


def _mask(places: Iterable[int]) -> int:
    return reduce(or_, (1 << place for place in places))


def _closed(sets: Iterable[int], most: int) -> tuple[list[int], bool]:
    """All nonempty intersections of the sets; where they are too many, some from every set."""
    basis = sorted(set(sets))
    masks: set[int] = set()
    complete = True
    for mask in basis:
        masks |= {mask & other for other in masks}
        masks.add(mask)
        if len(masks) > most:
            masks, complete = _sampled(basis, min(most, _SOME)), False
            break
    masks.discard(0)
    return sorted(masks), complete


def _sampled(basis: Sequence[int], most: int) -> set[int]:
    """From every set some paths of intersections, each time with one of the sets that keep the most."""
    found, random = set(basis), Random(len(basis))  # noqa: S311 - the same paths every time
    for number, start in enumerate([*basis] * _PATHS):
        mask, left = start, [other for other in basis if other & start]
        while left and len(found) <= most:
            left = [other for other in left if mask & ~other and mask & other]
            if left:
                stray = 0.0 if number < len(basis) else _STRAY * mask.bit_count()
                mask &= max(left, key=lambda other: ((mask & other).bit_count() + random.random() * stray, -other))
                found.add(mask)
    return found


def parts(boxes: Sequence[Box], most: int) -> list[Box] | None:
    """Every box inside the given ones, each once, in their order; None where there would be more than `most`."""
    if sum(_parts_of(box) for box in boxes) > 4 * most:
        return None
    found: set[Box] = set()
    for box in boxes:
        found.update(product(*(_subsets(values) for values in box)))
        if len(found) > most:
            return None
    return sorted(found, key=sort_key)


def parts_with_own(boxes: Sequence[Box], most: int) -> list[Box] | None:
    """Of the parts of maximal boxes those that hold all cells which no other box holds, each once, in their order.

    Where boxes with cells of their own hold all cells between them, no others can be in a cover with the fewest boxes.
    None where they do not, or where there would be more than `most`.
    """
    times = Counter(cell for box in boxes for cell in cells_of(box))
    own = {box: hull(cells) for box in boxes if (cells := [cell for cell in cells_of(box) if times[cell] == 1])}
    if len({cell for box in own for cell in cells_of(box)}) < len(times):
        return None
    if sum(_parts_of(box, inner) for box, inner in own.items()) > most:
        return None
    found = [part for box, inner in own.items() for part in product(*map(_subsets, box, inner))]
    return sorted(found, key=sort_key)


def _parts_of(box: Box, inner: Box = ()) -> int:
    count = 1
    for values, kept in zip_longest(box, inner, fillvalue=_NONE):
        count *= (1 << len(values) - len(kept)) - (not kept)
    return count


def _subsets(values: frozenset[str], kept: frozenset[str] = _NONE) -> list[frozenset[str]]:
    """The subsets that hold what is kept and at least one value."""
    others = sorted(values - kept)
    sizes = range(0 if kept else 1, len(others) + 1)
    return [kept.union(chosen) for count in sizes for chosen in combinations(others, count)]
