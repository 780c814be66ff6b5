from collections.abc import Callable
from dataclasses import replace
from random import Random

import polars as pl
import pytest

from fwlens.catalog import load
from fwlens.certificate import certify
from fwlens.certificate.bound import fooling
from fwlens.certificate.evidence import flows, rows
from fwlens.certificate.ground import Ground
from fwlens.match import match
from fwlens.proof import Asked, Certificate
from fwlens.recommend import Options, recommend, subnet
from fwlens.rule import Conversation, Endpoint, Platform, Rule, Service, Unsaid
from tests.plain import NIGHT as NIGHTFALL
from tests.plain import Seen, frame, service_tags

KNOWN = load().requirements
BY_ID = {requirement.id: requirement for requirement in KNOWN}
TAGS = service_tags()

NIGHT = [
    *(Seen(src=src, host=host) for src in ("10.20.1.4", "10.20.1.5") for host in ("pypi.org", "repo.anaconda.com")),
    *(Seen(src="10.20.1.4", host=host) for host in ("huggingface.co", "acct.blob.core.windows.net")),
    Seen(src="10.20.1.8", host="security.ubuntu.com", service="http/80"),
    Seen(src="10.20.1.9", host="p.westeurope.batch.azure.com"),
    Seen(ip="203.0.113.20", service="udp/5831"),
    Seen(src="10.20.1.5", ip="203.0.113.70", service="tcp/443"),
    Seen(src="10.20.1.5", ip="203.0.113.70", service="udp/443"),
    Seen(ip="203.0.113.130", service="tcp/443", plane="nsg", cause="deny rule", rule="DenyInternet"),
    Seen(src="203.0.113.20", ip="10.20.1.4", service="tcp/44224", direction="inbound", plane="nsg"),
    # never a rule
    Seen(src="10.20.1.4", host="wandb.example"),
    Seen(src="10.20.1.5", host="evil.pypi.org.example"),
    Seen(src="10.20.1.6", host="pypi.org", cause="threat intelligence"),
    Seen(src="10.20.1.8", host="evilsecurity.ubuntu.com", service="http/80"),
    Seen(src="10.20.1.5", ip="198.51.100.9", service="tcp/22"),
]
MATCHED = match(frame(NIGHT), KNOWN, tags=TAGS)
SAID = recommend(MATCHED, KNOWN, tags=TAGS)
RULES = [one.rule for one in SAID.rules]


def check(rules: list[Rule], lower_bound: int = SAID.lower_bound, asked: Asked = Asked()) -> Certificate:
    return certify(rules, MATCHED, KNOWN, tags=TAGS, lower_bound=lower_bound, asked=asked)


def of(host: str) -> int:
    """The number of the rule that names a destination or source."""
    return next(
        i for i, rule in enumerate(RULES) if any(str(end) == host for end in (*rule.sources, *rule.destinations))
    )


def swapped(number: int, rule: Rule) -> list[Rule]:
    return [rule if i == number else other for i, other in enumerate(RULES)]


def ends(*texts: str) -> tuple[Endpoint, ...]:
    return tuple(sorted(map(Endpoint.parse, texts), key=lambda end: end.sort_key))


def services(*texts: str) -> tuple[Service, ...]:
    return tuple(sorted(map(Service.parse, texts)))


def test_what_the_recommender_says_holds() -> None:
    proven = check(RULES)
    assert proven.faults == ()
    assert (proven.complete, proven.sound, proven.irredundant) == (True, True, True)
    assert (proven.rules, proven.lower_bound, proven.surplus) == (len(RULES), SAID.lower_bound, 0)
    assert set(proven.surplus_of.values()) == {0}


PYPI, APT, BATCH = of("pypi.org"), of("security.ubuntu.com"), of("*.westeurope.batch.azure.com")
AML, TAG = of("tag:AzureMachineLearning"), of("tag:BatchNodeManagement.WestEurope")
STORAGE, INBOUND = of("tag:Storage.WestEurope"), next(i for i, rule in enumerate(RULES) if rule.direction == "inbound")

