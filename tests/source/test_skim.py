"""What is passed over is what decoding would have counted, and whatever is not written as Azure does is decoded."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fwlens.source import flowlog, skim
from fwlens.source.flowlog import Tuples
from tests.source.logs import NSG_ALLOWED, NSG_DENIED, VNET_ALLOWED, VNET_DENIED, dump, nsg, vnet

LONG = VNET_ALLOWED.replace(",443,", ",44321,")


def decoded(blob: bytes, *, with_allowed: bool) -> Tuples:
    records = flowlog.decode_blob(blob)
    assert records is not None
    return flowlog.gather([(records, blob, 1)], with_allowed=with_allowed)


def blob_of(*records: object) -> bytes:
    return dump({"records": records}).encode()


GROUPS = st.lists(st.sampled_from([VNET_ALLOWED, LONG, VNET_DENIED, "", "D", "x,y", '"', "\\", " ", "é", "a]b"]))
RECORDS = st.lists(
    st.tuples(st.lists(GROUPS, max_size=3), st.sampled_from(["UserRule_a", "DefaultRule_b", '"flowTuples":[', None])),
    max_size=4,
)


@settings(max_examples=200)
@given(records=RECORDS, with_allowed=st.booleans(), tail=st.sampled_from([b"", b"\n", b"\r\n \n"]))
def test_a_skimmed_blob_is_a_decoded_one(
    records: list[tuple[list[list[str]], str]], with_allowed: bool, tail: bytes
) -> None:
    blob = blob_of(*(vnet(*group, rule=rule) for groups, rule in records for group in groups)) + tail
    found = skim.skim(blob, with_allowed=with_allowed)
    assert found is None or found == decoded(blob, with_allowed=with_allowed)


@pytest.mark.parametrize("with_allowed", [False, True])
@pytest.mark.parametrize(
    "blob",
    [
        blob_of(vnet(VNET_ALLOWED, VNET_ALLOWED), vnet(VNET_DENIED, VNET_ALLOWED), vnet()),
        blob_of(nsg(NSG_ALLOWED, NSG_ALLOWED), nsg(NSG_DENIED)) + b"\n",
        blob_of(*[vnet(*[VNET_ALLOWED] * 50)] * 400, vnet(VNET_DENIED)),
        blob_of(*[vnet(*[VNET_ALLOWED] * 50)] * 400, vnet()) + b" ",
    ],
)
def test_a_blob_as_azure_writes_it_is_skimmed(blob: bytes, with_allowed: bool) -> None:
    assert skim.skim(blob, with_allowed=with_allowed) == decoded(blob, with_allowed=with_allowed)


@pytest.mark.parametrize(
    "blob",
    [
        json.dumps({"records": [vnet(VNET_ALLOWED)]}, indent=1).encode(),
        json.dumps({"records": [vnet(VNET_ALLOWED)]}).encode(),
        blob_of(vnet(VNET_ALLOWED))[:-1],
        blob_of(vnet(VNET_ALLOWED)).replace(b",X,", b",X],"),
        blob_of(vnet(VNET_ALLOWED)).replace(b"443", b"4,43"),
        blob_of(vnet(VNET_ALLOWED)).replace(b"443", b'4"43'),
        blob_of(vnet(VNET_ALLOWED, rule='say "flowTuples":[1]')),
        blob_of(vnet(VNET_ALLOWED) | {"more": {"flowTuples": [VNET_ALLOWED]}}),
        blob_of(vnet(VNET_DENIED) | {"more": {"flowTuples": [VNET_DENIED]}}),
        blob_of(vnet(VNET_DENIED, 5)),
        blob_of(vnet(VNET_ALLOWED), {"category": "AZFWNetworkRule"}),
        blob_of({"category": "AZFWNetworkRule"}),
        b"",
    ],
)
def test_a_blob_in_another_layout_is_left_to_the_decoder(blob: bytes) -> None:
    assert skim.skim(blob, with_allowed=False) is None


@pytest.mark.parametrize("large", [1, 1 << 30])
@given(text=st.lists(st.sampled_from([b'"', b",", b"a", b"\n", b"\r", b"\x1f", b"#"]), min_size=1).map(b"".join))
def test_a_byte_is_counted_alike_in_both_ways(large: int, text: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(skim, "_LARGE", large)
        assert [skim._count(text, mark) for mark in (b'"', b",")] == [text.count(b'"'), text.count(b",")]
