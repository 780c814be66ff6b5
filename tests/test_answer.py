"""The JSON of an answer: every key of the schema and no other, sums that close, and the way back into rules."""

import json
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwlens import answer, document, run
from fwlens.answer import Answer, to_json
from fwlens.rule import Endpoint, Layer, Rule, Service

ROOT = Path(__file__).parent.parent
SAMPLES = run.Ask(logs=(str(ROOT / "sample_logs"),))


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    """No key has a default, and no other is allowed: one that comes or goes is seen."""


class Window(Strict):
    first_seen: datetime | None
    last_seen: datetime | None


class AskedFor(Strict):
    platform: Literal["azure-firewall", "nsg", "aml-managed-network"] | None
    region: str | None
    profiles: list[str]
    breadth: Literal["observed", "documented"]
    subnets: list[str]
    at_most: int | None
    dns_proxy: bool
    never_override: list[str]
    catalogs: list[str]
    since: datetime | None
    until: datetime | None


class Heard(Strict):
    name: Literal["firewall application rules", "firewall network rules", "nsg flows"]
    device: str | None
    last_seen: datetime
    needs: list[str]
    unknown: list[str]


class Reason(Strict):
    reason: str
    rows: int
    first: str


class Input(Strict):
    path: str
    format: str
    rows_read: int
    rows_used: int
    rows_set_aside: int


class Books(Strict):
    rows_read: int
    rows_used: int
    rows_set_aside: int
    set_aside: list[Reason]
    inputs: list[Input]


class Count(Strict):
    flows: int
    events: int


class Verdicts(Strict):
    needed: Count
    unexplained: Count
    refused: Count
    working: Count | None
    surplus: Count | None


class Cited(Strict):
    id: str
    layer: Literal["documented", "vendor", "observed"]
    purpose: str = msgspec.field(name="for")
    url: str
    page: str
    read_on: str
    within: list[str]
    also: list[str]


class Seen(Strict):
    flows: int
    events: int
    first_seen: datetime
    last_seen: datetime
    devices: list[str]
    denied_by: list[str]


class Recommended(Strict):
    id: str
    platform: Literal["azure-firewall", "nsg", "aml-managed-network"]
    layer: Literal["application", "network", "nsg", "fqdn", "service-tag"]
    direction: Literal["inbound", "outbound"]
    sources: list[str]
    destinations: list[str]
    services: list[str]
    requirements: list[Cited]
    evidence: Seen
    doubts: list[str]


class Talk(Strict):
    src_ip: str
    destination: str
    service: str
    direction: Literal["inbound", "outbound"]
    events: int
    first_seen: datetime
    last_seen: datetime


class HandedBack(Strict):
    flow: Talk
    platform: str
    requirement: str
    why: str


class Near(Strict):
    requirement: str
    why: str


class Unexplained(Strict):
    src_ip: str
    destination: str | None
    service: str
    direction: str
    cause: str
    plane: str
    events: int
    first_seen: datetime
    last_seen: datetime
    near: list[Near]


class Refused(Strict):
    src_ip: str
    destination: str | None
    service: str
    direction: str
    cause: str
    rule: str | None
    plane: str
    events: int
    first_seen: datetime
    last_seen: datetime


class Proven(Strict):
    complete: bool
    sound: bool
    irredundant: bool
    rules: int
    lower_bound: int
    proven: int
    surplus: int
    surplus_of: dict[str, int]
    faults: list[str]


class Noted(Strict):
    id: str
    text: str
    url: str


class Document(Strict):
    schema: Literal["fwlens.recommendations/1"]
    window: Window
    asked: AskedFor
    service_tags: int | None
    ledger: Books
    verdicts: Verdicts
    recommendations: list[Recommended]
    unsaid: list[HandedBack]
    unexplained: list[Unexplained]
    refused: list[Refused]
    certificate: Proven
    logs: list[Heard]
    notes: list[Noted]