PLANTED: dict[str, Callable[[], list[Rule]]] = {
    "a source widened to its network": lambda: swapped(PYPI, replace(RULES[PYPI], sources=ends("10.20.1.0/29"))),
    "a source that was refused": lambda: swapped(PYPI, replace(RULES[PYPI], sources=ends("10.20.1.4", "10.20.1.5", "10.20.1.6"))),
    "a source that was never seen": lambda: swapped(APT, replace(RULES[APT], sources=ends("10.20.1.8", "10.20.77.7"))),
    "a source that needed something else": lambda: swapped(APT, replace(RULES[APT], sources=ends("10.20.1.8", "10.20.1.9"))),
    "any source": lambda: swapped(APT, replace(RULES[APT], sources=ends("*"))),
    "a source dropped": lambda: swapped(PYPI, replace(RULES[PYPI], sources=ends("10.20.1.5"))),
    "a port swapped": lambda: swapped(APT, replace(RULES[APT], services=services("http/8080"))),
    "a port added": lambda: swapped(PYPI, replace(RULES[PYPI], services=services("https/443", "https/8443"))),
    "a port widened to a range": lambda: swapped(AML, replace(RULES[AML], services=services("udp/5830-5832"))),
    "a protocol swapped": lambda: swapped(AML, replace(RULES[AML], services=services("tcp/5831"))),
    "http where https was needed": lambda: swapped(PYPI, replace(RULES[PYPI], services=services("http/443"))),
    "a protocol dropped": lambda: swapped(TAG, replace(RULES[TAG], services=services("tcp/443"))),
    "a rule dropped": lambda: RULES[1:],
    "every rule dropped": list,
    "a rule doubled under another shape": lambda: [*RULES, replace(RULES[PYPI], sources=ends("10.20.1.4"))],
    "a cross product of two rules": lambda: [
        *(rule for i, rule in enumerate(RULES) if i not in (PYPI, APT)),
        replace(
            RULES[PYPI],
            sources=ends(*map(str, (*RULES[PYPI].sources, *RULES[APT].sources))),
            destinations=ends(*map(str, (*RULES[PYPI].destinations, *RULES[APT].destinations))),
            services=services("https/443", "http/80"),
        ),
    ],
    "a destination dropped": lambda: swapped(PYPI, replace(RULES[PYPI], destinations=ends("pypi.org"))),
    "a destination that nobody asked for": lambda: swapped(
        PYPI, replace(RULES[PYPI], destinations=ends("pypi.org", "*.anaconda.com", "wandb.example"))
    ),
    "a wildcard too wide": lambda: swapped(BATCH, replace(RULES[BATCH], destinations=ends("*.batch.azure.com"))),
    "a wildcard over a whole top level": lambda: swapped(PYPI, replace(RULES[PYPI], destinations=ends("*.pypi.org", "*.co.uk"))),
    "a wildcard that swallows a refused twin": lambda: swapped(
        APT, replace(RULES[APT], destinations=ends("*.ubuntu.com"))
    ),
    "a wildcard in place of the account that was seen": lambda: [
        *RULES,
        replace(RULES[PYPI], sources=ends("10.20.1.4"), destinations=ends("*.blob.core.windows.net")),
    ],
    "a tag too wide": lambda: swapped(STORAGE, replace(RULES[STORAGE], destinations=ends("tag:Storage"))),
    "the tag of all of Azure": lambda: swapped(STORAGE, replace(RULES[STORAGE], destinations=ends("tag:AzureCloud"))),
    "the tag of another region": lambda: swapped(
        STORAGE, replace(RULES[STORAGE], destinations=ends("tag:Storage.NorthEurope"))
    ),
    "an address in place of a tag": lambda: swapped(TAG, replace(RULES[TAG], destinations=ends("203.0.113.64/28"))),
    "an undocumented address": lambda: [
        *RULES,
        replace(RULES[TAG], destinations=ends("198.51.100.9"), services=services("tcp/22")),
    ],
    "a direction turned": lambda: swapped(
        INBOUND,
        replace(
            RULES[INBOUND],
            direction="outbound",
            sources=RULES[INBOUND].destinations,
            destinations=RULES[INBOUND].sources,
        ),
    ),
    "a rule on the wrong platform": lambda: swapped(STORAGE, replace(RULES[STORAGE], platform="azure-firewall", layer="network")),
    "a layer that holds no such thing": lambda: swapped(TAG, replace(RULES[TAG], layer="application")),
}  # fmt: skip


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_fault_is_caught(planted: str) -> None:
    proven = check(PLANTED[planted]())
    assert proven.faults
    assert not (proven.complete and proven.sound and proven.irredundant)


def test_a_bound_that_cannot_be_is_caught_and_a_weaker_one_than_is_proven_here_is_left_behind() -> None:
    many = len(RULES)
    told = f"The lower bound is stale: it says {many + 1}, and these are {many} rules."
    assert check(RULES, lower_bound=many + 1).faults == (told,)
    assert (check(RULES, lower_bound=1).faults, check(RULES, lower_bound=1).lower_bound) == ((), many)


