from collections.abc import Iterable
from itertools import combinations, product
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwlens.cover import Box, Cell, Cover, cover, solver
from fwlens.cover import boxes as listings
from fwlens.cover import crowns as crowning
from fwlens.cover import fewest as closing
from fwlens.cover import reach as reaching
from fwlens.cover.boxes import Listing, cells_of, components, maximal, parts, parts_with_own
from fwlens.cover.crowns import Crowns, boxes_for, unlike
from fwlens.cover.dense import made
from fwlens.cover.fewest import bound_of_part, fewest
from fwlens.cover.ranks import Ranks
from fwlens.cover.reach import Bits, distinct, hardest, inside, largest, least_of, reach
from fwlens.cover.search import search
from fwlens.cover.solve import lightest, reaches
from fwlens.cover.solver import Relaxed, choose, fewer, whole


def singles(cells: Iterable[Cell]) -> list[frozenset[Cell]]:
    return [frozenset({cell}) for cell in cells]


def boxes(found: Cover) -> list[str]:
    return [" x ".join(",".join(sorted(values)) for values in box) for box in found.boxes]


def atoms(found: Iterable[Box]) -> int:
    return sum(len(values) for box in found for values in box)


def every_box(allowed: frozenset[Cell]) -> list[Box]:
    """All boxes inside a relation, the plain way: every product of subsets that lies in it."""
    sides = [sorted({cell[axis] for cell in allowed}) for axis in range(len(next(iter(allowed))))]
    subsets = [
        [frozenset(chosen) for k in range(1, len(side) + 1) for chosen in combinations(side, k)] for side in sides
    ]
    return [box for box in product(*subsets) if all(cell in allowed for cell in cells_of(box))]


def allowed_by(needs: Iterable[frozenset[Cell]]) -> frozenset[Cell]:
    return frozenset(cell for need in needs for cell in need)


def every_maximal(cells: Iterable[Cell]) -> Listing:
    """The maximal boxes of a relation that is small enough."""
    listing = maximal(frozenset(cells))
    assert listing is not None
    return listing


def proven(needs: list[frozenset[Cell]]) -> int:
    """How few boxes there can be, as the solver proves it over all maximal boxes."""
    listing = every_maximal(allowed_by(needs))
    reached = np.ascontiguousarray(reach(listing, needs).T)
    exact = choose(reached, [1] * len(reached), nodes=10_000)
    assert exact.proven
    return len(exact.columns)


def exhaustive(needs: list[frozenset[Cell]], may: Iterable[Cell] = ()) -> tuple[int, int]:
    """The fewest boxes and then the fewest atoms, by trying every set of boxes."""
    candidates = every_box(allowed_by([*needs, frozenset(may)]))
    for count in range(1, len(needs) + 1):
        sizes = [
            atoms(chosen)
            for chosen in combinations(candidates, count)
            if all(any(cell in need for box in chosen for cell in cells_of(box)) for need in needs)
        ]
        if sizes:
            return count, min(sizes)
    return 0, 0


def test_a_full_product_is_one_box() -> None:
    found = cover(singles(product("ab", "xyz", "1")))
    assert boxes(found) == ["a,b x x,y,z x 1"]
    assert (found.lower_bound, found.optimal) == (1, True)


def test_a_port_of_one_host_is_never_joined_with_another_host() -> None:
    found = cover(singles([("s", "A", "80"), ("s", "B", "443")]))
    assert boxes(found) == ["s x A x 80", "s x B x 443"]


def test_overlapping_boxes_are_used_where_they_save_one() -> None:
    found = cover(singles([("a", "x"), ("a", "y"), ("b", "y"), ("b", "z"), ("c", "z")]))
    assert len(found.boxes) == found.lower_bound == 3


def test_a_need_with_alternatives_is_met_by_the_one_that_saves_a_box() -> None:
    either = frozenset({("a", "tag1"), ("a", "tag2")})
    found = cover([either, frozenset({("b", "tag2")})])
    assert boxes(found) == ["a,b x tag2"]


def test_nothing_needed_is_no_box() -> None:
    assert cover([]) == Cover((), 0)


