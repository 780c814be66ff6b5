"""Knows crowns: values of which each needs what all the others need, but for one combination that is its own.

Values a1 … am of a dimension and combinations w1 … wm of the others make a crown where every ai needs every wj except
wi, and must not have wi. Of the boxes that reach these needs, those that hold ai are never all among those that hold
aj: the one that gives ai its wj would give it to aj as well. So the values stand for m sets of boxes of which none lies
in another, and of k boxes there are at most k over k/2 such sets (Sperner, 1928). A linear program cannot see that: by
it three and a half boxes are enough for seven values, which take five.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import count
from math import comb
from operator import and_
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fwlens.cover.boxes import Cell, places, values_of
from fwlens.cover.reach import SIDE, Bits, located
from fwlens.cover.solve import Need

_MOST: Final = 36
_STARTS: Final = 2000
"""So many crowns are grown in a turn."""
_CUTS: Final = 40
_ALIKE: Final = 0.5
"""Of two crowns that share so much, one is enough in a turn."""
_GAIN: Final = 0.05
_DEAR: Final = 2.5
"""A need that the weights meet so often adds more to what a crown weighs than to what it takes."""
_CELLS: Final = 4_000_000

Weights = NDArray[np.float64]


def boxes_for(values: int) -> int:
    """How many boxes a crown of so many values takes at least."""
    return next(k for k in count(1) if comb(k, k // 2) >= values)


_STEPS: Final = {m: boxes_for(m) for m in range(3, _MOST + 1) if boxes_for(m) > boxes_for(m - 1)}
"""The sizes of crowns that take a box more than any smaller one."""


@dataclass(frozen=True, slots=True)
class Crown:
    """Values of a dimension and as many combinations of the others, by their places; and how many boxes more than the
    weights have of them every cover has."""

    axis: int
    values: tuple[int, ...]
    rests: tuple[int, ...]
    gain: float

    @property
    def least(self) -> int:
        """So many of the boxes that reach its needs are in every cover."""
        return boxes_for(len(self.values))


class Crowns:
    """The crowns of needs within cells; `inside[axis]` says which boxes hold which of the values, in their order."""

    def __init__(self, needs: Sequence[Need], cells: Collection[Cell], inside: Sequence[Bits]) -> None:
        self._inside = inside
        axes = [axis for axis, bits in enumerate(inside) if bits.shape[1] > 1]
        turned = axes[:1] if len(axes) == 2 else axes  # of two dimensions, either shows the crowns of both
        self._sides = {side.axis: side for side in _sides(needs, cells, turned)}

    def touching(self, crown: Crown) -> Bits:
        """Which boxes reach a need of a crown."""
        rests = self._rests(self._sides[crown.axis], slice(None), crown.rests)
        return np.asarray(self._inside[crown.axis][:, crown.values].any(axis=1) & rests.any(axis=1))

    def beyond(self, weights: Weights, turn: int) -> list[Crown]:
        """Crowns that take more boxes than the weights have of them, those by far first; others in every turn."""
        used = np.flatnonzero(weights)
        found: set[Crown] = set()
        for side in self._sides.values():
            values, rests = self._inside[side.axis][used], self._rests(side, used, range(len(side.rests)))
            found.update(_grown(side, weights[used], values, rests, turn))
        picked: list[Crown] = []
        for crown in sorted(found, key=lambda one: (-one.gain, one.axis, one.values, one.rests)):
            if len(picked) < _CUTS and not any(_alike(crown, other) for other in picked):
                picked.append(crown)
        return picked

    def _rests(self, side: "_Side", boxes: Any, rests: Sequence[int]) -> Bits:
        """Boxes x combinations of the other dimensions."""
        places = side.rests[list(rests)]
        others = (bits[boxes][:, places[:, axis]] for axis, bits in enumerate(self._inside) if axis != side.axis)
        return reduce(and_, others)


def unlike(needs: Sequence[Need], cells: Collection[Cell]) -> int:
    """How many boxes needs take at least, because none of so many values needs only what another one may have."""
    sides = _sides(needs, cells, [axis for axis, values in enumerate(values_of(cells)) if len(values) > 1])
    return max((boxes_for(_apart(side)) for side in sides), default=1)


def _sides(needs: Sequence[Need], cells: Collection[Cell], axes: Iterable[int]) -> "Iterator[_Side]":
    """The sides of some dimensions, without those that would take too much memory."""
    for axis in axes:
        values, rests = len({cell[axis] for cell in cells}), len({cell[:axis] + cell[axis + 1 :] for cell in cells})
        if values <= SIDE and values * rests <= _CELLS:
            yield _Side(needs, cells, axis)


def _apart(side: "_Side") -> int:
    """How many values there are of which each needs something that each other must not have; greedy."""
    needs: Any = side.needed.astype(np.float32)
    lacks = needs @ side.absent.T.astype(np.float32) > 0
    apart = lacks & lacks.T
    left, found = np.ones(len(apart), bool), 0
    while left.any():
        first = int(np.where(left, (apart & left).sum(axis=1), -1).argmax())
        left &= apart[first]
        found += 1
    return found


class _Side:
    """Needs as values of one dimension x combinations of the others, which are given by their places (a row each)."""

    def __init__(self, needs: Sequence[Need], cells: Collection[Cell], axis: int) -> None:
        self.axis = axis
        of = places(values_of(cells))
        singles = {cell for need in needs if len(need) == 1 for cell in need}
        at = np.column_stack(located(cells, of))
        needed = np.array([cell in singles for cell in cells])
        values, at[:, axis] = at[:, axis].copy(), 0
        self.rests, rest = np.unique(at, axis=0, return_inverse=True)
        shape = len(of[axis]), len(self.rests)
        self.needed, self.absent = np.zeros(shape, bool), np.ones(shape, bool)
        self.absent[values, rest.ravel()] = False
        self.needed[values[needed], rest.ravel()[needed]] = True


def _grown(side: _Side, weights: Weights, values: Bits, rests: Bits, turn: int) -> Iterator[Crown]:
    """From some of the pairs (value, combination that it must not have) on, always the one that adds the least."""
    times = (values * weights[:, None]).T @ rests
    cheap = side.needed & (times <= _DEAR)
    floats: Any = cheap.astype(np.float32)
    starts = np.argwhere(side.absent & (floats @ side.absent.T.astype(np.float32) @ floats > 1))
    step = -(-len(starts) // _STARTS) or 1
    held = values.astype(float), rests.astype(float)
    for start in starts[turn % step :: step]:
        yield from _from(start, side, cheap, weights, *held)


def _from(
    start: NDArray[np.int64], side: _Side, cheap: Bits, weights: Weights, values: Weights, rests: Weights
) -> Iterator[Crown]:
    (a, w), taken = start, [start]
    of_a, of_w = values[:, a] > 0, rests[:, w] > 0
    others, combinations = np.flatnonzero(cheap[:, w]), np.flatnonzero(cheap[a])
    best: Crown | None = None
    while len(taken) < _MOST:
        pairs = side.absent[np.ix_(others, combinations)]
        if not pairs.any():
            break
        more = _with_each(weights, of_a, of_w, values[:, others], rests[:, combinations])
        weigh = np.where(pairs, np.round(more, 6), np.inf)
        row, column = divmod(int(weigh.argmin()), len(combinations))
        a, w = others[row], combinations[column]
        of_a, of_w = of_a | (values[:, a] > 0), of_w | (rests[:, w] > 0)
        taken.append(np.array([a, w]))
        gain = _STEPS.get(len(taken), 0) - float(weigh[row, column])
        if gain > max(_GAIN, best.gain if best else 0.0):
            mine, theirs = (tuple(sorted(int(pair[i]) for pair in taken)) for i in (0, 1))
            best = Crown(side.axis, mine, theirs, gain)
        others, combinations = others[cheap[others, w]], combinations[cheap[a, combinations]]
    if best:
        yield best


def _with_each(weights: Weights, of_a: Bits, of_w: Bits, values: Weights, rests: Weights) -> Weights:
    """How much the weights have of boxes that hold a value and a combination of a crown, with each value and each
    combination more; a box that holds neither yet has to hold both of the new ones."""
    either = (weights * (of_w & ~of_a)) @ values, (weights * (of_a & ~of_w)) @ rests
    neither = weights * ~(of_a | of_w)
    both: Weights = (values * neither[:, None]).T @ rests
    return both + either[0][:, None] + either[1] + weights @ (of_a & of_w)


def _alike(crown: Crown, other: Crown) -> bool:
    values, rests = {*crown.values} & {*other.values}, {*crown.rests} & {*other.rests}
    return crown.axis == other.axis and len(values) * len(rests) > _ALIKE * len(crown.values) ** 2
