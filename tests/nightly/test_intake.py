"""How what is new comes into the store: every row once, whatever is interrupted."""

import contextlib
import gzip
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fwlens.errors import FwlensError
from fwlens.ledger import ALLOWED as ALLOWED_ROWS
from fwlens.nightly import Stretch, Workspace, take_in
from fwlens.nightly.files import Found, Logs, found_in
from fwlens.source.files import Input
from fwlens.store import Store
from tests.night import Entry
from tests.nightly.world import (
    ALLOWED,
    DOCKER,
    HUGGING_FACE,
    PYPI,
    T0,
    TAGS,
    Arrivals,
    Told,
    lines,
    plan,
    read,
    run,
    seen,
    stored,
    taking_in,
)

H, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def labels(folder: Path) -> list[str]:
    return [one.label.rpartition("/")[2] for one in Store(str(folder / "store")).inputs()]


# Windows of a workspace


def test_a_row_that_tells_late_of_what_happened_is_counted_once_in_its_own_hour(tmp_path: Path) -> None:
    world = Arrivals([(T0 + 5 * MINUTE, seen(PYPI, 1)), (T0 + 26 * H, seen(PYPI, 2))])
    for day in (0, 1, 2):
        taking_in(tmp_path, T0 + H + day * 24 * H, world.workspace)
    assert stored(tmp_path).equals(read([seen(PYPI, 1), seen(PYPI, 2)]))


def test_a_row_that_is_found_later_than_it_arrived_comes_in_with_the_overlap(tmp_path: Path) -> None:
    world = Arrivals([(T0 + 5 * MINUTE, seen(PYPI, 1))])
    taking_in(tmp_path, T0 + H, world.workspace)
    world.rows.append((T0 + 50 * MINUTE, seen(DOCKER, 2)))  # arrived before the first night ended, and was not seen
    taking_in(tmp_path, T0 + 24 * H, world.workspace)
    assert stored(tmp_path).equals(read([seen(PYPI, 1), seen(DOCKER, 2)]))


def test_a_night_with_nothing_new_still_moves_on(tmp_path: Path) -> None:
    world = Arrivals()
    for day in (0, 1):
        taking_in(tmp_path, T0 + day * 24 * H, world.workspace)
        assert Store(str(tmp_path / "store")).progress("fwlens/arrivals/ws") == int(
            (T0 + day * 24 * H).timestamp() * 1e6
        )
    assert stored(tmp_path).height == 0


def test_days_that_were_missed_are_caught_up_window_by_window(tmp_path: Path) -> None:
    world = Arrivals([(T0 + day * 24 * H, seen(PYPI, day * 1440)) for day in range(4)])
    taking_in(tmp_path, T0, world.workspace)
    asked = len(world.asked)
    taking_in(tmp_path, T0 + 80 * H, world.workspace)
    assert {one.end - one.begin <= 6 * H for one in world.asked[asked:]} == {True}
    assert stored(tmp_path).equals(read([entry for _, entry in world.rows]))


def test_a_workspace_that_knows_less_than_before_takes_nothing_away(tmp_path: Path) -> None:
    world, told = Arrivals([(T0 - 10 * MINUTE, seen(PYPI, -20)), (T0 + 9 * H, seen(DOCKER, 9))]), Told()
    taking_in(tmp_path, T0, world.workspace)
    world.rows.pop(0)
    take_in(plan(tmp_path, T0 + 10 * H, world.workspace), told)
    assert stored(tmp_path).equals(read([seen(PYPI, -20), seen(DOCKER, 9)]))
    kept = [text for _, event, text in told.lines if event == "kept"]
    assert kept == [
        "ws arrived 2026-11-20T18:00:00Z: the workspace has fewer rows of it than the store, which keeps its own."
    ]


def test_an_earlier_end_than_the_stores_asks_for_nothing(tmp_path: Path) -> None:
    world, told = Arrivals([(T0 - H, seen(PYPI, -70))]), Told()
    taking_in(tmp_path, T0, world.workspace)
    asked = len(world.asked)
    take_in(plan(tmp_path, T0 - 2 * H, world.workspace), told)
    assert len(world.asked) == asked
    assert ("warning", "kept", "ws: the store already has what arrived until 2026-11-20 22:00 UTC.") in told.lines


