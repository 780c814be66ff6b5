"""Knows boxes: products of sets, one per dimension, inside a set of allowed cells; their maximal ones and their parts.

A rule is a box: every source x every destination x every service. A *maximal* box is one that nothing can be added to.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations, product, zip_longest
from operator import and_, or_
from typing import Final

Cell = tuple[str, ...]
"""One combination that a rule may allow: a value in each dimension."""
Box = tuple[frozenset[str], ...]
"""A product: every combination of a value of each set."""

_NONE: Final[frozenset[str]] = frozenset()
TOO_MANY: Final = 200_000
"""So many maximal boxes and no more are listed."""
_BITS: Final = 150_000_000
"""Boxes times needs: the same limit where many needs have to be compared."""


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
    """Boxes in their order.

    A box is a mask per dimension: which of the `values` of that dimension it holds, the first as the lowest bit.
    """

    values: tuple[tuple[str, ...], ...]
    masks: tuple[tuple[int, ...], ...]

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


def values_of(cells: Iterable[Cell]) -> tuple[tuple[str, ...], ...]:
    """Per dimension the values that cells have, in their order."""
    return tuple(tuple(sorted(side)) for side in hull(cells))


def places(values: Iterable[Sequence[str]]) -> list[dict[str, int]]:
    """Per dimension the place of each value."""
    return [{value: i for i, value in enumerate(side)} for side in values]


def maximal(cells: frozenset[Cell], most: int = TOO_MANY) -> Listing | None:
    """The maximal boxes of a relation, or None where there are more than `most`."""
    values = values_of(cells)
    of = places(values)
    placed = [tuple(place[value] for place, value in zip(of, cell, strict=True)) for cell in cells]
    found = _maximal(placed, len(values), most)
    return None if found is None else Listing(values, tuple(sorted(found)))


def most_for(needs: int) -> int:
    """So many boxes may be compared with so many needs."""
    return min(TOO_MANY, max(1, _BITS // needs))


def _maximal(cells: Collection[tuple[int, ...]], dimensions: int, most: int) -> set[tuple[int, ...]] | None:
    """Of cells given by the places of their values."""
    if dimensions == 1:
        return {(_mask(place for (place,) in cells),)}
    sides = [len({cell[axis] for cell in cells}) for axis in range(dimensions)]
    axis = sides.index(min(sides))
    support: dict[tuple[int, ...], int] = {}
    for cell in cells:
        rest = cell[:axis] + cell[axis + 1 :]
        support[rest] = support.get(rest, 0) | 1 << cell[axis]
    closed = _closed(support.values(), most)
    found: set[tuple[int, ...]] = set()
    for values in closed or ():
        inner = _maximal([cell for cell, there in support.items() if not values & ~there], dimensions - 1, most)
        if inner is None or len(found) > most:
            return None
        for box in inner:
            # More values may carry it than those it was found for, where it is not all that these carry.
            full = _carried(box, support) if len(inner) > 1 and len(closed or ()) > 1 else values
            found.add((*box[:axis], full, *box[axis:]))
    return None if closed is None or len(found) > most else found


def _carried(box: tuple[int, ...], support: dict[tuple[int, ...], int]) -> int:
    """The values that all combinations of a box have."""
    sides = [[i for i in range(mask.bit_length()) if mask >> i & 1] for mask in box]
    return reduce(and_, (support[cell] for cell in product(*sides)))


def _mask(places: Iterable[int]) -> int:
    return reduce(or_, (1 << place for place in places))


def _closed(sets: Iterable[int], most: int) -> list[int] | None:
    """All nonempty intersections of the sets; None where they are too many."""
    masks: set[int] = set()
    for mask in sorted(set(sets)):
        masks |= {mask & other for other in masks}
        masks.add(mask)
        if len(masks) > most:
            return None
    masks.discard(0)
    return sorted(masks)


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
