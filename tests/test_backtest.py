"""Back-tests of nights small enough to be counted by hand."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fwlens import backtest, run
from fwlens.answer import trials_to_json
from fwlens.backtest import slot
from fwlens.cli.trials import as_text
from fwlens.errors import FwlensError
from fwlens.proof import Missed, Trial
from fwlens.run import Ask, how_long
from tests.night import Entry, as_csv, as_lines, azfw, nta

DAY = 86_400


def day(number: int, *ends: tuple[str, str]) -> list[Entry]:
    """Blocked requests of one day, six hours after the night's first hour."""
    return [Entry(DAY * number + 6 * 3600, source, "", 443, "HTTPS", host) for source, host in ends]


def tried(tmp_path: Path, entries: list[Entry], train: str, test: str, **asked: object) -> list[Trial]:
    path = tmp_path / "azfw.jsonl"
    path.write_text(as_lines(map(azfw, entries)))
    ask = Ask(logs=(str(path),), **asked)  # type: ignore[arg-type]
    learned, last = how_long(train), how_long(test)
    return list(backtest.trials(ask, run.flows_of(ask, every=slot(learned, last)), learned, last))


A, B = "10.20.1.4", "10.20.1.5"
THREE_DAYS = [
    *day(0, (A, "pypi.org"), (B, "pypi.org"), (A, "huggingface.co")),
    *day(1, (A, "pypi.org"), (A, "conda.anaconda.org")),
    *day(2, (A, "pypi.org"), (A, "repo.anaconda.com"), (B, "files.pythonhosted.org"), (A, "wandb.example")),
]


def test_a_trial_counts_what_is_missed_idle_and_opened_in_vain(tmp_path: Path) -> None:
    """Learned: one rule for both to pypi.org and one for A alone, or the like; tried on the third day."""
    (last,) = tried(tmp_path, THREE_DAYS, "2d", "1d")
    assert (last.begin, last.split, last.end) == tuple(datetime(2026, 11, n, tzinfo=UTC) for n in (21, 23, 24))
    assert last.rules == 2
    assert last.tried.needed == 3
    assert last.tried.missed == (
        Missed(A, "repo.anaconda.com", "https/443", "azure-firewall", ""),
        Missed(B, "files.pythonhosted.org", "https/443", "azure-firewall", ""),
    )
    # Allowed: A to pypi.org, huggingface.co and *.anaconda.org, B to pypi.org. Used on the third day: A to pypi.org.
    assert last.tried.surplus == 3


def test_a_rule_that_nobody_used_is_idle(tmp_path: Path) -> None:
    entries = [*day(0, (A, "pypi.org"), (B, "huggingface.co")), *day(1, (A, "pypi.org"))]
    (last,) = tried(tmp_path, entries, "1d", "1d")
    assert (last.rules, last.tried.needed, last.tried.missed, len(last.tried.idle)) == (2, 1, (), 1)
    assert last.tried.surplus == 1


def test_a_wider_choice_misses_less(tmp_path: Path) -> None:
    (narrow,) = tried(tmp_path, THREE_DAYS, "2d", "1d")
    (whole,) = tried(tmp_path, THREE_DAYS, "2d", "1d", breadth="documented")
    (wide,) = tried(tmp_path, THREE_DAYS, "2d", "1d", subnets=("10.20.1.0/24",))
    assert [m[1] for m in narrow.tried.missed] == ["repo.anaconda.com", "files.pythonhosted.org"]
    assert [m[1] for m in whole.tried.missed] == ["files.pythonhosted.org"]
    assert wide.tried.surplus > narrow.tried.surplus


