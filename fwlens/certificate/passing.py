"""Knows which rules let which flows pass, and through which of their atoms."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from fwlens.certificate.evidence import ANYWHERE, Flow, Place, far_side, near_atoms, near_side
from fwlens.certificate.reach import carries, reaches
from fwlens.rule import Endpoint, Rule, Service


class Hit(NamedTuple):
    """A rule, by number, that allows a flow, and through which of its atoms."""

    rule: int
    near: frozenset[Endpoint]
    far: frozenset[Endpoint]
    services: frozenset[Service]


@dataclass(frozen=True)
class Passing:
    """Rules, and flows whose near sides are looked up in them once."""

    rules: tuple[Rule, ...]
    flows: Sequence[Flow]

    @cached_property
    def _near(self) -> dict[str, dict[int, frozenset[Endpoint]]]:
        return near_atoms(self.rules, (flow.near for flow in self.flows))

    @cached_property
    def _anywhere(self) -> dict[int, frozenset[Endpoint]]:
        ends = [frozenset(end for end in near_side(rule) if end.text == ANYWHERE) for rule in self.rules]
        return {number: found for number, found in enumerate(ends) if found}

    def from_(self, place: Place, near: str) -> Iterator[tuple[int, Rule, frozenset[Endpoint]]]:
        """The rules of a platform and direction that name a near address, with the ends that do."""
        for number, ends in {**self._near.get(near, {}), **self._anywhere}.items():
            rule = self.rules[number]
            if (rule.platform, rule.direction == "inbound") == place:
                yield number, rule, ends

    def allowing(self, flow: Flow, ends: frozenset[str]) -> Iterator[Hit]:
        """The rules that allow a flow by one of the ends."""
        for number, rule, near in self.from_(flow.place, flow.near):
            far = frozenset(end for end in far_side(rule) if reaches(rule, end, flow, ends))
            if far:
                services = frozenset(each for each in rule.services if carries(rule, each, flow.service))
                if services:
                    yield Hit(number, near, far, services)

    def through(self, flow: Flow) -> list[Hit]:
        """The rules that allow a needed flow as it was seen, else those that do by what its document says."""
        if flow.overruled:
            return []
        return list(self.allowing(flow, flow.ends)) or list(self.allowing(flow, flow.documented))

    def either(self, flow: Flow) -> Iterator[Hit]:
        """The rules that allow a needed flow as it was seen or by what its document says."""
        return iter(()) if flow.overruled else self.allowing(flow, flow.ends | flow.documented)
