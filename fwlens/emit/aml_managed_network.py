"""Knows how outbound rules are added to the managed network of an Azure Machine Learning workspace.

Rules for names and tags exist only where the workspace allows approved outbound traffic only.
https://learn.microsoft.com/azure/machine-learning/how-to-managed-network
"""

import json
from collections.abc import Iterable, Mapping
from typing import Final

from fwlens import names
from fwlens.emit import shell
from fwlens.emit.platform import Form, Options, Recommended, Target, description, name, ports, refuse, transports
from fwlens.emit.resource import Parameter, Resource, arm, bicep
from fwlens.rule import FQDN_PORTS, Rule

VERSION: Final = "2025-06-01"
COST: Final = "The first FQDN rule of a managed network brings a firewall of its own, which is billed by the hour."

_ABOUT: Final = "Outbound rules of fwlens for the managed network of an Azure Machine Learning workspace."
_WORKSPACE: Final = Parameter("workspaceName", "The workspace whose managed network gets the rules.")
_GROUP_VARIABLE: Final = shell.Variable("RESOURCE_GROUP", "the resource group of the workspace")
_WORKSPACE_VARIABLE: Final = shell.Variable("WORKSPACE", "the name of the workspace")
_PROTOCOL: Final = {"tcp": "TCP", "udp": "UDP", "icmp": "ICMP"}


def prove(recommendations: Recommended, _: Options) -> None:
    """What a managed network can hold, rule by rule. Raises FwlensError."""
    for one in recommendations:
        rule = one.rule
        if rule.direction != "outbound" or any(end.kind != "any" for end in rule.sources):
            raise refuse(rule, "a rule of the managed network is outbound and names no source.")
        if len(rule.destinations) != 1:
            raise refuse(rule, "a rule of the managed network has one destination.")
        if rule.layer == "fqdn":
            _prove_fqdn(rule)
        elif rule.layer == "service-tag":
            _prove_tag(rule)
        else:
            raise refuse(rule, f"the managed network holds no rule of the {rule.layer} layer.")


def _prove_fqdn(rule: Rule) -> None:
    host = rule.destinations[0]
    if host.kind not in ("host", "wildcard"):
        raise refuse(rule, f"{host} is no name, and an FQDN rule holds nothing else.")
    if rule.services != FQDN_PORTS:
        raise refuse(rule, "an FQDN rule opens http/80 and https/443, both and nothing else.")
    if names.is_storage(host.text):
        raise refuse(rule, f"{host} is a storage account, which takes a private endpoint rule.")


def _prove_tag(rule: Rule) -> None:
    tag = rule.destinations[0]
    if tag.kind != "tag":
        raise refuse(rule, f"{tag} is no service tag.")
    if names.is_automatic(tag.text):
        raise refuse(rule, f"the managed network makes the rule for {tag} itself.")
    if len(transports(rule)) != 1 or transports(rule)[0] not in _PROTOCOL:
        raise refuse(rule, "a rule for a service tag takes one protocol: tcp, udp or icmp.")


def remarks(recommendations: Recommended, _: Options) -> tuple[str, ...]:
    """What a template cannot say by itself."""
    cost = (COST,) if any(one.rule.layer == "fqdn" for one in recommendations) else ()
    return (*cost, "The workspace must have the isolation mode that allows approved outbound traffic only.")


def _protocol(rule: Rule) -> str:
    return _PROTOCOL[transports(rule)[0]]


def _port_ranges(rule: Rule) -> str:
    return ", ".join(ports(rule.services)) or "*"


def _properties(rule: Rule) -> Mapping[str, str | Mapping[str, str]]:
    destination = rule.destinations[0].text
    if rule.layer == "fqdn":
        return {"type": "FQDN", "category": "UserDefined", "destination": destination}
    opened = {
        "action": "Allow",
        "serviceTag": destination,
        "protocol": _protocol(rule),
        "portRanges": _port_ranges(rule),
    }
    return {"type": "ServiceTag", "category": "UserDefined", "destination": opened}


