from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwlens.errors import FwlensError
from fwlens.rule import PLATFORMS, PORTLESS, TRANSPORT, Endpoint, Evidence, Recommendation, Rule, Service

LABEL = st.from_regex(r"[a-z0-9_]([a-z0-9_-]{0,6}[a-z0-9_])?", fullmatch=True)
TOP = st.sampled_from(["com", "ms", "net", "io", "xn--p1ai", "x1"])
HOST = st.tuples(st.lists(LABEL, min_size=1, max_size=4), TOP).map(lambda parts: ".".join([*parts[0], parts[1]]))
NETWORK = st.one_of(
    st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(
        lambda n: ip_network((n[0] >> (32 - n[1]) << (32 - n[1]), n[1]))
    ),
    st.tuples(st.integers(0, 2**128 - 1), st.integers(0, 128)).map(
        lambda n: ip_network((n[0] >> (128 - n[1]) << (128 - n[1]), n[1]))
    ),
)
TAG = st.sampled_from(["AzureMonitor", "Storage.WestEurope", "storage.westeurope", "AzureFrontDoor.FirstParty"])
TEXT = st.one_of(
    HOST,
    HOST.map("*.{}".format),
    st.tuples(HOST, st.sampled_from(["", "*", "a/b", "a/*", "x~y_z-1.2/*"])).map("/".join),
    NETWORK.map(str),
    TAG.map("tag:{}".format),
    st.just("*"),
    st.sampled_from(["<region>.x.com", "*.<region>.batch.azure.com", "tag:Storage.<region>", "x.com/<region>/*"]),
)
ENDPOINT = TEXT.map(Endpoint.parse)
NEAR = st.sampled_from(
    [
        "x.com",
        "*.x.com",
        "a.x.com",
        "*.a.x.com",
        "b.a.x.com",
        "evilx.com",
        "x.com/*",
        "a.x.com/p",
        "x.com.evil.net",
        "*",
        "10.0.0.0/8",
        "10.1.0.0/16",
        "10.1.2.3",
        "::/0",
        "tag:A",
        "tag:a",
        "tag:A.B",
    ]
).map(Endpoint.parse)


@given(ENDPOINT)
def test_the_notation_of_an_endpoint_comes_back(endpoint: Endpoint) -> None:
    assert Endpoint.parse(str(endpoint)) == endpoint


@pytest.mark.parametrize(
    ("text", "kind", "written"),
    [
        ("*", "any", "*"),
        ("login.x.com", "host", "login.x.com"),
        ("_dmarc.x.com", "host", "_dmarc.x.com"),
        ("xn--bcher-kva.example", "host", "xn--bcher-kva.example"),
        ("*.x.com", "wildcard", "*.x.com"),
        ("x.com/a/*", "url", "x.com/a/*"),
        ("x.com/", "url", "x.com/"),
        ("10.0.0.0/8", "address", "10.0.0.0/8"),
        ("10.0.0.4/32", "address", "10.0.0.4"),
        ("10.0.0.4", "address", "10.0.0.4"),
        ("FD10:0:0::4", "address", "fd10::4"),
        ("fd10::/64", "address", "fd10::/64"),
        ("tag:AzureMonitor", "tag", "tag:AzureMonitor"),
        ("tag:Storage.<region>", "tag", "tag:Storage.<region>"),
    ],
)
def test_an_endpoint_is_of_the_kind_its_notation_says(text: str, kind: str, written: str) -> None:
    endpoint = Endpoint.parse(text)
    assert (endpoint.kind, str(endpoint)) == (kind, written)
    assert endpoint.is_concrete is ("<" not in text)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "x", "localhost", "*x.com", "*.com", "*.*.x.com", "x.*.com", "**", "x.com.", ".x.com", "x..com",
        "X.com", "-x.com",
        "x-.com", "x.com\n", "x.com ", "x .com", "x.c", "x.123", "1.2.3", "1.2.3.256", "10.0.0.1/8", "10.0.0.0/33",
        "tag:", "tag:A b",
        "tag:1x", "tag:A.", "tag:A..B", "x.com/a b", "x.com/$(reboot)", "x.com/a?b", "*.x.com/a", "http://x.com",
        "x.com:443", "größe.com",
        "do\u212aer.io", "x.com;reboot", "$(reboot).com", "a" * 64 + ".com", "a." * 127 + "com", "fe80::1%eth0",
        "fe80::1%$(reboot)",
        "<region>", "10.<region>.0.0/8", "x.com\u202e", "tag:A\n",
    ],
)  # fmt: skip
def test_what_is_no_endpoint_is_refused(text: str) -> None:
    with pytest.raises(FwlensError) as refused:
        Endpoint.parse(text)
    assert str(refused.value) == (
        f"{text!r} is no endpoint: write a host (login.x.com), a pattern (*.x.com), an address or network "
        "(10.0.0.0/8), or a service tag (tag:AzureMonitor)."
    )


