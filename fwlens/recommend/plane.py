"""Knows what each platform can hold in a rule, and says why not where it cannot.

Azure Firewall: https://learn.microsoft.com/azure/firewall/rule-processing and .../policy-rule-sets
NSG: https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview
Managed network: https://learn.microsoft.com/azure/machine-learning/how-to-managed-network
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_network
from itertools import product
from typing import Final

from fwlens import names
from fwlens.requirement import Requirement
from fwlens.rule import PLACEHOLDER, Direction, Endpoint, Layer, Network, Platform, Service

_APPLICATION: Final = ("https", "http", "mssql")
_LAST_APPLICATION_PORT: Final = 64_000  # the schema of rule collection groups, ApplicationRuleProtocol
_NAMES: Final = ("host", "wildcard", "url")
_OVER: Final = {"network": ("tcp", "udp", "icmp"), "nsg": ("tcp", "udp", "icmp", "esp", "ah")}
"""The protocols of rules that hold addresses and tags; in the managed network they are those of network rules."""

URL_DOUBT: Final = "Documented for the path {} only; a rule without TLS inspection (Premium) opens the whole host."
OTHER_WAY: Final = "Seen by name {}; the rule allows it by {}, the other documented way, which the log cannot confirm."


@dataclass(frozen=True, slots=True)
class Want:
    """The far side of a needed flow: how it was matched, and what was seen of it."""

    direction: Direction
    requirement: Requirement
    way: int
    by: Endpoint
    service: Service
    host: str | None
    address: str | None


@dataclass(frozen=True, slots=True)
class Hold:
    """One way for a platform to allow a want: the far endpoint and service as a rule of this layer names them."""

    layer: Layer
    peer: Endpoint
    service: Service
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """What a person says about the rules: the region and DNS of their place, how much each opens, and how many.

    `documented` opens the whole way of every need that was hit; `subnets` name sources in place of their addresses;
    `at_most` merges rules, at the price of a surplus, until there are no more than so many.
    """

    region: str | None = None
    dns_proxy: bool = False
    documented: bool = False
    subnets: tuple[Network, ...] = ()
    at_most: int | None = None


def holds(platform: Platform, want: Want, options: Options) -> tuple[tuple[Hold, ...], str]:
    """How the platform can allow a want: by what the flow itself showed, else by the other ways of its requirement.

    What was seen comes first, because a replay of the logs can prove it; another way is only as good as the document.
    Returns no way and the reason where there is none.
    """
    seen = _seen(want)
    hold = _hold(platform, want.direction, seen, want.service, options)
    if isinstance(hold, Hold):
        if want.by.kind == "url":
            path = want.by.text.partition("/")[2]
            return (Hold(hold.layer, hold.peer, hold.service, URL_DOUBT.format(f"/{path}")),), ""
        return (hold,), ""
    found, reasons = [], [hold]
    for tag, why in _other_ways(want, options):
        other = _hold(platform, want.direction, tag, want.service, options) if tag else why
        if isinstance(other, Hold):
            found.append(Hold(other.layer, other.peer, other.service, OTHER_WAY.format(seen, tag)))
        else:
            reasons.append(other)
    if len(reasons) == 1 and seen.kind in _NAMES:
        reasons.append("its document gives no service tag to allow instead")
    return tuple(found), "" if found else "; ".join(dict.fromkeys(reasons))


def documented(platform: Platform, want: Want, hold: Hold, options: Options) -> tuple[Hold, ...]:
    """What else the way of a hold opens by its document: other endpoints and services, as the layer holds them.

    Where a need says `narrow`, or a pattern leaves an account open, only the endpoint itself, with all its services.
    """
    found = []
    region = options.region or _region_of(want)
    for way in want.requirement.ways:
        bound = [names.bind(peer, region) if region else peer for peer in way.peers]
        if want.by not in bound and hold.peer not in bound:
            continue
        whole = hold.peer in bound and not want.requirement.narrow
        for peer, service in product(bound if whole else [hold.peer], way.over):
            named = _as_application(service) if hold.layer == "application" else service
            other = peer if PLACEHOLDER.search(peer.text) else _hold(platform, want.direction, peer, named, options)
            if isinstance(other, Hold) and other.layer == hold.layer:
                found.append(other)
    return tuple(dict.fromkeys(found))


def as_stated(want: Want, hold: Hold) -> Hold:
    """The same with all ports of the documented range that the seen one lies in, where the layer holds ranges."""
    if hold.layer == "application":
        return hold
    named = (
        Service(service.transport, service.first, service.last) for way in want.requirement.ways for service in way.over
    )
    wide = (each for each in named if each.protocol == hold.service.protocol and each.carries(hold.service))
    return replace(hold, service=max(wide, key=lambda each: each.last - each.first, default=hold.service))


def _as_application(service: Service) -> Service:
    """A documented port as an application rule names it: 443 is https, 80 is http, 1433 is mssql."""
    protocol = {80: "http", 443: "https", 1433: "mssql"}.get(service.first)
    return Service(protocol, service.first, service.last) if protocol and service.protocol == "tcp" else service


def _seen(want: Want) -> Endpoint:
    """The endpoint that the flow showed: as documented, or as observed where the whole pattern is not to be granted."""
    observed = want.requirement.narrow or PLACEHOLDER.search(want.by.text)
    if observed and want.by.kind in ("wildcard", "host") and want.host:
        return Endpoint.parse(want.host)
    if want.requirement.narrow and want.address and _is_by_address(want.by):
        return Endpoint.parse(want.address)
    if want.by.kind == "url":
        return Endpoint("host", want.by.text.partition("/")[0])
    return want.by


def _is_by_address(by: Endpoint) -> bool:
    """Matched by an address, or by a tag that stands for no list of addresses."""
    return by.kind == "address" or (by.kind == "tag" and not names.is_on_firewall(by.text))


def _other_ways(want: Want, options: Options) -> Iterator[tuple[Endpoint | None, str]]:
    """Service tags of the requirement's other ways that carry the service, or why one cannot be named."""
    wanted = Service(want.service.transport, want.service.first, want.service.last)
    for way in want.requirement.ways:
        if not any(service.carries(wanted) for service in way.over):
            continue
        for peer in way.peers:
            if peer.kind != "tag" or peer == want.by:
                continue
            region = options.region or _region_of(want)
            if names.REGION in peer.text and region is None:
                yield None, f"{peer} needs a region: give it with --region"
            else:
                yield names.bind(peer, region or ""), ""


