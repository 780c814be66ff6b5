"""Knows whether a needed flow has to be handed back: no rule of its plane can be the one that allows it, or each such
rule would also allow what must not be.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from fwlens.certificate.evidence import Flow
from fwlens.certificate.ground import Ground
from fwlens.certificate.narrowest import tried
from fwlens.certificate.passing import Passing
from fwlens.certificate.planes import BY_NAME
from fwlens.rule import Rule, Service, Unsaid

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
        return {flow: tried(self.ground, flow) for flow in self.blocked}


def _of_all_protocols(rule: Rule) -> Rule:
    """A rule with all that can come over its ports."""
    if rule.layer != "application":
        return rule
    services = {Service(name, each.first, each.last) for each in rule.services for name in BY_NAME}
    return replace(rule, services=tuple(sorted(services)))
