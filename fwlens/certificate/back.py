"""Knows whether a needed flow has to be handed back: no rule of its plane can be the one that allows it, or each such
rule would also allow what must not be.

The rule is the narrowest that the flow's own document gives: the host that was seen (in a network rule the pattern that
it lies under, which none holds), the tag that an address was matched by (an address of its own where the document says
`narrow`), else the tags of the document's other ways.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from fwlens import names
from fwlens.certificate.evidence import ANYWHERE, Flow
from fwlens.certificate.ground import Ground
from fwlens.certificate.passing import Passing
from fwlens.certificate.planes import BY_NAME, breaches
from fwlens.rule import FQDN_PORTS, Endpoint, Layer, Rule, Service, Unsaid

Key = tuple[str, str, str, str, str]
_ADMIN = "a security admin rule of Virtual Network Manager denied it, which comes before every NSG rule"
_INBOUND = "the managed network makes its inbound rules itself"


def key_of(one: Unsaid) -> Key:
    """A conversation that an answer hands back: platform, direction, source, destination and service."""
    return one.platform, one.flow.direction, one.flow.src_ip, one.flow.destination, one.flow.service


def key(flow: Flow) -> Key:
    """The same of a flow."""
    return flow.platform, "inbound" if flow.inbound else "outbound", *flow.key


@dataclass(frozen=True)
class Back:
    """The needed flows that no rule of a set allows (of those that are handed back: as they were seen), each with the
    rules that might, or why there is none."""

    blocked: Sequence[Flow]
    ground: Ground

    @cached_property
    def rules(self) -> dict[Flow, tuple[Rule, ...]]:
        """Per flow the rules that its plane can hold and that allow it."""
        return {flow: tuple(rule for rule, why in tried if not why) for flow, tried in self._tried.items()}

    def why(self, flow: Flow) -> str:
        """Why no rule of the plane can allow a flow, if so."""
        if self.rules[flow]:
            return ""
        if flow.overruled:
            return _ADMIN
        reasons = [why for _, why in self._tried[flow]]
        return "; ".join(dict.fromkeys(reasons)) or _INBOUND

    def needless(self, bad: Sequence[Flow]) -> Mapping[Flow, Rule]:
        """The flows that a rule could allow without any that must not be allowed (`bad`), with such a rule.

        What is refused on one plane, one way or by one protocol of a port, is opened on no other.
        """
        every = tuple(dict.fromkeys(rule for rules in self.rules.values() for rule in rules))
        places = {flow.place for flow, rules in self.rules.items() if rules}
        passing, leaking = Passing(tuple(map(_of_all_protocols, every)), bad), set()
        for platform, inbound in places:
            there = (replace(flow, platform=platform, inbound=inbound) for flow in bad)
            leaking |= {every[hit.rule] for flow in there for hit in passing.allowing(flow, flow.ends)}
        free = {flow: [rule for rule in rules if rule not in leaking] for flow, rules in self.rules.items()}
        return {flow: rules[0] for flow, rules in free.items() if rules}

    @cached_property
    def _tried(self) -> dict[Flow, list[tuple[Rule, str]]]:
        found = {}
        for flow in self.blocked:
            tried = list(self._judged(flow, [self._named(flow)]))
            if all(why for _, why in tried):
                tried += self._judged(flow, map(Endpoint.parse, sorted(flow.documented)))
            found[flow] = tried
        return found

    def _judged(self, flow: Flow, ends: Iterator[Endpoint] | list[Endpoint]) -> Iterator[tuple[Rule, str]]:
        """Rules for a flow by these far ends, each with what keeps it from being one."""
        if flow.overruled or (flow.inbound and flow.platform == "aml-managed-network"):
            return
        for end in ends:
            rule = self._rule(flow, end)
            why = "; ".join(breaches(rule, dns_proxy=self.ground.asked.dns_proxy))
            if rule.layer == "fqdn" and not any(each.carries(flow.service) for each in rule.services):
                why = why or f"an FQDN rule opens ports 80 and 443 only, not {flow.service}"
            yield rule, why

    def _named(self, flow: Flow) -> Endpoint:
        """The far side of a flow as the narrowest rule for it names it."""
        requirement = self.ground.known.get(flow.requirement or "")
        by, seen = Endpoint.parse(flow.by or flow.far), Endpoint.parse(flow.seen)
        if requirement is None or by.kind in ("any", "host", "url"):
            return seen
        if by.kind == "wildcard":
            whole = by.is_concrete and not requirement.narrow
            return by if whole and self._layer(flow, seen) == "network" else seen
        symbolic = by.kind == "address" or not names.is_on_firewall(by.text)
        return seen if requirement.narrow and symbolic else by

    def _rule(self, flow: Flow, end: Endpoint) -> Rule:
        layer, seen = self._layer(flow, end), flow.service
        carried = Service(seen.transport, seen.first, seen.last)
        services = {"fqdn": FQDN_PORTS, "application": (seen,)}.get(layer, (carried,))
        near = (Endpoint.parse(ANYWHERE if flow.platform == "aml-managed-network" else flow.near),)
        sources, destinations = ((end,), near) if flow.inbound else (near, (end,))
        return Rule(flow.platform, layer, "inbound" if flow.inbound else "outbound", sources, destinations, services)

    def _layer(self, flow: Flow, end: Endpoint) -> Layer:
        if flow.platform == "azure-firewall":
            by_name = end.kind == "host" and flow.service.protocol in BY_NAME
            return "application" if by_name else "network"
        if flow.platform == "nsg":
            return "nsg"
        return "service-tag" if end.kind == "tag" else "fqdn"


def _of_all_protocols(rule: Rule) -> Rule:
    """A rule with all that can come over its ports."""
    if rule.layer != "application":
        return rule
    services = {Service(name, each.first, each.last) for each in rule.services for name in BY_NAME}
    return replace(rule, services=tuple(sorted(services)))
