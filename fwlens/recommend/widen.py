"""Knows how fewer rules are had for some surplus: rules of one layer merged, step by step, the cheapest merge first.

A merge may give a source what another source needed, and a destination another service that is documented for it. It
never joins a destination with a service that is not documented for it, and never allows what must not be allowed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fwlens.cover.merge import Merging
from fwlens.recommend.shape import Combination, Shaped, merging, rule_of, shaped
from fwlens.rule import Direction, Layer, Platform, Rule


@dataclass(frozen=True, slots=True)
class Layered:
    """The rules of one layer and direction, what they are for, and what may be allowed beyond that."""

    platform: Platform
    layer: Layer
    direction: Direction
    found: Shaped
    needs: tuple[frozenset[Combination], ...]
    may: frozenset[Combination]

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules, one for each box."""
        return tuple(rule_of(self.platform, self.layer, self.direction, box) for box in self.found.boxes)


@dataclass(frozen=True, slots=True)
class Step:
    """A point of the curve: so many rules, how much they open, and a proven bound: no merge gives fewer (0 where
    nothing is proven)."""

    layers: tuple[Layered, ...]
    opened: int
    lower_bound: int = 0

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules, layer by layer."""
        return tuple(rule for layer in self.layers for rule in layer.rules)

    @property
    def count(self) -> int:
        """How many rules they are."""
        return sum(len(layer.found.boxes) for layer in self.layers)


def curve(layers: Sequence[Layered]) -> list[Step]:
    """From the fewest rules without surplus down to the fewest that merging can give: one rule less each step, and a
    last step to where no merge of two rules leads; without steps that a later one beats."""
    current = [merging(layer.layer, layer.found.boxes, layer.needs, layer.may) for layer in layers]
    steps = [_step(layers, current)]
    while True:
        merges = [(best, number) for number, one in enumerate(current) if (best := one.cheapest()) is not None]
        if not merges:
            break
        best, number = min(merges, key=lambda one: (one[0].cost, one[1]))
        current[number].merge(best)
        steps.append(_step(layers, current))
    fewest = [shaped(layer.platform, layer.layer, layer.direction, layer.needs, layer.may) for layer in layers]
    for one, found in zip(current, fewest, strict=True):
        one.trim(found.boxes)
    last = min(steps[-1], _step(layers, current), key=lambda step: (step.count, step.opened))
    steps.append(replace(last, lower_bound=sum(found.lower_bound for found in fewest)))
    return _worthwhile(steps)


def _step(layers: Sequence[Layered], current: Sequence[Merging]) -> Step:
    placed = [replace(layer, found=Shaped(one.boxes, 1)) for layer, one in zip(layers, current, strict=True)]
    return Step(tuple(placed), sum(one.opened for one in current))


def _worthwhile(steps: Sequence[Step]) -> list[Step]:
    """Steps, the most rules first, without those that a later one beats: it opens no more with no more rules."""
    least: list[Step] = []
    for step in reversed(steps):
        if not least or step.opened < least[-1].opened:
            least.append(step)
    return least[::-1]
