"""Knows whether fewer rules than those of a set allow the same: what a claim that none do has to stand against.

It looks for rules that one rule can replace without allowing anything new. A set that survives this may still not be
the smallest: that is what a solver's bound says, and what is not proven here.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import replace
from ipaddress import ip_network
from itertools import product
from typing import Final, NamedTuple

from fwlens import address
from fwlens.certificate.evidence import far_side, near_side
from fwlens.certificate.planes import breaches
from fwlens.rule import Endpoint, Rule, Service

_MANY: Final = 1000
_Unit = int | str


class _Box(NamedTuple):
    """A rule as what it allows: near sides as bits, units of the far side, services."""

    rule: Rule
    near: int
    far: frozenset[_Unit]
    services: frozenset[Service]


def merged(rules: Sequence[Rule], *, dns_proxy: bool) -> int:
    """How many rules are left where pairs of them are made one, while nothing new is allowed and a plane can hold it.

    Names share no network rule with addresses and tags: Azure's portal has one type of destination per rule. Sets of
    more than a thousand rules are left as they are.
    """
    if len(rules) > _MANY:
        return len(rules)
    places: dict[tuple[str, str, str, bool], list[Rule]] = {}
    for rule in rules:
        by_name = rule.layer == "network" and any(end.kind == "host" for end in rule.destinations)
        places.setdefault((rule.platform, rule.layer, rule.direction, by_name), []).append(rule)
    return sum(_left(list(_boxes(some)), dns_proxy=dns_proxy) for some in places.values())


def _left(boxes: list[_Box], *, dns_proxy: bool) -> int:
    allowed: dict[tuple[_Unit, Service], int] = {}
    for box in boxes:
        for column in product(box.far, box.services):
            allowed[column] = allowed.get(column, 0) | box.near
    left = 0
    while boxes:
        one, left = boxes.pop(), left + 1
        number = 0
        while number < len(boxes):
            both = _both(one, boxes[number], allowed)
            if both is None or any(breaches(both.rule, dns_proxy=dns_proxy)):
                number += 1
            else:
                boxes.pop(number)
                one, number = both, 0
    return left


def _both(one: _Box, other: _Box, allowed: dict[tuple[_Unit, Service], int]) -> _Box | None:
    """The rule that allows what two do, if that is nothing new."""
    near = one.near | other.near
    some = next(iter(one.far)), next(iter(one.services))
    if near & ~allowed[some]:
        return None
    far, services = one.far | other.far, one.services | other.services
    if one.rule.layer == "network":  # its protocols with its ports
        spans = {(each.first, each.last) for each in services}
        protocols = {each.protocol for each in services}
        services = frozenset(Service(name, *span) for name, span in product(protocols, spans))
    if any(near & ~allowed.get(column, 0) for column in product(far, services)):
        return None
    sources, destinations = (
        tuple(dict.fromkeys((*mine, *its)))
        for mine, its in ((one.rule.sources, other.rule.sources), (one.rule.destinations, other.rule.destinations))
    )
    rule = replace(one.rule, sources=sources, destinations=destinations, services=tuple(sorted(services)))
    return _Box(rule, near, far, services)


def _boxes(rules: Sequence[Rule]) -> Iterable[_Box]:
    """Rules of one layer as what they allow, addresses in the stretches that no rule takes apart."""
    near = _stretches(end for rule in rules for end in near_side(rule))
    far = _stretches(end for rule in rules for end in far_side(rule))
    bits: dict[_Unit, int] = {}
    for rule in rules:
        mask = 0
        for unit in _units(near_side(rule), near):
            mask |= 1 << bits.setdefault(unit, len(bits))
        yield _Box(rule, mask, frozenset(_units(far_side(rule), far)), frozenset(rule.services))


def _stretches(ends: Iterable[Endpoint]) -> list[int]:
    """Where the stretches begin into which the addresses of ends fall apart."""
    spans = [address.interval(ip_network(end.text)) for end in set(ends) if end.kind == "address"]
    return sorted({first for first, _ in spans} | {last + 1 for _, last in spans})


def _units(ends: Iterable[Endpoint], begins: Sequence[int]) -> Iterable[_Unit]:
    for end in ends:
        if end.kind != "address":
            yield str(end)
            continue
        first, last = address.interval(ip_network(end.text))
        yield from begins[bisect_left(begins, first) : bisect_left(begins, last + 1)]
