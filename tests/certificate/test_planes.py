"""Rules that a plane cannot hold, each told in a sentence: what a document claims of them does not matter."""

from typing import Final

import pytest

from fwlens.certificate.planes import breaches
from fwlens.rule import Endpoint, Rule, Service

FW: Final = "azure-firewall"
NSG: Final = "nsg"
AML: Final = "aml-managed-network"


def rule(text: str) -> Rule:
    """`platform layer direction sources destinations services`, the last three with commas."""
    platform, layer, direction, *sides, services = text.split()
    sources, destinations = (tuple(map(Endpoint.parse, side.split(","))) for side in sides)
    over = tuple(sorted(map(Service.parse, services.split(","))))
    return Rule(platform, layer, direction, sources, destinations, over)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        f"{FW} application outbound 10.0.0.4/31 pypi.org,*.x.org https/443,http/80,mssql/1433",
        f"{FW} network outbound 10.0.0.4 tag:Storage.WestEurope,10.0.5.0/24 tcp/443,udp/443,tcp/80,udp/80",
        f"{FW} network outbound 10.0.0.4 10.0.5.8 icmp",
        f"{NSG} nsg outbound 10.0.0.4,10.0.0.9 tag:Storage tcp/443,tcp/80-90",
        f"{NSG} nsg inbound tag:AzureMachineLearning fd10::4,fd10::9 tcp/44224",
        f"{NSG} nsg outbound * 10.0.0.4,10.0.0.9 esp",
        f"{AML} fqdn outbound * *.docker.io http/80,https/443",
        f"{AML} service-tag outbound * tag:Storage.WestEurope tcp/443,tcp/445",
    ],
)
def test_what_a_plane_holds_is_no_breach(text: str) -> None:
    assert list(breaches(rule(text))) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"{FW} nsg outbound 10.0.0.4 10.0.5.8 tcp/443", "Azure Firewall holds no rule of the nsg layer"),
        (f"{FW} fqdn outbound 10.0.0.4 x.org tcp/443", "Azure Firewall holds no rule of the fqdn layer"),
        (f"{NSG} network outbound 10.0.0.4 10.0.5.8 tcp/443", "an NSG holds no rule of the network layer"),
        (f"{NSG} service-tag outbound 10.0.0.4 tag:Storage tcp/443", "an NSG holds no rule of the service-tag layer"),
        (f"{AML} network outbound * tag:Storage tcp/443", "the managed network holds no rule of the network layer"),
        (
            f"{FW} network inbound 203.0.113.9 10.0.0.4 tcp/443",
            "Azure Firewall lets traffic in by DNAT rules, not by network rules",
        ),
        (
            f"{FW} network outbound fd10::4 10.0.5.8 tcp/443",
            "fd10::4 is an IPv6 address, and Azure Firewall takes IPv4 addresses only",
        ),
        (
            f"{FW} application outbound tag:VirtualNetwork x.org https/443",
            "Azure Firewall takes addresses as sources, not tag:VirtualNetwork",
        ),
        (
            f"{FW} application outbound 10.0.0.4 tag:Storage https/443",
            "an application rule names hosts and patterns, not tag:Storage",
        ),
        (
            f"{FW} application outbound 10.0.0.4 x.org tcp/443",
            "an application rule holds http, https or mssql and a port each, not tcp/443",
        ),
        (
            f"{FW} application outbound 10.0.0.4 x.org https/443-444",
            "an application rule holds http, https or mssql and a port each, not https/443-444",
        ),
        (
            f"{FW} network outbound 10.0.0.4 x.org udp/123",
            "a network rule holds a name such as x.org only with DNS proxy (--dns-proxy)",
        ),
        (f"{FW} network outbound 10.0.0.4 *.x.org udp/123", "a network rule holds no pattern such as *.x.org"),
        (
            f"{FW} network outbound 10.0.0.4 tag:VirtualNetwork tcp/443",
            "tag:VirtualNetwork cannot be used in Azure Firewall",
        ),
        (
            f"{FW} network outbound 10.0.0.4 10.0.5.8 https/443",
            "a network rule holds tcp, udp and icmp, not https/443",
        ),
        (
            f"{FW} network outbound 10.0.0.4 tag:Storage tcp/443,udp/5831",
            "a network rule opens each of its ports for each of its protocols, so it would open tcp/5831, udp/443 as "
            "well",
        ),
        (
            f"{FW} network outbound 10.0.0.4 10.0.5.8 icmp,tcp/443",
            "icmp has no ports, and shares no network rule with protocols that have",
        ),
        (f"{NSG} nsg outbound 10.0.0.4 x.org tcp/443", "an NSG holds no names such as x.org"),
        (
            f"{NSG} nsg outbound 10.0.0.4 tag:Storage,tag:Sql tcp/443",
            "an NSG rule takes one service tag, or addresses, on each side",
        ),
        (
            f"{NSG} nsg outbound 10.0.0.4 tag:Storage,10.0.5.8 tcp/443",
            "an NSG rule takes one service tag, or addresses, on each side",
        ),
        (
            f"{NSG} nsg outbound 10.0.0.4,fd10::4 tag:Storage tcp/443",
            "an NSG rule takes addresses of one family, IPv4 or IPv6",
        ),
        (
            f"{NSG} nsg outbound 10.0.0.4 tag:Storage https/443",
            "an NSG rule holds tcp, udp, icmp, esp or ah, not https/443",
        ),
        (f"{NSG} nsg outbound 10.0.0.4 tag:Storage tcp/443,udp/443", "an NSG rule holds one protocol, not tcp/443, udp/443"),
        (f"{AML} service-tag inbound tag:Storage 10.0.0.4 tcp/443", "the managed network makes its inbound rules itself"),
        (
            f"{AML} fqdn outbound 10.0.0.4 x.org http/80,https/443",
            "a rule of the managed network names no source such as 10.0.0.4",
        ),
        (
            f"{AML} fqdn outbound * x.org,y.org http/80,https/443",
            "a rule of the managed network has one destination, not 2",
        ),
        (
            f"{AML} fqdn outbound * x.org https/443",
            "an FQDN rule opens http/80 and https/443, no more and no less, not https/443",
        ),
        (
            f"{AML} fqdn outbound * x.org http/80,https/443,tcp/22",
            "an FQDN rule opens http/80 and https/443, no more and no less, not http/80, https/443, tcp/22",
        ),
        (f"{AML} fqdn outbound * tag:Storage http/80,https/443", "an FQDN rule names a host or a pattern, not tag:Storage"),
        (
            f"{AML} fqdn outbound * a.blob.core.windows.net http/80,https/443",
            "an FQDN rule never reaches a storage account such as a.blob.core.windows.net: it takes a private endpoint "
            "rule",
        ),
        (f"{AML} service-tag outbound * 10.0.5.8 tcp/443", "a service-tag rule names a service tag, not 10.0.5.8"),
        (
            f"{AML} service-tag outbound * tag:AzureMonitor tcp/443",
            "the managed network makes the rule for tag:AzureMonitor itself",
        ),
        (
            f"{AML} service-tag outbound * tag:Storage tcp/443,udp/443",
            "a service-tag rule holds one protocol, tcp, udp or icmp, not tcp/443, udp/443",
        ),
    ],
)  # fmt: skip
def test_what_a_plane_cannot_hold_is_told(text: str, why: str) -> None:
    assert list(breaches(rule(text))) == [why]


def test_a_name_in_a_network_rule_takes_dns_proxy() -> None:
    assert list(breaches(rule(f"{FW} network outbound 10.0.0.4 x.org udp/123"), dns_proxy=True)) == []