def test_an_answer_that_cannot_be_read_stops_the_night_before_its_window_is_stored(tmp_path: Path) -> None:
    torn = gzip.compress(lines([seen(PYPI, 1)]))[:-9]

    def pull(stretch: Stretch) -> Sequence[Input]:
        inside = stretch.begin <= T0 < stretch.end
        return [Input("ws/torn", named=False, fetch=lambda: torn)] if inside else []

    with pytest.raises(FwlensError) as told:
        taking_in(tmp_path, T0 + H, Workspace("ws", pull))
    assert str(told.value) == (
        "ws/torn: the answer of Log Analytics cannot be read. Nothing of this window was stored."
    )
    assert Store(str(tmp_path / "store")).progress("fwlens/arrivals/ws") == int((T0 - 4 * H).timestamp() * 1e6)


def test_an_end_that_has_not_come_yet_keeps_no_later_night_from_reading_on(tmp_path: Path) -> None:
    world, told = Arrivals([(T0, seen(PYPI, 0)), (T0 + 30 * H, seen(DOCKER, 1800))]), Told()
    rows, world.rows = world.rows, world.rows[:1]  # the second one arrives after the first night
    take_in(plan(tmp_path, T0 + 200 * H, world.workspace, look_back=230 * H, clock=lambda: T0 + H), told)
    assert (
        "warning",
        "kept",
        "ws: 2026-11-29 06:00 UTC has not come yet; later nights read the rest.",
    ) in told.lines
    world.rows = rows
    take_in(plan(tmp_path, T0 + 48 * H, world.workspace, look_back=230 * H, clock=lambda: T0 + 49 * H), told)
    assert stored(tmp_path).equals(read([seen(PYPI, 0), seen(DOCKER, 1800)]))
    assert max(one.end for one in Store(str(tmp_path / "store")).inputs()) == T0 + 48 * H


def test_what_a_clock_took_in_that_was_ahead_is_asked_for_again(tmp_path: Path) -> None:
    world = Arrivals([(T0, seen(PYPI, 0))])
    taking_in(tmp_path, T0 + 30 * H, world.workspace, clock=lambda: T0 + 31 * H)  # it is T0 + 1 h in truth
    world.rows.append((T0 + 2 * H, seen(DOCKER, 120)))
    taking_in(tmp_path, T0 + 3 * H, world.workspace, clock=lambda: T0 + 4 * H)
    assert stored(tmp_path).equals(read([seen(PYPI, 0), seen(DOCKER, 120)]))
    assert max(one.end for one in Store(str(tmp_path / "store")).inputs()) == T0 + 3 * H


def test_a_clock_that_is_behind_what_has_arrived_takes_nothing_away(tmp_path: Path) -> None:
    world = Arrivals([(T0, seen(PYPI, 0)), (T0 + 20 * H, seen(DOCKER, 1200))])
    taking_in(tmp_path, T0 + 24 * H, world.workspace, clock=lambda: T0 + 25 * H)
    asked = len(world.asked)
    taking_in(tmp_path, T0 + 3 * H, world.workspace, clock=lambda: T0 + 4 * H)
    assert len(world.asked) == asked
    assert stored(tmp_path).equals(read([seen(PYPI, 0), seen(DOCKER, 1200)]))


def refused(_: Stretch) -> Sequence[Input]:
    raise FwlensError("workspace ws: no permission to read its logs.")


def test_a_workspace_that_refuses_keeps_no_other_from_being_read(tmp_path: Path) -> None:
    other = Arrivals([(T0, seen(DOCKER, 0))])
    got = taking_in(tmp_path, T0 + H, Workspace("ws", refused), Workspace("other", other.pull))
    assert got.faults == ["workspace ws: no permission to read its logs."]
    assert stored(tmp_path).equals(read([seen(DOCKER, 0)]))
    done = run(tmp_path, T0 + H, Workspace("ws", refused), Workspace("other", other.pull))
    assert (done.exit, done.diff.appeared) == (1, ("docker/registry",))


def test_where_no_workspace_can_be_read_and_nothing_else_is_there_the_night_stops(tmp_path: Path) -> None:
    with pytest.raises(FwlensError, match="no permission"):
        taking_in(tmp_path, T0 + H, Workspace("ws", refused), Workspace("other", refused))


