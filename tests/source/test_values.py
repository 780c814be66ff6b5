import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fwlens.source.records import columns_of, cut, frame_of, text_of
from tests.source.logs import (
    TIME,
    Record,
    application,
    aside,
    document,
    dump,
    flow,
    jsonl,
    network,
    read,
    rows,
)

NOT_JSON = "malformed: not JSON"
NOT_OBJECT = "malformed: not a JSON object"
UNKNOWN = "no known table of Azure Firewall, NSG or VNet flow logs"
WEB = flow(dst_ip="203.0.113.7")


@pytest.mark.parametrize("value", [7, "x", None, True, [[]], [1], 1.5])
def test_what_is_no_object_is_lost_alone(value: object) -> None:
    for log in (
        jsonl(network(), value, network()),
        dump([network(), value, network()]),
        document(network(), value, network()),
    ):
        found = read(log)
        assert [row["events"] for row in rows(found)] == [2]
        assert [entry[:2] for entry in aside(found)] in ([(NOT_OBJECT, 1)], [])
        assert bool(aside(found)) == (value != [[]])


@pytest.mark.parametrize(
    "record", [{}, {"time": TIME}, {"category": "Kube"}, {"category": "Kube", "Action": "Allow"}, {"Action": "Allow"}]
)
def test_a_record_of_no_known_table_is_set_aside(record: Record) -> None:
    for log in (jsonl(record, network()), document(record, network())):
        found = read(log)
        assert rows(found)[0]["events"] == 1
        assert aside(found) == [(UNKNOWN, 1, "-:1")]


def test_properties_may_be_a_text_of_json() -> None:
    record = network() | {"properties": dump(network()["properties"])}
    for log in (jsonl(record, network()), document(record, network()), dump(record) + "\n" + dump(record)):
        assert rows(read(log)) == [WEB | {"events": 2}]


@pytest.mark.parametrize("text", ["{", "", "not JSON", "{}x", "[" * 100_000])
def test_properties_that_are_no_json_spoil_their_record_only(text: str) -> None:
    found = read(jsonl(network() | {"properties": text}, network()))
    assert rows(found) == [WEB | {"origin": "-:2"}]
    assert aside(found) == [(NOT_JSON, 1, "-:1")]


@pytest.mark.parametrize("properties", [7, None, [], [1], True, "[]", "7", "null", {}])
def test_properties_that_are_no_object_leave_the_record_without_columns(properties: object) -> None:
    found = read(jsonl(network() | {"properties": properties}, network()))
    assert rows(found) == [WEB | {"origin": "-:2"}]
    assert aside(found) == [("breaks the law of: source address, destination, protocol, action", 1, "-:1")]


def test_a_column_may_stand_in_the_properties_or_beside_them() -> None:
    flat = {
        "time": TIME,
        "resourceId": network()["resourceId"],
        "category": "AZFWNetworkRule",
        **network()["properties"],
    }
    for log in (
        jsonl(flat),
        jsonl(flat, network()),
        document(network(), flat),
        jsonl(flat | {"Rule": "properties"}, network()),
    ):
        assert [row["dst_ip"] for row in rows(read(log))][:1] == ["203.0.113.7"]
        assert sum(row["events"] for row in rows(read(log))) == log.count("Default Action")


@pytest.mark.parametrize(
    "name",
    ["line", "text", "record", "table", "tables", "time ", "rows", "fault", "", "msg ", "Properties", "__over__",
     "\u0000", "é" * 300],
)  # fmt: skip
def test_no_unknown_key_gets_in_the_way(name: str) -> None:
    record = network()
    for odd in (
        record | {name: "x"},
        record | {name: {"a": [1]}},
        record | {"properties": record["properties"] | {name: 1}},
    ):
        found = read(jsonl(odd, network()) + "{broken\n")
        assert rows(found) == [WEB | {"events": 2}]


def test_of_equal_keys_the_first_counts_whatever_stands_beside() -> None:
    twice = dump(network()).replace('"DestinationPort":443', '"DestinationPort":443,"DestinationPort":8443')
    for log in (twice, twice + "\n{broken\n", f"[{twice}]"):
        assert [row["dst_port"] for row in rows(read(log))] == [443]


@pytest.mark.parametrize(
    "number", ["1" * 5000, "1e999", "-1e999", "NaN", "Infinity", "18446744073709551616", "0.5", "-1"]
)
def test_a_number_beyond_all_bounds_spoils_its_row_only(number: str) -> None:
    odd = dump(network()).replace("443", number)
    found = read(odd + "\n" + dump(network()) + "\n")
    assert rows(found) == [WEB | {"origin": "-:2"}]
    assert aside(found) == [("breaks the law of: port", 1, "-:1")]


