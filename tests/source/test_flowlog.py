import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.source.logs import (
    ALLOWED,
    NSG,
    NSG_ALLOWED,
    NSG_DENIED,
    SECOND,
    SINCE,
    VNET_ALLOWED,
    VNET_DENIED,
    Record,
    aside,
    counted,
    document,
    dump,
    jsonl,
    network,
    nsg,
    nsg_analytics,
    nsg_flow,
    nta,
    read,
    rows,
    vnet,
)

NOT_A_TUPLE = "malformed: not a flow tuple"
NOT_A_RECORD = "malformed: a flow-log record of another shape"
MILLI = {"first_seen": SINCE.replace(microsecond=139_000), "last_seen": SINCE.replace(microsecond=139_000)}


@pytest.mark.parametrize(
    "log",
    [nsg(NSG_DENIED), nsg(NSG_DENIED.removesuffix(",B,,,,"), version=1),
     nsg(f"{SECOND},10.0.0.4,203.0.113.7,5,443,T,O,D,B,0,0,0,0")]
)  # fmt: skip
def test_a_denied_nsg_tuple_of_either_version_is_a_flow(log: Record) -> None:
    found = read(document(log))
    assert rows(found) == [nsg_flow()]
    assert counted(found) == (1, 1)


@pytest.mark.parametrize(
    ("tuple_", "seen"),
    [
        (VNET_DENIED, MILLI),
        (f"{SECOND},10.0.0.4,203.0.113.7,5,443,6,O,D,NX,,,,", {}),
        (f"{SECOND},10.0.0.4,203.0.113.7,5,443,6,O,D,NX,0,0,0,0", {}),
    ],
)
def test_a_denied_vnet_tuple_is_a_flow_in_seconds_or_milliseconds(tuple_: str, seen: Record) -> None:
    assert rows(read(document(vnet(tuple_)))) == [nsg_flow(**seen)]


@pytest.mark.parametrize("acl", ["unspecified", "Unspecified"])
def test_a_denial_for_encryption_says_so(acl: str) -> None:
    found = rows(read(document(vnet(VNET_DENIED, rule="unspecified", acl=acl))))
    assert found == [nsg_flow(cause="encryption", rule="unspecified", device="unspecified", **MILLI)]


@pytest.mark.parametrize(
    ("rule", "cause", "named"),
    [
        ("DefaultRule_DenyAllOutBound", "no rule", "DenyAllOutBound"),
        ("DefaultRule", "no rule", "DefaultRule"),
        ("UserRule", "deny rule", "UserRule"),
        ("UserRule_no-web", "deny rule", "no-web"),
        ("UserRule_DefaultRule_x", "deny rule", "DefaultRule_x"),
        ("PlatformRule", "deny rule", "PlatformRule"),
        ("", "deny rule", None),
        (None, "deny rule", None),
    ],
)
def test_the_name_of_a_rule_tells_the_cause(rule: str | None, cause: str, named: str | None) -> None:
    for log in (
        nsg(NSG_DENIED, rule=rule),
        vnet(NSG_DENIED.replace(",T,O,D,B,,,,", ",6,O,D,NX,,,,"), rule=rule, acl=NSG),
    ):
        assert rows(read(document(log))) == [nsg_flow(cause=cause, rule=named)]


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        ({",T,": ",U,"}, {"protocol": "udp"}),
        ({",T,O,": ",U,I,"}, {"protocol": "udp", "direction": "inbound"}),
        ({",443,T": ",0,1"}, {"protocol": "icmp", "dst_port": None}),
        ({",443,T": ",0,132"}, {"protocol": "sctp", "dst_port": None}),
        ({",443,T": ",0,99"}, {"protocol": "ip", "dst_port": None}),
        ({"10.0.0.4": "fd10:0003:0005:0001:0:0:0:4"}, {"src_ip": "fd10:3:5:1::4"}),
    ],
)
def test_a_tuple_says_protocol_direction_and_address(over: dict[str, str], expected: Record) -> None:
    text = NSG_DENIED
    for old, new in over.items():
        text = text.replace(old, new)
    assert rows(read(document(nsg(text)))) == [nsg_flow(**expected)]


