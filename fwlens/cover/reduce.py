"""Knows which boxes and needs of a set-cover problem say nothing new: another box reaches more, another need less.

A need that every box of some other need reaches is met with that one; a box that reaches only what another one does is
never better. What is left is far smaller, and has a solution with as few boxes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_ROUNDS: Final = 6
_LARGE: Final = 50_000_000
"""Rows times columns: beyond it comparing them takes longer than it saves."""


@dataclass(frozen=True, slots=True)
class Reduced:
    """Columns that must be chosen, columns left with the rows that each reaches, and the rows left."""

    forced: tuple[int, ...]
    columns: dict[int, frozenset[int]]
    rows: frozenset[int]


def reduced(reach: Sequence[frozenset[int]], needs: int) -> Reduced:
    """Take away, again and again, rows and columns that others dominate, and columns that alone reach some row."""
    forced: list[int] = []
    columns = dict(enumerate(reach))
    rows = frozenset(range(needs))
    if needs * len(reach) > _LARGE:
        return Reduced((), columns, rows)
    for _ in range(_ROUNDS):
        before = (len(columns), len(rows))
        rows, alone = _hardest(columns, rows)
        forced += alone
        rows -= frozenset(row for j in alone for row in columns[j])
        columns = {j: mine & rows for j, mine in columns.items() if mine & rows}
        columns = _largest(columns, rows)
        if (len(columns), len(rows)) == before or not rows:
            break
    return Reduced(tuple(sorted(forced)), columns, rows)


def _hardest(columns: dict[int, frozenset[int]], rows: frozenset[int]) -> tuple[frozenset[int], list[int]]:
    """Rows whose columns hold those of no other row, and the columns that alone reach one of them."""
    reached: dict[int, list[int]] = {row: [] for row in rows}
    for j in sorted(columns):
        for row in columns[j]:
            reached[row].append(j)
    kept: list[int] = []
    begun: dict[int, list[frozenset[int]]] = {}
    for row in sorted(rows, key=lambda row: (len(reached[row]), row)):
        mine = frozenset(reached[row])
        # A row whose columns all reach this one has its first column among them.
        if not any(other <= mine for j in reached[row] for other in begun.get(j, ())):
            kept.append(row)
            begun.setdefault(reached[row][0], []).append(mine)
    return frozenset(kept), sorted({reached[row][0] for row in kept if len(reached[row]) == 1})


def _largest(columns: dict[int, frozenset[int]], rows: frozenset[int]) -> dict[int, frozenset[int]]:
    """Columns whose rows lie within those of no other; of equal ones the first."""
    times = dict.fromkeys(rows, 0)
    for mine in columns.values():
        for row in mine:
            times[row] += 1
    rank = {row: place for place, row in enumerate(sorted(rows, key=lambda row: (times[row], row)))}
    masks = {j: sum(1 << rank[row] for row in mine) for j, mine in columns.items()}
    through: dict[int, list[int]] = {}
    kept = []
    for j in sorted(columns, key=lambda j: (-len(columns[j]), j)):
        mask = masks[j]
        rarest = (mask & -mask).bit_length()  # a column that holds all rows of this one holds its rarest
        if any(mask & ~other == 0 for other in through.get(rarest, ())):
            continue
        kept.append(j)
        for row in columns[j]:
            through.setdefault(rank[row] + 1, []).append(mask)
    return {j: columns[j] for j in sorted(kept)}
