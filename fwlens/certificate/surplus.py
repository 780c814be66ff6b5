"""Knows how many combinations of address, far end and service rules allow, and how many of them needed flows showed."""

from collections.abc import Iterable, Sequence
from ipaddress import ip_network
from itertools import pairwise

from fwlens.certificate.evidence import ANYWHERE, Flow, far_side, near_side
from fwlens.certificate.ground import Ground
from fwlens.certificate.passing import Hit
from fwlens.certificate.reach import size, units
from fwlens.rule import Endpoint, Rule, Service

Shown = list[dict[tuple[str, str, Service], int]]
"""Per rule what needed flows showed of it, (near address, far end as the rule names it, service), and how many
combinations that is: a network that a document names is one as a pattern is, with all of its addresses."""


_Span = tuple[int, int, tuple[Endpoint, ...]]


def shown(ground: Ground, rules: Sequence[Rule], passing: Iterable[tuple[Flow, Sequence[Hit]]]) -> Shown:
    """What needed flows showed of rules."""
    found: Shown = [{} for _ in rules]
    for flow, hits in passing:
        for number, near, far, services in hits:
            who = ANYWHERE if any(end.text == ANYWHERE for end in near) else flow.near
            for end in far:
                text, count = (str(end), 1) if end.kind != "address" else _part(ground, flow, end)
                for each in services:
                    found[number][who, text, Service(each.protocol, flow.service.first, flow.service.last)] = count
    return found


def _part(ground: Ground, flow: Flow, end: Endpoint) -> tuple[str, int]:
    """What a flow shows of an end that holds its address."""
    named = Endpoint.parse(ground.named(flow))
    if "/" in named.text and end.covers(named):
        return named.text, ip_network(named.text).num_addresses
    return flow.address or "", 1


def of_each(rules: Sequence[Rule], seen: Shown) -> list[int]:
    """Per rule how many combinations it allows beyond those that were shown."""
    return [_allowed(rule) - sum(some.values()) for rule, some in zip(rules, seen, strict=True)]


def _allowed(rule: Rule) -> int:
    ports = sum(each.last - each.first + 1 for each in rule.services)
    return size(near_side(rule)) * size(far_side(rule)) * ports


def in_all(rules: Sequence[Rule], seen: Shown) -> int:
    """Over all rules, what several of them allow counted once."""
    opened: dict[tuple[object, ...], list[_Span]] = {}
    many: dict[tuple[object, ...], int] = {}
    every: dict[tuple[object, ...], int] = {}
    for rule, some in zip(rules, seen, strict=True):
        place = (rule.platform, rule.layer, rule.direction)
        for text, count in (unit for end in far_side(rule) for unit in units(end)):
            for each in rule.services:
                opened.setdefault((*place, text, each.protocol), []).append((each.first, each.last, near_side(rule)))
                many[*place, text, each.protocol] = count
        every |= {(*place, *each): count for each, count in some.items()}
    whole: dict[tuple[object, ...], list[Endpoint]] = {}
    for key, count in every.items():
        if count > 1:
            whole.setdefault((*key[:4], *key[5:]), []).append(Endpoint.parse(str(key[4])))
    twice = sum(
        any(wide.covers(Endpoint.parse(str(key[4]))) for wide in whole.get((*key[:4], *key[5:]), ()))
        for key, count in every.items()
        if whole and count == 1
    )
    return sum(_joined(spans) * many[key] for key, spans in opened.items()) - sum(every.values()) + twice


def _joined(spans: Sequence[_Span]) -> int:
    """How many pairs of a port and an address there are in spans of ports, each with its near ends."""
    cuts = sorted({first for first, _, _ in spans} | {last + 1 for _, last, _ in spans})
    found = 0
    for begin, end in pairwise(cuts):
        found += (end - begin) * size(each for first, last, near in spans if first <= begin <= last for each in near)
    return found
