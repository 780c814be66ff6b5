"""Knows how many combinations of address, far end and service rules allow, and how many of them needed flows showed."""

from collections.abc import Iterable, Sequence

from fwlens.certificate.evidence import ANYWHERE, Flow, far_side, near_side
from fwlens.certificate.passing import Hit
from fwlens.certificate.reach import size, units
from fwlens.rule import Endpoint, Rule, Service

Shown = list[set[tuple[str, str, Service]]]


def shown(rules: Sequence[Rule], passing: Iterable[tuple[Flow, Sequence[Hit]]]) -> Shown:
    """Per rule what needed flows showed of it: (near address, far end as the rule names it, service)."""
    found: Shown = [set() for _ in rules]
    for flow, hits in passing:
        for number, near, far, services in hits:
            who = ANYWHERE if any(end.text == ANYWHERE for end in near) else flow.near
            over = {Service(each.protocol, flow.service.first, flow.service.last) for each in services}
            ends = {(flow.address or "") if end.kind == "address" else str(end) for end in far}
            found[number] |= {(who, end, each) for end in ends for each in over}
    return found


def of_each(rules: Sequence[Rule], seen: Shown) -> list[int]:
    """Per rule how many combinations it allows beyond those that were shown."""
    return [_allowed(rule) - len(some) for rule, some in zip(rules, seen, strict=True)]


def _allowed(rule: Rule) -> int:
    ports = sum(each.last - each.first + 1 for each in rule.services)
    return size(near_side(rule)) * size(far_side(rule)) * ports


def in_all(rules: Sequence[Rule], seen: Shown) -> int:
    """Over all rules, what several of them allow counted once."""
    opened: dict[tuple[object, ...], list[Endpoint]] = {}
    many: dict[tuple[object, ...], int] = {}
    every: set[tuple[object, ...]] = set()
    for rule, some in zip(rules, seen, strict=True):
        place = (rule.platform, rule.layer, rule.direction)
        for text, count in (unit for end in far_side(rule) for unit in units(end)):
            for each in rule.services:
                for port in range(each.first, each.last + 1):
                    opened.setdefault((*place, text, each.protocol, port), []).extend(near_side(rule))
                    many[*place, text, each.protocol, port] = count
        every |= {(*place, *each) for each in some}
    return sum(size(ends) * many[key] for key, ends in opened.items()) - len(every)
