import bz2
import csv
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.source.logs import (
    ALLOWED,
    FIREWALL,
    SINCE,
    WHEN,
    Record,
    application,
    aside,
    counted,
    flow,
    jsonl,
    network,
    nta,
    read,
    rows,
)

NO_LOG = "no log: neither JSON, CSV nor Parquet of a known table"
NOT_CSV = "malformed: not CSV"
TOO_MANY = "malformed: more fields than the header has"
NOT_PARQUET = "malformed: not a Parquet file"
UNKNOWN = "no known table of Azure Firewall, NSG or VNet flow logs"


def row(record: Record, **over: object) -> Record:
    """A record as a query returns it: flat, with `Type` and `_ResourceId`."""
    return {
        "TimeGenerated": "2025-11-26T02:14:47.139739Z", "Type": record["category"], "_ResourceId": FIREWALL.lower(),
        **record["properties"], **over,
    }  # fmt: skip


def table(*records: Record, delimiter: str = ",", quoting: int = csv.QUOTE_MINIMAL, end: str = "\n") -> str:
    out = io.StringIO()
    writer = csv.DictWriter(
        out,
        list(dict.fromkeys(name for record in records for name in record)),
        delimiter=delimiter,
        quoting=quoting,  # type: ignore[arg-type]
        lineterminator=end,
    )
    writer.writeheader()
    writer.writerows(records)
    return out.getvalue()


WEB = flow(dst_ip="203.0.113.7", first_seen=WHEN, last_seen=WHEN)
DENIED = row(network())
PORTAL = (
    "\ufeff\"TimeGenerated [UTC]\",Protocol,SourceIp,DestinationIp,DestinationPort,Action,ActionReason,Type\r\n"
    '"11/26/2025, 2:14:47.139 AM",TCP,10.0.0.4,203.0.113.7,443,Deny,"Default Action",AZFWNetworkRule\r\n'
    '"11/26/2025, 2:14:48.000 PM",TCP,10.0.0.4,203.0.113.7,443,Deny,"Default Action",AZFWNetworkRule\r\n'
)  # fmt: skip


def test_the_portal_writes_zones_into_headers_and_dates_as_in_the_us() -> None:
    afternoon = datetime(2025, 11, 26, 14, 14, 48, tzinfo=UTC)
    seen = {"first_seen": SINCE.replace(microsecond=139_000), "last_seen": afternoon}
    assert rows(read(PORTAL)) == [WEB | {**seen, "events": 2, "device": None, "origin": "-:2"}]


@pytest.mark.parametrize(
    "logged",
    [
        row(network(), TimeGenerated="2025-11-26 02:14:47.1397390"),
        row(network(), TimeGenerated="11/26/2025 2:14:47.139739 AM"),
        row(network(), TimeGenerated="11-26-2025  02:14:47.139739"),
        row(network(), TimeGenerated="11/26/2025, 2:14:47.139739 AM"),
        row(network(), TimeGenerated="2025-11-26T02:14:47.139739+00:00"),
        row(network(), TimeGenerated="2025-11-26T03:14:47.139739+01:00"),
    ],
)
def test_a_time_is_read_in_every_dialect(logged: Record) -> None:
    assert rows(read(table(logged))) == [WEB | {"origin": "-:2"}]


@pytest.mark.parametrize(
    ("times", "days"),
    [
        (("16/07/2026 20:26:12.030",), ("2026-07-16",)),
        (("16/07/2026, 20:26:12.030",), ("2026-07-16",)),
        (("16.07.2026, 20:26:12.030",), ("2026-07-16",)),
        (("16/7/2026, 8:26:12.030 pm",), ("2026-07-16",)),
        (("12/07/2026, 8:26:12.030 PM", "13/07/2026, 8:26:12.030 PM"), ("2026-07-12", "2026-07-13")),
        (("05/06/2026 20:26:12.030",), ("2026-06-05",)),
        (("5/6/2026, 8:26:12.030 PM",), ("2026-05-06",)),
        (("5/6/2026, 8:26:12.030 PM", "5/13/2026, 8:26:12.030 PM"), ("2026-05-06", "2026-05-13")),
        (("05-06-2026  20:26:12.030",), ("2026-05-06",)),
    ],
)
def test_a_file_tells_whether_its_days_come_before_its_months(times: tuple[str, ...], days: tuple[str, ...]) -> None:
    """The portal writes dates as the region of who exports has them: above 12 it is a day, a clock of 24 hours or dots
    are not of the US, and one file has one order."""
    logged = [row(network(DestinationPort=443 + n), TimeGenerated=time) for n, time in enumerate(times)]
    found = sorted(rows(read(table(*logged))), key=lambda each: str(each["dst_port"]))
    assert [str(each["first_seen"]) for each in found] == [f"{day} 20:26:12.030000+00:00" for day in days]