def _region_of(want: Want) -> str | None:
    """The region that the matched endpoint names, if its pattern has one."""
    for peer in want.requirement.ways[want.way].peers:
        before, placeholder, after = map(re.escape, peer.text.partition(names.REGION))
        found = re.fullmatch(f"{before}([A-Za-z0-9]+){after}", want.by.text) if placeholder else None
        if found:
            return names.region(found[1])
    return None


def _hold(platform: Platform, direction: Direction, peer: Endpoint, service: Service, options: Options) -> Hold | str:
    plain = Service(service.transport, service.first, service.last)
    if platform == "azure-firewall":
        return _hold_in_firewall(direction, peer, service, plain, options)
    if platform == "nsg":
        if peer.kind in _NAMES:
            return "an NSG holds no names"
        return Hold("nsg", peer, plain) if plain.protocol in _OVER["nsg"] else f"an NSG rule holds no {plain}"
    return _hold_in_managed_network(direction, peer, plain)


def _hold_in_firewall(
    direction: Direction, peer: Endpoint, service: Service, plain: Service, options: Options
) -> Hold | str:
    if direction == "inbound":
        return "a rule of Azure Firewall holds no service tag as source: inbound traffic is decided by DNAT or an NSG"
    if peer.kind in _NAMES:
        if service.protocol in _APPLICATION:
            if service.first != service.last or service.last > _LAST_APPLICATION_PORT:
                return f"an application rule holds single ports up to {_LAST_APPLICATION_PORT}, not {service}"
            return Hold("application", peer, service)
        if peer.kind != "host":
            return f"an application rule holds no {service}, and a network rule no name pattern such as {peer}"
        if not options.dns_proxy:
            return (
                f"an application rule holds no {service}; a network rule holds a name only with DNS proxy (--dns-proxy)"
            )
        return Hold("network", peer, plain)
    if peer.kind == "tag" and not names.is_on_firewall(peer.text):
        return f"{peer} cannot be used in Azure Firewall"
    if peer.kind == "address" and ip_network(peer.text).version == 6:
        return "Azure Firewall takes IPv4 addresses only"
    return Hold("network", peer, plain) if plain.protocol in _OVER["network"] else f"a network rule holds no {plain}"


def _hold_in_managed_network(direction: Direction, peer: Endpoint, plain: Service) -> Hold | str:
    if direction == "inbound":
        return "the managed network makes its inbound rules itself"
    if peer.kind == "tag":
        if names.is_automatic(peer.text):
            return f"the managed network makes the rule for {peer} itself"
        if plain.protocol not in _OVER["network"]:
            return f"a rule of the managed network for a tag holds no {plain}"
        return Hold("service-tag", peer, plain)
    if peer.kind == "address":
        return "the managed network reaches private addresses by private endpoint rules only"
    if names.is_storage(peer.text):
        return "an FQDN rule of the managed network never reaches a storage account: add a private endpoint rule"
    if plain.transport != "tcp" or plain.first not in (80, 443):
        return f"an FQDN rule of the managed network opens ports 80 and 443 only, not {plain}"
    return Hold("fqdn", peer, plain)
