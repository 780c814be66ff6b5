"""Knows the set-cover problem behind a cover: the fewest (then the lightest) boxes that reach every need, with a bound.

HiGHS solves it (https://highs.dev). Its limits are counted in nodes, not in seconds, so that the same input gives the
same answer on a slow machine; the limit in seconds is only a net.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from heapq import heapify, heapreplace
from itertools import accumulate, product
from math import ceil
from random import Random
from typing import Any, Final

from fwlens.cover.boxes import Box, Cell, cells_of
from fwlens.cover.reduce import reduced

Need = frozenset[Cell]
"""Any one of these cells must be allowed; most needs have only one."""

_NODES: Final = 100
_EFFORT: Final = 400_000
"""Nodes times nonzeros of one search: a node of a large problem takes longer."""
_NONZEROS: Final = 200_000
_RUNS: Final = 8
_WAYS: Final = 100_000
_TURNS: Final = 400
_WORK: Final = 30_000_000
"""Turns times nonzeros: a turn looks at them all."""
_TOGETHER: Final = 5
_SECONDS: Final = 60.0
_OPTIONS: Final = {
    "output_flag": False,
    "threads": 1,
    "random_seed": 0,
    "time_limit": _SECONDS,
    "mip_rel_gap": 0.0,
    "mip_abs_gap": 0.99,
    # Searches within the search that no limit of nodes ends: `_improved` does their work.
    "mip_heuristic_run_rins": False,
    "mip_heuristic_run_rens": False,
    "mip_heuristic_run_root_reduced_cost": False,
}


@dataclass(frozen=True, slots=True)
class Choice:
    """Chosen columns by number, and a proven lower bound on the objective."""

    columns: tuple[int, ...]
    bound: float
    proven: bool


def choose(reach: Sequence[Collection[int]], needs: int, costs: Sequence[int]) -> Choice:
    """Pick columns so that each of `needs` rows is reached by one, at the least cost.

    `reach[j]` are the rows that column j reaches. Every row must be reachable.
    """
    import highspy

    model: Any = highspy.Highs()  # type: ignore[no-untyped-call]
    for name, value in _OPTIONS.items():
        model.setOptionValue(name, value)
    columns = len(costs)
    model.setOptionValue("mip_max_nodes", max(10, min(_NODES, _EFFORT // max(1, sum(map(len, reach))))))
    lp: Any = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = columns, needs
    lp.col_cost_ = [float(cost) for cost in costs]
    lp.col_lower_, lp.col_upper_ = [0.0] * columns, [1.0] * columns
    lp.row_lower_, lp.row_upper_ = [1.0] * needs, [highspy.kHighsInf] * needs
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = [0, *accumulate(map(len, reach))]
    lp.a_matrix_.index_ = [row for column in reach for row in sorted(column)]
    lp.a_matrix_.value_ = [1.0] * sum(map(len, reach))
    lp.integrality_ = [highspy.HighsVarType.kInteger] * columns
    model.passModel(lp)
    model.run()
    info: Any = model.getInfo()
    values = model.getSolution().col_value
    chosen = tuple(j for j in range(columns) if values[j] > 0.5) if values else ()
    proven = model.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return Choice(chosen, float(info.mip_dual_bound), proven)


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


def whole(bound: float) -> int:
    """A bound on a whole number, rounded up past the solver's tolerance."""
    return max(1, ceil(bound - 1e-6))


def fewest(reach: Sequence[frozenset[int]], needs: int) -> Choice:
    """As few columns as can be found, with a proven bound: exact where reductions leave little."""
    left = reduced(reach, needs)
    forced = len(left.forced)
    if not left.rows:
        return Choice(left.forced, float(forced), proven=True)
    numbers, row = list(left.columns), {name: i for i, name in enumerate(sorted(left.rows))}
    core = [frozenset(row[name] for name in mine) for mine in left.columns.values()]
    rest = _fewest_of(core, len(row))
    chosen = sorted([*left.forced, *(numbers[j] for j in rest.columns)])
    return Choice(tuple(chosen), forced + rest.bound, rest.proven)


