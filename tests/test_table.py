"""How answers look in a terminal: whole texts, and never more than 100 columns whatever a log holds."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwlens import run, table
from fwlens.catalog import load
from fwlens.errors import FwlensError
from fwlens.flow import empty
from fwlens.ledger import Account, Ledger, SetAside
from fwlens.proof import Certificate
from fwlens.tags import read
from tests.plain import NIGHT, Seen, frame
from tests.test_acceptance import found_in

ROOT = Path(__file__).parent.parent
GOLDEN = Path(__file__).parent / "golden"
SAMPLES = run.Ask(logs=(str(ROOT / "sample_logs"),))
LEDGER = Ledger(
    (Account("night.jsonl", "azfw", 9, 7, 2),),
    (SetAside("malformed: not JSON", 2, "night.jsonl:4"),),
)
SMALL = [
    *(Seen(src=src, host=host, events=3) for src in ("10.20.1.4", "10.20.1.5") for host in ("pypi.org", "huggingface.co")),
    Seen(ip="203.0.113.70", service="tcp/443", plane="nsg", cause="deny rule", rule="DenyInternet", events=2),
    Seen(host="ntp.ubuntu.com", service="udp/123"),
    Seen(host="pypi.org", service="https/8443"),
    Seen(src="10.20.1.9", host="update.malware.example", cause="threat intelligence"),
]  # fmt: skip


def text_of(seen: Sequence[Seen], ask: run.Ask = SAMPLES) -> str:
    found = found_in(seen, ask)
    found = replace(found, flows=replace(found.flows, ledger=LEDGER))
    return table.recommendations(run.answered(ask, found)[0])


@pytest.mark.parametrize(
    ("name", "ask"),
    [("recommend.txt", SAMPLES), ("recommend-subnet.txt", replace(SAMPLES, subnets=("10.20.1.0/24",), platform="nsg", region="westeurope"))],
)  # fmt: skip
def test_an_answer_looks_like_this(name: str, ask: run.Ask, request: pytest.FixtureRequest) -> None:
    said = text_of(SMALL, ask)
    if request.config.getoption("--update-golden"):
        (GOLDEN / name).write_text(said, "utf-8")
    assert said == (GOLDEN / name).read_text("utf-8")


def test_no_blocked_flow_is_said_in_a_line() -> None:
    assert text_of([Seen(host="pypi.org", action="Allow")]) == (
        "Nothing was blocked in 9 rows read.\n\n"
        "Read 9 rows of 1 file: 7 used, 2 set aside.\n"
        "            2  malformed: not JSON (first: night.jsonl:4)\n"
    )


def test_flows_that_differ_look_different_by_what_makes_them_differ() -> None:
    evil = Seen(host="update.malware.example", cause="threat intelligence")
    odd = Seen(ip="192.0.2.9", service="tcp/25", device="/subscriptions/0/azurefirewalls/hub", cause="no rule")
    lines = text_of(
        [
            replace(evil, events=3),
            replace(evil, ip="198.51.100.66", events=2),
            replace(evil, src="10.20.1.5"),
            replace(odd, events=9),
            replace(odd, cause="deny rule", rule="DenyMail", events=8),
            replace(odd, device="/subscriptions/0/azurefirewalls/spoke", events=7),
            replace(odd, direction="inbound", events=6),
        ]
    ).splitlines()
    assert [line for line in lines if line.startswith("10.20.1.")] == [
        "10.20.1.4  192.0.2.9  tcp/25        9  outbound, denied by no rule, seen at hub",
        "10.20.1.4  192.0.2.9  tcp/25        8  outbound, denied by DenyMail, seen at hub",
        "10.20.1.4  192.0.2.9  tcp/25        7  outbound, denied by no rule, seen at spoke",
        "10.20.1.4  192.0.2.9  tcp/25        6  inbound, denied by no rule, seen at hub",
        "10.20.1.4  update.malware.example  https/443        3  threat intelligence",
        "10.20.1.4  update.malware.example  https/443        2  threat intelligence, at 198.51.100.66",
        "10.20.1.5  update.malware.example  https/443        1  threat intelligence",
    ]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Certificate(True, True, True, 0, 0, 0, {}), ""),
        (
            Certificate(True, True, True, 1, 1, 0, {"a": 0}),
            "Certificate: complete, sound, irredundant; 1 rule, the fewest possible; surplus 0.\n",
        ),
        (
            Certificate(False, False, False, 3, 2, 1234, {}, ("A fault.", "10.0.0.4 to " + "x" * 30 + " over tcp/443 stays blocked, and this is a long sentence about it.")),
            "Certificate: NOT complete, NOT sound, NOT irredundant; 3 rules; surplus 1,234.\n"
            "    fault     A fault.\n"
            "    fault     10.0.0.4 to xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx over tcp/443 stays blocked, and this is a\n"
            "              long sentence about it.\n",
        ),
    ],
    ids=["nothing to prove", "holds", "does not"],
)  # fmt: skip
def test_a_certificate_is_a_line_and_its_faults(found: Certificate, said: str) -> None:
    assert table.certificate(found) == said


@pytest.mark.parametrize(
    ("rules", "bound", "proven", "fewest", "claim"),
    [
        (8, 8, 8, "8 rules, the fewest possible", ""),
        (2, 1, 1, "2 rules, at least 1 is needed", ""),
        (9, 8, 8, "9 rules, at least 8 are needed", ""),
        (8, 8, 5, "8 rules, the fewest possible by its claim",
         "    claim     The answer claims that at least 8 are needed; this check proves 5 by itself and cannot\n"
         "              refute the rest.\n"),
        (9, 8, 5, "9 rules, at least 8 are needed by its claim",
         "    claim     The answer claims that at least 8 are needed; this check proves 5 by itself and cannot\n"
         "              refute the rest.\n"),
    ],
)  # fmt: skip
def test_what_a_check_proves_and_what_an_answer_claims_are_told_apart(
    rules: int, bound: int, proven: int, fewest: str, claim: str
) -> None:
    found = Certificate(True, True, True, rules, bound, 0, {}, proven=proven)
    line = f"Certificate: complete, sound, irredundant; {fewest}; surplus 0.\n"
    assert table.certificate(found, checked=True) == line + claim
    assert table.certificate(found) == line.replace(" by its claim", "")


@pytest.mark.parametrize("holds", [(False, True), (True, False), (False, False)])
def test_a_set_that_does_not_hold_is_never_called_the_fewest(holds: tuple[bool, bool]) -> None:
    marks = [name if each else f"NOT {name}" for name, each in zip(("complete", "sound"), holds, strict=True)]
    said = f"Certificate: {', '.join(marks)}, irredundant; 1 rule; surplus 0.\n"
    assert table.certificate(Certificate(*holds, True, 1, 1, 0, {}, proven=1), checked=True) == said


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [(1, "rule", "1 rule"), (0, "rule", "0 rules"), (1, "log entry", "1 log entry"), (1234, "log entry", "1,234 log entries")],
)  # fmt: skip
def test_a_number_says_whether_it_is_one(number: int, noun: str, said: str) -> None:
    assert table.plural(number, noun) == said


def test_a_time_is_told_to_the_minute() -> None:
    assert [table.clock(NIGHT), table.clock(None)] == ["2026-11-20 22:00", "-"]


def test_columns_are_aligned_numbers_to_the_right_and_what_is_absent_a_dash() -> None:
    rows = [("a", 5, None), ("bcd", 1234, "x")]
    assert table.columns(("name", "n", "last"), rows) == "name      n  last\na         5  -\nbcd   1,234  x\n"
    assert table.columns(("name",), []) == ""


_WORDS = st.text(st.characters(blacklist_categories=("C", "Z", "M"), max_codepoint=0x2FF), max_size=200)
_ROWS = st.integers(1, 6).flatmap(
    lambda n: st.lists(st.lists(_WORDS | st.integers(0, 10**9), min_size=n, max_size=n), min_size=1, max_size=5)
)


@given(_ROWS, st.integers(20, 200))
def test_no_table_is_wider_than_its_columns_and_none_loses_a_word_that_has_room(
    rows: list[list[Any]], width: int
) -> None:
    header = ["column"] * len(rows[0])
    lines, whole = (table.columns(header, rows, room).splitlines() for room in (width, None))
    assert len(lines) == len(whole) == len(rows) + 1
    assert max(map(len, lines)) <= width
    assert not any("…" in line for line in whole if "…" not in str(rows))
    if max(map(len, whole)) <= width:
        assert lines == whole


def test_nothing_in_a_table_moves_a_cursor_or_hides() -> None:
    """Cells are words of a server too (`query run`), which sends names as clients wrote them."""
    strange = "\x1b]0;x\x07a\n\u202eb\x9b"
    assert table.columns((strange, "n"), [(strange, 1), ("plain", 2)]) == (
        "\ufffd]0;x\ufffda\ufffd\ufffdb\ufffd  n\n\ufffd]0;x\ufffda\ufffd\ufffdb\ufffd  1\nplain        2\n"
    )


def test_narrow_columns_are_whole_and_wide_ones_share_what_is_left() -> None:
    rows = [("a", "b" * 50, 1234, "c" * 30)]
    assert table.columns(("x", "y", "n", "z"), rows, 40) == (
        "x  y                   n  z\na  bbbbbbbbbbbbb…  1,234  ccccccccccccc…\n"
    )
    assert table.columns(("x", "y", "n", "z"), rows, 80).splitlines()[1] == f"a  {'b' * 37}…  1,234  {'c' * 30}"


@cache
def everything(width: int = 100) -> dict[str, str]:
    known, found = load(), run.matched(SAMPLES, run.flows_of(SAMPLES))
    answers = {
        f"recommend {choice}": table.recommendations(run.answered(ask, run.matched(ask, run.flows_of(ask)))[0], width)
        for choice, ask in (
            ("", SAMPLES),
            ("with allowed", replace(SAMPLES, with_allowed=True)),
            ("for an NSG", replace(SAMPLES, platform="nsg")),
            ("for a managed network", replace(SAMPLES, platform="aml-managed-network", region="westeurope")),
            ("few", replace(SAMPLES, at_most=6)),
            ("wide", replace(SAMPLES, breadth="documented", subnets=("10.0.0.0/8",))),
        )
    }
    return {
        **answers,
        "flows": table.flows_as_text(found.flows.rows, found.flows.ledger, width).decode(),
        "match": table.flows_as_text(found.rows, found.flows.ledger, width).decode(),
        "catalog list": table.catalog(known, width),
        **{f"catalog show {one.id}": table.requirement(one, known, width) for one in known.requirements},
        "tags show": table.tags("203.0.113.70", read(ROOT / "sample_logs/service-tags.json"), width),
        "curve": table.curve([(8, 0), (6, 29)], width, as_json=False).decode(),
    }


def test_everything_that_the_tool_prints_of_the_sample_night_fits_100_columns() -> None:
    wide = {(name, line) for name, text in everything().items() for line in text.splitlines() if len(line) > 100}
    assert wide == set()


@pytest.mark.parametrize("width", [60, 80])
def test_in_a_narrower_terminal_only_an_address_and_a_place_are_wider(width: int) -> None:
    """What a terminal breaks itself, it breaks within words."""
    lines = {line.strip() for text in everything(width).values() for line in text.splitlines() if len(line) > width}
    assert {line for line in lines if " " in line} == set()
    assert everything(160).items() >= {(name, everything()[name]) for name in everything() if "show" in name}


def test_a_long_host_or_path_does_not_make_an_answer_wider() -> None:
    host = ".".join(["x" * 60] * 3) + ".anaconda.com"
    evil = ".".join(["y" * 60] * 4) + ".example"
    wide = [line for line in text_of([Seen(host=host), Seen(host=evil, events=4)]).splitlines() if len(line) > 100]
    assert wide == []


def test_the_tags_of_an_address_are_told_narrowest_first() -> None:
    known = read(ROOT / "sample_logs/service-tags.json")
    assert table.tags("203.0.113.70", known) == (
        "tag                                 addresses  usable with\n"
        "BatchNodeManagement.WestEurope             16  API/NSG\n"
        "BatchNodeManagement                        32  API/NSG/UDR/FW\n"
        "AzureCloud.westeurope              16,777,472  API/NSG/UDR/FW  too wide to explain a flow\n"
        "AzureCloud                      4,294,967,552  API/NSG/UDR/FW  too wide to explain a flow\n"
        "Service-tag file of the Public cloud, change number 1.\n"
    )
    assert table.tags("192.0.2.1", known) == (
        "192.0.2.1 belongs to no service tag.\nService-tag file of the Public cloud, change number 1.\n"
    )
    with pytest.raises(FwlensError) as told:
        table.tags("10.0.0", known)
    assert str(told.value) == "'10.0.0' is no IPv4 or IPv6 address."


def test_flows_of_nothing_are_the_account_alone() -> None:
    assert table.flows_as_text(empty(), LEDGER).decode() == (
        "Read 9 rows of 1 file: 7 used, 2 set aside.\n            2  malformed: not JSON (first: night.jsonl:4)\n"
    )


def test_a_long_path_in_the_account_is_cut_where_it_begins() -> None:
    path = "/srv/" + "folder/" * 20 + "night.jsonl:4"
    told = table.flows_as_text(empty(), replace(LEDGER, set_aside=(SetAside("x: a table without flows", 1, path),)))
    line, where = told.decode().splitlines()[1:]
    assert line == "            1  x: a table without flows"
    assert where == f"               (first: …{path[-75:]})"
    assert len(where) == 100


def test_times_in_a_table_do_not_depend_on_where_it_is_read() -> None:
    assert table.clock(datetime.fromisoformat("2026-11-20T23:59:59.999+00:00")) == "2026-11-20 23:59"
    assert frame([Seen(host="pypi.org")])["first_seen"].to_list() == [NIGHT]
