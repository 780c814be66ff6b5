from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path
from random import Random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwlens.catalog import load
from fwlens.certificate import certify
from fwlens.errors import FwlensError
from fwlens.match import Choice, match
from fwlens.proof import Asked
from fwlens.recommend import Options, Recommendations, recommend, subnet
from fwlens.recommend.shape import Combination, merging
from fwlens.requirement import Requirement
from fwlens.rule import Layer, Platform, Recommendation
from tests import plain
from tests.plain import NIGHT, Seen, frame, service_tags

KNOWN = load().requirements
TAGS = service_tags()


def night(
    seen: Sequence[Seen],
    platform: Platform | None = None,
    options: Options = Options(),
    never: tuple[str, ...] = (),
    *,
    with_curve: bool = False,
) -> Recommendations:
    matched = match(frame(seen), KNOWN, tags=TAGS, choice=Choice(options.region), never_override=never)
    return recommend(matched, KNOWN, platform=platform, tags=TAGS, options=options, with_curve=with_curve)


def told(said: Recommendations) -> list[str]:
    return [str(one.rule) for one in said.rules]


def only(said: Recommendations) -> Recommendation:
    assert len(said.rules) == 1
    return said.rules[0]


def https(src: str, *hosts: str) -> list[Seen]:
    return [Seen(src=src, host=host) for host in hosts]


# What each plane holds


@pytest.mark.parametrize(
    ("seen", "rule"),
    [
        (Seen(host="pypi.org"), "application outbound 10.20.1.4 pypi.org https/443"),
        (Seen(host="x.anaconda.org"), "application outbound 10.20.1.4 *.anaconda.org https/443"),
        (
            Seen(host="acct.blob.core.windows.net"),
            "application outbound 10.20.1.4 acct.blob.core.windows.net https/443",
        ),
        (Seen(host="raw.githubusercontent.com"), "application outbound 10.20.1.4 raw.githubusercontent.com https/443"),
        (Seen(ip="203.0.113.20", service="udp/5831"), "network outbound 10.20.1.4 tag:AzureMachineLearning udp/5831"),
        (
            Seen(ip="203.0.113.70", service="tcp/443"),
            "network outbound 10.20.1.4 tag:BatchNodeManagement.WestEurope tcp/443",
        ),
        (
            Seen(ip="203.0.113.70", service="tcp/443", plane="nsg", cause="deny rule", rule="DenyInternet"),
            "nsg outbound 10.20.1.4 tag:BatchNodeManagement.WestEurope tcp/443",
        ),
        (Seen(ip="10.20.5.8", service="tcp/445", plane="nsg"), "nsg outbound 10.20.1.4 10.20.5.8 tcp/445"),
        (Seen(ip="10.20.5.8", service="tcp/443"), "network outbound 10.20.1.4 10.20.5.8 tcp/443"),
        (
            Seen(src="203.0.113.20", ip="10.20.1.4", service="tcp/44224", direction="inbound", plane="nsg"),
            "nsg inbound tag:AzureMachineLearning 10.20.1.4 tcp/44224",
        ),
        (Seen(host="westeurope.tundra.azureml.ms", service="udp/5831"), "network outbound 10.20.1.4 tag:AzureMachineLearning udp/5831"),
    ],
)  # fmt: skip
def test_a_needed_flow_gets_the_rule_that_its_plane_can_hold(seen: Seen, rule: str) -> None:
    said = night([seen])
    assert told(said) == [rule]
    assert said.unsaid == ()


@pytest.mark.parametrize(
    ("seen", "platform", "why"),
    [
        (
            Seen(src="203.0.113.20", ip="10.20.1.4", service="tcp/44224", direction="inbound"),
            None,
            "a rule of Azure Firewall holds no service tag as source: inbound traffic is decided by DNAT or an NSG",
        ),
        (
            Seen(src="fd10::4", host="pypi.org"),
            None,
            "Azure Firewall takes IPv4 addresses only",
        ),
        (
            Seen(host="pypi.org"),
            "nsg",
            "an NSG holds no names; its document gives no service tag to allow instead",
        ),
        (
            Seen(host="acct.blob.core.windows.net"),
            "nsg",
            "an NSG holds no names; tag:Storage.<region> needs a region: give it with --region",
        ),
        (
            Seen(host="ntp.ubuntu.com", service="udp/123"),
            None,
            "an application rule holds no udp/123; a network rule holds a name only with DNS proxy (--dns-proxy); "
            "its document gives no service tag to allow instead",
        ),
        (
            Seen(ip="203.0.113.20", service="udp/5831"),
            "aml-managed-network",
            "the managed network makes the rule for tag:AzureMachineLearning itself",
        ),
        (
            Seen(host="westeurope.tundra.azureml.ms", service="udp/5831"),
            "aml-managed-network",
            "an FQDN rule of the managed network opens ports 80 and 443 only, not udp/5831; "
            "the managed network makes the rule for tag:AzureMachineLearning itself",
        ),
        (
            Seen(host="acct.blob.core.windows.net"),
            "aml-managed-network",
            "an FQDN rule of the managed network never reaches a storage account: add a private endpoint rule; "
            "tag:Storage.<region> needs a region: give it with --region",
        ),
        (
            Seen(
                ip="203.0.113.70",
                service="tcp/443",
                plane="nsg",
                cause="deny rule",
                rule="BlockAll",
                device="/subscriptions/s/providers/microsoft.network/networkmanagers/m",
            ),
            None,
            "denied by a security admin rule of Virtual Network Manager, which comes before every NSG rule",
        ),
    ],
)
def test_what_a_platform_cannot_hold_is_handed_back_with_the_reason(
    seen: Seen, platform: Platform | None, why: str
) -> None:
    said = night([seen], platform)
    assert told(said) == []
    assert [one.why for one in said.unsaid] == [why]


