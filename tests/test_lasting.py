"""What an earlier answer left: a need is resolved where nothing of it was denied, and nowhere else."""

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from fwlens import run
from fwlens.answer import to_json
from fwlens.certificate import replay
from fwlens.diff import Diff, diff
from fwlens.document import Document, parse
from fwlens.flow import VERDICTS
from fwlens.lasting import kept, lasting
from fwlens.match import match
from fwlens.requirement import Catalog
from tests import night
from tests.night import Entry
from tests.nightly.world import DOCKER, HUGGING_FACE, PYPI, T0, TAGS, lines

SAMPLES = Path(__file__).parent.parent / "sample_logs"
LOGS = tuple(str(log) for log in sorted(SAMPLES.iterdir()) if log.name != TAGS.name)
ASK = run.Ask(LOGS, region="westeurope", service_tags=TAGS)
MANAGEMENT = Entry(0, "10.20.1.4", night.AML, 5831, "UDP")


def matched(ask: run.Ask) -> run.Matched:
    return run.matched(ask, run.flows_of(ask))


def document(ask: run.Ask) -> Document:
    return parse(to_json(run.answered(ask, matched(ask))[0]), "then")


def compared(ask: run.Ask, earlier: Document, found: run.Matched | None = None) -> Diff:
    """What is different now from an earlier answer."""
    found = found or matched(ask)
    told, _ = run.answered(ask, found)
    return diff(told, earlier, None, lasting(ask, found, told, earlier))


def whys(found: Diff) -> dict[str, int]:
    return dict(Counter(one.why for one in found.dropped))


def states(found: Diff) -> dict[str, int]:
    return dict(Counter(state for state, _ in found.rules))


def logged(folder: Path, entries: Sequence[Entry], name: str = "log.jsonl") -> tuple[str, ...]:
    (folder / name).write_bytes(lines(entries))
    return (str(folder / name),)


@pytest.mark.parametrize(
    ("choice", "dropped", "rules", "otherwise"),
    [
        ({}, {}, {"still open": 8}, []),
        ({"profiles": ("pip",)}, {"asked": 13}, {"changed": 1, "no longer recommended": 8}, ["profiles pip (all then)"]),
        ({"platform": "nsg"}, {}, {"still open": 3, "changed": 1, "replaced": 1, "no longer recommended": 4}, ["platform nsg (the one that denied then)"]),
        ({"region": None}, {}, {"still open": 8}, ["region any (WestEurope then)"]),
        ({"subnets": ("10.20.1.0/24",)}, {}, {"changed": 6, "replaced": 8}, ["subnets 10.20.1.0/24 (none then)"]),
    ],
    ids=["nothing", "profile", "platform", "region", "subnet"],
)  # fmt: skip
def test_a_need_that_was_asked_for_otherwise_is_not_resolved(
    choice: dict[str, Any], dropped: dict[str, int], rules: dict[str, int], otherwise: list[str]
) -> None:
    found = compared(replace(ASK, **choice), document(ASK))
    assert (found.appeared, found.resolved) == ((), ())
    assert [str(one) for one in found.otherwise] == otherwise
    assert whys(found) == dropped
    assert states(found) == rules


def test_a_need_behind_a_service_tag_that_nobody_can_look_up_is_not_resolved() -> None:
    found = compared(replace(ASK, service_tags=None), document(ASK))
    assert [(one.need, one.why) for one in found.dropped] == [("aml/compute-management", "tags")]
    assert [str(one) for one in found.otherwise] == ["change number of the service tags none (1 then)"]
    assert [(state, one.rule.platform) for state, one in found.rules if state != "still open"] == [
        ("no longer recommended", "azure-firewall"), *[("no longer recommended", "nsg")] * 3,
    ]  # fmt: skip


def test_where_no_address_is_left_that_a_tag_could_hold_its_need_is_resolved(tmp_path: Path) -> None:
    then = document(replace(ASK, logs=logged(tmp_path, [MANAGEMENT, PYPI], "then.jsonl")))
    strange = [replace(MANAGEMENT, src="10.20.1.9"), replace(MANAGEMENT, port=5832), PYPI]
    found = compared(replace(ASK, logs=logged(tmp_path, strange), service_tags=None), then)
    assert (found.stayed, found.resolved, found.dropped) == (("packages/pip",), ("aml/compute-management",), ())
    assert states(found) == {"still open": 1, "resolved": 1}


