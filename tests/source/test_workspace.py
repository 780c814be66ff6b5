"""Log Analytics as the real client meets it on loopback: whole answers whatever goes wrong, and plain words for the rest."""

import gzip
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from fwlens import source
from fwlens.errors import FwlensError
from fwlens.flow import KEY
from fwlens.query import FLOWS, find
from fwlens.source import Flows
from fwlens.source.asking import LIMITS
from fwlens.source.session import Target
from fwlens.source.workspace import Answer, Window, planned, pull
from tests import kusto, loopback
from tests.loopback import PASSING, WORKSPACE, Loopback, at_random, in_turn
from tests.source.pulls import HERE, NETWORK, WHOLE, line_to, night

SAMPLES = Path(__file__).parent.parent.parent / "sample_logs"
SECOND = "bbbbbbbb-0000-4000-8000-000000000002"
FIREWALL = f"/subscriptions/{WORKSPACE}/resourceGroups/rg-ml/providers/Microsoft.Network/azureFirewalls/fw-ml"
MINUTE = timedelta(minutes=1)


def folded(answers: Sequence[Answer]) -> Counter[tuple[str, ...]]:
    """The rows of answers, folded once more: how many rows of the table each conversation stands for."""
    rows: Counter[tuple[str, ...]] = Counter()
    for answer in answers:
        table = json.loads(gzip.decompress(answer.body))["tables"][0]
        names = [column["name"] for column in table["columns"]]
        for row in table["rows"]:
            cells = dict(zip(names, row, strict=True))
            count = cells.pop("FoldedRows")
            rows[tuple(f"{name}={cell}" for name, cell in cells.items() if name not in ("FirstSeen", "LastSeen"))] += (
                count
            )
    return rows


def told_apart(read: Flows) -> pl.DataFrame:
    """Flows in an order of their own, without the place where they stand."""
    return read.rows.drop("origin").sort(KEY)


def account(read: Flows) -> dict[str, int]:
    """How many rows were used, and set aside for which reason; a table holds no damaged line as a file does."""
    reasons = {each.reason: each.rows for each in read.ledger.set_aside if each.reason != "malformed: not JSON"}
    return {"used": read.ledger.rows_used, **reasons}


def from_files() -> Flows:
    """The files of the sample night that the loopback's tables hold too."""
    names = ("azfw.jsonl", "azdiag.jsonl", "azurenetworkanalytics-cl.json", "ntanetanalytics.csv")
    return source.read([str(SAMPLES / name) for name in names])


