"""Folded flows are a log like any other: what is written is read again, and nothing in it is believed."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from fwlens import flow, source
from fwlens.answer import flows_to_parquet, ledger_to_json
from fwlens.flow import FLOW, Span
from fwlens.source import folded
from tests.hostile import HOSTILE
from tests.test_cli import SAMPLES, said

MINUTES = Span(every=timedelta(minutes=1))


@pytest.mark.parametrize("with_allowed", [False, True])
@pytest.mark.parametrize("form", ["parquet", "arrow", "arrow as Spark writes it", "stream"])
def test_what_is_written_is_read_again_in_every_column(with_allowed: bool, form: str, tmp_path: Path) -> None:
    read = source.read([SAMPLES], with_allowed=with_allowed)
    path = tmp_path / "flows"
    match form:
        case "parquet":
            path.write_bytes(flows_to_parquet(read.rows))
        case "arrow":
            read.rows.write_ipc(path)
        case "arrow as Spark writes it":
            read.rows.write_ipc(path, compat_level=pl.CompatLevel.oldest())
        case _:
            read.rows.cast({pl.Enum: pl.String}).write_parquet(path)
    again = source.read([str(path)], with_allowed=with_allowed)
    assert again.rows.equals(read.rows)
    assert (again.faults, again.ledger.rows_used) == ((), read.rows.height)
    assert [one.format for one in again.ledger.inputs] == ["folded"]


def test_flows_with_slots_are_read_again_with_them_and_without(tmp_path: Path) -> None:
    read = source.read([SAMPLES], span=MINUTES)
    assert read.slots.height > read.rows.height
    path = tmp_path / "flows.parquet"
    path.write_bytes(flows_to_parquet(read.slots))
    again = source.read([str(path)], span=MINUTES)
    assert again.slots.equals(read.slots)
    assert again.rows.equals(read.rows)


def test_shares_of_a_night_fold_to_the_night(tmp_path: Path) -> None:
    read = source.read([SAMPLES], with_allowed=True)
    for number, day in enumerate(("azfw.jsonl", "azdiag.jsonl", "nsg-flow-log-v2.json")):
        share = source.read([f"{SAMPLES}/{day}"], with_allowed=True)
        (tmp_path / f"{number}.parquet").write_bytes(flows_to_parquet(share.rows))
    rest = [f"{SAMPLES}/{name}" for name in (
        "azurenetworkanalytics-cl.json", "nsg-flow-log-v1.json", "ntanetanalytics.csv", "vnet-flow-log-v4.json",
    )]  # fmt: skip
    again = source.read([str(tmp_path), *rest], with_allowed=True)
    assert again.rows.equals(read.rows)


def test_allowed_flows_and_those_outside_the_time_are_set_aside(tmp_path: Path) -> None:
    read = source.read([SAMPLES], with_allowed=True)
    path = tmp_path / "flows.parquet"
    path.write_bytes(flows_to_parquet(read.rows))
    since = datetime(2026, 11, 20, 23, 0, tzinfo=UTC)
    again = source.read([str(path)], span=Span(since=since))
    denied = read.rows.filter((pl.col("action") == "Deny") & (pl.col("first_seen") >= since))
    assert again.rows.equals(denied)
    assert again.ledger.rows_read == read.rows.height
    assert sum(one.rows for one in again.ledger.set_aside) == read.rows.height - denied.height


ROW: dict[str, Any] = {
    "first_seen": "2026-11-20T22:00:00Z", "last_seen": "2026-11-20T22:10:00Z", "events": "3", "src_ip": "10.0.0.4",
    "dst_ip": None, "dst_fqdn": "pypi.org", "dst_port": "443", "protocol": "https", "direction": "outbound",
    "action": "Deny", "cause": "no rule", "rule": None, "plane": "azure-firewall", "device": None, "origin": "a.json:1",
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"cause": "because"}, folded.STRANGE), ({"cause": None}, folded.STRANGE), ({"plane": "<b>"}, folded.STRANGE),
        ({"action": "Allow"}, folded.STRANGE), ({"action": "allow"}, folded.STRANGE), ({"plane": None}, folded.STRANGE),
        ({"dst_fqdn": "<script>"}, "breaks the law of: plain host name"), ({"events": "0"}, folded.STRANGE),
        ({"events": "-1"}, folded.STRANGE), ({"first_seen": "never"}, folded.STRANGE), ({"last_seen": "2026-11-20"}, folded.STRANGE),
        ({"src_ip": "10.0.0.256"}, "breaks the law of: source address"), ({"dst_port": "70000"}, "breaks the law of: port"),
        ({"direction": "sideways"}, "breaks the law of: direction"), ({"protocol": "$(x)"}, "breaks the law of: protocol"),
    ],
)  # fmt: skip
def test_what_breaks_a_law_is_set_aside_whoever_wrote_it(change: dict[str, Any], reason: str, tmp_path: Path) -> None:
    path = tmp_path / "flows.parquet"
    pl.DataFrame([ROW, ROW | change], schema=dict.fromkeys(FLOW, pl.String), orient="row").write_parquet(path)
    read = source.read([str(path)])
    assert [(one.reason, one.rows, one.first) for one in read.ledger.set_aside] == [(reason, 1, f"{path}:2")]
    assert read.rows["origin"].to_list() == ["a.json:1"]


def test_hostile_texts_of_a_folded_file_are_no_more_than_text(tmp_path: Path) -> None:
    rows = [ROW | {"rule": text, "device": text, "origin": text, "cause": "deny rule"} for text in HOSTILE]
    path = tmp_path / "flows.parquet"
    texts = pl.DataFrame(rows, schema=dict.fromkeys(FLOW, pl.String), orient="row")
    texts.write_parquet(path)
    read = source.read([str(path)])
    assert read.ledger.rows_used == len(rows)
    plain = read.rows.select(
        pl.any_horizontal(pl.col("rule", "device", "origin").str.contains(r"[\p{Cc}\p{Cf}\p{Zl}]").any())
    )
    assert plain.item() is False
    assert flow.fold(read.rows).equals(read.rows)


def test_a_damaged_file_of_arrow_is_a_row_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "flows.arrow"
    source.read([SAMPLES]).rows.write_ipc(path)
    path.write_bytes(path.read_bytes()[:-300])
    read = source.read([str(path)])
    assert [(one.reason, one.rows) for one in read.ledger.set_aside] == [
        ("malformed: not a file of Arrow's IPC format", 1)
    ]
    assert len(read.faults) == 1


# The command line


def test_flows_go_to_a_file_and_come_back_as_a_log(tmp_path: Path) -> None:
    place = tmp_path / "flows.parquet"
    assert said("flows", "sample_logs", "--format", "parquet", "-o", str(place)) == (0, "", "")
    beside = json.loads((tmp_path / "flows.ledger.json").read_text())
    assert beside["schema"] == "fwlens.ledger/1"
    assert (beside["rows_read"], beside["rows_used"], beside["rows_set_aside"], beside["faults"]) == (507, 436, 71, [])
    code, out, err = said(
        "recommend", str(place), "--service-tags", "sample_logs/service-tags.json", "--format", "json"
    )
    expected = json.loads(said("recommend", "sample_logs", "--format", "json")[1])
    answer = json.loads(out)
    assert answer["ledger"]["rows_read"] == 64
    assert {**answer, "ledger": None} == {**expected, "ledger": None}
    told = (
        f"fwlens: {place}: folded from 507 rows of 8 inputs, of which 71 were set aside (flows.ledger.json says why).\n"
    )
    assert (code, err) == (0, told)


def test_a_file_without_a_folder_before_its_name_is_a_log_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = source.read([f"{SAMPLES}/azfw.jsonl"])
    flows = flows_to_parquet(read.rows)
    assert said("flows", "-", stdin=flows)[::2] == (0, "")
    monkeypatch.chdir(tmp_path)
    Path("flows.parquet").write_bytes(flows)
    Path("flows.ledger.json").write_bytes(ledger_to_json(read.ledger, []))
    assert folded.told(source.read(["flows.parquet"]).ledger, spans=False) == (
        "flows.parquet: folded from 144 rows of 1 input, of which 16 were set aside (flows.ledger.json says why).",
    )


def test_faults_and_times_of_folded_flows_are_told(tmp_path: Path) -> None:
    read = source.read([SAMPLES])
    (tmp_path / "night").mkdir()
    for name in ("part-0.parquet", "part-1.parquet"):
        (tmp_path / "night" / name).write_bytes(flows_to_parquet(read.rows))
    (tmp_path / "night.ledger.json").write_bytes(ledger_to_json(read.ledger, ["x: cannot be read."]))
    code, _, err = said("flows", f"{tmp_path}/night", "--since", "2026-11-20T22:30")
    assert (code, err.splitlines()) == (0, [
        f"fwlens: {tmp_path}/night: folded from 507 rows of 8 inputs, of which 71 were set aside (night.ledger.json says "
        "why). 1 fault was told then: flows may be missing.",
        "fwlens: Folded flows count at the time at which they were first seen: fold with --slot for finer times.",
    ])  # fmt: skip


@pytest.mark.parametrize("text", ["", "{}", '{"rows_read": "x"}', "\udce9"])
def test_a_ledger_that_is_none_is_passed_over(text: str, tmp_path: Path) -> None:
    place = tmp_path / "flows.parquet"
    place.write_bytes(flows_to_parquet(source.read([SAMPLES]).rows))
    (tmp_path / "flows.ledger.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    code, _, err = said("flows", str(place))
    assert (code, err) == (0, "")


def test_a_slot_is_for_parquet_only_and_a_pipe_has_no_ledger() -> None:
    code, out, err = said("flows", "sample_logs", "--slot", "15m")
    assert (code, out) == (2, "")
    assert "'--slot'" in err
    code, _, err = said("flows", "sample_logs", "--format", "parquet", "--slot", "soon")
    assert (code, err) == (2, "fwlens: 'soon' is no span of time: write 90m, 6h, 2d or 1w.\n")
