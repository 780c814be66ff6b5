"""Reads every form back into what its rules open, with the parsers of others."""

import csv
import io
import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import hcl2
import pycep
import yaml

from fwlens.emit.platform import name
from fwlens.rule import Endpoint, Rule, Service


@dataclass(frozen=True)
class Opened:
    """What one rule opens, in the words of its platform; services are protocol and ports in lower case."""

    name: str
    direction: str
    sources: frozenset[str]
    destinations: frozenset[str]
    services: frozenset[tuple[str, str]]


def opened(rule: Rule) -> Opened:
    def ports(service: Service) -> str:
        return str(service).partition("/")[2] or "*"

    services = frozenset((service.protocol, ports(service)) for service in rule.services)
    return Opened(name(rule), rule.direction, _words(rule.sources), _words(rule.destinations), services)


def _words(ends: Iterable[Endpoint]) -> frozenset[str]:
    return frozenset(end.text for end in ends)


def _one_or_many(properties: Mapping[str, Any], single: str, many: str) -> list[str]:
    assert (single in properties) != (many in properties), "one of the two, never both"
    if single in properties:
        return [properties[single]]
    assert len(properties[many]) > 1
    return list(properties[many])


def of_resource(resource: Mapping[str, Any], groups: Mapping[str, Sequence[str]]) -> Iterator[Opened]:
    """The rules of an ARM resource; `groups` are the addresses of IP groups by name."""
    kind, properties = resource["type"].rpartition("/")[2], resource["properties"]
    if kind == "ruleCollectionGroups":
        for collection in properties["ruleCollections"]:
            assert collection["action"] == {"type": "Allow"}
            for rule in collection["rules"]:
                yield _of_firewall_rule(rule, groups)
    elif kind == "securityRules":
        yield of_nsg_rule(re.search(r"fwlens-[a-z0-9-]+", resource["name"])[0], properties)  # type: ignore[index]
    elif kind == "outboundRules":
        yield of_outbound_rule(re.search(r"fwlens-[a-z0-9-]+", resource["name"])[0], properties)  # type: ignore[index]
    else:
        assert kind == "ipGroups"


def _of_firewall_rule(rule: Mapping[str, Any], groups: Mapping[str, Sequence[str]]) -> Opened:
    sources = list(rule.get("sourceAddresses", []))
    for group in rule.get("sourceIpGroups", []):
        sources += groups[re.search(r"fwlens[-_]([0-9a-f]{10})", str(group))[1]]  # type: ignore[index]
    if rule["ruleType"] == "ApplicationRule":
        services = {(each["protocolType"].lower(), str(each["port"])) for each in rule["protocols"]}
        return Opened(rule["name"], "outbound", frozenset(sources), frozenset(rule["targetFqdns"]), frozenset(services))
    far = [*rule.get("destinationAddresses", []), *rule.get("destinationFqdns", [])]
    over = product([each.lower() for each in rule["ipProtocols"]], rule["destinationPorts"])
    return Opened(rule["name"], "outbound", frozenset(sources), frozenset(far), frozenset(over))


def of_nsg_rule(named: str, properties: Mapping[str, Any]) -> Opened:
    assert (properties["access"], properties["sourcePortRange"]) == ("Allow", "*")
    assert 100 <= properties["priority"] <= 4096
    over = _one_or_many(properties, "destinationPortRange", "destinationPortRanges")
    return Opened(
        named,
        properties["direction"].lower(),
        frozenset(_one_or_many(properties, "sourceAddressPrefix", "sourceAddressPrefixes")),
        frozenset(_one_or_many(properties, "destinationAddressPrefix", "destinationAddressPrefixes")),
        frozenset((properties["protocol"].lower(), ports) for ports in over),
    )


def of_outbound_rule(named: str, properties: Mapping[str, Any]) -> Opened:
    everyone = frozenset("*")
    if properties["type"].lower() == "fqdn":
        opens = frozenset({("http", "80"), ("https", "443")})
        return Opened(named, "outbound", everyone, frozenset([properties["destination"]]), opens)
    to = {key.replace("_", "").lower(): value for key, value in properties["destination"].items()}
    over = frozenset((to["protocol"].lower(), ports) for ports in to["portranges"].split(", "))
    return Opened(named, "outbound", everyone, frozenset([to["servicetag"]]), over)


def arm(text: str) -> list[Opened]:
    resources = json.loads(text)["resources"]
    groups = {one["name"][-10:]: one["properties"].get("ipAddresses", []) for one in resources}
    return [each for one in resources for each in of_resource(one, groups)]


def bicep_resources(text: str) -> list[dict[str, Any]]:
    """The resources of a Bicep file in the shape that ARM has."""
    found = pycep.BicepParser().parse(text=text)["resources"].values()
    return [
        one["config"] | {"type": one["type"], "apiVersion": one["api_version"]} for one in found if not one["existing"]
    ]


def bicep(text: str) -> list[Opened]:
    resources = bicep_resources(text)
    groups = {one["name"][-10:]: one["properties"].get("ipAddresses", []) for one in resources}
    return [each for one in resources for each in of_resource(one, groups)]


def _plain(value: Any) -> Any:
    """What a literal of Terraform says, its quotes and escapes taken away; expressions stay as they are."""
    if isinstance(value, dict):
        return {_plain(key): _plain(each) for key, each in value.items() if key != "__is_block__"}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, str) and value.startswith('"'):
        return json.loads(value.replace("$${", "${").replace("%%{", "%{"))
    return value