def test_what_is_pulled_is_what_the_files_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with line_to(Loopback({WORKSPACE: night()}), tmp_path, monkeypatch) as line:
        places = pull(line.target, WHOLE, session=line.session, tell=line.told.append)
    read, files = source.read([], places=places), from_files()
    assert read.faults == files.faults == ()
    assert_frame_equal(told_apart(read), told_apart(files))
    assert account(read) == account(files)
    assert [place.label for place in places] == [
        f"{WORKSPACE}/{table} 2026-11-20T22:00Z/2026-11-21T00:00Z"
        for table in (
            "AZFWApplicationRule", "AZFWDnsQuery", "AZFWIdpsSignature", "AzureDiagnostics", "AZFWNatRule",
            "AZFWNetworkRule", "AZFWThreatIntel", "AzureNetworkAnalytics_CL", "NTANetAnalytics",
        )
    ]  # fmt: skip
    assert line.told == [
        f"workspace {WORKSPACE} has no table AZFWApplicationRuleAggregation, AZFWDnsFlowTrace, AZFWFatFlow, "
        "AZFWFlowTrace, AZFWInternalFqdnResolutionFailure, AZFWNatRuleAggregation, AZFWNetworkRuleAggregation: nothing "
        "of that kind is sent there."
    ]
    assert [asked["resource"] for asked in line.server.tokens] == [[line.target.address]]  # one token for all


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_goes_wrong_on_the_way_the_same_flows_come(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = at_random(seed, 0.5)
    basic = frozenset({"AZFWApplicationRule", "NTANetAnalytics"})
    server = Loopback({WORKSPACE: night()}, plan=plan, rows=45, basic=basic)
    with line_to(server, tmp_path, monkeypatch) as line:
        places = pull(line.target, WHOLE, session=line.session, tell=line.told.append)
    met = {plan(asked) for asked in server.asked} - {""}
    assert len(met) > len(PASSING) / 2
    read, files = source.read([], places=places), from_files()
    assert_frame_equal(told_apart(read), told_apart(files))
    assert account(read) == account(files)


TOLD = {
    "429 at once": "throttled (HTTP 429), trying again in 0 s (1 of 4).",
    "429 in 7 s": "throttled (HTTP 429), trying again in 7 s (1 of 4).",
    "429 in an hour": "throttled (HTTP 429), trying again in 120 s (it asks for 3,600 s) (1 of 4).",
    "429": "throttled (HTTP 429), trying again in 2 s (1 of 4).",
    "500": "HTTP 500, trying again in 2 s (1 of 4).",
    "502": "HTTP 502 without an answer in JSON, trying again in 2 s (1 of 4).",
    "503": "HTTP 503, trying again in 2 s (1 of 4).",
    "503 bare": "HTTP 503 without an answer in JSON, trying again in 2 s (1 of 4).",
    "504": "the query takes too long (HTTP 504); asking for it in two pieces.",
    "504 bare": "HTTP 504, trying again in 2 s (1 of 4).",
    "dropped": "the connection was dropped, trying again in 2 s (1 of 4).",
    "truncated": "the connection was dropped, trying again in 2 s (1 of 4).",
    "html": "HTTP 200 with a body that is no whole answer, trying again in 2 s (1 of 4).",
    "empty": "HTTP 200 with an empty body, trying again in 2 s (1 of 4).",
    "partial": "the answer is partial (E_QUERY_RESULT_SET_TOO_LARGE); asking for it in two pieces.",
    "partial without rows": "the answer is partial (E_QUERY_RESULT_SET_TOO_LARGE); asking for it in two pieces.",
    "400 too large": "the answer is too large (ResponseSizeError); asking for it in two pieces.",
    "413": "the answer is too large (HTTP 413); asking for it in two pieces.",
}


def test_every_fault_that_passes_is_tried_here() -> None:
    assert set(PASSING) <= set(TOLD)


@pytest.mark.parametrize(("fault", "words"), TOLD.items(), ids=TOLD)
def test_a_fault_that_passes_is_told_and_costs_no_row(
    fault: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Loopback({WORKSPACE: night()}, plan=in_turn(fault))
    with line_to(server, tmp_path, monkeypatch) as line:
        found = line.answers()
    assert line.told == [f"{HERE}: {words}"]
    assert sum(folded(found).values()) == 26
    assert len(line.slept) == words.endswith("(1 of 4).")


def test_tries_wait_longer_each_time_and_end_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Loopback({WORKSPACE: night()}, plan=lambda _: "503")
    with line_to(server, tmp_path, monkeypatch) as line, pytest.raises(FwlensError) as failed:
        line.answers()
    assert str(failed.value) == (
        f"{HERE}: no whole answer after 5 tries (HTTP 503). Try again later; https://azure.status.microsoft tells of "
        "outages."
    )
    assert len(server.asked) == 5
    assert [wait // 1 for wait in line.slept] == sorted(wait // 1 for wait in line.slept)
    assert all(2 ** (n + 1) <= wait < 2 ** (n + 1) * 1.25 for n, wait in enumerate(line.slept))


def test_a_pull_does_not_try_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Loopback({WORKSPACE: night()}, plan=lambda _: "429 in an hour")
    with line_to(server, tmp_path, monkeypatch) as line, pytest.raises(FwlensError) as failed:
        line.answers(limits=replace(LIMITS, waiting=600))
    assert str(failed.value).endswith(
        ": throttled (HTTP 429), and this pull has been tried again 5 times already. Wait for the service to recover, "
        "or ask for less time (--since, --until)."
    )
    assert line.slept == [120.0] * 5


def test_a_service_that_throttles_for_long_is_asked_for_less_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Loopback({WORKSPACE: night()}, plan=in_turn(*["429 at once"] * 5))
    with line_to(server, tmp_path, monkeypatch) as line:
        found = line.answers()
    assert line.told[-1] == f"{HERE}: the service throttles; asking for it in two pieces."
    assert [str(answer.piece.window) for answer in found] == [
        "2026-11-20T22:00Z/23:00Z", "2026-11-20T23:00Z/2026-11-21T00:00Z",
    ]  # fmt: skip
    assert sum(folded(found).values()) == 26


def test_a_server_may_name_the_moment_to_try_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    later = formatdate(datetime.now(UTC).timestamp() + 45, usegmt=True)
    monkeypatch.setitem(loopback.FAULTS, "429 then", loopback.error(429, "x", "y", headers=(("Retry-After", later),)))
    server = Loopback({WORKSPACE: night()}, plan=in_turn("429 then"))
    with line_to(server, tmp_path, monkeypatch) as line:
        line.answers()
    assert len(line.slept) == 1
    assert 0 < line.slept[0] <= 45


def test_what_is_too_large_for_a_minute_is_cut_by_its_conversations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = [
        {"TimeGenerated": WHOLE.seen_from + timedelta(seconds=n % 50), "Action": "Deny", "SourceIp": f"10.0.0.{n}"}
        for n in range(60)
    ]
    server = Loopback({WORKSPACE: kusto.Workspace({"AZFWNetworkRule": crowd})}, rows=20)
    minute = Window(WHOLE.seen_from, WHOLE.seen_from + MINUTE)
    with line_to(server, tmp_path, monkeypatch) as line:
        found = line.answers(window=minute)
        assert sum(folded(found).values()) == len(folded(found)) == 60
        with pytest.raises(FwlensError) as failed:
            line.answers(window=minute, limits=replace(LIMITS, parts=1))
    assert found[0].piece.label.startswith(f"{WORKSPACE}/AZFWNetworkRule {minute} part 1 of ")
    assert str(failed.value) == (
        f"{WORKSPACE}/AZFWNetworkRule 2026-11-20T22:00Z/22:01Z: the answer is partial (E_QUERY_RESULT_SET_TOO_LARGE), "
        "and it cannot be asked for in smaller pieces. Ask for other hours (--since, --until), for one resource "
        "(--resource), or export the table to a storage account and read that."
    )


def test_an_answer_as_large_as_one_may_be_is_not_believed_to_be_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with line_to(Loopback({WORKSPACE: night()}), tmp_path, monkeypatch) as line:
        whole = line.answers()
        assert line.told == []
        found = line.answers(limits=replace(LIMITS, rows=whole[0].rows))
    assert line.told[0].startswith(f"{HERE}: the answer is as large as one may be ({whole[0].rows} rows, ")
    assert folded(found) == folded(whole)


def test_a_night_is_split_by_its_arrival_where_that_is_the_shorter_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = Window(
        WHOLE.seen_from - timedelta(days=2), WHOLE.seen_before, WHOLE.seen_from, WHOLE.seen_before + 10 * MINUTE
    )
    with line_to(Loopback({WORKSPACE: night()}, rows=7), tmp_path, monkeypatch) as line:
        found = line.answers(window=days)
    assert sum(folded(found).values()) == 26
    assert {(answer.piece.window.seen_from, answer.piece.window.seen_before) for answer in found} == {
        (days.seen_from, days.seen_before)
    }
    assert found[0].piece.label == (
        f"{WORKSPACE}/AZFWNetworkRule 2026-11-18T22:00Z/2026-11-21T00:00Z arrived 2026-11-20T22:00Z/23:05Z"
    )


def test_a_basic_table_is_searched_and_keeps_its_seams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seam = WHOLE.seen_from + 60 * MINUTE
    moments = [WHOLE.seen_from, seam - timedelta(microseconds=1), seam, WHOLE.seen_before - timedelta(microseconds=1)]
    outside = [WHOLE.seen_from - timedelta(microseconds=1), WHOLE.seen_before]
    rows = [
        {"TimeGenerated": moment, "Action": "Deny", "SourceIp": f"10.0.0.{n}"}
        for n, moment in enumerate([*moments, *outside])
    ]
    tables = {"AZFWNetworkRule": rows}
    server = Loopback({WORKSPACE: kusto.Workspace(tables)}, basic=frozenset(tables), rows=3)
    with line_to(server, tmp_path, monkeypatch) as line:
        found = line.answers()
    assert [asked.path.rpartition("/")[2] for asked in server.asked] == ["query", "search", "search", "search"]
    assert [answer.rows for answer in found] == [2, 2]
    assert sorted(key[2] for key in folded(found)) == [f"SourceIp=10.0.0.{n}" for n in range(4)]
    assert line.told == [f"{HERE}: the answer is partial (E_QUERY_RESULT_SET_TOO_LARGE); asking for it in two pieces."]


def test_several_workspaces_and_resources_are_asked_in_one_run_in_the_order_they_were_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Loopback({WORKSPACE: night(), SECOND: night()}, {FIREWALL: night()})
    target = Target((SECOND, WORKSPACE, SECOND.upper()), (FIREWALL,))
    with line_to(server, tmp_path, monkeypatch, target) as line:
        found = line.answers()
    assert [answer.piece.scope.name for answer in found] == [SECOND, WORKSPACE, FIREWALL]
    assert sorted({asked.path for asked in server.asked}) == [
        f"/v1{FIREWALL}/query", f"/v1/workspaces/{WORKSPACE}/query", f"/v1/workspaces/{SECOND}/query",
    ]  # fmt: skip
    assert line.told == []


def test_a_workspace_without_the_tables_is_told_where_another_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Loopback({WORKSPACE: night(), SECOND: kusto.Workspace({"NTANetAnalytics": []})})
    with line_to(server, tmp_path, monkeypatch, Target((WORKSPACE, SECOND))) as line:
        found = line.answers()
    assert len(found) == 1
    assert line.told == [
        f"workspace {SECOND} has none of the tables that were asked for (AZFWNetworkRule). A firewall sends its logs by "
        "a diagnostic setting (resource-specific tables), flow logs come by Traffic Analytics."
    ]


def test_a_long_time_is_asked_for_a_week_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    month = Window(WHOLE.seen_from - timedelta(days=15), WHOLE.seen_before)
    with line_to(Loopback({WORKSPACE: night()}), tmp_path, monkeypatch) as line:
        found = line.answers(window=month)
    assert [str(answer.piece.window) for answer in found] == [
        "2026-11-05T22:00Z/2026-11-12T22:00Z", "2026-11-12T22:00Z/2026-11-19T22:00Z",
        "2026-11-19T22:00Z/2026-11-21T00:00Z",
    ]  # fmt: skip
    assert sum(folded(found).values()) == 26


def test_a_query_that_does_not_fold_is_asked_for_all_of_the_time_at_once() -> None:
    year = Window(WHOLE.seen_from - timedelta(days=365), WHOLE.seen_before)
    pieces = planned(Target((WORKSPACE,)), year, (find("health"),))
    assert [(piece.window, piece.label) for piece in pieces] == [
        (year, f"{WORKSPACE}/health 2025-11-20T22:00Z/2026-11-21T00:00Z")
    ]


def test_an_hour_without_entries_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = Window(datetime(2026, 11, 19, 1, tzinfo=UTC), datetime(2026, 11, 19, 2, tzinfo=UTC))
    with line_to(Loopback({WORKSPACE: night()}), tmp_path, monkeypatch) as line:
        places = pull(line.target, quiet, session=line.session, tell=line.told.append, queries=NETWORK)
    assert places == ()
    assert line.told == [
        "no log entries from 2026-11-19T01:00Z until 2026-11-19T02:00Z (UTC). Entries take 3 to 10 minutes to arrive, "
        "flow logs an hour or more."
    ]


def test_a_workspace_that_has_logs_is_not_believed_at_once_to_have_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = "firewall-network", "firewall-threat-intelligence"
    server = Loopback({WORKSPACE: night()}, plan=in_turn("204"))
    with line_to(server, tmp_path, monkeypatch) as line:
        found = line.answers(tuple(map(find, silent)), limits=replace(LIMITS, at_once=1))
    assert sum(folded(found).values()) == 27
    stubborn = Loopback({WORKSPACE: night()}, plan=lambda asked: "204" if asked.table == "AZFWThreatIntel" else "")
    with line_to(stubborn, tmp_path, monkeypatch) as line:
        found = line.answers(tuple(map(find, silent)), limits=replace(LIMITS, at_once=1))
    assert sum(folded(found).values()) == 26
    assert line.told[-1] == (
        f"{WORKSPACE}/AZFWThreatIntel 2026-11-20T22:00Z/2026-11-21T00:00Z: no content (HTTP 204) however often it is "
        "asked, taken for no entries."
    )


def test_progress_is_told_by_window_and_ends_at_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched: list[tuple[str, float]] = []
    server = Loopback({WORKSPACE: night()}, rows=6)
    with line_to(server, tmp_path, monkeypatch) as line:
        pull(
            line.target, WHOLE, session=line.session, tell=line.told.append, queries=NETWORK,
            watch=lambda window, there: watched.append((window, there)),
        )  # fmt: skip
    assert {window for window, _ in watched} == {f"firewall-network 2026-11-20T22:00Z/2026-11-21T00:00Z {WORKSPACE}"}
    shares = [there for _, there in watched]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert 0.5 in shares


def test_no_more_than_four_questions_are_open_at_a_time_and_two_searches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Loopback(
        {WORKSPACE: night()},
        plan=lambda _: "slow 0.05",
        basic=frozenset({"AZFWDnsQuery", "AzureDiagnostics", "NTANetAnalytics", "AZFWNatRule"}),
    )
    with line_to(server, tmp_path, monkeypatch) as line:
        line.answers(tuple(map(find, FLOWS)))
    assert server.most["query"] <= 4
    assert server.most["search"] <= 2