@pytest.mark.parametrize(
    ("seen", "platform", "options", "rule"),
    [
        (
            Seen(host="p.westeurope.batch.azure.com"),
            "nsg",
            Options(),
            "nsg outbound 10.20.1.4 tag:BatchNodeManagement.WestEurope tcp/443",
        ),
        (
            Seen(host="acct.blob.core.windows.net"),
            "nsg",
            Options(region="NorthEurope"),
            "nsg outbound 10.20.1.4 tag:Storage.NorthEurope tcp/443",
        ),
        (Seen(host="pypi.org"), "aml-managed-network", Options(), "fqdn outbound * pypi.org http/80,https/443"),
        (
            Seen(ip="203.0.113.130", service="tcp/443"),
            "aml-managed-network",
            Options(),
            "service-tag outbound * tag:Storage.WestEurope tcp/443",
        ),
        (
            Seen(host="ntp.ubuntu.com", service="udp/123"),
            None,
            Options(dns_proxy=True),
            "network outbound 10.20.1.4 ntp.ubuntu.com udp/123",
        ),
    ],
)
def test_another_platform_gets_the_same_need_by_another_way(
    seen: Seen, platform: Platform | None, options: Options, rule: str
) -> None:
    assert told(night([seen], platform, options)) == [rule]


def test_a_rule_by_another_way_says_that_the_log_cannot_confirm_it() -> None:
    doubts = only(night([Seen(host="p.westeurope.batch.azure.com")], "nsg")).doubts
    assert doubts[0] == (
        "Seen by name *.westeurope.batch.azure.com; the rule allows it by tag:BatchNodeManagement.WestEurope, "
        "the other documented way, which the log cannot confirm."
    )


# Fewest rules, and none too wide


def test_hosts_of_one_source_share_a_rule_and_sources_with_the_same_needs_too() -> None:
    seen = [*https("10.20.1.4", "pypi.org", "huggingface.co"), *https("10.20.1.5", "pypi.org", "huggingface.co")]
    assert told(night(seen)) == ["application outbound 10.20.1.4/31 huggingface.co,pypi.org https/443"]


def test_a_merge_never_joins_one_hosts_port_with_another() -> None:
    seen = [Seen(host="security.ubuntu.com", service="http/80"), Seen(host="pypi.org")]
    assert told(night(seen)) == [
        "application outbound 10.20.1.4 pypi.org https/443",
        "application outbound 10.20.1.4 security.ubuntu.com http/80",
    ]


def test_a_network_rule_never_opens_the_product_of_its_protocols_and_ports() -> None:
    seen = [Seen(ip="203.0.113.20", service="udp/5831"), Seen(ip="203.0.113.20", service="tcp/443")]
    assert told(night(seen)) == [
        "network outbound 10.20.1.4 tag:AzureMachineLearning tcp/443",
        "network outbound 10.20.1.4 tag:AzureMachineLearning udp/5831",
    ]


def test_a_network_rule_takes_both_protocols_where_both_need_the_port() -> None:
    seen = [Seen(ip="203.0.113.70", service="udp/443"), Seen(ip="203.0.113.70", service="tcp/443")]
    assert told(night(seen)) == ["network outbound 10.20.1.4 tag:BatchNodeManagement.WestEurope tcp/443,udp/443"]


def test_an_nsg_rule_holds_one_tag_and_one_protocol() -> None:
    seen = [
        Seen(ip="203.0.113.70", service="udp/443", plane="nsg"),
        Seen(ip="203.0.113.70", service="tcp/443", plane="nsg"),
        Seen(ip="203.0.113.130", service="tcp/443", plane="nsg"),
    ]
    assert told(night(seen)) == [
        "nsg outbound 10.20.1.4 tag:BatchNodeManagement.WestEurope tcp/443",
        "nsg outbound 10.20.1.4 tag:BatchNodeManagement.WestEurope udp/443",
        "nsg outbound 10.20.1.4 tag:Storage.WestEurope tcp/443",
    ]


def test_addresses_fold_to_networks_that_add_no_address() -> None:
    said = night([Seen(src=f"10.20.1.{last}", host="pypi.org") for last in (4, 5, 6, 7, 9)])
    assert told(said) == ["application outbound 10.20.1.4/30,10.20.1.9 pypi.org https/443"]


def test_three_rules_suffice_where_a_plain_grouping_needs_four() -> None:
    seen = [
        *https("10.20.1.4", "pypi.org", "huggingface.co", "graph.windows.net"),
        *https("10.20.1.5", "pypi.org", "huggingface.co"),
        *https("10.20.1.6", "docker.io", "huggingface.co"),
    ]
    said = night(seen)
    assert len(said.rules) == said.lower_bound == 3


# What must not be allowed


