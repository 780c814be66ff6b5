"""Knows a rule collection group of Azure Firewall as a resource: its rules, its priority, and IP groups beside it."""

import hashlib
from collections.abc import Mapping
from typing import Final

from fwlens.emit.platform import OWN, Options, Recommended, by_kind, description, name, ports, transports
from fwlens.emit.resource import IdOf, Parameter, Resource, Value
from fwlens.errors import FwlensError
from fwlens.rule import Recommendation, Rule

VERSION: Final = "2024-05-01"
GROUP_TYPE: Final = "Microsoft.Network/firewallPolicies/ruleCollectionGroups"
PRIORITY: Final = 60_000
"""Where a group goes that need not come before another: late, so that what is denied on purpose stays denied."""
PRIORITIES: Final = range(100, 65_001)
PROTOCOL: Final = {"https": "Https", "http": "Http", "mssql": "Mssql"}
IP: Final = {"tcp": "TCP", "udp": "UDP", "icmp": "ICMP"}
COLLECTIONS: Final = (("network", 1000), ("application", 2000))  # in the order in which Azure Firewall tries them
ABOUT: Final = f"Allow rules of fwlens for Azure Firewall. Replaces the rule collection group {OWN}, if there is one."
_POLICY: Final = Parameter("firewallPolicyName", "The firewall policy that gets the group.")


def priority(options: Options) -> int:
    """The group's priority: late, or before the group that denied. Raises FwlensError where none is free."""
    below = options.priority_below
    if below is None:
        wanted = range(PRIORITY, PRIORITIES[-1] + 1)
    elif below - 1 in PRIORITIES:
        wanted = range(below - 1, PRIORITIES[0] - 1, -1)
    else:
        raise FwlensError(f"--priority-below {below}: a rule collection group has a priority from 100 to 65000.")
    free = [one for one in wanted if one not in options.taken]
    if not free:
        raise FwlensError(f"No priority is free below {below}: give fewer --priority-taken, or move a group in Azure.")
    return free[0]


def is_grouped(rule: Rule, options: Options) -> bool:
    """Whether the rule names its sources by an IP group."""
    return options.ip_groups and len(rule.sources) > 1


def group_name(rule: Rule) -> str:
    """The name of the IP group of a rule's sources, which depends on the addresses only."""
    return f"{OWN}-{hashlib.sha256(' '.join(map(str, rule.sources)).encode()).hexdigest()[:10]}"


def ip_groups(recommendations: Recommended, options: Options) -> dict[str, Resource]:
    """An IP group per set of sources, by its name, which depends on the addresses only."""
    rules = {group_name(one.rule): one.rule for one in recommendations if is_grouped(one.rule, options)}
    return {
        named: Resource(
            symbol=named.replace("-", "_"),
            type="Microsoft.Network/ipGroups",
            version=VERSION,
            name=named,
            properties={"ipAddresses": [end.text for end in rules[named].sources]},
            has_place=True,
        )
        for named in sorted(rules)
    }


def rule_of(one: Recommendation, options: Options) -> Mapping[str, Value]:
    """One rule as the API has it."""
    rule = one.rule
    sources: Mapping[str, Value] = {"sourceAddresses": [end.text for end in rule.sources]}
    if is_grouped(rule, options):
        sources = {"sourceIpGroups": [IdOf(ip_groups([one], options)[group_name(rule)])]}
    common: dict[str, Value] = {"name": name(rule), "description": description(one)}
    far = by_kind(rule.destinations)
    if rule.layer == "application":
        services: list[Value] = [
            {"protocolType": PROTOCOL[each.protocol], "port": each.first} for each in rule.services
        ]
        hosts = [end.text for end in rule.destinations]
        return {"ruleType": "ApplicationRule", **common, "protocols": services, **sources, "targetFqdns": hosts}
    addresses = addresses_of(rule)
    return {
        "ruleType": "NetworkRule",
        **common,
        "ipProtocols": [IP[each] for each in transports(rule)],
        **sources,
        **({"destinationAddresses": addresses} if addresses else {}),
        **({"destinationFqdns": far["host"]} if "host" in far else {}),
        "destinationPorts": ports(rule.services) or ["*"],
    }


def addresses_of(rule: Rule) -> list[str]:
    """What a network rule calls destination addresses: addresses, networks and service tags."""
    far = by_kind(rule.destinations)
    return [*far.get("address", []), *far.get("tag", [])]


def properties(recommendations: Recommended, options: Options) -> Mapping[str, Value]:
    """The group's content: network and application rules in a collection each."""
    collections: list[Mapping[str, Value]] = []
    for layer, at in COLLECTIONS:
        rules = [rule_of(one, options) for one in recommendations if one.rule.layer == layer]
        if rules:
            collections.append(
                {
                    "ruleCollectionType": "FirewallPolicyFilterRuleCollection",
                    "name": f"{OWN}-{layer}",
                    "priority": at,
                    "action": {"type": "Allow"},
                    "rules": rules,
                }
            )
    return {"priority": priority(options), "ruleCollections": collections}


def resources(recommendations: Recommended, options: Options) -> list[Resource]:
    """The IP groups, and the rule collection group that needs them."""
    groups = tuple(ip_groups(recommendations, options).values())
    own = Resource(
        symbol="group",
        type=GROUP_TYPE,
        version=VERSION,
        name=OWN,
        properties=properties(recommendations, options),
        parent_type="Microsoft.Network/firewallPolicies",
        parent=options.target or _POLICY,
        after=groups,
    )
    return [*groups, own]