def test_faults_are_said_in_plain_words() -> None:
    rules = swapped(PYPI, replace(RULES[PYPI], sources=ends("10.20.1.5", "10.20.1.6")))
    name = rules[PYPI].id
    assert check(rules).faults == (
        "10.20.1.4 to pypi.org over https/443 stays blocked.",
        "10.20.1.4 to repo.anaconda.com over https/443 stays blocked.",
        f"10.20.1.6 to pypi.org over https/443 is allowed by {name} and must not be: refused because of threat intelligence.",
        f"Rule {name}: 10.20.1.6 was not seen to need anything.",
        f"Rule {name} allows 2 combinations that were not seen.",
        f"Rule {name}: no needed flow depends on 10.20.1.6.",
    )


def test_an_idle_rule_is_named() -> None:
    idle = Rule("azure-firewall", "application", "outbound", ends("10.20.1.4"), ends("pypi.org"), services("https/443"))
    assert f"Rule {idle.id} is idle: no needed flow depends on it." in check([*RULES, idle]).faults


def left(platform: Platform, source: str, destination: str, service: str, why: str = "a reason") -> Unsaid:
    """A conversation that an answer leaves blocked."""
    flow = Conversation(source, destination, service, "outbound", 1, NIGHTFALL, NIGHTFALL)
    return Unsaid(flow, platform, "", why)


@pytest.mark.parametrize(
    ("seen", "platform"),
    [
        (Seen(src="fd10::4", host="pypi.org"), None),
        (Seen(host="ntp.ubuntu.com", service="udp/123"), None),
        (Seen(host="pypi.org"), "nsg"),
        (Seen(host="acct.blob.core.windows.net"), "aml-managed-network"),
        (Seen(ip="203.0.113.20", service="udp/5831"), "aml-managed-network"),
        (Seen(ip="203.0.113.70", service="tcp/443", plane="nsg", device="/providers/microsoft.network/networkmanagers/m"), None),
    ],
)  # fmt: skip
def test_a_flow_that_no_rule_of_its_plane_can_allow_may_be_handed_back(seen: Seen, platform: Platform | None) -> None:
    matched, asked = match(frame([seen]), KNOWN, tags=TAGS), Asked(platform)
    flow = (seen.src, seen.host or seen.ip or "", seen.service)
    assert certify([], matched, KNOWN, tags=TAGS, asked=asked).faults == (
        "{} to {} over {} stays blocked.".format(*flow),
    )
    back = [left(platform or seen.plane, *flow)]  # type: ignore[arg-type]
    assert certify([], matched, KNOWN, tags=TAGS, asked=asked, handed_back=back).faults == ()


def test_a_flow_that_a_rule_can_allow_is_not_handed_back() -> None:
    without = [rule for i, rule in enumerate(RULES) if i != APT]
    back = [left("azure-firewall", "10.20.1.8", "security.ubuntu.com", "http/80")]
    proven = certify(without, MATCHED, KNOWN, tags=TAGS, handed_back=back)
    assert (proven.complete, proven.faults) == (
        False,
        (
            "10.20.1.8 to security.ubuntu.com over http/80 is handed back and need not be: Azure Firewall can hold a "
            "rule for security.ubuntu.com, and that allows nothing it must not.",
        ),
    )


@pytest.mark.parametrize("other", [
    Seen(host="pypi.org", cause="threat intelligence"),
    Seen(host="pypi.org", cause="intrusion prevention"),
])  # fmt: skip
def test_a_flow_whose_rule_would_allow_a_refused_one_is_handed_back(other: Seen) -> None:
    matched = match(frame([Seen(host="pypi.org"), other]), KNOWN)
    back = [left("azure-firewall", "10.20.1.4", "pypi.org", "https/443")]
    assert certify([], matched, KNOWN, handed_back=back).faults == ()
    elsewhere = match(frame([Seen(host="pypi.org"), replace(other, src="10.20.1.5")]), KNOWN)
    assert not certify([], elsewhere, KNOWN, handed_back=back).complete
    subnets = Asked(subnets=(subnet("10.20.1.0/24"),))  # a rule for the address alone allows nothing else
    assert not certify([], elsewhere, KNOWN, asked=subnets, handed_back=back).complete


