"""Knows how fewer rules are had for some surplus: rules of one layer merged, step by step, the cheapest merge first.

A merge may give a source what another source needed, and a destination another service that is documented for it. It
never joins a destination with a service that is not documented for it, and never allows what must not be allowed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product

from fwlens.recommend.shape import Combination, Ruled, fits, lean
from fwlens.rule import Direction, Layer, Platform


@dataclass(frozen=True, slots=True)
class Layered:
    """The rules of one layer and direction, what they are for, what was seen, and what may be allowed beyond that."""

    platform: Platform
    layer: Layer
    direction: Direction
    found: Ruled
    needs: tuple[frozenset[Combination], ...]
    seen: frozenset[Combination]
    may: frozenset[Combination]


@dataclass(frozen=True, slots=True)
class Step:
    """A point of the curve: so many rules allow so many combinations that were not seen."""

    rules: int
    surplus: int
    layers: tuple[Layered, ...]


def curve(layers: Sequence[Layered]) -> list[Step]:
    """From the fewest rules without surplus down to the fewest that merging can give, one rule less each step."""
    current = list(layers)
    steps = [_step(current)]
    while True:
        merges = [(cost, number, pair) for number, layer in enumerate(current) for cost, pair in _merges(layer)]
        if not merges:
            return steps
        _, number, pair = min(merges)
        current[number] = _merged(current[number], pair)
        steps.append(_step(current))


def _step(layers: Sequence[Layered]) -> Step:
    rules = sum(len(layer.found.rules) for layer in layers)
    surplus = sum(len(_allowed(layer) - layer.seen) for layer in layers)
    return Step(rules, surplus, tuple(layers))


def _allowed(layer: Layered) -> frozenset[Combination]:
    return frozenset(combination for _, allowed in layer.found.rules for combination in allowed)


def _merges(layer: Layered) -> list[tuple[int, tuple[int, int]]]:
    """Each pair of rules that may become one, with the combinations that this would newly allow."""
    allowed, found = _allowed(layer), []
    for (i, (_, a)), (j, (_, b)) in combinations(enumerate(layer.found.rules), 2):
        union = _hull(a | b)
        if fits(layer.layer, union) and union - allowed <= layer.may:
            found.append((len(union - allowed), (i, j)))
    return found


def _hull(cells: frozenset[Combination]) -> frozenset[Combination]:
    near, far, services = ({cell[i] for cell in cells} for i in range(3))
    return frozenset(Combination(*cell) for cell in product(near, far, services))


def _merged(layer: Layered, pair: tuple[int, int]) -> Layered:
    i, j = pair
    products = [allowed for _, allowed in layer.found.rules]
    union = _hull(products[i] | products[j])
    kept = [allowed for number, allowed in enumerate(products) if number not in pair and not allowed <= union]
    return replace(layer, found=lean(layer.platform, layer.layer, layer.direction, [*kept, union], layer.needs))
