from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwlens.source import FORMATS
from fwlens.source.format import count, is_true, paired, path, plain_name, present, raw_rows, unprefixed, when_text


def evaluated(expr: pl.Expr, **columns: object) -> object:
    frame = pl.DataFrame({name: [value] for name, value in columns.items()}, schema=dict.fromkeys(columns, pl.String))
    return frame.select(expr.alias("it"))["it"].item()


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2023-09-06T14:33:46.8119710Z", at(2023, 9, 6, 14, 33, 46, 811971)),
        ("2025-11-26T14:16:47.139739+00:00", at(2025, 11, 26, 14, 16, 47, 139739)),
        ("2025-11-26T14:16:47.123456789Z", at(2025, 11, 26, 14, 16, 47, 123456)),
        ("2025-11-26T14:16:47Z", at(2025, 11, 26, 14, 16, 47)),
        ("2025-11-26T14:16:47", at(2025, 11, 26, 14, 16, 47)),
        ("2025-11-26T14:16:47.5", at(2025, 11, 26, 14, 16, 47, 500000)),
        ("2025-11-26T14:16:47+01:00", at(2025, 11, 26, 13, 16, 47)),
        ("2025-11-26T14:16:47 -02:30", at(2025, 11, 26, 16, 46, 47)),
        ("2025-11-26 14:16:47Z", at(2025, 11, 26, 14, 16, 47)),
        ("2025-11-21 19:45:18.0766240", at(2025, 11, 21, 19, 45, 18, 76624)),
        ("7/18/2025, 12:26:46.737 PM", at(2025, 7, 18, 12, 26, 46, 737000)),
        ("7/18/2025, 12:26:46 AM", at(2025, 7, 18, 0, 26, 46)),
        ("8/25/2025 8:11:21.937 PM", at(2025, 8, 25, 20, 11, 21, 937000)),
        ("1/9/2007 9:41:00 AM", at(2007, 1, 9, 9, 41)),
        ("06-14-2025  07:17:00", at(2025, 6, 14, 7, 17)),
        ("8/25/2025 20:11:21", at(2025, 8, 25, 20, 11, 21)),
        ("", None),
        ("-", None),
        ("yesterday", None),
        ("2025-13-01T00:00:00Z", None),
        ("2025-02-30T00:00:00Z", None),
        ("1764123287", None),
        (None, None),
    ],
)
def test_a_time_is_read_as_any_of_the_logs_writes_it(text: str | None, time: datetime | None) -> None:
    assert evaluated(when_text(pl.col("t")), t=text) == time


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2199, 1, 1)),
    st.sampled_from(
        ["%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%dT%H:%M:%S.%f0Z", "%Y-%m-%d %H:%M:%S.%f", "%m/%d/%Y, %I:%M:%S.%f %p",
         "%m-%d-%Y  %H:%M:%S.%f"]
    ),
)  # fmt: skip
def test_every_time_comes_back_from_every_dialect(time: datetime, dialect: str) -> None:
    assert evaluated(when_text(pl.col("t")), t=time.strftime(dialect)) == time.replace(tzinfo=UTC)


@given(st.datetimes(datetime(2000, 1, 2), datetime(2199, 1, 1)), st.integers(-14 * 4, 14 * 4))
def test_a_zone_is_taken_off(time: datetime, quarters: int) -> None:
    hours, minutes = divmod(abs(quarters) * 15, 60)
    zone = f"{'-' if quarters < 0 else '+'}{hours:02}:{minutes:02}"
    wanted = (time - timedelta(minutes=quarters * 15)).replace(tzinfo=UTC)
    assert evaluated(when_text(pl.col("t")), t=time.isoformat() + zone) == wanted


@given(st.text(max_size=30))
def test_no_text_breaks_the_reading_of_times(text: str) -> None:
    evaluated(when_text(pl.col("t")), t=text)


@pytest.mark.parametrize("empty", ["", "-", " - ", "None", "null", " ", "\t", None])
def test_an_empty_cell_is_absent(empty: str | None) -> None:
    assert evaluated(present("a"), a=empty) is None