def test_a_pattern_that_would_let_a_refused_name_through_is_narrowed_to_the_host_that_was_seen() -> None:
    seen = [Seen(host="repo.anaconda.com"), Seen(host="bad.anaconda.com", cause="threat intelligence")]
    one = only(night(seen))
    assert str(one.rule) == "application outbound 10.20.1.4 repo.anaconda.com https/443"
    assert "Narrowed to the host that was seen: *.anaconda.com would also allow what must not be." in one.doubts


def test_a_need_that_is_refused_elsewhere_is_handed_back() -> None:
    seen = [Seen(host="pypi.org"), Seen(host="pypi.org", cause="threat intelligence")]
    said = night(seen)
    assert told(said) == []
    assert [one.why for one in said.unsaid] == [
        "a rule for pypi.org would also allow pypi.org, which is refused (threat intelligence)"
    ]


def test_a_tag_that_would_let_a_refused_address_through_is_handed_back() -> None:
    seen = [
        Seen(ip="203.0.113.70", service="tcp/443"),
        Seen(ip="203.0.113.71", service="tcp/443", cause="intrusion prevention"),
    ]
    assert [one.why for one in night(seen).unsaid] == [
        "a rule for tag:BatchNodeManagement.WestEurope would also allow 203.0.113.71, "
        "which is refused (intrusion prevention)"
    ]


def test_a_refused_flow_of_another_source_does_not_matter() -> None:
    seen = [Seen(host="pypi.org"), Seen(src="10.20.1.9", host="pypi.org", cause="threat intelligence")]
    assert told(night(seen)) == ["application outbound 10.20.1.4 pypi.org https/443"]


def test_a_rule_that_is_never_to_be_overridden_gets_no_allow() -> None:
    seen = [Seen(host="pypi.org", cause="deny rule", rule="pol / rc / keep"), *https("10.20.1.5", "pypi.org")]
    assert told(night(seen, never=("keep",))) == ["application outbound 10.20.1.5 pypi.org https/443"]


# Evidence, citations, doubts


def test_evidence_counts_flows_entries_and_their_span_and_names_the_devices() -> None:
    seen = [
        Seen(host="pypi.org", events=3, device="/fw/a"),
        Seen(host="huggingface.co", events=4, at=NIGHT + timedelta(hours=2), device="/fw/b"),
    ]
    evidence = only(night(seen)).evidence
    assert (evidence.flows, evidence.events) == (2, 7)
    assert (evidence.first_seen, evidence.last_seen) == (NIGHT, NIGHT + timedelta(hours=2))
    assert evidence.devices == ("/fw/a", "/fw/b")


def test_a_rule_cites_every_need_that_it_serves() -> None:
    one = only(night(https("10.20.1.4", "pypi.org", "registry-1.docker.io")))
    assert [(citation.id, citation.basis, citation.url.split("/")[2]) for citation in one.citations] == [
        ("docker/registry", "vendor", "docs.docker.com"),
        ("packages/pip", "documented", "learn.microsoft.com"),
    ]


@pytest.mark.parametrize(
    ("seen", "doubt"),
    [
        (
            Seen(host="pypi.org", cause="deny rule", rule="pol / rc / Block"),
            "Denied by rule pol / rc / Block; an allow must come before it.",
        ),
        (Seen(host="cloud.r-project.org"), "The port is inferred, the pages state none: packages/r."),
        (
            Seen(host="registry-1.docker.io"),
            "Not in Microsoft's lists, documented by the vendor: docker/registry (within docker/registry-suffix).",
        ),
        (Seen(host="cdn-lfs.huggingface.co"), "hf/cdn-lfs-old is superseded by hf/cdn, hf/cdn-lfs, hf/xet."),
        (
            Seen(host="raw.githubusercontent.com"),
            "Documented for the path /microsoft/vscode-tools-for-ai/master/azureml_remote_websocket_server/* only; "
            "a rule without TLS inspection (Premium) opens the whole host.",
        ),
        (
            Seen(host="mcr.microsoft.com"),
            "aml/container-registry depends on tag:AzureFrontDoor.FirstParty, which was not seen blocked: "
            "check that it is allowed.",
        ),
        (
            Seen(ip="203.0.113.20", service="udp/5831"),
            "Which address belongs to which tag is from the service-tag file with change number 7.",
        ),
    ],
)
def test_a_doubt_is_said(seen: Seen, doubt: str) -> None:
    assert doubt in only(night([seen])).doubts


# Choices


def test_a_subnet_that_was_given_names_the_sources_in_it() -> None:
    options = Options(subnets=(subnet("10.20.1.0/24"), subnet("10.20.0.0/16")))
    seen = [*https("10.20.1.4", "pypi.org"), *https("10.20.9.4", "pypi.org"), *https("10.30.0.1", "pypi.org")]
    assert told(night(seen, options=options)) == [
        "application outbound 10.20.0.0/16,10.30.0.1 pypi.org https/443",
    ]


def test_of_subnets_that_lie_in_each_other_the_outermost_names_the_sources() -> None:
    """Two rules stood here: an address in both subnets was another need than one in the outer subnet alone."""
    options = Options(subnets=(subnet("10.20.1.0/24"), subnet("10.20.0.0/16")))
    seen = [*https("10.20.1.4", "pypi.org"), *https("10.20.9.4", "pypi.org", "huggingface.co")]
    said = night(seen, options=options)
    assert told(said) == ["application outbound 10.20.0.0/16 huggingface.co,pypi.org https/443"]
    assert said.lower_bound == 1


