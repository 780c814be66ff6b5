import gzip
import json
import random
import signal
import threading
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from fwlens import flow as flows
from fwlens import source
from fwlens.ledger import UNACCOUNTED, Account, Counted, Ledger, SetAside
from fwlens.source import Flows, crowd
from fwlens.source.files import Input
from tests.source.logs import (
    ALERT,
    ALLOWED,
    NSG_ALLOWED,
    NSG_DENIED,
    TIME,
    VNET_ALLOWED,
    VNET_DENIED,
    Record,
    application,
    aside,
    closed,
    counted,
    document,
    dump,
    entry,
    flow,
    jsonl,
    legacy,
    network,
    nsg,
    nsg_analytics,
    nta,
    read,
    rows,
    vnet,
)

UNKNOWN = "no known table of Azure Firewall, NSG or VNet flow logs"
NOT_JSON = "malformed: not JSON"
SENTENCE = "TCP request from 10.0.0.4:50123 to 203.0.113.7:443. Action: "


@dataclass(frozen=True)
class Line:
    """A line of a log, and what a plain reading of it says: rows, denied and allowed events, and why rows are lost."""

    text: str
    denied: int = 0
    allowed: int = 0
    lost: dict[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return sum(self.lost.values()) + self.allowed + (1 if self.packed else self.denied)

    @property
    def packed(self) -> bool:
        return "DestPublicIps" in self.text

    @property
    def is_record(self) -> bool:
        return self.text.startswith("{") and NOT_JSON not in self.lost


LINES = [
    Line(dump(network()), denied=1),
    Line(dump(network(DestinationIp="203.0.113.9", SourceIp="[fd10:0003:0005:0001:0000:0000:0000:0004]")), denied=1),
    Line(json.dumps(network(Rule="Action: Allow", ActionReason="")), denied=1),
    Line(dump(application()), denied=1),
    Line(dump(application("", Fqdn="", ActionReason="SNI TLS extension was missing.")), denied=1),
    Line(dump(application(Fqdn="Allow.example.org", TargetUrl='"Action":"Allow"')), denied=1),
    Line(dump(legacy(SENTENCE + "Deny.")), denied=1),
    Line(dump(nsg(NSG_DENIED, NSG_ALLOWED, NSG_DENIED)), denied=2, allowed=1),
    Line(dump(vnet(VNET_DENIED)), denied=1),
    Line(dump(vnet(VNET_ALLOWED, VNET_ALLOWED)), allowed=2),
    Line(dump(nta(DestPublicIps="203.0.113.7|3|0|0|0|0|0 203.0.113.9|2|0|0|0|0|0")), denied=5),
    Line(dump(nsg_analytics(DestPublicIPs_s="", DestIP_s="10.9.0.9", DeniedOutFlows_d=1)), denied=1),
    Line(dump(network("Allow")), allowed=1),
    Line(json.dumps(network("Allow")), allowed=1),
    Line(dump(application("Allow")), allowed=1),
    Line(dump(legacy(SENTENCE + "Allow. Rule Collection: c. Rule: r")), allowed=1),
    Line(dump(entry("AZFWNatRule", Protocol="TCP", SourceIp="198.51.100.9", TranslatedIp="10.0.0.4",
     TranslatedPort=22)), allowed=1),
    Line(dump(nsg_analytics(FlowStatus_s="A", DestPublicIPs_s="", DestIP_s="10.9.0.9")), allowed=1),
    Line(dump({"records": [network(), network("Allow"), entry("AZFWFatFlow")]}), denied=1, allowed=1,
     lost={"AZFWFatFlow: a table without flows": 1}),
    Line(dump(entry("AZFWDnsQuery", SourceIp="10.0.0.4")), lost={"AZFWDnsQuery: a table without flows": 1}),
    Line(dump(entry("AZFWFlowTrace", Action="Log", Flag="RST")), lost={"AZFWFlowTrace: a table without flows": 1}),
    Line(dump(legacy("DNS Request: 10.0.0.4:1 - 1 A IN a.b. udp 40", "AzureFirewallDnsProxy")),
     lost={"AzureFirewallDnsProxy: a table without flows": 1}),
    Line(dump(entry("AZFWIdpsSignature", SourceIp="10.0.0.4", Action="alert")), lost={ALERT: 1}),
    Line(dump(network(SourceIp="somewhere")), lost={"breaks the law of: source address": 1}),
    Line(dump(application(Fqdn="$(reboot).example.org")), lost={"breaks the law of: plain host name": 1}),
    Line(dump(legacy("what is this?")), lost={"malformed: not a sentence of Azure Firewall": 1}),
    Line(dump(nsg(NSG_DENIED, "D")), denied=1, lost={"malformed: not a flow tuple": 1}),
    Line(dump({"category": "Kube", "Action": "Deny"}), lost={UNKNOWN: 1}),
    Line(dump({"category": "Kube", "Action": "Allow"}), lost={UNKNOWN: 1}),
    Line("what is this?", lost={NOT_JSON: 1}),
    Line(dump(network())[:-30], lost={NOT_JSON: 1}),
    Line(dump(network("Allow"))[:-1], lost={NOT_JSON: 1}),
    Line("[7]", lost={"malformed: not a JSON object": 1}),
    Line(""),
    Line("   "),
]  # fmt: skip
RECORDS = [line for line in LINES if line.is_record]


def lines_of(chosen: list[Line]) -> str:
    return "\n".join(line.text for line in chosen)


def wanted(chosen: list[Line], *, with_allowed: bool) -> dict[str, int]:
    """Rows by reason."""
    reasons = dict[str, int]()
    for line in chosen:
        for reason, count in [*line.lost.items(), *([] if with_allowed else [(ALLOWED, line.allowed)])]:
            reasons[reason] = reasons.get(reason, 0) + count
    return {reason: count for reason, count in reasons.items() if count}


def events(found: Flows, action: str = "Deny") -> int:
    return sum(row["events"] for row in rows(found) if row["action"] == action)


@settings(max_examples=60)
@given(st.lists(st.lists(st.sampled_from(LINES), max_size=12), min_size=1, max_size=3), st.booleans())
def test_the_ledger_closes_over_any_mixture_of_lines(chosen: list[list[Line]], with_allowed: bool) -> None:
    # The container is told by most lines of the beginning: lines of garbage alone are no log.
    chosen = [[*part, *[LINES[0]] * (sum(not line.is_record for line in part) + 2)] for part in chosen]
    found = Flows(flows.empty(), Ledger((), ()), flows.empty())
    for part in chosen:
        found = read(lines_of(part), with_allowed=with_allowed)
        assert {reason: count for reason, count, _ in aside(found)} == wanted(part, with_allowed=with_allowed)
        assert counted(found)[0] == sum(line.rows for line in part)
        assert events(found) == sum(line.denied for line in part)
        assert events(found, "Allow") == sum(line.allowed for line in part) * with_allowed
        for reason, _, first in aside(found):
            texts = [line.text for line in part if reason in line.lost or (reason == ALLOWED and line.allowed)]
            assert first == f"-:{min(lines_of(part).split(chr(10)).index(text) for text in texts) + 1}"


@settings(max_examples=30)
@given(st.lists(st.sampled_from(RECORDS), min_size=2, max_size=10), st.booleans())
def test_every_container_of_the_same_entries_gives_the_same_flows_and_sums(
    chosen: list[Line], with_allowed: bool
) -> None:
    """The quick way through lines, judged by literals, against the decoding of documents."""
    records = [json.loads(line.text) for line in chosen]
    logs = [
        jsonl(*records),
        "".join(json.dumps(record) + "\r\n" for record in records),
        document(*records),
        json.dumps(records, indent=1),
        dump([{"records": records}]),
    ]
    readings = [read(log, with_allowed=with_allowed) for log in logs]
    for found in readings:
        assert_frame_equal(found.rows.drop("origin"), readings[0].rows.drop("origin"))
        assert {reason: count for reason, count, _ in aside(found)} == wanted(chosen, with_allowed=with_allowed)
        assert counted(found) == counted(readings[0])


@settings(max_examples=40)
@given(st.lists(st.sampled_from(LINES), max_size=20), st.integers(1, 4), st.randoms(use_true_random=False))
def test_the_order_and_the_split_over_files_change_nothing_but_origins(
    tmp_path_factory: pytest.TempPathFactory, chosen: list[Line], parts: int, chance: random.Random
) -> None:
    folder = tmp_path_factory.mktemp("split")
    shuffled = chance.sample(chosen, len(chosen))
    for part in range(parts):
        # Each file is led by records, so that all are known to be lines.
        log = lines_of([LINES[0]] * 12 + shuffled[part::parts]).encode()
        (folder / f"{part}.log").write_bytes(gzip.compress(log) if part % 2 else log)
    one = read(lines_of([LINES[0]] * 12 * parts + chosen))
    many = closed(source.read([str(folder)]))
    assert_frame_equal(many.rows.drop("origin"), one.rows.drop("origin"))
    assert [entry[:2] for entry in aside(many)] == [entry[:2] for entry in aside(one)]
    assert counted(many) == counted(one)


@settings(max_examples=60)
@given(st.lists(st.sampled_from(RECORDS), min_size=2, max_size=8), st.data())
def test_wherever_a_file_is_cut_the_whole_records_before_the_cut_are_kept(
    chosen: list[Line], data: st.DataObject
) -> None:
    records = [json.loads(line.text) for line in chosen]
    for text in (jsonl(*records), document(*records), json.dumps(records, indent=1)):
        cut = data.draw(st.integers(2, len(text)))
        whole, at = 0, 0
        for line, record in zip(chosen, records, strict=True):
            written = json.dumps(record, indent=1).replace("\n", "\n ") if text.startswith("[") else dump(record)
            at = text.find(written, at) + len(written)
            whole += line.denied if at <= cut else 0
        found = read(text[:cut])
        assert whole <= events(found) <= sum(line.denied for line in chosen)


@settings(max_examples=150)
@given(st.data())
def test_no_damage_breaks_the_reading(data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(RECORDS), min_size=1, max_size=4))
    records = [json.loads(line.text) for line in chosen]
    text = bytearray(
        data.draw(st.sampled_from([jsonl(*records), document(*records), json.dumps(records, indent=1)])).encode()
    )
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        text = text or bytearray(b"x")
    read(bytes(text), with_allowed=data.draw(st.booleans()))


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reading(data: bytes) -> None:
    read(data)
    read(b'{"records":[' + data)
    read(b"Type,TimeGenerated\n" + data)


