import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fwlens import source
from fwlens.source.files import PEEK
from tests.source.logs import (
    NSG_DENIED,
    VNET_DENIED,
    Record,
    application,
    aside,
    closed,
    document,
    dump,
    jsonl,
    legacy,
    network,
    nsg,
    nsg_analytics,
    nta,
    read,
    rows,
    vnet,
)

TORN = "the gzip file is cut off or damaged: what follows is lost"


@pytest.mark.parametrize("padding", [0, PEEK - 100, PEEK, 3 * PEEK])
def test_a_first_line_longer_than_the_peek_is_no_obstacle(tmp_path: Path, padding: int) -> None:
    long = network() | {"padding": "x" * padding}
    logs = [
        jsonl(long, network()),
        "x" * padding + "\n" + jsonl(network(), network()),
        jsonl({"records": [long]}, {"records": [network()]}),
        document(long, network()),
        dump([long, network()]),
        f"{dump(long)},{dump(network())}",
        json.dumps({"records": [long, network()]}, indent=2),
    ]
    for log in logs:
        (tmp_path / "log").write_text(log)
        found = closed(source.read([str(tmp_path / "log")]))
        assert rows(found)[0]["events"] == 2


@pytest.mark.parametrize(
    "log", [jsonl(*[network()] * 3000), document(*[nsg(NSG_DENIED)] * 3000), document(*[network()] * 3000)]
)
def test_a_gzip_file_that_is_cut_off_keeps_the_rows_before_the_cut(log: str) -> None:
    whole = gzip.compress(log.encode(), compresslevel=1)
    found = read(whole[: len(whole) // 2])
    [row] = rows(found)
    assert 500 < row["events"] < 2500
    cut = {entry[0] for entry in aside(found)} - {"cut off: the last record is not whole", "malformed: not JSON"}
    assert cut == {TORN}
    assert found.faults == (f"-: {TORN}. Fetch it again.",)


def test_a_gzip_file_of_which_nothing_is_left_is_told() -> None:
    whole = gzip.compress(jsonl(network()).encode())
    for data in (whole[:10], whole[:2], b"\x1f\x8b" + b"x" * 50, whole[:3] + b"\xff" + whole[4:]):
        found = read(data)
        assert (TORN, 1, "-:1") in aside(found)
        assert found.faults == (f"-: {TORN}. Fetch it again.",)


def test_damage_in_the_middle_of_a_gzip_file_is_told() -> None:
    whole = bytearray(
        gzip.compress(jsonl(*[network(SourcePort=port) for port in range(20_000)]).encode(), compresslevel=1)
    )
    whole[len(whole) // 2] ^= 0xFF
    found = read(bytes(whole))
    assert TORN in {entry[0] for entry in aside(found)}
    assert sum(row["events"] for row in rows(found)) > 1000


MEGA = 1 << 20


@pytest.mark.parametrize(
    ("begin", "fill", "end"),
    [
        ("", "x", ""), ("", "{", ""), ("", "[", ""), ("", '"', ""), ("", ",", ""), ("", "\0", ""), ("", "}", ""),
        ('"', "x", '"'),
        ('{"time":"', "x", '"}'), ('{"category":"AZFWNetworkRule","properties":{"Rule":"', "x", '"}}'),
        ('{"a":[', "1,", "1]}"),
        ('{"records":[{"time":"', "x", ""), ("[", "{},", "{}]"),
    ],
)  # fmt: skip
def test_a_line_of_many_megabytes_is_one_row_among_others(tmp_path: Path, begin: str, fill: str, end: str) -> None:
    line = begin + fill * (20 * MEGA // len(fill) // (30 if fill == "{}," else 1)) + end
    for before in (False, True):
        text = "\n".join([dump(network()), dump(network())][: 1 + before] + [line] + [dump(network())] * (2 - before))
        (tmp_path / "log").write_text(text)
        found = closed(source.read([str(tmp_path / "log")]))
        assert [row["events"] for row in rows(found)] == [3]


def test_a_blob_of_a_hundred_megabytes_on_one_line_is_read(tmp_path: Path) -> None:
    record = dump(vnet(*[VNET_DENIED] * 20_000))
    count = 100 * MEGA // len(record) + 1
    (tmp_path / "log").write_text('{"records":[' + ",".join([record] * count) + "]}")
    found = closed(source.read([str(tmp_path / "log")]))
    assert [row["events"] for row in rows(found)] == [20_000 * count]


OLD, LATE = "1970-01-01T00:00:00Z", "9999-01-01T00:00:00Z"
SENTENCE = "TCP request from 10.0.0.4:50123 to 203.0.113.7:443. Action: Deny"


@pytest.mark.parametrize("bad", [OLD, LATE, "banana", "", None])
@pytest.mark.parametrize(
    ("good", "time"),
    [(network(), "time"), (application(), "time"), (legacy(SENTENCE), "time"), (nta(), "FlowStartTime"),
     (nsg_analytics(), "FlowStartTime_t")],
    ids=["network", "application", "legacy", "nta", "nsg_analytics"],
)  # fmt: skip
def test_an_entry_whose_time_is_none_takes_no_other_with_it(good: Record, time: str, bad: str | None) -> None:
    found = read(jsonl(good, good | {time: bad, "TimeGenerated": bad}, good))
    assert [row["events"] for row in rows(found)] == [2]
    assert aside(found) == [("breaks the law of: time", 1, "-:2")]


@pytest.mark.parametrize("seconds", ["0", "1", "999999999999999999", "18446744073709552", "-5"])
@pytest.mark.parametrize("record", [nsg, vnet])
def test_a_tuple_whose_time_is_none_takes_no_other_with_it(record: Callable[..., Record], seconds: str) -> None:
    good = NSG_DENIED if record is nsg else VNET_DENIED
    bad = ",".join([seconds, *good.split(",")[1:]])
    found = read(jsonl(record(good), record(bad, good)))
    assert [row["events"] for row in rows(found)] == [2]
    assert aside(found) == [("breaks the law of: time", 1, "-:2")]
