"""Knows how fewer rules are had for some surplus: rules of one layer merged, step by step, the cheapest merge first.

A merge may give a source what another source needed, and a destination another service that is documented for it. It
never joins a destination with a service that is not documented for it, and never allows what must not be allowed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import ip_network
from itertools import combinations, product

from fwlens.recommend.shape import Combination, Ruled, fits, lean, ruled
from fwlens.rule import Direction, Endpoint, Layer, Platform, Rule, Service


@dataclass(frozen=True, slots=True)
class Layered:
    """The rules of one layer and direction, what they are for, and what may be allowed beyond that."""

    platform: Platform
    layer: Layer
    direction: Direction
    found: Ruled
    needs: tuple[frozenset[Combination], ...]
    may: frozenset[Combination]


@dataclass(frozen=True, slots=True)
class Step:
    """A point of the curve: so many rules, and a proven bound: no merge gives fewer (0 where nothing is proven)."""

    layers: tuple[Layered, ...]
    lower_bound: int = 0

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules, layer by layer."""
        return tuple(rule for layer in self.layers for rule, _ in layer.found.rules)


def curve(layers: Sequence[Layered]) -> list[Step]:
    """From the fewest rules without surplus down to the fewest that merging can give: one rule less each step, and a
    last step to where no merge of two rules leads; without steps that a later one beats."""
    current = list(layers)
    steps = [Step(tuple(current))]
    while True:
        merges = [(cost, number, pair) for number, layer in enumerate(current) for cost, pair in _merges(layer)]
        if not merges:
            break
        _, number, pair = min(merges)
        current[number] = _merged(current[number], pair)
        steps.append(Step(tuple(current)))
    fewest = _fewest(layers)
    last = min(steps[-1], fewest, key=lambda step: (len(step.rules), _opened(step)))
    steps.append(replace(last, lower_bound=fewest.lower_bound))
    return list(_worthwhile(steps))


def _worthwhile(steps: Sequence[Step]) -> Iterator[Step]:
    """Steps, the most rules first, without those that a later one beats: it opens no more with no more rules."""
    opened = [_opened(step) for step in steps]
    for number, step in enumerate(steps):
        if opened[number] < min(opened[number + 1 :], default=opened[number] + 1):
            yield step


def _opened(step: Step) -> int:
    """How much rules allow in all, as a surplus is counted."""
    return sum(_size(combination) for layer in step.layers for combination in _allowed(layer))


def _fewest(layers: Sequence[Layered]) -> Step:
    """The fewest rules that what may be allowed has room for, without what can go."""
    found, bound = [], 0
    for layer in layers:
        place = layer.platform, layer.layer, layer.direction
        least = ruled(*place, layer.needs, layer.may)
        bound += least.lower_bound
        found.append(replace(layer, found=lean(*place, [allowed for _, allowed in least.rules], layer.needs)))
    return Step(tuple(found), bound)


def _allowed(layer: Layered) -> frozenset[Combination]:
    return frozenset(combination for _, allowed in layer.found.rules for combination in allowed)


def _merges(layer: Layered) -> list[tuple[int, tuple[int, int]]]:
    """Each pair of rules that may become one, with how much this would newly allow."""
    allowed, found = _allowed(layer), []
    for (i, (_, a)), (j, (_, b)) in combinations(enumerate(layer.found.rules), 2):
        union = _hull(a | b)
        if fits(layer.layer, union) and union - allowed <= layer.may:
            found.append((sum(map(_size, union - allowed)), (i, j)))
    return found


def _size(combination: Combination) -> int:
    """How many addresses, destinations and ports a combination stands for, as a surplus is counted."""
    ports = Service.parse(combination.service)
    return (ports.last - ports.first + 1) * _addresses(combination.near) * _addresses(combination.far)


@lru_cache(maxsize=65536)
def _addresses(text: str) -> int:
    end = Endpoint.parse(text)
    return ip_network(end.text).num_addresses if end.kind == "address" else 1


def _hull(cells: frozenset[Combination]) -> frozenset[Combination]:
    near, far, services = ({cell[i] for cell in cells} for i in range(3))
    return frozenset(Combination(*cell) for cell in product(near, far, services))


def _merged(layer: Layered, pair: tuple[int, int]) -> Layered:
    i, j = pair
    products = [allowed for _, allowed in layer.found.rules]
    union = _hull(products[i] | products[j])
    kept = [allowed for number, allowed in enumerate(products) if number not in pair and not allowed <= union]
    return replace(layer, found=lean(layer.platform, layer.layer, layer.direction, [*kept, union], layer.needs))