def test_an_allowed_line_that_is_cut_off_is_no_allowed_line() -> None:
    """It ends in a brace and holds the literal; only its braces tell."""
    found = read(jsonl(network()) + dump(network("Allow"))[:-1] + "\n" + jsonl(network()))
    assert aside(found) == [(NOT_JSON, 1, "-:2")]


@pytest.mark.parametrize(
    "record",
    [
        application(TargetUrl="x/Action: Allow", ActionReason="Default Action"),
        application(TargetUrl='x/"Action":"Allow"'),
        network(Rule='"Action":"Allow"', ActionReason=""),
        network(Rule="Action: Allow", ActionReason=""),
        network(Action="deny"),
        network(Action="DENY"),
        network(Action=" Deny"),
        application(
            "", Fqdn="", TargetUrl="x.example.org/Action: Allow", ActionReason="SNI TLS extension was missing."
        ),
        legacy(SENTENCE + "Deny. Rule Collection: Action: Allow. Rule: r"),
        nta(AclRule="Action: Allow"),
        nta(FlowStatus="D"),
        network(Rule='{"category":"AZFWDnsQuery"}', ActionReason=""),
        {"category": "AZFWNetworkRule"} | network() | {"x": {"Action": "Allow"}},
    ],
)
@pytest.mark.parametrize("write", [dump, json.dumps])
def test_no_denial_is_taken_for_an_allowed_line(record: Record, write: "object") -> None:
    assert callable(write)
    found = read("\n".join([write(record)] * 3))
    assert events(found) == 3


