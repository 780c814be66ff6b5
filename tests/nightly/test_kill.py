"""Exactly once: nights that are killed, starved of disk, doubled or lied to leave what an undisturbed night leaves.

Real nights run against a Log Analytics on loopback whose answers go wrong at random. They are killed at random instants
and started again until they end; then store and reports are compared with those of a night that nobody disturbed.
"""

import json
import random
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable

from fwlens.store import Account, Store
from tests import loopback, night
from tests.kusto import tables_of
from tests.loopback import WORKSPACE, Loopback
from tests.nightly.child import begin
from tests.nightly.world import T0, TAGS

FIRST, SECOND = "2026-11-20T22:50", "2026-11-21T00:30"
KILLS = 36  # and 14 at commits
COMMITS = 7
TOO_LONG = 120
STEPS = {"night begins", "stored", "ledger", "report written"}
_LET = re.compile(r"^let (\w+) = (?:datetime\((.*)\)|long\((.*)\));$", re.MULTILINE)


@dataclass
class Rows:
    """A workspace that gives its rows as they are: those of a table that were seen and arrived within the bounds."""

    rows: Mapping[str, Sequence[tuple[datetime, Mapping[str, Any]]]]

    @property
    def tables(self) -> tuple[str, ...]:
        return tuple(self.rows)

    def answer(self, kql: str, timespan: str | None = None) -> bytes:
        table, bound = loopback.table_of(kql), {name: when or number for name, when, number in _LET.findall(kql)}
        times = {name: datetime.fromisoformat(text) for name, text in bound.items() if not text.isdigit()}
        part, parts = int(bound.get("part", 0)), int(bound.get("parts", 1))
        names = sorted({name for _, row in self.rows[table] for name in row})
        found = []
        for number, (arrived, row) in enumerate(self.rows[table]):
            seen = row["TimeGenerated"].replace(tzinfo=UTC)
            inside = times["arrivedFrom"] <= arrived < times["arrivedBefore"]
            if inside and times["seenFrom"] <= seen < times["seenBefore"] and number % parts == part:
                at = f"{seen.replace(tzinfo=None).isoformat()}Z"
                cells = [at if name == "TimeGenerated" else row.get(name) for name in names]
                found.append([table, at, at, 1, *cells])
        columns = ["Type", "FirstSeen", "LastSeen", "FoldedRows", *names]
        kinds = {"FoldedRows": "long", "FirstSeen": "datetime", "LastSeen": "datetime", "TimeGenerated": "datetime"}
        told = [{"name": name, "type": kinds.get(name, "string")} for name in columns]
        return json.dumps({"tables": [{"name": "PrimaryResult", "columns": told, "rows": found}]}).encode()


def arrivals() -> Rows:
    """The sample night: each row arrives between a minute and two hours after it was seen."""
    dice, rows = random.Random(7), dict[str, list[tuple[datetime, Mapping[str, Any]]]]()
    entries = [(entry, night.is_public(entry)) for entry in night.NSG_ENTRIES]
    records = [
        *map(night.azfw, night.FIREWALL_ENTRIES),
        *(night.nta(entry, public=public) for entry, public in entries),
    ]
    for table, each in tables_of(records).items():
        for row in each:
            plain = {**row, "TimeGenerated": row["TimeGenerated"].replace(tzinfo=None)}
            late = timedelta(seconds=dice.randint(60, 7200))
            rows.setdefault(table, []).append((plain["TimeGenerated"].replace(tzinfo=UTC) + late, plain))
    return Rows(rows)


