"""The store: commits are whole, inputs are there once, and of two writers one gives way."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from fwlens import flow, source
from fwlens.errors import FwlensError
from fwlens.flow import Span
from fwlens.ledger import ALLOWED as ALLOWED_ROWS
from fwlens.ledger import SetAside
from fwlens.nightly import SLOT
from fwlens.source.files import Input
from fwlens.store import AFTER, OUTSIDE, Run, Store, Taken, account_of, digest, hold, ledger_of
from fwlens.store.harm import sentence
from tests.night import Entry
from tests.nightly.world import ALLOWED, DOCKER, HUGGING_FACE, PYPI, T0, lines, read, seen

H = timedelta(hours=1)
LONG_AGO = T0 - timedelta(days=1000)


def taken(label: str, entries: Sequence[Entry], mark: str = "1") -> Taken:
    body = lines(entries)
    got = source.read([], places=[Input(label, named=False, fetch=lambda: body)], span=Span(every=SLOT))
    account = account_of(got.ledger, got.used, with_allowed=False)
    return Taken(label, mark, T0, T0 + H, account, got.slots)


def flows(store: Store) -> pl.DataFrame:
    return flow.fold(store.flows(LONG_AGO).drop("input"), "slot").drop("origin")


def opened(folder: Path) -> Store:
    return Store(str(folder / "store"))


def test_an_empty_place_is_an_empty_store(tmp_path: Path) -> None:
    store = opened(tmp_path)
    assert (store.inputs(), store.runs(), store.progress("s")) == ((), (), None)
    assert store.flows(LONG_AGO).height == 0
    assert not (tmp_path / "store").exists()


def test_what_was_put_is_there_with_its_account_and_progress(tmp_path: Path) -> None:
    entries = [seen(HUGGING_FACE, 1), seen(HUGGING_FACE, 2), seen(PYPI, 70), seen(ALLOWED, 3)]
    opened(tmp_path).put("s", 7, [taken("a", entries)])
    store = opened(tmp_path)
    assert flows(store).equals(read(entries))
    assert store.progress("s") == 7
    (kept,) = store.inputs()
    assert (kept.id, kept.label, kept.mark, kept.begin, kept.end) == (digest("a"), "a", "1", T0, T0 + H)
    assert kept.account == taken("a", entries).account


def test_an_input_without_flows_is_there_too(tmp_path: Path) -> None:
    opened(tmp_path).put("s", 1, [taken("a", [seen(ALLOWED, 3)])])
    (kept,) = opened(tmp_path).inputs()
    assert (kept.account.rows_read, kept.account.last) == (1, None)


def test_an_input_that_is_put_again_takes_the_place_of_itself(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.put("s", 1, [taken("a", [seen(PYPI, 1)]), taken("b", [seen(DOCKER, 1)])])
    store.put("s", 2, [taken("a", [seen(PYPI, 1), seen(PYPI, 2)], "2")])
    assert flows(store).equals(read([seen(PYPI, 1), seen(PYPI, 2), seen(DOCKER, 1)]))
    assert [(one.label, one.mark) for one in opened(tmp_path).inputs()] == [("a", "2"), ("b", "1")]


def test_what_a_library_colours_for_a_terminal_is_told_without_its_colours() -> None:
    error = ValueError("\x1b[31m  x \x1b[1;4mInvalid\x1b[0m data\x1b]8;;http://e\x07 at\r\nline 1\x9b2J")
    assert sentence("nights", "flows", "read", error) == (
        "nights: the store cannot be read (ValueError: x Invalid data at line 1)."
    )


def test_inputs_that_are_replaced_are_gone(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.put("s", 1, [taken("old", [seen(PYPI, 1)])])
    store.put("s", 2, [taken("new", [seen(PYPI, 1)])], [digest("old")])
    assert [one.label for one in store.inputs()] == ["new"]
    assert flows(store).equals(read([seen(PYPI, 1)]))


def test_hostile_labels_are_stored_and_replaced_like_any_other(tmp_path: Path) -> None:
    store, label = opened(tmp_path), "x' OR '1'='1\n--\u202e\x1b[31m"
    store.put("s", 1, [taken("a", [seen(DOCKER, 1)])])
    for number in (2, 3):
        store.put("s", number, [taken(label, [seen(PYPI, 1)])])
    assert {one.id for one in store.inputs()} == {digest("a"), digest(label)}
    assert flows(store).equals(read([seen(DOCKER, 1), seen(PYPI, 1)]))


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.lists(st.tuples(st.integers(0, 300), st.sampled_from([PYPI, DOCKER, HUGGING_FACE])), max_size=4)),
        min_size=1, max_size=5,
    )
)  # fmt: skip
def test_whatever_is_put_the_store_holds_the_last_of_each_input(
    tmp_path_factory: pytest.TempPathFactory, puts: list[tuple[str, list[tuple[int, Entry]]]]
) -> None:
    folder, last = tmp_path_factory.mktemp("store"), dict[str, list[Entry]]()
    for number, (label, rows) in enumerate(puts):
        last[label] = [seen(entry, minute) for minute, entry in rows]
        opened(folder).put("s", number, [taken(label, last[label])])
    assert flows(opened(folder)).equals(read([entry for entries in last.values() for entry in entries]))


def test_flows_of_a_look_back_begin_at_its_slot(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.put("s", 1, [taken("a", [seen(PYPI, 1), seen(PYPI, 61), seen(PYPI, 121)])])
    assert sorted(store.flows(T0 + H)["slot"]) == [T0 + H, T0 + 2 * H]


def test_the_ledger_of_a_look_back_closes_with_what_lies_before_it(tmp_path: Path) -> None:
    one = taken("a", [seen(PYPI, 1), seen(PYPI, 2), seen(PYPI, 61), seen(ALLOWED, 5)]).account
    whole, later = ledger_of([one], T0, T0 + 9 * H), ledger_of([one], T0 + H, T0 + 9 * H)
    assert (whole.rows_read, whole.rows_used, [each.reason for each in whole.set_aside]) == (4, 3, [ALLOWED_ROWS])
    assert (later.rows_read, later.rows_used) == (4, 1)
    assert later.set_aside == (SetAside(OUTSIDE, 2, "a"), SetAside(ALLOWED_ROWS, 1, "a:4"))
    assert later.rows_set_aside == sum(each.rows for each in later.set_aside)
    early = ledger_of([one], T0, T0 + H)
    assert (early.rows_used, early.set_aside) == (2, (SetAside(AFTER, 1, "a"), SetAside(ALLOWED_ROWS, 1, "a:4")))


def test_progress_survives_checkpoints_and_the_clean_up_of_the_log(tmp_path: Path) -> None:
    for number in range(1, 4):
        opened(tmp_path).put("s", number, [taken("a", [seen(PYPI, 1)])])
    table = DeltaTable(tmp_path / "store/flows")
    table.create_checkpoint()
    for log in sorted((tmp_path / "store/flows/_delta_log").glob("*.json"))[:-1]:
        log.unlink()
    assert opened(tmp_path).progress("s") == 3
    assert flows(opened(tmp_path)).equals(read([seen(PYPI, 1)]))


# Two writers

BUSY = "{}: another run wrote to the store at the same time, and this one stopped. Start it again."


@pytest.mark.parametrize("progress", [2, 3])
def test_of_two_runs_that_write_the_same_step_one_is_refused(tmp_path: Path, progress: int) -> None:
    opened(tmp_path).put("s", 1, [taken("a", [seen(DOCKER, 1)])])
    one, two = opened(tmp_path), opened(tmp_path)
    assert one.progress("s") == two.progress("s") == 1
    one.put("s", 2, [taken("b", [seen(PYPI, 1)])])
    with pytest.raises(FwlensError) as told:
        two.put("s", progress, [taken("b", [seen(PYPI, 1)])])
    assert str(told.value) == BUSY.format(tmp_path / "store")
    assert flows(opened(tmp_path)).equals(read([seen(DOCKER, 1), seen(PYPI, 1)]))


def test_of_two_runs_that_end_one_is_refused(tmp_path: Path) -> None:
    opened(tmp_path).recommend("r0", [])
    one, two = opened(tmp_path), opened(tmp_path)
    assert one.recommendations("r0").height == two.recommendations("r0").height == 0
    one.recommend("r1", [])
    with pytest.raises(FwlensError, match="another run wrote"):
        two.recommend("r1", [])


# Runs


def done(number: int) -> Run:
    when = T0 + timedelta(days=number)
    return Run(
        run=f"{when:%Y-%m-%dT%H:%M:%SZ}", until=when, since=when - H, started=when, finished=when, state="done", exit=0,
        folder="f", told=("x",), rows_read=1, rows_used=1, new=0, open=0, resolved=0, undocumented=0, answer="{}",
        diff="{}", fwlens="1",
    )  # fmt: skip


def test_a_run_that_ends_again_takes_the_place_of_its_earlier_attempt(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for number in (2, 1, 2):
        store.finish(done(number))
    assert opened(tmp_path).runs() == (done(1), done(2))


def test_what_is_too_old_is_dropped_and_the_rest_stays(tmp_path: Path) -> None:
    store, day = opened(tmp_path), timedelta(days=1)
    store.put(
        "s", 1, [taken("old", [seen(PYPI, -60 * 24 * 9)]), taken("new", [seen(DOCKER, 1), seen(PYPI, -60 * 24 * 9)])]
    )
    for number in (1, 2):
        store.finish(done(number))
    store.forget(T0 - 8 * day, [digest("old")], T0 + 2 * day)
    assert [one.label for one in opened(tmp_path).inputs()] == ["new"]
    assert flows(opened(tmp_path)).equals(read([seen(DOCKER, 1)]))
    assert opened(tmp_path).runs() == (done(2),)
    assert opened(tmp_path).progress("s") == 1


# A store that cannot be used


def cut(store: Path) -> None:
    last = max((store / "flows/_delta_log").glob("*.json"))
    last.write_bytes(last.read_bytes()[:50])


def remove(store: Path) -> None:
    for file in (store / "flows").rglob("*.parquet"):
        file.unlink()


def zero(store: Path) -> None:
    for file in (store / "flows").rglob("*.parquet"):
        file.write_bytes(b"\0" * file.stat().st_size)


def strange(store: Path) -> None:
    log = store / "flows/_delta_log/00000000000000000000.json"
    log.write_text(log.read_text().replace("fwlens/1", "fwlens/9"))


ANEW = "Restore {0}/flows from a copy, or move it away: the next night reads the look-back anew."


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (cut, "{0}: the store cannot be read (table flows: its log is damaged). " + ANEW),
        (remove, "{0}: the store cannot be read (table flows: part-… is missing). " + ANEW),
        (zero, "{0}: the store cannot be read (table flows: part-… is damaged). " + ANEW),
        (strange, "{0}: flows was not written by this version of fwlens. Check --store."),
    ],
    ids=["cut", "remove", "zero", "strange"],
)
@pytest.mark.parametrize("reads", [True, False], ids=["read", "put"])
def test_a_damaged_store_is_told_in_one_sentence(
    tmp_path: Path, harm: Callable[[Path], None], message: str, reads: bool
) -> None:
    opened(tmp_path).put("s", 1, [taken("a", [seen(PYPI, 1)])])
    harm(tmp_path / "store")
    with pytest.raises(FwlensError) as told:
        opened(tmp_path).inputs() if reads else opened(tmp_path).put("s", 2, [taken("a", [seen(PYPI, 2)])])
    assert re.sub(r"part-[\w.-]+\.parquet", "part-…", str(told.value)) == message.format(tmp_path / "store")


@pytest.mark.parametrize(
    ("table", "without"),
    [("runs", "every need is new to the next night"), ("recommendations", "earlier runs are told without their rules")],
)
def test_each_table_says_what_follows_without_it(tmp_path: Path, table: str, without: str) -> None:
    opened(tmp_path).recommend(done(1).run, [])
    opened(tmp_path).finish(done(1))
    (tmp_path / f"store/{table}/_delta_log/00000000000000000000.json").write_text("x")
    with pytest.raises(FwlensError) as told:
        opened(tmp_path).runs() if table == "runs" else opened(tmp_path).recommendations("x")
    place = tmp_path / "store"
    assert str(told.value) == (
        f"{place}: the store cannot be read (table {table}: its log is damaged). "
        f"Restore {place}/{table} from a copy, or move it away: {without}."
    )


def test_a_file_where_the_store_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("x")
    with pytest.raises(FwlensError, match="store: the store cannot be"):
        opened(tmp_path).put("s", 1, [taken("a", [])])


FULL = """
import resource, sys
sys.path.insert(0, {root!r})
from pathlib import Path
from fwlens.errors import FwlensError
from tests.nightly.test_store import *
one = taken("b", [seen(PYPI, minute) for minute in range(0, 9000, 60)])
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, resource.RLIM_INFINITY))
try:
    opened(Path({folder!r})).put("s", 2, [one])
