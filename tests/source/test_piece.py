"""The laws of pieces: they never overlap, leave nothing out, and end."""

import gzip
import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fwlens import query
from fwlens.errors import FwlensError
from fwlens.source.asking import LIMITS, Limits
from fwlens.source.piece import Piece, Window
from fwlens.source.session import Reply, Request, Scope, Session, Target
from fwlens.source.workspace import answers
from tests.loopback import WORKSPACE

START = datetime(2026, 11, 20, 22, tzinfo=UTC)
NETWORK = query.find("firewall-network")
MINUTES = st.integers(0, 400).map(lambda minutes: timedelta(minutes=minutes))
SECONDS = st.integers(0, 24_000).map(lambda seconds: START + timedelta(seconds=seconds / 2))
ROWS = st.lists(st.tuples(SECONDS, SECONDS, st.integers(0, 1 << 20)), max_size=25)
"""When seen, when arrived, and the hash of the conversation."""


@st.composite
def windows(draw: st.DrawFn) -> Window:
    seen, arrived = START + draw(MINUTES), START + draw(MINUTES)
    length = timedelta(seconds=1)
    if draw(st.booleans()):
        return Window(seen, seen + draw(MINUTES) + length)
    return Window(seen, seen + draw(MINUTES) + length, arrived, arrived + draw(MINUTES) + length)


def holds(piece: Piece, row: tuple[datetime, datetime, int]) -> bool:
    """Whether a row falls on a piece, as its query says."""
    window, (seen, arrived, number) = piece.window, row
    return (
        window.seen_from <= seen < window.seen_before
        and window.arrived_from <= arrived < window.arrived_before
        and number % piece.parts == piece.part
    )


@given(windows(), ROWS, st.data())
def test_however_pieces_fall_apart_every_row_falls_on_exactly_one(
    window: Window, rows: list[tuple[datetime, datetime, int]], data: st.DataObject
) -> None:
    whole = Piece(Scope(WORKSPACE), NETWORK, window)
    pieces = [whole]
    for _ in range(data.draw(st.integers(0, 30))):
        torn = data.draw(st.sampled_from(pieces))
        if smaller := torn.smaller(LIMITS):
            pieces.remove(torn)
            pieces += smaller
    for row in rows:
        assert sum(holds(piece, row) for piece in pieces) == holds(whole, row)
    assert sum(piece.share for piece in pieces) == pytest.approx(1)


@given(windows(), st.data())
def test_a_piece_cannot_fall_apart_for_ever_and_no_window_is_shorter_than_a_minute_for_it(
    window: Window, data: st.DataObject
) -> None:
    piece, steps = Piece(Scope(WORKSPACE), NETWORK, window), 0
    while smaller := piece.smaller(LIMITS):
        piece, steps = data.draw(st.sampled_from(smaller)), steps + 1
        shortened = (piece.window.seen_before - piece.window.seen_from, window.seen_before - window.seen_from)
        assert shortened[0] == shortened[1] or shortened[0] >= LIMITS.floor
    assert steps <= 9 + 9 + 6
    assert piece.parts == LIMITS.parts


def literal(text: str, name: str) -> str:
    found = re.search(rf"^let {name} = \w+\((.*)\);$", text, re.MULTILINE)
    assert found
    return found[1]


@given(windows(), ROWS, st.integers(2, 6))
@settings(max_examples=60)
def test_what_is_pulled_in_pieces_is_each_row_once(
    window: Window, rows: list[tuple[datetime, datetime, int]], limit: int
) -> None:
    """A plain service: it reads the bounds from the query's text and cuts what is more than the limit."""

    def send(request: Request) -> Reply:
        text = request.query
        bounds = [
            datetime.fromisoformat(literal(text, name))
            for name in ("seenFrom", "seenBefore", "arrivedFrom", "arrivedBefore")
        ]
        piece = Piece(
            request.scope, NETWORK, Window(*bounds), int(literal(text, "part")), int(literal(text, "parts"))
        )  # fmt: skip
        there = [[place, str(row)] for place, row in enumerate(rows) if holds(piece, row)]
        answer = {"tables": [{"name": "PrimaryResult", "columns": [], "rows": there[:limit]}]}
        error = {"error": {"code": "PartialError", "message": "cut"}} if len(there) > limit else {}
        return Reply(200, json.dumps(answer | error).encode())

    session = Session(send, now=lambda: 0.0, sleep=lambda _: None)
    whole = Piece(Scope(WORKSPACE), NETWORK, window)
    wanted = Counter(place for place, row in enumerate(rows) if holds(whole, row))
    minutes = Counter((row[0].replace(second=0), row[2] % LIMITS.parts) for row in rows)
    assume(max(minutes.values(), default=0) <= limit)  # else there is no piece small enough
    found = answers(
        Target((WORKSPACE,)), window, session=session, tell=lambda _: None, queries=(NETWORK,), limits=Limits(at_once=2)
    )
    pulled = [row for answer in found for row in json.loads(gzip.decompress(answer.body))["tables"][0]["rows"]]
    assert Counter(place for place, _ in pulled) == wanted
    order = [(answer.piece.window, answer.piece.parts, answer.piece.part) for answer in found]
    assert order == sorted(order)


def test_a_query_whose_answers_do_not_fold_is_never_cut() -> None:
    window = Window(START, START + timedelta(days=1))
    assert Piece(Scope(WORKSPACE), query.find("health"), window).smaller(LIMITS) == ()


@pytest.mark.parametrize(
    ("window", "shown"),
    [
        (Window(START, START + timedelta(hours=1)), "2026-11-20T22:00Z/23:00Z"),
        (Window(START, START + timedelta(hours=2)), "2026-11-20T22:00Z/2026-11-21T00:00Z"),
        (Window(START, START + timedelta(seconds=1)), "2026-11-20T22:00Z/22:00:01Z"),
        (
            Window(START, START + timedelta(hours=1), START, START + timedelta(days=1)),
            "2026-11-20T22:00Z/23:00Z arrived 2026-11-20T22:00Z/2026-11-21T22:00Z",
        ),
    ],
    ids=lambda each: str(each) if isinstance(each, str) else "",
)
def test_a_window_is_shown_in_utc_and_no_longer_than_needed(window: Window, shown: str) -> None:
    assert str(window) == shown


def test_a_window_of_nothing_and_times_without_a_zone_are_refused() -> None:
    with pytest.raises(FwlensError, match="its end is not after its beginning"):
        Window(START, START)
    with pytest.raises(FwlensError, match="needs times with a zone"):
        Window(START.replace(tzinfo=None), START.replace(tzinfo=None) + timedelta(hours=1))
