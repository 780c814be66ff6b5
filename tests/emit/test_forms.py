"""Every form of a platform says the same, and what the rules say."""

import json
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from fwlens.emit import FORMS, PLATFORMS, TITLES, Options, emit, forms_of
from fwlens.emit.ticket import TICKETS
from fwlens.rule import PLATFORMS as NAMES
from fwlens.rule import Platform
from tests.emit import schema
from tests.emit.parsed import PARSERS, bicep_resources, commands, opened
from tests.emit.rules import ALL, random

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