def test_a_source_stands_for_itself_where_its_subnet_holds_one_that_must_not_be_allowed() -> None:
    """The refused one lies in the inner subnet, which let it through by the rule of the outer one."""
    options = Options(subnets=(subnet("10.20.1.0/24"), subnet("10.20.0.0/16")))
    refused = Seen(src="10.20.1.9", host="pypi.org", cause="threat intelligence")
    said = night([*https("10.20.2.4", "pypi.org"), *https("10.20.1.4", "huggingface.co"), refused], options=options)
    assert told(said) == [
        "application outbound 10.20.0.0/16 huggingface.co https/443",
        "application outbound 10.20.2.4 pypi.org https/443",
    ]
    assert said.rules[1].doubts == (
        "Narrowed to the address that was seen: 10.20.0.0/16 would also allow what must not be.",
    )


def test_an_address_that_has_to_be_named_beside_its_subnet_shares_the_rules_of_others() -> None:
    """Three rules stood here and were called the fewest: what the address needs by its subnet was a need apart."""
    both = [Seen(src=source, host="login.microsoftonline.com", service=service)
     for source in ("10.20.1.1", "10.20.2.7") for service in ("http/80", "https/443")]  # fmt: skip
    refused = Seen(src="10.20.1.2", host="login.microsoftonline.com", service="http/80", cause="threat intelligence")
    seen = [*both, refused, Seen(src="10.20.1.1", host="pypi.org")]
    said = night(seen, options=Options(subnets=(subnet("10.20.1.0/30"),)))
    assert told(said) == [
        "application outbound 10.20.1.1,10.20.2.7 login.microsoftonline.com http/80,https/443",
        "application outbound 10.20.1.0/30 pypi.org https/443",
    ]


def test_a_wrong_subnet_is_told_in_a_sentence() -> None:
    with pytest.raises(FwlensError) as told_:
        subnet("10.20.1.4/24")
    assert str(told_.value) == (
        "'10.20.1.4/24' is no subnet (10.20.1.4/24 has host bits set). Write a network such as 10.20.1.0/24."
    )


def test_documented_breadth_opens_the_whole_way_of_a_need_that_was_hit() -> None:
    options = Options(documented=True)
    assert told(night([Seen(host="repo.anaconda.com")], options=options)) == [
        "application outbound 10.20.1.4 anaconda.com,*.anaconda.com,*.anaconda.org https/443"
    ]
    assert told(night([Seen(ip="203.0.113.70", service="tcp/443")], options=options)) == [
        "network outbound 10.20.1.4 tag:BatchNodeManagement.WestEurope tcp/443,udp/443"
    ]


def test_documented_breadth_opens_a_range_of_ports_once() -> None:
    seen = [Seen(src="203.0.113.70", ip="10.20.1.4", service="tcp/29876", direction="inbound", plane="nsg")]
    assert told(night(seen, options=Options(documented=True))) == [
        "nsg inbound tag:BatchNodeManagement.WestEurope 10.20.1.4 tcp/29876-29877"
    ]


def test_documented_breadth_opens_no_port_of_a_range_over_which_something_is_refused() -> None:
    batch = Seen(src="203.0.113.70", ip="10.20.1.4", service="tcp/29876", direction="inbound", plane="nsg")
    kept = replace(batch, src="203.0.113.71", service="tcp/29877", cause="deny rule", rule="Keep")
    said = night([batch, kept], options=Options(documented=True), never=("Keep",))
    assert told(said) == ["nsg inbound tag:BatchNodeManagement.WestEurope 10.20.1.4 tcp/29876"]
    assert "Narrowed to the port that was seen: tcp/29876-29877 would also allow what must not be." in only(said).doubts


def test_documented_breadth_names_no_host_under_a_pattern_that_its_source_needs_too() -> None:
    """The rule for registry-1.docker.io and auth.docker.io was idle, and counted among the fewest possible."""
    seen = [*https("10.20.1.4", "registry-1.docker.io", "n.docker.io"), *https("10.20.1.5", "n.docker.io")]
    said = night(seen, options=Options(documented=True))
    assert told(said) == ["application outbound 10.20.1.4/31 *.docker.io https/443"]
    assert [each.id for each in only(said).citations] == ["docker/registry", "docker/registry-suffix"]


def test_documented_breadth_never_grants_a_whole_pattern_that_is_to_stay_narrow() -> None:
    said = night([Seen(host="acct.blob.core.windows.net")], options=Options(documented=True))
    assert told(said) == ["application outbound 10.20.1.4 acct.blob.core.windows.net https/443"]


def test_the_curve_trades_rules_for_surplus_and_at_most_picks_a_point_of_it() -> None:
    seen = [
        *https("10.20.1.4", "pypi.org", "huggingface.co", "graph.windows.net"),
        *https("10.20.1.5", "pypi.org", "huggingface.co"),
        *https("10.20.1.6", "docker.io", "huggingface.co"),
    ]
    matched = match(frame(seen), KNOWN)
    surplus = []
    for step in night(seen, with_curve=True).curve:
        count = len(step.rules)
        assert {one.rule for one in night(seen, options=Options(at_most=count)).rules} == {*step.rules}
        proven = certify(step.rules, matched, KNOWN, asked=Asked(at_most=count))
        assert (proven.rules, proven.faults) == (count, ())
        surplus.append((count, proven.surplus))
    assert surplus == [(3, 0), (2, 1), (1, 5)]


