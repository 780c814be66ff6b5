"""Every form of a platform says the same, and what the rules say."""

import csv
import io
import json
import os
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from fwlens.emit import FORMS, PLATFORMS, TITLES, Options, emit, forms_of
from fwlens.emit.ticket import TICKETS
from fwlens.errors import FwlensError
from fwlens.rule import PLATFORMS as NAMES
from fwlens.rule import Platform
from tests.emit import schema
from tests.emit.parsed import PARSERS, bicep_resources, commands, opened
from tests.emit.rules import ALL, SEEN, cited, random

GOLDEN = Path(__file__).parent.parent / "golden" / "emit"
WRITTEN = [(platform, form) for platform in NAMES for form in forms_of(platform)]
NEAR = Options(priority_below=4000)


def test_every_platform_of_a_rule_has_its_forms() -> None:
    assert {platform: forms_of(platform) for platform in NAMES} == {
        "azure-firewall": ("arm", "bicep", "terraform", "az", "csv", "markdown"),
        "nsg": ("arm", "bicep", "terraform", "az", "csv", "markdown"),
        "aml-managed-network": ("arm", "bicep", "yaml", "az", "csv", "markdown"),
    }
    assert tuple(PLATFORMS) == NAMES
    assert set(FORMS) == set(PARSERS) == set(TITLES)


@pytest.mark.parametrize(("platform", "form"), WRITTEN)
def test_a_form_is_as_it_was_reviewed(platform: Platform, form: str, *, update_golden: bool) -> None:
    (artefact,) = emit(ALL[platform], form, NEAR)
    for name, text in ((artefact.file_name, artefact.text), (artefact.undo_name, artefact.undo)):
        golden = GOLDEN / f"{platform}.{name.partition('.')[2]}"
        if update_golden:
            golden.parent.mkdir(parents=True, exist_ok=True)
            golden.write_text(text, "utf-8")
        assert text == golden.read_text("utf-8")


@pytest.mark.parametrize(("platform", "form"), WRITTEN)
def test_a_form_read_back_by_others_opens_what_the_rules_open(platform: Platform, form: str) -> None:
    (artefact,) = emit(ALL[platform], form, NEAR)
    wanted = sorted((opened(one.rule) for one in ALL[platform]), key=lambda one: one.name)
    assert sorted(PARSERS[form](artefact.text), key=lambda one: one.name) == wanted


@pytest.mark.parametrize("platform", NAMES)
@settings(max_examples=12)  # the parsers of others take their time
@given(st.data())
def test_all_forms_of_random_rules_open_the_same_and_bicep_is_arm_to_the_letter(
    platform: Platform, data: st.DataObject
) -> None:
    rules = data.draw(random(platform))
    wanted = {opened(one.rule) for one in rules}
    texts = {form: emit(rules, form, NEAR)[0].text for form in forms_of(platform)}
    for form, text in texts.items():
        assert set(PARSERS[form](text)) == wanted, form
    kept = ("type", "apiVersion", "properties")
    resources = [[one[key] for key in kept] for one in json.loads(texts["arm"])["resources"]]
    assert [[one[key] for key in kept] for one in bicep_resources(texts["bicep"])] == resources


@settings(max_examples=12)
@given(random("azure-firewall"))
def test_with_ip_groups_the_firewall_opens_the_same(rules: list[Any]) -> None:
    wanted = {opened(one.rule) for one in rules}
    for form in ("arm", "bicep", "terraform"):
        (artefact,) = emit(rules, form, Options(ip_groups=True))
        assert set(PARSERS[form](artefact.text)) == wanted, form


@pytest.mark.parametrize("platform", NAMES)
@given(st.data())
def test_arm_holds_what_azure_publishes_and_nothing_else(platform: Platform, data: st.DataObject) -> None:
    rules = data.draw(random(platform))
    (artefact,) = emit(rules, "arm", Options(target="place", ip_groups=data.draw(st.booleans())))
    faults = Draft202012Validator(schema.TEMPLATE).iter_errors(json.loads(artefact.text))
    assert [fault.message for fault in faults] == []


