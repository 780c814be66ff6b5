"""What Kusto folds is what the readers of files fold: row by row in the flows, and row by row in the ledger."""

import csv
import io
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fwlens import query, source
from fwlens.flow import Span
from fwlens.query import Query, Value
from fwlens.source import Flows
from fwlens.source.files import Input
from tests import kusto, night, traps
from tests.kusto import ARRIVED, KustoError, Workspace
from tests.source import logs
from tests.source.logs import ALERT, ALLOWED, Record, application, closed, entry, network, nsg_analytics, nta

ALWAYS: Mapping[str, Value] = {
    "seenFrom": datetime(2025, 11, 1, tzinfo=UTC),
    "seenBefore": datetime(2027, 1, 1, tzinfo=UTC),
    "arrivedFrom": datetime(2025, 11, 1, tzinfo=UTC),
    "arrivedBefore": datetime(2027, 1, 1, tzinfo=UTC),
}
FLOWS = [query.find(name) for name in query.FLOWS]
_TRAFFIC = [(entry, night.is_public(entry)) for entry in night.NSG_ENTRIES]
NIGHT: Mapping[str, Sequence[Record]] = {
    "azfw": [*map(night.azfw, night.FIREWALL_ENTRIES)],
    "azdiag": [*map(night.azdiag, night.FIREWALL_ENTRIES)],
    "vnet": [night.nta(entry, public=public) for entry, public in _TRAFFIC],
    "nsg": [night.cl(entry, public=public) for entry, public in _TRAFFIC],
}
BY_TABLE: dict[str, list[Record]] = {}
for _record in (*traps.RECORDS, *(record for records in NIGHT.values() for record in records)):
    BY_TABLE.setdefault(next(iter(kusto.tables_of([_record]))), []).append(_record)


def place(label: str, data: bytes) -> Input:
    return Input(label, named=True, fetch=lambda: data)


def answers(workspace: Workspace, values: Iterable[Mapping[str, Value]]) -> list[Input]:
    """An answer of each query whose table is there, for each choice of values."""
    return [
        place(f"ws/{one.table} {number}", workspace.answer(query.bind(one, {**ALWAYS, **each})))
        for one in FLOWS
        for number, each in enumerate(values)
        if one.table in workspace.tables
    ]


def in_kusto(
    records: Sequence[Record], *values: Mapping[str, Value], every: timedelta | None = None, **over: Value
) -> Flows:
    """Records folded in Kusto, each choice of values an answer of its own, and the answers read."""
    workspace, allowed = Workspace(kusto.tables_of(records)), bool(over.get("withAllowed", False))
    places = answers(workspace, [{**over, **each} for each in values or ({},)])
    return closed(source.read([], places=places, with_allowed=allowed, span=Span(every=every)))


def in_files(records: Sequence[Record], *, with_allowed: bool = False, every: timedelta | None = None) -> Flows:
    """The same records in a document, all of it decoded: what is only counted there has the reason that it deserves."""
    log = place("log", logs.document(*records).encode())
    return closed(source.read([], places=[log], with_allowed=with_allowed, span=Span(every=every)))


def told(found: Flows) -> tuple[list[Record], list[tuple[str, int]], int, int]:
    """All of the flows but where they stand, and the whole of the account but which files it is of."""
    reasons = sorted((each.reason, each.rows) for each in found.ledger.set_aside)
    return found.rows.drop("origin").to_dicts(), reasons, found.ledger.rows_read, found.ledger.rows_used


def slots(found: Flows) -> list[Record]:
    return found.slots.drop("origin").to_dicts()


@pytest.mark.parametrize("with_allowed", [False, True])
@pytest.mark.parametrize("name", sorted(NIGHT))
def test_the_sample_night_is_the_same_from_kusto_as_from_its_files(name: str, with_allowed: bool) -> None:
    records = NIGHT[name]
    from_kusto = in_kusto(records, withAllowed=with_allowed)
    assert told(from_kusto) == told(in_files(records, with_allowed=with_allowed))
    assert from_kusto.ledger.rows_read == len(records)
    assert told(in_kusto(records, withAllowed=with_allowed)) == told(
        closed(source.read([], places=[place("log", logs.jsonl(*records).encode())], with_allowed=with_allowed))
    )