def test_what_is_handed_back_on_one_plane_stays_blocked_on_the_other() -> None:
    """The firewall holds no IPv6, and the NSG does."""
    seen = [Seen(src="fd10::4", ip="fd10::9", service="tcp/443", plane=plane) for plane in ("azure-firewall", "nsg")]
    matched = match(frame(seen), KNOWN)
    flow = ("fd10::4", "fd10::9", "tcp/443")
    assert certify([], matched, KNOWN, handed_back=[left("azure-firewall", *flow)]).faults == (
        "fd10::4 to fd10::9 over tcp/443 stays blocked.",
    )
    said = recommend(matched, KNOWN)
    rules = [one.rule for one in said.rules]
    assert (len(rules), certify(rules, matched, KNOWN, handed_back=said.unsaid).faults) == (1, ())


def test_an_entry_without_a_reason_or_a_need_is_told() -> None:
    matched = match(frame([Seen(src="fd10::4", host="pypi.org")]), KNOWN)
    flow = ("fd10::4", "pypi.org", "https/443")
    assert certify([], matched, KNOWN, handed_back=[left("azure-firewall", *flow, why=" ")]).faults == (
        "fd10::4 to pypi.org over https/443 is handed back without a reason.",
    )
    back = [left("azure-firewall", *flow), left("azure-firewall", "fd10::5", *flow[1:]), left("nsg", *flow)]
    assert certify([], matched, KNOWN, handed_back=back).faults == (
        "fd10::5 to pypi.org over https/443 is handed back for azure-firewall, and no flow of these logs needs it there.",
        "fd10::4 to pypi.org over https/443 is handed back for nsg, and no flow of these logs needs it there.",
    )


def test_surplus_counts_what_is_allowed_and_was_not_seen_exactly_and_once() -> None:
    asked = Asked(subnets=(subnet("10.20.1.0/24"),))
    wide = replace(RULES[APT], sources=ends("10.20.1.0/24"))
    proven = check(swapped(APT, wide), asked=asked)
    assert proven.sound
    assert (proven.surplus, proven.surplus_of[wide.id]) == (255, 255)
    twice = [*swapped(APT, wide), replace(wide, sources=ends("10.20.1.0/25"))]
    assert check(twice, asked=asked).surplus == 255


def test_a_rule_of_the_managed_network_is_charged_for_the_port_that_it_cannot_leave_out() -> None:
    matched = match(frame([Seen(host="pypi.org")]), KNOWN)
    rules = [one.rule for one in recommend(matched, KNOWN, platform="aml-managed-network").rules]
    proven = certify(rules, matched, KNOWN, asked=Asked(platform="aml-managed-network"))
    assert (proven.faults, proven.surplus) == ((), 1)


def test_nothing_needed_and_no_rule_is_a_set_that_holds() -> None:
    matched = match(frame([Seen(host="wandb.example")]), KNOWN)
    assert certify([], matched, KNOWN) == Certificate(True, True, True, 0, 0, 0, {})


def test_hundreds_of_random_edits_are_all_caught() -> None:
    """Any single change of an atom breaks completeness, soundness or irredundance: the set is a local optimum."""
    random = Random(11)
    pool = [
        Endpoint.parse(text)
        for text in ("10.20.1.77", "10.20.1.6", "wandb.example", "*.evil.example", "tag:Sql", "8.8.8.8")
    ]
    for _ in range(300):
        number = random.randrange(len(RULES))
        rule = RULES[number]
        side = random.choice(("sources", "destinations", "services"))
        values = list(getattr(rule, side))
        other = Service(values[0].protocol, 9, 9) if side == "services" else random.choice(pool)
        drop = random.random() < 0.5 and len(values) > 1
        changed = [*values[1:]] if drop else [*values[: random.choice((0, len(values)))], other]
        if changed == values:
            continue
        sides = {name: getattr(rule, name) for name in ("sources", "destinations", "services")} | {side: tuple(changed)}
        edited = Rule(rule.platform, rule.layer, rule.direction, **sides)
        proven = check(swapped(number, edited), lower_bound=0)
        assert proven.faults, edited


def test_the_check_takes_hundreds_of_thousands_of_undocumented_flows_in_its_stride() -> None:
    noise = pl.concat([frame([Seen(src="10.20.1.4", host="wandb.example")])] * 300_000)
    noise = noise.with_columns(dst_fqdn=pl.concat_str(pl.lit("h"), pl.int_range(pl.len()), pl.lit(".example")))
    many = match(pl.concat([frame(NIGHT), noise]), KNOWN, tags=TAGS)
    assert certify(RULES, many, KNOWN, tags=TAGS, lower_bound=SAID.lower_bound).faults == ()


