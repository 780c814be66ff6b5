"""Sets of rules for small nights, right and wrong ones, against the shipped catalogue and needs of the tests' own."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from fwlens.catalog import load
from fwlens.certificate import certify
from fwlens.match import match
from fwlens.proof import Asked, Certificate
from fwlens.recommend import Options, Recommendations, recommend, subnet
from fwlens.rule import Conversation, Rule, Unsaid
from tests.certificate.test_planes import AML, FW, NSG, rule
from tests.plain import NIGHT, TAGS, Seen, frame, service_tags

KNOWN = load([Path(__file__).parent / "needs.yaml"]).requirements
SNAPSHOT = service_tags({**TAGS, "Sql.WestEurope": ("203.0.113.224/28",), "Sql": ("203.0.113.224/27",)})


def said(seen: Sequence[Seen], asked: Asked = Asked()) -> Recommendations:
    matched = match(frame(seen), KNOWN, tags=SNAPSHOT)
    options = Options(asked.region, asked.dns_proxy, asked.documented, asked.subnets, asked.at_most)
    return recommend(matched, KNOWN, platform=asked.platform, tags=SNAPSHOT, options=options)


def proven(
    rules: Sequence[Rule | str],
    seen: Sequence[Seen],
    asked: Asked = Asked(),
    claim: int = 0,
    back: Sequence[Unsaid] = (),
) -> Certificate:
    parsed = [each if isinstance(each, Rule) else rule(each) for each in rules]
    matched = match(frame(seen), KNOWN, tags=SNAPSHOT)
    return certify(parsed, matched, KNOWN, tags=SNAPSHOT, asked=asked, handed_back=back, lower_bound=claim)


def assert_own_answer_holds(seen: Sequence[Seen], *rules: str, asked: Asked = Asked()) -> None:
    """The tool says these rules, and its certificate agrees."""
    answer = said(seen, asked)
    assert [f"{one.rule.platform} {one.rule}" for one in answer.rules] == list(rules)
    found = proven([one.rule for one in answer.rules], seen, asked, answer.lower_bound, answer.unsaid)
    assert (found.faults, found.complete, found.sound, found.irredundant) == ((), True, True, True)


# Sound: seen or asked for


def test_subnets_side_by_side_are_asked_for_as_one_network() -> None:
    seen = [Seen(src="10.20.0.4", host="pypi.org"), Seen(src="10.20.1.4", host="pypi.org")]
    asked = Asked(subnets=(subnet("10.20.0.0/24"), subnet("10.20.1.0/24")))
    assert_own_answer_holds(seen, f"{FW} application outbound 10.20.0.0/23 pypi.org https/443", asked=asked)


def test_a_subnet_beside_addresses_that_were_seen_is_one_network_with_them() -> None:
    seen = [Seen(src=f"10.20.1.{last}", host="pypi.org") for last in (1, 2, 3)]
    asked = Asked(subnets=(subnet("10.20.1.0/31"),))
    assert_own_answer_holds(seen, f"{FW} application outbound 10.20.1.0/30 pypi.org https/443", asked=asked)


def test_a_network_with_one_address_that_was_neither_seen_nor_asked_for_is_not_sound() -> None:
    seen = [Seen(src=f"10.20.1.{last}", host="pypi.org") for last in (1, 2)]
    wide = rule(f"{FW} application outbound 10.20.1.0/30 pypi.org https/443")
    assert proven([wide], seen, Asked(subnets=(subnet("10.20.1.0/31"),))).faults == (
        f"Rule {wide.id}: 10.20.1.0/30 was not seen to need anything.",
    )


def test_a_network_of_addresses_that_documents_name_side_by_side_is_documented() -> None:
    """198.51.100.4/31 as a network, 198.51.100.7 as an address; 198.51.100.6 is in no document."""
    seen = [
        Seen(src=src, ip=ip, service="tcp/1000") for src in ("10.20.1.4",) for ip in ("198.51.100.4", "198.51.100.3")
    ]
    asked = Asked(documented=True)
    wide = f"{FW} network outbound 10.20.1.4 {{}} tcp/1000"
    assert proven([wide.format("198.51.100.3,198.51.100.4/31")], seen, asked).sound
    beyond = rule(wide.format("198.51.100.3,198.51.100.4/30"))
    assert proven([beyond], seen, asked).faults == (
        f"Rule {beyond.id}: no needed flow went to 198.51.100.4/30, and no document of their needs names it.",
    )


def test_a_network_that_a_document_names_is_one_as_a_pattern_is() -> None:
    """Nothing more than was asked for is allowed, and two of its addresses need no two rules."""
    seen = [
        Seen(src=src, ip=ip, service="tcp/1000")
        for src, ip in (("10.20.1.4", "198.51.100.4"), ("10.20.1.5", "198.51.100.5"))
    ]
    rules = [f"{FW} network outbound 10.20.1.4/31 198.51.100.4/31 tcp/1000"]
    found = proven(rules, seen, claim=1)
    assert (found.faults, found.proven, found.surplus) == ((), 1, 0)
    both = [*rules, f"{FW} network outbound 10.20.1.4 198.51.100.4 tcp/1000"]
    assert proven(both, seen).surplus == 0


# Complete: handed back because it must be

ADMIN = "/providers/microsoft.network/networkmanagers/m"


def test_a_conversation_that_a_security_admin_rule_denied_as_well_as_an_nsg_is_both_allowed_and_handed_back() -> None:
    seen = [Seen(ip="203.0.113.70", service="tcp/443", plane="nsg", device=device) for device in (None, ADMIN)]
    allowed = f"{NSG} nsg outbound 10.20.1.4 tag:BatchNodeManagement.WestEurope tcp/443"
    assert_own_answer_holds(seen, allowed)
    told = "10.20.1.4 to 203.0.113.70 over tcp/443 stays blocked."
    assert proven([allowed], seen).faults == (told,)
    (back,) = said(seen).unsaid
    idle = f"Rule {rule(allowed).id} is idle: no needed flow depends on it."
    faults = proven([allowed], seen[1:], back=[back]).faults
    assert faults == (f"Rule {rule(allowed).id} allows 1 combination that was not seen.", idle)


def test_so_is_one_that_only_its_document_says_is_open() -> None:
    name, asked = "q.westeurope.service.batch.azure.com", Asked(region="WestEurope")
    seen = [Seen(host=name, plane="nsg", device=device) for device in (None, ADMIN)]
    assert_own_answer_holds(
        seen, f"{NSG} nsg outbound 10.20.1.4 tag:BatchNodeManagement.WestEurope tcp/443", asked=asked
    )


def test_a_name_under_a_pattern_that_no_network_rule_holds_is_handed_back_also_with_dns_proxy() -> None:
    """Of a host that a document names itself there is a rule."""
    over = "udp/5831"
    assert_own_answer_holds(
        [Seen(host="q.tundra.westeurope.api.azureml.ms", service=over)], asked=Asked(dns_proxy=True)
    )
    host = "westeurope.tundra.azureml.ms"
    allowed = f"{FW} network outbound 10.20.1.4 {host} {over}"
    assert_own_answer_holds([Seen(host=host, service=over)], allowed, asked=Asked(dns_proxy=True))
    flow = Conversation("10.20.1.4", host, over, "outbound", 1, NIGHT, NIGHT)
    back = Unsaid(flow, "azure-firewall", "aml/compute-management", "a network rule holds no names")
    assert proven([], [Seen(host=host, service=over)], Asked(dns_proxy=True), back=[back]).faults == (
        f"10.20.1.4 to {host} over {over} is handed back and need not be: Azure Firewall can hold a rule for {host}, "
        "and that allows nothing it must not.",
    )


def test_what_only_a_document_says_is_open_may_be_handed_back_where_its_own_rule_would_allow_too_much() -> None:
    """The tag of the other way is open for another; an FQDN rule would open http/80 as well, which nobody documents."""
    seen = [
        Seen(host="x.t.example.net"),
        Seen(ip="203.0.113.225", service="tcp/443"),
        Seen(src="10.20.1.5", host="x.t.example.net", service="http/80"),
    ]
    open_ = f"{AML} service-tag outbound * tag:Sql.WestEurope tcp/443"
    asked = Asked(AML, "WestEurope")
    assert_own_answer_holds(seen, open_, asked=asked)
    (back,) = said(seen, asked).unsaid
    assert proven([open_], seen[:2], asked, back=[back]).faults == (
        "10.20.1.4 to x.t.example.net over https/443 is handed back and need not be: the managed network can hold a rule "
        "for x.t.example.net, and that allows nothing it must not.",
    )


def test_an_address_with_a_name_that_explains_nothing_is_an_address() -> None:
    for platform, outcome in ((NSG, [f"{NSG} nsg outbound 10.20.1.4 10.20.5.8 tcp/1445"]), (AML, [])):
        seen = [Seen(host="other.example", ip="10.20.5.8", service="tcp/1445")]
        assert_own_answer_holds(seen, *outcome, asked=Asked(platform))  # type: ignore[arg-type]


def test_all_ports_of_many_addresses_are_counted_and_never_listed() -> None:
    """Two rules that overlap in ports and in sources: 2 x 4,096 x 65,535 and 1 x 4,096 x 1 more, less what was seen."""
    wide = f"{NSG} nsg outbound 10.20.1.4/31 10.20.0.0/20 tcp/1-65535"
    over = f"{NSG} nsg outbound 10.20.1.5,10.20.1.6 10.20.0.0/20 tcp/1445"
    found = proven([wide, over], [Seen(ip="10.20.5.8", service="tcp/1445", plane="nsg")])
    assert found.surplus == 2 * 4096 * 65535 + 4096 - 1
    assert found.surplus_of == {rule(wide).id: 2 * 4096 * 65535 - 1, rule(over).id: 2 * 4096}


# Sound: documented over what carries it


@pytest.mark.parametrize(
    ("host", "service", "destination"),
    [
        ("x.westeurope.instances.azureml.ms", "https/8787", "*.instances.azureml.ms"),
        ("p.westeurope.batch.azure.com", "http/443", "*.westeurope.batch.azure.com"),
        ("x.n.example.net", "https/8787", "x.n.example.net"),
    ],
)
def test_an_application_rule_over_another_port_or_protocol_than_usual_is_documented_as_its_flow_was(
    host: str, service: str, destination: str
) -> None:
    seen = [Seen(host=host, service=service)]
    assert_own_answer_holds(seen, f"{FW} application outbound 10.20.1.4 {destination} {service}")


def test_a_port_that_no_document_states_is_still_not_sound() -> None:
    wrong = rule(f"{FW} application outbound 10.20.1.4 pypi.org https/443,https/8443")
    told = f"Rule {wrong.id}: pypi.org is neither documented nor seen over https/8443."
    assert told in proven([wrong], [Seen(host="pypi.org")]).faults


# Irredundant: what can leave alone


PRODUCT = [Seen(src="10.20.1.4", ip="198.51.100.1", service=over) for over in ("tcp/1000", "udp/1001")]
CROSS = [*PRODUCT, *(Seen(src="10.20.1.4", ip="198.51.100.1", service=over) for over in ("tcp/1001", "udp/1000"))]


def test_of_a_network_rule_protocols_and_ports_leave_and_no_combination_alone() -> None:
    """The other source has two of the four combinations by a rule of its own, and the product cannot be without them."""
    rules = [
        f"{FW} network outbound 10.20.1.4 198.51.100.1 tcp/1000,tcp/1001,udp/1000,udp/1001",
        f"{FW} network outbound 10.20.1.4,10.20.1.5 198.51.100.1 tcp/1001",
    ]
    seen = [*CROSS, Seen(src="10.20.1.5", ip="198.51.100.1", service="tcp/1001")]
    found = proven(rules, seen)
    assert (found.faults, found.irredundant) == (
        (f"Rule {rule(rules[1]).id}: no needed flow depends on 10.20.1.4.",),
        False,
    )
    assert proven([rules[0], rules[1].replace("10.20.1.4,", "")], seen).faults == ()


def test_a_protocol_or_a_port_of_a_product_that_nobody_needs_is_told() -> None:
    wide = rule(f"{FW} network outbound 10.20.1.4 198.51.100.1 tcp/1000,tcp/1001,udp/1000,udp/1001")
    assert proven([wide], [Seen(ip="198.51.100.1", service="tcp/1001")], Asked(at_most=1)).faults == (
        f"Rule {wide.id}: no needed flow depends on udp, port 1000.",
    )


def test_a_rule_that_is_there_several_times_is_told() -> None:
    one = rule(f"{FW} application outbound 10.20.1.4 pypi.org https/443")
    found = proven([one, one, one], [Seen(host="pypi.org")])
    assert (found.faults, found.rules) == ((f"Rule {one.id} is there 3 times, and once would do.",), 3)
    assert not found.irredundant


def test_a_host_that_is_opened_beside_the_pattern_above_it_is_idle_where_whole_ways_are_asked_for() -> None:
    """What documents open is open through the pattern too."""
    seen = [Seen(host="x.a.example.org"), Seen(host="y.example.org"), Seen(host="y.example.org", service="http/80")]
    asked = Asked(documented=True)
    wide = f"{FW} application outbound 10.20.1.4 *.example.org http/80,https/443"
    under = rule(f"{FW} application outbound 10.20.1.4 *.a.example.org https/443")
    assert proven([wide], seen, asked).faults == ()
    assert proven([wide, under], seen, asked).faults == (f"Rule {under.id} is idle: no needed flow depends on it.",)


# The bound


def bounds(
    rules: Sequence[str], seen: Sequence[Seen], asked: Asked = Asked(), claim: int = 0
) -> tuple[int, tuple[str, ...]]:
    found = proven(rules, seen, asked, claim)
    assert (found.complete, found.sound, found.proven <= found.rules) == (True, True, True)
    return found.proven, found.faults


def test_a_rule_that_is_narrowed_to_its_host_may_hold_what_the_pattern_of_another_would() -> None:
    """Clash: `*.example.org` is narrowed, as it would allow a refused host; both hosts fit into one rule then."""
    seen = [
        Seen(host="x.a.example.org"),
        Seen(host="y.example.org"),
        Seen(host="bad.a.example.org", cause="threat intelligence"),
    ]
    assert bounds([f"{FW} application outbound 10.20.1.4 x.a.example.org,y.example.org https/443"], seen) == (1, ())
    assert_own_answer_holds(seen, f"{FW} application outbound 10.20.1.4 x.a.example.org,y.example.org https/443")


def test_addresses_in_place_of_two_tags_are_one_rule_of_an_nsg() -> None:
    seen = [Seen(ip=ip, service="tcp/443", plane="nsg") for ip in ("203.0.113.70", "203.0.113.130")]
    tags = [f"{NSG} nsg outbound 10.20.1.4 tag:{tag}.WestEurope tcp/443" for tag in ("BatchNodeManagement", "Storage")]
    addresses = f"{NSG} nsg outbound 10.20.1.4 203.0.113.70,203.0.113.130 tcp/443"
    for claim in (0, 1):
        assert bounds([addresses], seen, claim=claim) == (1, ())
    assert bounds([addresses], seen, claim=2) == (1, ("The lower bound is stale: it says 2, and this is 1 rule.",))
    assert bounds(tags, seen, claim=2) == (1, ())
    found = proven(tags, seen, claim=2)
    assert (found.lower_bound, found.proven) == (2, 1)


def test_a_pattern_of_another_need_holds_a_host_in_a_managed_network_whatever_ports_were_seen() -> None:
    seen = [Seen(host="x.a.example.org"), Seen(host="x.example.org", service="http/80")]
    asked = Asked(AML)
    assert bounds([f"{AML} fqdn outbound * *.example.org http/80,https/443"], seen, asked) == (1, ())


@pytest.mark.parametrize(
    ("whole", "parts"),
    [
        (
            f"{FW} application outbound 10.20.1.4,10.20.1.5 b.example.net,c.example.net https/443",
            ["10.20.1.4,10.20.1.5 b.example.net https/443", "10.20.1.4,10.20.1.5 c.example.net https/443"],
        ),
        (
            f"{FW} application outbound 10.20.1.4,10.20.1.5 b.example.net,c.example.net https/443",
            ["10.20.1.4 b.example.net,c.example.net https/443", "10.20.1.5 b.example.net,c.example.net https/443"],
        ),
    ],
)
def test_rules_that_one_rule_can_replace_refute_the_claim_that_none_are_fewer(whole: str, parts: list[str]) -> None:
    seen = [
        Seen(src=src, host=host) for src in ("10.20.1.4", "10.20.1.5") for host in ("b.example.net", "c.example.net")
    ]
    split = [f"{FW} application outbound {part}" for part in parts]
    told = "The lower bound is stale: it says 2, and 1 rule allows the same."
    assert bounds(split, seen, claim=2) == (1, (told,))
    assert bounds(split, seen, claim=1) == (1, ())
    assert bounds([whole], seen, claim=1) == (1, ())
    assert proven(split, seen, Asked(at_most=2), claim=2).faults == (told,)


def test_rules_of_two_tags_are_not_one_and_protocols_of_an_nsg_neither() -> None:
    seen = [Seen(ip="203.0.113.70", service=over, plane="nsg") for over in ("tcp/443", "udp/443")]
    rules = [f"{NSG} nsg outbound 10.20.1.4 tag:BatchNodeManagement.WestEurope {over}/443" for over in ("tcp", "udp")]
    assert bounds(rules, seen, claim=2) == (2, ())


def test_names_and_tags_share_no_network_rule() -> None:
    """In Azure's portal a rule has one type of destination."""
    seen = [Seen(ip="203.0.113.20", service="udp/5831"), Seen(host="westeurope.tundra.azureml.ms", service="udp/5831")]
    rules = [
        f"{FW} network outbound 10.20.1.4 {end} udp/5831"
        for end in ("tag:AzureMachineLearning", "westeurope.tundra.azureml.ms")
    ]
    assert_own_answer_holds(seen, *rules, asked=Asked(dns_proxy=True))


