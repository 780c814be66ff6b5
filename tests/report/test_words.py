"""The sentences of a page."""

from dataclasses import replace

import pytest

from fwlens.answer import Answer, Tally
from fwlens.report import words
from tests.hostile import HOSTILE
from tests.report.nights import START, invented, rule


def answered(needed: int, unexplained: int, refused: int, rules: int = 0, unsaid: int = 0) -> Answer:
    night = invented(needed=max(unsaid, 1)).answer
    counts = {"needed": needed, "unexplained": unexplained, "refused": refused}
    return replace(
        night,
        verdicts={name: Tally(flows, 2 * flows) for name, flows in counts.items()},
        recommendations=tuple(rule(n) for n in range(rules)),
        unsaid=night.unsaid[:unsaid],
    )


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ((37, 412, 0, 5), "37 blocked flows are documented needs; 5 rules fix them; 412 others are not documented."),
        ((37, 412, 2, 5), "37 blocked flows are documented needs; 5 rules fix them; 412 others are not documented; 2 are refused."),
        ((1, 1, 1, 1), "1 blocked flow is a documented need; 1 rule fixes it; 1 other is not documented; 1 is refused."),
        ((2, 0, 0, 1), "2 blocked flows are documented needs; 1 rule fixes them; no other is undocumented."),
        ((1234, 0, 0, 2, 3), "1,234 blocked flows are documented needs; 2 rules fix all but 3 of them; no other is undocumented."),
        ((2, 0, 0), "2 blocked flows are documented needs; no rule can hold them; no other is undocumented."),
        ((1, 0, 0), "1 blocked flow is a documented need; no rule can hold it; no other is undocumented."),
        ((0, 1, 0), "No blocked flow is a documented need; 1 flow is not documented."),
        ((0, 3, 4), "No blocked flow is a documented need; 3 flows are not documented; 4 are refused."),
        ((0, 0, 1), "No blocked flow is a documented need; none is undocumented; 1 is refused."),
        ((0, 0, 0), "Nothing was blocked in 10 rows read."),
    ],
)  # fmt: skip
def test_the_verdict_is_one_sentence(counts: tuple[int, ...], sentence: str) -> None:
    assert words.verdict(answered(*counts)) == sentence


def test_a_night_without_rows_says_that_nothing_is_known() -> None:
    told = answered(0, 0, 0)
    assert words.verdict(replace(told, ledger=replace(told.ledger, inputs=()))) == (
        "No rows were read, so nothing is known."
    )


def test_the_certificate_says_what_holds_in_words() -> None:
    proven = replace(answered(1, 0, 0, 3).certificate, sound=False, lower_bound=2, surplus=1)
    told = words.certificate(replace(answered(1, 0, 0, 3), certificate=proven))
    assert [(name, holds) for holds, name, _ in told] == [
        ("complete", True),
        ("sound", False),
        ("irredundant", True),
        ("fewest", False),
        ("surplus", False),
    ]
    assert [means for _, _, means in told][3:] == [
        "3 rules. How few would do is told of rules that hold.",
        "1. 1 combination of source, destination and service that no blocked flow showed.",
    ]
    sound = replace(answered(1, 0, 0, 3), certificate=replace(proven, sound=True))
    assert words.certificate(sound)[3] == (False, "fewest", "3 rules. At least 2 are needed.")


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_nothing_that_cannot_be_seen_is_left_in_a_text(text: str) -> None:
    shown = words.plain(text)
    assert shown.replace("\N{REPLACEMENT CHARACTER}", "x").isprintable() or "\u00a0" in shown
    assert len(shown) < 650


def test_a_text_that_is_too_long_says_how_much_is_missing() -> None:
    assert words.plain("a" * 5_000) == "a" * 600 + "… (4,400 more characters)"


def test_times_are_to_the_minute_in_utc_and_lists_say_what_they_leave_out() -> None:
    assert words.clock(START) == "2026-11-20 22:01"
    assert words.and_more(["a", "b", "c"], 2) == "a, b and 1 more"
    assert words.and_more(["a", "b"], 2) == "a, b"