def test_the_cheapest_merge_is_that_which_opens_the_fewest_addresses() -> None:
    """Of a subnet, all: to open one host to a /24 is more than to open four to single addresses."""
    seen = [
        *https("10.20.1.4", "pypi.org"),
        *https("10.30.0.1", "huggingface.co"),
        *https("10.40.0.1", "graph.windows.net", "registry-1.docker.io", "repo.anaconda.com"),
    ]
    said = night(seen, options=Options(subnets=(subnet("10.20.1.0/24"),), at_most=2))
    sources = sorted([str(source) for source in one.rule.sources] for one in said.rules)
    assert sources == [["10.20.1.0/24"], ["10.30.0.1", "10.40.0.1"]]


@pytest.mark.parametrize(
    ("near", "service", "opened"),
    [
        ("10.20.0.0/24", "tcp/443", 256), ("10.20.1.4", "tcp/443", 1), ("*", "tcp/443", 1), ("10.20.1.4", "icmp", 1),
        ("10.20.1.4", "tcp/5000-5009", 10), ("10.20.0.0/30", "udp/3478-3481", 16),
    ],
)  # fmt: skip
def test_what_a_merge_opens_is_counted_in_addresses_and_ports(near: str, service: str, opened: int) -> None:
    protocol, _, ports = service.partition("/")
    shapes: dict[Layer, tuple[str, ...]] = {"nsg": (service,), "network": (protocol, ports)}
    for layer, services in shapes.items():
        cell = ("", near, "tag:AzureMonitor", *services)
        box = tuple(frozenset({value}) for value in cell)
        need = frozenset({Combination(near, "tag:AzureMonitor", service)})
        assert merging(layer, [box], [need], []).opened == opened


def test_merging_never_joins_a_host_with_a_port_that_is_not_documented_for_it() -> None:
    seen = [Seen(host="security.ubuntu.com", service="http/80"), Seen(host="pypi.org")]
    assert [len(step.rules) for step in night(seen, with_curve=True).curve] == [2]


def test_a_merged_rule_names_no_host_under_a_pattern_that_it_has_come_to_name() -> None:
    seen = [Seen(host="a.xethub.hf.co"), Seen(src="10.20.1.5", host="q.hf.co")]
    said = night(seen, options=Options(at_most=1))
    assert told(said) == ["application outbound 10.20.1.4/31 *.hf.co https/443"]
    assert only(said).evidence.flows == 2
    assert [each.id for each in only(said).citations] == ["hf/suffixes", "hf/xet-suffix"]


def test_the_curve_ends_where_the_fewest_rules_are_though_no_merge_of_two_leads_there() -> None:
    """Of three pairs that may be merged, all alike, the first one leaves no second."""
    hosts = {1: "pypi.org", 2: "huggingface.co", 3: "graph.windows.net", 4: "registry-1.docker.io"}
    seen = [Seen(src=f"10.20.{number}.{number}", host=host) for number, host in hosts.items()]
    for number, other in ((1, 4), (2, 3), (3, 4), (4, 3)):
        seen.append(Seen(src=f"10.20.{number}.{number}", host=hosts[other], cause="threat intelligence"))
    assert [len(step.rules) for step in night(seen, with_curve=True).curve] == [4, 3, 2]
    said = night(seen, options=Options(at_most=2))
    assert (len(said.rules), said.lower_bound) == (2, 2)


def test_fewer_rules_than_merging_can_give_is_an_error() -> None:
    seen = [Seen(host="security.ubuntu.com", service="http/80"), Seen(host="pypi.org")]
    with pytest.raises(FwlensError) as told_:
        night(seen, options=Options(at_most=1))
    assert str(told_.value) == "--at-most 1 is too few: 2 are needed, whatever is merged. See --curve."


# Laws

_HOSTS = (
    "pypi.org", "files.pythonhosted.org", "repo.anaconda.com", "x.anaconda.com", "huggingface.co", "us.aws.cdn.hf.co",
    "registry-1.docker.io", "acct.blob.core.windows.net", "p.westeurope.batch.azure.com", "security.ubuntu.com",
    "wandb.example", "huggingface.co.evil.example", "raw.githubusercontent.com",
    "transfer.xethub.hf.co", "a.xethub.hf.co", "b.xethub.hf.co",
)  # fmt: skip
_IPS = ("203.0.113.20", "203.0.113.21", "203.0.113.70", "203.0.113.71", "203.0.113.130", "10.20.5.8", "198.51.100.9")
_NAMED = st.builds(
    Seen,
    src=st.sampled_from(["10.20.1.4", "10.20.1.5", "10.20.1.6", "10.20.9.1"]),
    host=st.sampled_from(_HOSTS),
    service=st.sampled_from(["https/443", "https/443", "http/80", "https/8443"]),
    cause=st.sampled_from(["no rule"] * 8 + ["deny rule", "threat intelligence"]),
    rule=st.sampled_from([None, "pol / rc / deny"]),
)
_BY_ADDRESS = st.builds(
    Seen,
    src=st.sampled_from(["10.20.1.4", "10.20.1.5", "10.20.1.6"]),
    ip=st.sampled_from(_IPS),
    service=st.sampled_from(["tcp/443", "udp/443", "udp/5831", "tcp/8787", "tcp/445", "tcp/22"]),
    cause=st.sampled_from(["no rule"] * 8 + ["intrusion prevention"]),
    plane=st.sampled_from(["azure-firewall", "nsg"]),
)
_NIGHTS = st.lists(_NAMED | _BY_ADDRESS, min_size=1, max_size=14)