@pytest.mark.parametrize(("zone", "told"), [("[Local Time]", 1), ("[Local]", 1), ("[UTC]", 0)])
def test_times_in_no_known_zone_are_taken_for_utc_and_that_is_told(zone: str, told: int) -> None:
    found = read(PORTAL.replace("[UTC]", zone))
    assert [each["events"] for each in rows(found)] == [2]
    assert (
        aside(found) == [("times in no known zone, taken for UTC: choose UTC where they are exported", 0, "-:1")] * told
    )


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("inspected", "protocol"), [("0", "http"), ("1", "https"), ("TRUE", "https"), ("FALSE", "http"), ("True", "https")]
)
def test_every_dialect_of_csv_is_read(quoting: int, delimiter: str, end: str, inspected: str, protocol: str) -> None:
    logged = [
        row(application(Protocol="HTTP/1.1", IsTlsInspected=inspected)),
        row(application("Allow", Protocol="HTTP/1.1")),
    ]
    found = read(table(*logged, quoting=quoting, delimiter=delimiter, end=end))
    assert rows(found) == [flow(dst_fqdn="pypi.example.org", protocol=protocol, origin="-:2")]
    assert aside(found) == [(ALLOWED, 1, "-:3")]


@pytest.mark.parametrize(
    "above", ["#TYPE System.Management.Automation.PSCustomObject\r\n", "sep=,\n", '"sep=,"\r\n', "\n\n#TYPE X\n\n"]
)
def test_what_powershell_and_excel_write_above_a_header_is_passed_over(above: str) -> None:
    lines = above.count("\n")
    found = read(above + table(DENIED, row(network("Allow"))))
    assert (rows(found), aside(found)) == ([WEB | {"origin": f"-:{lines + 2}"}], [(ALLOWED, 1, f"-:{lines + 3}")])


@pytest.mark.parametrize("empty", ["-", "None", "", " "])
def test_an_empty_cell_is_empty_however_it_is_written(empty: str) -> None:
    path = dict.fromkeys(("Policy", "RuleCollectionGroup", "RuleCollection", "Rule"), empty)
    found = read(table(row(network(), **path, _ResourceId=empty)))
    assert rows(found) == [WEB | {"origin": "-:2", "device": None}]


def test_a_row_without_host_name_is_found_though_its_action_and_type_are_missing() -> None:
    logged = row(application("", Fqdn="", DestinationPort=12000, ActionReason="SNI TLS extension was missing."))
    for text in (table(logged), table({name: value for name, value in logged.items() if name != "Type"})):
        assert [(row["cause"], row["dst_port"]) for row in rows(read(text))] == [("no host name", 12000)]


def test_a_table_may_hold_tables() -> None:
    found = read(table(DENIED, row(application()), nta(), {"Type": "Heartbeat", "TimeGenerated": "x"}))
    assert sorted(str(row["dst_fqdn"] or row["dst_ip"]) for row in rows(found)) == [
        "203.0.113.7",
        "203.0.113.7",
        "pypi.example.org",
    ]
    assert aside(found) == [(UNKNOWN, 1, "-:5")]
    assert [account.format for account in found.ledger.inputs] == ["azfw, traffic"]


def test_rows_are_cited_with_their_lines_even_behind_line_ends_in_quotes() -> None:
    logged = [
        row(network(), Rule="a\nb\r\nc"),
        row(network("Allow")),
        row(network(DestinationIp="203.0.113.9")),
        row(network(SourceIp="x")),
    ]
    for end in ("\n", "\r\n"):
        for above in ("", "\n", " \r\n\n"):
            found = read(above + table(*logged, end=end))
            start = above.count("\n")
            assert {row["dst_ip"]: row["origin"] for row in rows(found)} == {
                "203.0.113.7": f"-:{start + 2}", "203.0.113.9": f"-:{start + 6}",
            }  # fmt: skip
            assert {entry[2] for entry in aside(found)} == {f"-:{start + 5}", f"-:{start + 7}"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('2025-11-26,AZFWNetworkRule,"open quote,TCP,10.0.0.4', NOT_CSV),
        ('"a"b,AZFWNetworkRule,x', NOT_CSV),
        ("x" + ",y" * 40, TOO_MANY),
        ("half a row", UNKNOWN),
        ("\x00\x01\x02", UNKNOWN),
        ("2025-11-26T02:14:47Z,AZFWNetworkRule", "breaks the law of: source address, destination, protocol, action"),
    ],
)
def test_a_broken_row_is_lost_alone(line: str, reason: str) -> None:
    good = table(DENIED, DENIED, row(application())).splitlines(keepends=True)
    for at in range(1, 5):
        found = read("".join([*good[:at], line + "\n", *good[at:]]))
        assert sorted(row["events"] for row in rows(found)) == [1, 2]
        assert aside(found) == [(reason, 1, f"-:{at + 1}")]


