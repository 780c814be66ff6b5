"""Knows what a policy of Azure Firewall can hold, and refuses a rule or a set that it cannot.

https://learn.microsoft.com/azure/firewall/policy-rule-sets, https://learn.microsoft.com/azure/firewall/ip-groups and
https://learn.microsoft.com/azure/azure-resource-manager/management/azure-subscription-service-limits
"""

import json
from ipaddress import ip_network
from typing import Final

from fwlens import names
from fwlens.emit.azure_firewall.shape import IP, PROTOCOL, ip_groups, is_grouped, rule_of
from fwlens.emit.platform import Options, Recommended, ports, refuse, too_many, transports
from fwlens.emit.resource import arm_value
from fwlens.errors import FwlensError
from fwlens.rule import Rule

SIZE: Final = 2 * 1024 * 1024
FRAME: Final = 1000  # more bytes than the group has around its rules
PAIRS: Final = 20_000
GROUPS: Final = 200
GROUP_SIZE: Final = 5000
LAST_APPLICATION_PORT: Final = 64_000
_WAY_OUT: Final = "Name sources by IP groups with --ip-groups, or whole subnets with --subnet."


def prove(recommendations: Recommended, options: Options) -> None:
    """What the policy can hold, rule by rule, and the limits of a group. Raises FwlensError."""
    for one in recommendations:
        _prove_ends(one.rule)
        _prove_services(one.rule)
    _prove_size(recommendations, options)
    groups = ip_groups(recommendations, options)
    if len(groups) > GROUPS:
        raise FwlensError(f"IP groups: {len(groups)}, and a firewall takes {GROUPS}. Leave out --ip-groups.")
    for one in recommendations:
        if is_grouped(one.rule, options) and len(one.rule.sources) > GROUP_SIZE:
            what = f"its IP group would hold {len(one.rule.sources):,} addresses, and Azure takes {GROUP_SIZE:,}."
            raise refuse(one.rule, f"{what} Name whole subnets with --subnet.")


def _prove_size(recommendations: Recommended, options: Options) -> None:
    rules = [one.rule for one in recommendations if one.rule.layer == "network"]
    pairs = {rule: (1 if is_grouped(rule, options) else len(rule.sources)) * len(rule.destinations) for rule in rules}
    if sum(pairs.values()) > PAIRS:
        largest = max(pairs, key=lambda rule: pairs[rule])
        raise too_many(
            "Pairs of source and destination in network rules", sum(pairs.values()), PAIRS, largest, _WAY_OUT
        )
    sizes = {one.rule: len(json.dumps(arm_value(rule_of(one, options)))) for one in recommendations}
    if sum(sizes.values()) + FRAME > SIZE:
        largest = max(sizes, key=lambda rule: sizes[rule])
        raise too_many("Bytes of the rule collection group", sum(sizes.values()) + FRAME, SIZE, largest, _WAY_OUT)


def _prove_ends(rule: Rule) -> None:
    if rule.layer not in ("application", "network") or rule.direction != "outbound":
        raise refuse(rule, "Azure Firewall takes outbound application and network rules only.")
    for end in (*rule.sources, *rule.destinations):
        if end.kind == "address" and ip_network(end.text).version == 6:
            raise refuse(rule, f"{end} is an IPv6 address, and Azure Firewall takes IPv4 only.")
    for end in rule.sources:
        if end.kind != "address":
            raise refuse(rule, f"{end} is no source of a rule of Azure Firewall, which is an address or a network.")
    kinds = ("host", "wildcard") if rule.layer == "application" else ("address", "tag", "host")
    for end in rule.destinations:
        if end.kind not in kinds:
            raise refuse(rule, f"{end} is no destination of an Azure Firewall rule in the {rule.layer} layer.")
        if end.kind == "tag" and not names.is_on_firewall(end.text):
            raise refuse(rule, f"{end} is a service tag that Azure Firewall does not take.")


def _prove_services(rule: Rule) -> None:
    if rule.layer == "application":
        for service in rule.services:
            if service.protocol not in PROTOCOL or not 0 < service.first == service.last <= LAST_APPLICATION_PORT:
                raise refuse(rule, f"{service} is no service of an application rule.")
        return
    for service in rule.services:
        if service.protocol not in IP:
            raise refuse(rule, f"{service} is no service of a network rule.")
    if "icmp" in transports(rule) and len(transports(rule)) > 1:
        raise refuse(rule, "icmp has no ports and cannot share a rule with protocols that have.")
    if len(rule.services) != len(transports(rule)) * max(1, len(ports(rule.services))):
        raise refuse(rule, "a network rule opens each of its ports for each of its protocols, and these are less.")
