"""What a page tells, before it is a page: timeline, needs, paths, gaps, changes, tables and the files beside."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from fwlens.answer import to_json
from fwlens.diff import diff
from fwlens.document import parse
from fwlens.flow import TIME
from fwlens.ledger import UNACCOUNTED, Account, Ledger, SetAside
from fwlens.report import beside, charts, missing, needs, paths, sheets, timeline
from fwlens.report.content import TIMELINE, Night
from fwlens.report.timeline import Bar, Timeline
from tests.hostile import HOSTILE, formulas
from tests.report.nights import NEAR, START, flows, invented, quiet, rule, sample


def slots(*rows: tuple[datetime, str, int]) -> pl.DataFrame:
    schema = pl.Schema({"slot": TIME, "verdict": pl.String(), "flows": pl.UInt32(), "events": pl.UInt64()})
    assert tuple(schema) == TIMELINE
    return pl.DataFrame([(when, verdict, 1, events) for when, verdict, events in rows], schema, orient="row")


def test_bars_have_no_gap_and_add_up_to_all_denied_entries() -> None:
    night = sample()
    found = timeline.bars(night)
    assert (found.said, len(found.bars)) == ("15 minutes", 7)
    assert {b.begin - a.begin for a, b in zip(found.bars, found.bars[1:], strict=False)} == {timedelta(minutes=15)}
    for i, verdict in enumerate(timeline.VERDICTS):
        assert sum(bar.entries[i] for bar in found.bars) == night.answer.verdicts[verdict].events


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (timedelta(0), "15 minutes"),
        (timedelta(days=2), "1 hour"),
        (timedelta(days=30), "6 hours"),
        (timedelta(days=100), "1 day"),
        (timedelta(days=700), "7 days"),
        (timedelta(days=70_000), "28 days"),
    ],
)
def test_bars_are_longer_where_the_night_is_long(span: timedelta, said: str) -> None:
    first = datetime(2000, 1, 1, tzinfo=UTC)
    found = timeline.bars(replace(sample(), timeline=slots((first, "needed", 3), (first + span, "refused", 4))))
    assert found.said == said
    assert (sum(bar.total for bar in found.bars), found.highest) == (7, 7 if not span else 4)


def test_without_a_denial_there_is_no_bar() -> None:
    assert timeline.bars(quiet(sample())).bars == ()


def test_hours_without_rows_are_counted_in_the_window_that_was_asked_for() -> None:
    ten = datetime(2026, 11, 20, 22, tzinfo=UTC)
    heard = slots((ten, "needed", 1), (ten + timedelta(hours=5), "needed", 1))
    night = replace(sample(), timeline=heard, since=ten, until=ten + timedelta(hours=8))
    assert timeline.silent_hours(night) == (6, 8, "2026-11-20 23:00 (4 hours), 2026-11-21 04:00 (2 hours)")
    assert timeline.silent_hours(quiet(sample())) == (0, 0, "")


def test_every_need_is_blocked_working_or_never_seen_and_stands_on_each_page_that_states_it() -> None:
    night = sample()
    every = needs.fates(night)
    blocked = set(night.matched.filter(pl.col("verdict") == "needed")["requirement"])
    working = set(night.matched.filter(pl.col("verdict") == "working")["requirement"])
    assert {fate.need.id for fate in every if fate.state in ("blocked", "blocked in part")} == blocked
    assert {fate.need.id for fate in every if fate.state == "working"} == working - blocked
    assert len(every) == len(night.needs)
    pages = needs.by_page(every)
    assert sum(len(page.fates) for page in pages) >= len(every)
    assert {fate.need.id for page in pages for fate in page.fates} == {need.id for need in night.needs}
    assert [len(page.of("blocked")) for page in pages] == sorted((len(p.of("blocked")) for p in pages), reverse=True)


def test_a_page_is_called_alike_whatever_was_blocked_by_what_most_of_its_needs_call_it() -> None:
    night = sample()
    conda = night.matched.filter(pl.col("requirement") == "packages/conda")
    nights = [night, quiet(night), replace(night, matched=conda)]
    called = [{one.page.url: one.page.title for one in needs.by_page(needs.fates(each))} for each in nights]
    assert called[0] == called[1] == called[2]
    assert called[0]["https://learn.microsoft.com/azure/machine-learning/how-to-access-azureml-behind-firewall"] == (
        "Configure inbound and outbound network traffic"
    )


def test_labels_of_the_matrix_tell_all_pages_apart() -> None:
    pages = needs.by_page(needs.fates(sample()))
    labels = charts.matrix(pages).to_plotly_json()["layout"]["yaxis"]["ticktext"]
    assert len(set(labels)) == len(labels) == len(pages)
    assert [label for label in labels if label.startswith("Secure")] == [
        "Secure an Azure Machine … virtual networks",
        "Secure an Azure Machine … networks (SDK v1)",
    ]
    assert max(map(len, labels)) <= 46


def test_pages_that_share_a_title_or_its_ends_are_told_apart_by_their_addresses() -> None:
    title = "A title that is too long for {} the room that there is beside a chart"
    given = [
        ("Same", "x.example/a"),
        ("Same", "x.example/b"),
        (title.format(1), "x.example/c"),
        (title.format(2), "x.example/" + "d" * 60),
    ]
    pages = [
        needs.PageFates(replace(sample().needs[0].page, title=name, url=f"https://{url}"), ()) for name, url in given
    ]
    assert charts.matrix(pages).to_plotly_json()["layout"]["yaxis"]["ticktext"][::-1] == [
        "Same, x.example/a",
        "Same, x.example/b",
        "A title that is too … a chart, x.example/c",
        f"A title that is … a chart, …{'d' * 17}",
    ]


def test_without_allowed_entries_a_need_is_only_known_to_be_not_blocked() -> None:
    assert {fate.state for fate in needs.fates(sample(with_allowed=False))} == {"blocked", "not blocked"}


def test_every_needed_flow_is_on_one_path_to_a_rule_that_allows_it() -> None:
    night = sample()
    found = paths.paths(night)
    assert found.flows == night.answer.verdicts["needed"].flows
    assert (found.machines, found.needs, found.rules) == (4, 15, 8)
    by_rule = {one.rule.id: one.evidence.flows for one in night.answer.recommendations}
    drawn = {name: sum(path.flows for path in found.paths if path.rule == name) for name in by_rule}
    assert drawn == by_rule


def test_machines_needs_and_rules_beyond_the_most_frequent_are_taken_together() -> None:
    found = paths.paths(invented(needed=300, rules=40))
    assert found.flows == 300
    assert (found.machines, found.needs, found.rules) == (300, 250, 40)
    assert {path.machine for path in found.paths} >= {"288 other machines"}
    assert len({path.machine for path in found.paths}) == 13
    assert len({path.need for path in found.paths}) == 13


def test_a_flow_that_was_handed_back_is_in_no_rule() -> None:
    night = invented(needed=1)
    one = night.answer.unsaid[0]
    flow = replace(one.flow, service="https/443")
    told = replace(night, answer=replace(night.answer, unsaid=(replace(one, flow=flow),)))
    assert [path.rule for path in paths.paths(told).paths] == [paths.NO_RULE]


def test_the_ledger_and_the_clock_say_what_is_missing() -> None:
    night = sample(with_allowed=False, logs=("sample_logs/azfw.jsonl",))
    assert [gap.what for gap in missing.gaps(night)] == [
        "No rows of Azure Firewall, logs as AzureDiagnostics.",
        "No rows of NSG and VNet flow logs.",
        "No rows of Traffic Analytics.",
        "No service-tag file.",
        "Allowed entries were counted (14) and not looked at.",
    ]
    assert [one.rows_read for one in missing.heard(night)] == [144, 0, 0, 0]
    lost = Ledger((Account("x", "azfw", 9, 0, 9),), (SetAside(UNACCOUNTED, 9, "x:1"),))
    heard = slots((START.replace(minute=0), "needed", 1))
    told = replace(night, answer=replace(night.answer, ledger=lost), faults=("x: torn.",), timeline=heard)
    assert [gap.what for gap in missing.gaps(told)][:2] == ["x: torn.", f"9 rows: {UNACCOUNTED}."]
    assert [gap.what for gap in missing.gaps(told)][5] == (
        "In 1 of 2 hours nothing was denied: 2026-11-20 23:00 (1 hour)."
    )


def test_nothing_is_missing_from_the_sample_night() -> None:
    assert missing.gaps(sample()) == ()


def test_tables_without_rows_are_named_beside_those_of_their_format() -> None:
    structured, *others = missing.heard(sample())
    assert structured.silent == (
        "AZFWApplicationRuleAggregation",
        "AZFWNetworkRuleAggregation",
        "AZFWNatRuleAggregation",
    )
    assert [one.silent for one in others] == [("AzureFirewallNatRule",), (), ()]


def test_an_answer_against_itself_has_not_changed() -> None:
    now = sample().answer
    found = diff(now, parse(to_json(now), "night.json"))
    assert (found.new, found.gone, len(found.same)) == ((), (), 8)
    assert (found.appeared, found.disappeared, len(found.stayed)) == ((), (), 15)


def test_rules_and_needs_that_are_new_or_gone_are_told_apart_from_those_that_stayed() -> None:
    now = replace(sample().answer, recommendations=(rule(1, needs=[1]), rule(2, needs=[2])), unsaid=())
    then = replace(now, recommendations=(rule(2, needs=[2]), rule(3, needs=[3])))
    found = diff(now, parse(to_json(then), "night.json"))
    assert [one.rule.id for one in found.new] == [rule(1, needs=[1]).rule.id]
    assert [one.rule.id for one in found.gone] == [rule(3, needs=[3]).rule.id]
    assert [one.rule.id for one in found.same] == [rule(2, needs=[2]).rule.id]
    assert (found.appeared, found.disappeared, found.stayed) == (("w1",), ("w3",), ("w2",))


def test_a_need_that_is_handed_back_now_has_not_disappeared() -> None:
    night = invented(needed=1)
    told = replace(night.answer, recommendations=(), unsaid=night.answer.unsaid[:1])
    then = replace(night.answer, recommendations=(rule(0, "w{}".format),), unsaid=())
    found = diff(told, parse(to_json(then).replace(b'"w0"', b'"w0.example"'), "night.json"))
    assert (found.appeared, found.disappeared) == (("w0",), ("w0.example",))
    same = diff(told, replace(parse(to_json(sample().answer), "x"), recommendations=(), unsaid_needs=("w0",)))
    assert (same.appeared, same.disappeared, same.stayed) == ((), (), ("w0",))


def test_machines_times_services_add_up_to_all_denied_flows() -> None:
    night = sample()
    frame = sheets.affected(night).frame
    for name in ("needed", "unexplained", "refused"):
        assert frame[name].sum() == night.answer.verdicts[name].flows
    assert frame["events"].sum() == night.answer.blocked.events
    assert "10.20.1.4" in set(frame.filter(pl.col("direction") == "inbound")["machine"])


_ENDS = ("10.0.0.4", "10.0.0.5", None)
_DIFFERENT = {
    "src_ip": _ENDS[:2],
    "dst_ip": _ENDS,
    "dst_fqdn": ("a.example", "b.example", None),
    "dst_port": (443, 8443, None),
    "protocol": ("tcp", "https"),
    "direction": ("inbound", "outbound"),
    "cause": ("no rule", "deny rule", "no host name"),
    "rule": ("a", "b", None),
    "plane": ("azure-firewall", "nsg"),
    "device": ("x", "y", None),
}


@pytest.mark.parametrize("column", _DIFFERENT)
@pytest.mark.parametrize("verdict", ["unexplained", "refused"])
def test_rows_of_flows_that_differ_in_anything_look_different(verdict: str, column: str) -> None:
    same = {name: [values[0]] * len(_DIFFERENT[column]) for name, values in _DIFFERENT.items()}
    texts = {name: pl.Series(list(values)) for name, values in {**same, column: _DIFFERENT[column]}.items()}
    told = flows(len(_DIFFERENT[column]), verdict, "w{}".format, **texts)
    near = pl.Series([[]] * told.height, dtype=NEAR)
    night = invented()
    night = replace(night, answer=replace(night.answer, unexplained=told.with_columns(near=near), refused=told))
    table = getattr(sheets, verdict)(night).frame.select(pl.exclude("events", "first_seen", "last_seen", "origin"))
    assert table.unique().height == told.height


def test_near_misses_and_reasons_are_in_words() -> None:
    night = sample()
    frame = sheets.unexplained(night).frame
    assert frame.filter(pl.col("service") == "https/8443")["near"].to_list() == [
        "packages/pip: documented on 443, seen on 8443"
    ]
    assert sorted(set(sheets.refused(night).frame["why"])) == ["intrusion prevention", "threat intelligence"]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_spreadsheet_runs_a_cell_and_programs_get_it_as_it_is(text: str) -> None:
    frame = pl.DataFrame({"name": [text], "when": [START]})
    header, (cell, when) = csv.reader(io.StringIO(beside.csv(frame).decode(), newline=""))
    assert (header, when) == (["name", "when"], "2026-11-20T22:01:00.000000Z")
    assert formulas(cell) == []
    assert not any(ord(mark) < 32 or 127 <= ord(mark) < 160 for mark in cell)
    assert pl.read_parquet(io.BytesIO(beside.parquet(frame))).equals(frame)


def test_charts_are_figures_of_plain_values_in_which_no_text_is_markup() -> None:
    night = invented(lambda n: HOSTILE[n % len(HOSTILE)], needed=len(HOSTILE))
    every = needs.fates(night)
    figures = [charts.paths(paths.paths(night), {}), charts.matrix(needs.by_page(every))]
    leaves = [leaf for figure in figures for leaf in texts(json.loads(figure.to_json()))]
    assert {leaf for leaf in leaves if "<" in leaf and not leaf.endswith("<extra></extra>")} == set()
    assert len({leaf for leaf in leaves if "&lt;" in leaf}) > 20


def texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (leaf for each in value.values() for leaf in texts(each))
    elif isinstance(value, list):
        yield from (leaf for each in value for leaf in texts(each))


def test_the_matrix_draws_all_that_was_seen_and_counts_what_it_leaves_out() -> None:
    night: Night = sample()
    figure = charts.matrix(needs.by_page(needs.fates(night))).to_plotly_json()
    first = figure["data"][0]
    assert list(first["text"][-1][:11]) == ["B"] * 9 + ["W"] * 2
    assert figure["layout"]["annotations"][-1]["text"] == "+62"


def test_flows_of_the_invented_night_have_the_columns_of_the_real_one() -> None:
    assert flows(2, "needed").schema == sample().matched.schema


def test_a_bar_alone_is_no_wall_and_entries_are_whole_numbers() -> None:
    few = charts.timeline(Timeline(timedelta(hours=1), (Bar(START, (1, 0, 0)),))).to_dict()["layout"]
    begin, end = (datetime.fromisoformat(each) for each in few["xaxis"]["range"])
    assert end - begin == timedelta(hours=6)
    assert begin < START < end
    assert few["yaxis"]["dtick"] == 1
    many = charts.timeline(Timeline(timedelta(hours=1), (Bar(START, (9, 0, 0)),) * 9)).to_dict()["layout"]
    assert "range" not in many["xaxis"]
    assert "dtick" not in many["yaxis"]
