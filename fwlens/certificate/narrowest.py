"""Knows the narrowest rule that can be the one for a needed flow, or what keeps it from being one.

It is what the flow's own document gives: the host that was seen (in a network rule the pattern that it lies under,
which none holds), the tag that an address was matched by (an address of its own where the document says `narrow`), else
the tags of the document's other ways.
"""

from collections.abc import Iterable, Iterator

from fwlens import names
from fwlens.certificate.evidence import ANYWHERE, Flow
from fwlens.certificate.ground import Ground
from fwlens.certificate.planes import BY_NAME, breaches
from fwlens.rule import FQDN_PORTS, Endpoint, Layer, Rule, Service


def tried(ground: Ground, flow: Flow) -> list[tuple[Rule, str]]:
    """Rules for a flow, each with what keeps it from being one: empty for those that its plane can hold."""
    by_itself = list(_judged(ground, flow, [_named(ground, flow)]))
    if all(why for _, why in by_itself):
        by_itself += _judged(ground, flow, map(Endpoint.parse, sorted(flow.documented)))
    return by_itself


def _judged(ground: Ground, flow: Flow, ends: Iterable[Endpoint]) -> Iterator[tuple[Rule, str]]:
    """Rules for a flow by these far ends, each with what keeps it from being one."""
    if flow.overruled or (flow.inbound and flow.platform == "aml-managed-network"):
        return
    for end in ends:
        rule = _rule(flow, end)
        why = "; ".join(breaches(rule, dns_proxy=ground.asked.dns_proxy))
        if rule.layer == "fqdn" and not any(each.carries(flow.service) for each in rule.services):
            why = why or f"an FQDN rule opens ports 80 and 443 only, not {flow.service}"
        yield rule, why


def _named(ground: Ground, flow: Flow) -> Endpoint:
    """The far side of a flow as the narrowest rule for it names it."""
    requirement = ground.known.get(flow.requirement or "")
    by, seen = Endpoint.parse(flow.by or flow.far), Endpoint.parse(flow.seen)
    if requirement is None or by.kind in ("any", "host", "url"):
        return seen
    if by.kind == "wildcard":
        whole = by.is_concrete and not requirement.narrow
        return by if whole and _layer(flow, seen) == "network" else seen
    symbolic = by.kind == "address" or not names.is_on_firewall(by.text)
    return seen if requirement.narrow and symbolic else by


def _rule(flow: Flow, end: Endpoint) -> Rule:
    layer, seen = _layer(flow, end), flow.service
    carried = Service(seen.transport, seen.first, seen.last)
    services = {"fqdn": FQDN_PORTS, "application": (seen,)}.get(layer, (carried,))
    near = (Endpoint.parse(ANYWHERE if flow.platform == "aml-managed-network" else flow.near),)
    sources, destinations = ((end,), near) if flow.inbound else (near, (end,))
    return Rule(flow.platform, layer, "inbound" if flow.inbound else "outbound", sources, destinations, services)


def _layer(flow: Flow, end: Endpoint) -> Layer:
    if flow.platform == "azure-firewall":
        by_name = end.kind == "host" and flow.service.protocol in BY_NAME
        return "application" if by_name else "network"
    if flow.platform == "nsg":
        return "nsg"
    return "service-tag" if end.kind == "tag" else "fqdn"