@pytest.mark.parametrize(("platform", "form"), WRITTEN)
@given(st.data())
def test_the_same_rules_in_any_order_or_twice_are_the_same_bytes(
    platform: Platform, form: str, data: st.DataObject
) -> None:
    rules = data.draw(random(platform))
    shuffled = data.draw(st.permutations(rules))
    assert emit([*shuffled, rules[0]], form, NEAR) == emit(rules, form, NEAR)


@pytest.mark.parametrize("platform", NAMES)
def test_what_takes_rules_back_names_each_of_them(platform: Platform) -> None:
    names = {opened(one.rule).name for one in ALL[platform]}
    for form in set(forms_of(platform)) - set(TICKETS):
        undo = emit(ALL[platform], form, NEAR)[0].undo
        if platform == "azure-firewall":
            assert "fwlens" in undo
            assert not any(name in undo for name in names), "the group is taken back whole"
        else:
            assert all(name in undo for name in names)


def test_the_scripts_that_take_rules_back_are_these_commands() -> None:
    assert commands(emit(ALL["azure-firewall"], "az", NEAR)[0].undo) == [
        [
            "az",
            "rest",
            "--method",
            "delete",
            "--url",
            "$FIREWALL_POLICY_ID/ruleCollectionGroups/fwlens?api-version=2024-05-01",
        ]
    ]
    assert commands(emit(ALL["nsg"][:1], "arm", NEAR)[0].undo) == [
        [
            *[
                "az",
                "network",
                "nsg",
                "rule",
                "delete",
                "--resource-group",
                "$RESOURCE_GROUP",
                "--nsg-name",
                "$NSG",
                "--name",
            ],
            opened(ALL["nsg"][0].rule).name,
        ]
    ]
    assert commands(emit(ALL["aml-managed-network"][:1], "yaml", NEAR)[0].undo) == [
        [
            *[
                "az",
                "ml",
                "workspace",
                "outbound-rule",
                "remove",
                "--resource-group",
                "$RESOURCE_GROUP",
                "--workspace-name",
                "$WORKSPACE",
            ],
            *("--rule", opened(ALL["aml-managed-network"][0].rule).name, "--yes"),
        ]
    ]


def test_rules_of_several_platforms_are_one_artefact_each_and_one_ticket_together() -> None:
    everything = [one for rules in ALL.values() for one in rules]
    assert [one.file_name for one in emit(everything, "arm", NEAR)] == [
        "azure-firewall.arm.json",
        "nsg.arm.json",
        "aml-managed-network.arm.json",
    ]
    (ticket,) = emit(everything, "markdown", NEAR)
    assert (ticket.platform, ticket.file_name, len(PARSERS["markdown"](ticket.text))) == (None, "rules.md", 9)


def test_no_rules_are_no_artefact() -> None:
    assert emit([], "arm", NEAR) == ()


def test_a_ticket_without_rules_asks_for_nothing_and_says_of_no_need_that_it_was_blocked() -> None:
    (ticket,) = emit([], "markdown", Options())
    assert ticket.text == "# Change: none\n\nNo rule is recommended, so there is nothing to change.\n"


def test_a_rule_of_several_answers_keeps_all_that_is_said_of_it_in_any_order() -> None:
    denied = replace(
        ALL["nsg"][0],
        citations=cited("aml/other"),
        evidence=replace(SEEN, flows=2, last_seen=SEEN.last_seen + timedelta(days=1), denied_by=("DenyInternet",)),
        doubts=("Denied.",),
    )
    plain = replace(ALL["nsg"][0], doubts=("Look.",))
    for answers in ((denied, plain), (plain, denied), (plain, denied, plain)):
        with pytest.raises(FwlensError, match="an allow must come before it"):
            emit(answers, "arm", Options())
        (ticket,) = emit(answers, "csv", Options())
        (row,) = list(csv.DictReader(io.StringIO(ticket.text)))
        assert (row["flows"], row["events"], row["requirements"]) == ("5", "28", "aml/batch aml/other")
        assert (row["first_seen"], row["last_seen"]) == ("2026-11-20T22:15:00Z", "2026-11-21T23:15:00Z")
        assert set(row["doubts"].split(" | ")) == {"Denied.", "Look."}


