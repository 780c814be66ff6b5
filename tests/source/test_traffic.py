import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.source.logs import (
    ALLOWED,
    NSG,
    SINCE,
    Record,
    aside,
    counted,
    jsonl,
    nsg_analytics,
    nsg_flow,
    nta,
    read,
    rows,
)

DENIED = nsg_flow(rule="denyalloutbound")


@pytest.mark.parametrize("status", ["Denied", "D", "denied"])
@pytest.mark.parametrize(("protocol", "direction"), [("TCP", "Outbound"), ("T", "O"), ("tcp", "outbound")])
def test_documented_and_real_words_mean_the_same(status: str, protocol: str, direction: str) -> None:
    found = read(jsonl(nta(FlowStatus=status, L4Protocol=protocol, FlowDirection=direction)))
    assert rows(found) == [DENIED]
    assert counted(found) == (1, 1)


@pytest.mark.parametrize("status", ["Allowed", "A"])
def test_an_allowed_row_is_counted_and_decoded_only_on_request(status: str) -> None:
    row = nta(FlowStatus=status, AllowedOutFlows=4, DeniedOutFlows=0, DestPublicIps="203.0.113.7|4|4|9|9|99|99")
    assert aside(read(jsonl(row))) == [(ALLOWED, 1, "-:1")]
    found = read(jsonl(row), with_allowed=True)
    assert rows(found) == [DENIED | {"action": "Allow", "cause": None, "events": 4}]


@pytest.mark.parametrize(
    ("denied", "action"), [({"DeniedOutFlows": 2}, "Deny"), ({"DeniedInFlows": 1}, "Deny"), ({}, "Allow")]
)
def test_without_a_status_the_counters_decide(denied: Record, action: str) -> None:
    row = nta(FlowStatus=None, **{"DeniedOutFlows": 0, "AllowedOutFlows": 1} | denied)
    assert [row["action"] for row in rows(read(jsonl(row), with_allowed=True))] == [action]


def test_packed_peers_are_flows_of_one_row() -> None:
    packed = "203.0.113.7|8|0|0|0|0|0 203.0.113.8|2|0|0|0|0|0  [2001:0db8::7]|1|0|0|0|0|0 203.0.113.7|1|0|0|0|0|0"
    found = read(jsonl(nta(DestPublicIps=packed, DeniedOutFlows=12)))
    assert [(row["dst_ip"], row["events"]) for row in rows(found)] == [
        ("2001:db8::7", 1),
        ("203.0.113.7", 9),
        ("203.0.113.8", 2),
    ]
    assert counted(found) == (1, 1)


def test_packed_sources_are_peers_of_an_inbound_row() -> None:
    row = nta(
        SrcIp="", DestIp="10.0.0.4", DestPublicIps="", SrcPublicIps="198.51.100.9|3|0|0|0|0|0 198.51.100.8|0|0|0|0|0|0",
        FlowDirection="Inbound", AclRule="denyallinbound", DestPort="22",
    )  # fmt: skip
    inbound = DENIED | {"dst_ip": "10.0.0.4", "dst_port": 22, "direction": "inbound", "rule": "denyallinbound"}
    assert rows(read(jsonl(row))) == [
        inbound | {"src_ip": "198.51.100.8", "events": 1},
        inbound | {"src_ip": "198.51.100.9", "events": 3},
    ]


@pytest.mark.parametrize("count", ["", "x", "-1", "0", "9" * 40])
def test_a_peer_with_a_nonsense_count_is_one_event(count: str) -> None:
    assert [row["events"] for row in rows(read(jsonl(nta(DestPublicIps=f"203.0.113.7|{count}|0"))))] == [1]


def test_a_peer_without_any_counter_holds_the_events_of_its_row() -> None:
    assert [row["events"] for row in rows(read(jsonl(nta(DestPublicIps="203.0.113.7", DeniedOutFlows=6))))] == [6]


def test_a_peer_that_is_no_address_is_told_beside_the_others() -> None:
    found = read(jsonl(nta(DestPublicIps="203.0.113.7|2|0|0|0|0|0 oops|1|0|0|0|0|0")))
    assert [row["events"] for row in rows(found)] == [2]
    assert aside(found) == [("breaks the law of: destination address, destination", 0, "-:1")]
    assert counted(found) == (1, 1)


@pytest.mark.parametrize(
    ("over", "laws"),
    [
        ({"DestPublicIps": ""}, "destination"),
        ({"SrcIp": "", "DestIp": "10.0.0.4", "DestPublicIps": ""}, "source address"),
        ({"L4Protocol": "X"}, "protocol"),
        ({"DestPort": None}, "port"),
        ({"FlowDirection": "Sideways"}, "direction"),
        ({"FlowStartTime": None, "TimeGenerated": "yesterday", "FlowEndTime": ""}, "time"),
    ],
)
def test_a_row_that_breaks_a_law_is_set_aside_with_its_name(over: Record, laws: str) -> None:
    assert aside(read(jsonl(nta(**over)))) == [(f"breaks the law of: {laws}", 1, "-:1")]


