"""What Azure would refuse, or read otherwise, is a fault that names the rule and the limit; nothing is written."""

import json
from dataclasses import replace

import pytest

from fwlens.emit import Options, emit
from fwlens.emit.nsg import priorities
from fwlens.errors import FwlensError
from fwlens.rule import Endpoint, Layer, Platform, Recommendation, Service
from tests.emit.rules import AML, FIREWALL, NSG, one

FORM = {"azure-firewall": "arm", "nsg": "az", "aml-managed-network": "yaml"}


def _told(fault: pytest.ExceptionInfo[FwlensError], rule: Recommendation) -> str:
    return str(fault.value).replace(rule.rule.id, "RULE")


CANNOT_BE_HELD = [
    ("azure-firewall", "nsg", "10.0.0.4", "10.0.0.5", "tcp/443", "Azure Firewall takes outbound application and network rules only."),
    ("azure-firewall", "network", "fd00::4", "10.0.0.5", "tcp/443", "fd00::4 is an IPv6 address, and Azure Firewall takes IPv4 only."),
    ("azure-firewall", "network", "10.0.0.4", "fd00::/64", "tcp/443", "fd00::/64 is an IPv6 address, and Azure Firewall takes IPv4 only."),
    ("azure-firewall", "network", "tag:Storage", "10.0.0.5", "tcp/443", "tag:Storage is no source of a rule of Azure Firewall, which is an address or a network."),
    ("azure-firewall", "network", "*", "10.0.0.5", "tcp/443", "* is no source of a rule of Azure Firewall, which is an address or a network."),
    ("azure-firewall", "network", "10.0.0.4", "*.x.com", "tcp/443", "*.x.com is no destination of an Azure Firewall rule in the network layer."),
    ("azure-firewall", "application", "10.0.0.4", "tag:Storage", "https/443", "tag:Storage is no destination of an Azure Firewall rule in the application layer."),
    ("azure-firewall", "application", "10.0.0.4", "x.com/path/*", "https/443", "x.com/path/* is no destination of an Azure Firewall rule in the application layer."),
    ("azure-firewall", "application", "10.0.0.4", "x.com", "udp/443", "udp/443 is no service of an application rule."),
    ("azure-firewall", "application", "10.0.0.4", "x.com", "https/443-445", "https/443-445 is no service of an application rule."),
    ("azure-firewall", "application", "10.0.0.4", "x.com", "https/64001", "https/64001 is no service of an application rule."),
    ("azure-firewall", "network", "10.0.0.4", "10.0.0.5", "https/443", "https/443 is no service of a network rule."),
    ("azure-firewall", "network", "10.0.0.4", "10.0.0.5", "esp", "esp is no service of a network rule."),
    ("azure-firewall", "network", "10.0.0.4", "10.0.0.5", "icmp tcp/443", "icmp has no ports and cannot share a rule with protocols that have."),
    ("azure-firewall", "network", "10.0.0.4", "10.0.0.5", "tcp/443 udp/53", "a network rule opens each of its ports for each of its protocols, and these are less."),
    ("azure-firewall", "network", "10.0.0.4", "tag:VirtualNetwork", "tcp/443", "tag:VirtualNetwork is a service tag that Azure Firewall does not take."),
    ("azure-firewall", "network", "10.0.0.4", "tag:internet", "tcp/443", "tag:internet is a service tag that Azure Firewall does not take."),
    ("azure-firewall", "network", "10.0.0.4", "0.0.0.0/0", "tcp/443", "0.0.0.0/0 is every destination, and such a rule is never written."),
    ("nsg", "nsg", "10.0.0.4", "0.0.0.0/0", "tcp/443", "0.0.0.0/0 is every destination, and such a rule is never written."),
    ("nsg", "nsg", "fd00::4", "::/0", "tcp/443", "::/0 is every destination, and such a rule is never written."),
    ("nsg", "network", "10.0.0.4", "10.0.0.5", "tcp/443", "an NSG holds no rule of the network layer."),
    ("nsg", "nsg", "10.0.0.4", "x.com", "tcp/443", "x.com is a name, and an NSG holds none."),
    ("nsg", "nsg", "10.0.0.4", "tag:Storage tag:Sql", "tcp/443", "an NSG rule takes one service tag, or addresses, on each side."),
    ("nsg", "nsg", "10.0.0.4", "10.0.0.5 tag:Sql", "tcp/443", "an NSG rule takes one service tag, or addresses, on each side."),
    ("nsg", "nsg", "10.0.0.4 fd00::4", "tag:Sql", "tcp/443", "an NSG rule takes addresses of one family, IPv4 or IPv6."),
    ("nsg", "nsg", "10.0.0.4", "10.0.0.5", "tcp/443 udp/443", "an NSG rule takes one protocol: tcp, udp, icmp, esp or ah."),
    ("nsg", "nsg", "10.0.0.4", "10.0.0.5", "gre", "an NSG rule takes one protocol: tcp, udp, icmp, esp or ah."),
    ("aml-managed-network", "fqdn", "10.0.0.4", "x.com", "http/80 https/443", "a rule of the managed network is outbound and names no source."),
    ("aml-managed-network", "fqdn", "*", "x.com y.com", "http/80 https/443", "a rule of the managed network has one destination."),
    ("aml-managed-network", "application", "*", "x.com", "http/80 https/443", "the managed network holds no rule of the application layer."),
    ("aml-managed-network", "fqdn", "*", "tag:Sql", "http/80 https/443", "tag:Sql is no name, and an FQDN rule holds nothing else."),
    ("aml-managed-network", "fqdn", "*", "x.com", "https/443", "an FQDN rule opens http/80 and https/443, both and nothing else."),
    ("aml-managed-network", "fqdn", "*", "a.blob.core.windows.net", "http/80 https/443", "a.blob.core.windows.net is a storage account, which takes a private endpoint rule."),
    ("aml-managed-network", "service-tag", "*", "10.0.0.5", "tcp/443", "10.0.0.5 is no service tag."),
    ("aml-managed-network", "service-tag", "*", "tag:AzureMonitor", "tcp/443", "the managed network makes the rule for tag:AzureMonitor itself."),
    ("aml-managed-network", "service-tag", "*", "tag:azuremonitor", "tcp/443", "the managed network makes the rule for tag:azuremonitor itself."),
    ("aml-managed-network", "service-tag", "*", "tag:BatchNodeManagement.WestUS", "tcp/443", "the managed network makes the rule for tag:BatchNodeManagement.WestUS itself."),
    ("aml-managed-network", "service-tag", "*", "tag:Sql", "tcp/443 udp/443", "a rule for a service tag takes one protocol: tcp, udp or icmp."),
]  # fmt: skip


