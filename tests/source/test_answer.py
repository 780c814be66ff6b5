from collections.abc import Callable

import polars as pl
import pytest

from tests.source.logs import (
    ALLOWED,
    Record,
    application,
    aside,
    counted,
    dump,
    network,
    read,
    rows,
)
from tests.source.test_tabular import DENIED, WEB, parquet, row, table

NOT_AN_ANSWER = "malformed: not an answer of the Log Analytics query API"


def answer(records: list[Record], *, old: bool = False, **over: object) -> str:
    names = list(dict.fromkeys(name for record in records for name in record))
    columns = [
        {"ColumnName": name, "DataType": "String"} if old else {"name": name, "type": "string"} for name in names
    ]
    cells = [[record.get(name) for name in names] for record in records]
    one = (
        {"TableName": "T", "Columns": columns, "Rows": cells}
        if old
        else {"name": "PrimaryResult", "columns": columns, "rows": cells}
    )
    return dump({"Tables" if old else "tables": [one]} | over)


@pytest.mark.parametrize("old", [False, True])
def test_an_answer_of_the_query_api_is_read(old: bool) -> None:
    found = read(answer([DENIED, DENIED, row(network("Allow"))], old=old))
    assert rows(found) == [WEB | {"events": 2}]
    assert aside(found) == [(ALLOWED, 1, "-:1")]


def test_an_answer_with_two_tables_is_read_with_its_lines() -> None:
    first, second = (
        {"columns": [{"name": name} for name in DENIED], "rows": [list(record.values())]}
        for record in (DENIED, row(network(SourceIp="x")))
    )
    text = '{"tables":[\n' + dump(first) + ",\n" + dump(first) + ",\n" + dump(second) + "\n]}"
    found = read(text)
    assert rows(found) == [WEB | {"events": 2, "origin": "-:2"}]
    assert aside(found) == [("breaks the law of: source address", 1, "-:4")]


def test_a_partial_answer_is_read_and_said_to_be_partial() -> None:
    found = read(answer([DENIED], error={"code": "PartialError", "message": "x", "details": [{"code": "E"}]}))
    assert rows(found) == [WEB]
    assert aside(found) == [("Log Analytics: the answer is partial, rows are missing (PartialError)", 0, "-:1")]


@pytest.mark.parametrize(
    ("error", "code"),
    [({"code": "BadArgument\x1b[0m", "message": "x"}, "BadArgumentm"), ({}, "unnamed"), ({"code": ""}, "unnamed")],
)
def test_an_error_is_told(error: Record, code: str) -> None:
    found = read(dump({"error": error}))
    reason = f"Log Analytics: the answer is an error, it holds no rows ({code})"
    assert aside(found) == [(reason, 1, "-:1")]
    assert found.faults == (
        f"-: nothing could be read ({reason}). Export Azure Firewall, NSG or VNet flow logs as JSON, CSV or Parquet.",
    )


@pytest.mark.parametrize(
    "broken",
    ["[1]", "7", "{}", "null", '["\\ud800"]', "[[" + "1" * 5000 + "]]", "[" * 500 + "]" * 500],
)
def test_a_broken_row_of_an_answer_is_lost_alone(broken: str) -> None:
    text = answer([DENIED, DENIED]).replace('"rows":[', f'"rows":[{broken},')
    found = read(text)
    assert rows(found) == [WEB | {"events": 2}]
    assert aside(found) == [(NOT_AN_ANSWER, 1, "-:1")]


@pytest.mark.parametrize(
    "text",
    [
        '{"tables":[{"columns":[{"name":"Type"}],"rows":[["AZFW',
        '{"tables":7}',
        '{"error":"x"}',
        '{"tables":' + "[" * 100_000,
    ],
)
def test_a_broken_answer_is_told(text: str) -> None:
    found = read(text)
    assert aside(found) == [(NOT_AN_ANSWER, 1, "-:1")]
    assert len(found.faults) == 1


def test_a_cell_may_be_of_any_type() -> None:
    record = DENIED | {"DestinationPort": 443.0, "dynamic": {"a": [1]}, "line": 5, "n": None, "b": True}
    assert rows(read(answer([record]))) == [WEB]


def test_the_output_of_az_writes_everything_as_text() -> None:
    texts = {name: str(value) if value != "" else "None" for name, value in DENIED.items()}
    for text in (
        dump([texts | {"TableName": "PrimaryResult"}]),
        dump([texts | {"TableName": "PrimaryResult"}]).replace(",", ",\n"),
    ):
        assert [(row["cause"], row["rule"]) for row in rows(read(text))] == [("no rule", None)]


WRITERS: dict[str, Callable[[list[Record]], str | bytes]] = {
    "CSV": lambda records: table(*records),
    "TSV": lambda records: table(*records, delimiter="\t"),
    "Parquet": lambda records: parquet(pl.DataFrame(records, infer_schema_length=None)),
    "an answer": answer,
    "an old answer": lambda records: answer(records, old=True),
    "az": lambda records: dump([record | {"TableName": "PrimaryResult"} for record in records]),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_every_export_of_a_query_holds_the_same(write: Callable[[list[Record]], str | bytes]) -> None:
    found = read(write([DENIED, row(network("Allow")), row(application()), DENIED, row(network(SourceIp="x"))]))
    assert [(row["dst_fqdn"], row["events"]) for row in rows(found)] == [("pypi.example.org", 1), (None, 2)] or [
        (row["dst_fqdn"], row["events"]) for row in rows(found)
    ] == [(None, 2), ("pypi.example.org", 1)]
    assert sorted(entry[:2] for entry in aside(found)) == [(ALLOWED, 1), ("breaks the law of: source address", 1)]
    assert counted(found) == (5, 3)