def test_a_need_that_is_refused_now_is_not_resolved(tmp_path: Path) -> None:
    entry = replace(PYPI, rule="no-python")
    ask = replace(ASK, logs=logged(tmp_path, [entry, DOCKER]))
    found = compared(replace(ask, never_override=("no-python",)), document(ask))
    assert [(one.need, one.why) for one in found.dropped] == [("packages/pip", "asked")]
    threat = replace(PYPI, dst="198.51.100.66", table="AZFWThreatIntel")
    found = compared(replace(ASK, logs=logged(tmp_path, [threat, DOCKER], "now.jsonl")), document(ask))
    assert [(one.need, one.why) for one in found.dropped] == [("packages/pip", "refused")]


@pytest.mark.parametrize(("why", "other"), [("unexplained", False), ("explained", True)])
def test_a_need_whose_document_says_something_else_now_is_not_resolved(why: str, other: bool, tmp_path: Path) -> None:
    ask = replace(ASK, logs=logged(tmp_path, [PYPI, DOCKER]))
    found, then = matched(ask), document(ask)
    (pip,) = (need for need in found.catalog.requirements if need.id == "packages/pip")
    rest = tuple(need for need in found.catalog.requirements if need != pip)
    now = Catalog((replace(pip, id="ours/python"), *rest) if other else rest, found.catalog.notes)
    told = compared(ask, then, replace(found, catalog=now, rows=match(found.flows.rows, now.requirements)))
    assert [(one.need, one.why) for one in told.dropped] == [("packages/pip", why)]
    assert told.appeared == (("ours/python",) if other else ())


def test_what_was_handed_back_and_is_denied_still_is_not_resolved(tmp_path: Path) -> None:
    ask = replace(ASK, logs=logged(tmp_path, [PYPI, DOCKER]), platform="nsg")
    then = document(ask)
    assert {need for *_, need in then.unsaid} == {"docker/registry", "packages/pip"}
    again = compared(replace(ask, profiles=("conda",), logs=logged(tmp_path, [PYPI], "now.jsonl")), then)
    assert [(one.need, one.why) for one in again.dropped] == [("packages/pip", "asked")]
    assert again.resolved == ("docker/registry",)


def test_a_rule_is_replaced_only_where_others_let_through_what_it_would(tmp_path: Path) -> None:
    then = document(replace(ASK, logs=logged(tmp_path, [PYPI, HUGGING_FACE], "then.jsonl")))
    moved = [replace(PYPI, src="10.20.1.9")]
    found = compared(replace(ASK, logs=logged(tmp_path, moved)), then)
    assert (found.stayed, found.resolved, states(found)) == (
        ("packages/pip",), ("hf/hub",), {"changed": 1, "resolved": 1},
    )  # fmt: skip
    found = compared(replace(ASK, logs=logged(tmp_path, [*moved, PYPI])), then)
    assert states(found) == {"changed": 1, "replaced": 1}


@pytest.mark.parametrize("tags", [TAGS, None], ids=["tags", "no tags"])
def test_what_is_judged_a_column_at_a_time_first_loses_no_rule(tags: Path | None) -> None:
    ask, then = replace(ASK, profiles=("r",), service_tags=tags), document(ASK)
    found = matched(ask)
    told, _ = run.answered(ask, found)
    rules = [one.rule for one in then.recommendations]
    needed = match(
        found.flows.rows, found.catalog.requirements, tags=found.tags, choice=replace(ASK, profiles=()).choice
    )
    needed = needed.filter(pl.col("action") == "Deny").with_columns(verdict=pl.lit("needed", VERDICTS))
    idle = replay(rules, needed, found.catalog.requirements, tags=found.tags, asked=then.asked).idle
    by_tag = {rule.id for rule in rules if any(end.kind == "tag" for end in rule.destinations)}
    every = {rule.id for rule in rules} - set(idle)
    assert lasting(ask, found, told, then).used == (every if tags else every | by_tag)
    assert len(every) == (8 if tags else 4)


# Logs that stopped


def of(folder: Path, name: str, *entries: Entry, device: str = "FW-ML") -> str:
    """The log of a firewall."""
    file = folder / name
    file.write_bytes(lines(entries).replace(b"FW-ML", device.encode()))
    return str(file)


