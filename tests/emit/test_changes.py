"""One more recommendation changes only its own lines, in every form."""

import difflib

import hypothesis.strategies as st
import pytest
from hypothesis import assume, given

from fwlens.emit import Options, emit, forms_of
from fwlens.emit.nsg import priorities
from fwlens.emit.platform import name
from fwlens.rule import PLATFORMS, Platform, Recommendation
from tests.emit.rules import random

NEAR = Options(priority_below=4000)
WRITTEN = [(platform, form) for platform in PLATFORMS for form in forms_of(platform)]


def _removed(before: str, after: str) -> list[str]:
    """Lines that are gone; a comma at a line's end is JSON's way to go on and no change."""
    old, new = ([line.removesuffix(",") for line in text.splitlines()] for text in (before, after))
    return [line[2:] for line in difflib.ndiff(old, new) if line.startswith("- ")]


@pytest.mark.parametrize(("platform", "form"), WRITTEN)
@given(st.data())
def test_one_more_rule_takes_no_line_of_another_away(platform: Platform, form: str, data: st.DataObject) -> None:
    *before, added = data.draw(random(platform).filter(lambda rules: len(rules) > 1))
    if platform == "nsg":
        assume(priorities([*before, added], NEAR).items() >= priorities(before, NEAR).items())
    if platform == "azure-firewall":
        assume(added.rule.layer in {one.rule.layer for one in before})  # a first rule brings its collection
    old, new = (emit(rules, form, NEAR)[0].text for rules in (before, [*before, added]))
    gone = _removed(old, new)
    if form == "markdown":  # its heading counts the rules and their entries
        gone = [line for line in gone if not line.startswith(("# Change", "Documented needs"))]
    assert gone == []
    assert name(added.rule) in new


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=12, unique=True))
def test_one_more_rule_of_an_nsg_moves_another_only_out_of_its_own_place(numbers: list[int]) -> None:
    rules = [_rule(number) for number in numbers]
    *before, _ = rules
    old, new = priorities(before, NEAR), priorities(rules, NEAR)
    moved = [each for each in old if old[each] != new[each]]
    alone = [priorities([one], NEAR)[one.rule.id] for one in rules]
    assert not moved or len(set(alone)) < len(alone)


def test_of_a_thousand_additions_to_twenty_rules_few_move_another() -> None:
    moved = 0
    for start in range(0, 20_000, 20):
        rules = [_rule(start + i) for i in range(21)]
        old, new = priorities(rules[:-1], NEAR), priorities(rules, NEAR)
        moved += any(old[each] != new[each] for each in old)
    assert moved == 9


def _rule(number: int) -> Recommendation:
    from tests.emit.rules import one

    return one("nsg", "nsg", f"10.{number // 65536}.{number // 256 % 256}.{number % 256}", "10.9.0.5", "tcp/443")
