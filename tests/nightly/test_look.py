"""What a night answers for: what was before its end and within its look-back; of all that it read it gives account."""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fwlens.ledger import ALLOWED as ALLOWED_ROWS
from fwlens.ledger import Ledger
from fwlens.nightly import Outcome, night
from fwlens.store import AFTER, OUTSIDE, Store
from tests.night import Entry
from tests.nightly.world import (
    ALLOWED,
    DOCKER,
    HUGGING_FACE,
    PYPI,
    T0,
    Arrivals,
    Told,
    lines,
    plan,
    run,
    seen,
    taking_in,
)

H, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
OLD = "before what is kept (--keep-flows)"


def write(file: Path, *entries: Entry) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(lines(entries))


def account(outcome: Outcome) -> tuple[int, int, dict[str, int]]:
    """Rows read, rows used, and why the rest was not."""
    told: Ledger = outcome.answer.ledger
    assert told.rows_read == sum(one.rows_read for one in told.inputs) == told.rows_used + told.rows_set_aside
    assert told.rows_used == sum(one.events for one in outcome.answer.verdicts.values())  # all are of one entry here
    return told.rows_read, told.rows_used, {one.reason: one.rows for one in told.set_aside}


def needs(outcome: Outcome) -> set[str]:
    return {each.id for one in outcome.answer.recommendations for each in one.citations}


def logs(folder: Path) -> Sequence[str]:
    return [str(folder / "logs")]


# Before the look-back


def test_rows_that_were_read_tonight_and_lie_before_the_look_back_are_told(tmp_path: Path) -> None:
    write(tmp_path / "logs/1.json", seen(PYPI, 1), seen(DOCKER, 2), seen(ALLOWED, 3))
    told = Told()
    found = night(plan(tmp_path, T0 + 5 * DAY, files=logs(tmp_path)), told)
    assert account(found) == (3, 0, {OUTSIDE: 2, ALLOWED_ROWS: 1})
    assert [one.path for one in found.answer.ledger.inputs] == [str(tmp_path / "logs/1.json")]
    assert [text for _, event, text in told.lines if event == "ledger"] == [
        f"Look-back: 3 rows, 0 used, set aside: 2 {OUTSIDE}; 1 {ALLOWED_ROWS}."
    ]
    assert found.exit == 0


def test_what_earlier_nights_read_is_accounted_for_once_and_not_every_night(tmp_path: Path) -> None:
    write(tmp_path / "logs/1.json", seen(PYPI, 1), seen(DOCKER, 2))
    run(tmp_path, T0 + 5 * DAY, files=logs(tmp_path))
    write(tmp_path / "logs/2.json", seen(PYPI, 1440 * 6 - 60))
    assert account(run(tmp_path, T0 + 6 * DAY, files=logs(tmp_path))) == (1, 1, {})
    assert account(run(tmp_path, T0 + 5 * DAY, files=logs(tmp_path))) == (2, 0, {OUTSIDE: 2})  # once more


def test_what_an_unfinished_night_read_is_told_by_the_one_that_ends(tmp_path: Path) -> None:
    write(tmp_path / "logs/1.json", seen(PYPI, 1), seen(DOCKER, 2))
    taking_in(tmp_path, T0 + 5 * DAY, files=logs(tmp_path))
    assert account(run(tmp_path, T0 + 6 * DAY, files=logs(tmp_path))) == (2, 0, {OUTSIDE: 2})
    assert account(run(tmp_path, T0 + 7 * DAY, files=logs(tmp_path))) == (0, 0, {})


def test_rows_that_are_too_old_to_be_kept_are_told_in_the_words_of_a_night(tmp_path: Path) -> None:
    write(tmp_path / "logs/1.json", seen(PYPI, 1))
    assert account(run(tmp_path, T0 + 50 * DAY, files=logs(tmp_path))) == (1, 0, {OLD: 1})


def test_a_window_whose_rows_all_lie_before_the_look_back_is_told(tmp_path: Path) -> None:
    world = Arrivals([(T0 + 20 * H, seen(PYPI, -600))])
    assert account(run(tmp_path, T0 + 31 * H, world.workspace)) == (1, 0, {OUTSIDE: 1})
    assert account(run(tmp_path, T0 + 55 * H, world.workspace)) == (0, 0, {})


# After the end of the night