_NESTED = Options(subnets=(subnet("10.20.0.0/16"), subnet("10.20.1.0/30"), subnet("10.20.1.4/31")))
_BESIDE = Options(subnets=(subnet("10.20.1.4/31"), subnet("10.20.1.6/32")), documented=True)


@given(_NIGHTS)
def test_no_step_of_the_curve_is_beaten_by_another(seen: list[Seen]) -> None:
    """Fewer rules, and more that they open: what a merge opens may be more than the fewest rules do."""
    matched = match(frame(seen), KNOWN, tags=TAGS)
    steps = night(seen, with_curve=True).curve
    numbers = [len(step.rules) for step in steps]
    surpluses = [certify(step.rules, matched, KNOWN, tags=TAGS, asked=Asked(at_most=many)).surplus
     for step, many in zip(steps, numbers, strict=True)]  # fmt: skip
    assert numbers == sorted(set(numbers), reverse=True)
    assert surpluses == sorted(set(surpluses))


@given(_NIGHTS, st.sampled_from([Options(), _NESTED, _BESIDE, Options(documented=True)]))
def test_every_needed_flow_is_allowed_or_handed_back_and_nothing_else_that_was_denied_is(
    seen: list[Seen], options: Options
) -> None:
    matched = match(frame(seen), KNOWN, tags=TAGS)
    said = recommend(matched, KNOWN, tags=TAGS, options=options)
    handed_back = {(one.flow.src_ip, one.flow.destination, one.flow.service) for one in said.unsaid}
    for each, verdict in zip(seen, matched["verdict"].cast(pl.String), strict=True):
        rules = [one.rule for one in said.rules if one.rule.platform == each.plane]
        allowed = any(plain.allows(rule, each) for rule in rules)
        assert allowed is (verdict == "needed" and (each.src, each.host or each.ip, each.service) not in handed_back)


@given(_NIGHTS)
def test_the_certificate_of_every_night_holds(seen: list[Seen]) -> None:
    matched = match(frame(seen), KNOWN, tags=TAGS)
    said = recommend(matched, KNOWN, tags=TAGS)
    proven = certify(
        [one.rule for one in said.rules],
        matched,
        KNOWN,
        tags=TAGS,
        handed_back=said.unsaid,
        lower_bound=said.lower_bound,
    )
    assert proven.faults == ()
    assert (proven.complete, proven.sound, proven.irredundant, proven.surplus) == (True, True, True, 0)
    assert proven.lower_bound == proven.rules == len(said.rules)


@given(_NIGHTS, st.sampled_from([Options(), _NESTED, Options(documented=True)]))
def test_an_earlier_answer_changes_neither_how_few_rules_there_are_nor_their_proof(
    seen: list[Seen], options: Options
) -> None:
    matched, before = match(frame(seen), KNOWN, tags=TAGS), night(seen[1:], options=options)
    alone = recommend(matched, KNOWN, tags=TAGS, options=options)
    said = recommend(matched, KNOWN, tags=TAGS, options=options, earlier=[one.rule for one in before.rules])
    rules = [one.rule for one in said.rules]
    back = said.unsaid
    asked = Asked(subnets=options.subnets, documented=options.documented)
    proven = certify(rules, matched, KNOWN, tags=TAGS, asked=asked, handed_back=back, lower_bound=said.lower_bound)
    assert proven.faults == ()
    assert (len(rules), said.unsaid, said.lower_bound) == (len(alone.rules), alone.unsaid, alone.lower_bound)
    again = recommend(matched, KNOWN, tags=TAGS, options=options, earlier=rules)
    assert again == said


def _documented() -> list[Seen]:
    """A request for every host, pattern (three hosts of each) and tag that the catalogue names."""
    found = []
    for way in (way for one in KNOWN if one.direction == "outbound" for way in one.ways):
        for peer, over in product(way.peers, way.over):
            text = peer.text.replace("<region>", "westeurope")
            if peer.kind == "tag" and peer.text.replace("<region>", "WestEurope") in plain.TAGS:
                first = plain.TAGS[peer.text.replace("<region>", "WestEurope")][0].partition("/")[0]
                found.append(Seen(ip=first, service=f"{over.transport}/{over.first}"))
            elif peer.kind in ("host", "wildcard") and "<" not in text:
                named = {443: "https/443", 80: "http/80"}.get(over.first, str(over))
                hosts = [text.replace("*", label) for label in ("a", "b", "c.d")] if peer.kind == "wildcard" else [text]
                found += [Seen(host=host, service=named) for host in hosts]
    return found