@pytest.mark.parametrize(("platform", "layer", "sources", "destinations", "services", "why"), CANNOT_BE_HELD)
def test_a_rule_that_the_platform_cannot_hold_is_named_with_the_reason(
    platform: Platform, layer: Layer, sources: str, destinations: str, services: str, why: str
) -> None:
    wrong = one(platform, layer, sources, destinations, services)
    with pytest.raises(FwlensError) as fault:
        emit([wrong], FORM[platform], Options())
    assert _told(fault, wrong) == f"RULE: {why}"


def test_an_inbound_rule_is_for_an_nsg_only() -> None:
    wrong = replace(FIREWALL[2], rule=replace(FIREWALL[2].rule, direction="inbound"))
    with pytest.raises(FwlensError, match="takes outbound application and network rules only"):
        emit([wrong], "bicep", Options())


def _addresses(count: int, second: int = 1) -> str:
    return " ".join(f"10.{second + i // 65536}.{i // 256 % 256}.{i % 256}" for i in range(count))


def test_more_than_20_000_pairs_of_source_and_destination_are_refused_and_ip_groups_help() -> None:
    small = one("azure-firewall", "network", _addresses(10), "10.9.0.0/24", "tcp/443")
    large = one("azure-firewall", "network", _addresses(200), _addresses(100, second=7), "tcp/443")
    with pytest.raises(FwlensError) as fault:
        emit([small, large], "arm", Options())
    assert _told(fault, large) == (
        "Pairs of source and destination in network rules: 20,010, and Azure takes 20,000. The largest part is RULE's. "
        "Name sources by IP groups with --ip-groups, or whole subnets with --subnet."
    )
    (artefact,) = emit([small, large], "arm", Options(ip_groups=True))
    group = json.loads(artefact.text)["resources"][-1]
    assert [rule["sourceIpGroups"] for rule in group["properties"]["ruleCollections"][0]["rules"]] == [
        [each] for each in sorted(group["dependsOn"], key=lambda each: each != group["properties"]["ruleCollections"][0]["rules"][0]["sourceIpGroups"][0])
    ]  # fmt: skip


