"""Which windows of arrival a night asks for."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwlens.nightly.tiles import Stretch, Tile, floor, tiles
from tests.nightly.world import T0

H = timedelta(hours=1)


def at(hours: float) -> datetime:
    return T0 - 22 * H + timedelta(hours=hours)


def asked(
    stored: list[tuple[float, float]], until: float, *, back: float = 24, step: float = 6, overlap: float = 1
) -> list[tuple[float, float, tuple[int, ...]]]:
    found = tiles(
        [Stretch(at(a), at(b)) for a, b in stored], at(until),
        look_back=timedelta(hours=back), step=timedelta(hours=step), overlap=timedelta(hours=overlap),
    )  # fmt: skip
    return [((one.window.begin - at(0)) / H, (one.window.end - at(0)) / H, one.covers) for one in found]


@pytest.mark.parametrize(
    ("stored", "until", "said"),
    [
        # the first night: the look-back, from a multiple of the step on
        ([], 15, [(-12, -6, ()), (-6, 0, ()), (0, 6, ()), (6, 12, ()), (12, 15, ())]),
        # the last window was not full: it is asked for again, as a whole, in place of the stored one
        ([(-12, 12), (12, 15)], 20, [(12, 18, (1,)), (18, 20, ())]),
        # the overlap reaches into the window before
        ([(-12, 12), (12, 18)], 20, [(12, 18, (1,)), (18, 20, ())]),
        ([(-12, 12), (12, 18), (18, 18.5)], 20, [(12, 18, (1,)), (18, 20, (2,))]),
        # nothing new: the overlap alone
        ([(-12, 12), (12, 18)], 18, [(12, 18, (1,))]),
        # the store is further than this night goes
        ([(-12, 12), (12, 18)], 17, []),
        # days were missed: window by window
        ([(-12, 12)], 25, [(-12, 12, (0,)), (12, 18, ()), (18, 24, ()), (24, 25, ())]),
    ],
)  # fmt: skip
def test_a_night_asks_for_what_is_missing_and_the_overlap(
    stored: list[tuple[float, float]], until: float, said: list[tuple[float, float, tuple[int, ...]]]
) -> None:
    assert asked(stored, until) == said


def test_without_an_overlap_nothing_is_asked_for_twice() -> None:
    assert asked([(-12, 12), (12, 15)], 20, overlap=0) == [(15, 18, ()), (18, 20, ())]


def test_a_longer_look_back_reaches_before_what_is_stored() -> None:
    assert asked([(6, 12)], 12, back=12, overlap=0) == [(0, 6, ())]


def test_a_stored_window_is_never_cut_when_the_step_changes() -> None:
    assert asked([(-12, 12), (12, 15.5)], 18, step=1) == [(12, 16, (1,)), (16, 17, ()), (17, 18, ())]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 400), st.integers(1, 240), st.sampled_from([5, 30, 60, 120, 360, 1440]), st.integers(0, 600),
        ),
        min_size=1, max_size=6,
    )
)  # fmt: skip
def test_whatever_nights_there_were_every_arrival_lies_in_exactly_one_stored_window(
    nights: list[tuple[int, int, int, int]],
) -> None:
    """Nights at any time, with options that change between them; some windows of a night are never reached."""
    until, stored = T0, list[Stretch]()
    for later, back, step, overlap in nights:
        until += timedelta(minutes=later)
        spans = {
            "look_back": timedelta(minutes=back),
            "step": timedelta(minutes=step),
            "overlap": timedelta(minutes=overlap),
        }
        found = tiles(stored, until, **spans)
        stored = after(stored, found)
        begins = [one.begin for one in stored]
        assert begins == sorted(begins)
        assert all(one.end == two.begin for one, two in pairwise(stored))
        assert all(one.begin < one.end for one in stored)
        assert stored[-1].end >= until
        assert stored[0].begin <= until - spans["look_back"]
        assert all(one.window.end - one.window.begin <= spans["step"] or one.covers for one in found)


def after(stored: list[Stretch], found: list[Tile]) -> list[Stretch]:
    away = {i for one in found for i in one.covers}
    return sorted(
        [*(one for i, one in enumerate(stored) if i not in away), *(one.window for one in found)],
        key=lambda one: one.begin,
    )


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(1, 20)), min_size=1, max_size=5), st.data())
def test_a_night_that_is_cut_short_leaves_no_gap(nights: list[tuple[int, int]], data: st.DataObject) -> None:
    """What the windows that were reached leave is a row of windows that meet, so the next night goes on from there."""
    until, stored = T0, list[Stretch]()
    for minutes, back in nights:
        until += timedelta(minutes=minutes)
        found = tiles(stored, until, look_back=back * H, step=H, overlap=2 * H)
        stored = after(stored, found[: data.draw(st.integers(0, len(found)))])
        assert all(one.end == two.begin for one, two in pairwise(stored))


def test_times_are_cut_to_multiples_since_1970() -> None:
    assert floor(at(15.4), 6 * H) == at(12)
    assert floor(at(12), 6 * H) == at(12)


def test_rows_of_an_arrival_are_two_days_old_or_a_day_ahead_at_most() -> None:
    begin, end = Stretch(at(0), at(6)).seen
    assert (at(0) - begin, end - at(6)) == (timedelta(days=2, hours=1), timedelta(days=1, hours=1))
