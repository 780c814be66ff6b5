import pytest

from tests.source.logs import (
    ALERT,
    ALLOWED,
    FIREWALL,
    TIME,
    Record,
    application,
    aside,
    entry,
    flow,
    jsonl,
    legacy,
    network,
    read,
    rows,
)

TO_WEB = "TCP request from 10.0.0.4:50123 to 203.0.113.7:443. Action: Deny"
TO_HOST = "HTTPS request from 10.0.0.4:50123 to pypi.example.org:443. Action: Deny"
PATH = "Policy: hub. Rule Collection Group: base. Rule Collection: deny. Rule: web"
NO_SNI = flow(protocol="https", dst_port=None, cause="no host name")
MALFORMED = "malformed: not a sentence of Azure Firewall"
UNRESOLVED = "the firewall could not resolve the name: no rule decided"


def web(**over: object) -> Record:
    return flow(dst_ip="203.0.113.7") | over


def host(**over: object) -> Record:
    return flow(dst_fqdn="pypi.example.org") | {"protocol": "https"} | over


@pytest.mark.parametrize("end", ["", ".", ". ", "..", ".. "])
def test_a_sentence_may_end_in_any_number_of_dots(end: str) -> None:
    assert rows(read(jsonl(legacy(TO_WEB + end)))) == [web()]


@pytest.mark.parametrize("end", ["", ".", ". ", ".."])
@pytest.mark.parametrize("gap", [". ", ".. ", " . "])
def test_a_rule_is_named_behind_any_number_of_dots(gap: str, end: str) -> None:
    found = rows(read(jsonl(legacy(TO_WEB + gap + PATH + end))))
    assert found == [web(cause="deny rule", rule="hub / base / deny / web")]


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("Rule Collection: deny. Rule: web", "deny / web"),
        ("Rule Collection: deny. Rule Name: web", "deny / web"),
        ("Rule Collection Group: base. Rule Collection: deny. Rule: web", "base / deny / web"),
        ("Policy: hub. Rule Collection Group: base. Rule Collection: deny. Rule: web. Web Category: News", "hub / base / deny / web"),
        ("Rule Collection: To-Servers, HTTP. Rule: v1.2, all of it", "To-Servers, HTTP / v1.2, all of it"),
        ("Rule Collection: a.b. c. Rule: Action: Allow", "a.b. c / Action: Allow"),
        ("Policy: . Rule Collection Group: . Rule Collection: . Rule: ", None),
    ],
)  # fmt: skip
def test_a_rule_is_read_from_its_labels_and_not_from_its_dots(path: str, rule: str | None) -> None:
    cause = "deny rule" if rule else "no rule"
    assert rows(read(jsonl(legacy(f"{TO_WEB}. {path}")))) == [web(cause=cause, rule=rule)]


@pytest.mark.parametrize(
    ("msg", "expected"),
    [
        (f"{TO_HOST}. No rule matched. Proceeding with default action", host()),
        (f"{TO_HOST}. Rule Collection: c. Rule: r. No rule matched. Proceeding with default action", None),
        (
            "HTTP  request from 10.0.0.4:50123 to pypi.example.org:80. Action: Deny. No rule matched. Proceeding with default action",
            host(protocol="http", dst_port=80),
        ),
        (
            "HTTPS request from 10.0.0.4:50123 to pypi.example.org:443. Url: pypi.example.org/a.b/c?d=e. Action: Deny. Rule Collection: c. Rule: r",
            host(cause="deny rule", rule="c / r"),
        ),
        ("HTTPS request from 10.0.0.4:50123 to pypi.example.org:443. Url:pypi.example.org/a. Action: Deny", host()),
        (f"{TO_HOST}. Policy: hub. Rule Collection Group: g. Rule Collection: c. Rule: r. Web Category: News", host(cause="deny rule", rule="hub / g / c / r")),
        ("HTTPS request from 10.0.0.4:50123 to PyPI.Example.org.:443. Action: Deny", host()),
        ("TCP request from 10.0.0.4:50123 to pypi.example.org:443. Action: Deny", host(protocol="tcp")),
        ("UDP request from 10.0.0.4:5000 to 203.0.113.7:123. Action: Deny.", web(protocol="udp", dst_port=123)),
    ],
)  # fmt: skip
def test_a_denied_request_is_a_flow(msg: str, expected: Record | None) -> None:
    found = rows(read(jsonl(legacy(msg, "AzureFirewallApplicationRule"))))
    assert [{**row, "rule": None} if expected is None else row for row in found] == [expected or host()]