def test_a_product_that_a_network_rule_would_open_keeps_its_parts_apart() -> None:
    rules = [f"{FW} network outbound 10.20.1.4 198.51.100.1 {over}" for over in ("tcp/1000", "udp/1001")]
    assert bounds(rules, PRODUCT, claim=2) == (2, ())


def test_a_claim_that_is_more_than_is_proven_here_stands_beside_what_is() -> None:
    """Three rules that no two of replace each other: a crown, of which the check sees less than the solver."""
    hosts = ("b.example.net", "c.example.net", "d.example.net")
    seen = [Seen(src=f"10.20.1.{4 + i}", host=host) for i in range(3) for j, host in enumerate(hosts) if i != j]
    answer = said(seen)
    found = proven([one.rule for one in answer.rules], seen, claim=answer.lower_bound)
    assert (found.faults, found.rules, found.lower_bound) == ((), 3, 3)
    assert proven([one.rule for one in answer.rules], seen, claim=4).faults == (
        "The lower bound is stale: it says 4, and these are 3 rules.",
    )


def test_more_rules_than_were_asked_for_at_most_are_told() -> None:
    rules = [
        f"{FW} application outbound 10.20.1.4 {end}" for end in ("b.example.net http/80", "c.example.net https/443")
    ]
    seen = [Seen(host="b.example.net", service="http/80"), Seen(host="c.example.net")]
    assert proven(rules, seen, Asked(at_most=2)).faults == ()
    assert proven(rules, seen, Asked(at_most=1)).faults == ("At most 1 rule was asked for, and these are 2.",)