def test_a_malicious_flow_is_threat_intelligence_and_names_its_own_peer() -> None:
    row = nta(
        FlowType="MaliciousFlow", SrcIp="198.51.100.66", DestIp="10.0.0.4", DestPublicIps="", FlowDirection="Inbound",
        DeniedInFlows=5, DeniedOutFlows=0,
    )  # fmt: skip
    assert rows(read(jsonl(row))) == [
        DENIED
        | {
            "src_ip": "198.51.100.66", "dst_ip": "10.0.0.4", "direction": "inbound", "events": 5,
            "cause": "threat intelligence",
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "cause", "named"),
    [
        ("denyallinbound", "no rule", "denyallinbound"),
        ("DenyAllOutBound", "no rule", "DenyAllOutBound"),
        ("DefaultRule_DenyAllInBound", "no rule", "DenyAllInBound"),
        ("UserRule_no-web", "deny rule", "no-web"),
        ("no-web", "deny rule", "no-web"),
        ("unspecified", "encryption", "unspecified"),
        ("", "no rule", None),
    ],
)
def test_the_name_of_a_rule_tells_the_cause_in_any_case_and_without_prefix(
    rule: str, cause: str, named: str | None
) -> None:
    for row in (nta(AclRule=rule), nsg_analytics(NSGRule_s=rule)):
        assert rows(read(jsonl(row))) == [DENIED | {"cause": cause, "rule": named}]


def test_the_older_table_is_read_with_its_suffixes() -> None:
    assert rows(read(jsonl(nsg_analytics()))) == [nsg_flow()]


def test_the_older_table_packs_rule_and_group() -> None:
    row = nsg_analytics(NSGRule_s="", NSGRules_s="0|UserRule_no-web|O|D|12", NSGList_s="s/net/nsg-ml")
    assert rows(read(jsonl(row))) == [nsg_flow(cause="deny rule", rule="no-web")]


@pytest.mark.parametrize("acl", ["Unspecified", "unspecified", "", None])
def test_an_unspecified_acl_is_no_device(acl: str | None) -> None:
    assert [row["device"] for row in rows(read(jsonl(nta(AclGroup=acl))))] == [None]


def test_rows_that_are_no_flows_are_said_so() -> None:
    found = read(jsonl(nsg_analytics(SubType_s="Topology"), nta(SubType="Topology")))
    assert aside(found) == [("Traffic Analytics: not a flow (SubType)", 2, "-:1")]


@pytest.mark.parametrize(
    ("start", "interval", "end", "first", "last"),
    [
        ("2025-11-26T02:14:47Z", "2025-11-26T02:00:00Z", "2025-11-26T02:20:00Z", SINCE,
         SINCE.replace(minute=20, second=0)),
        ("", "2025-11-26T02:14:47Z", "", SINCE, SINCE),
        ("2025-11-26T02:14:47Z", "", "2025-11-26T01:00:00Z", SINCE, SINCE),
    ],
)  # fmt: skip
def test_a_flow_is_seen_from_its_start_to_its_end(
    start: str, interval: str, end: str, first: object, last: object
) -> None:
    row = nta(FlowStartTime=start, FlowIntervalStartTime=interval, FlowEndTime=end)
    assert [(row["first_seen"], row["last_seen"]) for row in rows(read(jsonl(row)))] == [(first, last)]


@pytest.mark.parametrize("record", [nta(), nsg_analytics()])
def test_a_row_that_names_no_table_is_known_by_its_columns(record: Record) -> None:
    unnamed = {name: value for name, value in record.items() if name != "Type"}
    assert len(rows(read(jsonl(unnamed)))) == 1


def test_a_row_between_private_addresses_names_both() -> None:
    row = nta(FlowType="InterVNet", DestIp="10.9.0.5", DestPublicIps="", AclGroup=NSG)
    assert rows(read(jsonl(row))) == [DENIED | {"dst_ip": "10.9.0.5"}]


PEER = st.tuples(st.integers(1, 6), st.integers(0, 1000))


@given(st.lists(st.tuples(st.sampled_from(["D", "A"]), st.lists(PEER, min_size=1, max_size=5)), max_size=6))
def test_events_are_the_flows_of_all_denied_peers(logged: list[tuple[str, list[tuple[int, int]]]]) -> None:
    packed = [
        nta(FlowStatus=status, DestPublicIps=" ".join(f"203.0.113.{peer}|{flows}|0|0|0|0|0" for peer, flows in peers))
        for status, peers in logged
    ]
    wanted: dict[str, int] = {}
    for status, peers in logged:
        for peer, flows in peers if status == "D" else ():
            wanted[f"203.0.113.{peer}"] = wanted.get(f"203.0.113.{peer}", 0) + max(flows, 1)
    found = read(jsonl(*packed))
    assert {row["dst_ip"]: row["events"] for row in rows(found)} == wanted
    assert counted(found) == (len(logged), sum(status == "D" for status, _ in logged))