@pytest.mark.parametrize("character", ["\u00fc", "\u20ac", "\U0001f512"])
@pytest.mark.parametrize("before", ["", "\u00fc"])
def test_wherever_a_character_of_several_bytes_stands_a_line_is_read(character: str, before: str) -> None:
    """Names of rules are written as they are. One such line had ended the reading of all."""

    def allowed(letters: int) -> Record:
        properties = {"Rule": ""} | network("Allow")["properties"] | {"Rule": "x" * letters + character}
        return {"resourceId": before, "category": "AZFWNetworkRule", "properties": properties, "time": TIME}

    found = read(jsonl(*map(allowed, range(70)), network()))
    assert (aside(found), events(found)) == ([(ALLOWED, 70, "-:1")], 1)


def test_allowed_entries_become_flows_without_a_cause_on_request() -> None:
    found = read(jsonl(network("Allow"), network("Allow"), network()), with_allowed=True)
    allowed = flow(dst_ip="203.0.113.7", action="Allow", cause=None, rule="hub / base / out / web", events=2)
    assert rows(found) == [allowed, flow(dst_ip="203.0.113.7", origin="-:3")]
    assert aside(found) == []


def test_files_are_accounted_for_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name, log in {
        "b": jsonl(network(), network("Allow")),
        "a": document(nsg(NSG_DENIED, NSG_ALLOWED)),
        "c": "?\n",
        "d": "",
    }.items():
        (tmp_path / name).write_text(log)
    ledger = closed(source.read([f"{tmp_path}/{name}" for name in "dbca"])).ledger
    at = f"{tmp_path}/"
    assert ledger == Ledger(
        (
            Account(at + "a", "flowlog", 2, 1, 1),
            Account(at + "b", "azfw", 2, 1, 1),
            Account(at + "c", "unknown", 1, 0, 1),
            Account(at + "d", "unknown", 0, 0, 0),
        ),
        (
            SetAside(ALLOWED, 2, at + "a:1"),
            SetAside("no log: neither JSON, CSV nor Parquet of a known table", 1, at + "c:1"),
            SetAside("empty file", 0, at + "d:1"),
        ),
        ("AZFWNetworkRule",),
        (Counted(at + "a", 1, ("nsg flows",)), Counted(at + "b", 1, ("firewall network rules",))),
    )


