from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from fwlens import flow
from fwlens.flow import CAUSES, ENTRY, FLOW, KEY, LAWS, conform, empty, fold, fold_entries, service

Row = dict[str, Any]
WHEN = datetime(2025, 11, 26, 2, 14, 47, tzinfo=UTC)
SOUND: Row = {
    "first_seen": WHEN, "last_seen": WHEN, "events": 3, "src_ip": "10.0.0.4", "dst_ip": "203.0.113.7", "dst_fqdn": None,
    "dst_port": "443", "protocol": "TCP", "direction": "Outbound", "action": "Deny", "cause": "no rule", "rule": None,
    "plane": "nsg", "device": "/NSG", "fault": None, "slot": None, "place": "f", "rows": 2, "line": 9,
}  # fmt: skip
FLOWN: Row = {
    "first_seen": WHEN, "last_seen": WHEN, "events": 3, "src_ip": "10.0.0.4", "dst_ip": "203.0.113.7", "dst_fqdn": None,
    "dst_port": 443, "protocol": "tcp", "direction": "outbound", "action": "Deny", "cause": "no rule", "rule": None,
    "plane": "nsg", "device": "/nsg", "origin": "f:9", "slot": None, "place": "f", "rows": 2,
}  # fmt: skip
NAMED = {"dst_ip": None, "dst_fqdn": "pypi.example.org"}


def entries(*overs: Row) -> pl.DataFrame:
    return pl.DataFrame([SOUND | over for over in overs], schema=ENTRY, orient="row")


def conformed(**over: Any) -> tuple[list[Row], list[Row]]:
    good, bad = conform(entries(over))
    return good.to_dicts(), bad.to_dicts()


def test_a_sound_entry_becomes_a_flow_in_our_words() -> None:
    assert conformed() == ([FLOWN], [])


BROKEN: dict[str, list[Row]] = {
    "time": [{"first_seen": None}, {"last_seen": None}, {"first_seen": datetime(1970, 1, 1, tzinfo=UTC)},
     {"last_seen": datetime(9000, 1, 1, tzinfo=UTC)}],
    "source address": [{"src_ip": None}, {"src_ip": ""}, {"src_ip": "host"}, {"src_ip": "33.778.136.777"},
     {"src_ip": "10.0.0.4/24"}],
    "destination address": [{"dst_ip": "33.778.136.777", "dst_fqdn": "x.example.org"}],
    "plain host name": [{"dst_fqdn": "a b"}, {"dst_fqdn": "a" * 64 + ".org"}, {"dst_fqdn": "a." * 126 + "org"}],
    "destination": [{"dst_ip": None}, {"dst_ip": ""}, {"dst_ip": None, "dst_fqdn": ""},
     {"dst_ip": None, "dst_fqdn": "."}],
    "protocol": [{"protocol": None}, {"protocol": ""}, {"protocol": "quic"}, {"protocol": "6666"},
     {"protocol": "tcp udp"}],
    "port": [{"dst_port": None}, {"dst_port": "0"}, {"dst_port": "-1"}, {"dst_port": "65536"}, {"dst_port": "443.5"},
     {"dst_port": "https"}, {"dst_port": ""}],
    "direction": [{"direction": ""}, {"direction": "x"}, {"direction": "sideways"}],
    "action": [{"action": None}, {"action": ""}, {"action": "deny"}, {"action": "Alert"}],
    "events": [{"events": 0}, {"events": None}],
}  # fmt: skip


def test_every_law_has_a_case_that_breaks_it_alone() -> None:
    assert list(BROKEN) == list(LAWS)


@pytest.mark.parametrize(("law", "over"), [(law, over) for law, overs in BROKEN.items() for over in overs])
def test_an_entry_that_breaks_one_law_is_set_aside_under_its_name(law: str, over: Row) -> None:
    assert conformed(**over) == ([], [{"place": "f", "reason": f"breaks the law of: {law}", "rows": 2, "line": 9}])


def test_an_entry_that_breaks_several_laws_names_them_all_in_one_order() -> None:
    _, bad = conformed(protocol="", action=None, src_ip="?", first_seen=None)
    assert [row["reason"] for row in bad] == ["breaks the law of: time, source address, protocol, action"]


