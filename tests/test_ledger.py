import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwlens.ledger import ALLOWED, UNACCOUNTED, Account, Ledger, SetAside, Share, add_up, together, unblocked
from fwlens.source import crowd
from fwlens.store import account


def share(path: str, read: int, used: int, *aside: tuple[str, int, int], formats: tuple[str, ...] = ("azfw",)) -> Share:
    return Share(path, frozenset(formats), read, used, aside)


def test_shares_add_up_in_the_order_of_paths_and_reasons_in_that_of_rows() -> None:
    ledger = add_up(
        [
            share("b", 10, 4, ("alert", 1, 7), ("allowed", 5, 2)),
            share("a", 3, 0, ("malformed", 2, 9), ("alert", 1, 3), formats=("traffic", "azfw")),
            share("c", 0, 0, ("empty file", 0, 1), formats=()),
        ]
    )
    assert ledger == Ledger(
        (Account("a", "azfw, traffic", 3, 0, 3), Account("b", "azfw", 10, 4, 6), Account("c", "unknown", 0, 0, 0)),
        (
            SetAside("allowed", 5, "b:2"),
            SetAside("alert", 2, "a:3"),
            SetAside("malformed", 2, "a:9"),
            SetAside("empty file", 0, "c:1"),
        ),
    )
    assert (ledger.rows_read, ledger.rows_used, ledger.rows_set_aside) == (13, 4, 9)


def test_tables_that_had_rows_are_named_once() -> None:
    shares = [Share(path, frozenset(), 0, 0, (), frozenset(tables)) for path, tables in (("a", "TU"), ("b", "US"))]
    assert add_up(shares).tables == ("S", "T", "U")


@pytest.mark.parametrize(
    ("places", "first"), [([("a", 10), ("a", 9)], "a:9"), ([("b", 1), ("a", 7)], "a:7"), ([("a", 2), ("a", 2)], "a:2")]
)
def test_the_first_place_of_a_reason_is_by_path_and_then_by_number(places: list[tuple[str, int]], first: str) -> None:
    ledger = add_up(share(path, 1, 0, ("x", 1, line)) for path, line in places)
    assert [entry.first for entry in ledger.set_aside] == [first]


def test_nothing_adds_up_to_nothing() -> None:
    ledger = add_up([])
    assert (ledger, ledger.rows_read, ledger.rows_used, ledger.rows_set_aside) == (Ledger((), ()), 0, 0, 0)


@pytest.mark.parametrize(("read", "missing"), [(5, 2), (2, -1)])
def test_rows_that_a_share_lost_or_counted_twice_are_owned_up_to(read: int, missing: int) -> None:
    ledger = add_up([share("a", read, 1, ("x", 2, 4))])
    assert SetAside(UNACCOUNTED, missing, "a:1") in ledger.set_aside
    assert sum(entry.rows for entry in ledger.set_aside) == ledger.rows_set_aside == read - 1


SHARES = st.lists(
    st.builds(
        share,
        st.sampled_from("abc"),
        st.integers(0, 50),
        st.integers(0, 50),
        st.tuples(st.sampled_from("xyz"), st.integers(0, 9), st.integers(1, 99)),
    ),
    max_size=6,
)


@given(SHARES, st.randoms(use_true_random=False))
def test_a_ledger_closes_and_knows_no_order(shares: list[Share], chance: "object") -> None:
    ledger = add_up(shares)
    assert ledger.rows_read == ledger.rows_used + ledger.rows_set_aside
    assert ledger.rows_set_aside == sum(entry.rows for entry in ledger.set_aside)
    assert [account.path for account in ledger.inputs] == sorted(share.path for share in shares)
    assert ledger.set_aside == add_up(reversed(shares)).set_aside


_SHARES = st.lists(
    st.builds(
        lambda path, formats, used, aside, tables: Share(
            path, frozenset(formats), used + sum(rows for _, rows, _ in aside), used, tuple(aside), frozenset(tables)
        ),
        st.sampled_from(["a", "b:1", "b:10", "b", "c@9"]),
        st.sets(st.sampled_from(["azfw", "traffic"])),
        st.integers(0, 9),
        st.lists(st.tuples(st.sampled_from(["alert", "allowed"]), st.integers(0, 9), st.integers(1, 12)), max_size=3),
        st.sets(st.sampled_from("TU")),
    ),
    max_size=6,
    unique_by=lambda share: share.path,
)


@given(_SHARES, st.integers(0, 6))
def test_ledgers_of_parts_together_are_the_ledger_of_all(shares: list[Share], cut: int) -> None:
    whole = add_up(shares)
    assert together([add_up(shares[:cut]), add_up(shares[cut:])]) == whole
    assert together([whole, together([])]) == whole


def test_an_input_that_was_read_in_pieces_has_one_account() -> None:
    pieces = [
        Ledger((Account("a", "unknown", 3, 0, 3),), (SetAside("x", 3, "a@9:10"),)),
        Ledger((Account("a", "traffic", 4, 3, 1),), (SetAside("x", 1, "a@9:9"),), ("T",)),
        Ledger((Account("a", "azfw, traffic", 2, 2, 0),), ()),
    ]
    assert together(pieces) == Ledger((Account("a", "azfw, traffic", 9, 5, 4),), (SetAside("x", 4, "a@9:9"),), ("T",))


@pytest.mark.parametrize(
    ("used", "aside", "said"),
    [
        (0, {}, "No rows were read, so nothing is known."),
        (9, {"malformed: not JSON": 2}, "Nothing was blocked in 11 rows read."),
        (0, {ALLOWED: 1}, "Nothing was blocked in 1 row read."),
        (0, {ALLOWED: 1000, "malformed: not JSON": 234}, "Nothing was blocked in 1,234 rows read."),
        (0, {"malformed: not JSON": 16}, "0 of 16 rows read could be used, so nothing is known."),
        (0, {crowd._OUTSIDE: 436}, "None of 436 rows read lies in the time that was asked for."),
        (0, {account.OUTSIDE: 3}, "None of 3 rows read lies in the time that was asked for."),
        (
            0,
            {crowd._OUTSIDE: 436, ALLOWED: 68},
            "None of 504 rows read is known to lie in the time that was asked for.",
        ),
        (0, {"alert": 1, crowd._OUTSIDE: 1}, "None of 2 rows read is known to lie in the time that was asked for."),
        (1, {crowd._OUTSIDE: 9}, "Nothing was blocked in 10 rows read."),
    ],
)
def test_where_nothing_was_blocked_it_is_said_whether_that_is_known(
    used: int, aside: dict[str, int], said: str
) -> None:
    read = used + sum(aside.values())
    entries = tuple(SetAside(reason, rows, "a:1") for reason, rows in aside.items())
    assert unblocked(Ledger((Account("a", "azfw", read, used, read - used),), entries)) == said
