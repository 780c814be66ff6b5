"""Knows what documents open beside each need, where whole ways were asked for, and which rules open it."""

from collections.abc import Collection, Iterator

from fwlens.certificate.evidence import Place, far_side
from fwlens.certificate.ground import Ground
from fwlens.certificate.passing import Hit, Passing
from fwlens.certificate.reach import carries, in_layer
from fwlens.rule import Endpoint, Service


def openings(ground: Ground, passing: Passing, needs: Collection[str] | None = None) -> Iterator[tuple[str, list[Hit]]]:
    """Each end and service of the documents of needs (of all or of these), for each near side that has one: the need,
    and the rules that open it."""
    asked = {
        (flow.place, flow.near, flow.far, flow.requirement, flow.by)
        for flow in ground.needed
        if needs is None or flow.requirement in needs
    }
    for place, near, far, name, by in sorted(asked, key=str):
        requirement = ground.known.get(name or "")
        if requirement:
            seen = {(far, each) for way in requirement.ways for each in way.over}
            for end, over in sorted(seen | set(ground.stated(requirement, by)), key=str):
                yield requirement.id, list(_opening(passing, place, near, Endpoint.parse(end), over))


def _opening(passing: Passing, place: Place, near: str, end: Endpoint, over: Service) -> Iterator[Hit]:
    for number, rule, ends in passing.from_(place, near):
        far = frozenset(each for each in far_side(rule) if each.kind != "any" and each.covers(end))
        services = frozenset(each for each in rule.services if carries(rule, each, in_layer(rule, over)))
        if far and services:
            yield Hit(number, ends, far, services)
