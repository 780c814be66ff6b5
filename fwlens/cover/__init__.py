"""The fewest boxes that allow what is needed and nothing else; among those, the ones with the fewest atoms.

Needs are cells (source, destination, service …), a need with alternatives is several cells of which one suffices. What
may be allowed is every cell of every need and no other, so the boxes never join A:80 with B:443. Where one of its cells
is all that another need asks for, a need is met with that one; its other cells are allowed all the same. The way there:
split into components that no box spans, cover each exactly where its boxes can be listed, else by heuristic; a lower
bound is always proven. Ties are broken by the order of boxes, so that the same needs give the same boxes.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from fwlens.cover.boxes import Box, Cell, cells_of, components, hull, maximal, parts, parts_with_own, size, sort_key
from fwlens.cover.solve import Choice, Need, lightest, reaches

__all__ = ["Box", "Cell", "Cover", "Need", "cover", "trimmed"]

Atoms = Callable[[int, frozenset[str]], Sequence[frozenset[str]]]
"""How the values of a dimension are written in a rule: each group of values is one atom (a network, a name, a port)."""

_PARTS: Final = 3_000
"""So many boxes of a component, maximal or not, are weighed one against another for the fewest atoms."""


_NODES: Final = 100


@dataclass(frozen=True, slots=True)
class Cover:
    """Boxes in their order, and a proven lower bound: no fewer boxes could do."""

    boxes: tuple[Box, ...]
    lower_bound: int

    @property
    def optimal(self) -> bool:
        """Whether the number of boxes is proven to be the fewest possible."""
        return self.lower_bound == len(self.boxes)


def singly(_: int, values: frozenset[str]) -> list[frozenset[str]]:
    """Each value is its own atom."""
    return [frozenset({value}) for value in sorted(values)]


def cover(needs: Iterable[Need], atoms: Atoms = singly, may: Iterable[Cell] = (), earlier: Iterable[Box] = ()) -> Cover:
    """Cover all needs. The union of the boxes lies within the union of the needs, and what `may` be allowed as well.

    Of covers alike, one is taken that has more of the boxes of an `earlier` one.
    """
    every = sorted(set(needs), key=sorted)
    allowed = frozenset(cell for need in every for cell in need) | frozenset(may)
    wanted = _without_met(every)
    groups = _together(wanted, components(allowed))
    of = {cell: number for number, group in enumerate(groups) for cell in group}
    shares: list[list[Need]] = [[] for _ in groups]
    for need in wanted:
        shares[of[min(need)]].append(need)
    before: list[list[Box]] = [[] for _ in groups]
    for box in sorted(set(earlier), key=sort_key):
        if allowed.issuperset(cells_of(box)):
            before[of[min(cells_of(box))]].append(box)
    found = [
        _component(share, group, atoms, boxes)
        for share, group, boxes in zip(shares, groups, before, strict=True)
        if share
    ]
    boxes = sorted((box for part in found for box in part.boxes), key=sort_key)
    return Cover(tuple(boxes), sum(part.lower_bound for part in found))


def _without_met(needs: Sequence[Need]) -> list[Need]:
    """Needs without those that are met wherever another one is, as one of their cells is all that it asks for."""
    only = {cell for need in needs if len(need) == 1 for cell in need}
    return [need for need in needs if len(need) == 1 or not need & only]


def _together(needs: Sequence[Need], groups: Sequence[frozenset[Cell]]) -> list[frozenset[Cell]]:
    """Components, those joined that a need with alternatives spans."""
    of = {cell: number for number, group in enumerate(groups) for cell in group}
    parent = list(range(len(groups)))

    def root(number: int) -> int:
        while parent[number] != number:
            number = parent[number]
        return number

    for need in needs:
        first, *others = {of[cell] for cell in need}
        for other in others:
            parent[root(other)] = root(first)
    joined: dict[int, set[Cell]] = {}
    for number, group in enumerate(groups):
        joined.setdefault(root(number), set()).update(group)
    return [frozenset(group) for group in joined.values()]


def _component(needs: Sequence[Need], allowed: frozenset[Cell], atoms: Atoms, earlier: Sequence[Box]) -> Cover:
    box = hull(allowed)
    if size(box) == len(allowed) == len(needs) and all(len(need) == 1 for need in needs):
        return Cover((box,), 1)
    small = _smallest(needs, allowed, atoms, earlier)
    if small is not None:
        return small
    from fwlens.cover.fewest import fewest

    classes, merged, cells = _merged(needs, allowed)
    found = fewest(merged, cells, [_represented(box, classes) for box in earlier])
    full = [_unmerged(box, classes) for box in found.boxes]
    return Cover(tuple(trimmed(sorted(full, key=sort_key), needs, atoms, earlier)), found.bound)


def _represented(box: Box, classes: Sequence[dict[str, list[str]]]) -> Box:
    return tuple(
        frozenset(value for value, alike in members.items() if not values.isdisjoint(alike))
        for values, members in zip(box, classes, strict=True)
    )


def _unmerged(box: Box, classes: Sequence[dict[str, list[str]]]) -> Box:
    return tuple(
        frozenset(member for value in values for member in members[value])
        for values, members in zip(box, classes, strict=True)
    )


def _smallest(needs: Sequence[Need], allowed: frozenset[Cell], atoms: Atoms, earlier: Sequence[Box]) -> Cover | None:
    """The fewest boxes and among those the fewest atoms, proven: for a component whose boxes can all be listed."""
    listing = maximal(allowed, _PARTS) if len(allowed) <= _PARTS else None
    if listing is None:
        return None
    is_exact = len(allowed) == len(needs) and all(len(need) == 1 for need in needs)
    alone = parts_with_own(listing.boxes, _PARTS) if is_exact else None
    every = alone or parts(listing.boxes, _PARTS)
    if every is None:
        return None
    count = cache(lambda axis, values: len(atoms(axis, values)))
    weights = [sum(count(axis, values) for axis, values in enumerate(box)) for box in every]
    heavy = sum(sorted(weights)[-len(needs) :]) + 1
    reach, costs = reaches(every, needs), [heavy + weight for weight in weights]
    if earlier:  # the least of all weights is not to be there before
        costs = [cost * (len(needs) + 1) + (box not in earlier) for cost, box in zip(costs, every, strict=True)]
    choice = lightest(reach, len(needs), costs, reaches(listing.boxes, needs)) or _solved(reach, len(needs), costs)
    if not choice.proven:
        return None
    boxes = trimmed([every[j] for j in choice.columns], needs, atoms, earlier)
    return Cover(tuple(boxes), len(boxes))


def _solved(reach: Sequence[frozenset[int]], needs: int, costs: Sequence[int]) -> Choice:
    import numpy as np

    from fwlens.cover.solver import choose

    reached = np.zeros((len(reach), needs), bool)
    for j, mine in enumerate(reach):
        reached[j, sorted(mine)] = True
    return choose(reached, costs, nodes=_NODES)


def _merged(
    needs: Sequence[Need], allowed: frozenset[Cell]
) -> tuple[list[dict[str, list[str]]], list[Need], frozenset[Cell]]:
    """Values that stand in equal places as one: the members of each representative, and the needs and cells left.

    A cover of the rest covers all, with the members put in wherever their representative stands.
    """
    classes: list[dict[str, list[str]]] = []
    left, cells = list(needs), allowed
    for axis in range(len(min(allowed))):
        if any(len(need) > 1 for need in left):
            classes.append({cell[axis]: [cell[axis]] for cell in cells})
            continue
        needed = {min(need) for need in left}
        rests: dict[str, set[tuple[Cell, bool]]] = {}
        for cell in cells:
            rests.setdefault(cell[axis], set()).add((cell[:axis] + cell[axis + 1 :], cell in needed))
        members: dict[frozenset[tuple[Cell, bool]], list[str]] = {}
        for value in sorted(rests):
            members.setdefault(frozenset(rests[value]), []).append(value)
        classes.append({values[0]: values for values in members.values()})
        left = [need for need in left if min(need)[axis] in classes[axis]]
        cells = frozenset(cell for cell in cells if cell[axis] in classes[axis])
    return classes, left, cells


def trimmed(boxes: Sequence[Box], needs: Sequence[Need], atoms: Atoms, earlier: Sequence[Box] = ()) -> list[Box]:
    """The same boxes without every box and every atom that can go: removing any one more leaves a need unmet.

    A box around an `earlier` one becomes that one again where it can, and such ones are the last from which atoms go.
    """
    reached = Counter(cell for box in boxes for cell in cells_of(box))
    alternatives = [need for need in needs if len(need) > 1]
    only = {cell for need in needs if len(need) == 1 for cell in need}

    def drops(slab: Sequence[Cell]) -> bool:
        """Take the cells away from one box, if others meet what they met."""
        lost = {cell for cell in slab if reached[cell] == 1}
        if lost & only or any(
            need & lost and not any(reached[c] and c not in lost for c in need) for need in alternatives
        ):
            return False
        reached.subtract(slab)
        return True

    full = list(boxes)
    for old in earlier:
        for number, box in enumerate(full):
            if box not in earlier and _within(old, box) and drops([*{*cells_of(box)}.difference(cells_of(old))]):
                full[number] = old
                break
    vain = {
        number
        for number in sorted(range(len(full)), key=lambda i: (full[i] in earlier, size(full[i])))
        if drops([*cells_of(full[number])])
    }
    left = [box for number, box in enumerate(full) if number not in vain]
    for number, box in sorted(enumerate(left), key=lambda one: one[1] in earlier):
        for axis in range(len(box)):
            for atom in sorted(atoms(axis, box[axis]), key=lambda atom: (len(atom), sorted(atom))):
                current = left[number]
                if atom < current[axis] and drops([*cells_of((*current[:axis], atom, *current[axis + 1 :]))]):
                    left[number] = (*current[:axis], current[axis] - atom, *current[axis + 1 :])
    return left


def _within(inner: Box, outer: Box) -> bool:
    return all(values <= wide for values, wide in zip(inner, outer, strict=True))