def test_two_workspaces_have_windows_of_their_own(tmp_path: Path) -> None:
    one, two = Arrivals([(T0, seen(PYPI, 0))]), Arrivals([(T0 + 9 * H, seen(DOCKER, 540))])
    taking_in(tmp_path, T0 + H, one.workspace)
    taking_in(tmp_path, T0 + 10 * H, one.workspace, Workspace("other", two.pull))
    assert stored(tmp_path).equals(read([seen(PYPI, 0), seen(DOCKER, 540)]))


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(-300, 3000), st.integers(0, 2880), st.sampled_from([PYPI, DOCKER, HUGGING_FACE, ALLOWED]),
        ),
        max_size=12,
    ),
    st.lists(st.tuples(st.integers(0, 1500), st.sampled_from([60, 360, 1440]), st.integers(0, 180)), min_size=1, max_size=4),
    st.sets(st.integers(0, 40), max_size=6),
)  # fmt: skip
def test_however_nights_are_interrupted_every_arrival_is_in_the_store_once(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[int, int, Entry]],
    nights: list[tuple[int, int, int]],
    broken: set[int],
) -> None:
    """Rows arrive at any minute, up to two days late; nights end at any minute, with any steps; pulls break."""
    folder = tmp_path_factory.mktemp("nights")
    arrived = [(T0 + minute * MINUTE, seen(entry, minute - late)) for minute, late, entry in rows]
    world, until = Arrivals(arrived, broken=broken), T0
    for later, step, overlap in nights:
        until += later * MINUTE
        spans: dict[str, Any] = {"window": step * MINUTE, "overlap": overlap * MINUTE, "keep_flows": timedelta(days=99)}
        for _ in range(60):
            try:
                take_in(plan(folder, until, world.workspace, **spans), Told())
            except BrokenPipeError:
                continue
            break
        begin = min(one.begin for one in world.asked)
        assert stored(folder).equals(read([entry for when, entry in arrived if begin <= when < until]))


# Files


def write(file: Path, entries: Sequence[Entry]) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(lines(entries))


def reading(folder: Path, until: datetime = T0 + 5 * H, **more: Any) -> list[str]:
    """A night over the files of a folder; what it stored, as it tells it."""
    told = Told()
    take_in(plan(folder, until, files=[str(folder / "logs")], **more), told)
    return [text.rpartition("/")[2] for _, event, text in told.lines if event == "stored"]


def test_a_file_that_is_as_it_was_is_not_read_again(tmp_path: Path) -> None:
    write(tmp_path / "logs/a.json", [seen(PYPI, 1)])
    write(tmp_path / "logs/b.json", [seen(DOCKER, 1)])
    assert reading(tmp_path) == ["a.json and 1 more: 2 rows."]
    assert reading(tmp_path) == []


def test_a_file_that_grew_takes_the_place_of_itself(tmp_path: Path) -> None:
    write(tmp_path / "logs/a.json", [seen(PYPI, 1)])
    write(tmp_path / "logs/b.json", [seen(DOCKER, 1)])
    reading(tmp_path)
    with (tmp_path / "logs/a.json").open("ab") as file:
        file.write(lines([seen(HUGGING_FACE, 70)]))
    assert reading(tmp_path) == ["a.json: 2 rows."]
    assert stored(tmp_path).equals(read([seen(PYPI, 1), seen(DOCKER, 1), seen(HUGGING_FACE, 70)]))


def test_a_file_of_the_same_size_and_time_that_is_another_file_is_read_again(tmp_path: Path) -> None:
    write(tmp_path / "logs/a.json", [seen(PYPI, 11)])
    reading(tmp_path)
    old = (tmp_path / "logs/a.json").stat()
    write(tmp_path / "logs/new", [seen(PYPI, 10)])
    (tmp_path / "logs/new").rename(tmp_path / "logs/a.json")
    os.utime(tmp_path / "logs/a.json", ns=(old.st_atime_ns, old.st_mtime_ns))
    assert (tmp_path / "logs/a.json").stat().st_size == old.st_size
    assert reading(tmp_path) == ["a.json: 1 rows."]
    assert stored(tmp_path).equals(read([seen(PYPI, 10)]))