class Row(Strict):
    """A row of the Flow frame, as `fwlens flows` tells it."""

    first_seen: datetime
    last_seen: datetime
    events: int
    src_ip: str
    dst_ip: str | None
    dst_fqdn: str | None
    dst_port: int | None
    protocol: str
    direction: str
    action: str
    cause: str | None
    rule: str | None
    plane: str
    device: str | None
    origin: str


class MatchedRow(Row):
    requirement: str | None
    way: int | None
    by: str | None
    service: str | None
    width: float | None
    verdict: str


class FlowsDocument(Strict):
    schema: Literal["fwlens.flows/1"]
    ledger: Books
    flows: list[Row]


class MatchedDocument(Strict):
    schema: Literal["fwlens.matched/1"]
    ledger: Books
    flows: list[MatchedRow]


CHOICES = {
    "as the planes denied": SAMPLES,
    "for an NSG, which holds no names": replace(SAMPLES, platform="nsg"),
    "for a managed network": replace(SAMPLES, platform="aml-managed-network", region="westeurope"),
    "with allowed entries": replace(SAMPLES, with_allowed=True),
    "subnets as sources": replace(SAMPLES, subnets=("10.20.1.0/24",)),
    "whole documented ways": replace(SAMPLES, breadth="documented"),
    "few rules": replace(SAMPLES, at_most=6),
    "a rule to respect": replace(SAMPLES, never_override=("DenyInternet",)),
    "one file by name only": run.Ask(logs=(str(ROOT / "sample_logs/azfw.jsonl"),)),
    "nothing at all": replace(SAMPLES, profiles=("rstudio",), platform="nsg"),
}
_Told = TypeVar("_Told", bound=Strict)


@cache
def told(choice: str) -> Answer:
    ask = CHOICES[choice]
    return run.answered(ask, run.matched(ask, run.flows_of(ask)))[0]


def strictly(data: bytes, shape: type[_Told]) -> _Told:
    """The JSON, with every key that the shape has and no other."""
    return msgspec.json.decode(data, type=shape)


@pytest.mark.parametrize("choice", CHOICES)
def test_an_answer_has_every_key_of_its_schema_and_no_other(choice: str) -> None:
    said = strictly(to_json(told(choice)), Document)
    assert (said.verdicts.working is None, said.verdicts.surplus is None) == (choice != "with allowed entries",) * 2
    assert all(one.requirements and one.requirements[0].url.startswith("https://") for one in said.recommendations)
    assert all(one.evidence.first_seen <= one.evidence.last_seen for one in said.recommendations)


@pytest.mark.parametrize("choice", CHOICES)
def test_the_sums_of_an_answer_close(choice: str) -> None:
    said = strictly(to_json(told(choice)), Document)
    books = said.ledger
    assert books.rows_read == books.rows_used + books.rows_set_aside
    assert books.rows_set_aside == sum(reason.rows for reason in books.set_aside)
    for field in ("rows_read", "rows_used", "rows_set_aside"):
        assert getattr(books, field) == sum(getattr(each, field) for each in books.inputs)
    assert all(each.rows_read == each.rows_used + each.rows_set_aside for each in books.inputs)
    assert len(said.unexplained) == said.verdicts.unexplained.flows
    assert sum(each.events for each in said.unexplained) == said.verdicts.unexplained.events
    assert len(said.refused) == said.verdicts.refused.flows
    assert said.certificate.rules == len(said.recommendations) == len(said.certificate.surplus_of)
    assert set(said.certificate.surplus_of) == {one.id for one in said.recommendations}
    assert said.certificate.faults == []
    cited = {each.id for one in said.recommendations for each in one.requirements}
    assert {need for log in said.logs for need in log.needs} == cited | {one.requirement for one in said.unsaid}


def test_allowed_entries_are_counted_either_way_and_judged_on_request_only() -> None:
    without, judged = (strictly(to_json(told(c)), Document) for c in ("as the planes denied", "with allowed entries"))
    assert without.ledger.rows_read == judged.ledger.rows_read
    assert judged.ledger.rows_used - without.ledger.rows_used == 68
    assert (judged.verdicts.working, judged.verdicts.surplus) == (Count(8, 64), Count(2, 4))
    assert judged.recommendations == without.recommendations


