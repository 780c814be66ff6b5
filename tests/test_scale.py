"""The fold on Spark is the fold: the same rows, ledger and faults as without it, however the logs are cut into tasks."""

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from fwlens import flow, ledger, source
from fwlens.errors import FwlensError
from fwlens.flow import FLOW, Span
from fwlens.scale import session, share
from fwlens.scale import spark as scale
from fwlens.scale.listing import listed
from fwlens.scale.share import Asked
from fwlens.scale.spark import Folded
from fwlens.source import Flows
from fwlens.source.format import when_text
from tests.hostile import HOSTILE
from tests.night import FIREWALL_ENTRIES, NSG_ENTRIES, as_lines, azfw, nta

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).parent.parent
SAMPLES = str(ROOT / "sample_logs")
CONF = {
    "spark.sql.session.timeZone": "America/New_York",  # whatever a cluster is set to
    "spark.sql.shuffle.partitions": "2",
    "spark.driver.memory": "1g",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",  # for a short life
    "spark.sql.codegen.wholeStage": "false",
}


@pytest.fixture(scope="module")
def spark() -> Iterator["SparkSession"]:
    with session.started("local[2]", CONF) as running:
        yield running


def assert_same(folded: Folded, read: Flows) -> None:
    """Every column, row and order; every account and reason; every fault."""
    assert scale.fetched(folded).equals(read.slots if "slot" in folded.rows.columns else read.rows)
    assert folded.ledger == read.ledger
    assert sorted(folded.faults) == sorted(read.faults)


def ordered(folded: Folded) -> pl.DataFrame:
    """The rows in the order in which Spark itself gives them."""
    rows = pl.DataFrame(folded.rows.toArrow())
    utc = rows.with_columns(pl.col("first_seen", "last_seen").dt.convert_time_zone("UTC"))
    return utc.select(pl.col(name).cast(kind) for name, kind in FLOW.items())


# Files


@pytest.mark.parametrize("with_allowed", [False, True])
def test_the_sample_night_folds_as_without_spark(spark: "SparkSession", with_allowed: bool) -> None:
    read = source.read([SAMPLES], with_allowed=with_allowed)
    folded = scale.flows(spark, SAMPLES, with_allowed=with_allowed)
    assert_same(folded, read)
    assert ordered(folded).equals(read.rows)
    assert folded.service_tags == (f"{SAMPLES}/service-tags.json",)


def test_slots_and_a_span_of_time_are_kept(spark: "SparkSession") -> None:
    span = Span(
        datetime(2026, 11, 20, 22, 5, tzinfo=UTC), datetime(2026, 11, 20, 23, 0, tzinfo=UTC), timedelta(minutes=15)
    )
    read = source.read([SAMPLES], span=span)
    assert 1 < read.slots["slot"].n_unique() < 9
    assert_same(scale.flows(spark, [SAMPLES], span=span), read)


def random_lines(random: Random) -> list[str]:
    """Denied and allowed entries of few conversations, with hostile names wherever a log can hold them."""
    names = [*HOSTILE, "İSTANBUL", "ΟΔΟΣ", "Straße", "rule", "RULE", "Rule"]
    found = []
    for _ in range(random.randint(60, 120)):
        record = azfw(random.choice(FIREWALL_ENTRIES))
        record["time"] = f"2026-11-20T22:{random.randint(0, 59):02}:00.{random.randint(0, 999999):06}0Z"
        if random.random() < 0.5:
            record["properties"] |= {"Action": "Deny", "Rule": random.choice(names), "ActionReason": ""}
        if random.random() < 0.2:
            record["properties"] |= {"Fqdn": random.choice(HOSTILE)}
        if random.random() < 0.2:
            record["resourceId"] = f"/subscriptions/x/{random.choice(names)}"
        found.append(json.dumps(record, ensure_ascii=random.random() < 0.5))
    return [
        *found,
        '{"time": "cut o',
        "{}",
        '{"category":"AZFWNetworkRule","time":"never","properties":{"SourceIp":"x"}}',
    ]


@pytest.mark.parametrize("seed", range(3))
def test_logs_fold_to_the_same_however_they_are_split_into_files(
    spark: "SparkSession", seed: int, tmp_path: Path
) -> None:
    random = Random(seed)
    lines = random_lines(random)
    for number in range(random.randint(1, 6)):
        folder = tmp_path / random.choice(["a", "b/c"])
        folder.mkdir(parents=True, exist_ok=True)
        mine = [line for line in lines if random.random() < 0.4] or lines
        text = "\n".join(mine).encode("utf-8", "surrogatepass") + b"\n"
        name = f"{number}.json"
        (folder / name).write_bytes(gzip.compress(text) if random.random() < 0.3 else text)
    read = source.read([str(tmp_path)], with_allowed=True)
    assert read.rows.height > 20
    folded = scale.flows(spark, [str(tmp_path)], with_allowed=True)
    assert_same(folded, read)
    assert ordered(folded).equals(read.rows)