@pytest.mark.parametrize("platform", [None, "nsg", "aml-managed-network"])
@pytest.mark.parametrize("documented", [False, True])
def test_the_certificate_of_random_nights_of_the_whole_catalogue_holds(
    platform: Platform | None, documented: bool
) -> None:
    """Half of what a night asks for is of one domain, where hosts lie under patterns that are needed as well."""
    random, every = Random(7), _documented()
    options = Options(region="WestEurope", documented=documented)
    for _ in range(25):
        some = random.sample(every, 4)
        domain = (random.choice([each for each in every if each.host]).host or "").split(".")[-2:]
        some += random.choices([each for each in every if each.host and each.host.split(".")[-2:] == domain], k=4)
        seen = [replace(random.choice(some), src=f"10.20.1.{random.randint(4, 8)}") for _ in range(14)]
        matched = match(frame(seen), KNOWN, tags=TAGS)
        said = recommend(matched, KNOWN, platform=platform, tags=TAGS, options=options)
        back = said.unsaid
        rules = [one.rule for one in said.rules]
        asked = Asked(platform, "WestEurope", documented=documented)
        proven = certify(rules, matched, KNOWN, tags=TAGS, asked=asked, handed_back=back, lower_bound=said.lower_bound)
        assert proven.faults == ()
        assert proven.lower_bound == len(rules)


@given(_NIGHTS, st.sampled_from(["nsg", "aml-managed-network"]))
def test_the_certificate_holds_for_other_platforms_too(seen: list[Seen], platform: Platform) -> None:
    matched = match(frame(seen), KNOWN, tags=TAGS)
    options = Options(region="WestEurope")
    said = recommend(matched, KNOWN, platform=platform, tags=TAGS, options=options)
    handed_back = said.unsaid
    rules = [one.rule for one in said.rules]
    proven = certify(rules, matched, KNOWN, tags=TAGS, asked=Asked(platform, "WestEurope"), handed_back=handed_back)
    assert (proven.complete, proven.sound, proven.irredundant) == (True, True, True)


@given(_NIGHTS, st.randoms(use_true_random=False))
def test_the_order_of_flows_changes_nothing(seen: list[Seen], random: Random) -> None:
    shuffled = list(seen)
    random.shuffle(shuffled)
    assert night(shuffled) == night(seen)


def test_a_host_needs_no_rule_of_its_own_where_its_source_needs_the_pattern_above_it_too() -> None:
    """Two rules stood here, of which the certificate called one idle."""
    transfer, other = Seen(host="transfer.xethub.hf.co"), Seen(host="a.xethub.hf.co")
    both = night([transfer, other, replace(other, src="10.20.1.5")])
    assert told(both) == ["application outbound 10.20.1.4/31 *.xethub.hf.co https/443"]
    assert only(both).evidence.flows == 3
    assert [each.id for each in only(both).citations] == ["hf/xet", "hf/xet-suffix"]
    apart = night([transfer, replace(other, src="10.20.1.5")])
    assert told(apart) == [
        "application outbound 10.20.1.4 transfer.xethub.hf.co https/443",
        "application outbound 10.20.1.5 *.xethub.hf.co https/443",
    ]


def test_the_same_rule_has_the_same_id_every_night_and_another_rule_another() -> None:
    once = only(night([Seen(host="pypi.org")]))
    later = only(night([Seen(host="pypi.org", events=9, at=NIGHT + timedelta(days=3))]))
    wider = only(night([replace(Seen(host="pypi.org"), src="10.20.1.5")]))
    assert once.rule.id == later.rule.id == "app-223b85774b"
    assert wider.rule.id != once.rule.id


def test_a_new_denied_flow_changes_only_the_rules_that_must_change() -> None:
    """Of the rules of forty nights each before a flow was added: how many the answer after it has no more, on the
    average, if it knows the answer before and if it does not."""
    random, total = Random(5), {True: 0, False: 0}
    hosts = [host for host in _HOSTS if "example" not in host]
    for _ in range(40):
        seen = [Seen(src=f"10.20.1.{random.randint(4, 12)}", host=random.choice(hosts)) for _ in range(12)]
        seen += [Seen(src="10.20.1.4", ip=ip, service="tcp/443", plane="nsg") for ip in random.sample(_IPS[:5], 3)]
        before = [one.rule for one in night(seen).rules]
        new = Seen(src=f"10.20.1.{random.randint(4, 12)}", host=random.choice(hosts))
        matched = match(frame([*seen, new]), KNOWN, tags=TAGS)
        for knows in total:
            after = recommend(matched, KNOWN, tags=TAGS, earlier=before if knows else [])
            total[knows] += len({*before}.difference(one.rule for one in after.rules))
    assert total[True] <= 24
    assert total[True] < total[False]


@pytest.mark.parametrize(
    ("before", "rules"),
    [
        (https("10.20.1.4", "pypi.org", "docker.io"), [
            "application outbound 10.20.1.8 docker.io,huggingface.co https/443",
            "application outbound 10.20.1.4 docker.io,pypi.org https/443",
            "application outbound 10.20.1.6 huggingface.co,pypi.org https/443",
        ]),
        ([Seen(host="pypi.org"), Seen(src="10.20.1.6", host="pypi.org")], [
            "application outbound 10.20.1.4,10.20.1.8 docker.io https/443",
            "application outbound 10.20.1.6,10.20.1.8 huggingface.co https/443",
            "application outbound 10.20.1.4,10.20.1.6 pypi.org https/443",
        ]),
    ],
)  # fmt: skip
def test_of_two_sets_of_rules_alike_the_one_is_taken_that_has_a_rule_of_the_night_before(
    before: list[Seen], rules: list[str]
) -> None:
    """Three sources need two of three hosts each: a rule for each source, or one for each host."""
    tonight = [*https("10.20.1.4", "pypi.org", "docker.io"), *https("10.20.1.6", "huggingface.co", "pypi.org"),
     *https("10.20.1.8", "docker.io", "huggingface.co")]  # fmt: skip
    earlier = [one.rule for one in night(before).rules]
    said = recommend(match(frame(tonight), KNOWN), KNOWN, earlier=earlier)
    assert told(said) == rules
    assert earlier[0] in [one.rule for one in said.rules]