@pytest.mark.parametrize(
    "escape", ["\\ud800", "\\udc00", "\\ud800\\ud800", "\\u0000", "\\ud83d\\ude00", "\\n", "\\u202e"]
)
def test_an_odd_escape_never_reaches_a_flow_nor_spoils_another_row(escape: str) -> None:
    odd = dump(application()).replace("pypi", "py" + escape + "pi")
    named = dump(network(Rule="r", ActionReason="")).replace('"r"', f'"r{escape}"')
    for log in (
        f"{odd}\n{named}\n{dump(network())}\n",
        f"[{odd},{named},{dump(network())}]",
        f'{{"records":[{odd},{named},{dump(network())}]}}',
    ):
        found = read(log)
        assert [(row["cause"], row["dst_fqdn"]) for row in rows(found)] == [("no rule", None), ("deny rule", None)]
        assert [entry[:2] for entry in aside(found)] == [("breaks the law of: plain host name", 1)]
        assert all(char.isprintable() for char in rows(found)[1]["rule"])


@pytest.mark.parametrize(
    "deep", ["[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000]
)
def test_deep_nesting_spoils_its_record_only(deep: str) -> None:
    record = dump(network())
    for log in (
        f"{record}\n{deep}\n{record}",
        f"[{record},\n{deep},\n{record}]",
        f'{record}\n{{"x":{deep}}}\n{record}\n',
    ):
        assert [row["events"] for row in rows(read(log))] == [2]


@pytest.mark.parametrize("shape", ["document", "array", "lines"])
def test_bytes_that_are_not_utf8_spoil_what_they_stand_in(shape: str) -> None:
    records = [network(Rule="caf-"), application(Fqdn="caf-.example.org"), network()]
    text = {"document": document(*records), "array": json.dumps(records, indent=1), "lines": jsonl(*records)}[shape]
    found = read(text.encode().replace(b"caf-", b"caf\xe9"))
    assert {row["rule"] for row in rows(found)} == {None, "caf\ufffd"}
    assert [entry[:2] for entry in aside(found)] == [("breaks the law of: plain host name", 1)]


def test_a_line_that_is_not_json_because_it_is_not_utf8_says_so() -> None:
    found = read(jsonl(network()).encode() * 3 + b'{"time":\xff\xfe}\n')
    assert aside(found) == [("malformed: not UTF-8", 1, "-:4")]


def test_one_odd_record_does_not_change_how_the_others_are_read() -> None:
    """Past the first slice the fast way is taken again; both ways read alike."""
    many = [network(DestinationPort=port, SourceIp=f"10.0.{port % 7}.4") for port in range(1, 5001)]
    plain = read(jsonl(*many))
    odd = read(jsonl(*many) + "{broken\n")
    assert odd.rows.equals(plain.rows)
    assert aside(odd) == [(NOT_JSON, 1, "-:5001")]


VALUE = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(0.001, 1e6), st.text(max_size=8),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["Action", "Rule", "time", "properties", "x"]), VALUE, max_size=4),
        min_size=1,
        max_size=5,
    )
)
@example([{"Action": 1.0}])
def test_the_fast_way_and_the_slow_way_read_the_same_texts(records: list[Record]) -> None:
    """Numbers are compared as numbers: `443.0` and `443` are one port to us."""
    texts = [dump(record) for record in records]
    fast = [columns_of(frame_of([(1, text)]), ("Action", "Rule"))[0] for text in texts]
    slow, faults = columns_of(frame_of([*enumerate(texts, 1), (9, "broken")]), ("Action", "Rule"))
    assert [fault[0] for fault in faults].count(NOT_JSON) >= 1
    lines = slow["line"].to_list()
    for line, row in enumerate(fast, 1):
        for name in ("Action", "Rule", "time"):
            if row.height and line in lines:
                assert _number(row[name].item()) == _number(slow.filter(line=line)[name].item())


def _number(text: str | None) -> str | float | None:
    try:
        return float(text) if text and text[0] in "-0123456789" else text
    except ValueError:
        return text


@given(
    st.lists(
        st.sampled_from(["{}", '{"a":1}', "[", "]", ",", "\n", " ", "{", "}", '"', "x", '{"records":[', "]}"]),
        max_size=12,
    )
)
def test_cutting_never_fails_and_keeps_every_whole_object_of_an_undamaged_text(parts: list[str]) -> None:
    texts, faults = cut("".join(parts).encode())
    assert texts.columns == ["line", "text"]
    if set(parts) <= {"{}", '{"a":1}', ",", "\n", " "}:
        assert texts["text"].to_list() == [part for part in parts if part.startswith("{")]
        assert faults == []


@pytest.mark.parametrize(
    ("value", "text"), [(None, None), ("a", "a"), (1, "1"), (True, "true"), ([1], "[1]"), ("\ud800", "\ufffd")]
)
def test_a_value_as_text(value: object, text: str | None) -> None:
    assert text_of(value) == text