def test_allowed_tuples_are_counted_and_decoded_only_on_request() -> None:
    for log, seen in ((nsg(NSG_ALLOWED, NSG_DENIED), {}), (vnet(VNET_ALLOWED, VNET_DENIED), MILLI)):
        denied = nsg_flow(**seen)
        found = read(document(log))
        assert (rows(found), aside(found)) == ([denied], [(ALLOWED, 1, "-:1")])
        found = read(document(log), with_allowed=True)
        assert rows(found) == [denied, denied | {"dst_ip": "203.0.113.8", "action": "Allow", "cause": None}]
        assert aside(found) == []


@pytest.mark.parametrize("state", ["B", "C", "E"])
def test_the_flow_states_of_an_allowed_vnet_tuple_are_allowed(state: str) -> None:
    found = read(document(vnet(VNET_ALLOWED.replace(",E,X", f",{state},X"))), with_allowed=True)
    assert [(row["action"], row["cause"]) for row in rows(found)] == [("Allow", None)]


def test_a_group_without_any_d_is_counted_whole_and_where_it_stands() -> None:
    log = document(vnet(VNET_DENIED), vnet(*[VNET_ALLOWED] * 5), vnet(VNET_ALLOWED))
    assert aside(read(log)) == [(ALLOWED, 6, "-:1")]
    printed = json.dumps(json.loads(log), indent=1)
    first = printed[: printed.find(VNET_ALLOWED)].count("\n") + 1
    assert aside(read(printed)) == [(ALLOWED, 6, f"-:{first}")]


@pytest.mark.parametrize(
    "broken",
    [
        "", "x", "D", ",,,,,,,D", f"{SECOND},10.0.0.4,203.0.113.7,5,443,T,O", f"{NSG_DENIED},1", f"x{NSG_DENIED}",
        f"{SECOND},10.0.0.4,203.0.113.7,5,443,T,O,Q,B,,,,", NSG_DENIED.replace(str(SECOND), "9" * 30),
        NSG_DENIED.replace(str(SECOND), ""), NSG_DENIED.replace(str(SECOND), "1.5"), "\\n", '"', "D" * 3000,
    ],
)  # fmt: skip
def test_a_broken_tuple_is_lost_alone(broken: str) -> None:
    for log in (nsg(NSG_DENIED, broken, NSG_DENIED), nsg(broken, NSG_DENIED, NSG_DENIED)):
        for text in (document(log), jsonl(log), json.dumps([log], indent=2)):
            found = read(text)
            assert [(row["events"], row["dst_ip"]) for row in rows(found)] == [(2, "203.0.113.7")]
            assert [(reason, count) for reason, count, _ in aside(found)] in (
                [(NOT_A_TUPLE, 1)],
                [("breaks the law of: action", 1)],
            )


@pytest.mark.parametrize(
    ("text", "laws"),
    [
        (NSG_DENIED.replace("10.0.0.4", "10.0.0.400"), "source address"),
        (NSG_DENIED.replace("203.0.113.7", "host"), "destination address, destination"),
        (NSG_DENIED.replace(",T,", ",Q,"), "protocol"),
        (NSG_DENIED.replace(",443,", ",0,"), "port"),
        (NSG_DENIED.replace(",443,", ",65536,"), "port"),
        (NSG_DENIED.replace(",O,", ",X,"), "direction"),
        (NSG_DENIED.replace(str(SECOND), "12"), "time"),
        (NSG_DENIED.replace(str(SECOND), "9" * 18), "time"),
    ],
)
def test_a_tuple_that_breaks_a_law_is_set_aside_with_its_name(text: str, laws: str) -> None:
    assert aside(read(document(nsg(text)))) == [(f"breaks the law of: {laws}", 1, "-:1")]


@pytest.mark.parametrize("value", [1, 1.5, None, True, {"a": "D"}, ["D"], 10**30])
def test_what_is_no_text_among_tuples_is_lost_alone(value: object) -> None:
    for text in (
        document(nsg(NSG_DENIED, value)),
        jsonl(nsg(value, NSG_DENIED)),
        json.dumps(nsg(NSG_DENIED, value), indent=1),
    ):
        found = read(text)
        assert len(rows(found)) == 1
        assert [(reason, count) for reason, count, _ in aside(found)] == [(NOT_A_TUPLE, 1)]


@pytest.mark.parametrize("value", [None, 7, "D", NSG_DENIED, {}, True])
def test_tuples_that_are_no_list_are_one_broken_row(value: object) -> None:
    record = nsg()
    record["properties"]["flows"][0]["flows"].append({"mac": "x", "flowTuples": value})
    found = read(document(record, nsg(NSG_DENIED)))
    if value == NSG_DENIED:
        assert [row["events"] for row in rows(found)] == [2]
    else:
        assert [row["events"] for row in rows(found)] == [1]
        assert aside(found) == [(NOT_A_TUPLE, 1, "-:1")]