def test_the_ledger_names_the_tables_that_had_rows_used_or_not() -> None:
    for with_allowed in (False, True):
        found = read(
            jsonl(network("Allow"), {**network(), "category": "AZFWDnsQuery"}, legacy(SENTENCE + "Deny"), nta()),
            with_allowed=with_allowed,
        )
        assert found.ledger.tables == (
            "AZFWDnsQuery",
            "AZFWNetworkRule",
            "AzureFirewallNetworkRule",
            "NTANetAnalytics",
        )


def test_every_format_of_a_file_is_named_whether_its_rows_are_used_or_not() -> None:
    for with_allowed in (False, True):
        found = read(
            jsonl(network("Allow"), legacy(SENTENCE + "Allow"), nta(FlowStatus="Allowed"), nsg(NSG_ALLOWED)),
            with_allowed=with_allowed,
        )
        assert [account.format for account in found.ledger.inputs] == ["azdiag, azfw, flowlog, traffic"]
        assert found.faults == ()


def test_progress_is_told_file_by_file(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_text(jsonl(network()))
    told: list[tuple[int, int]] = []
    source.read([str(tmp_path), "missing"], progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_the_frame_is_a_flow_frame_however_little_is_in_it() -> None:
    for log in ("", "?", jsonl(network()), document(nsg(NSG_DENIED)), jsonl(network("Allow"))):
        assert read(log).rows.schema == flows.FLOW


def test_many_conversations_are_merged_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shares of many files are folded together before all are there, and nothing is lost by it."""
    monkeypatch.setattr(crowd, "_MERGE_AT", 3)
    for part in range(8):
        (tmp_path / str(part)).write_text(
            jsonl(*(network(DestinationPort=443 + port) for port in range(part, part + 4)))
        )
    found = closed(source.read([str(tmp_path)]))
    assert [row["dst_port"] for row in rows(found)] == list(range(443, 454))
    assert events(found) == 32


def test_what_waits_is_bounded_however_small_files_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame of one row takes as much as hundreds of rows, so that small files were kept until they were a gigabyte."""
    waiting: list[int] = []

    def conformed(entries: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        waiting.append(entries["place"].n_unique())
        return conform(entries)

    conform = flows.conform
    monkeypatch.setattr(flows, "conform", conformed)
    log = jsonl(network()).encode()
    found = closed(source.read([], places=[Input(f"file {n}", named=True, fetch=lambda: log) for n in range(600)]))
    assert (events(found), sum(waiting), max(waiting) < 300) == (600, 600, True)


def test_no_row_is_ever_unaccounted_for() -> None:
    found = read(lines_of([*LINES, *[LINES[0]] * 9]))
    assert UNACCOUNTED not in {reason for reason, _, _ in aside(found)}
    assert found.rows["events"].sum() == events(found) == sum(line.denied for line in LINES) + 9
    assert found.rows.select(pl.col("cause").is_null().any()).item() is False


def test_a_place_that_is_no_file_is_read_beside_the_files_under_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "night.jsonl").write_text(jsonl(network()))
    told = source.read(
        [str(tmp_path)], places=[Input("workspace/AZFWNetworkRule", named=True, fetch=jsonl(network()).encode)]
    )
    assert told.rows["events"].to_list() == [2]
    assert [(each.path, each.rows_used) for each in told.ledger.inputs] == [
        (str(tmp_path / "night.jsonl"), 1),
        ("workspace/AZFWNetworkRule", 1),
    ]


def test_a_place_that_cannot_be_fetched_is_a_fault_and_the_rest_is_read(tmp_path: Path) -> None:
    def refused() -> bytes:
        raise OSError("the server refused")

    (tmp_path / "night.jsonl").write_text(jsonl(network()))
    told = source.read([str(tmp_path)], places=[Input("blob", named=True, fetch=refused)])
    assert told.rows["events"].to_list() == [1]
    assert told.faults == ("blob: cannot be read (the server refused). Check the path and its permissions.",)


@pytest.mark.usefixtures("heeded")
def test_ctrl_c_does_not_wait_for_what_is_being_read() -> None:
    both, held, ended = threading.Barrier(2), threading.Event(), list[str]()

    def fetch(name: str) -> bytes:
        both.wait(10)
        held.wait(0.2)  # until both are waited for
        if name == "b":
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        held.wait(5)
        ended.append(name)
        return b""

    places = [Input(name, named=True, fetch=partial(fetch, name)) for name in ("a", "b", "c")]
    with pytest.raises(KeyboardInterrupt):
        source.read([], places=places)
    assert ended == []
    held.set()