def test_a_file_that_is_moved_is_not_counted_twice(tmp_path: Path) -> None:
    write(tmp_path / "logs/a.json", [seen(PYPI, 1)])
    reading(tmp_path)
    (tmp_path / "logs/a.json").rename(tmp_path / "logs/z.json")
    reading(tmp_path)
    assert labels(tmp_path) == ["z.json"]
    assert stored(tmp_path).equals(read([seen(PYPI, 1)]))


def zipped(file: Path) -> None:
    """As `gzip` does it: the time stays, the file is another."""
    told, place = file.stat(), file.with_name(f"{file.name}.gz")
    place.write_bytes(gzip.compress(file.read_bytes()))
    os.utime(place, ns=(told.st_atime_ns, told.st_mtime_ns))
    file.unlink()


def moved(file: Path) -> None:
    """To another disk and back: every byte is copied."""
    file.with_name("z.json").write_bytes(file.read_bytes())
    file.unlink()


def unzipped(file: Path) -> None:
    zipped(file)
    file.with_name("b.json").write_bytes(gzip.decompress(file.with_name(f"{file.name}.gz").read_bytes()))
    file.with_name(f"{file.name}.gz").unlink()


@pytest.mark.parametrize("grown", [0, 3], ids=["as it was", "grown"])
@pytest.mark.parametrize("turn", [zipped, moved, unzipped])
def test_a_file_that_was_compressed_or_copied_after_it_was_read_is_the_same_file(
    tmp_path: Path, turn: Callable[[Path], None], grown: int
) -> None:
    file, entries = tmp_path / "logs/a.json", [seen(PYPI, 1), seen(ALLOWED, 2), seen(DOCKER, 3)]
    write(file, entries)
    write(tmp_path / "logs/other.json", [seen(HUGGING_FACE, 1)])
    reading(tmp_path)
    more = [seen(HUGGING_FACE, minute) for minute in range(70, 70 + grown)]
    if grown:
        with file.open("ab") as end:
            end.write(lines(more))
    turn(file)
    (name,) = (each.name for each in (tmp_path / "logs").iterdir() if each.name != "other.json")
    assert reading(tmp_path) == [f"{name}: {3 + grown} rows."]
    assert reading(tmp_path) == []
    assert labels(tmp_path) == sorted([name, "other.json"])
    entries.remove(seen(ALLOWED, 2))
    assert stored(tmp_path).equals(read([*entries, seen(HUGGING_FACE, 1), *more]))


def test_rotated_logs_count_once_however_they_are_named(tmp_path: Path) -> None:
    folder, every = tmp_path / "logs", []
    for day in range(5):
        every.append([seen(entry, 60 * day + minute) for minute, entry in enumerate((PYPI, DOCKER, HUGGING_FACE))])
        write(folder / "fw.json", every[-1][:2])
        write(folder / f"nsg-{day}.json", every[-1][2:])
        reading(tmp_path)
        with (folder / "fw.json").open("ab") as end:
            end.write(lines(every[-1][:1]))
        every.append(every[-1][:1])
        for number in range(day, 0, -1):
            (folder / f"fw.json.{number}.gz").rename(folder / f"fw.json.{number + 1}.gz")
        zipped(folder / "fw.json")
        (folder / "fw.json.gz").rename(folder / "fw.json.1.gz")
        zipped(folder / f"nsg-{day}.json")
        if day % 2:
            reading(tmp_path)
    reading(tmp_path)
    assert stored(tmp_path).equals(read([entry for each in every for entry in each]))


def archived(file: Path) -> None:
    """Out of what is read; the next entry makes a new file."""
    file.rename(file.parents[1] / "archive")


def truncated(file: Path) -> None:
    """After a copy to elsewhere; the file is the same."""
    os.truncate(file, 0)


@pytest.mark.parametrize("rotate", [archived, truncated])
def test_what_was_read_of_a_log_that_was_rotated_out_of_the_logs_stays(
    tmp_path: Path, rotate: Callable[[Path], None]
) -> None:
    file, every = tmp_path / "logs/fw.json", list[Entry]()
    file.parent.mkdir()
    for day in range(3):
        for part in range(2):
            more = [seen(entry, 300 * day + 60 * part + minute) for minute, entry in enumerate((PYPI, ALLOWED, DOCKER))]
            with file.open("ab") as end:
                end.write(lines(more))
            every += [one for one in more if one.action == "Deny"]
            reading(tmp_path)
            assert stored(tmp_path).equals(read(every))
        rotate(file)
        reading(tmp_path)  # it may be empty, or not there at all
        assert stored(tmp_path).equals(read(every))
    (tmp_path / "logs/old.json").write_bytes(lines(every[:4]))  # brought back, without what was allowed: another file
    reading(tmp_path)
    assert stored(tmp_path)["events"].sum() == len(every) + 4