@pytest.mark.parametrize("with_allowed", [False, True])
@pytest.mark.parametrize("one", FLOWS, ids=lambda one: one.name)
def test_every_query_folds_every_trap_of_its_table_as_the_readers_do(one: Query, with_allowed: bool) -> None:
    records = BY_TABLE[one.table]
    found, expected = in_kusto(records, withAllowed=with_allowed), in_files(records, with_allowed=with_allowed)
    assert told(found) == told(expected)
    assert found.subnets == expected.subnets
    assert found.ledger.tables == (one.table,)


@pytest.mark.parametrize("minutes", [15, 60, 1440])
@pytest.mark.parametrize("table", ["AZFWApplicationRule", "AzureDiagnostics", "NTANetAnalytics"])
def test_slots_that_are_kept_apart_in_kusto_are_the_slots_of_the_readers(table: str, minutes: int) -> None:
    records, every = BY_TABLE[table], timedelta(minutes=minutes)
    found = in_kusto(records, slot=every, every=every)
    expected = in_files(records, every=every)
    assert slots(found) == slots(expected)
    assert told(found) == told(expected)


@settings(max_examples=8)
@given(
    table=st.sampled_from(["AZFWNetworkRule", "AZFWThreatIntel", "AzureDiagnostics", "NTANetAnalytics"]),
    cuts=st.lists(st.integers(0, 400), max_size=2),
    parts=st.integers(1, 3),
    minutes=st.sampled_from([5, 60, 1440]),
    with_allowed=st.booleans(),
)
def test_however_a_night_is_cut_into_windows_and_parts_its_folds_fold_to_the_same(
    table: str, cuts: list[int], parts: int, minutes: int, with_allowed: bool
) -> None:
    records = BY_TABLE[table]
    edges = [ALWAYS["seenFrom"], *(logs.WHEN + timedelta(minutes=cut) for cut in sorted(cuts)), ALWAYS["seenBefore"]]
    choices: list[Mapping[str, Value]] = [
        {"seenFrom": begin, "seenBefore": end, "part": part, "parts": parts}
        for begin, end in itertools.pairwise(edges)
        for part in range(parts)
    ]
    found = in_kusto(records, *choices, slot=timedelta(minutes=minutes), withAllowed=with_allowed)
    assert told(found) == told(in_files(records, with_allowed=with_allowed))


def test_windows_of_arrival_are_half_open_and_take_each_row_once() -> None:
    early, late = logs.WHEN + timedelta(hours=1), logs.WHEN + timedelta(hours=11)
    rows = [
        row | {ARRIVED: when}
        for row, when in zip(
            kusto.tables_of([network()] * 4)["AZFWNetworkRule"], [early, early, late, late], strict=True
        )
    ]
    workspace, one = Workspace({"AZFWNetworkRule": rows}), query.find("firewall-network")

    def arrived(begin: datetime, end: datetime) -> int:
        return rows_in(workspace.answer(query.bind(one, {**ALWAYS, "arrivedFrom": begin, "arrivedBefore": end})))

    assert arrived(early, late) == 2
    assert arrived(late, late + timedelta(seconds=1)) == 2
    assert arrived(early + timedelta(microseconds=1), late) == 0
    assert arrived(early, late + timedelta(days=1)) == 4


def rows_in(answer: bytes) -> int:
    """How many rows of the log an answer stands for."""
    table = json.loads(answer)["tables"][0]
    at = [column["name"] for column in table["columns"]].index("FoldedRows")
    return sum(row[at] for row in table["rows"])


def test_a_night_of_retries_comes_back_as_one_row_and_what_is_allowed_as_another() -> None:
    retries = [network(SourcePort=port) for port in range(500)]
    allowed = [network("Allow", DestinationIp=f"203.0.113.{n % 250}", SourcePort=n) for n in range(500)]
    workspace = Workspace(kusto.tables_of([*retries, *allowed]))
    answer = workspace.answer(query.bind(query.find("firewall-network"), ALWAYS))
    assert len(json.loads(answer)["tables"][0]["rows"]) == 2
    found = closed(source.read([], places=[place("ws/AZFWNetworkRule", answer)]))
    assert [(row["events"], row["origin"]) for row in found.rows.to_dicts()] == [(500, "ws/AZFWNetworkRule")]
    assert [(each.reason, each.rows, each.first) for each in found.ledger.set_aside] == [
        (ALLOWED, 500, "ws/AZFWNetworkRule")
    ]


def _sentence(text: str) -> list[Record]:
    return [logs.legacy(text.replace("{0}", str(n)), "AzureFirewallNetworkRule") for n in range(40)]