def of_nsg(folder: Path, *entries: Entry) -> str:
    """The flow log of an NSG."""
    (folder / "nsg.json").write_text(json.dumps(night.nsg_flow_log(entries, 2)))
    return str(folder / "nsg.json")


ALLOWED = replace(PYPI, action="Allow")
STRANGE = replace(PYPI, host="strange.example")
STORAGE = replace(MANAGEMENT, rule="DenyAllOut")
THREAT = replace(STRANGE, table="AZFWThreatIntel", dst="198.51.100.66")


@pytest.mark.parametrize(
    ("now", "with_allowed", "unknown", "resolved"),
    [
        ([], False, {"aml/compute-management": "unread", "packages/pip": "unread"}, []),
        ([("fw", STRANGE)], False, {"aml/compute-management": "unread"}, ["packages/pip"]),
        ([("fw", STRANGE), ("fw", ALLOWED)], False, {"aml/compute-management": "unread"}, ["packages/pip"]),
        ([("fw", ALLOWED)], False, {"aml/compute-management": "unread"}, ["packages/pip"]),
        ([("fw", ALLOWED), ("fw", replace(MANAGEMENT, action="Allow"))], False, {"aml/compute-management": "counted", "packages/pip": "counted"}, []),
        ([("fw", ALLOWED), ("fw", replace(MANAGEMENT, action="Allow"))], True, {}, ["aml/compute-management", "packages/pip"]),
        ([("fw", replace(MANAGEMENT, port=9))], False, {"packages/pip": "unread"}, ["aml/compute-management"]),
        ([("fw", THREAT)], False, {"aml/compute-management": "unread", "packages/pip": "unread"}, []),
        ([("other", STRANGE)], False, {"aml/compute-management": "unread", "packages/pip": "unread"}, []),
        ([("other", STRANGE), ("fw", ALLOWED)], False, {"aml/compute-management": "unread", "packages/pip": "counted"}, []),
        ([("other", STRANGE), ("fw", ALLOWED)], True, {"aml/compute-management": "unread"}, ["packages/pip"]),
    ],
)  # fmt: skip
def test_where_the_log_that_showed_a_need_is_not_read_it_is_not_resolved(
    now: list[tuple[str, Entry]], with_allowed: bool, unknown: dict[str, str], resolved: list[str], tmp_path: Path
) -> None:
    then = document(replace(ASK, logs=(of(tmp_path, "then.jsonl", PYPI, MANAGEMENT),)))
    mine = of(tmp_path, "fw.jsonl", *(entry for device, entry in now if device == "fw"))
    other = of(tmp_path, "other.jsonl", *(entry for device, entry in now if device == "other"), device="FW-2")
    found = compared(replace(ASK, logs=(mine, other), with_allowed=with_allowed), then)
    assert {one.need: one.why for one in found.unknown} == unknown
    assert (list(found.resolved), found.dropped) == (resolved, ())
    assert states(found) == {
        state: number for state, number in (("not known", len(unknown)), ("resolved", len(resolved))) if number
    }


def test_the_log_of_a_firewall_says_nothing_of_what_an_nsg_denied(tmp_path: Path) -> None:
    nsg = of_nsg(tmp_path, STORAGE)
    then = document(replace(ASK, logs=(of(tmp_path, "fw.jsonl", PYPI), nsg)))
    found = compared(replace(ASK, logs=(of(tmp_path, "fw.jsonl", STRANGE),)), then)
    assert (found.resolved, [(one.need, one.why) for one in found.unknown]) == (
        ("packages/pip",), [("aml/compute-management", "unread")],
    )  # fmt: skip
    found = compared(replace(ASK, logs=(of_nsg(tmp_path, replace(STORAGE, rule="", action="Allow")),)), then)
    assert (found.resolved, [(one.need, one.why) for one in found.unknown]) == (
        ("aml/compute-management",), [("packages/pip", "unread")],
    )  # fmt: skip


def test_allowed_entries_that_lie_in_the_folder_of_a_device_are_its_own(tmp_path: Path) -> None:
    blobs = tmp_path / f"resourceId={night.FIREWALL}"
    blobs.mkdir(parents=True)
    then = document(replace(ASK, logs=(of(tmp_path, "then.jsonl", PYPI), of(tmp_path, "2", STRANGE, device="FW-2"))))
    logs = (of(blobs, "PT1H.json", ALLOWED), of(tmp_path, "2", STRANGE, device="FW-2"))
    assert compared(replace(ASK, logs=logs), then).resolved == ("packages/pip",)
    assert compared(replace(ASK, logs=(of(tmp_path, "1", ALLOWED), logs[1])), then).resolved == ()