except FwlensError as error:
    print(error)
"""


@pytest.mark.parametrize("size", [0, 300, 1000, 2500])
def test_a_full_disk_leaves_the_store_as_it_was(tmp_path: Path, size: int) -> None:
    """No file may grow beyond so many bytes, as on a disk that fills up while it is written."""
    opened(tmp_path).put("s", 1, [taken("a", [seen(DOCKER, 1)])])
    code = FULL.format(root=str(Path(__file__).parents[2]), size=size, folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{tmp_path}/store: the store cannot be written (No space left on device).\n"
    assert opened(tmp_path).progress("s") == 1
    assert flows(opened(tmp_path)).equals(read([seen(DOCKER, 1)]))


# The lock


def test_a_second_run_is_told_who_holds_the_store(tmp_path: Path) -> None:
    with hold(tmp_path, T0), pytest.raises(FwlensError) as told, hold(tmp_path, T0 + H):
        pass
    assert str(told.value) == (
        f"{tmp_path}: another run (process {os.getpid()}, since 2026-11-20 22:00 UTC) is at work on this store. "
        "Wait until it is done."
    )


def test_the_lock_ends_with_its_holder(tmp_path: Path) -> None:
    with contextlib.suppress(ZeroDivisionError), hold(tmp_path, T0):
        raise ZeroDivisionError
    with hold(tmp_path, T0):
        assert json.loads((tmp_path / ".fwlens.lock").read_text())["pid"] == os.getpid()


def test_the_lock_of_a_killed_run_is_free(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom datetime import datetime\nfrom pathlib import Path\nfrom fwlens.store.lock import hold\n"
        "with hold(Path(sys.argv[1]), datetime(2026, 1, 1)):\n print('held', flush=True)\n time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(FwlensError, match=f"process {holder.pid}"), hold(tmp_path, T0):
            pass
        holder.send_signal(signal.SIGKILL)
    with hold(tmp_path, T0):
        pass


def test_a_store_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(FwlensError) as told, hold(tmp_path / "x/store", T0):
        pass
    assert str(told.value) == f"{tmp_path}/x/store: the store cannot be opened (Not a directory). Check --store."
