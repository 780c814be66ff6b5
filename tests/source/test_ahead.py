"""Fetching ahead: whatever is asked for in whatever order comes whole, and what is held stays within the budget."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwlens.source.ahead import Ahead, Piece


def content(number: int, size: int) -> bytes:
    return bytes([number % 251]) * size


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(0, 20), st.data())
def test_each_thing_comes_whole_in_any_order_and_also_twice(sizes: list[int], budget: int, data: st.DataObject) -> None:
    def pieces(number: int) -> list[Piece]:
        whole = content(number, sizes[number])
        return [lambda at=at: whole[at : at + 3] for at in range(0, len(whole), 3)]  # type: ignore[misc]

    order = data.draw(st.lists(st.sampled_from(range(len(sizes))), max_size=20) if sizes else st.just([]))
    with ThreadPoolExecutor(2) as pool:
        ahead = Ahead(sizes, pieces, budget, pool)
        assert [b"".join(ahead.take(number)) for number in order] == [content(each, sizes[each]) for each in order]
        assert 0 <= ahead.held <= budget
        pool.shutdown()


@pytest.mark.parametrize(("budget", "begun"), [(0, 1), (10, 1), (25, 2), (39, 3), (1000, 10)])
def test_only_what_the_budget_holds_is_begun_before_it_is_asked_for(budget: int, begun: int) -> None:
    """The first thing is asked for and does not come: what is begun meanwhile is what the budget holds, with the first."""
    sizes, seen, lock, gate = [10] * 10, set[int](), Lock(), Event()
    meanwhile: list[int] = []

    def piece(number: int) -> bytes:
        with lock:
            seen.add(number)
        if number == 0:
            for _ in range(2000):
                gate.wait(0.005)
                with lock:
                    if len(seen) >= begun:
                        break
            gate.wait(0.05)
            meanwhile.append(len(seen))
        return b"x" * 10

    with ThreadPoolExecutor(4) as pool:
        ahead = Ahead(sizes, lambda number: [lambda: piece(number)], budget, pool)
        assert ahead.take(0) == [b"x" * 10]
        assert ahead.held <= budget
    assert meanwhile == [begun]


def test_the_budget_is_never_exceeded_while_things_are_taken_in_order() -> None:
    sizes, budget = [7, 30, 1, 1, 60, 5, 5, 5, 100, 3], 64
    with ThreadPoolExecutor(3) as pool:
        ahead = Ahead(sizes, lambda number: [lambda: content(number, sizes[number])], budget, pool)
        for number, size in enumerate(sizes):
            assert ahead.take(number) == [content(number, size)]
            assert ahead.held <= budget


def test_a_fault_is_raised_to_who_asks_and_gives_its_room_back() -> None:
    def broken() -> bytes:
        raise OSError("gone")

    with ThreadPoolExecutor(2) as pool:
        ahead = Ahead([5, 5], lambda number: [broken] if number == 0 else [lambda: b"whole"], 10, pool)
        with pytest.raises(OSError, match="gone"):
            ahead.take(0)
        assert ahead.take(1) == [b"whole"]
        assert ahead.held == 0
