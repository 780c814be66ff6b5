"""The loader and the lint of the catalogue, as they meet a file that somebody writes."""

from datetime import date
from pathlib import Path
from textwrap import dedent

import pytest

from fwlens import catalog
from fwlens.catalog import compiled, lint, load
from fwlens.catalog.page import parse
from fwlens.errors import FwlensError
from fwlens.match import match
from tests.plain import Seen, frame

TODAY = date(2026, 11, 21)
HEAD = """\
    page: Our own services
    url: https://wiki.example/network
    layer: observed
    read_on: 2026-11-01
"""
NEED = """\
    needs:
      - id: mine/build
        for: The build cache.
        ways: [{to: [cache.build.example], over: [tcp/443]}]
"""


def written(tmp_path: Path, text: str, name: str = "mine.yaml") -> Path:
    path = tmp_path / name
    path.write_text(dedent(text))
    return path


def refused(path: Path) -> str:
    with pytest.raises(FwlensError) as told:
        load([path])
    return str(told.value).replace(str(path), "mine.yaml")


def linted(tmp_path: Path, text: str, today: date = TODAY) -> tuple[list[str], list[str]]:
    return lint.check(load([written(tmp_path, text)]), today)


def needs(*lines: str) -> str:
    return HEAD + "    needs:\n" + "".join(f"      - {line}\n" for line in lines)


def test_the_built_in_catalogue_is_sound() -> None:
    assert lint.check(load(), TODAY) == ([], [])


def test_a_need_of_ones_own_explains_what_nothing_else_does(tmp_path: Path) -> None:
    seen = [Seen(host="cache.build.example")]
    known = load([written(tmp_path, HEAD + NEED)])
    assert match(frame(seen), load().requirements)["requirement"].to_list() == [None]
    assert match(frame(seen), known.requirements)["requirement"].to_list() == ["mine/build"]
    one = catalog.find(known, "mine/build")
    assert (one.citation.page, one.citation.url, one.citation.basis) == (
        "Our own services", "https://wiki.example/network", "observed",
    )  # fmt: skip
    assert lint.check(known, TODAY) == ([], [])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not a catalogue file: Expected `object`, got `null`."),
        ("a letter", "not a catalogue file: Expected `object`, got `str`."),
        ("page: [", "not a catalogue file: line 2: did not find expected node content."),
        ("page: x\nurl: y\n", "not a catalogue file: Object missing required field `layer`."),
        (HEAD.replace("observed", "rumour"), "not a catalogue file: Invalid enum value 'rumour' - at `$.layer`."),
        (HEAD.replace("2026-11-01", "lately"), "not a catalogue file: Invalid RFC3339 encoded date - at `$.read_on`."),
        (HEAD + "    neeeds: []\n", "not a catalogue file: Object contains unknown field `neeeds`."),
        (
            needs("{id: a, for: b, ways: [{to: [x.example], port: 443, over: [tcp/443]}]}"),
            "not a catalogue file: Object contains unknown field `port` - at `$.needs[0].ways[0]`.",
        ),
        (needs("{id: a, ways: []}"), "not a catalogue file: Object missing required field `for` - at `$.needs[0]`."),
        (
            needs("{id: a, for: b, cloud: [mars], ways: []}"),
            "not a catalogue file: Invalid enum value 'mars' - at `$.needs[0].cloud[0]`.",
        ),
        (needs("{id: a, for: b, ways: []}"), "a: an outbound way says `to` and `over`, an inbound one `from` and `over`."),
        (
            needs("{id: a, for: b, ways: [{from: [x.example], over: [tcp/443]}]}"),
            "a: an outbound way says `to` and `over`, an inbound one `from` and `over`.",
        ),
        (
            needs("{id: a, for: b, ways: [{to: [x.example], over: []}]}"),
            "a: an outbound way says `to` and `over`, an inbound one `from` and `over`.",
        ),
        (
            needs("{id: a, for: b, direction: inbound, ways: [{to: [x.example], over: [tcp/443]}]}"),
            "a: an outbound way says `to` and `over`, an inbound one `from` and `over`.",
        ),
        (
            needs("{id: a, for: b, ways: [{to: ['*x.example'], over: [tcp/443]}]}"),
            "a: '*x.example' is no endpoint: write a host (login.x.com), a pattern (*.x.com), an address or network "
            "(10.0.0.0/8), or a service tag (tag:AzureMonitor).",
        ),
        (
            needs("{id: a, for: b, ways: [{to: [x.example], over: [443]}]}"),
            "not a catalogue file: Expected `str`, got `int` - at `$.needs[0].ways[0].over[0]`.",
        ),
        (
            needs("{id: a, for: b, ways: [{to: [x.example], over: [tls/443]}]}"),
            "a: 'tls/443' is no service: write a protocol and its ports, such as tcp/443, udp/3478-3481 or icmp.",
        ),
        (needs(*["{id: a, for: b, ways: [{to: [x.example], over: [tcp/443]}]}"] * 2), "the id a is there twice. Give each need its own."),
        (
            needs("{id: hf/hub, for: b, ways: [{to: [x.example], over: [tcp/443]}]}"),
            "the id hf/hub is there twice. Give each need its own.",
        ),
        (
            HEAD + "    notes: [{id: a, text: b}, {id: a, text: c}]\n",
            "the note a is there twice. Give each note its own id.",
        ),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_told_in_one_sentence_with_the_place(text: str, why: str, tmp_path: Path) -> None:
    assert refused(written(tmp_path, text)) == f"mine.yaml: {why}"