def test_a_name_is_for_one_platform() -> None:
    with pytest.raises(FwlensError) as fault:
        emit([*ALL["azure-firewall"], *ALL["nsg"]], "arm", Options(target="nsg-ml"))
    assert str(fault.value) == ("--target is the name of one resource, and there are rules for azure-firewall and nsg.")


def test_among_several_platforms_a_priority_is_meant_for_that_whose_rules_were_denied() -> None:
    denied = replace(ALL["nsg"][0], evidence=replace(SEEN, denied_by=("DenyInternet",)))
    firewall, nsg = emit([*ALL["azure-firewall"], denied], "arm", NEAR)
    assert json.loads(firewall.text)["resources"][0]["properties"]["priority"] == 60_000
    assert json.loads(nsg.text)["resources"][0]["properties"]["priority"] < 4000
    (alone,) = emit(ALL["azure-firewall"], "arm", NEAR)
    assert json.loads(alone.text)["resources"][0]["properties"]["priority"] == 3999


def test_what_a_firewall_needs_besides_its_rules_is_said() -> None:
    app, sql_rule, net, name_rule = ALL["azure-firewall"]
    whole = emit([net, app], "arm", NEAR)[0].remarks
    assert [each.partition(":")[0] for each in whole] == ["The group fwlens is written whole"], (
        "nothing is said that is not needed"
    )
    said = emit([sql_rule, name_rule], "arm", NEAR)[0].remarks
    assert said[:-1] == (
        f"{name_rule.rule.id}: a name in a network rule needs the policy's DNS proxy, with clients that ask it, and a "
        "policy that is not Basic.",
        f"{sql_rule.rule.id}: a name is known to SQL in proxy mode only; redirect mode needs a network rule for tag:Sql.",
    )
    assert "60 rule collection groups" in said[-1]
    denied = replace(app, evidence=replace(app.evidence, denied_by=("DenyAll",)))
    assert emit([denied], "arm", NEAR)[0].remarks[0] == (
        f"{app.rule.id}: no priority helps an application rule against a network rule that denies, nor any rule "
        "against one of the parent policy: Azure Firewall tries those first."
    )
    assert "--priority-below" in emit([denied], "arm", Options())[0].remarks[0]


FAKE_AZ = """#!/bin/bash
echo "$*" >> calls
case "$*" in *"--method get"*) {get};; esac
"""


@pytest.mark.parametrize(
    ("get", "replaces", "code", "written", "message"),
    [
        ("exit 0", "", 1, False, "There is a group fwlens already"),
        ("exit 0", "yes", 0, True, ""),
        ("echo 'ERROR: Not Found({})' >&2; exit 3", "", 0, True, ""),
        ("echo 'ERROR: Forbidden({})' >&2; exit 1", "", 1, False, "could not be found out"),
        ("echo 'ERROR: connection reset' >&2; exit 1", "", 1, False, "connection reset"),
    ],
)
def test_the_script_replaces_a_group_only_where_it_is_known_that_there_is_none_or_where_that_is_said(
    tmp_path: Path, get: str, replaces: str, code: int, written: bool, message: str
) -> None:
    script, az = tmp_path / "rules.sh", tmp_path / "az"
    script.write_text(emit(ALL["azure-firewall"], "az", NEAR)[0].text, "utf-8")
    az.write_text(FAKE_AZ.format(get=get), "utf-8")
    az.chmod(0o755)
    place = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "FIREWALL_POLICY_ID": "/x", "REPLACE": replaces}
    done = subprocess.run(["bash", str(script)], cwd=tmp_path, env=place, capture_output=True, check=False)
    assert done.returncode == code
    assert ("--method put" in (tmp_path / "calls").read_text("utf-8")) is written
    assert message in done.stderr.decode()