_IDPS: Record = {"Protocol": "TCP", "SourceIp": "10.0.0.4", "DestinationPort": 443}


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([network("Allow", Rule=f"r{n}", SourceIp=f"10.0.0.{n}", DestinationPort=n) for n in range(40)], ALLOWED),
        ([application("Allow", Fqdn=f"h{n}.example", TargetUrl=f"x/{n}", ActionReason="") for n in range(40)], ALLOWED),
        ([application(ActionReason=f"Failed to resolve address h{n}.example") for n in range(40)], "the firewall could not resolve the name: no rule decided"),
        ([entry("AZFWThreatIntel", Action="alert", Fqdn=f"h{n}.example", **_IDPS) for n in range(40)], ALERT),
        ([entry("AZFWIdpsSignature", Action="alert", DestinationIp=f"203.0.113.{n}", **_IDPS) for n in range(40)], ALERT),
        ([entry("AZFWNatRule", DestinationIp=f"203.0.113.{n}", TranslatedIp="10.0.0.9", **_IDPS) for n in range(40)], ALLOWED),
        ([entry("AZFWDnsQuery", SourceIp=f"10.0.0.{n}") for n in range(40)], "AZFWDnsQuery: a table without flows"),
        (_sentence("TCP request from 10.0.0.4:{0} to 203.0.113.{0}:443. Action: Allow. Rule Collection: c. Rule: r{0}"), ALLOWED),
        (_sentence("TCP request from 10.0.0.4:{0} to 203.0.113.{0}:443 was DNAT'ed to 10.0.0.{0}:22"), ALLOWED),
        (_sentence("TCP request from 10.0.0.4:{0} to 203.0.113.{0}:443. Action: alert. Signature: {0}. IDS: x."), ALERT),
        (_sentence("DNS Request: 10.0.0.4:{0} - {0} A IN h{0}.example. udp 40 false 1232 NOERROR - 56 0.1s"), "AzureFirewallDnsProxy: a table without flows"),
        (_sentence("Failed to resolve FQDN h{0}.example. Error x. Rule Collection: p:g:c. Rule: r"), "AzureFirewallDNSResolutionFailureLog: a table without flows"),
        (_sentence("anything {0}"), "malformed: not a sentence of Azure Firewall"),
        ([nta(FlowStatus="Allowed", DestPublicIps=f"203.0.113.{n}|1 198.51.100.{n}|1", AclRule=f"r{n}") for n in range(40)], ALLOWED),
        ([nsg_analytics(SubType_s="Topology", SrcIP_s=f"10.0.0.{n}", DestPort_d=float(n)) for n in range(40)], "Traffic Analytics: not a flow (SubType)"),
    ],
)  # fmt: skip
def test_what_is_no_denial_is_one_row_however_different_its_rows_are(records: list[Record], reason: str) -> None:
    ((table, rows),) = kusto.tables_of(records).items()
    (one,) = (one for one in FLOWS if one.table == table)
    workspace = Workspace({table: rows})
    parts = [workspace.answer(query.bind(one, {**ALWAYS, "part": part, "parts": 3})) for part in range(3)]
    assert sorted(len(json.loads(answer)["tables"][0]["rows"]) for answer in parts) == [0, 0, 1]
    found = closed(source.read([], places=[place(f"ws {n}", answer) for n, answer in enumerate(parts)]))
    assert [(each.reason, each.rows) for each in found.ledger.set_aside] == [(reason, 40)]


def test_an_answer_without_rows_is_a_log_in_which_nothing_happened() -> None:
    places = answers(Workspace({"AZFWNetworkRule": [], "NTANetAnalytics": []}), [{}])
    found = closed(source.read([], places=places))
    assert (found.faults, logs.counted(found), found.rows.height) == ((), (0, 0), 0)
    assert [(each.path, each.format) for each in found.ledger.inputs] == [
        ("ws/AZFWNetworkRule 0", "log-analytics"), ("ws/NTANetAnalytics 0", "log-analytics"),
    ]  # fmt: skip


def test_a_flow_lasts_from_its_first_row_to_its_last() -> None:
    moments = [logs.WHEN + timedelta(minutes=minute) for minute in (40, 3, 17)]
    found = in_kusto([network() | {"time": when.isoformat()} for when in moments])
    (row,) = found.rows.to_dicts()
    assert (row["first_seen"], row["last_seen"], row["events"]) == (moments[1], moments[0], 3)