@given(NEAR, NEAR, NEAR)
def test_covering_is_reflexive_and_transitive(one: Endpoint, two: Endpoint, three: Endpoint) -> None:
    assert one.covers(one)
    if one.covers(two) and two.covers(three):
        assert one.covers(three)


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("*", "x.com"), ("*", "10.0.0.0/8"), ("*", "tag:A"), ("*", "x.com/a"), ("*.x.com", "a.x.com"),
        ("*.x.com", "b.a.x.com"),
        ("*.x.com", "*.a.x.com"), ("*.x.com", "a.x.com/p"), ("x.com", "x.com/a/*"), ("10.0.0.0/8", "10.1.0.0/16"),
        ("::/0", "fd10::4"),
        ("tag:Storage", "tag:storage"),
    ],
)  # fmt: skip
def test_what_is_wider_covers_and_is_not_covered(wide: str, narrow: str) -> None:
    assert Endpoint.parse(wide).covers(Endpoint.parse(narrow))
    assert Endpoint.parse(narrow).covers(Endpoint.parse(wide)) is (wide == "tag:Storage")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("*.x.com", "x.com"), ("*.x.com", "evilx.com"), ("*.x.com", "x.com.evil.net"), ("*.x.com", "x.com/a"),
        ("*.a.x.com", "*.x.com"),
        ("x.com", "a.x.com"), ("x.com", "evilx.com"), ("x.com", "x.com.evil.net"), ("x.com", "evilx.com/a"),
        ("x.com/a", "x.com/b"),
        ("10.0.0.0/8", "11.0.0.1"), ("10.0.0.0/8", "::/0"), ("0.0.0.0/0", "::1"), ("::/0", "10.0.0.1"),
        ("tag:Storage", "tag:Storage.WestEurope"),
        ("tag:Internet", "10.0.0.1"), ("0.0.0.0/0", "x.com"), ("huggingface.co", "huggingface.co.evil.com"),
        ("*.huggingface.co", "evilhuggingface.co"),
    ],
)  # fmt: skip
def test_what_looks_alike_is_not_covered(one: str, other: str) -> None:
    assert not Endpoint.parse(one).covers(Endpoint.parse(other))


@given(st.lists(HOST, max_size=5), HOST)
def test_a_wildcard_covers_every_depth_and_never_the_bare_name(labels: list[str], host: str) -> None:
    wildcard = Endpoint.parse(f"*.{host}")
    assert not wildcard.covers(Endpoint.parse(host))
    for label in labels:
        assert wildcard.covers(Endpoint.parse(f"{label}.{host}"))
        assert not wildcard.covers(Endpoint.parse(f"evil{host}"))


@given(NETWORK, NETWORK)
def test_networks_cover_each_other_as_in_pythons_ipaddress(one: object, other: object) -> None:
    wide, narrow = ip_network(str(one)), ip_network(str(other))
    expected = wide.version == narrow.version and narrow.subnet_of(wide)  # type: ignore[arg-type]
    assert Endpoint.parse(str(one)).covers(Endpoint.parse(str(other))) is expected


@given(st.lists(ENDPOINT, max_size=6))
def test_endpoints_have_one_order(endpoints: list[Endpoint]) -> None:
    ordered = sorted(set(endpoints), key=lambda endpoint: endpoint.sort_key)
    assert len({endpoint.sort_key for endpoint in ordered if endpoint.kind != "tag"}) == sum(
        endpoint.kind != "tag" for endpoint in ordered
    )
    kinds = [endpoint.kind for endpoint in ordered]
    assert kinds == sorted(kinds, key=["any", "address", "tag", "host", "wildcard", "url"].index)


def test_addresses_are_ordered_by_number_and_not_by_text() -> None:
    texts = ["10.0.0.0/8", "10.0.0.0/24", "9.0.0.1", "100.0.0.1", "::1", "x.com", "tag:A"]
    endpoints = sorted(map(Endpoint.parse, texts), key=lambda endpoint: endpoint.sort_key)
    assert [str(endpoint) for endpoint in endpoints] == [
        "9.0.0.1",
        "10.0.0.0/8",
        "10.0.0.0/24",
        "100.0.0.1",
        "::1",
        "tag:A",
        "x.com",
    ]


PORTS = st.tuples(st.integers(1, 65535), st.integers(1, 65535)).map(sorted)
SERVICE = st.one_of(
    st.sampled_from(PORTLESS).map(Service),
    st.tuples(st.sampled_from(list(TRANSPORT)), PORTS).map(lambda parts: Service(parts[0], *parts[1])),
)


@given(SERVICE)
def test_the_notation_of_a_service_comes_back(service: Service) -> None:
    assert Service.parse(str(service)) == service