def test_the_lightest_of_equally_few_boxes_is_taken() -> None:
    """`a` needs x and y, `b` only y: y is allowed to `a` once, not twice."""
    found = cover(singles([("a", "x"), ("a", "y"), ("b", "y"), ("b", "z")]))
    assert len(found.boxes) == 2
    assert atoms(found.boxes) == 6


def test_components_are_cells_that_differ_in_one_value_at_a_time() -> None:
    cells = frozenset({("a", "x"), ("a", "y"), ("b", "y"), ("c", "z")})
    assert components(cells) == [frozenset({("a", "x"), ("a", "y"), ("b", "y")}), frozenset({("c", "z")})]


_RELATIONS = st.sampled_from([("ab", "xyz", "1"), ("abc", "xy", "12"), ("ab", "xy", "12"), ("abc", "xyz", "1"), ("ab", "xy", "1", "pq")]).flatmap(
    lambda sides: st.sets(st.sampled_from(sorted(product(*sides))), min_size=1, max_size=7)
)  # fmt: skip


@given(_RELATIONS)
def test_small_relations_get_the_fewest_boxes_and_then_the_fewest_atoms(cells: set[Cell]) -> None:
    needs = singles(cells)
    found = cover(needs)
    assert (len(found.boxes), atoms(found.boxes)) == exhaustive(needs)
    assert found.optimal


@given(_RELATIONS, st.randoms(use_true_random=False))
def test_the_same_holds_for_needs_with_alternatives(cells: set[Cell], random: Random) -> None:
    ordered = sorted(cells)
    needs = [frozenset(random.sample(ordered, random.randint(1, min(2, len(ordered))))) for _ in range(4)]
    found = cover(needs)
    assert (len(found.boxes), atoms(found.boxes)) == exhaustive(needs)
    assert found.optimal


@given(_RELATIONS, st.randoms(use_true_random=False))
def test_what_may_be_allowed_as_well_is_where_that_takes_fewer_boxes(cells: set[Cell], random: Random) -> None:
    needs = singles(random.sample(sorted(cells), random.randint(1, len(cells))))
    found = cover(needs, may=cells)
    assert (len(found.boxes), atoms(found.boxes)) == exhaustive(needs, cells)
    assert found.optimal


@given(_RELATIONS, st.randoms(use_true_random=False))
def test_boxes_of_an_earlier_cover_are_taken_where_they_are_as_few_and_as_light(
    cells: set[Cell], random: Random
) -> None:
    """Of a sample of all covers that are as good, none has more of the boxes that were there."""
    needs = singles(cells)
    before = random.sample(every_box(frozenset(cells)), 2) if len(cells) > 1 else []
    found = cover(needs, earlier=before)
    best = exhaustive(needs)
    assert (len(found.boxes), atoms(found.boxes)) == best
    kept = [
        len({*before}.intersection(chosen))
        for chosen in combinations(every_box(frozenset(cells)), best[0])
        if atoms(chosen) == best[1] and {cell for box in chosen for cell in cells_of(box)} == cells
    ]
    assert len({*before}.intersection(found.boxes)) == max(kept)


@given(_RELATIONS)
def test_maximal_boxes_are_those_that_nothing_can_be_added_to(cells: set[Cell]) -> None:
    allowed = frozenset(cells)
    plain = every_box(allowed)
    largest = {
        box
        for box in plain
        if not any(box != other and all(a <= b for a, b in zip(box, other, strict=True)) for other in plain)
    }
    listing = every_maximal(allowed)
    assert set(listing.boxes) == largest
    assert set(parts(listing.boxes, 10_000) or ()) == set(plain)
    assert maximal(allowed, len(largest) - 1) is None


def _relation(sources: int, destinations: int, density: float, seed: int) -> list[Cell]:
    random = Random(seed)
    pairs = product(range(sources), range(destinations))
    return [(f"10.0.{i // 250}.{i % 250}", f"h{j}.example", "https/443") for i, j in pairs if random.random() < density]


