"""Only the time that was asked for is used, and slots of it are kept apart."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from fwlens import flow, source
from fwlens.flow import Span
from tests import night
from tests.night import FIREWALL_ENTRIES, NSG_ENTRIES, START

WRITTEN = {
    "azfw": night.FILES["azfw.jsonl"],
    "azdiag": night.FILES["azdiag.jsonl"],
    "nsg": night.FILES["nsg-flow-log-v2.json"],
    "vnet": night.FILES["vnet-flow-log-v4.json"],
    "nta": night.FILES["ntanetanalytics.csv"],
    "cl": night.FILES["azurenetworkanalytics-cl.json"],
}
OUTSIDE = "outside the time that was asked for (--since, --until)"


def at(**ago: int) -> datetime:
    return START + timedelta(**ago)


@pytest.mark.parametrize("form", WRITTEN)
@pytest.mark.parametrize(
    ("since", "until"), [(at(minutes=5), at(minutes=75)), (None, at(minutes=20)), (at(minutes=90), None)]
)
def test_entries_outside_the_span_are_set_aside_and_those_inside_are_used(
    form: str, since: datetime | None, until: datetime | None, tmp_path: Path
) -> None:
    path = tmp_path / "log"
    path.write_text(WRITTEN[form]())
    found = source.read([str(path)], span=Span(since, until))
    entries = FIREWALL_ENTRIES if form in ("azfw", "azdiag") else NSG_ENTRIES
    denied = [e for e in entries if e.action == "Deny"]
    inside = [e for e in denied if (since is None or e.at >= since) and (until is None or e.at < until)]
    second = timedelta(seconds=1)  # an NSG tuple has whole seconds
    assert found.rows["events"].sum() == len(inside)
    assert all(row >= (since or START) - second for row in found.rows["first_seen"])
    aside = {entry.reason: entry.rows for entry in found.ledger.set_aside}
    assert aside.get(OUTSIDE, 0) == len(denied) - len(inside)
    assert found.ledger.rows_read == found.ledger.rows_used + found.ledger.rows_set_aside


@pytest.mark.parametrize("form", WRITTEN)
def test_slots_hold_what_reading_each_hour_by_itself_gives(form: str, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(WRITTEN[form]())
    hour = timedelta(hours=1)
    found = source.read([str(path)], span=Span(every=hour))
    for number in range(3):
        begin = START + number * hour
        alone = source.read([str(path)], span=Span(begin, begin + hour)).rows
        slot = found.slots.filter(pl.col("slot") == begin).drop("slot")
        assert_frame_equal(slot, alone)
    assert_frame_equal(flow.fold(found.slots), found.rows)


def test_without_slots_there_is_one_slot_that_is_the_whole() -> None:
    found = source.read(["sample_logs/azfw.jsonl"])
    assert found.slots["slot"].null_count() == found.slots.height
    assert_frame_equal(found.slots.drop("slot"), found.rows)


def test_a_time_that_cannot_be_read_breaks_its_law_and_does_not_count_as_outside(tmp_path: Path) -> None:
    path = tmp_path / "log"
    record = night.azfw(FIREWALL_ENTRIES[0])
    path.write_text(night.as_lines([{**record, "time": "yesterday"}]))
    found = source.read([str(path)], span=Span(since=datetime(2026, 1, 1, tzinfo=UTC)))
    assert [(entry.reason, entry.rows) for entry in found.ledger.set_aside] == [("breaks the law of: time", 1)]


def test_rules_that_differ_in_case_only_are_one_rule() -> None:
    """Traffic Analytics writes every rule name in lower case, the flow log of the same denial does not."""
    found = source.read(["sample_logs/nsg-flow-log-v2.json", "sample_logs/ntanetanalytics.csv"])
    alone = source.read(["sample_logs/nsg-flow-log-v2.json"])
    assert set(found.rows["rule"]) == {"DenyAllInBound", "DenyInternet", "DenySmb"}
    assert found.rows.height == alone.rows.height
    assert found.rows["events"].sum() == 2 * alone.rows["events"].sum()