def test_a_rule_of_a_device_that_is_silent_is_not_known_though_its_need_is_open_elsewhere(tmp_path: Path) -> None:
    far = replace(PYPI, src="10.9.0.4")
    both = [of(tmp_path, "fw.jsonl", PYPI, DOCKER), of(tmp_path, "other.jsonl", far, HUGGING_FACE, device="FW-2")]
    then = document(replace(ASK, logs=tuple(both)))
    found = compared(replace(ASK, logs=tuple(both[:1])), then)
    assert (found.stayed, [one.need for one in found.unknown], found.resolved) == (
        ("docker/registry", "packages/pip"), ["hf/hub"], (),
    )  # fmt: skip
    gone = [state for state, one in found.rules if "fw-2" in str(one.evidence.devices)]
    assert set(gone) == {"not known"}


def test_what_both_windows_hold_does_not_say_that_a_log_is_still_sent(tmp_path: Path) -> None:
    hour = timedelta(hours=1)
    early, late, later = (replace(each, second=3600 * at) for each, at in ((PYPI, 0), (STRANGE, 2), (STRANGE, 5)))
    log = of(tmp_path, "fw.jsonl", early, late)
    then = document(replace(ASK, logs=(log,), since=T0 - hour, until=T0 + 3 * hour))
    ask = replace(ASK, logs=(log,), since=T0 + hour, until=T0 + 6 * hour)
    assert [one.why for one in compared(ask, then).unknown] == ["unread"]
    of(tmp_path, "fw.jsonl", early, late, replace(ALLOWED, second=3600 * 5))
    assert [one.why for one in compared(ask, then).unknown] == ["counted"]
    assert compared(replace(ask, with_allowed=True), then).resolved == ("packages/pip",)
    of(tmp_path, "fw.jsonl", early, late, later)
    assert compared(ask, then).resolved == ("packages/pip",)


def test_an_answer_carries_what_was_never_resolved_until_its_log_is_read_again(tmp_path: Path) -> None:
    fw, other = of(tmp_path, "fw.jsonl", PYPI, DOCKER), of(tmp_path, "other.jsonl", HUGGING_FACE, device="FW-2")
    then = document(replace(ASK, logs=(fw, other)))
    for _ in range(2):
        ask = replace(ASK, logs=(of(tmp_path, "fw.jsonl", DOCKER),))
        found = matched(ask)
        told, _ = run.answered(ask, found)
        last = lasting(ask, found, told, then)
        assert [one.need for one in diff(told, then, None, last).unknown] == ["hf/hub"]
        whole = kept(told, last, found)
        assert [(log.device and log.device[-5:], log.needs, log.unknown) for log in whole.logs] == [
            ("/fw-2", (), ("hf/hub",)), ("fw-ml", ("docker/registry",), ()),
        ]  # fmt: skip
        then = parse(to_json(whole), "then")
    of(tmp_path, "other.jsonl", STRANGE, device="FW-2")
    found_again = compared(replace(ASK, logs=(fw, other)), then)
    assert (found_again.resolved, found_again.unknown) == (("hf/hub",), ())
    of(tmp_path, "other.jsonl", HUGGING_FACE, device="FW-2")
    assert compared(replace(ASK, logs=(fw, other)), then).stayed == ("docker/registry", "hf/hub")


@pytest.mark.parametrize("seed", range(12))
def test_asked_the_same_question_a_need_lasts_only_by_what_is_denied(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    hosts = ["pypi.org", "huggingface.co", "auth.docker.io", "repo.anaconda.com", "a.anaconda.org", "strange.example"]
    every = [Entry(n, f"10.20.1.{dice.randint(4, 7)}", "", 443, "HTTPS", dice.choice(hosts)) for n in range(12)]
    then = document(replace(ASK, logs=logged(tmp_path, every[:9], "then.jsonl")))
    now = replace(ASK, logs=logged(tmp_path, every[6:]))
    found = compared(now, then)
    denied = set(matched(now).rows["requirement"].drop_nulls())
    assert (found.dropped, found.otherwise) == ((), ())
    assert not denied & set(found.resolved)
    assert {"replaced", "resolved", "still open", "new", "changed"} >= states(found).keys()