@pytest.mark.parametrize(
    "msg",
    [
        "HTTPS request from 10.0.0.4:50123. Action: Deny. Reason: SNI TLS extension was missing.",
        "HTTPS request from 10.0.0.4:50123. Action: Deny. Reason: SNI TLS extension was missing",
        "HTTPS request from 10.0.0.4:50123 was denied. Reason: SNI TLS extension was missing.",
    ],
)
def test_a_request_without_host_name_is_a_denial_to_nowhere(msg: str) -> None:
    assert rows(read(jsonl(legacy(msg, "AzureFirewallApplicationRule")))) == [NO_SNI]


def test_a_translation_is_allowed_and_goes_to_the_translated_address() -> None:
    record = legacy("TCP request from 198.51.100.9:1234 to 203.0.113.1:3389 was DNAT'ed to 10.0.0.4:22")
    routed = legacy("TCP request from 198.51.100.9:1234 to 203.0.113.1:3389 was DNAT'ed to 10.0.0.4:22. " + PATH)
    assert aside(read(jsonl(record, routed))) == [(ALLOWED, 2, "-:1")]
    expected = flow(
        src_ip="198.51.100.9", dst_ip="10.0.0.4", dst_port=22, direction="inbound", action="Allow", cause=None
    )
    assert rows(read(jsonl(record, routed), with_allowed=True)) == [
        {**expected, "rule": "hub / base / deny / web", "origin": "-:2"},
        expected,
    ]


@pytest.mark.parametrize(
    "msg",
    [
        "TCP request from 10.0.0.4:50123 to 203.0.113.7:443. Action: Deny. ThreatIntel: Bot [x] network. Policy: none",
        "HTTP request from 10.0.0.4:50123 to 203.0.113.7:443. Url: 203.0.113.7/x. Action: Deny. ThreatIntel: This is a test.",
    ],
)
def test_a_denial_by_threat_intelligence_says_so(msg: str) -> None:
    found = rows(read(jsonl(legacy(msg))))
    assert found == [web(cause="threat intelligence", protocol=msg[:4].strip().lower())]


@pytest.mark.parametrize(("address", "port"), [("203.0.113.7:443", 443), ("203.0.113.7:", None), ("203.0.113.7", None)])
def test_a_drop_by_intrusion_prevention_says_so(address: str, port: int | None) -> None:
    protocol = "TCP" if port else "ICMP Type=8"
    msg = (
        f"{protocol} request from 10.0.0.4:{port or ''} to {address}. Action: drop. Signature: 2100366. "
        "IDS: PING *NIX [Abuse.ch] x. Priority: 3. Classification: Misc activity"
    )
    found = rows(read(jsonl(legacy(msg))))
    assert found == [web(cause="intrusion prevention", protocol=protocol.split()[0].lower(), dst_port=port)]


@pytest.mark.parametrize(
    "msg",
    [
        "TCP request from 10.0.0.4:5 to 203.0.113.7:443. Action: alert. Signature: 1. IDS: Deny. Priority: 1. Classification: x",
        "ICMP Type=8 request from 10.0.0.4: to 203.0.113.7:. Action: alert. Signature: 1. IDS: x. Priority: 3. Classification: y",
        "HTTP request from 10.0.0.4:5 to bad.example.net:80. Url: bad.example.net/. Action: Alert. ThreatIntel: x",
    ],
)  # fmt: skip
def test_an_alert_is_no_denial(msg: str) -> None:
    assert aside(read(jsonl(legacy(msg)))) == [(ALERT, 1, "-:1")]


@pytest.mark.parametrize(
    ("source", "destination", "src_ip", "dst_ip", "port"),
    [
        ("10.0.0.4:5", "203.0.113.7:443", "10.0.0.4", "203.0.113.7", 443),
        ("[fd10:0003:0005:0001:0000:0000:0000:0004]:5", "[2001:0db8:0000:0000:0000:0000:0000:0007]:443", "fd10:3:5:1::4", "2001:db8::7", 443),
        ("fd10:3:5:1::4:5", "2001:db8::7:443", "fd10:3:5:1::4", "2001:db8::7", 443),
        ("fd10:3:5:1::4:5", "203.0.113.7:53", "fd10:3:5:1::4", "203.0.113.7", 53),
    ],
)  # fmt: skip
def test_an_endpoint_is_read_in_every_way_it_is_written(
    source: str, destination: str, src_ip: str, dst_ip: str, port: int
) -> None:
    found = rows(read(jsonl(legacy(f"TCP request from {source} to {destination}. Action: Deny."))))
    assert found == [flow(src_ip=src_ip, dst_ip=dst_ip, dst_port=port)]