FOLDED: Record = {
    "Type": "AZFWNetworkRule", "FirstSeen": "2026-11-20T22:00:01.5Z", "LastSeen": "2026-11-20T23:00:00Z",
    "FoldedRows": 40, "Protocol": "TCP", "SourceIp": "10.0.0.4", "DestinationIp": "203.0.113.7", "DestinationPort": 443,
    "Action": "Deny", "ActionReason": "Default Action",
}  # fmt: skip
COUNTED = FOLDED | {
    "Action": "Allow",
    "SourceIp": "",
    "DestinationIp": "",
    "DestinationPort": None,
    "FoldedRows": 2_000,
}


def as_answer(*rows: Record) -> bytes:
    columns = [{"name": name, "type": "string"} for name in rows[0]]
    return json.dumps(
        {"tables": [{"name": "PrimaryResult", "columns": columns, "rows": [[*row.values()] for row in rows]}]}
    ).encode()


def as_command_line(*rows: Record) -> bytes:
    """What `az monitor log-analytics query` prints: every value a text."""
    return json.dumps(
        [{"TableName": "PrimaryResult"} | {name: str(value) for name, value in row.items()} for row in rows], indent=2
    ).encode()


def as_portal(*rows: Record) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([f"{name} [UTC]" if name.endswith("Seen") else name for name in rows[0]])
    writer.writerows(
        ["11/20/2026, 10:00:01.500 PM" if name == "FirstSeen" else value for name, value in row.items()] for row in rows
    )
    return out.getvalue().encode()


def as_parquet(*rows: Record) -> bytes:
    out = io.BytesIO()
    pl.DataFrame([row | {"FirstSeen": datetime(2026, 11, 20, 22, 0, 1, 500_000, UTC)} for row in rows]).write_parquet(
        out
    )
    return out.getvalue()


@pytest.mark.parametrize(
    "write", [as_answer, as_command_line, as_portal, as_parquet, lambda *rows: logs.jsonl(*rows).encode()]
)
def test_a_folded_answer_counts_the_same_however_it_was_saved(write: Any) -> None:
    found = closed(source.read([], places=[place("saved", write(FOLDED, COUNTED))]))
    assert found.faults == ()
    assert found.rows.drop("device").to_dicts() == [
        {
            "first_seen": datetime(2026, 11, 20, 22, 0, 1, 500_000, UTC), "last_seen": datetime(2026, 11, 20, 23, tzinfo=UTC),
            "events": 40, "src_ip": "10.0.0.4", "dst_ip": "203.0.113.7", "dst_fqdn": None, "dst_port": 443,
            "protocol": "tcp", "direction": "outbound", "action": "Deny", "cause": "no rule", "rule": None,
            "plane": "azure-firewall", "origin": "saved",
        }
    ]  # fmt: skip
    assert [(each.reason, each.rows) for each in found.ledger.set_aside] == [(ALLOWED, 2_000)]
    assert (found.ledger.rows_read, found.ledger.rows_used) == (2_040, 40)


@pytest.mark.parametrize("number", [-1, "-9", 1 << 41, "9" * 40, 1.5, "NaN", "x", "1e3", True])
def test_a_row_that_says_nonsense_of_its_number_is_one_row_and_is_set_aside(number: object) -> None:
    found = closed(source.read([], places=[place("a", as_answer(FOLDED, FOLDED | {"FoldedRows": number}))]))
    assert [row["events"] for row in found.rows.to_dicts()] == [40]
    assert logs.aside(found) == [("malformed: FoldedRows is no number of rows", 1, "a")]
    assert logs.counted(found) == (41, 40)


@pytest.mark.parametrize(("number", "rows"), [(0, 0), (None, 1), ("", 1), ("3.0", 3), (1 << 40, 1 << 40)])
def test_a_row_stands_for_as_many_rows_as_it_says_and_without_saying_for_itself(number: object, rows: int) -> None:
    found = closed(source.read([], places=[place("a", as_answer(FOLDED | {"FoldedRows": number}))]))
    assert logs.counted(found) == (rows, rows)
    assert [row["events"] for row in found.rows.to_dicts()] == [max(rows, 1)]


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        ({"LastSeen": "2300-12-31T23:59:59Z"}, "breaks the law of: time"),
        ({"FirstSeen": "soon"}, "breaks the law of: time"),
        ({"SourceIp": "<script>"}, "breaks the law of: source address"),
        ({"Type": "Heartbeat", "SourceIp": None}, "no known table of Azure Firewall, NSG or VNet flow logs"),
    ],
)
def test_all_rows_of_a_folded_row_are_set_aside_with_it(over: Record, reason: str) -> None:
    found = closed(source.read([], places=[place("a", as_answer(FOLDED, FOLDED | {"DestinationPort": 8443} | over))]))
    assert [(each.reason, each.rows) for each in found.ledger.set_aside] == [(reason, 40)]