def test_addresses_that_a_rule_writes_as_one_network_are_each_documented_and_a_wider_one_is_not() -> None:
    """Private endpoints side by side: `10.20.5.8/31` in the rule."""
    matched = match(frame([Seen(ip=ip, service="tcp/445", plane="nsg") for ip in ("10.20.5.8", "10.20.5.9")]), KNOWN)
    (rule,) = [one.rule for one in recommend(matched, KNOWN).rules]
    assert str(rule) == "nsg outbound 10.20.1.4 10.20.5.8/31 tcp/445"
    proven = certify([rule], matched, KNOWN, lower_bound=1)
    assert (proven.faults, proven.sound, proven.surplus) == ((), True, 0)
    wide = replace(rule, destinations=ends("10.20.5.8/30"))
    assert certify([wide], matched, KNOWN).faults == (
        f"Rule {wide.id}: no needed flow went to 10.20.5.8/30, and no document of their needs names it.",
        f"Rule {wide.id} allows 2 combinations that were not seen.",
    )


def test_a_range_of_ports_that_a_document_states_takes_in_the_port_that_was_seen() -> None:
    seen = [Seen(src="203.0.113.70", ip="10.20.1.4", service="tcp/29877", direction="inbound", plane="nsg")]
    matched = match(frame(seen), KNOWN, tags=TAGS)
    rules = [one.rule for one in recommend(matched, KNOWN, tags=TAGS).rules]
    assert [str(rule) for rule in rules] == ["nsg inbound tag:BatchNodeManagement.WestEurope 10.20.1.4 tcp/29877"]
    assert certify(rules, matched, KNOWN, tags=TAGS).faults == ()


def test_a_tag_that_would_do_by_document_takes_nothing_away_from_the_name_that_was_seen() -> None:
    """One source asked by name and by address: both rules are needed, and the one by address cannot stand for both."""
    seen = [Seen(host="p.westeurope.batch.azure.com"), Seen(ip="203.0.113.70", service="tcp/443")]
    matched = match(frame(seen), KNOWN, tags=TAGS)
    rules = [one.rule for one in recommend(matched, KNOWN, tags=TAGS).rules]
    assert len(rules) == 2
    assert certify(rules, matched, KNOWN, tags=TAGS, lower_bound=2).faults == ()
    by_tag = [rule for rule in rules if rule.layer == "network"]
    assert certify(by_tag, matched, KNOWN, tags=TAGS).complete


@pytest.mark.parametrize("platform", ["nsg", "aml-managed-network"])
def test_a_bound_takes_no_flows_apart_that_one_tag_allows(platform: Platform) -> None:
    """Names and addresses of one need, two storage addresses, two ports of one host: one rule each all the same."""
    seen = [
        *(Seen(src=src, host="acct.blob.core.windows.net") for src in ("10.20.1.4", "10.20.1.5")),
        *(Seen(src="10.20.1.6", ip=ip, service="tcp/443") for ip in ("203.0.113.130", "203.0.113.131")),
        *(
            Seen(src=src, host="security.ubuntu.com", service=over)
            for src, over in (("10.20.1.4", "http/80"), ("10.20.1.9", "https/443"))
        ),
    ]
    matched = match(frame(seen), KNOWN, tags=TAGS)
    said = recommend(matched, KNOWN, platform=platform, tags=TAGS, options=Options(region="WestEurope"))
    back = said.unsaid
    asked = Asked(platform, "WestEurope")
    rules = [one.rule for one in said.rules]
    proven = certify(rules, matched, KNOWN, tags=TAGS, asked=asked, handed_back=back, lower_bound=said.lower_bound)
    assert (proven.faults, proven.lower_bound) == ((), len(rules))


def test_a_bound_takes_no_host_apart_from_the_pattern_that_its_source_needs_too() -> None:
    """One rule for the pattern, from both sources, allows all three; the host by itself would take another."""
    seen = [Seen(host=host) for host in ("transfer.xethub.hf.co", "a.xethub.hf.co")]
    seen.append(Seen(src="10.20.1.5", host="a.xethub.hf.co"))
    matched = match(frame(seen), KNOWN, tags=TAGS)
    for asked in (Asked(), Asked(at_most=9)):
        ground = Ground(tuple(flows(rows(matched, None), BY_ID, TAGS, None)), BY_ID, asked)
        assert fooling(ground, [(flow, True) for flow in ground.needed], {}) == 1