@dataclass
class House:
    """The loopback, the files, and how nights are run: in a folder each, by the same words."""

    folder: Path
    server: Loopback
    environment: dict[str, str]

    @property
    def arguments(self) -> list[str]:
        return [
            "nightly", "--workspace", WORKSPACE, "--endpoint", self.server.address, "--window", "1h", "--look-back", "3h",
            "--overlap", "1h", "--keep-flows", "9d", "--region", "westeurope", "--service-tags", str(TAGS),
            "--logs", str(self.folder / "logs"), "--log-format", "json",
        ]  # fmt: skip

    def begin(self, place: Path, until: str, most: int | None = None, dies: int | None = None) -> Any:
        arguments = [*self.arguments, "--until", until, "--store", f"{place}/store", "--reports", f"{place}/reports"]
        return begin(arguments, self.environment, place, most, dies)

    def run(self, place: Path, until: str, most: int | None = None, dies: int | None = None) -> int | None:
        process = self.begin(place, until, most, dies)
        process.join(TOO_LONG)
        code: int | None = process.exitcode
        if code is None:
            process.kill()
        return code

    def start(self, name: str) -> Path:
        """A folder in which the first night was, undisturbed."""
        place = self.folder / name
        shutil.copytree(self.folder / "first", place, ignore=shutil.ignore_patterns("said"))
        return place


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house with the first night behind it, and in `whole` an undisturbed second one."""
    folder = tmp_path_factory.mktemp("house")
    server = Loopback({WORKSPACE: arrivals()})
    logs = folder / "logs"
    logs.mkdir()
    grows = "".join(json.dumps(night.azdiag(entry)) + "\n" for entry in night.FIREWALL_ENTRIES)
    (logs / "azdiag.json").write_text(grows[: len(grows) // 2])
    (logs / "nsg.json").write_text(json.dumps(night.nsg_flow_log(night.NSG_ENTRIES, 2)))
    with server.serving(folder) as environment:
        made = House(folder, server, environment)
        (folder / "first").mkdir()
        assert made.run(folder / "first", FIRST) == 3, (folder / "first/said").read_text()
        (logs / "azdiag.json").write_text(grows)
        (logs / "vnet.json").write_text(json.dumps(night.vnet_flow_log(night.NSG_ENTRIES)))
        assert made.run(made.start("whole"), SECOND) == 3, (folder / "whole/said").read_text()
        yield made


def content(place: Path) -> dict[str, Any]:
    """All that a store says, but for the times of clocks, and the bytes of all reports."""
    store = Store(f"{place}/store")
    flows = store.flows(T0 - timedelta(days=999))
    runs = [{name: getattr(one, name) for name in type(one).__dataclass_fields__} for one in store.runs()]
    return {
        "flows": flows.sort(pl.all(), nulls_last=True).rows(),
        "inputs": store.inputs(),
        "progress": [store.progress(f"fwlens/arrivals/{WORKSPACE}")],
        "runs": [{name: run[name] for name in sorted({*run} - {"started", "finished"})} for run in runs],
        "recommendations": {run["run"]: store.recommendations(run["run"]).rows() for run in runs},
        "reports": {
            str(file.relative_to(place)): file.read_bytes()
            for file in sorted((place / "reports").rglob("*")) if file.is_file()
        },
    }  # fmt: skip


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Part by part, so that what differs is named."""
    assert one["flows"], "an empty store would equal any other"
    assert [name for name in one if one[name] != other[name]] == []


def test_killed_at_random_instants_a_night_ends_like_one_that_nobody_disturbed(house: House) -> None:
    """Half of the kills come at any time, the others soon after the night has told of a step."""
    dice, whole, kills, trial = random.Random(11), content(house.folder / "whole"), 0, 0
    begun = time.monotonic()
    house.run(house.start("timed"), SECOND)
    length, phases = time.monotonic() - begun, set[str]()
    while (kills < KILLS or not phases >= STEPS) and trial < 2 * KILLS:
        trial += 1
        house.server.plan = loopback.at_random(trial, 0.08)
        place = house.start(f"trial-{trial}")
        for _ in range(5):
            process, told = house.begin(place, SECOND), events(place)
            if dice.random() < 0.5:
                process.join(dice.uniform(0.02, 1.1) * length)
            else:
                step = dice.choice(sorted(STEPS))
                while process.exitcode is None and events(place).count(step) == told.count(step):
                    process.join(0.005)
                process.join(dice.uniform(0, 0.02))
            if process.exitcode is not None:
                break
            process.kill()
            process.join()
            kills += 1
            phases |= set(events(place))
        else:
            assert house.run(place, SECOND) == 3, (place / "said").read_text()
        assert_same(content(place), whole)
        shutil.rmtree(place)
    house.server.plan = loopback.healthy
    assert kills >= KILLS
    assert phases >= STEPS  # kills were spread over the whole of a night


