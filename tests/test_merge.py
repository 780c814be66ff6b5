"""Two boxes that become one, against the same done cell by cell."""

from collections.abc import Iterable
from itertools import combinations
from math import prod

from hypothesis import given
from hypothesis import strategies as st

from fwlens.cover import Box, Cell, cover, singly, trimmed
from fwlens.cover.boxes import cells_of
from fwlens.cover.merge import Merging

WORTH = {"a0": 4, "b2": 10}  # a network of four addresses, a range of ten ports


def worth(axis: int, value: str) -> int:
    return WORTH.get(f"{'abc'[axis]}{value}", 1)


def allowed_by(boxes: Iterable[Box]) -> frozenset[Cell]:
    return frozenset(cell for box in boxes for cell in cells_of(box))


def amount(cells: Iterable[Cell]) -> int:
    return sum(prod(worth(axis, value) for axis, value in enumerate(cell)) for cell in cells)


def costs(boxes: Iterable[Box], may: frozenset[Cell]) -> list[int]:
    """What each merge would newly allow, the plain way."""
    every = list(boxes)
    there = allowed_by(every)
    fresh = [allowed_by([tuple(map(frozenset.union, *pair))]) - there for pair in combinations(every, 2)]
    return [amount(cells) for cells in fresh if cells <= may]


_CELLS = st.sets(st.tuples(st.sampled_from("012345"), st.sampled_from("012"), st.sampled_from("012")), max_size=40)


@given(_CELLS.filter(bool), _CELLS)
def test_the_cheapest_merge_is_taken_until_there_is_none(needed: set[Cell], beside: set[Cell]) -> None:
    needs, may = [frozenset({cell}) for cell in needed], frozenset(needed | beside)
    merging = Merging(cover(needs).boxes, needs, may, singly, worth)
    assert merging.opened == amount(needed)
    while (best := merging.cheapest()) is not None:
        before = merging.boxes
        assert best.cost == min(costs(before, may))
        merging.merge(best)
        assert len(merging.boxes) < len(before)
        assert needed <= allowed_by(merging.boxes) <= may
        assert {*merging.boxes} == {*trimmed(merging.boxes, needs, singly)}
        assert merging.opened == amount(allowed_by(merging.boxes)) <= amount(allowed_by(before)) + best.cost
    assert costs(merging.boxes, may) == []


def test_what_was_allowed_and_may_not_be_added_stays_allowed_and_is_not_added() -> None:
    """An address beside its subnet, say: the box that has it may grow, and no other comes to have it."""
    boxes = [(frozenset(near), frozenset(far)) for near, far in ("ax", "ay", "bx", ("c", "yz"))]
    needs = [frozenset({cell}) for box in boxes for cell in cells_of(box)]
    may = [("a", "y"), ("a", "z"), ("b", "x"), ("b", "y"), ("c", "y"), ("c", "z")]
    merging = Merging(boxes, needs, may, singly, worth)
    merged = []
    while (best := merging.cheapest()) is not None:
        merging.merge(best)
        merged.append((best.cost, ["".join(["".join(sorted(side)) for side in one]) for one in merging.boxes]))
    assert merged == [(0, ["bx", "cyz", "axy"]), (1, ["cyz", "abxy"])]
