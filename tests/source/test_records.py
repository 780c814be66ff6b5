import json
from collections.abc import Callable

import pytest

from tests.source.logs import (
    ALLOWED,
    Record,
    application,
    aside,
    counted,
    document,
    dump,
    entry,
    flow,
    jsonl,
    network,
    read,
    rows,
)

CUT_OFF = "cut off: the last record is not whole"
NOT_JSON = "malformed: not JSON"
WEB = flow(dst_ip="203.0.113.7")

CONTAINERS: dict[str, Callable[[list[Record]], str]] = {
    "JSON Lines": lambda records: jsonl(*records),
    "JSON Lines without the last line end": lambda records: jsonl(*records)[:-1],
    "JSON Lines with CRLF": lambda records: jsonl(*records).replace("\n", "\r\n"),
    "JSON Lines with blanks": lambda records: "\n" + "\n\n".join(f" {json.dumps(record)} " for record in records),
    "a document": lambda records: document(*records),
    "a printed document": lambda records: json.dumps({"records": records}, indent=4),
    "a printed document with CRLF": lambda records: json.dumps({"records": records}, indent=4).replace("\n", "\r\n"),
    "a document with capital Records": lambda records: dump({"Records": records}),
    "a REST list": lambda records: dump({"value": records, "nextLink": None}),
    "a document with another key first": lambda records: dump({"tenant": "t", "records": records}),
    "a document, one record per line": lambda records: '{"records":[\n' + ",\n".join(map(dump, records)) + "\n]}\n",
    "one message per line": lambda records: jsonl(*({"records": [record]} for record in records)),
    "one printed message after the other": lambda records: "\n".join(
        json.dumps({"records": [record]}, indent=2) for record in records
    ),
    "one array per line": lambda records: jsonl(*([record] for record in records)),
    "an array": dump,
    "an array, one record per line": lambda records: "[\n" + ",\n".join(map(dump, records)) + "\n]",
    "a printed array": lambda records: json.dumps(records, indent=2),
    "an array of messages": lambda records: dump([{"records": [record]} for record in records]),
    "printed records": lambda records: "\n".join(json.dumps(record, indent=2) for record in records),
    "records joined by commas": lambda records: ",".join(map(dump, records)),
    "records joined by commas and lines": lambda records: ",\n".join(map(dump, records)) + ",\n",
    "records joined by nothing": lambda records: "".join(map(dump, records)),
    "a blob that begins with a comma": lambda records: "," + document(*records).removeprefix('{"records":['),
    "a blob without its tail": lambda records: document(*records).removesuffix("]}"),
    "a blob without its last brace": lambda records: document(*records).removesuffix("}"),
    "a blob without either": lambda records: "," + ",".join(map(dump, records)),
    "an array without its tail": lambda records: dump(records).removesuffix("]"),
    "a printed blob without its tail": lambda records: json.dumps({"records": records}, indent=1)[:-3],
    "a printed blob that begins with a comma": lambda records: ",\n"
    + ",\n".join(json.dumps(record, indent=1) for record in records),
    "a document in documents": lambda records: dump({"records": [{"records": records[:1]}, *records[1:]]}),
}  # fmt: skip
NIGHT = [network(), network("Allow"), application(), network(), entry("AZFWDnsQuery", SourceIp="10.0.0.4")]


@pytest.mark.parametrize("write", CONTAINERS.values(), ids=CONTAINERS)
def test_every_container_holds_the_same(write: Callable[[list[Record]], str]) -> None:
    found = read(write(NIGHT))
    assert [(row["dst_fqdn"], row["events"]) for row in rows(found)] == [(None, 2), ("pypi.example.org", 1)]
    assert [entry[:2] for entry in aside(found)] == [("AZFWDnsQuery: a table without flows", 1), (ALLOWED, 1)]
    assert counted(found) == (5, 3)
    assert [account.format for account in found.ledger.inputs] == ["azfw"]


@pytest.mark.parametrize("write", CONTAINERS.values(), ids=CONTAINERS)
def test_every_container_may_hold_a_single_record(write: Callable[[list[Record]], str]) -> None:
    found = read(write([network()]))
    assert [row["events"] for row in rows(found)] == [1]
    assert (counted(found), found.faults) == ((1, 1), ())