def test_two_stray_quotes_do_not_swallow_the_rows_between_them() -> None:
    good = table(*[DENIED] * 4).splitlines(keepends=True)
    stray = good[1].replace("Default Action", '"Default Action')
    found = read("".join([good[0], stray, *good[1:3], stray, *good[3:]]))
    assert [row["events"] for row in rows(found)] == [4]
    assert aside(found) == [(NOT_CSV, 2, "-:2")]


def test_a_quote_that_closes_three_rows_further_down_does_not_swallow_them() -> None:
    header, line = table(DENIED).splitlines()
    found = read("\n".join([header, f'{line}"open', line, f'{line}closed"', line]))
    assert {row["rule"]: row["events"] for row in rows(found)} == {None: 2, 'closed"': 1}
    assert aside(found) == [(NOT_CSV, 1, "-:2")]


def test_blank_lines_are_no_rows() -> None:
    for blank in ("\n", "\r\n", " \n"):
        found = read(table(DENIED) + blank * 2 + table(DENIED).splitlines()[1] + "\n" + blank)
        assert [row["events"] for row in rows(found)] == [2]
        assert counted(found)[1] == 2


def test_bytes_that_are_not_utf8_spoil_no_other_row() -> None:
    logged = [row(network(), Rule="caf-"), row(application(Fqdn="caf-.example.org")), row(network(), Rule="a\nb")]
    found = read(table(*logged).encode().replace(b"caf-", b"caf\xe9"))
    assert {row["rule"] for row in rows(found)} == {"caf\ufffd", "a\ufffdb"}
    assert aside(found) == [("breaks the law of: plain host name", 1, "-:3")]


@pytest.mark.parametrize("name", ["line", "__over__", "", "Protocol", "table", "tables", "fault", "rows", "x\u2028y"])
def test_no_column_name_gets_in_the_way(name: str) -> None:
    header, *lines = table(DENIED, DENIED).splitlines()
    extra = "\n".join([f"{header},{name},{name}", *(f"{line},1,2" for line in lines)])
    for text in (extra, extra + '\nbroken,"'):
        assert [row["events"] for row in rows(read(text))] == [2]
    framed = pl.DataFrame([DENIED | {name or "_": value} for value in ("1", "2")], infer_schema_length=None)
    found = read(parquet(framed))
    assert sum(row["events"] for row in rows(found)) + sum(count for _, count, _ in aside(found)) == 2


@pytest.mark.parametrize(
    "text", ["time,what\n1,2\n", "hello\nworld\n", "a;b\n", "\0" * 500, "\x7fELF\x01\x01", '"one text"', "x"]
)
def test_what_is_no_log_is_counted_by_its_lines(text: str) -> None:
    found = read(text)
    assert aside(found) == [(NO_LOG, max(text.count("\n"), 1), "-:1")]
    assert found.faults == (
        "-: holds no log that fwlens knows. Export Azure Firewall, NSG or VNet flow logs as JSON, CSV or Parquet.",
    )