@pytest.mark.parametrize("dies", [each for number in range(COMMITS) for each in (number, ~number)])
def test_killed_before_or_after_a_commit_a_night_ends_like_one_that_nobody_disturbed(house: House, dies: int) -> None:
    place = house.start(f"commit-{dies}")
    assert house.run(place, SECOND, dies=dies) == -9
    assert house.run(place, SECOND) == 3
    assert_same(content(place), content(house.folder / "whole"))
    shutil.rmtree(place)


def test_in_every_version_of_the_store_an_input_is_there_with_all_its_rows_or_not_at_all(house: House) -> None:
    place = house.folder / "whole/store/flows"
    latest = DeltaTable(place).version()
    assert latest > COMMITS
    for version in range(latest + 1):
        table = pl.DataFrame(pl.from_arrow(DeltaTable(place, version=version).to_pyarrow_table()))
        marks, rows = table.filter(pl.col("day").is_null()), table.filter(pl.col("day").is_not_null())
        told = {
            (row["input"], second)
            for row in marks.iter_rows(named=True)
            for part in Account.parse(row["account"], "").parts
            for second, _ in part.used
        }
        assert told == {(row["input"], int(row["slot"].timestamp())) for row in rows.iter_rows(named=True)}
        assert marks["input"].is_unique().all()


def test_a_night_has_as_many_commits_as_kills_are_tried(house: House) -> None:
    for dies, code in ((COMMITS - 1, -9), (COMMITS, 3)):
        assert house.run(house.start(f"count-{dies}"), SECOND, dies=dies) == code


def events(place: Path) -> list[str]:
    """What the nights in a folder have told so far."""
    said = place / "said"
    told = said.read_text().splitlines() if said.exists() else []
    return [json.loads(line)["event"] for line in told if line.startswith("{") and line.endswith("}")]


@pytest.mark.parametrize("most", [5_000, 12_000, 300_000, 3_000_000])
def test_on_a_disk_that_is_full_a_night_says_so_and_ends_like_any_other_when_there_is_room(
    house: House, most: int
) -> None:
    place = house.start(f"full-{most}")
    assert house.run(place, SECOND, most) == 1
    said = [json.loads(line) for line in (place / "said").read_text().splitlines() if line.startswith("{")]
    assert [line["text"] for line in said if line["event"] == "night failed"] in (
        [f"{place}/store: the store cannot be written (No space left on device)."],
        [f"{place}/reports/2026-11-21: cannot be written (File too large). Check --reports."],
    )
    assert house.run(place, SECOND) == 3
    assert_same(content(place), content(house.folder / "whole"))


def test_of_two_nights_at_once_one_does_it_and_the_other_says_who(house: House) -> None:
    place = house.start("two")
    one, two = house.begin(place, SECOND), house.begin(place, SECOND)
    one.join(TOO_LONG)
    two.join(TOO_LONG)
    assert sorted((one.exitcode, two.exitcode)) == [1, 3]
    winner = one if one.exitcode == 3 else two
    assert f"another run (process {winner.pid}, since " in (place / "said").read_text()
    assert_same(content(place), content(house.folder / "whole"))


def test_a_store_that_cannot_be_read_for_a_while_ends_like_any_other_when_it_can(house: House) -> None:
    place = house.start("unreadable")
    log = max((place / "store/flows/_delta_log").glob("*.json"))
    whole = log.read_bytes()
    log.write_bytes(whole[:80])
    assert house.run(place, SECOND) == 1
    assert "the store cannot be read" in (place / "said").read_text()
    log.write_bytes(whole)
    assert house.run(place, SECOND) == 3
    assert_same(content(place), content(house.folder / "whole"))


def test_a_night_that_is_done_again_changes_nothing(house: House) -> None:
    place = house.start("again")
    for _ in range(2):
        assert house.run(place, SECOND) == 3
        assert_same(content(place), content(house.folder / "whole"))