@pytest.mark.parametrize("choice", CHOICES)
def test_an_answer_is_read_again_as_it_was_said(choice: str) -> None:
    said = told(choice)
    read = document.parse(to_json(said), "night.json")
    assert read.recommendations == said.recommendations
    assert read.handed_back == said.unsaid
    assert (read.lower_bound, read.surplus) == (said.certificate.lower_bound, said.certificate.surplus)
    assert read.service_tags == said.service_tags
    ask = CHOICES[choice]
    assert (read.asked.platform, read.asked.region) == (ask.platform, ask.choice.region)
    assert (read.asked.subnets, read.asked.documented) == (ask.options.subnets, ask.options.documented)
    assert (read.asked.at_most, read.profiles, read.never_override) == (ask.at_most, ask.profiles, ask.never_override)


_ADDRESSES = st.tuples(st.ip_addresses(v=4), st.integers(8, 32)).map(lambda pair: f"{pair[0]}/{pair[1]}")
_FAR = st.sampled_from(["pypi.org", "*.anaconda.org", "huggingface.co", "tag:AzureMonitor", "10.7.0.0/16"])
_SERVICES = st.sampled_from(["tcp/443", "udp/5831", "tcp/445", "https/443", "http/80", "udp/3478-3481", "icmp"])


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    from ipaddress import ip_network

    sources = {str(ip_network(text, strict=False)) for text in draw(st.lists(_ADDRESSES, min_size=1, max_size=3))}
    sides = (sources, draw(st.sets(_FAR, min_size=1)))
    near, far = (tuple(sorted(map(Endpoint.parse, side), key=lambda end: end.sort_key)) for side in sides)
    services = tuple(sorted(map(Service.parse, draw(st.sets(_SERVICES, min_size=1)))))
    layers: tuple[Layer, ...] = ("application", "network")
    return Rule("azure-firewall", draw(st.sampled_from(layers)), "outbound", near, far, services)


@given(st.lists(rules(), max_size=4))
def test_any_rules_come_back_from_the_json_of_an_answer(made: list[Rule]) -> None:
    said = told("as the planes denied")
    sample = said.recommendations[0]
    other = replace(said, recommendations=tuple(replace(sample, rule=rule) for rule in made))
    assert document.parse(to_json(other), "night.json").recommendations == other.recommendations


def test_equal_answers_give_equal_bytes_and_end_a_line() -> None:
    ask = CHOICES["as the planes denied"]
    again = run.answered(ask, run.matched(ask, run.flows_of(ask)))[0]
    assert to_json(again) == to_json(told("as the planes denied"))
    assert to_json(again).endswith(b"\n}\n") or to_json(again).endswith(b"}\n")


def test_flows_and_matched_rows_have_their_schemas_too() -> None:
    flows = run.flows_of(SAMPLES)
    read = strictly(answer.flows_to_json(flows.rows, flows.ledger), FlowsDocument)
    assert len(read.flows) == flows.rows.height
    found = run.matched(SAMPLES, flows)
    matched = strictly(answer.flows_to_json(found.rows, flows.ledger, answer.MATCHED_SCHEMA), MatchedDocument)
    assert sum(row.events for row in matched.flows) == sum(row.events for row in read.flows) == 436


@pytest.mark.parametrize("piece", [1, 2, 3, 20_000])
def test_pieces_are_the_whole_as_one_would_write_it(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer, "_PIECE", piece)
    flows = run.flows_of(SAMPLES)
    said, _ = run.answered(SAMPLES, run.matched(SAMPLES, flows))
    empty = answer.flows_to_json(flows.rows.head(0), flows.ledger)
    for written in (answer.to_json(said), answer.flows_to_json(flows.rows, flows.ledger), empty):
        assert written == msgspec.json.format(written, indent=2) + b"\n"
        assert written == json.dumps(json.loads(written), indent=2, ensure_ascii=False).encode() + b"\n"
