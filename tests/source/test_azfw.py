import pytest

from tests.source.logs import (
    ALERT,
    ALLOWED,
    FIREWALL,
    Record,
    application,
    aside,
    counted,
    document,
    dump,
    entry,
    flow,
    jsonl,
    network,
    read,
    rows,
)

UNDECIDED = "breaks the law of: action"


def test_a_default_deny_of_a_network_rule_names_no_rule() -> None:
    found = read(jsonl(network()))
    assert rows(found) == [flow(dst_ip="203.0.113.7")]
    assert counted(found) == (1, 1)


def test_a_default_deny_of_an_application_rule_names_the_host() -> None:
    assert rows(read(jsonl(application()))) == [flow(dst_fqdn="pypi.example.org", protocol="https")]


def test_a_denial_by_a_named_rule_says_which() -> None:
    path = {"Policy": "hub", "RuleCollectionGroup": "base", "RuleCollection": "deny.all, really", "Rule": "no web"}
    found = read(jsonl(network(ActionReason="", **path)))
    assert rows(found) == [flow(dst_ip="203.0.113.7", cause="deny rule", rule="hub / base / deny.all, really / no web")]


@pytest.mark.parametrize(
    "over",
    [
        {"ActionReason": "Default Action", "Policy": "hub"},
        {"ActionReason": "No rule matched. Proceeding with default action.", "Policy": "hub"},
    ],
)
def test_the_default_action_is_no_rule_even_where_the_policy_is_named(over: Record) -> None:
    assert rows(read(jsonl(network(**over)))) == [flow(dst_ip="203.0.113.7", rule="hub")]


def test_an_empty_action_with_a_reason_is_a_denial_without_host_name() -> None:
    record = application("", Fqdn="", DestinationPort=12000, ActionReason="SNI TLS extension was missing.")
    assert rows(read(jsonl(record))) == [flow(protocol="https", dst_port=12000, cause="no host name")]


def test_an_empty_action_without_a_reason_decides_nothing() -> None:
    found = read(jsonl(application("", ActionReason="")))
    assert rows(found) == []
    assert aside(found) == [(UNDECIDED, 1, "-:1")]


@pytest.mark.parametrize("table", ["AZFWNatRule", "AZFWNatRuleAggregation"])
def test_a_translation_is_never_a_denial(table: str) -> None:
    record = entry(
        table, Protocol="TCP", SourceIp="198.51.100.9", TranslatedIp="10.0.0.4", TranslatedPort=3389, Rule="r"
    )
    assert aside(read(jsonl(record))) == [(ALLOWED, 1, "-:1")]
    assert rows(read(jsonl(record), with_allowed=True)) == [
        flow(
            src_ip="198.51.100.9", dst_ip="10.0.0.4", dst_port=3389, direction="inbound", action="Allow", cause=None,
            rule="r",
        )
    ]  # fmt: skip


def threat(action: str, **over: object) -> Record:
    return entry(
        "AZFWThreatIntel",
        **{
            "Protocol": "HTTP", "SourceIp": "10.0.0.4", "DestinationIp": "", "DestinationPort": 80,
            "Fqdn": "bad.example.net",
            "TargetUrl": "bad.example.net/x", "Action": action, "ThreatDescription": "botnet",
            "IsTlsInspected": "false",
        } | over,
    )  # fmt: skip


def idps(action: str) -> Record:
    return entry(
        "AZFWIdpsSignature", Protocol="TCP", SourceIp="10.0.0.4", DestinationIp="203.0.113.7", DestinationPort=443,
        Action=action, SignatureId="2008989", Category="Misc [x]", Description="d", Severity=1,
    )  # fmt: skip


def test_a_denial_by_threat_intelligence_says_so() -> None:
    assert rows(read(jsonl(threat("Deny")))) == [
        flow(dst_fqdn="bad.example.net", protocol="http", dst_port=80, cause="threat intelligence")
    ]


@pytest.mark.parametrize(
    "over", [{"TargetUrl": "http://bad.example.net:8080/x?y=z"}, {"TargetUrl": "", "Url": "bad.example.net:8080/x"}]
)
def test_a_host_is_read_from_the_url_where_it_stands_nowhere_else(over: Record) -> None:
    found = rows(read(jsonl(threat("Deny", Fqdn="", **over))))
    assert found == [flow(dst_fqdn="bad.example.net", protocol="http", dst_port=80, cause="threat intelligence")]


def test_a_url_with_a_user_part_yields_no_host() -> None:
    found = read(jsonl(threat("Deny", Fqdn="", TargetUrl="http://pypi.example.org@bad.example.net/")))
    assert aside(found) == [("breaks the law of: plain host name", 1, "-:1")]