def test_what_is_wrong_with_inputs_is_told_as_without_spark(spark: "SparkSession", tmp_path: Path) -> None:
    night = (ROOT / "sample_logs/azfw.jsonl").read_bytes()
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/whole.json").write_bytes(night)
    (tmp_path / "logs/torn.json.gz").write_bytes(gzip.compress(night)[:-500])
    (tmp_path / "logs/empty.json").write_bytes(b"")
    (tmp_path / "logs/notes.txt").write_text("no log at all\n")
    (tmp_path / "logs/flows.parquet").write_bytes(b"PAR1 and nothing more")
    (tmp_path / "named.txt").write_text("no log either\n")
    (tmp_path / "bare").mkdir()
    inputs = [str(tmp_path / name) for name in ("logs", "named.txt", "bare", "missing.json", "logs/whole.json")]
    read = source.read(inputs)
    assert len(read.faults) == 4
    assert_same(scale.flows(spark, inputs), read)


@pytest.mark.parametrize(
    "texts", [{}, {"a.txt": "nothing\n"}, {"a.txt": "nothing\n", "b.txt": "nor here\n"}, {"a.json": ""}], ids=str
)
def test_a_folder_without_logs_is_told_as_without_spark(
    spark: "SparkSession", texts: dict[str, str], tmp_path: Path
) -> None:
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    for span in (Span(), Span(every=timedelta(hours=1))):
        read = source.read([str(tmp_path)], span=span)
        assert len(read.faults) == 1
        assert_same(scale.flows(spark, [str(tmp_path)], span=span), read)


NAMED = ["a [1] {x,y}*.json", "50% + 1.json", "zeile\nzwei.json", "ünï\u202etxt.json", "back\\slash?.json"]


def test_a_file_that_spark_passes_over_is_told(spark: "SparkSession", tmp_path: Path) -> None:
    night = (ROOT / "sample_logs/azfw.jsonl").read_bytes()
    for name in ("a.json", "_b.json"):
        (tmp_path / name).write_bytes(night)
    folded = scale.flows(spark, str(tmp_path))
    hidden = tmp_path / "_b.json"
    assert folded.faults == (
        f"{hidden}: Spark passes over it, as over all names that begin with _. Name it otherwise.",
    )
    assert [(one.path, one.rows_read) for one in folded.ledger.inputs] == [
        (str(hidden), 0),
        (f"{tmp_path}/a.json", 144),
    ]