@pytest.mark.parametrize(
    ("text", "service", "written"),
    [
        ("tcp/443", Service("tcp", 443, 443), "tcp/443"),
        ("tcp/443-443", Service("tcp", 443, 443), "tcp/443"),
        ("tcp/0443", Service("tcp", 443, 443), "tcp/443"),
        ("udp/3478-3481", Service("udp", 3478, 3481), "udp/3478-3481"),
        ("icmp", Service("icmp"), "icmp"),
        ("https/443", Service("https", 443, 443), "https/443"),
        ("mssql/1433", Service("mssql", 1433, 1433), "mssql/1433"),
        ("tcp/1-65535", Service("tcp", 1, 65535), "tcp/1-65535"),
    ],
)
def test_a_service_is_read_from_its_notation(text: str, service: Service, written: str) -> None:
    assert Service.parse(text) == service
    assert str(service) == written


@pytest.mark.parametrize(
    "text",
    ["", "tcp", "tcp/", "tcp/0", "tcp/65536", "tcp/99999", "tcp/9-8", "tcp/-1", "icmp/8", "smtp/25", "TCP/443",
     "tcp/443 ", "tcp/443\n", "tcp/٤٤٣", "443", "tcp:443", "tcp/1-2-3", "*"]
)  # fmt: skip
def test_what_is_no_service_is_refused(text: str) -> None:
    with pytest.raises(FwlensError) as refused:
        Service.parse(text)
    assert str(refused.value) == (
        f"{text!r} is no service: write a protocol and its ports, such as tcp/443, udp/3478-3481 or icmp."
    )


@given(SERVICE, SERVICE, SERVICE)
def test_carrying_is_reflexive_and_transitive(one: Service, two: Service, three: Service) -> None:
    assert one.carries(one)
    if one.carries(two) and two.carries(three):
        assert one.carries(three)


@pytest.mark.parametrize(
    ("one", "other", "carries"),
    [
        ("tcp/443", "https/443", True), ("https/443", "tcp/443", True), ("tcp/1-1024", "http/80", True),
        ("tcp/443", "tcp/8443", False),
        ("tcp/443", "udp/443", False), ("tcp/80-90", "tcp/85-91", False), ("udp/3478-3481", "udp/3479", True),
        ("icmp", "icmp", True),
        ("icmp", "icmpv6", False), ("ip", "icmp", False), ("tcp/1-65535", "icmp", False),
        ("tcp/1433", "mssql/1433", True),
    ],
)  # fmt: skip
def test_a_service_carries_what_lies_within_its_ports(one: str, other: str, carries: bool) -> None:
    assert Service.parse(one).carries(Service.parse(other)) is carries


RULE = Rule(
    platform="azure-firewall",
    layer="application",
    direction="outbound",
    sources=(Endpoint.parse("10.0.0.0/24"),),
    destinations=(Endpoint.parse("*.x.com"), Endpoint.parse("y.com")),
    services=(Service.parse("https/443"),),
)


def test_a_rule_is_told_in_the_one_notation() -> None:
    assert str(RULE) == "application outbound 10.0.0.0/24 *.x.com,y.com https/443"


ANY, PLACE = (Endpoint.parse(text) for text in ("*", "*.<region>.x.com"))
INCOMPLETE = "A rule needs at least one source, one destination and one service."


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: replace(RULE, sources=()), INCOMPLETE),
        (lambda: replace(RULE, destinations=()), INCOMPLETE),
        (lambda: replace(RULE, services=()), INCOMPLETE),
        (lambda: replace(RULE, destinations=(PLACE,)), "A rule cannot hold the placeholder in *.<region>.x.com."),
        (lambda: replace(RULE, sources=(PLACE,)), "A rule cannot hold the placeholder in *.<region>.x.com."),
        (lambda: replace(RULE, destinations=(ANY,)), "A rule to any destination is never recommended."),
    ],
)
def test_no_rule_can_be_made_that_must_not_be(make: Callable[[], Rule], message: str) -> None:
    with pytest.raises(FwlensError) as refused:
        make()
    assert str(refused.value) == message


def test_a_rule_has_one_name_that_tells_what_it_allows() -> None:
    others = [
        replace(RULE, platform="nsg"), replace(RULE, layer="network"), replace(RULE, direction="inbound"),
        replace(RULE, services=(Service.parse("http/80"),)), replace(RULE, sources=(Endpoint.parse("10.0.1.0/24"),)),
    ]  # fmt: skip
    assert RULE.id == replace(RULE).id
    assert len({RULE.id, *(rule.id for rule in others)}) == 6


def test_rules_have_one_order() -> None:
    rules = [
        replace(RULE, platform=platform, services=(Service("tcp", port, port),))
        for platform in PLATFORMS
        for port in (80, 443)
    ]
    shuffled = [*rules[1::2], *rules[::2]]
    assert sorted(shuffled, key=lambda rule: rule.sort_key) == rules


def test_nouns_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        RULE.platform = "nsg"  # type: ignore[misc]


def test_a_recommendation_doubts_nothing_unless_it_says_so() -> None:
    evidence = Evidence(1, 2, datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 1, 2, tzinfo=UTC))
    assert (Recommendation(RULE, (), evidence).doubts, evidence.devices) == ((), ())