def test_restating_what_no_file_has_is_told(tmp_path: Path) -> None:
    text = HEAD + "    restates: [{need: hf/hubb}, {need: aml/nothing}]\n"
    assert refused(written(tmp_path, text)) == "The catalogue restates needs that no file has: aml/nothing, hf/hubb."


def test_restating_adds_a_citation_and_profiles_and_nothing_else(tmp_path: Path) -> None:
    text = HEAD + "    restates: [{need: hf/hub, when: [our-own]}]\n"
    one = catalog.find(load([written(tmp_path, text)]), "hf/hub")
    built_in = catalog.find(load(), "hf/hub")
    assert one.ways == built_in.ways
    assert set(one.when) == {*built_in.when, "our-own"}
    assert one.citation.also == (*built_in.citation.also, "https://wiki.example/network")


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    missing = tmp_path / "mine.yaml"
    assert refused(missing) == (
        "mine.yaml: the catalogue file cannot be read ([Errno 2] No such file or directory: 'mine.yaml')."
    )
    missing.write_bytes(b"page: \xff\n")
    assert refused(missing).startswith("mine.yaml: the catalogue file cannot be read ('utf-8' codec can't decode byte")


def test_tags_are_written_in_their_published_spelling(tmp_path: Path) -> None:
    text = needs("{id: a, for: b, ways: [{to: ['tag:frontdoor.firstparty', 'tag:storage.<region>'], over: [tcp/443]}]}")
    (way,) = catalog.find(load([written(tmp_path, text)]), "a").ways
    assert list(map(str, way.peers)) == ["tag:AzureFrontDoor.FirstParty", "tag:Storage.<region>"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            needs("{id: a, for: b, ways: [{to: ['*'], over: [tcp/443]}]}"),
            "a: a bare * is no need, it is everything.",
        ),
        (needs("{id: a, for: '', ways: [{to: [x.example], over: [tcp/443]}]}"), "a: it does not say what it is for."),
        (
            needs("{id: a, for: b, superseded_by: [nobody], ways: [{to: [x.example], over: [tcp/443]}]}"),
            "a: superseded_by names nobody, which is not in the catalogue.",
        ),
        (
            needs("{id: a, for: b, ways: [{to: [pypi.org], over: [tcp/443]}]}"),
            "a and packages/pip both name pypi.org over the same service: restate one of them.",
        ),
        (
            needs("{id: a, for: b, ways: [{to: [repo.anaconda.com], over: [https/443]}]}"),
            "a: repo.anaconda.com lies within *.anaconda.com of packages/conda: say so with within: [packages/conda].",
        ),
        (
            needs("{id: a, for: b, ways: [{to: ['*.pypi.org', pypi.example], over: [tcp/443]}]}",
                  "{id: c, for: d, ways: [{to: [x.pypi.org], over: [tcp/443]}]}"),
            "c: x.pypi.org lies within *.pypi.org of a: say so with within: [a].",
        ),
        (HEAD + "    notes: [{id: a, about: [hf/nothing], text: b}]\n", "note a: it is about hf/nothing, which is not in the catalogue."),
        (HEAD.replace("https", "http") + NEED, "Our own services: its address 'http://wiki.example/network' is no https address."),
        (HEAD.replace("https://wiki.example/network", "''") + "    notes: [{id: a, text: b}]\n", "Our own services: its address '' is no https address."),
    ],
)  # fmt: skip
def test_the_lint_says_what_is_wrong_with_a_need(text: str, why: str, tmp_path: Path) -> None:
    assert linted(tmp_path, text) == ([why], [])