@pytest.mark.parametrize("action", ["deny", "drop"])
def test_a_denial_by_intrusion_prevention_says_so(action: str) -> None:
    assert rows(read(jsonl(idps(action)))) == [flow(dst_ip="203.0.113.7", cause="intrusion prevention")]


@pytest.mark.parametrize("record", [threat("Alert"), threat("alert"), idps("alert")])
def test_an_alert_is_no_denial(record: Record) -> None:
    for with_allowed in (False, True):
        found = read(jsonl(record), with_allowed=with_allowed)
        assert rows(found) == []
        assert aside(found) == [(ALERT, 1, "-:1")]


@pytest.mark.parametrize(
    ("category", "table"),
    [
        ("AZFWDnsQuery", "AZFWDnsQuery"),
        ("AZFWDnsAdditional", "AZFWDnsFlowTrace"),
        ("AZFWDnsFlowTrace", "AZFWDnsFlowTrace"),
        ("AZFWFatFlow", "AZFWFatFlow"),
        ("AZFWFlowTrace", "AZFWFlowTrace"),
        ("AZFWFqdnResolveFailure", "AZFWInternalFqdnResolutionFailure"),
        ("AZFWInternalFqdnResolutionFailure", "AZFWInternalFqdnResolutionFailure"),
    ],
)
def test_a_table_without_flows_is_recognised_and_counted(category: str, table: str) -> None:
    record = entry(category, SourceIp="10.0.0.4", Action="Log", ActionReason="Additional TCP Log", Flag="RST")
    for log in (jsonl(network(), record, record), document(network(), record, record)):
        for with_allowed in (False, True):
            found = read(log, with_allowed=with_allowed)
            assert rows(found) == [flow(dst_ip="203.0.113.7")]
            line = 2 if log.count("\n") > 1 else 1
            assert aside(found) == [(f"{table}: a table without flows", 2, f"-:{line}")]


@pytest.mark.parametrize(
    ("protocol", "inspected", "port", "expected"),
    [
        ("HTTP/1.1", True, 443, "https"),
        ("HTTP/1.1", "true", 443, "https"),
        ("HTTP/1.1", "1", 443, "https"),
        ("HTTP/2.0", False, 443, "https"),
        ("HTTP/1.1", False, 80, "http"),
        ("HTTPS", False, 443, "https"),
        ("HTTP", False, 80, "http"),
        ("MSSQL", False, 1433, "mssql"),
    ],
)
def test_inspected_traffic_is_https_however_the_firewall_names_it(
    protocol: str, inspected: object, port: int, expected: str
) -> None:
    found = read(jsonl(application(Protocol=protocol, IsTlsInspected=inspected, DestinationPort=port)))
    assert rows(found) == [flow(dst_fqdn="pypi.example.org", protocol=expected, dst_port=port)]


def test_retries_are_events_of_one_flow() -> None:
    logged = [network(SourcePort=port) | {"time": f"2025-11-26T02:14:{port}Z"} for port in (49, 48, 55, 48)]
    found = read(jsonl(*logged))
    assert [(row["events"], row["first_seen"].second, row["last_seen"].second) for row in rows(found)] == [(4, 48, 55)]
    assert counted(found) == (4, 4)


@pytest.mark.parametrize(
    ("over", "dst_ip", "protocol"),
    [
        ({"Protocol": "ICMP Type=8", "DestinationPort": 0}, "203.0.113.7", "icmp"),
        ({"Protocol": "ICMP", "DestinationPort": None}, "203.0.113.7", "icmp"),
        (
            {"Protocol": "ICMPv6 Type=128", "DestinationPort": 0, "DestinationIp": "2001:db8::7"},
            "2001:db8::7",
            "icmpv6",
        ),
        ({"Protocol": "ESP", "DestinationPort": 0}, "203.0.113.7", "esp"),
    ],
)
def test_a_protocol_without_ports_needs_none(over: Record, dst_ip: str, protocol: str) -> None:
    assert rows(read(jsonl(network(**over)))) == [flow(dst_ip=dst_ip, dst_port=None, protocol=protocol)]


def test_an_expanded_address_in_brackets_is_the_compressed_one() -> None:
    long = network(
        SourceIp="[fd10:0003:0005:0001:0000:0000:0000:0004]", DestinationIp="[2001:0DB8:0000:0000:0000:0000:0000:0007]"
    )
    short = network(SourceIp="fd10:3:5:1::4", DestinationIp="2001:db8::7")
    found = read(jsonl(long, short))
    assert rows(found) == [flow(src_ip="fd10:3:5:1::4", dst_ip="2001:db8::7", events=2)]


@pytest.mark.parametrize("name", ["PyPI.Example.Org", "pypi.example.org.", " pypi.example.org", "PYPI.EXAMPLE.ORG:443"])
def test_a_name_is_one_whatever_its_case_and_trailing_dot(name: str) -> None:
    assert rows(read(jsonl(application(Fqdn=name)))) == [flow(dst_fqdn="pypi.example.org", protocol="https")]


