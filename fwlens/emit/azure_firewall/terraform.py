"""Knows the same rule collection group as Terraform's azurerm provider has it.

https://registry.terraform.io/providers/hashicorp/azurerm/latest/docs/resources/firewall_policy_rule_collection_group
"""

from typing import Final

from fwlens.emit import hcl
from fwlens.emit.azure_firewall.shape import (
    ABOUT,
    COLLECTIONS,
    IP,
    PROTOCOL,
    addresses_of,
    group_name,
    ip_groups,
    is_grouped,
    priority,
)
from fwlens.emit.hcl import Block, Expression
from fwlens.emit.platform import OWN, Options, Recommended, by_kind, description, name, ports, transports
from fwlens.rule import Endpoint, Recommendation

_PLACE: Final = (("resource_group_name", "ip_group_resource_group_name"), ("location", "ip_group_location"))
"""What an IP group is asked for, and the variables for it, named so that files of all platforms may lie together."""


def render(recommendations: Recommended, options: Options) -> str:
    """The variables, the IP groups, and the rule collection group."""
    groups = ip_groups(recommendations, options)
    sources = {group_name(one.rule): one.rule.sources for one in recommendations}
    collections = [
        (layer, at, [one for one in recommendations if one.rule.layer == layer]) for layer, at in COLLECTIONS
    ]
    own = Block(
        "resource",
        ("azurerm_firewall_policy_rule_collection_group", OWN),
        (
            ("name", OWN),
            ("firewall_policy_id", Expression("var.firewall_policy_id")),
            ("priority", priority(options)),
        ),
        tuple(
            Block(
                f"{layer}_rule_collection",
                (),
                (("name", f"{OWN}-{layer}"), ("priority", at), ("action", "Allow")),
                tuple(_rule(one, options) for one in rules),
            )
            for layer, at, rules in collections
            if rules
        ),
    )
    place = [hcl.variable(named, f"The {each.replace('_', ' ')} of the IP groups.") for each, named in _PLACE]
    return hcl.write(
        [
            hcl.variable("firewall_policy_id", "Resource id of the firewall policy that gets the group."),
            *(place if groups else []),
            *(_ip_group(named, group.symbol, sources[named]) for named, group in groups.items()),
            own,
        ],
        ABOUT,
    )


def _ip_group(named: str, symbol: str, addresses: tuple[Endpoint, ...]) -> Block:
    place = tuple((each, Expression(f"var.{asked}")) for each, asked in _PLACE)
    return Block(
        "resource",
        ("azurerm_ip_group", symbol),
        (("name", named), *place, ("cidrs", [end.text for end in addresses])),
    )


def _rule(one: Recommendation, options: Options) -> Block:
    rule = one.rule
    attributes: list[tuple[str, hcl.Value]] = [("name", name(rule)), ("description", description(one))]
    if is_grouped(rule, options):
        symbol = group_name(rule).replace("-", "_")
        attributes.append(("source_ip_groups", [Expression(f"azurerm_ip_group.{symbol}.id")]))
    else:
        attributes.append(("source_addresses", [end.text for end in rule.sources]))
    if rule.layer == "application":
        attributes.append(("destination_fqdns", [end.text for end in rule.destinations]))
        return Block(
            "rule",
            (),
            tuple(attributes),
            tuple(
                Block("protocols", (), (("type", PROTOCOL[each.protocol]), ("port", each.first)))
                for each in rule.services
            ),
        )
    hosts = by_kind(rule.destinations).get("host", [])
    attributes.append(("protocols", [IP[each] for each in transports(rule)]))
    attributes += [("destination_addresses", addresses_of(rule))] if addresses_of(rule) else []
    attributes += [("destination_fqdns", hosts)] if hosts else []
    attributes.append(("destination_ports", ports(rule.services) or ["*"]))
    return Block("rule", (), tuple(attributes))