def tarred(log: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        entry = tarfile.TarInfo("PT1H.json")
        entry.size = len(log)
        archive.addfile(entry, io.BytesIO(log))
    return out.getvalue()


def zipped(log: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("PT1H.json", log)
    return out.getvalue()


@pytest.mark.parametrize(
    ("pack", "as_what"),
    [
        (zipped, "a zip archive or an Excel workbook"), (tarred, "a tar archive"), (bz2.compress, "bzip2"),
        (lzma.compress, "xz"), (lambda log: b"\x28\xb5\x2f\xfd" + log, "Zstandard"),
        (lambda log: b"7z\xbc\xaf\x27\x1c" + log, "7-Zip"), (lambda log: b"Obj\x01" + log, "Avro"),
    ],
    ids=["zip", "tar", "bzip2", "xz", "zstd", "7z", "avro"],
)  # fmt: skip
def test_what_is_packed_otherwise_than_by_gzip_is_told_as_what_it_is(
    pack: Callable[[bytes], bytes], as_what: str
) -> None:
    """A log of many lines in an archive would be read but for the first, which stands behind the archive's own head."""
    found = read(pack(jsonl(*[network()] * 5).encode()))
    reason = f"packed: {as_what}; unpack it, or save it as CSV"
    assert aside(found) == [(reason, 1, "-:1")]
    assert found.faults == (
        f"-: nothing could be read ({reason}). Export Azure Firewall, NSG or VNet flow logs as JSON, CSV or Parquet.",
    )


@pytest.mark.parametrize(
    "text", [table(DENIED).splitlines()[0], table(DENIED).splitlines()[0] + "\n\n", "[]", "[ ]", '{"tables":[]}']
)
def test_a_log_without_rows_is_told(text: str) -> None:
    found = read(text)
    assert counted(found) == (0, 0)
    assert found.faults == ("-: holds no rows. Export Azure Firewall, NSG or VNet flow logs as JSON, CSV or Parquet.",)


def test_a_table_exported_with_an_index_column_is_read() -> None:
    lines = table(DENIED, DENIED).splitlines()
    assert [row["events"] for row in rows(read("\n".join(f"{i or ''},{line}" for i, line in enumerate(lines))))] == [2]


def test_a_header_repeated_by_joining_files_is_a_row_that_is_set_aside() -> None:
    found = read(table(DENIED) + table(DENIED))
    assert [row["events"] for row in rows(found)] == [2]
    assert [(count, first) for _, count, first in aside(found)] == [(1, "-:3")]


# Parquet


def parquet(frame: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    frame.write_parquet(out)
    return out.getvalue()


@pytest.mark.parametrize(
    "time",
    [
        pl.Series([WHEN]),
        pl.Series([WHEN.replace(tzinfo=None)]),
        pl.Series([WHEN]).dt.cast_time_unit("ns"),
        pl.Series([WHEN.astimezone(timezone(timedelta(hours=9)))]).dt.convert_time_zone("Asia/Tokyo"),
        pl.Series(["2025-11-26T02:14:47.139739Z"]),
    ],
)
@pytest.mark.parametrize(
    "port", [pl.Series([443]), pl.Series([443.0]), pl.Series(["443"]), pl.Series([443], dtype=pl.Decimal(10, 2))]
)
def test_parquet_is_read_whatever_its_types(time: pl.Series, port: pl.Series) -> None:
    frame = pl.DataFrame([DENIED]).with_columns(
        TimeGenerated=time, DestinationPort=port if port.dtype != pl.Decimal else port.cast(pl.Decimal(10, 0))
    )
    assert rows(read(parquet(frame))) == [WEB]


def test_columns_of_other_types_do_not_get_in_the_way() -> None:
    frame = pl.DataFrame([DENIED | {"IsTlsInspected": True}]).with_columns(
        a=pl.lit(date(2025, 1, 1)), b=pl.lit(timedelta(1)), c=pl.lit(b"\xff"), d=pl.lit([1]), e=pl.struct(x=1),
        f=pl.lit(None),
        g=pl.lit("x", pl.Categorical), h=pl.lit("x", pl.Enum(["x"])), i=pl.lit(datetime(2025, 1, 1).time()),
        line=pl.lit(7),
    )  # fmt: skip
    assert rows(read(parquet(frame))) == [WEB]


def test_rows_of_parquet_are_cited_by_their_number() -> None:
    found = read(parquet(pl.DataFrame([row(network("Allow")), row(network(SourceIp="x")), DENIED])))
    assert [row["origin"] for row in rows(found)] == ["-:3"]
    assert sorted(aside(found)) == [(ALLOWED, 1, "-:1"), ("breaks the law of: source address", 1, "-:2")]


def test_damaged_parquet_is_told() -> None:
    whole = parquet(pl.DataFrame([DENIED]))
    for data in (whole[:-9], whole[: len(whole) // 2], b"PAR1", b"PAR1" + b"\0" * 100, whole[:4] + whole[9:]):
        found = read(data)
        if not rows(found):
            assert aside(found) == [(NOT_PARQUET, 1, "-:1")]
            assert found.faults == (
                f"-: nothing could be read ({NOT_PARQUET}). "
                "Export Azure Firewall, NSG or VNet flow logs as JSON, CSV or Parquet.",
            )


@given(st.data())
def test_no_flipped_byte_of_parquet_breaks_the_reading(data: st.DataObject) -> None:
    whole = bytearray(PARQUET)
    for at in data.draw(st.lists(st.integers(4, len(whole) - 1), min_size=1, max_size=3)):
        whole[at] ^= data.draw(st.integers(1, 255))
    read(bytes(whole))


PARQUET = parquet(pl.DataFrame([DENIED, row(network("Allow"))]))