@pytest.mark.parametrize("name", ["203.0.113.7", "[203.0.113.7]", "203.0.113.7:443"])
def test_a_name_that_is_an_address_is_an_address(name: str) -> None:
    assert rows(read(jsonl(application(Fqdn=name)))) == [flow(dst_ip="203.0.113.7", protocol="https")]


@pytest.mark.parametrize("address", ["33.778.136.777", "10.0.0", "example"])
def test_an_impossible_address_is_set_aside(address: str) -> None:
    assert aside(read(jsonl(network(DestinationIp=address)))) == [
        ("breaks the law of: destination address, destination", 1, "-:1")
    ]
    assert aside(read(jsonl(network(SourceIp=address)))) == [("breaks the law of: source address", 1, "-:1")]


def test_a_name_that_the_firewall_could_not_resolve_was_denied_by_no_rule() -> None:
    found = read(jsonl(application(ActionReason="Failed to resolve address: no such host")))
    assert aside(found) == [("the firewall could not resolve the name: no rule decided", 1, "-:1")]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            entry(
                "AZFWNetworkRuleAggregation", Protocol="UDP", SourceIp="10.0.0.4", DestinationIp="203.0.113.7",
                DestinationPort=443, Action="Deny", ActionReason="", IsDefaultRule=True, Rule="default",
                NetworkRuleCount=17,
            ),
            flow(dst_ip="203.0.113.7", protocol="udp", events=17, rule="default"),
        ),
        (
            entry(
                "AZFWApplicationRuleAggregation", Protocol="HTTPS", SourceIp="10.0.0.4", DestinationPort=443,
                Fqdn="pypi.example.org", Action="Deny", ActionReason="Default Action", ApplicationRuleCount="23",
            ),
            flow(dst_fqdn="pypi.example.org", protocol="https", events=23),
        ),
    ],
)  # fmt: skip
def test_an_aggregate_holds_as_many_events_as_it_counts(record: Record, expected: Record) -> None:
    found = read(jsonl(record))
    assert rows(found) == [expected]
    assert counted(found) == (1, 1)


def test_an_allowed_aggregate_holds_its_events_too() -> None:
    record = entry(
        "AZFWNatRuleAggregation", Protocol="TCP", SourceIp="198.51.100.9", TranslatedIp="10.0.0.4", TranslatedPort=22,
        NatRuleCount=5,
    )  # fmt: skip
    assert [row["events"] for row in rows(read(jsonl(record), with_allowed=True))] == [5]


@pytest.mark.parametrize("count", [10**30, "99999999999999999999", -3, 0, "NaN", "", None, 1e300])
def test_a_nonsense_count_is_one_event(count: object) -> None:
    record = network(NetworkRuleCount=count)
    found = read(dump(record))
    assert [row["events"] for row in rows(found)] == [1]


def test_both_an_address_and_a_name_are_kept() -> None:
    assert rows(read(jsonl(application(DestinationIp="203.0.113.7")))) == [
        flow(dst_ip="203.0.113.7", dst_fqdn="pypi.example.org", protocol="https")
    ]


@pytest.mark.parametrize(
    ("record", "table"),
    [
        (threat("Deny"), "threat intelligence"),
        (idps("drop"), "intrusion prevention"),
        (network(), "no rule"),
        (application(), "no rule"),
        (application("", Fqdn="", ActionReason="SNI TLS extension was missing."), "no host name"),
    ],
)
def test_a_row_that_names_no_table_is_known_by_its_columns(record: Record, table: str) -> None:
    """What the portal shows when the column `Type` is hidden; absent texts are empty in a union of tables."""
    union = dict.fromkeys([*threat("")["properties"], *idps("")["properties"], *application("")["properties"]], "")
    for row in (record["properties"], union | record["properties"]):
        found = read(jsonl({"TimeGenerated": record["time"], **row}))
        assert [row["cause"] for row in rows(found)] == [table]


def test_the_resource_is_written_in_lower_case_wherever_it_comes_from() -> None:
    exported = {"TimeGenerated": network()["time"], "_ResourceId": FIREWALL.lower(), "Type": "AZFWNetworkRule"}
    found = read(jsonl(network(), exported | network()["properties"]))
    assert rows(found) == [flow(dst_ip="203.0.113.7", events=2)]


def test_a_rule_name_brings_no_control_or_bidi_characters() -> None:
    found = rows(read(jsonl(network(ActionReason="", Rule="a\x1b[31m\u202eb\u2028c" + "x" * 400))))
    assert [row["rule"] for row in found] == ["a\ufffd[31m\ufffdb\ufffdc" + "x" * (300 - 10)]