def _nights(clients: int, services: int, seed: int) -> list[Cell]:
    """Clients in a few roles, each role needing some services: what nights look like."""
    random = Random(seed)
    roles = [random.sample(range(services), random.randint(2, max(2, services // 3))) for _ in range(6)]
    mine = [[*random.choice(roles), *random.choice(roles)] for _ in range(clients)]
    return sorted(
        {(f"10.0.{i // 250}.{i % 250}", f"h{j}.example", "https/443") for i, needs in enumerate(mine) for j in needs}
    )


@pytest.mark.parametrize(
    "cells",
    [_relation(60, 60, 0.9, 1), _relation(60, 60, 0.5, 2), _relation(1000, 1000, 0.01, 3), _relation(12, 12, 0.5, 4)],
    ids=["60 x 60 dense", "60 x 60 half", "10,000 sparse", "12 x 12 half"],
)
def test_large_relations_are_covered_exactly_and_no_worse_than_line_by_line(cells: list[Cell]) -> None:
    found = cover(singles(cells))
    assert {cell for box in found.boxes for cell in cells_of(box)} == set(cells)
    assert found.lower_bound <= len(found.boxes) <= min(len({cell[axis] for cell in cells}) for axis in (0, 1))


@pytest.mark.parametrize(("missed", "share"), [(0.0, 1.0), (0.1, 0.5)])
def test_one_need_more_leaves_boxes_of_the_cover_before_as_they_were(missed: float, share: float) -> None:
    """Four nights with one need more: without knowing those before, another of many covers is come upon."""
    random = Random(1)
    roles = [random.sample(range(16), random.randint(6, 12)) for _ in range(3)]
    asked = {(f"10.0.0.{i}", f"h{j}", "") for i in range(40) for j in roles[i % 3] if random.random() >= missed}
    before = cover(singles(asked)).boxes
    assert cover(singles(asked), earlier=before).boxes == before
    others, strangers = 0, 0
    for cell in random.sample(sorted({(f"10.0.0.{i}", f"h{j}", "") for i in range(40) for j in range(16)} - asked), 4):
        needs = singles([*asked, cell])
        fresh, after = cover(needs), cover(needs, earlier=before)
        assert {each for box in after.boxes for each in cells_of(box)} == {*asked, cell}
        assert len(after.boxes) <= len(fresh.boxes)
        others += len({*before}.difference(after.boxes))
        strangers += len({*before}.difference(fresh.boxes))
    assert len(before) * 4 > strangers >= 4
    assert others <= share * strangers


def test_a_dense_relation_takes_less_than_half_of_its_lines() -> None:
    """One in ten absent: far more maximal boxes than can be listed, and few are enough."""
    found = cover(singles(_relation(48, 48, 0.9, 1)))
    assert len(found.boxes) < 24
    assert found.lower_bound == 8  # of seven boxes there are no more than 35 sets of which none lies in another


def test_a_dense_relation_of_three_dimensions_is_covered_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listings, "TOO_MANY", 1000)
    random = Random(2)
    every = product([f"s{i}" for i in range(24)], [f"h{i}" for i in range(24)], ["http/80", "https/443"])
    cells = [cell for cell in every if random.random() < 0.85]
    found = fewest(singles(cells), frozenset(cells))
    assert {cell for box in found.boxes for cell in cells_of(box)} == set(cells)
    assert found.bound <= len(found.boxes) < 40


def test_every_source_to_every_other_destination_needs_far_fewer_boxes_than_lines() -> None:
    """Eight boxes are the fewest (halves of the sources that tell each from all others)."""
    found = cover(singles((f"n{i}", f"h{j}", "https/443") for i in range(24) for j in range(24) if i != j))
    assert found.lower_bound <= len(found.boxes) <= 10


_REACHES = st.lists(st.frozensets(st.integers(0, 7), min_size=1), min_size=1, max_size=9)


def _fewest_plainly(reach: list[frozenset[int]], rows: frozenset[int]) -> int:
    return next(
        count
        for count in range(len(reach) + 1)
        if any(frozenset[int]().union(*chosen) >= rows for chosen in combinations(reach, count))
    )


def _matrix(reach: list[frozenset[int]]) -> Bits:
    """Boxes x needs, of the needs that are reached at all."""
    rows = sorted(frozenset[int]().union(*reach))
    return np.array([[row in mine for row in rows] for mine in reach])


@given(_REACHES)
def test_without_what_says_nothing_new_a_cover_takes_as_few_boxes(reach: list[frozenset[int]]) -> None:
    whole = _matrix(reach)
    left = np.ascontiguousarray(whole[:, hardest(np.ascontiguousarray(whole.T))])
    left = left[distinct(left)]
    left = left[largest(left)]
    numbered = [frozenset(map(int, np.flatnonzero(row))) for row in left]
    rows = frozenset[int]().union(*reach)
    assert _fewest_plainly(numbered, frozenset(range(left.shape[1]))) == _fewest_plainly(reach, rows)


@given(_REACHES)
def test_the_search_finds_covers_and_of_small_ones_the_fewest(reach: list[frozenset[int]]) -> None:
    found = search(_matrix(reach), 1, 300)
    assert all(_matrix(reach)[cover].any(axis=0).all() for cover in found)
    assert len(found[-1]) == _fewest_plainly(reach, frozenset[int]().union(*reach))


@given(_REACHES)
def test_the_relaxation_is_a_bound_with_and_without_demands(reach: list[frozenset[int]]) -> None:
    matrix, fewest_boxes = _matrix(reach), _fewest_plainly(reach, frozenset[int]().union(*reach))
    relaxed = Relaxed(matrix)
    assert whole(relaxed.bound) <= fewest_boxes
    relaxed.demand(np.ones(len(matrix), bool), fewest_boxes)
    relaxed.solve()
    assert whole(relaxed.bound) == fewest_boxes


@given(_REACHES)
def test_one_box_less_than_the_fewest_is_refuted_and_the_fewest_are_found(reach: list[frozenset[int]]) -> None:
    matrix = _matrix(reach)
    count, once = _fewest_plainly(reach, frozenset[int]().union(*reach)), np.ones(matrix.shape[1])
    less, enough = fewer(matrix, once, count - 1, nodes=100), fewer(matrix, once, count, nodes=100)
    assert (less.chosen, less.refuted, enough.refuted) == (None, True, False)
    assert enough.chosen is not None
    assert len(enough.chosen) == count
    assert matrix[enough.chosen].any(axis=0).all()


_LARGER = st.sets(st.tuples(*[st.sampled_from("abcdef")] * 2), min_size=1, max_size=24)
_DEEPER = st.sets(st.tuples(*[st.sampled_from("abcd")] * 2, st.sampled_from("12")), min_size=1, max_size=20)


def _some_with_alternatives(cells: set[Cell], random: Random) -> list[frozenset[Cell]]:
    ordered = sorted(cells)
    return [frozenset(random.sample(ordered, min(len(ordered), random.randint(1, 2)))) for _ in ordered]


@given(_LARGER | _DEEPER)
def test_who_meets_the_least_needs_meets_all(cells: set[Cell]) -> None:
    needs = singles(sorted(cells))
    listing = every_maximal(cells)
    least = least_of(needs, frozenset(cells))
    assert set(least) <= set(needs)
    for need in needs:
        boxes_of = set(np.flatnonzero(reach(listing, [need])[0]))
        assert any(set(np.flatnonzero(mine)) <= boxes_of for mine in reach(listing, least))


@given(_LARGER | _DEEPER, st.randoms(use_true_random=False))
def test_the_same_holds_where_more_is_allowed_than_is_needed(cells: set[Cell], random: Random) -> None:
    needs = singles(random.sample(sorted(cells), random.randint(1, len(cells))))
    listing = every_maximal(cells)
    least = least_of(needs, frozenset(cells))
    for need in needs:
        boxes_of = set(np.flatnonzero(reach(listing, [need])[0]))
        assert any(set(np.flatnonzero(mine)) <= boxes_of for mine in reach(listing, least))
    found = fewest(needs, frozenset(cells))
    reached = np.ascontiguousarray(reach(listing, needs).T)
    assert len(choose(reached, [1] * len(reached), nodes=10_000).columns) == found.bound == len(found.boxes)


def test_what_is_met_with_another_need_may_still_fill_a_box() -> None:
    """`s` may have `h`, as it needs the pattern that takes `h` in; so it can share a rule with `t`."""
    met = frozenset({("s", "h"), ("s", "*.x")})
    needs = [met, *singles([("s", "*.x"), ("u", "*.x"), ("s", "a"), ("t", "a"), ("t", "h")])]
    found = cover(needs)
    assert boxes(found) == ["s,t x a,h", "s,u x *.x"]
    assert found.optimal


def test_dimensions_of_very_many_values_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = singles([("a", "x"), ("a", "y"), ("b", "y"), ("b", "x"), ("c", "x")])
    assert len(least_of(needs, allowed_by(needs))) == 2
    for module in (reaching, crowning):
        monkeypatch.setattr(module, "SIDE", 1)
    assert least_of(needs, allowed_by(needs)) == needs
    assert unlike(needs, allowed_by(needs)) == 1
    assert _crowns(needs, every_maximal(allowed_by(needs))).beyond(np.ones(2) / 9, 0) == []


def test_of_needs_with_alternatives_all_are_least() -> None:
    either = frozenset({("a", "x"), ("a", "y")})
    needs = [either, frozenset({("a", "x")})]
    assert least_of(needs, either) == needs


@pytest.mark.parametrize(
    ("values", "boxes_at_least"), [(1, 1), (2, 2), (3, 3), (4, 4), (6, 4), (7, 5), (10, 5), (11, 6), (70, 8), (71, 9)]
)
def test_so_many_sets_of_which_none_holds_another_take_so_many_elements(values: int, boxes_at_least: int) -> None:
    assert boxes_for(values) == boxes_at_least


def _crowns(needs: list[frozenset[Cell]], listing: Listing) -> Crowns:
    return Crowns(needs, allowed_by(needs), [inside(listing, axis).T for axis in range(len(listing.values))])


@given(_LARGER | _DEEPER, st.randoms(use_true_random=False), st.booleans())
def test_no_cover_has_fewer_boxes_of_a_crown_than_the_crown_takes(
    cells: set[Cell], random: Random, alternatives: bool
) -> None:
    needs = _some_with_alternatives(cells, random) if alternatives else singles(sorted(cells))
    listing = every_maximal(allowed_by(needs))
    crowns, reached = _crowns(needs, listing), np.ascontiguousarray(reach(listing, needs).T)
    weights = np.array([random.random() / 4 for _ in reached])
    for crown in crowns.beyond(weights, 0):
        touching = crowns.touching(crown)
        assert crown.gain == pytest.approx(crown.least - weights[touching].sum(), abs=1e-5)
        for cover_of in search(reached, 1, 20):
            assert touching[cover_of].sum() >= crown.least


@pytest.mark.parametrize(("values", "takes"), [(3, 3), (5, 4), (7, 5), (11, 6)])
def test_clients_that_each_miss_another_host_are_a_crown(values: int, takes: int) -> None:
    """By the linear program seven clients would do with three and a half boxes."""
    needs = singles((f"a{i}", f"h{j}") for i in range(values) for j in range(values) if i != j)
    found = fewest(needs, allowed_by(needs))
    assert len(found.boxes) == found.bound == takes
    relaxed = Relaxed(np.ascontiguousarray(reach(every_maximal(allowed_by(needs)), needs).T))
    assert whole(relaxed.bound) == min(takes, 4)


@given(_LARGER | _DEEPER, st.randoms(use_true_random=False), st.booleans())
def test_no_cover_has_fewer_boxes_of_a_group_than_is_demanded_of_it(
    cells: set[Cell], random: Random, alternatives: bool
) -> None:
    needs = _some_with_alternatives(cells, random) if alternatives else singles(sorted(cells))
    reached = np.ascontiguousarray(reach(every_maximal(allowed_by(needs)), needs).T)
    weights = np.array([random.choice([0, 0.3, 0.6]) for _ in reached])
    for group in Ranks(reached, 100, 100).beyond(weights):
        assert weights[group.boxes].sum() < group.least
        of_group = choose(reached, [int(mine) for mine in group.boxes], nodes=10_000)
        assert of_group.proven
        assert group.boxes[list(of_group.columns)].sum() >= group.least


@pytest.mark.parametrize(("asks", "bound"), [(0, 12), (60, 13)])
def test_groups_of_needs_prove_what_crowns_and_the_linear_program_cannot(
    monkeypatch: pytest.MonkeyPatch, asks: int, bound: int
) -> None:
    random = Random(2)
    roles = [random.sample(range(16), random.randint(5, 9)) for _ in range(3)]
    asked = {(f"a{i}", f"h{j}") for i in range(40) for j in roles[i % 3] if random.random() >= 0.15}
    monkeypatch.setattr(closing, "_LARGEST", 0)  # no integer program over all boxes
    monkeypatch.setattr(closing, "_ASKS", asks)
    found = fewest(singles(asked), frozenset(asked))
    assert (len(found.boxes), found.bound) == (13, bound)


@given(_LARGER | _DEEPER)
def test_values_that_each_need_what_another_must_not_have_bound_the_boxes(cells: set[Cell]) -> None:
    needs = singles(sorted(cells))
    assert 1 <= unlike(needs, allowed_by(needs)) <= proven(needs)


@given(_LARGER | _DEEPER, st.randoms(use_true_random=False))
def test_boxes_that_are_made_meet_all_needs_and_allow_nothing_else(cells: set[Cell], random: Random) -> None:
    needs = _some_with_alternatives(cells, random)
    allowed = allowed_by(needs)
    listing = made(needs, allowed)
    assert listing is not None
    found = listing.boxes
    assert set(found) <= set(every_maximal(allowed).boxes)
    assert all(any(cell in need for box in found for cell in cells_of(box)) for need in needs)


@given(_LARGER | _DEEPER)
def test_what_is_found_for_many_boxes_is_what_the_solver_proves(cells: set[Cell]) -> None:
    needs = singles(sorted(cells))
    found = fewest(needs, allowed_by(needs))
    assert {cell for box in found.boxes for cell in cells_of(box)} == cells
    assert len(found.boxes) == found.bound == proven(needs)


@given(_LARGER | _DEEPER, st.randoms(use_true_random=False))
def test_a_part_of_the_values_bounds_the_whole_with_alternatives_too(cells: set[Cell], random: Random) -> None:
    needs = _some_with_alternatives(cells, random)
    assert bound_of_part(needs, allowed_by(needs)) <= proven(needs)
    assert fewest(needs, allowed_by(needs)).bound <= proven(needs) <= len(fewest(needs, allowed_by(needs)).boxes)


@given(_LARGER | _DEEPER, st.randoms(use_true_random=False), st.booleans())
def test_as_few_boxes_meet_all_needs_with_earlier_ones_among_them(
    cells: set[Cell], random: Random, listed: bool
) -> None:
    """Earlier boxes are not maximal: needs that all maximal ones meet together may be apart in them."""
    needs, allowed = _some_with_alternatives(cells, random), frozenset(cells)
    earlier = [tuple(frozenset({value}) for value in cell) for cell in random.sample(sorted(cells), min(3, len(cells)))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listings, "TOO_MANY", 200_000 if listed else 2)
        found, plain = fewest(needs, allowed, earlier), fewest(needs, allowed)
    assert all(any(cell in need for box in found.boxes for cell in cells_of(box)) for need in needs)
    assert allowed.issuperset(cell for box in found.boxes for cell in cells_of(box))
    assert found.bound == plain.bound <= len(found.boxes) <= len(plain.boxes)


@given(_LARGER | _DEEPER)
def test_where_the_boxes_cannot_be_listed_the_cover_is_exact_and_the_bound_holds(cells: set[Cell]) -> None:
    needs = singles(sorted(cells))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listings, "TOO_MANY", 2)
        found = fewest(needs, allowed_by(needs))
    assert {cell for box in found.boxes for cell in cells_of(box)} == cells
    assert found.bound <= proven(needs) <= len(found.boxes)


def test_the_solver_says_nothing_on_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    """`Running HiGHS 1.16.0 (git hash: f3f113d): Copyright (c) 2026 …` stood above an answer in JSON."""
    cover(singles(_relation(12, 12, 0.5, 4)))
    assert capfd.readouterr() == ("", "")


def test_where_time_is_up_before_anything_is_proven_the_cover_still_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(solver._OPTIONS, "time_limit", 0.0)
    cells = _relation(20, 20, 0.7, 5)
    found = cover(singles(cells))
    assert {cell for box in found.boxes for cell in cells_of(box)} == set(cells)
    assert 1 <= found.lower_bound <= len(found.boxes)


def test_a_bound_counts_crowns_that_are_joined_in_full() -> None:
    """Six clients that each miss another of six hosts take four boxes; what joins two such groups takes a ninth. The
    linear program by itself would do with fewer."""
    cells = [(f"{g}{i}", f"{g}h{j}") for g in "ab" for i in range(6) for j in range(6) if i != j]
    needs = singles([*cells, ("a0", "bh1"), ("b0", "ah1")])
    found = fewest(needs, allowed_by(needs))
    relaxed = Relaxed(np.ascontiguousarray(reach(every_maximal(allowed_by(needs)), needs).T))
    assert (whole(relaxed.bound), found.bound, len(found.boxes)) == (8, 9, 9)


@pytest.mark.parametrize("seed", range(6))
def test_nights_of_clients_in_roles_are_covered_optimally(seed: int) -> None:
    found = cover(singles(_nights(200, 60, seed)))
    assert found.optimal


@given(_RELATIONS, st.randoms(use_true_random=False))
def test_the_order_of_needs_changes_nothing(cells: set[Cell], random: Random) -> None:
    shuffled = singles(sorted(cells))
    random.shuffle(shuffled)
    assert cover(shuffled) == cover(singles(sorted(cells)))


@given(_RELATIONS)
def test_no_atom_of_any_box_can_be_left_out(cells: set[Cell]) -> None:
    found = cover(singles(cells)).boxes
    for number, box in enumerate(found):
        for axis, values in enumerate(box):
            for value in values:
                less = (*box[:axis], values - {value}, *box[axis + 1 :])
                left = {cell for i, other in enumerate(found) for cell in cells_of(less if i == number else other)}
                assert not cells <= left


@given(cells=st.sets(st.tuples(*[st.sampled_from("abcd")] * 2), min_size=1, max_size=8), weights=st.randoms())
def test_what_needs_no_solver_is_what_the_solver_finds(cells: set[Cell], weights: Random) -> None:
    needs = singles(sorted(cells))
    whole_boxes = every_maximal(cells).boxes
    every = parts(whole_boxes, 3000)
    assert every is not None
    costs = [100 + weights.randrange(9) for _ in every]
    quick = lightest(reaches(every, needs), len(needs), costs, reaches(whole_boxes, needs))
    if quick:
        reached = np.array([[i in mine for i in range(len(needs))] for mine in reaches(every, needs)])
        solved = choose(reached, costs, nodes=100)
        assert sum(costs[j] for j in quick.columns) == sum(costs[j] for j in solved.columns) == quick.bound
        assert frozenset().union(*(reaches(every, needs)[j] for j in quick.columns)) == frozenset(range(len(needs)))


@given(cells=st.sets(st.tuples(*[st.sampled_from("abcd")] * 3), min_size=1, max_size=12), weights=st.randoms())
def test_parts_that_hold_what_only_their_box_holds_are_enough(cells: set[Cell], weights: Random) -> None:
    needs, largest_boxes = singles(sorted(cells)), every_maximal(cells).boxes
    every, own = parts(largest_boxes, 3000), parts_with_own(largest_boxes, 3000)
    assert every is not None
    cost = {box: 100 + weights.randrange(9) for box in every}
    of_all = lightest(reaches(every, needs), len(needs), [*cost.values()], reaches(largest_boxes, needs))
    assert (of_all is None) is (own is None)
    if of_all and own:
        assert own == [box for box in every if box in set(own)]
        of_own = lightest(reaches(own, needs), len(needs), [cost[box] for box in own], reaches(largest_boxes, needs))
        assert of_own is not None
        assert [own[j] for j in of_own.columns] == [every[j] for j in of_all.columns]