def test_a_copy_that_was_read_beside_its_log_stands_for_it_when_the_log_is_truncated(tmp_path: Path) -> None:
    write(tmp_path / "logs/fw.json", [seen(PYPI, 1)])
    write(tmp_path / "logs/fw.copy", [seen(PYPI, 1)])
    reading(tmp_path)
    write(tmp_path / "logs/fw.json", [seen(PYPI, 100)])
    reading(tmp_path)
    assert stored(tmp_path).equals(read([seen(PYPI, 1), seen(PYPI, 100)]))


def test_a_rotated_log_that_is_brought_back_counts_once(tmp_path: Path) -> None:
    write(tmp_path / "logs/fw.json", [seen(PYPI, 1)])
    reading(tmp_path)
    (tmp_path / "logs/fw.json").rename(tmp_path / "fw.old")
    write(tmp_path / "logs/fw.json", [seen(PYPI, 100)])
    reading(tmp_path)
    assert labels(tmp_path) == ["fw.json", "fw.json\n2"]
    (tmp_path / "logs/a.gz").write_bytes(gzip.compress((tmp_path / "fw.old").read_bytes()))
    assert reading(tmp_path) == ["a.gz: 1 rows."]
    assert labels(tmp_path) == ["a.gz", "fw.json\n2"]
    assert stored(tmp_path).equals(read([seen(PYPI, 1), seen(PYPI, 100)]))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([seen(PYPI, 5), seen(DOCKER, 9)], [seen(DOCKER, 9), seen(PYPI, 12)]),
        ([seen(PYPI, 5), seen(DOCKER, 9)], [seen(PYPI, 1)]),
        ([seen(ALLOWED, 5)], [seen(PYPI, 12)]),
    ],
    ids=["a later export", "earlier times", "nothing to keep"],
)
def test_a_file_that_was_written_anew_takes_its_own_place(
    tmp_path: Path, before: list[Entry], after: list[Entry]
) -> None:
    write(tmp_path / "logs/export.json", before)
    reading(tmp_path)
    write(tmp_path / "logs/export.json", after)
    reading(tmp_path)
    assert stored(tmp_path).equals(read(after))
    assert labels(tmp_path) == ["export.json"]


