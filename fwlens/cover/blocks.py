"""Knows blocks, the needs of a few values of one dimension (some hosts, some clients), and how many boxes they take."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fwlens.cover.reach import Bits, Numbers, distinct, hardest, largest
from fwlens.cover.search import search
from fwlens.cover.solve import Need
from fwlens.cover.solver import choose, whole

Block = tuple[int, tuple[int, ...]]
"""A dimension, and places of its values in their order."""

_VALUES: Final = 30
_GAIN: Final = 0.05
_MANY: Final = 1 << 30
_NODES: Final = 4
_TURNS: Final = 200
_LARGE: Final = 16_000
"""Bits of a block's traces: beyond it the solver would take longer than it gains."""


class Blocks:
    """Of needs (all of them, not only the hardest: one need may be met with another that lies outside the block)."""

    def __init__(self, needs: Sequence[Need], by_need: Bits, boxes: Numbers) -> None:
        cells = [min(need) for need in needs]
        self._by_need = by_need
        self._places = [
            np.unique([cell[axis] for cell in cells], return_inverse=True)[1] for axis in range(len(cells[0]))
        ]
        self._touch: list[Bits] = [
            np.array([by_need[np.ix_(place == value, boxes)].any(axis=0) for value in range(place.max() + 1)]).T
            for place in self._places
        ]
        self._takes: dict[Block, int] = {}

    def touching(self, block: Block) -> Bits:
        """Which boxes reach a need of the block."""
        axis, values = block
        return np.asarray(self._touch[axis][:, values].any(axis=1))

    def takes(self, block: Block) -> int:
        """How many boxes the needs of a block take at least, by themselves; 0 where it is too large to say."""
        if block not in self._takes:
            axis, values = block
            traces = self._by_need[np.isin(self._places[axis], values)].T
            traces = traces[distinct(traces)]
            traces = np.ascontiguousarray(traces[:, hardest(np.ascontiguousarray(traces.T))])
            traces = traces[distinct(traces)]
            traces = traces[largest(traces)]
            known = search(traces, 1, _TURNS)[-1] if traces.sum() <= _LARGE else None
            self._takes[block] = 0 if known is None else whole(choose(traces, nodes=_NODES, known=known).bound)
        return self._takes[block]

    def candidates(self, weights: NDArray[np.float64], covers: Bits, widest: float) -> list[Block]:
        """Blocks of which every one of the covers has more boxes than the weights, those by far first; none that are
        known to take no more, or that have more than `widest` boxes of the weights."""
        used = np.flatnonzero((weights > 0) | covers.any(axis=0))
        weight, inside = weights[used], covers[:, used].astype(np.float32)
        found: dict[Block, float] = {}
        for axis, touch in enumerate(self._touch):
            for first in range(touch.shape[1]):
                blocks = {
                    (axis, values): gain / max(1.0, width) ** 0.5
                    for values, width, gain in _grown(touch[used], weight, inside, first, widest)
                    if self._takes.get((axis, values), _MANY) > width + _GAIN
                }
                if blocks:
                    best = max(blocks, key=lambda block: (round(blocks[block], 6), block))
                    found[best] = round(blocks[best], 6)
        return sorted(found, key=lambda block: (-found[block], block))


def _grown(
    touch: Bits, weight: NDArray[np.float64], inside: NDArray[np.float32], first: int, widest: float
) -> Iterator[tuple[tuple[int, ...], float, float]]:
    """From one value on, always the one that fewest more boxes touch: the values, how many boxes the weights have, and
    how many more every cover has."""
    floats: Any = touch.astype(np.float32)
    values, left = [first], ~touch[:, first]
    while len(values) < min(_VALUES, touch.shape[1]):
        more = np.round((weight * left) @ floats, 6)
        more[values] = np.inf
        values.append(int(more.argmin()))
        left &= ~touch[:, values[-1]]
        width = float(weight[~left].sum())
        if width > widest:
            break
        gain = float(inside[:, ~left].sum(axis=1).min()) - width
        if gain > _GAIN:
            yield tuple(sorted(values)), width, gain