def test_more_than_two_megabytes_of_rules_are_refused() -> None:
    hosts = " ".join(f"{'a' * 60}.{'b' * 60}.{'c' * 60}.h{i}.org" for i in range(11_000))
    many = one("azure-firewall", "application", "10.0.0.4", hosts, "https/443")
    with pytest.raises(FwlensError) as fault:
        emit([many], "bicep", Options())
    assert _told(fault, many) == (
        "Bytes of the rule collection group: 2,157,095, and Azure takes 2,097,152. The largest part is RULE's. "
        "Name sources by IP groups with --ip-groups, or whole subnets with --subnet."
    )


def test_an_ip_group_holds_at_most_5000_addresses_and_a_firewall_200_groups() -> None:
    many = one("azure-firewall", "network", _addresses(5001), "10.9.0.5", "tcp/443")
    with pytest.raises(FwlensError) as fault:
        emit([many], "arm", Options(ip_groups=True))
    assert _told(fault, many) == (
        "RULE: its IP group would hold 5,001 addresses, and Azure takes 5,000. Name whole subnets with --subnet."
    )
    sets = [one("azure-firewall", "network", f"10.0.{i}.1 10.0.{i}.9", "10.9.0.5", "tcp/443") for i in range(201)]
    with pytest.raises(FwlensError, match=r"^IP groups: 201, and a firewall takes 200\. Leave out --ip-groups\.$"):
        emit(sets, "arm", Options(ip_groups=True))


def test_an_nsg_takes_at_most_4000_addresses_on_a_side_and_1000_rules() -> None:
    many = one("nsg", "nsg", _addresses(4001), "10.9.0.5", "tcp/443")
    with pytest.raises(FwlensError) as fault:
        emit([many], "az", Options())
    assert _told(fault, many) == (
        "Addresses as sources: 4,001, and Azure takes 4,000. The largest part is RULE's. "
        "Name whole subnets with --subnet."
    )
    crowd = [one("nsg", "nsg", f"10.0.{i // 250}.{i % 250}", "10.9.0.5", "tcp/443") for i in range(1001)]
    with pytest.raises(FwlensError, match=r"^Rules: 1,001, and Azure takes 1,000\."):
        emit(crowd, "az", Options())


def test_an_nsg_rule_that_answers_a_deny_rule_asks_for_its_priority() -> None:
    denied = replace(NSG[0], evidence=replace(NSG[0].evidence, denied_by=("DenyInternet",)))
    with pytest.raises(FwlensError) as fault:
        emit([denied, NSG[1]], "arm", Options())
    assert _told(fault, denied) == (
        "RULE: denied by a rule of the NSG, and an allow must come before it. Look up that rule's priority and give it "
        "with --priority-below (the smallest, if several rules denied)."
    )
    assert max(priorities([denied, NSG[1]], Options(priority_below=300)).values()) < 300


def test_priorities_of_an_nsg_are_unique_in_range_below_the_rule_that_denied_and_not_taken() -> None:
    rules = [one("nsg", "nsg", f"10.0.0.{i}", "10.9.0.5", "tcp/443") for i in range(90)]
    placed = priorities(rules, Options(priority_below=200, taken=frozenset({150, 160})))
    assert len(set(placed.values())) == 90
    assert set(placed.values()) <= set(range(100, 200)) - {150, 160}


def test_the_fault_of_too_few_priorities_says_where_none_is_free() -> None:
    rules = [one("nsg", "nsg", f"10.0.{i // 250}.{i % 250}", "10.9.0.5", "tcp/443") for i in range(1000)]
    with pytest.raises(FwlensError, match=r"^1000 outbound rules, and 999 priorities are free from 3097 to 4096: "):
        priorities(rules, Options(taken=frozenset({4000})))