def test_a_document_that_grows_within_takes_its_own_place(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    every = [json.loads(line) for line in lines([seen(PYPI, minute) for minute in (1, 2, 3)]).splitlines()]
    for number in (1, 2, 3):
        (tmp_path / "logs/PT1H.json").write_text(json.dumps({"records": every[:number]}))
        reading(tmp_path)
    assert stored(tmp_path).equals(read([seen(PYPI, minute) for minute in (1, 2, 3)]))


@pytest.mark.parametrize("names", ["fw {}", "{} fw"], ids=["oldest last", "oldest first"])
@pytest.mark.parametrize("at_once", [1, 50])
def test_logs_whose_names_are_passed_on_count_once_wherever_a_night_is_cut(
    tmp_path: Path, names: str, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fwlens.nightly.files._AT_ONCE", at_once)
    folder, every, plain = tmp_path / "logs", list[Entry](), Store.put
    for turn in range(4):
        for number in range(turn, 0, -1):
            (folder / names.format(number - 1)).rename(folder / names.format(number))
        every.append(seen(PYPI, 60 * turn))
        write(folder / names.format(0), every[-1:])
        for cut in range(turn + 1):  # before each of its commits
            commits = iter(range(99))

            def dying(*given: Any, commits: Iterator[int] = commits, cut: int = cut) -> None:
                if next(commits) == cut:
                    raise BrokenPipeError
                plain(*given)

            with monkeypatch.context() as patched, contextlib.suppress(BrokenPipeError):
                patched.setattr(Store, "put", dying)
                reading(tmp_path)
        reading(tmp_path)
        assert stored(tmp_path).equals(read(every))
        assert labels(tmp_path) == sorted(names.format(number) for number in range(turn + 1))


def test_files_that_swap_their_names_are_both_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fwlens.nightly.files._AT_ONCE", 1)
    write(tmp_path / "logs/a.json", [seen(PYPI, 1)])
    write(tmp_path / "logs/b.json", [seen(DOCKER, 2)])
    reading(tmp_path)
    (tmp_path / "logs/a.json").rename(tmp_path / "logs/c")
    (tmp_path / "logs/b.json").rename(tmp_path / "logs/a.json")
    (tmp_path / "logs/c").rename(tmp_path / "logs/b.json")
    reading(tmp_path)
    assert stored(tmp_path).equals(read([seen(PYPI, 1), seen(DOCKER, 2)]))


@pytest.mark.parametrize("content", [b"", lines([seen(PYPI, 1)])[:-9]], ids=["empty", "torn"])
def test_a_file_whose_content_says_nothing_stands_for_no_other(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/a.json").write_bytes(content)
    write(tmp_path / "logs/b.json", [seen(PYPI, 1)])
    reading(tmp_path)
    (tmp_path / "logs/a.json").unlink()
    (tmp_path / "logs/b.json").unlink()
    write(tmp_path / "logs/c.json", [seen(PYPI, 2)])
    write(tmp_path / "logs/d.json", [seen(PYPI, 1), seen(DOCKER, 9)])
    reading(tmp_path)
    assert stored(tmp_path).equals(read([seen(PYPI, 2), seen(PYPI, 1), seen(DOCKER, 9)]))


def test_a_torn_copy_does_not_take_the_place_of_what_was_read(tmp_path: Path) -> None:
    entries = [seen(PYPI, 1), seen(DOCKER, 2)]
    write(tmp_path / "logs/a.json", entries)
    reading(tmp_path)
    zipped(tmp_path / "logs/a.json")
    place = tmp_path / "logs/a.json.gz"
    whole = place.read_bytes()
    place.write_bytes(whole[:-9])
    reading(tmp_path)
    assert set(stored(tmp_path)["dst_fqdn"]) == {"pypi.org", "auth.docker.io"}
    place.write_bytes(whole)
    reading(tmp_path)
    assert stored(tmp_path).equals(read(entries))
    assert labels(tmp_path) == ["a.json.gz"]


def test_the_flows_of_a_file_that_is_gone_stay(tmp_path: Path) -> None:
    write(tmp_path / "logs/a.json", [seen(PYPI, 1)])
    write(tmp_path / "logs/b.json", [seen(DOCKER, 1)])
    reading(tmp_path)
    (tmp_path / "logs/a.json").unlink()
    assert reading(tmp_path) == []
    assert stored(tmp_path).equals(read([seen(PYPI, 1), seen(DOCKER, 1)]))


def test_a_file_is_read_again_when_allowed_entries_are_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "logs/a.json", [seen(PYPI, 1), seen(ALLOWED, 2)])
    first = plan(tmp_path, T0 + 5 * H)
    assert reading(tmp_path) == ["a.json: 2 rows."]
    assert reading(tmp_path, ask=replace(first.ask, with_allowed=True)) == ["a.json: 2 rows."]
    assert stored(tmp_path)["action"].to_list() == ["Allow", "Deny"]


def test_a_torn_file_is_told_and_read_again_when_it_is_whole(tmp_path: Path) -> None:
    whole, file = gzip.compress(lines([seen(PYPI, 1), seen(DOCKER, 1)])), tmp_path / "logs/a.json.gz"
    file.parent.mkdir()
    file.write_bytes(whole[: len(whole) - 10])
    outcome = run(tmp_path, T0 + 5 * H, files=[str(file.parent)])
    assert (outcome.exit, outcome.faults) == (
        1, (f"{file}: the gzip file is cut off or damaged: what follows is lost. Fetch it again.",),
    )  # fmt: skip
    old = file.stat()
    file.write_bytes(whole)
    assert run(tmp_path, T0 + 5 * H, files=[str(file.parent)]).faults == ()
    assert old.st_ino == file.stat().st_ino
    assert stored(tmp_path).equals(read([seen(PYPI, 1), seen(DOCKER, 1)]))


def test_a_file_that_is_rotated_while_a_night_reads_the_others_is_read_under_its_new_name(tmp_path: Path) -> None:
    write(tmp_path / "logs/a.json", [seen(PYPI, 1)])
    write(tmp_path / "logs/b.json", [seen(DOCKER, 1)])
    write(tmp_path / "logs/c.json", [seen(HUGGING_FACE, 1)])
    listings = []

    def listed(_: datetime) -> Sequence[Found]:
        listings.append(tuple(found_in([str(tmp_path / "logs")])))
        if len(listings) == 1:
            zipped(tmp_path / "logs/b.json")
            (tmp_path / "logs/c.json").unlink()
        return listings[-1]

    outcome = run(tmp_path, T0 + 5 * H, logs=Logs(listed))
    assert (outcome.exit, outcome.faults, len(listings)) == (3, (), 2)
    assert labels(tmp_path) == ["a.json", "b.json.gz"]
    assert stored(tmp_path).equals(read([seen(PYPI, 1), seen(DOCKER, 1)]))


def test_a_named_file_that_is_missing_is_a_fault_and_the_rest_is_read(tmp_path: Path) -> None:
    write(tmp_path / "logs/a.json", [seen(PYPI, 1)])
    outcome = run(tmp_path, T0 + 5 * H, files=[str(tmp_path / "logs"), str(tmp_path / "none.json")])
    assert outcome.faults == (
        f"{tmp_path}/none.json: cannot be read (No such file or directory). Check the path and its permissions.",
    )
    assert stored(tmp_path).equals(read([seen(PYPI, 1)]))


def test_a_file_in_a_folder_that_is_no_log_is_in_the_ledger_only(tmp_path: Path) -> None:
    write(tmp_path / "logs/a.json", [seen(PYPI, 1)])
    (tmp_path / "logs/README.md").write_text("# Hello\n")
    outcome = run(tmp_path, T0 + 5 * H, files=[str(tmp_path / "logs")])
    assert (outcome.exit, outcome.faults) == (3, ())
    assert {Path(one.path).name: one.format for one in outcome.answer.ledger.inputs} == {
        "README.md": "unknown", "a.json": "azfw",
    }  # fmt: skip


def test_service_tags_among_the_logs_count_every_night(tmp_path: Path) -> None:
    write(tmp_path / "logs/a.json", [seen(PYPI, 1)])
    (tmp_path / "logs/tags.json").write_bytes(TAGS.read_bytes())
    answers = [run(tmp_path, T0 + 5 * H, files=[str(tmp_path / "logs")]).answer for _ in range(2)]
    assert [one.service_tags for one in answers] == [1, 1]
    assert labels(tmp_path) == ["a.json", "tags.json"]


def test_files_whose_names_are_shown_alike_are_two_and_each_is_read_once(tmp_path: Path) -> None:
    for name, entry in ((b"a\xff.json", PYPI), (b"a\xfe.json", DOCKER)):
        (tmp_path / "logs").mkdir(exist_ok=True)
        Path(tmp_path, "logs", os.fsdecode(name)).write_bytes(lines([seen(entry, 1)]))
    for hours in (1, 2):
        taking_in(tmp_path, T0 + hours * H, files=[str(tmp_path / "logs")])
        assert stored(tmp_path).equals(read([seen(PYPI, 1), seen(DOCKER, 1)]))
    assert len({one.id for one in Store(str(tmp_path / "store")).inputs()}) == 2


def test_standard_input_is_no_place_to_come_back_to() -> None:
    with pytest.raises(FwlensError, match="Standard input cannot be read again tomorrow"):
        list(found_in(["-"]))


def test_the_ledger_of_a_night_counts_what_earlier_nights_read(tmp_path: Path) -> None:
    write(tmp_path / "logs/a.json", [seen(PYPI, 1), seen(ALLOWED, 2)])
    reading(tmp_path)
    write(tmp_path / "logs/b.json", [seen(DOCKER, 90)])
    ledger = run(tmp_path, T0 + 6 * H, files=[str(tmp_path / "logs")]).answer.ledger
    assert (ledger.rows_read, ledger.rows_used) == (3, 2)
    assert [(one.reason, one.rows) for one in ledger.set_aside] == [(ALLOWED_ROWS, 1)]
