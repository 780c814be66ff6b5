"""What a person may write for times, and what is told beside an answer."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from fwlens import hints, run, source
from fwlens.certificate import certify
from fwlens.cli.commands import app
from fwlens.errors import FwlensError
from fwlens.night import SLOT, night_of
from fwlens.proof import Certificate
from fwlens.run import Ask, how_long, when
from tests.night import NSG_ENTRIES, Entry, as_answer, as_csv, cl, nta

NOW = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90m", timedelta(minutes=90)), ("6h", timedelta(hours=6)), ("2d", timedelta(days=2)), ("1w", timedelta(weeks=1)),
        (" 2d ", timedelta(days=2)), ("0h", timedelta()), ("9999d", timedelta(days=9999)),
    ],
)  # fmt: skip
def test_a_span_is_a_number_and_a_unit(text: str, span: timedelta) -> None:
    assert how_long(text) == span


@pytest.mark.parametrize("text", ["", "6", "h", "six hours", "6 h", "6H", "-6h", "1.5h", "6s", "12345d", "٦h", "6h30m"])
def test_what_is_no_span_is_told(text: str) -> None:
    with pytest.raises(FwlensError) as told:
        how_long(text)
    assert str(told.value) == f"{text!r} is no span of time: write 90m, 6h, 2d or 1w."


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("6h", datetime(2026, 11, 21, 0, 30, tzinfo=UTC)),
        ("2d", datetime(2026, 11, 19, 6, 30, tzinfo=UTC)),
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
        ("2026-11-20T22:00", datetime(2026, 11, 20, 22, tzinfo=UTC)),
        ("2026-11-20 22:00:05", datetime(2026, 11, 20, 22, 0, 5, tzinfo=UTC)),
        ("2026-11-20T22:00Z", datetime(2026, 11, 20, 22, tzinfo=UTC)),
        ("2026-11-20T22:00+01:00", datetime(2026, 11, 20, 21, tzinfo=UTC)),
    ],
)
def test_a_time_is_a_date_in_utc_or_so_long_ago(text: str, time: datetime) -> None:
    assert when(text, NOW.timestamp()) == time


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.integers(-12, 14))
def test_a_zone_is_taken_off(time: datetime, hours: int) -> None:
    stated = f"{time.isoformat()}{hours:+03}:00"
    assert when(stated, 0) == time.replace(tzinfo=UTC) - timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "yesterday", "22:00", "20.11.2026", "2026-13-01", "2026-11-20T25:00"])
def test_what_is_no_time_is_told(text: str) -> None:
    with pytest.raises(FwlensError) as told:
        when(text, NOW.timestamp())
    assert str(told.value) == f"{text!r} is no time: write 2026-11-20T22:00 (UTC), or 90m, 6h, 2d for that long ago."


@pytest.mark.parametrize("text", ["0001-01-01T00:00+14:00", "9999-12-31T23:00-12:00"])
def test_a_time_before_all_calendars_is_no_time(text: str) -> None:
    with pytest.raises(FwlensError) as told:
        when(text, NOW.timestamp())
    assert str(told.value).startswith(f"{text!r} is no time: ")


# Subnets as a hint


def hint(path: Path, *subnets: str) -> tuple[str, ...]:
    ask = Ask(logs=(str(path), "sample_logs/service-tags.json"), subnets=subnets)
    return hints.named_subnets(ask, run.matched(ask, run.flows_of(ask)))


def needed(number: int) -> Entry:
    return Entry(60, f"10.20.{number}.4", "203.0.113.70", 443, rule="UserRule_DenyInternet")


def named(entry: Entry, subnet: str) -> dict[str, object]:
    return {**nta(entry, public=True), "SrcSubnet": subnet}


HINT = "Traffic Analytics names the subnet of sources, not its range: {}. --subnet CIDR names a whole subnet as source."


def test_a_named_subnet_of_a_source_with_a_need_is_a_hint_in_either_table(tmp_path: Path) -> None:
    new, old = tmp_path / "nta.csv", tmp_path / "cl.json"
    new.write_text(as_csv([named(needed(1), "rg/net/a"), named(needed(2), "rg/net/a"), named(needed(3), "rg/net/b")]))
    assert hint(new) == (HINT.format("rg/net/a (2 of the sources), rg/net/b (1 of the sources)"),)
    old.write_text(as_answer([{**cl(needed(1), public=True), "Subnet1_s": "rg/net/a"}]))
    assert hint(old) == (HINT.format("rg/net/a (1 of the sources)"),)


def test_no_more_than_three_subnets_are_named(tmp_path: Path) -> None:
    path = tmp_path / "nta.csv"
    path.write_text(as_csv([named(needed(i), f"rg/net/s{i}") for i in range(1, 6)]))
    one = "(1 of the sources)"
    assert hint(path) == (HINT.format(f"rg/net/s1 {one}, rg/net/s2 {one}, rg/net/s3 {one} and 2 more"),)


def test_a_subnet_that_was_asked_for_or_has_no_need_is_no_hint(tmp_path: Path) -> None:
    path = tmp_path / "nta.csv"
    path.write_text(as_csv([named(needed(1), "rg/net/a")]))
    assert hint(path, "10.20.0.0/16") == ()
    path.write_text(as_csv([named(Entry(60, "10.20.1.4", "198.51.100.9", 22), "rg/net/a")]))
    assert hint(path) == ()


@pytest.mark.parametrize(
    "name",
    ["rg/net/\x1b[31mred", "rg/net/a\u202eb", "rg/net", "a/b/c/d", "$(reboot)/x/y", "rg/net/a b", "<b>/x/y", "x" * 91 + "/n/s", "-", ""],
)  # fmt: skip
def test_a_name_that_azure_would_not_allow_is_never_shown(name: str, tmp_path: Path) -> None:
    path = tmp_path / "nta.csv"
    path.write_text(as_csv([named(needed(1), name)]))
    assert hint(path) == ()


def test_the_names_of_allowed_rows_are_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "nta.csv"
    path.write_text(as_csv([nta(entry, public=False) for entry in NSG_ENTRIES if entry.action == "Allow"]))
    assert source.read([str(path)]).subnets == ()


def test_rules_that_do_not_pass_their_own_check_are_told_and_never_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As a fault of the recommender would be: the answer is there to look at, and nothing that could be applied."""

    def doubted(*words: Any, **choice: Any) -> Certificate:
        return replace(certify(*words, **choice), sound=False, faults=("x to y is allowed.", "z stays blocked."))

    monkeypatch.setattr(run, "certify", doubted)
    told = (
        "The rules do not pass their own check, which is a fault of fwlens: do not apply them. "
        "x to y is allowed. (and 1 more)"
    )
    words = ["recommend", "sample_logs/azfw.jsonl", "--format"]
    answer = CliRunner().invoke(app, [*words, "json", "-o", str(tmp_path / "answer.json")])
    assert (answer.exit_code, answer.stderr.splitlines()[-1]) == (1, f"fwlens: {told}")
    assert (tmp_path / "answer.json").exists()
    refused = CliRunner().invoke(app, [*words, "csv", "-o", str(tmp_path / "rules.csv")])
    assert str(refused.exception) == told
    assert not (tmp_path / "rules.csv").exists()
    ask = Ask(logs=("sample_logs/azfw.jsonl",))
    night = night_of(ask, run.matched(ask, run.flows_of(ask, every=SLOT)))
    assert [(one.title, one.file_name) for one in night.artefacts] == [("Not written", "azure-firewall.txt")]