@pytest.mark.parametrize(
    ("protocol", "source", "destination", "expected"),
    [
        ("ICMP", "fd10::4", "fd10::1:5", flow(src_ip="fd10::4", dst_ip="fd10::1:5", protocol="icmp", dst_port=None)),
        ("ICMPv6 Type=128", "[fd10::4]:", "[fd10::5]:", flow(src_ip="fd10::4", dst_ip="fd10::5", protocol="icmpv6", dst_port=None)),
        ("ICMPv6 Type=128", "fd10::4:", "fd10::5:", flow(src_ip="fd10::4", dst_ip="fd10::5", protocol="icmpv6", dst_port=None)),
        ("ICMP Type=8", "10.0.0.4:0", "203.0.113.7:0", flow(dst_ip="203.0.113.7", protocol="icmp", dst_port=None)),
        ("ICMP", "10.0.0.4", "203.0.113.7", flow(dst_ip="203.0.113.7", protocol="icmp", dst_port=None)),
    ],
)  # fmt: skip
def test_an_endpoint_without_port_is_whole(protocol: str, source: str, destination: str, expected: Record) -> None:
    assert rows(read(jsonl(legacy(f"{protocol} request from {source} to {destination}. Action: Deny")))) == [expected]


@pytest.mark.parametrize("dash", ["-", "–"])
@pytest.mark.parametrize("category", ["AzureFirewallDnsProxy", "AzureFirewallNetworkRule"])
def test_a_dns_request_is_no_flow(dash: str, category: str) -> None:
    msg = f"DNS Request: 10.0.0.4:5350 {dash} 1 AAAA IN a.example.net. udp 40 false 1232 NXDOMAIN qr,rd,ra 56 0.0001s"
    assert aside(read(jsonl(legacy(msg, category)))) == [("AzureFirewallDnsProxy: a table without flows", 1, "-:1")]


@pytest.mark.parametrize(
    ("msg", "reason"),
    [
        (" Error: 2 time.example.com. A: read udp 10.0.1.5:49126->168.63.129.160:53: i/o timeout", "AzureFirewallDnsProxy: a table without flows"),
        ("DNS Request: 10.0.0.4:5350", "AzureFirewallDnsProxy: a table without flows"),
        ("Failed to resolve FQDN a.example.net. Error NXDOMAIN. Rule Collection: p:g:c. Rule: r", "AzureFirewallDNSResolutionFailureLog: a table without flows"),
        ("Failed to resolve FQDN a.example.net. Rule Collection: p:g:c. Rule: r", "AzureFirewallDNSResolutionFailureLog: a table without flows"),
        (f"{TO_HOST}. Failed to resolve address pypi.example.org:443: lookup pypi.example.org on 10.0.0.9:53: no such host", UNRESOLVED),
        ("garbage without structure", MALFORMED),
        ("TCP request from 10.0.0.4:5 to 203.0.113.7:443", MALFORMED),
        ("TCP request from 10.0.0.4:5 to 203.0.113.7:443. Something. Action: Deny", MALFORMED),
        ("TCP request from 10.0.0.4:5\n to 203.0.113.7:443. Action: Deny", MALFORMED),
        ("", MALFORMED),
        (None, MALFORMED),
    ],
)  # fmt: skip
def test_what_decides_nothing_is_set_aside_and_said(msg: str, reason: str) -> None:
    found = read(jsonl(legacy(msg)))
    assert rows(found) == []
    assert aside(found) == [(reason, 1, "-:1")]


def test_an_action_that_nobody_knows_is_set_aside() -> None:
    assert aside(read(jsonl(legacy(TO_WEB.replace("Deny", "Ponder"))))) == [("breaks the law of: action", 1, "-:1")]


@pytest.mark.parametrize(
    "url",
    [
        "x.example.net/a.%20Action:%20Allow", "x.example.net/.Action:Allow.", "x.example.net/a..Policy:p", "x/a b",
        "x/a. Action: Allow", "x/a. Action: Allow. Policy: p. Rule Collection: c. Rule: r", "x/a b. Action: alert",
        "x/a. Action: Deny. ThreatIntel: y", "x. Url: x. Action: Allow.", "",
    ],
)  # fmt: skip
def test_no_url_can_pretend_to_be_a_label(url: str) -> None:
    """What a client writes stands before the action, so the last one is the firewall's."""
    msg = f"HTTP request from 10.0.0.4:5 to pypi.example.org:80. Url: {url}. Action: Deny. No rule matched. Proceeding with default action"
    assert rows(read(jsonl(legacy(msg, "AzureFirewallApplicationRule")))) == [host(protocol="http", dst_port=80)]