def test_azures_own_rules_come_after_every_priority_of_ours() -> None:
    assert priorities(NSG, Options(priority_below=65_500)) == priorities(NSG, Options())


@pytest.mark.parametrize("form", ["arm", "bicep"])
def test_a_template_takes_800_resources(form: str) -> None:
    crowd = [one("nsg", "nsg", f"10.0.{i // 250}.{i % 250}", "10.9.0.5", "tcp/443") for i in range(801)]
    assert emit(crowd[:800], form, Options())
    with pytest.raises(FwlensError) as fault:
        emit(crowd, form, Options())
    assert _told(fault, max(crowd, key=lambda one: one.rule.sort_key)) == (
        "A template takes 800 resources, and these are 801: fwlens-RULE is the first too many. Take --format az or "
        "terraform, or merge rules with --at-most."
    )
    assert emit(crowd, "terraform", Options())


def test_no_free_priority_is_a_fault_that_says_what_to_do() -> None:
    with pytest.raises(FwlensError) as fault:
        emit(NSG, "arm", Options(priority_below=103, taken=frozenset({101})))
    assert str(fault.value) == (
        "3 outbound rules, and 2 priorities are free from 100 to 102: an NSG has priorities from 100 to 4096. Merge "
        "rules with --at-most, or move the rule that denied."
    )


@pytest.mark.parametrize(
    ("options", "priority"),
    [
        (Options(), 60_000),
        (Options(taken=frozenset({60_000, 60_001})), 60_002),
        (Options(priority_below=300), 299),
        (Options(priority_below=300, taken=frozenset({299, 297})), 298),
    ],
)
def test_the_group_of_a_firewall_comes_late_or_just_before_the_group_that_denied(
    options: Options, priority: int
) -> None:
    group = json.loads(emit(FIREWALL, "arm", options)[0].text)["resources"][0]
    assert group["properties"]["priority"] == priority


def test_a_priority_out_of_range_is_a_fault() -> None:
    with pytest.raises(
        FwlensError, match=r"^--priority-below 70000: a rule collection group has a priority from 100 to 65000\.$"
    ):
        emit(FIREWALL, "arm", Options(priority_below=70_000))
    with pytest.raises(FwlensError, match=r"^No priority is free below 102: give fewer --priority-taken"):
        emit(FIREWALL, "arm", Options(priority_below=102, taken=frozenset({100, 101})))


def test_a_form_that_a_platform_has_not_is_a_fault_that_names_those_it_has() -> None:
    with pytest.raises(FwlensError) as fault:
        emit(AML, "terraform", Options())
    assert (
        str(fault.value) == "aml-managed-network is not written as terraform: take arm, bicep, yaml, az, csv, markdown."
    )


def test_a_script_cannot_make_ip_groups() -> None:
    with pytest.raises(FwlensError) as fault:
        emit(FIREWALL, "az", Options(ip_groups=True))
    assert str(fault.value) == "A script cannot make IP groups in one write: take --format arm, bicep or terraform."


def test_descriptions_hold_as_many_ids_as_140_characters_take() -> None:
    many = one("nsg", "nsg", "10.0.0.4", "10.0.0.5", "tcp/443", *(f"page/need-number-{i}" for i in range(20)))
    (rule,) = json.loads(emit([many], "arm", Options())[0].text)["resources"]
    text = rule["properties"]["description"]
    assert text == (
        "fwlens: page/need-number-0, page/need-number-1, page/need-number-2, page/need-number-3, page/need-number-4, "
        "page/need-number-5 and 14 more"
    )
    assert len(text) <= 140


def test_words_that_were_not_made_by_the_notation_are_refused() -> None:
    for wrong in (
        replace(NSG[0].rule, destinations=(Endpoint("tag", "Storage']"),)),
        replace(NSG[0].rule, sources=(Endpoint("address", "10.0.0.4; reboot"),)),
        replace(NSG[0].rule, services=(Service("tcp/443 #", 1, 1),)),
    ):
        with pytest.raises(FwlensError, match=r"is no (endpoint|service)"):
            emit([replace(NSG[0], rule=wrong)], "az", Options())