def test_a_need_within_another_says_so_and_is_no_fault(tmp_path: Path) -> None:
    text = needs("{id: a, for: b, within: [packages/conda], ways: [{to: [repo.anaconda.com], over: [https/443]}]}")
    assert linted(tmp_path, text) == ([], [])


def test_another_port_of_the_same_host_is_another_need(tmp_path: Path) -> None:
    assert linted(tmp_path, needs("{id: a, for: b, ways: [{to: [pypi.org], over: [tcp/8443]}]}")) == ([], [])


@pytest.mark.parametrize("rest", [NEED, "    notes: [{id: a, text: b}]\n", "    restates: [{need: hf/hub}]\n"])
def test_a_page_that_was_read_more_than_a_year_ago_is_a_warning(rest: str, tmp_path: Path) -> None:
    text = HEAD.replace("2026-11-01", "2025-11-20") + rest
    assert linted(tmp_path, text, date(2026, 11, 20)) == ([], [])
    assert linted(tmp_path, text) == (
        [],
        ["Our own services: read on 2025-11-20, more than a year ago. Read it again."],
    )


def test_a_need_is_found_by_its_id_and_a_wrong_id_tells_the_nearest() -> None:
    known = load()
    assert catalog.find(known, "hf/hub").id == "hf/hub"
    for wrong, hint in (
        ("hf/hubb", "Did you mean hf/hub?"),
        ("???", "`fwlens catalog list` shows them all."),
    ):
        with pytest.raises(FwlensError) as told:
            catalog.find(known, wrong)
        assert str(told.value) == f"The catalogue has no need {wrong!r}. {hint}"


def test_the_compiled_pages_are_in_step_with_their_yaml() -> None:
    written = compiled.compiled(compiled.texts())
    assert compiled.COMPILED.read_bytes() == written, "run: python -m fwlens.catalog"
    assert list(compiled.pages()) == [(name, parse(name, text)) for name, text in compiled.texts()]


@pytest.mark.parametrize("text", ["", "{}", '{"digest":"0","files":[]}', '{"digest":0}'])
def test_pages_that_were_edited_since_are_read_from_their_yaml(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.yaml").write_text(dedent(HEAD + NEED))
    monkeypatch.setattr(compiled, "COMPILED", tmp_path / "compiled.json")
    assert [file.page for _, file in compiled.pages()] == ["Our own services"]
    (tmp_path / "compiled.json").write_text(text)
    assert [file.page for _, file in compiled.pages()] == ["Our own services"]
    (tmp_path / "compiled.json").write_bytes(compiled.compiled(compiled.texts()))
    (tmp_path / "mine.yaml").write_text(dedent(HEAD + NEED).replace("Our own", "Their own"))
    assert [file.page for _, file in compiled.pages()] == ["Their own services"]