def test_names_of_files_are_names_and_no_patterns(
    spark: "SparkSession", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = (ROOT / "sample_logs/azfw.jsonl").read_bytes()
    for name in NAMED:
        (tmp_path / name).write_bytes(night)
    (tmp_path / "a 1 x.json").write_bytes(night)
    monkeypatch.chdir(tmp_path)
    assert_same(scale.flows(spark, NAMED), source.read(NAMED))
    assert_same(scale.flows(spark, "*.json"), source.read(["*.json"]))
    assert_same(scale.flows(spark, ["."]), source.read(["."]))


def test_a_blob_that_is_gone_when_it_is_read_is_told_and_the_rest_is_read(
    spark: "SparkSession", tmp_path: Path
) -> None:
    night = (ROOT / "sample_logs/azfw.jsonl").read_bytes()
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_bytes(night)
    listing = listed(spark, [str(tmp_path)], Asked())
    gone = tmp_path / "b.json"
    gone.unlink()
    folded = scale.of_listing(spark, listing)
    assert scale.fetched(folded).equals(source.read([str(tmp_path / "a.json")]).rows)
    assert folded.faults == (f"{gone}: Spark cannot read it. Check that it is whole and still there.",)
    assert [(one.path, one.rows_read) for one in folded.ledger.inputs] == [
        (str(tmp_path / "a.json"), 144),
        (str(gone), 0),
    ]
    assert [one.reason for one in folded.ledger.set_aside][-1] == source.FORBIDDEN


@pytest.fixture
def small_pieces(spark: "SparkSession", monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Limits that a test can reach."""
    monkeypatch.setattr(scale, "PIECE", 20_000)
    monkeypatch.setattr(scale, "WHOLE", 100_000)
    names = ("spark.sql.files.maxPartitionBytes", "spark.sql.files.openCostInBytes")
    before = {name: spark.conf.get(name) for name in names}
    for name, value in zip(names, ("9000", "0"), strict=True):
        spark.conf.set(name, value)
    yield
    for name, kept in before.items():
        spark.conf.set(name, kept or "")


def test_a_large_blob_is_read_in_pieces_that_a_person_can_find_again(
    spark: "SparkSession", tmp_path: Path, small_pieces: None
) -> None:
    path = tmp_path / "PT 1%41H.json"
    path.write_bytes((ROOT / "sample_logs/azfw.jsonl").read_bytes() + b'{"time":"\xff\n')
    read = source.read([str(path)])
    folded = scale.flows(spark, str(path))
    rows = scale.fetched(folded)
    assert rows.drop("origin").equals(read.rows.drop("origin"))
    assert folded.ledger.inputs == read.ledger.inputs
    assert [(one.reason, one.rows) for one in folded.ledger.set_aside] == [
        (one.reason, one.rows) for one in read.ledger.set_aside
    ]
    starts = set()
    for origin, src in rows.select("origin", "src_ip").iter_rows():
        found = re.fullmatch(rf"{re.escape(str(path))}@(\d+):(\d+)", origin)
        assert found
        start = int(found[1])
        content = path.read_bytes()
        begin = content.index(b"\n", start - 1) + 1 if start else 0  # the first whole line behind that byte
        assert f'"SourceIp":"{src}"'.encode() in content[begin:].split(b"\n")[int(found[2]) - 1]
        starts.add(start)
    assert len(starts) > 2


def test_a_blob_that_no_task_can_hold_is_told_with_the_way_out(
    spark: "SparkSession", tmp_path: Path, small_pieces: None
) -> None:
    (tmp_path / "large.csv").write_bytes(b"x" * 100_001)
    (tmp_path / "night.csv").write_bytes((ROOT / "sample_logs/ntanetanalytics.csv").read_bytes())
    (tmp_path / "zipped.json.gz").write_bytes(gzip.compress((ROOT / "sample_logs/azfw.jsonl").read_bytes(), 0))
    folded = scale.flows(spark, str(tmp_path))
    others = source.read([str(tmp_path / "night.csv"), str(tmp_path / "zipped.json.gz")])
    assert scale.fetched(folded).equals(others.rows)
    assert folded.faults == (
        f"{tmp_path / 'large.csv'}: is larger than 512 MB and not splittable by lines. Split it, or read it with fwlens "
        "recommend.",
    )
    assert folded.ledger.rows_read == others.ledger.rows_read


# Tables

NETWORK = {
    "TimeGenerated": pl.Datetime("us", "UTC"),
    "Type": pl.String,
    "SourcePort": pl.Int32,
    "DestinationPort": pl.Int32,
    "IsTlsInspected": pl.Boolean,
    "FlowStartTime": pl.Datetime("us", "UTC"),
    "FlowEndTime": pl.Datetime("us", "UTC"),
    "FlowIntervalStartTime": pl.Datetime("us", "UTC"),
    "DestPort": pl.Int32,
    **dict.fromkeys(("AllowedInFlows", "AllowedOutFlows", "DeniedInFlows", "DeniedOutFlows"), pl.Int64),
}


def typed(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows with the types that a table of Log Analytics has."""
    texts = pl.DataFrame(rows, infer_schema_length=None).with_columns(pl.all().cast(pl.String))
    times = [name for name in texts.columns if NETWORK.get(name) == pl.Datetime("us", "UTC")]
    others = [name for name in texts.columns if name in NETWORK and name not in times]
    return texts.with_columns(
        *(when_text(pl.col(name)).alias(name) for name in times),
        *(pl.col(name).cast(pl.Int64, strict=False) for name in others if NETWORK[name] != pl.Boolean),
    )


def at_the_table(read: Flows, label: str) -> pl.DataFrame:
    """What was read, as if rows had no place but their table."""
    return flow.fold(read.rows.with_columns(origin=pl.lit(label)))


def test_a_typed_table_folds_as_the_file_that_it_was_exported_to(spark: "SparkSession", tmp_path: Path) -> None:
    rows = [{**nta(entry, public=False), "Type": "NTANetAnalytics", "Unknown": "x"} for entry in NSG_ENTRIES]
    typed(rows).write_parquet(tmp_path / "nta.parquet")
    read = source.read([str(tmp_path / "nta.parquet")], with_allowed=True)
    assert read.ledger.rows_used == len(rows)
    table = spark.read.parquet(str(tmp_path / "nta.parquet"))
    folded = scale.flows(spark, table.repartition(3), with_allowed=True, label="logs.nta")
    assert scale.fetched(folded).equals(at_the_table(read, "logs.nta"))
    assert folded.ledger == ledger.Ledger(
        (replace(read.ledger.inputs[0], path="logs.nta"),), read.ledger.set_aside, read.ledger.tables
    )
    assert folded.faults == ()


def test_a_table_of_records_with_their_properties_folds_as_the_records(spark: "SparkSession", tmp_path: Path) -> None:
    (tmp_path / "azfw.json").write_text(as_lines(azfw(entry) for entry in FIREWALL_ENTRIES))
    read = source.read([str(tmp_path / "azfw.json")])
    folded = scale.flows(spark, spark.read.json(str(tmp_path / "azfw.json")))
    assert scale.fetched(folded).equals(at_the_table(read, "table"))
    assert (folded.ledger.rows_read, folded.ledger.rows_used) == (read.ledger.rows_read, read.ledger.rows_used)
    assert {one.first for one in folded.ledger.set_aside} == {"table"}


def test_a_table_that_is_no_log_is_told(spark: "SparkSession") -> None:
    with pytest.raises(FwlensError) as told:
        scale.flows(spark, spark.createDataFrame([(1,)], "`a``b` int"), label="main.x")
    assert str(told.value).startswith("main.x: the table has no column that fwlens knows. Export ")
    folded = scale.flows(spark, spark.createDataFrame([("x",)], "Protocol string"), label="main.y")
    assert folded.faults[0].startswith("main.y: holds no log that fwlens knows. ")
    assert (folded.ledger.rows_read, folded.ledger.rows_set_aside) == (1, 1)
    empty = scale.flows(spark, spark.createDataFrame([], "Protocol string, SourceIp string"))
    assert (empty.ledger.rows_read, scale.fetched(empty).height) == (0, 0)


# Clusters


def test_workers_with_another_version_are_told_in_one_sentence(spark: "SparkSession") -> None:
    listing = listed(spark, [f"{SAMPLES}/azfw.jsonl"], Asked(version="99.0"))
    with pytest.raises(FwlensError) as told:
        scale.of_listing(spark, listing)
    assert str(told.value) == (
        f"fwlens 99.0 asks and fwlens {share.mine()} is installed on a worker: install the same version on both "
        "(%pip install fwlens in the first cell of a notebook, or as a library of the cluster)."
    )


def test_a_task_that_is_tried_again_counts_once(spark: "SparkSession") -> None:
    folded = scale.flows(spark, SAMPLES)
    first = scale.fetched(folded)
    folded.rows.unpersist()
    assert scale.fetched(folded).equals(first)


# The notebooks of docs/scale.md

GUIDE = (ROOT / "docs/scale.md").read_text("utf-8")
NOTEBOOKS = re.findall(r"### (Databricks|Fabric|Synapse)\n(.*?)(?=\n##)", GUIDE, re.DOTALL)


def test_there_is_a_notebook_for_each_platform() -> None:
    assert [name for name, _ in NOTEBOOKS] == ["Databricks", "Fabric", "Synapse"]


@pytest.mark.parametrize(("name", "text"), NOTEBOOKS, ids=[name for name, _ in NOTEBOOKS])
def test_the_notebooks_of_the_guide_run(
    spark: "SparkSession", name: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"LOGS": SAMPLES, "FLOWS": str(tmp_path / "flows"), "SEEN_AS": str(tmp_path / "flows")}
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    lines = [line for line in code.splitlines() if not line.startswith("%pip ")]
    assert len(code.splitlines()) - len(lines) == 1
    replaced = [re.sub(r'^([A-Z_]+) = ".*"', lambda at: f'{at[1]} = "{places[at[1]]}"', line) for line in lines]
    assert replaced != lines
    exec(compile("\n".join(replaced), name, "exec"), {"spark": spark, "__name__": "notebook"})
    out = capsys.readouterr().out
    assert "507 rows read, 436 used, 71 set aside\n" in out
    assert "50 are documented needs" in out or "are documented needs" in out


# The benchmark, small


@pytest.mark.parametrize("kind", ["lines", "blobs"])
def test_the_benchmark_finds_both_folds_equal(
    spark: "SparkSession", kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    generate, bench = import_module("generate"), import_module("scale")
    monkeypatch.setattr(generate, "PIECE", 500_000)
    generate.write(kind, tmp_path / kind, 2)
    found = bench.compared(spark, tmp_path / kind, 1)
    assert found.equal
    assert (found.megabytes > 1.9, found.rows > 3000, found.flows > 20) == (True, True, True)
