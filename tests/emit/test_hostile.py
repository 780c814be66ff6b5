"""Nothing that a log can fill gets out: a corpus of hostile texts through every field and every form."""

import csv
import io
import json
import shlex
from dataclasses import replace
from datetime import timedelta

import hcl2
import pytest

from fwlens import document
from fwlens.emit import Options, emit, forms_of
from fwlens.emit.hcl import text as hcl_text
from fwlens.emit.resource import Resource, arm, bicep
from fwlens.emit.shell import command, script
from fwlens.emit.ticket import TICKETS
from fwlens.errors import FwlensError
from fwlens.rule import PLATFORMS, Endpoint, Platform, Recommendation
from tests.emit.parsed import PARSERS, opened
from tests.emit.rules import ALL
from tests.hostile import HOSTILE, formulas

PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789/.-")
NEAR = Options(priority_below=4000)
WRITTEN = [(platform, form) for platform in PLATFORMS for form in forms_of(platform)]


def test_the_corpus_is_large_enough_to_mean_something() -> None:
    assert len(set(HOSTILE)) >= 60


@pytest.mark.parametrize("hostile", HOSTILE, ids=ascii)
def test_no_hostile_text_is_an_endpoint(hostile: str) -> None:
    for one in (hostile, f"{hostile}.com", f"*.{hostile}", f"www.{hostile}", f"tag:{hostile}"):
        try:
            endpoint = Endpoint.parse(one)
        except FwlensError:
            continue
        if not endpoint.is_concrete:  # a placeholder of the catalogue, which no rule may hold
            with pytest.raises(FwlensError):
                replace(ALL["nsg"][0].rule, destinations=(endpoint,))
            continue
        assert str(endpoint).isascii()
        assert not set(str(endpoint)) & set(" \t\r\n\"'`$\\;|&<>(){}[]#!%@?=,^")


@pytest.mark.parametrize(("platform", "form"), WRITTEN)
def test_what_a_log_says_of_devices_and_rules_appears_in_no_form(platform: Platform, form: str) -> None:
    def emitted(word: str) -> tuple[str, tuple[str, ...]]:
        heard = [
            replace(one, evidence=replace(one.evidence, devices=(word,), denied_by=(word,))) for one in ALL[platform]
        ]
        (artefact,) = emit(heard, form, NEAR)
        return artefact.text, artefact.remarks

    clean = emitted("plain")
    assert clean[0] == emit(ALL[platform], form, NEAR)[0].text
    for hostile in HOSTILE:
        assert emitted(hostile) == clean


@pytest.mark.parametrize(("platform", "form"), WRITTEN)
def test_an_id_or_address_of_a_document_goes_out_only_if_it_is_plain(platform: Platform, form: str) -> None:
    first, *rest = ALL[platform]
    (citation, *_) = first.citations
    for hostile in HOSTILE:
        as_id, *as_address = (
            replace(citation, id=hostile),
            replace(citation, url=hostile),
            replace(citation, also=(hostile,)),
        )
        for wrong in (as_id, *as_address):
            try:
                emit([replace(first, citations=(wrong,)), *rest], form, NEAR)
            except FwlensError as fault:
                told = str(fault)
            else:
                told = hostile if wrong is as_id else hostile.removeprefix("https://")
                assert set(told) <= PLAIN
            assert told.isascii()
            assert told.isprintable()


@pytest.mark.parametrize("form", TICKETS)
def test_free_text_in_a_ticket_breaks_out_of_nothing(form: str) -> None:
    for hostile in HOSTILE:
        said = [
            replace(
                one,
                doubts=(hostile,),
                citations=tuple(replace(each, page=hostile, purpose=hostile) for each in one.citations),
            )
            for one in ALL["nsg"]
        ]
        (artefact,) = emit(said, form, NEAR)
        assert [each.name for each in PARSERS[form](artefact.text)] == [
            opened(one.rule).name for one in sorted(said, key=lambda one: one.rule.sort_key)
        ]
        assert not set(artefact.text) & set("\x00\x1b\r\u202e\u2066\u2028\u200f\x9b")
        if form == "markdown":
            assert artefact.text.count("\n") == emit([replace(one, doubts=("x",)) for one in said], form, NEAR)[
                0
            ].text.count("\n")
            assert "<" not in artefact.text.replace("\\<", "")
        else:
            assert [
                part for row in csv.reader(io.StringIO(artefact.text)) for cell in row for part in formulas(cell)
            ] == []


@pytest.mark.parametrize("hostile", HOSTILE, ids=ascii)
def test_even_text_that_is_not_refused_stays_text_in_every_language(hostile: str) -> None:
    """The second lock: what a platform writes is plain, and the writers would hold anything else all the same."""
    resource = Resource("x", "a/b", "2024-05-01", "n", {"description": hostile})
    (spelled,) = json.loads(arm([resource], "about"))["resources"]
    meant = spelled["properties"]["description"]
    assert meant == (f"[{hostile}" if hostile.startswith("[") else hostile), "an expression is marked as text"
    line = next(each for each in bicep([resource], "about").splitlines() if "description" in each)
    body = line.partition("'")[2].removesuffix("'")
    assert line.isascii()
    assert not any(mark in body.replace("\\\\", "").replace("\\'", "").replace("\\$", "") for mark in ("'", "${"))
    written = hcl_text(hostile)
    assert written.isascii()
    assert written.isprintable()
    (read,) = hcl2.loads(f"x = {written}\n").values()
    assert read == written
    try:
        text = script("about", [], [command("az thing", [("--value", [hostile])])])
    except FwlensError:
        assert hostile.startswith(("@", "[")) or "??" in hostile
        return
    assert shlex.split(text.partition("az thing")[2].replace("\\\n", " ")) == ["--value", hostile]


def test_an_edited_document_cannot_carry_more_than_its_fields() -> None:
    for hostile in HOSTILE:
        text = (
            '{"schema": "fwlens.recommendations/1", "recommendations": [{"platform": "nsg", "layer": "nsg", '
            '"direction": "outbound", "sources": ["10.0.0.4"], "destinations": ['
            + json.dumps(hostile)
            + '], "services": ["tcp/443"]}]}'
        )
        try:
            read = document.parse(text.encode("utf-8", "surrogatepass"), "edited")
        except FwlensError:
            continue
        with pytest.raises(FwlensError):
            emit(read.recommendations, "arm", NEAR)


def test_one_flow_is_told_as_one() -> None:
    alone = replace(ALL["nsg"][0], evidence=replace(ALL["nsg"][0].evidence, flows=1, events=1))
    lines = emit([alone], "markdown", NEAR)[0].text.splitlines()
    assert lines[2] == "Documented needs were blocked (1 log entry); each rule opens what the needs it cites ask for."
    assert "Evidence: 1 flow, 1 log entry, from 2026-11-20T22:15:00Z to 2026-11-20T23:15:00Z." in lines


def test_times_and_counts_are_the_only_evidence_in_a_ticket() -> None:
    one: Recommendation = ALL["nsg"][0]
    later = replace(one, evidence=replace(one.evidence, last_seen=one.evidence.last_seen + timedelta(hours=1)))
    before, after = (emit([each], "markdown", NEAR)[0].text.splitlines() for each in (one, later))
    assert [line for line in after if line not in before] == [
        "Evidence: 3 flows, 14 log entries, from 2026-11-20T22:15:00Z to 2026-11-21T00:15:00Z."
    ]