def test_a_last_time_before_the_first_is_the_first() -> None:
    found = source.read([], places=[place("a", as_answer(FOLDED | {"LastSeen": "2001-01-01T00:00:00Z"}))])
    assert [row["last_seen"] for row in found.rows.to_dicts()] == [datetime(2026, 11, 20, 22, 0, 1, 500_000, UTC)]


def test_columns_that_a_workspace_has_never_had_are_no_fault() -> None:
    never = ["NSGRules_s", "SrcPublicIPs_s", "DestPublicIPs_s", "Subnet1_s", "Subnet2_s"]
    rows = BY_TABLE["AzureNetworkAnalytics_CL"]
    records = [record for record in rows if not any(record.get(name) for name in never)]
    assert records
    whole = Workspace(
        kusto.tables_of([{k: v for k, v in record.items() if k not in never} for record in records]), without=never
    )
    other = Workspace({"AzureDiagnostics": [{"TimeGenerated": logs.WHEN, "Category": "AuditEvent"}]}, without=["msg_s"])
    assert told(source.read([], places=answers(whole, [{}]))) == told(in_files(records))
    assert rows_in(other.answer(query.bind(query.find("firewall-legacy"), ALWAYS))) == 0


def test_a_workspace_answers_as_the_query_api_does() -> None:
    workspace = kusto.sample_night(late={"NTANetAnalytics": timedelta(hours=2)})
    with pytest.raises(KustoError, match="AZFWFatFlow") as missing:
        workspace.answer("AZFWFatFlow | count")
    with pytest.raises(KustoError) as broken:
        workspace.answer("AZFWNetworkRule | where")
    with pytest.raises(KustoError, match="Acton") as unknown:
        workspace.answer("AZFWNetworkRule | where Acton == 'Deny'")
    assert [found.value.code for found in (missing, broken, unknown)] == [
        "SemanticError",
        "SyntaxError",
        "SemanticError",
    ]
    night_of = "AZFWNetworkRule | summarize Rows = count(), Newest = max(TimeGenerated)"
    (table,) = json.loads(workspace.answer(night_of, "2026-11-20T22:00:00Z/PT1H"))["tables"]
    assert table["columns"] == [{"name": "Rows", "type": "long"}, {"name": "Newest", "type": "datetime"}]
    assert table["rows"] == [[16, "2026-11-20T22:06:54.125000Z"]]
    assert json.loads(workspace.answer(night_of))["tables"][0]["rows"][0][0] == 26


def test_health_tells_which_tables_have_rows_how_late_they_came_and_what_it_cannot_know() -> None:
    workspace = kusto.sample_night(late={"NTANetAnalytics": timedelta(hours=2), "AZFWNatRule": timedelta(seconds=90)})
    span = {name: ALWAYS[name] for name in ("seenFrom", "seenBefore")}
    (table,) = json.loads(workspace.answer(query.bind(query.find("health"), span)))["tables"]
    names = [column["name"] for column in table["columns"]]
    rows = {row[0]: dict(zip(names, row, strict=True)) for row in table["rows"]}
    assert sorted(rows) == sorted(kusto.TABLES)
    assert rows["NTANetAnalytics"] == {
        "Type": "NTANetAnalytics", "Rows": 44, "Oldest": "2026-11-20T22:02:00.125000Z", "Newest": "2026-11-20T23:45:52.125000Z",
        "NewestArrival": "2026-11-21T01:45:52.125000Z", "LateSecondsHalf": 7200.0, "LateSeconds95": 7200.0,
        "LateSeconds99": 7200.0, "LateSecondsMost": 7200.0, "Plan": "Analytics, as far as a query can tell",
    }  # fmt: skip
    assert rows["AZFWNatRule"]["LateSecondsMost"] == 90.0
    assert rows["AZFWFatFlow"] == dict.fromkeys(names) | {
        "Type": "AZFWFatFlow", "Rows": 0, "Plan": "unknown: no rows, no table, or Basic or Auxiliary",
    }  # fmt: skip