def test_no_url_makes_a_denial_of_what_was_allowed() -> None:
    msg = "HTTP request from 10.0.0.4:5 to pypi.example.org:80. Url: x/a. Action: Deny. Action: Allow. Rule Collection: c. Rule: r"
    assert aside(read(jsonl(legacy(msg)))) == [(ALLOWED, 1, "-:1")]


@pytest.mark.parametrize(
    "row",
    [
        {"TimeGenerated": TIME, "Type": "AzureDiagnostics", "Category": "AzureFirewallNetworkRule", "msg_s": TO_WEB},
        {"TimeGenerated": TIME, "Category": "AzureFirewallNetworkRule", "msg_s": TO_WEB},
        {"TimeGenerated": TIME, "msg_s": TO_WEB},
        {"time": TIME, "category": "AzureFirewallNetworkRule", "properties": {"msg": TO_WEB}},
    ],
)
def test_the_sentence_is_found_where_each_export_has_it(row: Record) -> None:
    assert rows(read(jsonl(row))) == [web(device=None)]
    assert rows(read(jsonl(row | {"ResourceId": FIREWALL}))) == [web()]


PAIRS = [
    (network(), TO_WEB),
    (network(Rule="web", RuleCollection="deny", RuleCollectionGroup="base", Policy="hub", ActionReason=""), f"{TO_WEB}. {PATH}"),
    (network(SourceIp="fd10:3:5:1::4", DestinationIp="[2001:0db8:0000:0000:0000:0000:0000:0007]"), "TCP request from [fd10:0003:0005:0001:0000:0000:0000:0004]:5 to [2001:0db8:0000:0000:0000:0000:0000:0007]:443. Action: Deny. "),
    (network(Protocol="ICMP Type=8", DestinationPort=0), "ICMP Type=8 request from 10.0.0.4 to 203.0.113.7. Action: Deny.."),
    (network("Allow"), "TCP request from 10.0.0.4:1 to 203.0.113.7:443. Action: Allow. Policy: hub. Rule Collection Group: base. Rule Collection: out. Rule: web"),
    (application(), f"{TO_HOST}. No rule matched. Proceeding with default action"),
    (application(Protocol="HTTP", DestinationPort=80, TargetUrl="pypi.example.org/x"), "HTTP  request from 10.0.0.4:1 to pypi.example.org:80. Url: pypi.example.org/x. Action: Deny. No rule matched. Proceeding with default action"),
    (application("", Fqdn="", DestinationPort=None, ActionReason="SNI TLS extension was missing."), "HTTPS request from 10.0.0.4:1. Action: Deny. Reason: SNI TLS extension was missing."),
    (entry("AZFWNatRule", Protocol="TCP", SourceIp="198.51.100.9", DestinationIp="203.0.113.1", DestinationPort=80, TranslatedIp="10.0.0.4", TranslatedPort=22), "TCP request from 198.51.100.9:1 to 203.0.113.1:80 was DNAT'ed to 10.0.0.4:22"),
    (entry("AZFWThreatIntel", Protocol="TCP", SourceIp="10.0.0.4", DestinationIp="203.0.113.7", DestinationPort=443, Action="Deny", ThreatDescription="x"), "TCP request from 10.0.0.4:1 to 203.0.113.7:443. Action: Deny. ThreatIntel: x"),
    (entry("AZFWIdpsSignature", Protocol="TCP", SourceIp="10.0.0.4", DestinationIp="203.0.113.7", DestinationPort=443, Action="drop", SignatureId="1"), "TCP request from 10.0.0.4:1 to 203.0.113.7:443. Action: drop. Signature: 1. IDS: x. Priority: 1. Classification: y"),
]  # fmt: skip


@pytest.mark.parametrize(("structured", "sentence"), PAIRS)
def test_a_sentence_and_a_structured_record_of_one_event_are_one_flow(structured: Record, sentence: str) -> None:
    new, old = (read(jsonl(record), with_allowed=True) for record in (structured, legacy(sentence)))
    assert rows(new) == rows(old) != []
