"""Rows of Parquet that nobody needs as texts are counted as reading them would have counted them."""

import io
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fwlens import source
from fwlens.ledger import ALLOWED
from fwlens.source import FORMATS, columnar
from tests.source.logs import aside, closed, network, read
from tests.source.test_tabular import parquet, row

TABLES = st.sampled_from(
    ["AZFWNetworkRule", "AZFWApplicationRule", "AZFWDnsQuery", "AZFWNatRule", "NTANetAnalytics", "Heartbeat", "", None]
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "Type": TABLES,
            "category": TABLES,
            "Action": st.sampled_from(["Allow", "Deny", "allow", "", "Alert", "Allowed", None]),
            "FlowStatus": st.sampled_from(["Allowed", "Denied", "A", "D", "", None]),
            "ActionReason": st.sampled_from(["", "Default Action", None]),
            "SourceIp": st.sampled_from(["10.0.0.4", "10.0.0.5", "x", None]),
            "SubType": st.just("FlowLog"),
        }
    ),
    min_size=1,
    max_size=12,
)
WITHOUT = st.sets(st.sampled_from(["Type", "category", "Action", "FlowStatus", "ActionReason"]), max_size=2)


def told(data: bytes, **options: bool) -> tuple[object, ...]:
    found = closed(source.read(["-"], stdin=io.BytesIO(data), **options))  # type: ignore[arg-type]
    return found.rows.to_dicts(), found.ledger, found.faults


@settings(max_examples=150, deadline=None)
@given(rows=ROWS, without=WITHOUT, sizes=st.sampled_from([(1, 1), (3, 2), (1 << 19, 1 << 16)]), group=st.integers(1, 9))
def test_what_is_only_counted_is_what_reading_everything_counts(
    rows: list[dict[str, str | None]], without: set[str], sizes: tuple[int, int], group: int
) -> None:
    base = row(network(DestinationIp="203.0.113.9", DestinationPort=443))
    frame = pl.DataFrame([{**base, **each} for each in rows], infer_schema_length=None).drop(without, strict=False)
    out = io.BytesIO()
    frame.write_parquet(out, row_group_size=group)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columnar, "_judges", lambda *_: {})
        plain = told(out.getvalue())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columnar, "_MANY", sizes[0])
        patch.setattr(columnar, "_FEW", sizes[1])
        assert told(out.getvalue()) == plain


@pytest.mark.parametrize("other", ["type", "Category [UTC]", "TYPE"])
def test_a_column_that_may_name_the_table_otherwise_leaves_all_rows_to_the_reader(other: str) -> None:
    assert columnar._judges(["Type", "Action"], {"Type", "Action"}, FORMATS)
    assert columnar._judges(["Type", "Action", other], {"Type", "Action", other}, FORMATS) == {}
    assert columnar._judges(["Type", "Action"], {"Action"}, FORMATS) == {}
    assert columnar._judges(["Action"], {"Action"}, FORMATS) == {}


def test_allowed_rows_are_counted_and_read_only_on_request() -> None:
    rows = [row(network("Allow")), row(network()), row(network("Allow"))]
    data = parquet(pl.DataFrame([{**each, "Type": "AZFWNetworkRule"} for each in rows]))
    found = read(data)
    assert (found.rows.height, aside(found)) == (1, [(ALLOWED, 2, "-:1")])
    assert source.read(["-"], stdin=io.BytesIO(data), with_allowed=True).ledger.rows_used == 3


def test_a_file_that_is_damaged_further_down_keeps_what_stands_before(tmp_path: Path) -> None:
    rows = pl.DataFrame([{**row(network()), "Type": "AZFWNetworkRule", "SourceIp": f"10.0.{n}.4"} for n in range(200)])
    path = tmp_path / "log.parquet"
    rows.write_parquet(path, row_group_size=20, compression="uncompressed", statistics=False)
    whole = bytearray(path.read_bytes())
    at = whole.rindex(b"10.0.150.4")
    whole[at - 200 : at + 200] = b"\xff" * 400
    path.write_bytes(whole)
    found = closed(source.read([str(path)]))
    assert 100 <= found.rows.height < 200
    [(reason, lost, first)] = aside(found)
    assert (reason, lost) == ("malformed: not a Parquet file", 1)
    assert first == f"{path}:{found.rows.height + 1}"
    assert found.faults == (f"{path}: the Parquet file is damaged: what follows is lost. Fetch it again.",)