def test_a_fault_of_the_format_is_kept_and_no_law_is_asked() -> None:
    assert conformed(fault="alert", src_ip=None) == ([], [{"place": "f", "reason": "alert", "rows": 2, "line": 9}])


def test_a_denial_without_host_name_may_lack_destination_and_port() -> None:
    good, bad = conformed(cause="no host name", dst_ip=None, dst_port=None, protocol="HTTPS")
    assert good == [FLOWN | {"cause": "no host name", "dst_ip": None, "dst_port": None, "protocol": "https"}]
    assert bad == []


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        ({"protocol": "T"}, {}),
        ({"protocol": " tcp "}, {}),
        ({"protocol": "6"}, {}),
        ({"protocol": "U"}, {"protocol": "udp"}),
        ({"protocol": "17"}, {"protocol": "udp"}),
        ({"protocol": "HTTPS"}, {"protocol": "https"}),
        ({"protocol": "MSSQL", "dst_port": "1433"}, {"protocol": "mssql", "dst_port": 1433}),
        ({"protocol": "1"}, {"protocol": "icmp", "dst_port": None}),
        ({"protocol": "ICMP Type=8", "dst_port": "0"}, {"protocol": "icmp", "dst_port": None}),
        ({"protocol": "58", "dst_port": None}, {"protocol": "icmpv6", "dst_port": None}),
        ({"protocol": "ICMPv6 Type=128"}, {"protocol": "icmpv6", "dst_port": None}),
        ({"protocol": "50"}, {"protocol": "esp", "dst_port": None}),
        ({"protocol": "89"}, {"protocol": "ip", "dst_port": None}),
        ({"protocol": "Any"}, {"protocol": "ip", "dst_port": None}),
        ({"dst_port": "443.0"}, {}),
        ({"dst_port": "65535"}, {"dst_port": 65535}),
        ({"direction": "O"}, {}),
        ({"direction": "Inbound"}, {"direction": "inbound"}),
        ({"direction": "I"}, {"direction": "inbound"}),
        ({"direction": None}, {}),
        ({"direction": None, "src_ip": "198.51.100.9"}, {"direction": "inbound", "src_ip": "198.51.100.9"}),
        ({"direction": None, "src_ip": "fd10::4"}, {"src_ip": "fd10::4"}),
        ({"direction": None, "src_ip": "2001:db8::4"}, {"direction": "inbound", "src_ip": "2001:db8::4"}),
        ({"src_ip": "[FD10:0000::0004%eth0]"}, {"src_ip": "fd10::4"}),
        ({"dst_ip": None, "dst_fqdn": "203.0.113.7"}, {}),
        ({"dst_ip": None, "dst_fqdn": "[2001:db8::7]"}, {"dst_ip": "2001:db8::7"}),
        ({"dst_ip": None, "dst_fqdn": "203.0.113.7:443"}, {}),
        ({"dst_ip": None, "dst_fqdn": "[2001:db8::7]:443"}, {"dst_ip": "2001:db8::7"}),
        ({"dst_fqdn": "203.0.113.8"}, {}),
        ({**NAMED, "dst_fqdn": "PyPI.Example.ORG."}, NAMED),
        ({**NAMED, "dst_fqdn": "pypi.example.org:8443"}, NAMED),
        ({**NAMED, "dst_fqdn": "\tpypi.example.org "}, NAMED),
        ({"rule": "a\x00b\u202ec\u2028d\U000e0041"}, {"rule": "a\ufffdb\ufffdc\ufffdd\ufffd"}),
        ({"rule": ""}, {}),
        ({"rule": "x" * 999}, {"rule": "x" * 300}),
        ({"device": "/A\x1b[2J"}, {"device": "/a\ufffd[2j"}),
        ({"device": None}, {"device": None}),
        ({"action": "Allow", "cause": None}, {"action": "Allow", "cause": None}),
    ],
)
def test_an_entry_is_put_into_our_words(over: Row, expected: Row) -> None:
    assert conformed(**over) == ([FLOWN | expected], [])