def with_flows(flows: object) -> Record:
    return nsg() | {"properties": {"Version": 2, "flows": flows}}


@pytest.mark.parametrize(
    "record",
    [
        with_flows([]), with_flows(None), with_flows([{"rule": "r"}]), with_flows([{"rule": "r", "flows": None}]),
        with_flows([{"flows": [{"flowTuples": []}]}]), vnet() | {"flowRecords": {}},
        vnet() | {"flowRecords": {"flows": None}},
        vnet() | {"flowRecords": {"flows": [{"aclID": None, "flowGroups": None}]}},
    ],
)  # fmt: skip
def test_a_record_without_flows_is_a_flow_log_without_rows(record: Record) -> None:
    for log in (document(record), jsonl(record, record), dump([record])):
        found = read(log)
        assert (rows(found), counted(found), found.faults) == ([], (0, 0), ())
        assert [account.format for account in found.ledger.inputs] == ["flowlog"]


@pytest.mark.parametrize(
    "record",
    [
        nsg() | {"properties": {}}, nsg() | {"properties": None}, nsg() | {"properties": "x"},
        nsg() | {"properties": [1]},
        with_flows("x"), with_flows([{"rule": 5, "flows": []}]), with_flows({"rule": "x"}),
        vnet() | {"flowRecords": [1]},
        nsg() | {"resourceId": 5},
    ],
)  # fmt: skip
def test_a_record_of_another_shape_is_lost_alone(record: Record) -> None:
    for log in (document(record, nsg(NSG_DENIED)), jsonl(record, nsg(NSG_DENIED)), dump([record, nsg(NSG_DENIED)])):
        found = read(log)
        assert len(rows(found)) == 1
        assert aside(found) == [(NOT_A_RECORD, 1, "-:1")]


def test_bytes_that_are_not_utf8_spoil_their_tuple_only() -> None:
    log = document(nsg(NSG_DENIED, NSG_DENIED.replace("203.0.113.7", "203.0.113.X"), rule="UserRule_r")).encode()
    for text in (log.replace(b"113.X", b"113.\xff"), log.replace(b"113.X", b"113.\xff").replace(b"_r", b"_\xfe")):
        found = read(text)
        assert [row["dst_ip"] for row in rows(found)] == ["203.0.113.7"]
        assert aside(found) == [("breaks the law of: destination address, destination", 1, "-:1")]


def test_a_lone_surrogate_spoils_its_tuple_only() -> None:
    log = document(nsg(NSG_DENIED, NSG_DENIED.replace("203.0.113.7", "SURROGATE"))).replace("SURROGATE", "\\ud800")
    found = read(log)
    assert [row["dst_ip"] for row in rows(found)] == ["203.0.113.7"]
    assert aside(found) == [("breaks the law of: destination address, destination", 1, "-:1")]


def test_the_nested_records_of_the_documented_example_are_read() -> None:
    found = read(dump({"records": [nsg(NSG_DENIED), {"records": [nsg(NSG_DENIED), nsg(NSG_DENIED)]}]}))
    assert [row["events"] for row in rows(found)] == [3]


def test_records_of_flow_logs_and_of_tables_may_share_a_file() -> None:
    for log in (
        document(nsg(NSG_DENIED), network(), vnet(VNET_DENIED)),
        jsonl(nsg(NSG_DENIED), network(), vnet(VNET_DENIED)),
        json.dumps([nsg(NSG_DENIED), network(), vnet(VNET_DENIED)], indent=2),
    ):
        found = read(log)
        assert {row["plane"]: row["events"] for row in rows(found)} == {"azure-firewall": 1, "nsg": 2}
        assert [account.format for account in found.ledger.inputs] == ["azfw, flowlog"]


def test_a_tuple_is_cited_with_its_own_line() -> None:
    """In a printed document each tuple has its line; in JSON Lines it has the line of its record."""
    tuples = [NSG_DENIED.replace("203.0.113.7", f"203.0.113.{i}") for i in (1, 1, 2)]
    log = {"records": [nsg(*tuples[:2]), nsg(tuples[0]), nsg(*tuples[1:]), nsg("D")]}
    printed = json.dumps(log, indent=4)
    wanted = [printed[: printed.find(f"203.0.113.{i}")].count("\n") + 1 for i in (1, 2)]
    broken = printed[: printed.find('"D"')].count("\n") + 1
    for text in (printed, printed + "\n,", f"[{printed}, {dump(network())}]"):
        origins = [row["origin"] for row in rows(read(text)) if row["plane"] == "nsg"]
        assert origins == [f"-:{line}" for line in wanted]
        assert aside(read(text)) == [(NOT_A_TUPLE, 1, f"-:{broken}")]
    assert [row["origin"] for row in rows(read(jsonl(*log["records"])))] == ["-:1", "-:3"]


