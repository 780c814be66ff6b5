"""Knows how rules are added to a network security group: each a child of its own, so that no other is touched.

https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview; limits:
https://learn.microsoft.com/azure/azure-resource-manager/management/azure-subscription-service-limits
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Final

from fwlens.emit import hcl, shell
from fwlens.emit.hcl import Block, Expression
from fwlens.emit.platform import (
    OWN,
    Form,
    Options,
    Recommended,
    Target,
    description,
    name,
    ports,
    refuse,
    too_many,
    transports,
)
from fwlens.emit.resource import Parameter, Resource, arm, bicep
from fwlens.errors import FwlensError
from fwlens.rule import Endpoint, Recommendation, Rule

VERSION: Final = "2024-05-01"
PRIORITIES: Final = range(100, 4097)
RULES: Final = 1000
ADDRESSES: Final = 4000

_ABOUT: Final = "Allow rules of fwlens for a network security group, each a resource of its own."
_NSG: Final = Parameter("networkSecurityGroupName", "The network security group that gets the rules.")
_GROUP_VARIABLE: Final = shell.Variable("RESOURCE_GROUP", "the resource group of the NSG")
_NSG_VARIABLE: Final = shell.Variable("NSG", "the name of the network security group")
_PROTOCOL: Final = {"tcp": "Tcp", "udp": "Udp", "icmp": "Icmp", "esp": "Esp", "ah": "Ah"}


def prove(recommendations: Recommended, options: Options) -> None:
    """What an NSG can hold, rule by rule, and its limits. Raises FwlensError."""
    for one in recommendations:
        _prove_rule(one.rule)
    rules = [one.rule for one in recommendations]
    if len(rules) > RULES:
        raise too_many("Rules", len(rules), RULES, rules[-1], "Merge rules with --at-most.")
    sides: dict[str, Callable[[Rule], tuple[Endpoint, ...]]] = {
        "sources": lambda rule: rule.sources,
        "destinations": lambda rule: rule.destinations,
    }
    for side, ends in sides.items():
        addresses = {rule: sum(end.kind == "address" for end in ends(rule)) for rule in rules}
        if sum(addresses.values()) > ADDRESSES:
            largest = max(addresses, key=lambda rule: addresses[rule])
            way_out = "Name whole subnets with --subnet."
            raise too_many(f"Addresses as {side}", sum(addresses.values()), ADDRESSES, largest, way_out)
    priorities(recommendations, options)


def _prove_rule(rule: Rule) -> None:
    if rule.layer != "nsg":
        raise refuse(rule, f"an NSG holds no rule of the {rule.layer} layer.")
    for side in (rule.sources, rule.destinations):
        for end in side:
            if end.kind not in ("address", "tag", "any"):
                raise refuse(rule, f"{end} is a name, and an NSG holds none.")
        if len(side) > 1 and any(end.kind != "address" for end in side):
            raise refuse(rule, "an NSG rule takes one service tag, or addresses, on each side.")
        if len({":" in end.text for end in side if end.kind == "address"}) > 1:
            raise refuse(rule, "an NSG rule takes addresses of one family, IPv4 or IPv6.")
    if len(transports(rule)) != 1 or transports(rule)[0] not in _PROTOCOL:
        raise refuse(rule, "an NSG rule takes one protocol: tcp, udp, icmp, esp or ah.")


def priorities(recommendations: Recommended, options: Options) -> dict[str, int]:
    """A priority for each rule, by its id: from the 1000 (the most rules that an NSG takes) just below the rule that
    must come later, as near to it as the rule's own id says, so that one more rule moves no other unless their places
    are the same. Priorities are unique per direction.

    Raises FwlensError where a rule that denied is named and its priority is not given, or where none is free.
    """
    denied = [one for one in recommendations if one.evidence.denied_by]
    if denied and options.priority_below is None:
        raise refuse(
            denied[0].rule,
            "denied by a rule of the NSG, and an allow must come before it. Look up that rule's priority and give it "
            "with --priority-below (the smallest, if several rules denied).",
        )
    below = min(options.priority_below or PRIORITIES.stop, PRIORITIES.stop)  # Azure's own rules lie behind 4096
    window = range(below - 1, max(below - 1 - RULES, PRIORITIES.start - 1), -1)
    free = [one for one in window if one not in options.taken]
    placed: dict[str, int] = {}
    for direction in ("inbound", "outbound"):
        ids = sorted(one.rule.id for one in recommendations if one.rule.direction == direction)
        if len(ids) > len(free):
            raise FwlensError(
                f"{len(ids)} {direction} rules, and {len(free)} priorities are free from {window[-1]} to {below - 1}: "
                "an NSG has priorities from 100 to 4096. Merge rules with --at-most, or move the rule that denied."
            )
        placed |= _placed(ids, window, set(free))
    return placed


def _placed(ids: list[str], window: range, free: set[int]) -> dict[str, int]:
    placed = {}
    for each in ids:
        place = int(hashlib.sha256(each.encode()).hexdigest(), 16) % len(window)
        while window[place] not in free:
            place = (place + 1) % len(window)
        placed[each] = window[place]
        free.remove(window[place])
    return placed


def remarks(recommendations: Recommended, _: Options) -> tuple[str, ...]:
    """What a template cannot say by itself."""
    groups = {device for one in recommendations for device in one.evidence.devices}
    said = []
    if len(groups) > 1:
        said.append(f"{len(groups)} devices denied: apply these rules at each that the traffic passes.")
    said.append(
        f"If a priority is in use already, Azure refuses that rule: name it with --priority-taken. Rules of {OWN} that "
        "are there already are left as they are, but for Terraform's, which stay only while they are in its files."
    )
    return tuple(said)


def _prefixes(side: str, ends: tuple[Endpoint, ...]) -> dict[str, str | list[str]]:
    """One prefix (or tag) stands by itself, several are a list."""
    words = [end.text for end in ends]
    return {f"{side}AddressPrefix": words[0]} if len(words) == 1 else {f"{side}AddressPrefixes": words}


def _port_ranges(rule: Rule) -> list[str]:
    return ports(rule.services) or ["*"]


def _properties(one: Recommendation, priority: int) -> Mapping[str, str | int | list[str]]:
    rule, opened = one.rule, _port_ranges(one.rule)
    return {
        "description": description(one),
        "priority": priority,
        "direction": rule.direction.capitalize(),
        "access": "Allow",
        "protocol": _PROTOCOL[transports(rule)[0]],
        **_prefixes("source", rule.sources),
        "sourcePortRange": "*",
        **_prefixes("destination", rule.destinations),
        **({"destinationPortRange": opened[0]} if len(opened) == 1 else {"destinationPortRanges": opened}),
    }


def _resources(recommendations: Recommended, options: Options) -> list[Resource]:
    placed = priorities(recommendations, options)
    return [
        Resource(
            symbol=name(one.rule).replace("-", "_"),
            type="Microsoft.Network/networkSecurityGroups/securityRules",
            version=VERSION,
            name=name(one.rule),
            properties=_properties(one, placed[one.rule.id]),
            parent_type="Microsoft.Network/networkSecurityGroups",
            parent=options.target or _NSG,
        )
        for one in recommendations
    ]


def _arm(recommendations: Recommended, options: Options) -> str:
    return arm(_resources(recommendations, options), _ABOUT)


def _bicep(recommendations: Recommended, options: Options) -> str:
    return bicep(_resources(recommendations, options), _ABOUT)


_SNAKE: Final = {
    "description": "description",
    "priority": "priority",
    "direction": "direction",
    "access": "access",
    "protocol": "protocol",
    "sourceAddressPrefix": "source_address_prefix",
    "sourceAddressPrefixes": "source_address_prefixes",
    "sourcePortRange": "source_port_range",
    "destinationAddressPrefix": "destination_address_prefix",
    "destinationAddressPrefixes": "destination_address_prefixes",
    "destinationPortRange": "destination_port_range",
    "destinationPortRanges": "destination_port_ranges",
}


def _symbol(rule: Rule) -> str:
    return f"azurerm_network_security_rule.{name(rule)}"


def _terraform(recommendations: Recommended, options: Options) -> str:
    placed = priorities(recommendations, options)
    place = tuple((each, Expression(f"var.{each}")) for each in ("resource_group_name", "network_security_group_name"))
    blocks = [
        hcl.variable("resource_group_name", "The resource group of the network security group."),
        hcl.variable("network_security_group_name", "The network security group that gets the rules."),
    ]
    for one in recommendations:
        own = _properties(one, placed[one.rule.id])
        attributes = tuple((_SNAKE[key], value) for key, value in own.items())
        label = ("azurerm_network_security_rule", name(one.rule))
        blocks.append(Block("resource", label, (("name", name(one.rule)), *place, *attributes)))
    return hcl.write(blocks, _ABOUT)


def _undo_terraform(recommendations: Recommended, _: Options) -> str:
    return hcl.removed([_symbol(one.rule) for one in recommendations])


def _az(recommendations: Recommended, options: Options) -> str:
    """Every argument is given: the CLI's defaults are inbound, any protocol, port 80, from and to anywhere."""
    placed = priorities(recommendations, options)
    lines = []
    for one in recommendations:
        rule = one.rule
        given = {
            "--priority": [str(placed[rule.id])],
            "--direction": [rule.direction.capitalize()],
            "--access": ["Allow"],
            "--protocol": [_PROTOCOL[transports(rule)[0]]],
            "--source-address-prefixes": [end.text for end in rule.sources],
            "--source-port-ranges": ["*"],
            "--destination-address-prefixes": [end.text for end in rule.destinations],
            "--destination-port-ranges": _port_ranges(rule),
            "--description": [description(one)],
            "--output": ["none"],
        }
        lines += [shell.command("az network nsg rule create", [*_at(rule), *given.items()]), ""]
    return shell.script(_ABOUT, [_GROUP_VARIABLE, _NSG_VARIABLE], lines[:-1])


def _at(rule: Rule) -> list[tuple[str, list[str | shell.Variable]]]:
    return [("--resource-group", [_GROUP_VARIABLE]), ("--nsg-name", [_NSG_VARIABLE]), ("--name", [name(rule)])]


def _undo(recommendations: Recommended, _: Options) -> str:
    lines = [shell.command("az network nsg rule delete", _at(one.rule)) for one in recommendations]
    return shell.script("Takes the rules of fwlens back.", [_GROUP_VARIABLE, _NSG_VARIABLE], lines)


TARGET: Final = Target(
    "nsg",
    prove,
    remarks,
    {
        "arm": Form("arm.json", _arm, "undo.sh", _undo),
        "bicep": Form("bicep", _bicep, "undo.sh", _undo),
        "terraform": Form("tf", _terraform, "tf.undo", _undo_terraform),
        "az": Form("sh", _az, "undo.sh", _undo),
    },
)
