"""Knows groups of needs that take more boxes than a linear program has of them, and proves it of each by itself.

A group is grown from some need on, always by the need that brings the least weight of other boxes, as far as the
weights stay well below a whole number. Whether so few boxes cover the group is a small question: a search may find such
a cover, and an integer program proves that there is none. What is demanded then of the boxes that reach the group is
known as a rank inequality of set covering (Sassano, 1989); crowns are groups of which no one has to ask.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fwlens.cover.reach import Bits, distinct, largest
from fwlens.cover.search import search
from fwlens.cover.solver import fewer

_GROUPS: Final = 15
"""So many are grown for the same weights."""
_LEAST: Final = 3
_MOST: Final = 8
"""The weights that a group may have stay below a whole number from here to there."""
_NEEDS: Final = 70
_GAIN: Final = 0.2
"""What is demanded is more than the weights have by so much."""
_ALIKE: Final = 0.5
_AKIN: Final = 0.02
"""How much it counts for a need that boxes of the group reach it already."""
_SHUFFLE: Final = 0.06
_TURNS: Final = 60
_NODES: Final = 1000


@dataclass(frozen=True, slots=True)
class Group:
    """Which boxes reach a need of a group, and how many of them every cover has at least."""

    boxes: Bits
    least: int


class Ranks:
    """Looks for groups until so many were asked about or looked at that more would take too long."""

    def __init__(self, reached: Bits, asks: int, looks: int) -> None:
        self._reached, self._asks, self._looks = reached, asks, looks
        self._random = Random(0)  # noqa: S311 - the same picks every time

    @property
    def is_spent(self) -> bool:
        """Whether nothing more is looked for."""
        return self._asks <= 0 or self._looks <= 0

    def beyond(self, weights: NDArray[np.float64]) -> Iterator[Group]:
        """Groups that take more boxes than the weights have of them, those by far first; others at every call."""
        grown = [self._grown(weights) for _ in range(_GROUPS)]
        done: list[Bits] = []
        for weight, group in sorted(grown, key=lambda one: one[0] % 1):
            if self.is_spent or any(_alike(group, other) for other in done):
                continue
            self._looks -= 1
            enough = int(weight)
            if enough and self._refuted(group, enough):
                done.append(group)
                yield Group(np.asarray(self._reached[:, group].any(axis=1)), enough + 1)

    def _grown(self, weights: NDArray[np.float64]) -> tuple[float, Bits]:
        """A group by its needs, and what the weights have of it (a little more, so that its whole part is counted)."""
        used = np.flatnonzero(weights)
        reached, weights = self._reached[used].astype(float), weights[used]
        needs = reached.shape[1]
        room = self._random.randint(_LEAST, _MOST) - _GAIN
        shuffle = np.array([self._random.random() for _ in range(needs)]) * _SHUFFLE
        group = np.zeros(needs, bool)
        touched = np.zeros(len(used), bool)
        need = self._random.randrange(needs)
        while True:
            more = touched | (reached[:, need] > 0)
            if group.any() and weights[more].sum() > room:
                break
            group[need], touched = True, more
            if group.sum() == min(_NEEDS, needs):
                break
            mine = np.where(touched, weights, 0) @ reached
            others = np.where(touched, 0, weights) @ reached
            need = int(np.where(group, np.inf, np.round(others + shuffle - _AKIN * mine, 6)).argmin())
        return float(weights[touched].sum()) + _GAIN, group

    def _refuted(self, group: Bits, enough: int) -> bool:
        """Whether no so many boxes cover the group."""
        mine = np.ascontiguousarray(self._reached[:, group])
        mine = mine[distinct(mine)]
        if len(search(mine, enough, _TURNS, runs=1)[-1]) <= enough:
            return False
        self._asks -= 1
        mine = mine[largest(mine)]
        return fewer(mine, np.ones(mine.shape[1]), enough, nodes=_NODES).refuted


def _alike(group: Bits, other: Bits) -> bool:
    return bool((group & other).sum() > _ALIKE * (group | other).sum())
