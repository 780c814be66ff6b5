"""Which folders can hold what a span of time asks for, against the plain list of all hours."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fwlens.source.hours import EARLIER, LATER, Hours, Reach, hours, is_laid_out, told_by

HOUR = timedelta(hours=1)
MOMENTS = st.datetimes(datetime(2025, 12, 30), datetime(2026, 3, 2), timezones=st.just(UTC))
BOUNDS = st.none() | MOMENTS


def path(hour: datetime) -> str:
    return f"resourceId=/A/y={hour:%Y}/m={hour:%m}/d={hour:%d}/h={hour:%H}/m=00/PT1H.json"


def folders(name: str) -> list[str]:
    """The dated folders above a blob, the year first."""
    parts = name.split("/")
    first = next(at for at, part in enumerate(parts) if part.startswith("y="))
    return ["/".join(parts[: at + 1]) + "/" for at in range(first, first + 4)]


@given(BOUNDS, BOUNDS, MOMENTS)
def test_every_hour_of_the_span_is_wanted_and_none_beyond_the_margins(
    since: datetime | None, until: datetime | None, moment: datetime
) -> None:
    wanted = hours(since, until)
    hour = moment.replace(minute=0, second=0, microsecond=0)
    reaches = [wanted.reach(folder) for folder in [*folders(path(hour)), path(hour)]]
    overlaps = (until is None or hour < until) and (since is None or hour + HOUR > since)
    near = (until is None or hour < until + LATER) and (since is None or hour + HOUR > since - EARLIER)
    if overlaps:
        assert Reach.NONE not in reaches
    assert (Reach.NONE in reaches) == (not near)
    assert reaches[-1] is reaches[-2]
    assert reaches[-1] in (Reach.ALL, Reach.NONE)


@settings(max_examples=12)
@given(BOUNDS, BOUNDS, MOMENTS)
def test_a_folder_is_wanted_whole_only_if_each_hour_of_it_is(
    since: datetime | None, until: datetime | None, moment: datetime
) -> None:
    wanted = hours(since, until)
    for folder in folders(path(moment)):
        begin, end = told_by(folder) or (moment, moment)
        each = [begin + number * HOUR for number in range(int((end - begin) / HOUR))]
        kept = [wanted.reach(path(hour)) is Reach.ALL for hour in each]
        expected = Reach.ALL if all(kept) else Reach.SOME if any(kept) else Reach.NONE
        if wanted.begin and wanted.end and wanted.begin >= wanted.end:
            expected = Reach.NONE if not any(kept) else expected
            assert wanted.reach(folder) in (expected, Reach.SOME)
        else:
            assert wanted.reach(folder) is expected


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("y=2026/", ("2026-01-01T00", "2027-01-01T00")),
        ("a/y=2026/m=12/", ("2026-12-01T00", "2027-01-01T00")),
        ("a/y=2026/m=02/d=28/", ("2026-02-28T00", "2026-03-01T00")),
        ("a/y=2026/m=11/d=20/h=23/m=00/macAddress=000D3A/PT1H.json", ("2026-11-20T23", "2026-11-21T00")),
        ("WorkspaceResourceId=/w/y=2026/m=11/d=20/h=22/m=35/PT05M_1.json", ("2026-11-20T22", "2026-11-20T23")),
        ("a/y=2026/m=13/d=01/h=00/", None),
        ("a/y=2026/m=02/d=30/h=00/", None),
        ("a/y=0000/", None),
        ("a/y=9999/m=12/", None),
        ("a/my=2026/m=11/d=20/", None),
        ("exports/2026/11/20/night.json", None),
    ],
)
def test_a_path_tells_its_hour_or_nothing(name: str, told: tuple[str, str] | None) -> None:
    wanted = told and tuple(datetime.fromisoformat(text + ":00").replace(tzinfo=UTC) for text in told)
    assert told_by(name) == wanted


def test_a_blob_whose_path_tells_no_hour_is_never_passed_over() -> None:
    assert hours(datetime(2026, 11, 20, tzinfo=UTC), None).reach("a/y=2026/m=13/x.json") is Reach.UNKNOWN


def test_without_a_span_everything_is_wanted() -> None:
    assert hours(None, None) == Hours()
    assert Hours().reach("exports/") is Reach.ALL


def test_the_ends_of_the_calendar_are_open() -> None:
    assert hours(datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)) == Hours()


def test_a_time_of_another_zone_is_moved_to_utc() -> None:
    berlin = timezone(timedelta(hours=1))
    assert hours(datetime(2026, 11, 21, 0, 30, tzinfo=berlin), None).begin == datetime(2026, 11, 20, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("since", "until", "words"),
    [
        (20, 21, "the hours 2026-11-19 23:00 to 2026-11-21 03:00 UTC"),
        (20, None, "the hours from 2026-11-19 23:00 UTC on"),
        (None, 21, "the hours before 2026-11-21 03:00 UTC"),
        (None, None, "any hour"),
    ],
)
def test_hours_are_told_in_words(since: int | None, until: int | None, words: str) -> None:
    begin, end = (datetime(2026, 11, day, tzinfo=UTC) if day else None for day in (since, until))
    assert str(hours(begin, end)) == words


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("resourceId=/SUBSCRIPTIONS/", True),
        ("flowLogResourceID=/A_NETWORKWATCHERRG/", True),
        ("copy/WorkspaceResourceId=/s/", True),
        ("y=2026/m=11/", True),
        ("exports/", False),
        ("resourceId/", False),
    ],
)
def test_what_azure_lays_out_is_known_by_its_names(name: str, is_one: bool) -> None:
    assert is_laid_out(name) is is_one