def terraform(text: str) -> list[Opened]:
    resources = [_plain(one) for one in hcl2.loads(text)["resource"]]
    groups = {
        symbol[-10:]: body["cidrs"] for one in resources for symbol, body in one.get("azurerm_ip_group", {}).items()
    }
    found = []
    for one in resources:
        found += [
            of_nsg_rule(body["name"], {_camel(key): value for key, value in body.items()})
            for body in one.get("azurerm_network_security_rule", {}).values()
        ]
        for body in one.get("azurerm_firewall_policy_rule_collection_group", {}).values():
            for layer, kind in (("network", "NetworkRule"), ("application", "ApplicationRule")):
                for collection in body.get(f"{layer}_rule_collection", []):
                    assert collection["action"] == "Allow"
                    found += [_of_firewall_rule(_as_arm(rule, kind), groups) for rule in collection["rule"]]
    return found


def _as_arm(rule: Mapping[str, Any], kind: str) -> dict[str, Any]:
    renamed = {_camel(key): value for key, value in rule.items()} | {"ruleType": kind}
    if kind == "ApplicationRule":
        protocols = [{"protocolType": each["type"], "port": each["port"]} for each in rule["protocols"]]
        return renamed | {"protocols": protocols, "targetFqdns": rule["destination_fqdns"]}
    return renamed | {"ipProtocols": rule["protocols"]}


def _camel(snake: str) -> str:
    first, *rest = snake.split("_")
    return first + "".join(word.capitalize() for word in rest)


def commands(text: str) -> list[list[str]]:
    """The commands of a script, each as the words that a shell hands on; a here-document is left out."""
    text = re.sub(r"<<'JSON'\n.*?\nJSON\n", "\n", text, flags=re.DOTALL)
    lines = text.replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.startswith("az ")]


def arguments(words: Sequence[str]) -> dict[str, list[str]]:
    """The options of a command with their values."""
    found: dict[str, list[str]] = {}
    for word in words:
        if word.startswith("--"):
            assert word not in found, "an option is given once"
            last = found.setdefault(word, [])
        elif found:
            last.append(word)
    return found


def az(text: str) -> list[Opened]:
    body = re.search(r"<<'JSON'\n(.*?)\nJSON\n", text, flags=re.DOTALL)
    if body:
        group = {"type": "x/ruleCollectionGroups"} | json.loads(body[1])
        return list(of_resource(group, {}))
    found = []
    for words in commands(text):
        given = arguments(words)
        if words[:5] == ["az", "network", "nsg", "rule", "create"]:
            found.append(_of_nsg_command(given))
        else:
            assert words[:5] == ["az", "ml", "workspace", "outbound-rule", "set"]
            destination: Any = given.get("--destination", [""])[0]
            if given["--type"] == ["service_tag"]:
                destination = {
                    "serviceTag": given["--service-tag"][0],
                    "protocol": given["--protocol"][0],
                    "portRanges": given["--port-ranges"][0],
                }
            found.append(of_outbound_rule(given["--rule"][0], {"type": given["--type"][0], "destination": destination}))
    return found


def _of_nsg_command(given: Mapping[str, list[str]]) -> Opened:
    assert set(given) == {
        "--resource-group", "--nsg-name", "--name", "--priority", "--direction", "--access", "--protocol", "--output",
        "--source-address-prefixes", "--source-port-ranges", "--destination-address-prefixes",
        "--destination-port-ranges", "--description",
    }, "every argument is given, for the defaults open more"  # fmt: skip
    assert given["--access"] == ["Allow"]
    assert given["--source-port-ranges"] == ["*"]
    over = given["--destination-port-ranges"]
    return Opened(
        given["--name"][0],
        given["--direction"][0].lower(),
        frozenset(given["--source-address-prefixes"]),
        frozenset(given["--destination-address-prefixes"]),
        frozenset((given["--protocol"][0].lower(), ports) for ports in over),
    )


def workspace(text: str) -> list[Opened]:
    document = yaml.safe_load(text)
    assert document["managed_network"]["isolation_mode"] == "allow_only_approved_outbound"
    return [of_outbound_rule(one["name"], one) for one in document["managed_network"]["outbound_rules"]]


def table(text: str) -> list[Opened]:
    found = []
    for row in csv.DictReader(io.StringIO(text, newline="")):
        services = [Service.parse(each) for each in row["services"].split(" ")]
        found.append(
            Opened(
                row["name"],
                row["direction"],
                _words(map(Endpoint.parse, row["sources"].split(" "))),
                _words(map(Endpoint.parse, row["destinations"].split(" "))),
                frozenset((each.protocol, str(each).partition("/")[2] or "*") for each in services),
            )
        )
    return found


def ticket(text: str) -> list[Opened]:
    found = []
    for section in text.split("\n## `")[1:]:
        named = section.partition("`")[0]
        direction = re.search(r"^Allow (\w+) \(", section, flags=re.MULTILINE)
        assert direction
        parts = {
            word: re.findall(r"`([^`]+)`", re.search(rf"^- {word} (.*)$", section, flags=re.MULTILINE)[1])  # type: ignore[index]
            for word in ("from", "to", "over")
        }
        services = [Service.parse(each) for each in parts["over"]]
        found.append(
            Opened(
                named,
                direction[1],
                _words(map(Endpoint.parse, parts["from"])),
                _words(map(Endpoint.parse, parts["to"])),
                frozenset((each.protocol, str(each).partition("/")[2] or "*") for each in services),
            )
        )
    return found


PARSERS = {
    "arm": arm,
    "bicep": bicep,
    "terraform": terraform,
    "az": az,
    "yaml": workspace,
    "csv": table,
    "markdown": ticket,
}