@pytest.mark.parametrize(
    ("nsg_tuple", "vnet_tuple", "summary"),
    [
        (NSG_DENIED, VNET_DENIED, {}),
        (f"{SECOND},10.0.0.4,10.0.9.9,5,5831,U,O,D,B,,,,", f"{SECOND}000,10.0.0.4,10.0.9.9,5,5831,17,O,D,NX,0,0,0,0",
         {"DestIp": "10.0.9.9", "DestPort": 5831, "L4Protocol": "UDP", "DestPublicIps": ""}),
        (f"{SECOND},198.51.100.9,10.0.0.4,5,22,T,I,D,B,,,,", f"{SECOND}000,198.51.100.9,10.0.0.4,5,22,6,I,D,NX,0,0,0,0",
         {"SrcIp": "", "DestIp": "10.0.0.4", "DestPort": 22, "FlowDirection": "Inbound",
          "SrcPublicIps": "198.51.100.9|1|0|0|0|0|0", "DestPublicIps": "", "DeniedInFlows": 1, "DeniedOutFlows": 0,
         "AclRule": "denyallinbound"}),
    ],
)  # fmt: skip
def test_the_same_denial_is_the_same_flow_in_every_nsg_log(nsg_tuple: str, vnet_tuple: str, summary: Record) -> None:
    rule = "DefaultRule_DenyAllInBound" if ",I,D" in nsg_tuple else "DefaultRule_DenyAllOutBound"
    older = {"SrcIp": "SrcIP_s", "DestIp": "DestIP_s", "DestPort": "DestPort_d", "L4Protocol": "L4Protocol_s",
             "FlowDirection": "FlowDirection_s", "SrcPublicIps": "SrcPublicIPs_s",
             "DestPublicIps": "DestPublicIPs_s"}  # fmt: skip
    short = {name: value[:1] if name in ("L4Protocol", "FlowDirection") else value for name, value in summary.items()}
    logs = [
        document(nsg(nsg_tuple, rule=rule)),
        document(vnet(vnet_tuple, rule=rule)),
        jsonl(nta(**summary)),
        jsonl(nsg_analytics(**{older[name]: value for name, value in short.items() if name in older})),
    ]
    key = ("src_ip", "dst_ip", "dst_port", "protocol", "direction", "action", "cause", "plane", "device", "events")
    found = [[row[name] for name in key] for log in logs for row in rows(read(log))]
    assert len(found) == 4
    assert found == found[:1] * 4


TUPLES = st.lists(
    st.one_of(
        st.sampled_from([VNET_DENIED, VNET_ALLOWED, VNET_ALLOWED.replace(",E,", ",B,"), NSG_DENIED, NSG_ALLOWED]),
        st.sampled_from(
            ["", "D", "x,y", VNET_DENIED + ",1", VNET_DENIED.replace("10.0.0.4", "10.0.0"), '"', "\\", " "]
        ),
    ),
    max_size=8,
)


@settings(max_examples=40)
@given(groups=st.lists(TUPLES, max_size=4), with_allowed=st.booleans())
def test_every_layout_of_a_flow_log_is_read_alike(groups: list[list[str]], with_allowed: bool) -> None:
    """Against a plain reading of the tuples. A group without D is allowed as a whole, and nobody looks into it."""
    logged = [vnet(*group) for group in groups]
    found = [
        read(log, with_allowed=with_allowed)
        for log in (document(*logged), jsonl(*logged), json.dumps({"records": logged}, indent=1), dump(logged))
        if logged
    ]
    denied = sum(text in (VNET_DENIED, NSG_DENIED) for group in groups for text in group)
    for reading in found:
        assert counted(reading)[0] == sum(map(len, groups))
        assert sum(row["events"] for row in rows(reading) if row["action"] == "Deny") == denied
        assert reading.rows.drop("origin").equals(found[0].rows.drop("origin"))
        assert [entry[:2] for entry in aside(reading)] == [entry[:2] for entry in aside(found[0])]
