"""Knows which two boxes may become one, and how much of what was not allowed that lets through.

Cells that differ along the longest side alone are one *column*, and what is allowed of a column is a mask: a pair of
boxes is judged by its columns, and again only where one of them has changed.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import combinations, product
from math import prod
from typing import Final, NamedTuple, TypeVar

from fwlens.cover import Atoms, Need, trimmed
from fwlens.cover.boxes import Box, Cell, cells_of, hull

_T = TypeVar("_T")
Worth = Callable[[int, str], int]
"""How much a value of a dimension stands for: a network its addresses, a range its ports."""


class Merge(NamedTuple):
    """Two boxes by their numbers, and how much more is allowed with the box around them in their place."""

    cost: int
    pair: tuple[int, int]


class _Judged(NamedTuple):
    """What a pair costs (None where it may not be one box), and the columns that this was read off, as a mask."""

    cost: int | None
    columns: int = 0


class Merging:
    """Boxes that meet needs, and what they allow; `may` is what a merge may add."""

    def __init__(
        self, boxes: Iterable[Box], needs: Sequence[Need], may: Collection[Cell], atoms: Atoms, worth: Worth
    ) -> None:
        self._needs, self._atoms = needs, atoms
        full = list(boxes)
        cells = {cell for box in full for cell in cells_of(box)}.union(may)
        sides = hull(cells)
        self._axis = axis = max(range(len(sides)), key=lambda side: len(sides[side]))
        values = sorted(sides[axis])
        self._bits: Final = {value: 1 << place for place, value in enumerate(values)}
        self._worths = _by_worth((worth(axis, value), bit) for value, bit in self._bits.items())
        columns = sorted({self._without(cell) for cell in cells})
        self._places = {column: place for place, column in enumerate(columns)}
        others = [side for side in range(len(sides)) if side != axis]
        self._weights = [prod(map(worth, others, column)) for column in columns]
        self._may = [0] * len(columns)
        for cell in may:
            self._may[self._places[self._without(cell)]] |= self._bits[cell[axis]]
        self._held: dict[tuple[frozenset[str], ...], tuple[int, ...]] = {}
        self._judged: dict[tuple[int, int], _Judged] = {}
        self._boxes: dict[int, Box] = {}
        self._next = 0
        self._allowed = [0] * len(columns)
        self._replace(full)

    @property
    def boxes(self) -> tuple[Box, ...]:
        """The boxes, those that a merge has changed last."""
        return tuple(self._boxes.values())

    @property
    def opened(self) -> int:
        """How much the boxes allow in all."""
        return sum(self._amount(bits) * weight for bits, weight in zip(self._allowed, self._weights, strict=True))

    def cheapest(self) -> Merge | None:
        """The merge that newly allows the least; None where no two boxes may be one."""
        found = (Merge(one.cost, pair) for pair, one in self._judged.items() if one.cost is not None)
        return min(found, default=None)

    def merge(self, merge: Merge) -> None:
        """Put the box around two boxes in their place, and take out of all boxes what can go then."""
        around = _around(*(self._boxes[number] for number in merge.pair))
        left = [box for box in self._boxes.values() if not all(map(frozenset.issubset, box, around))]
        self.trim([*left, around])

    def trim(self, boxes: Sequence[Box]) -> None:
        """Take boxes for those before, without every atom that can go."""
        self._replace(trimmed(boxes, self._needs, self._atoms))

    def _replace(self, boxes: Sequence[Box]) -> None:
        """Take boxes for those before; one that stays keeps its number."""
        numbers = {box: number for number, box in self._boxes.items()}
        self._boxes = {}
        for box in sorted(boxes, key=lambda box: numbers.get(box, self._next)):
            number = numbers.get(box, self._next)
            self._next = max(self._next, number + 1)
            self._boxes[number] = box
        before, self._allowed = self._allowed, [0] * len(self._allowed)
        for box in self._boxes.values():
            bits = self._mask(box)
            for place in self._columns(box):
                self._allowed[place] |= bits
        changed = sum(
            1 << place for place, (old, new) in enumerate(zip(before, self._allowed, strict=True)) if old != new
        )
        known, self._judged = self._judged, {}
        for pair in combinations(self._boxes, 2):
            judged = known.get(pair)
            self._judged[pair] = self._judge(pair) if judged is None or judged.columns & changed else judged

    def _judge(self, pair: tuple[int, int]) -> _Judged:
        around = _around(*(self._boxes[number] for number in pair))
        columns = self._columns(around)
        cost, bits = 0, self._mask(around)
        for place in columns:
            fresh = bits & ~self._allowed[place]
            if fresh & ~self._may[place]:
                return _Judged(None)
            cost += self._amount(fresh) * self._weights[place]
        return _Judged(cost, sum(1 << place for place in columns)) if columns else _Judged(None)

    def _columns(self, box: Box) -> tuple[int, ...]:
        """The columns of a box by their places; none where it has one of which nothing may be allowed."""
        sides = self._without(box)
        if sides not in self._held:
            places = [self._places.get(column) for column in product(*sides)]
            self._held[sides] = () if None in places else tuple(place for place in places if place is not None)
        return self._held[sides]

    def _mask(self, box: Box) -> int:
        return sum(self._bits[value] for value in box[self._axis])

    def _amount(self, bits: int) -> int:
        return sum(worth * (bits & alike).bit_count() for worth, alike in self._worths)

    def _without(self, sides: tuple[_T, ...]) -> tuple[_T, ...]:
        return (*sides[: self._axis], *sides[self._axis + 1 :])


def _around(one: Box, other: Box) -> Box:
    return tuple(map(frozenset.union, one, other))


def _by_worth(values: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Masks of the values that are worth the same."""
    masks: dict[int, int] = {}
    for worth, bit in values:
        masks[worth] = masks.get(worth, 0) | bit
    return sorted(masks.items())
