"""Knows what a rule of each plane can be, as Azure's pages say it; what cannot be one would open something else there.

Azure Firewall: https://learn.microsoft.com/azure/firewall/rule-processing and .../policy-rule-sets,
names in network rules https://learn.microsoft.com/azure/firewall/fqdn-filtering-network-rules,
service tags https://learn.microsoft.com/azure/firewall/service-tags,
IPv4 only https://learn.microsoft.com/azure/firewall/firewall-known-issues
NSG: https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview
Managed network: https://learn.microsoft.com/azure/machine-learning/how-to-managed-network
"""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Final

from fwlens import names
from fwlens.rule import FQDN_PORTS, Endpoint, Layer, Platform, Rule, Service

LAYERS: Final[Mapping[Platform, tuple[Layer, ...]]] = {
    "azure-firewall": ("application", "network"),
    "nsg": ("nsg",),
    "aml-managed-network": ("fqdn", "service-tag"),
}
NAMED: Final[Mapping[Platform, str]] = {
    "azure-firewall": "Azure Firewall",
    "nsg": "an NSG",
    "aml-managed-network": "the managed network",
}
BY_NAME: Final = ("http", "https", "mssql")
_IN_NETWORK_RULES: Final = ("tcp", "udp", "icmp")
_IN_NSG: Final = ("tcp", "udp", "icmp", "esp", "ah")
_LAST_APPLICATION_PORT: Final = 64_000


def breaches(rule: Rule, *, dns_proxy: bool = False) -> Iterator[str]:
    """What keeps a rule from being one of its plane, each in words that go after the rule's name."""
    if rule.layer not in LAYERS[rule.platform]:
        yield f"{NAMED[rule.platform]} holds no rule of the {rule.layer} layer"
    elif rule.layer == "application":
        yield from _in_firewall(rule)
        yield from _application(rule)
    elif rule.layer == "network":
        yield from _in_firewall(rule)
        yield from _network(rule, dns_proxy=dns_proxy)
    elif rule.layer == "nsg":
        yield from _nsg(rule)
    else:
        yield from _managed(rule)


def _in_firewall(rule: Rule) -> Iterator[str]:
    if rule.direction == "inbound":
        yield f"Azure Firewall lets traffic in by DNAT rules, not by {rule.layer} rules"
    for end in (*rule.sources, *rule.destinations):
        if _family(end) == 6:
            yield f"{end} is an IPv6 address, and Azure Firewall takes IPv4 addresses only"
    for end in rule.sources:
        if end.kind not in ("address", "any"):
            yield f"Azure Firewall takes addresses as sources, not {end}"


def _application(rule: Rule) -> Iterator[str]:
    for end in rule.destinations:
        if end.kind not in ("host", "wildcard"):
            yield f"an application rule names hosts and patterns, not {end}"
    for each in rule.services:
        if each.protocol not in BY_NAME or each.first != each.last or each.last > _LAST_APPLICATION_PORT:
            yield f"an application rule holds http, https or mssql and a port each, not {each}"


def _network(rule: Rule, *, dns_proxy: bool) -> Iterator[str]:
    for end in rule.destinations:
        if end.kind == "host" and not dns_proxy:
            yield f"a network rule holds a name such as {end} only with DNS proxy (--dns-proxy)"
        elif end.kind in ("wildcard", "url"):
            yield f"a network rule holds no pattern such as {end}"
        elif end.kind == "tag" and not names.is_on_firewall(end.text):
            yield f"{end} cannot be used in Azure Firewall"
    strange = [str(each) for each in rule.services if each.protocol not in _IN_NETWORK_RULES]
    if strange:
        yield f"a network rule holds tcp, udp and icmp, not {', '.join(strange)}"
        return
    protocols, ports = {each.protocol for each in rule.services}, {(each.first, each.last) for each in rule.services}
    if "icmp" in protocols and len(protocols) > 1:
        yield "icmp has no ports, and shares no network rule with protocols that have"
        return
    opened = {Service(protocol, *span) for protocol, span in product(protocols, ports)} - set(rule.services)
    if opened:
        more = ", ".join(map(str, sorted(opened)))
        yield f"a network rule opens each of its ports for each of its protocols, so it would open {more} as well"


def _nsg(rule: Rule) -> Iterator[str]:
    for side in (rule.sources, rule.destinations):
        for end in side:
            if end.kind in ("host", "wildcard", "url"):
                yield f"an NSG holds no names such as {end}"
        if len(side) > 1 and any(end.kind in ("tag", "any") for end in side):
            yield "an NSG rule takes one service tag, or addresses, on each side"
        if len({_family(end) for end in side if end.kind == "address"}) > 1:
            yield "an NSG rule takes addresses of one family, IPv4 or IPv6"
    strange = [str(each) for each in rule.services if each.protocol not in _IN_NSG]
    if strange:
        yield f"an NSG rule holds tcp, udp, icmp, esp or ah, not {', '.join(strange)}"
    elif len({each.protocol for each in rule.services}) > 1:
        yield f"an NSG rule holds one protocol, not {', '.join(map(str, rule.services))}"


def _managed(rule: Rule) -> Iterator[str]:
    if rule.direction == "inbound":
        yield "the managed network makes its inbound rules itself"
        return
    if any(end.kind != "any" for end in rule.sources):
        yield f"a rule of the managed network names no source such as {rule.sources[0]}"
    if len(rule.destinations) > 1:
        yield f"a rule of the managed network has one destination, not {len(rule.destinations)}"
    yield from _fqdn(rule) if rule.layer == "fqdn" else _service_tag(rule)


def _fqdn(rule: Rule) -> Iterator[str]:
    for end in rule.destinations:
        if end.kind not in ("host", "wildcard"):
            yield f"an FQDN rule names a host or a pattern, not {end}"
        elif names.is_storage(end.text):
            yield f"an FQDN rule never reaches a storage account such as {end}: it takes a private endpoint rule"
    if rule.services != FQDN_PORTS:
        yield f"an FQDN rule opens http/80 and https/443, no more and no less, not {', '.join(map(str, rule.services))}"


def _service_tag(rule: Rule) -> Iterator[str]:
    for end in rule.destinations:
        if end.kind != "tag":
            yield f"a service-tag rule names a service tag, not {end}"
        elif names.is_automatic(end.text):
            yield f"the managed network makes the rule for {end} itself"
    protocols = {each.protocol for each in rule.services}
    if len(protocols) > 1 or not protocols <= set(_IN_NETWORK_RULES):
        yield f"a service-tag rule holds one protocol, tcp, udp or icmp, not {', '.join(map(str, rule.services))}"


def _family(end: Endpoint) -> int:
    """The version of an address, 0 for what is none."""
    return 0 if end.kind != "address" else 6 if ":" in end.text else 4