def _resources(recommendations: Recommended, options: Options) -> list[Resource]:
    return [
        Resource(
            symbol=name(one.rule).replace("-", "_"),
            type="Microsoft.MachineLearningServices/workspaces/outboundRules",
            version=VERSION,
            name=name(one.rule),
            properties=_properties(one.rule),
            parent_type="Microsoft.MachineLearningServices/workspaces",
            parent=options.target or _WORKSPACE,
        )
        for one in recommendations
    ]


def _arm(recommendations: Recommended, options: Options) -> str:
    return arm(_resources(recommendations, options), _ABOUT)


def _bicep(recommendations: Recommended, options: Options) -> str:
    return bicep(_resources(recommendations, options), _ABOUT)


def _yaml(recommendations: Recommended, options: Options) -> str:
    """Every scalar is a JSON string, which YAML reads as it stands; ports above all must not become numbers."""
    lines = [
        f"# {_ABOUT}",
        "# Apply: az ml workspace update --file THIS --resource-group GROUP --name WORKSPACE",
        "# Whether an update keeps rules that are not below is up to the service; --format az touches no other rule.",
        "# A workspace with the basic firewall needs firewall_sku: basic below, or the update raises it to standard.",
        f"name: {json.dumps(options.target or 'WORKSPACE')}",
        "managed_network:",
        '  isolation_mode: "allow_only_approved_outbound"',
        "  outbound_rules:",
    ]
    for one in recommendations:
        lines.append(f"    # {description(one)}")
        lines.append(f"    - name: {json.dumps(name(one.rule))}")
        lines += [f"      {line}" for line in _yaml_rule(one.rule)]
    return "\n".join([*lines, ""])


def _yaml_rule(rule: Rule) -> Iterable[str]:
    destination = json.dumps(rule.destinations[0].text)
    if rule.layer == "fqdn":
        yield 'type: "fqdn"'
        yield f"destination: {destination}"
        return
    yield 'type: "service_tag"'
    yield "destination:"
    yield f"  service_tag: {destination}"
    yield f"  protocol: {json.dumps(_protocol(rule))}"
    yield f"  port_ranges: {json.dumps(_port_ranges(rule))}"


def _az(recommendations: Recommended, _: Options) -> str:
    """One rule after another: the service takes one change of a managed network at a time."""
    lines = []
    for one in recommendations:
        rule, destination = one.rule, one.rule.destinations[0].text
        if rule.layer == "fqdn":
            given = {"--type": ["fqdn"], "--destination": [destination]}
        else:
            given = {
                "--type": ["service_tag"],
                "--service-tag": [destination],
                "--protocol": [_protocol(rule)],
                "--port-ranges": [_port_ranges(rule)],
            }
        lines += [
            f"# {description(one)}",
            shell.command("az ml workspace outbound-rule set", [*_at(rule), *given.items()]),
            "",
        ]
    return shell.script(_ABOUT, [_GROUP_VARIABLE, _WORKSPACE_VARIABLE], lines[:-1])


def _at(rule: Rule) -> list[tuple[str, list[str | shell.Variable]]]:
    workspace: list[str | shell.Variable] = [_WORKSPACE_VARIABLE]
    return [("--resource-group", [_GROUP_VARIABLE]), ("--workspace-name", workspace), ("--rule", [name(rule)])]


def _undo(recommendations: Recommended, _: Options) -> str:
    lines = [
        shell.command("az ml workspace outbound-rule remove", [*_at(one.rule), ("--yes", [])])
        for one in recommendations
    ]
    return shell.script("Takes the rules of fwlens back.", [_GROUP_VARIABLE, _WORKSPACE_VARIABLE], lines)


TARGET: Final = Target(
    "aml-managed-network",
    prove,
    remarks,
    {
        "arm": Form("arm.json", _arm, "undo.sh", _undo),
        "bicep": Form("bicep", _bicep, "undo.sh", _undo),
        "yaml": Form("yml", _yaml, "undo.sh", _undo),
        "az": Form("sh", _az, "undo.sh", _undo),
    },
)