def test_trials_roll_backwards_as_far_as_the_logs_go(tmp_path: Path) -> None:
    entries = [entry for number in range(5) for entry in day(number, (A, "pypi.org"), (A, f"d{number}.anaconda.com"))]
    found = tried(tmp_path, entries, "2d", "1d")
    assert [trial.split.day for trial in found] == [25, 24, 23]
    assert all(trial.split - trial.begin == timedelta(days=2) for trial in found)
    assert all(trial.end - trial.split == timedelta(days=1) for trial in found)
    assert {trial.tried.missed for trial in found} == {()}  # *.anaconda.com was learned whole
    assert [trial.begin.day for trial in tried(tmp_path, entries, "1d", "1d")] == [24, 23, 22, 21]
    assert len(tried(tmp_path, entries, "2d", "2d")) == 1


def test_a_trial_learns_nothing_from_the_days_it_is_tried_on(tmp_path: Path) -> None:
    """The same as learning from a file of the first days alone."""
    (last,) = tried(tmp_path, THREE_DAYS, "2d", "1d")
    ask = Ask(logs=(str(tmp_path / "azfw.jsonl"),))
    (tmp_path / "azfw.jsonl").write_text(as_lines(azfw(entry) for entry in THREE_DAYS if entry.second < 2 * DAY))
    said, _ = run.answered(ask, run.matched(ask, run.flows_of(ask)))
    assert len(said.recommendations) == last.rules


@pytest.mark.parametrize(
    ("train", "test", "length"),
    [("6d", "1d", timedelta(days=1)), ("36h", "12h", timedelta(hours=1)), ("90m", "30m", timedelta(minutes=1))],
)
def test_slots_are_as_long_as_both_spans_allow(train: str, test: str, length: timedelta) -> None:
    assert slot(how_long(train), how_long(test)) == length


@pytest.mark.parametrize(("train", "test"), [("0d", "1d"), ("1d", "0h")])
def test_a_span_of_nothing_is_told(train: str, test: str) -> None:
    with pytest.raises(FwlensError) as told:
        slot(how_long(train), how_long(test))
    assert str(told.value) == (
        "A back-test needs whole minutes to learn and to try on: for instance --train 6d --test 1d."
    )