HOSTILE = [
    "'", '"', "`", "a'b.example.org", 'a"b.example.org', "a b.example.org", "a\nb.example.org", "a.example.org\nb",
    "a\tb.example.org",
    "a\x00.example.org", "a\x1b[31m.example.org", "a\x7f.example.org", "a\u202e.example.org", "a\u2066b.example.org",
    "a\u2028.example.org",
    "a\u200b.example.org", "\ufeffa.example.org", "$(reboot).example.org", "${HOME}.example.org",
    "`reboot`.example.org", "a;reboot.example.org",
    "a|b.example.org", "a&b.example.org", "a>b.example.org", "<script>.example.org", "a%2eexample.org",
    "%00.example.org", "a..example.org",
    ".example.org", "a.example.org..", "-a.example.org", "a-.example.org", "a.-example.org", "a.example.org-",
    "a.example.-org", "größe.example.org",
    "doc\u212aer.io", "\u0430pple.example.org", "ｅxample.org", "a。example.org", "*.example.org", "*", "a.*.org",
    "example.org/path",
    "https://example.org", "javascript:alert(1)", "a@example.org", "a:b@example.org", "a,b.example.org",
    "a=b.example.org", "=1+1.example.org",
    "@file.example.org", "a\\b.example.org", "a+b.example.org", "a#b.example.org", "a?b.example.org", "a!b.example.org",
    "a~b.example.org",
    "[a].example.org", "{a}.example.org", "(a).example.org", "1.2.3", "1.2.3.4.5", "256.1.1.1", "0x7f.0.0.1",
    "2130706433", "1.2.3.4a5.6",
    "a" * 64 + ".example.org", "a." * 127 + "org", "x" * 100_000, "example.org:https", "example.org:443:443",
    "::ffff:999.1.1.1", "İstanbul.example.org",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_never_comes_through(name: str) -> None:
    good, bad = conformed(dst_ip=None, dst_fqdn=name)
    assert good == []
    assert [row["reason"] for row in bad] == ["breaks the law of: plain host name"]


@pytest.mark.parametrize(
    ("name", "address"), [("[::1]", "::1"), ("::1", "::1"), ("10.0.0.1", "10.0.0.1"), ("[10.0.0.1]:80", "10.0.0.1")]
)
def test_an_address_never_comes_through_as_a_name(name: str, address: str) -> None:
    good, _ = conformed(dst_ip=None, dst_fqdn=name)
    assert [(row["dst_fqdn"], row["dst_ip"]) for row in good] == [(None, address)]


@pytest.mark.parametrize(
    "name",
    ["example.org", "a.b.c.d.e.example.org", "xn--bcher-kva.example", "_dmarc.example.org", "a_b.example.org",
     "1.example.org", "a-b.example.org", "localhost", "db01", "a" * 63 + ".org", "a." * 125 + "org"],
)  # fmt: skip
def test_a_plain_name_comes_through(name: str) -> None:
    good, bad = conformed(dst_ip=None, dst_fqdn=name)
    assert ([row["dst_fqdn"] for row in good], bad) == ([name], [])


@given(st.text(max_size=12) | st.text("aA.-_0 %$'\u212a\u0130", max_size=12))
def test_whatever_a_client_sends_only_a_plain_name_comes_through(name: str) -> None:
    good, bad = conformed(dst_ip=None, dst_fqdn=name)
    assert len(good) + len(bad) == 1
    for row in good:
        host = row["dst_fqdn"]
        if host is not None:
            assert host.isascii()
            assert set(host) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-_")
            assert host in name.lower()


# Folding


TIMES = st.datetimes(datetime(2025, 11, 26), datetime(2025, 11, 27), timezones=st.just(UTC))
FLOWS = st.lists(
    st.fixed_dictionaries(
        {
            "first_seen": TIMES,
            "last_seen": TIMES,
            "events": st.integers(1, 2**40),
            "src_ip": st.sampled_from(["10.0.0.4", "10.0.0.5"]),
            "dst_ip": st.sampled_from(["203.0.113.7", None]),
            "dst_fqdn": st.sampled_from([None, "pypi.example.org"]),
            "dst_port": st.sampled_from([443, None]),
            "protocol": st.sampled_from(["tcp", "icmp"]),
            "direction": st.just("outbound"),
            "action": st.sampled_from(["Allow", "Deny"]),
            "cause": st.sampled_from([None, *CAUSES.categories[:2]]),
            "rule": st.sampled_from([None, "r"]),
            "plane": st.just("nsg"),
            "device": st.sampled_from([None, "/nsg"]),
            "origin": st.sampled_from(["a:1", "a:10", "b:2"]),
        }
    ),
    max_size=12,
)


def framed(rows: Iterable[Row]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=FLOW, orient="row")


@given(FLOWS)
def test_folding_is_what_a_dictionary_would_do(rows: list[Row]) -> None:
    by_key: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        by_key.setdefault(tuple(row[name] for name in KEY), []).append(row)
    wanted = [
        group[0]
        | {
            "first_seen": min(row["first_seen"] for row in group),
            "last_seen": max(row["last_seen"] for row in group),
            "events": sum(row["events"] for row in group),
            "origin": min(row["origin"] for row in group),
        }
        for group in by_key.values()
    ]
    found = fold(framed(rows))
    assert found.schema == FLOW
    assert_frame_equal(found, framed(wanted), check_row_order=False)


@given(FLOWS, FLOWS, FLOWS)
def test_folding_is_associative_and_commutative(one: list[Row], two: list[Row], three: list[Row]) -> None:
    whole = fold(framed([*one, *two, *three]))
    left = fold(pl.concat([fold(pl.concat([fold(framed(one)), framed(two)])), framed(three)]))
    right = fold(pl.concat([fold(pl.concat([framed(three), fold(framed(two))])), fold(framed(one))]))
    assert_frame_equal(left, whole)
    assert_frame_equal(right, whole)
    assert_frame_equal(fold(whole), whole)


@given(FLOWS)
def test_folded_flows_have_one_order(rows: list[Row]) -> None:
    assert fold(framed(rows)).rows() == fold(framed(reversed(rows))).rows()


@given(FLOWS)
def test_many_flows_fold_as_few_do_in_the_same_order(rows: list[Row]) -> None:
    few = fold(framed(rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow, "_MANY", 1)
        patch.setattr(flow, "_RECURS", 0)
        many = fold(framed(rows))
    assert_frame_equal(many, few)


def test_nothing_folds_to_nothing() -> None:
    assert_frame_equal(fold(empty()), empty())
    assert_frame_equal(fold(empty().lazy()), empty())


def test_entries_of_equal_texts_are_one_before_any_text_is_looked_at() -> None:
    later = {"last_seen": WHEN.replace(hour=3), "line": 4, "rows": 1, "events": 5}
    folded = fold_entries(entries({}, later, {"src_ip": "10.0.0.5"}, {"fault": "alert"}).lazy()).collect()
    wanted = entries(later | {"first_seen": WHEN, "events": 8, "rows": 3}, {"src_ip": "10.0.0.5"}, {"fault": "alert"})
    assert_frame_equal(folded.select(ENTRY.names()), wanted, check_row_order=False, check_dtypes=False)


TIMES = st.sampled_from(
    [WHEN, WHEN.replace(hour=4), None, *(datetime(year, 1, 1, tzinfo=UTC) for year in (1970, 9999))]
)


@given(st.lists(st.fixed_dictionaries({"src_ip": st.sampled_from(["10.0.0.4", "[10.0.0.4]", "x"]),
 "protocol": st.sampled_from(["TCP", "tcp"]), "rows": st.integers(1, 9), "events": st.integers(0, 9),
 "first_seen": TIMES, "last_seen": TIMES}), max_size=8))  # fmt: skip
def test_folding_before_conforming_changes_nothing(overs: list[Row]) -> None:
    logged = entries(*overs)
    plain, lost = conform(logged)
    first, lost_first = conform(fold_entries(logged.lazy()).collect())
    assert_frame_equal(fold(plain), fold(first))
    assert plain["rows"].sum() == first["rows"].sum()
    reasons = [one.group_by("reason").agg(pl.col("rows").sum()).sort("reason") for one in (lost, lost_first)]
    assert_frame_equal(*reasons)


@pytest.mark.parametrize(
    ("protocol", "port", "text"), [("https", 443, "https/443"), ("icmp", None, "icmp"), (None, 443, None)]
)
def test_a_service_is_written_in_the_one_notation(protocol: str | None, port: int | None, text: str | None) -> None:
    frame = pl.DataFrame({"p": [protocol], "n": [port]}, schema={"p": pl.String, "n": pl.UInt16})
    assert frame.select(service(pl.col("p"), pl.col("n"))).item() == text


def test_the_frames_build_on_each_other() -> None:
    assert set(KEY) < set(FLOW) < set(flow.MATCHED)
    assert set(KEY) < set(ENTRY)
