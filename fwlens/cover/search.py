"""Knows how to look for a cover with few boxes: one leaves, another comes, and needs long unmet weigh more.

The search is the one known as row weighting local search for unicost set covering (Gao and others, 2015).
"""

from random import Random
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fwlens.cover.reach import Bits, Numbers

_RUNS: Final = 3
TURNS: Final = 12_000
_WORK: Final = 5_000_000_000
"""Boxes times needs that the turns of a run look at."""
_LOOKS: Final = 800_000
"""Boxes times needs weighed in a turn, of the boxes that reach the need that was picked."""
_EVERY: Final = 10
_FEW: Final = 3
_NEAR_RUNS: Final = 20
_NEAR_TURNS: Final = 3_000
_DEAR: Final = 2
"""A box of the start is missed so many times as much as another one."""
_NONE: Final = np.zeros(0, np.int64)


def search(reached: Bits, enough: int, turns: int = TURNS, runs: int = _RUNS) -> list[Numbers]:
    """Covers, the best one last; ends as soon as one has no more than `enough` boxes."""
    found: list[Numbers] = []
    for run in range(runs):
        if not found or len(found[-1]) > enough:
            found += _run(_State(reached, run), enough, turns, _WORK)
            found.sort(key=len, reverse=True)
    return found


def search_from(start: Numbers, reached: Bits, enough: int) -> list[Numbers]:
    """Covers with no more than `enough` boxes, each from those of `start` on by another way."""
    runs = (_run(_State(reached, run, start), enough, _NEAR_TURNS, _WORK // _NEAR_RUNS) for run in range(_NEAR_RUNS))
    return [cover for run in runs for cover in run if len(cover) <= enough]


def _run(state: "_State", enough: int, turns: int, work: int) -> list[Numbers]:
    found: list[Numbers] = []
    boxes, needs = len(state.chosen()), state.reached.shape[1]
    a_turn = boxes * needs + min(int(state.reached.sum()), _LOOKS)
    for turn in range(max(1, min(turns, work // a_turn))):
        unmet = np.flatnonzero(state.times == 0)
        if not len(unmet):
            state.without_vain()
            found.append(state.chosen())
            if len(found[-1]) <= enough:
                break
            state.leave(turn)
            continue
        if turn % _EVERY == 0 and len(unmet) <= _FEW:
            found += state.completed(unmet)
        state.leave(turn)
        state.come(turn)
    return found


class _State:
    """Chosen boxes, how many of them reach each need, and what each need weighs. Weights stay small whole numbers, so
    that sums of them are exact in any order."""

    def __init__(self, reached: Bits, run: int, start: Numbers = _NONE) -> None:
        self.reached, self.random = reached, Random(run)  # noqa: S311 - the same picks every time
        self.floats: Any = reached.astype(np.float32)
        self.boxes_of = [np.flatnonzero(column) for column in reached.T]
        boxes, needs = reached.shape
        self.inside, self.times = np.zeros(boxes, bool), np.zeros(needs, np.int64)
        self.moved, self.weight = np.zeros(boxes, np.int64), np.ones(needs, np.float32)
        self.newest = -1
        self.dear = np.ones(boxes, np.float32)
        self.dear[start] = _DEAR
        for box in start:
            self._take(int(box), 1)
        gains = self.floats @ (self.times == 0).astype(np.float32)
        while not self.times.all():
            box = int(gains.argmax())
            gains -= self.floats[:, self.reached[box] & (self.times == 0)].sum(axis=1)
            self._take(box, 1)

    def chosen(self) -> Numbers:
        """The boxes by number."""
        return np.flatnonzero(self.inside)

    def without_vain(self) -> None:
        """Drop boxes all of whose needs others reach."""
        for box in self.chosen():
            if (self.times[self.reached[box]] > 1).all():
                self._take(int(box), -1)

    def leave(self, turn: int) -> None:
        """The box goes that is missed least, of those the one that moved longest ago; never the newest."""
        boxes = self.chosen()
        if len(boxes) > 1:
            boxes = boxes[boxes != self.newest]
        missed: NDArray[np.float32] = self.floats[boxes] @ np.where(self.times == 1, self.weight, 0) * self.dear[boxes]
        self._move(boxes[missed == missed.min()], -1, turn)

    def come(self, turn: int) -> None:
        """The box comes that reaches some unmet need and, of what is unmet, weighs most."""
        unmet = self.times == 0
        boxes = self.boxes_of[self.random.choice(np.flatnonzero(unmet))]
        step = -(-len(boxes) * len(unmet) // _LOOKS)
        boxes = boxes[self.random.randrange(step) :: step]
        gained: NDArray[np.float32] = self.floats[boxes] @ np.where(unmet, self.weight, 0)
        self.newest = self._move(boxes[gained == gained.max()], 1, turn)
        self.weight[self.times == 0] += 1

    def completed(self, unmet: Numbers) -> list[Numbers]:
        """The chosen boxes and one more, if one reaches all that is unmet."""
        boxes = self.boxes_of[unmet[0]]
        whole = boxes[self.reached[np.ix_(boxes, unmet)].all(axis=1)]
        return [np.append(self.chosen(), whole[0])] if len(whole) else []

    def _move(self, boxes: Numbers, step: int, turn: int) -> int:
        box = int(boxes[self.moved[boxes].argmin()])
        self._take(box, step)
        self.moved[box] = turn
        return box

    def _take(self, box: int, step: int) -> None:
        self.inside[box] = step > 0
        self.times[self.reached[box]] += step