@pytest.mark.parametrize(
    ("entries", "train", "test", "said"),
    [
        ([], "6d", "1d", "The logs span no time, and this back-test needs 7 days."),
        (day(0, (A, "pypi.org")), "6d", "1d", "The logs span 1 day, and this back-test needs 7 days."),
        (THREE_DAYS, "3d", "1d", "The logs span 3 days, and this back-test needs 4 days."),
        (THREE_DAYS[:3], "3h", "1h", "The logs span 1 hour, and this back-test needs 4 hours."),
        (THREE_DAYS[:3], "90m", "1h", "The logs span 1 minute, and this back-test needs 150 minutes."),
    ],
)
def test_logs_that_are_too_short_are_told(
    entries: list[Entry], train: str, test: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(FwlensError) as told:
        tried(tmp_path, entries or [Entry(0, A, "", 443, "HTTPS", "x.org", "Allow")], train, test)
    assert str(told.value) == said


def test_a_back_test_as_text_and_as_json(tmp_path: Path) -> None:
    found = tried(tmp_path, THREE_DAYS, "1d", "1d")
    assert as_text(found) == (
        "tried on (UTC)                        rules  needed  missed  idle rules  surplus\n"
        "2026-11-23 00:00 to 2026-11-24 00:00      1       3       2           0        1\n"
        "2026-11-22 00:00 to 2026-11-23 00:00      2       2       1           1        2\n"
        "\n"
        "Missed on the last span (2)\n"
        "from       to                      over       on              why\n"
        "10.20.1.4  repo.anaconda.com       https/443  azure-firewall  not learned\n"
        "10.20.1.5  files.pythonhosted.org  https/443  azure-firewall  not learned\n"
    )
    document = json.loads(trials_to_json(found))
    assert document["schema"] == "fwlens.backtest/1"
    first = document["trials"][0]
    assert {**first, "missed": len(first["missed"])} == {
        "learned_from": "2026-11-22T00:00:00.000000Z",
        "tried_from": "2026-11-23T00:00:00.000000Z",
        "tried_until": "2026-11-24T00:00:00.000000Z",
        "rules": 1,
        "needed": 3,
        "missed": 2,
        "idle": [],
        "idle_rules": [],
        "surplus": 1,
    }
    assert first["missed"][0] == {
        "src_ip": A, "destination": "repo.anaconda.com", "service": "https/443", "platform": "azure-firewall", "why": "",
    }  # fmt: skip


def test_an_idle_rule_is_told_with_what_it_allows(tmp_path: Path) -> None:
    found = tried(tmp_path, [*day(0, (A, "pypi.org"), (B, "huggingface.co")), *day(1, (A, "pypi.org"))], "1d", "1d")
    (rule,) = found[0].tried.unused
    assert as_text(found).endswith(
        "\n\nIdle on the last span (1)\n"
        "rule            allows\n"
        f"{rule.id}  application outbound 10.20.1.5 huggingface.co https/443\n"
    )
    (trial,) = json.loads(trials_to_json(found))["trials"]
    assert trial["idle"] == [rule.id]
    assert trial["idle_rules"] == [
        {
            "id": rule.id, "platform": "azure-firewall", "layer": "application", "direction": "outbound",
            "sources": [B], "destinations": ["huggingface.co"], "services": ["https/443"],
        }
    ]  # fmt: skip


def test_a_need_that_no_rule_can_hold_is_missed_for_that_reason_and_on_each_plane_by_itself(tmp_path: Path) -> None:
    (tmp_path / "nsg.csv").write_text(
        as_csv([nta(Entry(DAY + 6 * 3600, A, "203.0.113.70", 443, rule="UserRule_Deny"), public=True)])
    )
    (tmp_path / "azfw.jsonl").write_text(as_lines(map(azfw, [
        *day(0, (A, "pypi.org")), *day(1, ("fd10::4", "pypi.org")), Entry(DAY + 6 * 3600, A, "203.0.113.70", 443, "TCP"),
    ])))  # fmt: skip
    ask = Ask(logs=(str(tmp_path / "azfw.jsonl"), str(tmp_path / "nsg.csv"), "sample_logs/service-tags.json"))
    every = slot(timedelta(days=1), timedelta(days=1))
    (last,) = backtest.trials(ask, run.flows_of(ask, every=every), timedelta(days=1), timedelta(days=1))
    assert last.tried.missed == (
        Missed(A, "203.0.113.70", "tcp/443", "azure-firewall", ""),
        Missed("fd10::4", "pypi.org", "https/443", "azure-firewall",
               "fd10::4 is an IPv6 address, and Azure Firewall takes IPv4 addresses only"),
        Missed(A, "203.0.113.70", "tcp/443", "nsg", ""),
    )  # fmt: skip


def test_a_need_that_was_handed_back_while_learning_is_missed_for_that_reason(tmp_path: Path) -> None:
    """A refused flow of the same source keeps the rule away; on the next day only the need is seen."""
    refused = {**azfw(Entry(6 * 3600, A, "", 443, "HTTPS", "pypi.org")), "category": "AZFWThreatIntel"}
    refused["properties"] = {**refused["properties"], "ThreatDescription": "x"}
    lines = [refused, *map(azfw, [*day(0, (A, "pypi.org")), *day(1, (A, "pypi.org"))])]
    (tmp_path / "azfw.jsonl").write_text(as_lines(lines))
    ask = Ask(logs=(str(tmp_path / "azfw.jsonl"),))
    (last,) = backtest.trials(ask, run.flows_of(ask, every=timedelta(days=1)), timedelta(days=1), timedelta(days=1))
    why = "a rule for pypi.org would also allow pypi.org, which is refused (threat intelligence)"
    assert last.tried.missed == (Missed(A, "pypi.org", "https/443", "azure-firewall", why),)