@pytest.mark.parametrize("write", CONTAINERS.values(), ids=CONTAINERS)
def test_every_container_tells_the_line_of_a_record(write: Callable[[list[Record]], str]) -> None:
    """Records of equal text follow each other; the one to find stands last."""
    text = write([network(), network(), application(Action="?"), application()])
    found = read(text)
    wanted = [text[: text.find(name)].count("\n") + 1 for name in ("AZFWNetworkRule", '"?"')]
    wanted.append(text[: text.rfind("AZFWApplicationRule")].count("\n") + 1)
    printed = '"?"\n' in text or '"?",\n' in text or '"Action": "?",\r' in text
    begin = (lambda line: line) if not printed else (lambda line: None)
    told = [row["origin"] for row in rows(found)] + [first for _, _, first in aside(found)]
    lines = [int(place.removeprefix("-:")) for place in told]
    if not printed:
        assert lines == [begin(wanted[0]), begin(wanted[2]), begin(wanted[1])]
    else:
        opened = [text[: text.find("{", at)].count("\n") + 1 for at in _records(text)]
        assert lines == [opened[0], opened[3], opened[2]]


def _records(text: str) -> list[int]:
    """Where the records of a printed text begin: at the brace in front of their `time`."""
    found, at = [], 0
    while (at := text.find('"time"', at) + 1) > 0:
        found.append(text.rfind("{", 0, at))
    return found


@pytest.mark.parametrize(
    "tail", ['{"time":"2025-', '{"time":"2025-11-26T02:00:00Z","properties":{"Action":"Deny"}', "{", '{"']
)
def test_a_record_that_is_cut_off_is_the_only_one_lost(tail: str) -> None:
    whole = [network(), network()]
    for text in (
        document(*whole).removesuffix("]}") + "," + tail,
        "," + ",".join(map(dump, whole)) + "," + tail,
        dump(whole).removesuffix("]") + "," + tail,
        json.dumps({"records": whole}, indent=2).removesuffix("\n  ]\n}") + ",\n    " + tail.replace(",", ",\n      "),
        json.dumps(whole[0], indent=2) + "\n" + json.dumps(whole[1], indent=2) + "\n" + tail,
    ):
        found = read(text)
        assert [row["events"] for row in rows(found)] == [2]
        assert [entry[:2] for entry in aside(found)] == [(CUT_OFF, 1)]


@pytest.mark.parametrize(
    "broken",
    [
        "oops",
        '{"time":oops}',
        '{"time":"x"',
        '{"time":"x"}}',
        '{"time":"x","properties":{"Action":"Allow"}',
        '"time"',
        "{",
        "}",
    ],
)
def test_a_broken_line_is_lost_alone(broken: str) -> None:
    for lines in ([broken, network(), network()], [network(), broken, network()], [network(), network(), broken]):
        text = "".join((line if isinstance(line, str) else dump(line)) + "\n" for line in lines)
        found = read(text)
        assert [row["events"] for row in rows(found)] == [2]
        assert [(count, first) for _, count, first in aside(found)] == [(1, f"-:{lines.index(broken) + 1}")]


@pytest.mark.parametrize(
    "broken", ['{"time":oops}', '{"time":"x","properties":{"flows":[{"rule":1},{"rule":2}],oops}}', "oops"]
)
def test_a_broken_record_in_a_document_is_lost_alone(broken: str) -> None:
    good, printed = dump(network()), json.dumps(network(), indent=2)
    for text in (
        f'{{"records":[{good},{broken},{good}]}}',
        f"[{good},{broken},{good}]",
        f"[\n{good},\n{broken},\n{good}\n]",
        f",{good},{broken},{good}",
        f'{{"records":[\n  {printed},\n  {broken.replace(",", f",{chr(10)}  ")},\n  {good}\n]}}',
    ):
        found = read(text)
        assert [row["events"] for row in rows(found)] == [2]
        assert [entry[:2] for entry in aside(found)] == [(NOT_JSON, 1)]


def test_a_broken_first_record_does_not_hide_the_others() -> None:
    good = json.dumps(network(), indent=2)
    found = read('{\n  "time": oops\n}\n' + good + "\n" + good)
    assert [row["events"] for row in rows(found)] == [2]
    assert aside(found) == [(NOT_JSON, 1, "-:1")]


def test_a_message_that_is_cut_off_keeps_its_whole_records() -> None:
    whole = document(network(), network())
    found = read(whole + "\n" + whole[:-40] + "\n" + whole + "\n")
    assert [row["events"] for row in rows(found)] == [5]
    assert aside(found) == [(CUT_OFF, 1, "-:2")]


def test_allowed_records_in_one_message_are_counted_one_by_one() -> None:
    found = read(jsonl({"records": [network("Allow"), network("Allow")]}, {"records": [network("Allow")]}))
    assert aside(found) == [(ALLOWED, 3, "-:1")]


def test_a_denial_beside_a_table_without_flows_in_one_message_is_found() -> None:
    message = {"records": [entry("AZFWDnsQuery"), network(), network("Allow")]}
    found = read(jsonl(message, message))
    assert rows(found) == [WEB | {"events": 2}]
    assert aside(found) == [("AZFWDnsQuery: a table without flows", 2, "-:1"), (ALLOWED, 2, "-:1")]
