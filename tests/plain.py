"""Slow, plain readings of the rules of the house, one flow at a time, to hold the fast ones against."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import Any

import polars as pl

from fwlens import names
from fwlens.flow import FLOW
from fwlens.requirement import Requirement
from fwlens.rule import BASES, LEVELS, Endpoint, Rule, Service
from fwlens.tags import ServiceTags, parse

NIGHT = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)
TAGS: Mapping[str, tuple[str, ...]] = {
    "AzureCloud": ("203.0.113.0/24",),
    "AzureMachineLearning": ("203.0.113.16/28",),
    "BatchNodeManagement": ("203.0.113.64/27",),
    "BatchNodeManagement.WestEurope": ("203.0.113.64/28",),
    "Storage": ("203.0.113.128/26",),
    "Storage.WestEurope": ("203.0.113.128/27",),
    "Storage.NorthEurope": ("203.0.113.160/27",),
}


def service_tags(prefixes: Mapping[str, Sequence[str]] = TAGS) -> ServiceTags:
    """A service-tag file of invented prefixes."""
    import json

    values = [
        {"name": name, "properties": {"addressPrefixes": list(nets), "networkFeatures": ["API", "NSG", "UDR", "FW"]}}
        for name, nets in prefixes.items()
    ]
    return parse(json.dumps({"changeNumber": 7, "cloud": "Public", "values": values}).encode(), "tags.json")


@dataclass(frozen=True)
class Seen:
    """One denied (or allowed) conversation, with the defaults of a blocked HTTPS request through the firewall."""

    src: str = "10.20.1.4"
    host: str | None = None
    ip: str | None = None
    service: str = "https/443"
    cause: str | None = "no rule"
    action: str = "Deny"
    rule: str | None = None
    direction: str = "outbound"
    plane: str = "azure-firewall"
    device: str | None = None
    events: int = 1
    at: datetime = field(default=NIGHT)

    def row(self) -> dict[str, Any]:
        protocol, _, port = self.service.partition("/")
        return {
            "first_seen": self.at, "last_seen": self.at, "events": self.events, "src_ip": self.src, "dst_ip": self.ip,
            "dst_fqdn": self.host, "dst_port": int(port) if port else None, "protocol": protocol,
            "direction": self.direction, "action": self.action, "cause": self.cause if self.action == "Deny" else None,
            "rule": self.rule, "plane": self.plane, "device": self.device, "origin": "night.json:1",
        }  # fmt: skip


def frame(seen: Iterable[Seen]) -> pl.DataFrame:
    """Conversations as a Flow frame."""
    return pl.DataFrame([each.row() for each in seen], schema=FLOW, orient="row")


def covers(endpoint: Endpoint, flow: Seen, prefixes: Mapping[str, Sequence[str]]) -> tuple[bool, float]:
    """Whether an endpoint (its region bound) names the far side of a flow, and how wide it is."""
    inbound = flow.direction == "inbound"
    host, ip = (None, flow.src) if inbound else (flow.host, flow.ip)
    text = endpoint.text.partition("/")[0] if endpoint.kind == "url" else endpoint.text
    if endpoint.kind in ("host", "url") and "<" not in text:
        return host == text, 0.0
    if endpoint.kind == "host":
        rest = text.partition(".")[2]
        return host is not None and host.partition(".")[2] == rest, 1 - (text.count(".") + 1) / 256
    if endpoint.kind == "wildcard":
        return host is not None and host.endswith(text[1:]) and host != text[2:], 1 - (text.count(".") + 1) / 256
    if ip is None:
        return False, 0.0
    if endpoint.kind == "address":
        network = ip_network(text)
        return ip_address(ip) in network, float(network.num_addresses)
    nets = [ip_network(net) for name, nets in prefixes.items() if name.casefold() == text.casefold() for net in nets]
    return any(ip_address(ip) in net for net in nets), float(sum(net.num_addresses for net in nets))


def chosen(requirement: Requirement, requirements: Sequence[Requirement], profiles: Sequence[str]) -> bool:
    """Whether a need is in one of the profiles, or one that is depends on it, or one on which one depends."""
    if not profiles or not requirement.when or set(profiles) & set(requirement.when):
        return True
    peers = {peer for way in requirement.ways for peer in way.peers}
    above = [one for one in requirements if one != requirement and peers & set(one.depends_on)]
    return any(chosen(one, requirements, profiles) for one in above)


def match(
    flow: Seen,
    requirements: Sequence[Requirement],
    prefixes: Mapping[str, Sequence[str]] = TAGS,
    region: str | None = None,
    profiles: Sequence[str] = (),
) -> tuple[str | None, str | None]:
    """The narrowest requirement that explains a flow, and by which endpoint."""
    carried = Service.parse(flow.service)
    found = []
    for requirement in requirements:
        if requirement.direction != flow.direction or not chosen(requirement, requirements, profiles):
            continue
        for number, way in enumerate(requirement.ways):
            if not any(service.carries(carried) for service in way.over):
                continue
            for peer in way.peers:
                regions = ([region] if region else names.REGIONS) if names.REGION in peer.text else [""]
                for bound in [names.bind(peer, name) for name in regions]:
                    hit, width = covers(bound, flow, prefixes)
                    if hit and not str(bound).startswith("tag:AzureCloud"):
                        rank = (
                            BASES.index(requirement.basis), LEVELS.index(requirement.level),
                            bool(requirement.superseded_by), requirement.inferred, requirement.id,
                        )  # fmt: skip
                        found.append((width, rank, number, str(bound), requirement.id))
    if not found:
        return None, None
    best = min(found)
    return best[4], best[3]


def verdict(flow: Seen, requirement: str | None, by: str | None, never_override: Sequence[str] = ()) -> str:
    """The one verdict of a flow, from the table in docs/design.md."""
    if flow.action == "Allow":
        return "working" if requirement else "surplus"
    if flow.cause in ("threat intelligence", "intrusion prevention", "encryption"):
        return "refused"
    if requirement is None:
        return "unexplained"
    by_name = by is not None and Endpoint.parse(by).kind in ("host", "wildcard", "url")
    if flow.cause == "no host name" and by_name:
        return "unexplained"
    if flow.cause == "deny rule" and flow.rule:
        parts = flow.rule.casefold().split(" / ")
        rows = {tuple(parts[i:j]) for j in range(len(parts) + 1) for i in range(j)}
        if rows & {tuple(part.strip() for part in name.casefold().split("/")) for name in never_override}:
            return "refused"
    return "needed"


def allows(rule: Rule, flow: Seen, prefixes: Mapping[str, Sequence[str]] = TAGS) -> bool:
    """Whether a rule lets a flow through by what the flow itself shows (its name, its address)."""
    carried = Service.parse(flow.service)
    if rule.layer == "application":
        served = any(
            each.protocol == carried.protocol and each.first <= carried.first <= each.last for each in rule.services
        )
    else:
        served = any(each.carries(carried) for each in rule.services)
    named = [(rule.sources, None, flow.src), (rule.destinations, flow.host, flow.ip)]
    return (
        rule.direction == flow.direction
        and served
        and all(any(_names(end, host, ip, rule, prefixes) for end in ends) for ends, host, ip in named)
    )


def _names(end: Endpoint, host: str | None, ip: str | None, rule: Rule, prefixes: Mapping[str, Sequence[str]]) -> bool:
    if end.kind == "any":
        return True
    if end.kind == "host":
        return host == end.text
    if end.kind == "wildcard":
        return rule.layer in ("application", "fqdn") and host is not None and host.endswith(end.text[1:])
    if ip is None or (rule.layer in ("application", "fqdn") and end.kind == "tag"):
        return False
    if end.kind == "address":
        return ip_address(ip) in ip_network(end.text)
    return any(ip_address(ip) in ip_network(net) for name, nets in prefixes.items() if name == end.text for net in nets)
