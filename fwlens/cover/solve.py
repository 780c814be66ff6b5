"""Knows covers and bounds that ask no solver: boxes that alone reach a need, and needs that no box joins."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from fwlens.cover.boxes import Box, Cell, cells_of

Need = frozenset[Cell]
"""Any one of these cells must be allowed; most needs have only one."""

_WAYS: Final = 100_000
_PAIRS: Final = 3_000_000
"""So many pairs of needs are compared at most."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Chosen columns by number, and a proven lower bound on the objective."""

    columns: tuple[int, ...]
    bound: float
    proven: bool


def lightest(
    reach: Sequence[Collection[int]], needs: int, costs: Sequence[int], whole_reach: Sequence[frozenset[int]]
) -> Choice | None:
    """The same as `choose` where no solver is needed, else None.

    Columns are parts of boxes, `whole_reach[i]` the rows that maximal box i reaches. Where some maximal boxes each
    reach a row of their own, and all rows between them, these are the fewest, and a cover with as few columns has one
    part of each, which reaches its own rows. What is left is who reaches the rows that they share: few ways, weighed
    here at once. Starting the solver takes longer than all else that a small log needs.
    """
    times = Counter(row for reached in whole_reach for row in reached)
    alone = {i: frozenset(row for row in reached if times[row] == 1) for i, reached in enumerate(whole_reach)}
    own = {i: rows for i, rows in alone.items() if rows}
    if len(frozenset().union(*(whole_reach[i] for i in own))) < needs:
        return None
    shared = frozenset(range(needs)).difference(*own.values())
    ways: dict[frozenset[int], tuple[int, tuple[int, ...]]] = {frozenset(): (0, ())}
    for i in own:
        best: dict[frozenset[int], tuple[int, int]] = {}
        for j, rows in enumerate(map(frozenset, reach)):
            if own[i] <= rows:
                more = rows & shared
                best[more] = min(best.get(more, (costs[j], j)), (costs[j], j))
        if len(ways) * len(best) > _WAYS:
            return None
        wider: dict[frozenset[int], tuple[int, tuple[int, ...]]] = {}
        for (covered, (cost, columns)), (more, (extra, j)) in product(ways.items(), best.items()):
            way = (cost + extra, (*columns, j))
            wider[covered | more] = min(wider.get(covered | more, way), way)
        ways = wider
    cost, columns = ways[shared]
    return Choice(tuple(sorted(columns)), float(cost), proven=True)


def fooling(needs: Sequence[Need], cells: frozenset[Cell]) -> int:
    """How many needs there are of which no two fit into one box: a lower bound that asks no solver.

    Greedy, from the needs with the fewest cells beside them, in several orders; fewer where there are many needs.
    """
    beside = Counter(line for cell in cells for line in _lines(cell))
    degree = {need: sum(beside[line] for cell in need for line in _lines(cell)) for need in needs}
    order = sorted(needs, key=lambda need: (degree[need], sorted(need)))
    best, left = 0, _PAIRS
    for start in range(0, len(order), max(1, len(order) ** 2 // 50_000)):
        picked: list[Need] = []
        for need in order[start:] + order[:start]:
            left -= len(picked)
            if left > 0 and all(_apart(need, other, cells) for other in picked):
                picked.append(need)
        best = max(best, len(picked))
    return best


def _lines(cell: Cell) -> Iterator[Cell]:
    """The lines through a cell, one along each dimension."""
    return (("", *cell[:axis], "", *cell[axis + 1 :]) for axis in range(len(cell)))


def _apart(need: Need, other: Need, cells: frozenset[Cell]) -> bool:
    """No box holds a cell of each: for any two, some mixture of them is not allowed."""
    return all(not _together(a, b, cells) for a in need for b in other)


def _together(a: Cell, b: Cell, cells: frozenset[Cell]) -> bool:
    mixtures: list[Cell] = [()]
    for x, y in zip(a, b, strict=True):
        mixtures = [(*begun, value) for begun in mixtures for value in ({x, y})]
    return all(mixture in cells for mixture in mixtures)


def reaches(boxes: Sequence[Box], needs: Sequence[Need]) -> list[frozenset[int]]:
    """Which needs each box reaches, by number."""
    by_cell: dict[Cell, list[int]] = {}
    for number, need in enumerate(needs):
        for cell in need:
            by_cell.setdefault(cell, []).append(number)
    return [frozenset(number for cell in cells_of(box) for number in by_cell.get(cell, ())) for box in boxes]