def test_a_rule_of_the_managed_network_is_handed_back_where_its_other_port_must_not_be_open() -> None:
    """The host is documented on port 80 and was seen on 443 too, which no page asks for; the rule would open both."""
    seen = [
        Seen(host="security.ubuntu.com", service="http/80"),
        Seen(src="10.20.1.5", host="security.ubuntu.com"),
        Seen(host="pypi.org"),
    ]
    said = night(seen, "aml-managed-network")
    assert told(said) == ["fqdn outbound * pypi.org http/80,https/443"]
    assert [one.why for one in said.unsaid] == [
        "a rule for security.ubuntu.com would also allow security.ubuntu.com, which is not documented"
    ]


def ours(folder: Path, *needs: str) -> tuple[Requirement, ...]:
    """The catalogue with needs of one's own: `id` for the way, as YAML has it."""
    page = "page: Ours\nurl: https://wiki.example\nlayer: observed\nread_on: 2026-11-01\nneeds:\n"
    lines = [f"  - {{id: ours-{number}, for: us, ways: [{way}]}}\n" for number, way in enumerate(needs)]
    (folder / "ours.yaml").write_text(page + "".join(lines))
    return load([folder / "ours.yaml"]).requirements


def test_a_host_in_the_managed_network_needs_no_rule_where_the_pattern_above_it_is_open_on_its_other_port(
    tmp_path: Path,
) -> None:
    known = ours(tmp_path, "{to: ['*.a.example.org'], over: [tcp/443]}", "{to: ['*.example.org'], over: [tcp/80]}")
    seen = [Seen(host="x.a.example.org"), Seen(host="y.example.org", service="http/80")]
    said = recommend(match(frame(seen), known), known, platform="aml-managed-network")
    assert told(said) == ["fqdn outbound * *.example.org http/80,https/443"]
    assert (only(said).evidence.flows, said.lower_bound) == (2, 1)


@pytest.mark.parametrize(
    ("seen", "platform", "why"),
    [
        (Seen(ip="198.51.100.4", service="esp"), None, "a network rule holds no esp"),
        (Seen(ip="198.51.100.4", service="gre"), "nsg", "an NSG rule holds no gre"),
        (Seen(host="a.example.org", service="https/64001"), None,
         "an application rule holds single ports up to 64000, not https/64001; its document gives no service tag to allow "
         "instead"),
    ],
)  # fmt: skip
def test_a_protocol_or_port_that_no_rule_of_the_plane_holds_is_handed_back(
    seen: Seen, platform: Platform | None, why: str, tmp_path: Path
) -> None:
    known = ours(tmp_path, "{to: [198.51.100.4], over: [esp, gre]}", "{to: [a.example.org], over: [tcp/64001]}")
    said = recommend(match(frame([seen]), known), known, platform=platform)
    assert (told(said), [one.why for one in said.unsaid]) == ([], [why])


def test_documented_breadth_opens_no_range_in_an_application_rule_which_holds_single_ports(tmp_path: Path) -> None:
    known = ours(tmp_path, "{to: [a.example.org], over: [tcp/8000-8010]}")
    said = recommend(match(frame([Seen(host="a.example.org", service="https/8005")]), known), known,
     options=Options(documented=True))  # fmt: skip
    assert told(said) == ["application outbound 10.20.1.4 a.example.org https/8005"]


def test_a_network_is_narrowed_to_the_address_that_was_seen_where_another_in_it_is_refused(tmp_path: Path) -> None:
    known = ours(tmp_path, "{to: ['198.51.100.4/31'], over: [tcp/443]}")
    needed = Seen(ip="198.51.100.4", service="tcp/443")
    assert told(recommend(match(frame([needed]), known), known)) == [
        "network outbound 10.20.1.4 198.51.100.4/31 tcp/443"
    ]
    refused = replace(needed, ip="198.51.100.5", cause="threat intelligence")
    said = recommend(match(frame([needed, refused]), known), known)
    assert told(said) == ["network outbound 10.20.1.4 198.51.100.4 tcp/443"]


def test_a_tag_that_azure_firewall_cannot_use_is_handed_back_and_an_nsg_takes_it(tmp_path: Path) -> None:
    """https://learn.microsoft.com/azure/virtual-network/service-tags-overview, available service tags"""
    known = ours(tmp_path, "{to: ['tag:GatewayManager'], over: [tcp/443]}")
    tags = service_tags({"GatewayManager": ["198.51.100.0/28"]})
    for plane, rules in (("azure-firewall", []), ("nsg", ["nsg outbound 10.20.1.4 tag:GatewayManager tcp/443"])):
        matched = match(frame([Seen(ip="198.51.100.4", service="tcp/443", plane=plane)]), known, tags=tags)
        said = recommend(matched, known, tags=tags)
        assert told(said) == rules
        assert [one.why for one in said.unsaid] == (
            [] if rules else ["tag:GatewayManager cannot be used in Azure Firewall"]
        )
