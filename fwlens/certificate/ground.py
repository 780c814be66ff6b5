"""Knows what needed flows give reason for: which addresses needed something, which ends are documented over what.

Services are compared as the matcher compares them: by what carries them, where a document states a port.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_network
from typing import Final

from fwlens.certificate.evidence import ANYWHERE, Flow, Place, ends_of, far_side, near_side
from fwlens.certificate.reach import Space
from fwlens.proof import Asked
from fwlens.requirement import Requirement
from fwlens.rule import FQDN_PORTS, Endpoint, Rule, Service

SYMBOLIC: Final = "tag:VirtualNetwork"


@dataclass(frozen=True)
class Ground:
    """Needed flows, the needs that explain them, and what was asked for."""

    needed: Sequence[Flow]
    known: Mapping[str, Requirement]
    asked: Asked

    @cached_property
    def documents(self) -> dict[Place, dict[str, set[Service]]]:
        """Per platform and direction the far ends, with the services that needed flows showed and that their documents
        give."""
        found: dict[Place, dict[str, set[Service]]] = {}
        fars: dict[tuple[Place, str | None, str | None], set[str]] = {}
        for flow in self.needed:
            fars.setdefault((flow.place, flow.requirement, flow.by), set()).add(flow.seen)
            found.setdefault(flow.place, {}).setdefault(flow.seen, set()).add(flow.service)
        for (place, name, by), seen in fars.items():
            requirement, there = self.known.get(name or ""), found[place]
            if requirement is None:
                continue
            for way in requirement.ways:
                ends = {str(end) for end in ends_of(requirement, way, by, self.asked.region)}
                if by in ends or by in [str(peer) for peer in way.peers]:
                    for end in seen:
                        there.setdefault(end, set()).update(way.over)
            for end, each in self.stated(requirement, by):
                there.setdefault(end, set()).add(each)
        return found

    def stated(self, requirement: Requirement, by: str | None) -> Iterator[tuple[str, Service]]:
        """The ends and services that a need's document gives; where it says `narrow`, none that holds several hosts."""
        for way in requirement.ways:
            for end in ends_of(requirement, way, by, self.asked.region):
                many = end.kind in ("wildcard", "address") or str(end) == SYMBOLIC
                if not (many and requirement.narrow):
                    yield from ((str(end), each) for each in way.over)

    def strange(self, rule: Rule) -> Iterator[str]:
        """What a rule names that no needed flow showed, no document of their needs gives, and nobody asked for."""
        place = (rule.platform, rule.direction == "inbound")
        for end in near_side(rule):
            if not self._is_seen(place, end, rule):
                yield f"{end} was not seen to need anything"
        for end in far_side(rule):
            services = [each for each in rule.services if self._is_documented(place, end, each)]
            if not self._is_documented(place, end, None):
                yield f"no needed flow went to {end}, and no document of their needs names it"
            elif len(services) < len(rule.services) and not (services and rule.services == FQDN_PORTS):
                strange = ", ".join(str(each) for each in rule.services if each not in services)
                yield f"{end} is neither documented nor seen over {strange}"

    def _is_seen(self, place: Place, end: Endpoint, rule: Rule) -> bool:
        """Whether each address of a near end needed something or lies in a subnet that was asked for."""
        if end.kind != "address":
            return end.text == ANYWHERE and rule.platform == "aml-managed-network"
        return place in self._nears and self._nears[place].holds(end)

    @cached_property
    def _nears(self) -> dict[Place, Space]:
        found: dict[Place, set[str]] = {}
        for flow in self.needed:
            found.setdefault(flow.place, set()).add(flow.near)
        asked = {str(subnet) for subnet in self.asked.subnets}
        return {place: Space(asked | nears) for place, nears in found.items()}

    def _is_documented(self, place: Place, end: Endpoint, over: Service | None) -> bool:
        """Whether an end, each address of it, is documented or was seen at all, or over a service."""
        if end.kind == "address":
            return self._space(place, over).holds(end)
        services = self.documents.get(place, {}).get(str(end), ())
        return bool(services) if over is None else any(each.carries(over) for each in services)

    def named(self, flow: Flow) -> str:
        """The address of a flow, or the widest network around it that a document names: a rule may name that, as it
        may name a pattern or a tag."""
        if (flow.place, flow.address, flow.service) not in self._named:
            end = Endpoint.parse(flow.address or "*")
            around = [
                wide
                for wide, services in self._networks.get(flow.place, {}).items()
                if end.kind == "address" and wide.covers(end) and any(each.carries(flow.service) for each in services)
            ]
            widest = min(around, key=lambda wide: ip_network(wide.text).prefixlen, default=end)
            self._named[flow.place, flow.address, flow.service] = widest.text
        return self._named[flow.place, flow.address, flow.service]

    @cached_property
    def _named(self) -> dict[tuple[Place, str | None, Service], str]:
        return {}

    @cached_property
    def _networks(self) -> dict[Place, dict[Endpoint, set[Service]]]:
        """The networks that documents name."""
        return {
            place: {Endpoint.parse(text): services for text, services in ends.items() if _is_network(text)}
            for place, ends in self.documents.items()
        }

    @cached_property
    def _spaces(self) -> dict[tuple[Place, Service | None], Space]:
        return {}

    def _space(self, place: Place, over: Service | None) -> Space:
        """All addresses that are documented or were seen, at all or over a service."""
        if (place, over) not in self._spaces:
            ends = ((Endpoint.parse(text), services) for text, services in self.documents.get(place, {}).items())
            self._spaces[place, over] = Space(
                end.text
                for end, services in ends
                if end.kind == "address" and (over is None or any(each.carries(over) for each in services))
            )
        return self._spaces[place, over]


def _is_network(text: str) -> bool:
    end = Endpoint.parse(text)
    return end.kind == "address" and "/" in end.text