@pytest.mark.parametrize("minutes", [60, 90, 97.5, 120], ids=str)
def test_entries_after_the_end_count_in_a_later_night_and_not_in_this_one(tmp_path: Path, minutes: float) -> None:
    """The conversation with pypi.org is on both sides of the end, in the same hour for some ends."""
    until = T0 + minutes * MINUTE
    write(
        tmp_path / "logs/1.json", seen(PYPI, minutes - 1), seen(PYPI, minutes), seen(DOCKER, minutes + 1),
        seen(HUGGING_FACE, 59), seen(DOCKER, minutes + 70),
    )  # fmt: skip
    first = run(tmp_path, until, files=logs(tmp_path))
    assert account(first) == (5, 2, {AFTER: 3})
    assert needs(first) == {"packages/pip", "hf/hub"}
    assert first.answer.last_seen is not None
    assert first.answer.last_seen < until
    second = run(tmp_path, until + 5 * H, files=logs(tmp_path))
    assert account(second) == (5, 5, {})
    assert needs(second) == {"packages/pip", "hf/hub", "docker/registry"}
    again = run(tmp_path, until, files=logs(tmp_path))
    assert again.answer.recommendations == first.answer.recommendations
    assert again.answer.ledger == first.answer.ledger


def test_an_end_before_all_entries_answers_for_none_of_them(tmp_path: Path) -> None:
    write(tmp_path / "logs/1.json", seen(PYPI, 1))
    first = run(tmp_path, T0 - H, files=logs(tmp_path))
    assert (account(first), first.exit) == ((1, 0, {AFTER: 1}), 1)
    (tmp_path / "logs/1.json").unlink()
    assert needs(run(tmp_path, T0 + H, files=logs(tmp_path))) == {"packages/pip"}


def test_a_file_is_not_read_again_for_an_end_that_it_was_cut_at(tmp_path: Path) -> None:
    write(tmp_path / "logs/1.json", seen(PYPI, 29), seen(PYPI, 31))

    def stored(minutes: int) -> list[str]:
        told = Told()
        night(plan(tmp_path, T0 + minutes * MINUTE, files=logs(tmp_path)), told)
        return [event for _, event, _ in told.lines if event == "stored"]

    assert [stored(each) for each in (30, 30, 31, 60, 150, 600)] == [["stored"], [], ["stored"], [], [], []]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 300), st.sampled_from([PYPI, DOCKER, HUGGING_FACE])), max_size=9),
    st.lists(st.integers(1, 330), min_size=1, max_size=4),
)
def test_whatever_nights_there_were_each_answers_for_what_was_before_its_end(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[int, Entry]], ends: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("ends")
    write(folder / "logs/1.json", *(seen(entry, minute) for minute, entry in entries))
    for end in ends:
        found = run(folder, T0 + end * MINUTE, files=logs(folder))
        before = sum(minute < end for minute, _ in entries)
        assert account(found)[1] == before


def test_windows_that_arrived_after_the_end_count_in_later_nights_only(tmp_path: Path) -> None:
    world = Arrivals([(T0 + 10 * MINUTE, seen(PYPI, 1)), (T0 + 3 * H, seen(DOCKER, 2))])
    first = run(tmp_path, T0 + H, world.workspace)
    assert needs(run(tmp_path, T0 + 9 * H, world.workspace, overlap=timedelta(0))) == {
        "packages/pip",
        "docker/registry",
    }
    again = run(tmp_path, T0 + H, world.workspace)
    assert (again.answer.recommendations, again.answer.ledger) == (first.answer.recommendations, first.answer.ledger)


def test_the_store_keeps_what_is_after_the_end(tmp_path: Path) -> None:
    write(tmp_path / "logs/1.json", seen(PYPI, 10), seen(PYPI, 50), seen(PYPI, 70))
    taking_in(tmp_path, T0 + 30 * MINUTE, files=logs(tmp_path))
    store = Store(str(tmp_path / "store"))
    assert sorted(store.flows(T0)["slot"]) == [T0, T0 + 30 * MINUTE, T0 + H]
    (kept,) = store.inputs()
    assert kept.account.night == "2026-11-20T22:30:00Z"
    assert json.loads(kept.account.as_json())["parts"][0]["used"] == [
        [int((T0 + minutes * MINUTE).timestamp()), 1] for minutes in (0, 30, 60)
    ]