def _fewest_of(reach: Sequence[frozenset[int]], needs: int) -> Choice:
    """By the solver where it proves the fewest within its nodes; else the best of what it and greedy runs found,
    improved piece by piece."""
    bound, runs = 1.0, list[tuple[int, ...]]()
    small = sum(map(len, reach)) <= _NONZEROS
    if small:
        choice = choose(reach, needs, [1] * len(reach))
        if choice.proven and choice.columns:
            return choice
        bound = choice.bound
        runs += [choice.columns] if choice.columns else []
    starts = max(2, min(_RUNS, _WORK // (4 * sum(map(len, reach)))))
    runs += [_greedy(reach, needs, start) for start in range(starts)]
    if not small:
        used = sorted({column for run in runs for column in run})
        choice = choose([reach[j] for j in used], needs, [1] * len(used))
        runs += [tuple(used[j] for j in choice.columns)] if choice.columns else []
    best = _improved(reach, needs, min(runs, key=lambda run: (len(run), run)), whole(bound))
    return Choice(best, bound, proven=len(best) <= whole(bound))


def _improved(reach: Sequence[frozenset[int]], needs: int, columns: tuple[int, ...], enough: int) -> tuple[int, ...]:
    """Fewer columns, where what some of them alone reach is reached by fewer others; as many others are taken too, for
    the next pick to start from elsewhere."""
    random, best = Random(len(columns)), columns  # noqa: S311 - the same picks every time
    for turn in range(min(_TURNS, _WORK // sum(map(len, reach)))):
        if len(best) <= enough:
            break
        picked = _around(reach, best, random)
        kept = [j for j in best if j not in picked]
        left = frozenset(range(needs)).difference(*(reach[j] for j in kept))
        useful = [(j, mine & left) for j, mine in enumerate(reach) if not left.isdisjoint(mine)]
        row = {name: i for i, name in enumerate(sorted(left))}
        parts = [frozenset(row[name] for name in mine) for _, mine in useful]
        again = _greedy(parts, len(row), turn)
        if len(again) <= len(picked):
            best = tuple(sorted([*kept, *(useful[j][0] for j in again)]))
    return best


def _around(reach: Sequence[frozenset[int]], columns: Sequence[int], random: Random) -> frozenset[int]:
    """A random column and those of the others that share most with it."""
    first = columns[random.randrange(len(columns))]
    ranked = sorted(columns, key=lambda j: (-len(reach[j] & reach[first]) - random.random() * len(reach[j]) / 2, j))
    return frozenset([first, *ranked[:_TOGETHER]])


def _greedy(reach: Sequence[frozenset[int]], needs: int, start: int) -> tuple[int, ...]:
    """Columns picked one by one, each reaching the most needs left (each run breaks ties elsewhere), none in vain."""
    left, chosen = set(range(needs)), list[int]()
    gains = [(-len(column), (j + start * 7919) % len(reach), j) for j, column in enumerate(reach)]
    heapify(gains)
    while left:
        # Gains only shrink, so the top of the heap is the best as soon as its gain is up to date.
        gain, tie, j = gains[0]
        now = -len(reach[j] & left)
        if now != gain:
            heapreplace(gains, (now, tie, j))
            continue
        chosen.append(j)
        left -= reach[j]
    times = Counter(row for j in chosen for row in reach[j])
    for j in list(chosen):
        if all(times[row] > 1 for row in reach[j]):
            chosen.remove(j)
            times.subtract(reach[j])
    return tuple(sorted(chosen))


def fooling(needs: Sequence[Need], cells: frozenset[Cell]) -> int:
    """How many needs there are of which no two fit into one box: a lower bound that asks no solver.

    Greedy, from the needs with the fewest cells beside them, in several orders; fewer where there are many needs.
    """
    beside = Counter(line for cell in cells for line in _lines(cell))
    degree = {need: sum(beside[line] for cell in need for line in _lines(cell)) for need in needs}
    order = sorted(needs, key=lambda need: (degree[need], sorted(need)))
    best = 0
    for start in range(0, len(order), max(1, len(order) ** 2 // 50_000)):
        picked: list[Need] = []
        for need in order[start:] + order[:start]:
            if all(_apart(need, other, cells) for other in picked):
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
    return [frozenset(number for cell in cells_of(box) for number in by_cell[cell]) for box in boxes]