def test_a_cell_loses_the_blanks_around_it() -> None:
    assert evaluated(present("a"), a=" x y\t") == "x y"


@pytest.mark.parametrize(
    ("a", "b", "events"),
    [
        ("3", "4", 7), ("3", None, 3), (None, None, 1), ("0", "0", 1), ("2.0", "1", 3), ("x", "5", 5), ("-4", "2", 1),
        ("1e300", "1", 1), ("NaN", "3", 1), ("inf", None, 1), (str(2**48), None, 2**48), (str(2**48 + 1), None, 1),
    ],
)  # fmt: skip
def test_counters_are_events(a: str | None, b: str | None, events: int) -> None:
    assert evaluated(count("a", "b"), a=a, b=b) == events


@pytest.mark.parametrize(
    ("text", "true"),
    [("true", True), ("TRUE", True), ("True", True), ("1", True), ("0", False), ("", False), (None, False)],
)
def test_a_boolean_as_exports_write_it(text: str | None, true: bool) -> None:
    assert evaluated(is_true("a"), a=text) is true


def test_the_place_of_a_rule_leaves_out_what_is_absent() -> None:
    assert evaluated(path("a", "b", "c"), a="hub", b="", c="web") == "hub / web"
    assert evaluated(path("a", "b", "c"), a="-", b="", c=None) is None


@pytest.mark.parametrize(
    ("rule", "own"),
    [
        ("UserRule_a", "a"),
        ("DefaultRule_a", "a"),
        ("UserRule_DefaultRule_a", "DefaultRule_a"),
        ("a_UserRule_b", "a_UserRule_b"),
    ],
)
def test_a_rule_loses_one_prefix(rule: str, own: str) -> None:
    assert evaluated(unprefixed(pl.col("a")), a=rule) == own


@pytest.mark.parametrize(
    ("column", "plain"), [("TimeGenerated [UTC]", "timegenerated"), ("SourceIp", "sourceip"), ("a [b] c", "a [b] c")]
)
def test_a_column_loses_its_zone(column: str, plain: str) -> None:
    assert plain_name(column) == plain


def test_raw_rows_have_the_names_of_azure_whatever_case_a_table_has() -> None:
    frame = pl.DataFrame(
        {"line": [1], "SOURCEIP": ["a"], "TimeGenerated [UTC]": ["t"], "Type": ["T"], "Category": ["C"], "msg_s": ["m"]}
    )
    assert raw_rows(frame, ("SourceIp", "Rule", "msg")).to_dicts() == [
        {"line": 1, "SourceIp": "a", "Rule": None, "tables": ["T", "C", "C", None], "time": "t", "resource": None,
         "msg": "m"}
    ]  # fmt: skip


def test_of_columns_that_differ_in_case_each_is_itself() -> None:
    names = ("category", "Category", "resourceId", "ResourceId")
    frame = pl.DataFrame({"line": [1, 2]} | {name: [name, None if name[0].islower() else name] for name in names})
    found = raw_rows(frame, ())
    assert found["tables"].to_list() == [[None, "category", "Category", None], [None, None, "Category", None]]
    assert found["resource"].to_list() == ["resourceId", "ResourceId"]


def test_half_a_surrogate_pair_is_replaced_and_a_whole_one_kept() -> None:
    assert paired(rb'{"a": ["\ud800", "\ud83d\ude00"], "b": 1.0}') == '{"a": ["?", "😀"], "b": 1.0}'.encode()


def test_no_literal_of_an_allowed_entry_is_one_of_a_denied_entry() -> None:
    for form in FORMATS:
        assert not set(form.allowed) & set(form.denied)
        assert set(form.flowless) <= set(form.tables)
        assert {name for _, mark in form.marks for name in mark} <= set(form.columns)
        assert {table for table, _ in form.marks} <= set(form.tables.values())


def test_no_two_formats_claim_one_table() -> None:
    claimed = [alias for form in FORMATS for alias in form.tables]
    assert len(claimed) == len(set(claimed))
    assert [form.name for form in FORMATS] == ["azfw", "azdiag", "flowlog", "traffic"]
