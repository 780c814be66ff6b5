import json
from ipaddress import ip_address, ip_network
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwlens import address, tags
from fwlens.errors import FwlensError
from tests.plain import TAGS, service_tags

PREFIXES = {
    "Wide": ("203.0.113.0/24", "2001:db8::/32"),
    "Wide.WestEurope": ("203.0.113.64/26", "2001:db8:0:1::/64"),
    "Wide.WestEurope.Inner": ("203.0.113.70/32", "2001:db8:0:1::70/125"),
    "Other": ("198.51.100.0/25", "0.0.0.0/32"),
}


def found(known: tags.ServiceTags, *texts: str) -> dict[str, list[str]]:
    numbers = address.parse(pl.Series(texts, dtype=pl.String))
    rows = numbers.join(known.of(numbers["number"]), on="number", how="left", maintain_order="left_right")
    return {text: [tag for tag in group["tag"] if tag] for (text,), group in rows.group_by("text", maintain_order=True)}


def test_every_tag_of_an_address_is_named_the_most_specific_first() -> None:
    known = service_tags(PREFIXES)
    assert found(
        known, "203.0.113.70", "203.0.113.71", "203.0.113.1", "192.0.2.1", "2001:db8:0:1::77", "2001:db9::1"
    ) == {
        "192.0.2.1": [],
        "2001:db8:0:1::77": ["Wide.WestEurope.Inner", "Wide.WestEurope", "Wide"],
        "2001:db9::1": [],
        "203.0.113.1": ["Wide"],
        "203.0.113.70": ["Wide.WestEurope.Inner", "Wide.WestEurope", "Wide"],
        "203.0.113.71": ["Wide.WestEurope", "Wide"],
    }


EDGES = ("203.0.113.70", "203.0.113.127", "198.51.100.127", "2001:db8::", "0.0.0.0")


@given(st.lists(st.ip_addresses() | st.sampled_from([ip_address(text) for text in EDGES]), min_size=1))
def test_one_join_finds_what_looking_at_each_prefix_finds(addresses: list[object]) -> None:
    known = service_tags(PREFIXES)
    for text, names in found(known, *map(str, addresses)).items():
        plain = ip_address(text)
        if plain.version == 6 and plain.ipv4_mapped:
            plain = plain.ipv4_mapped
        assert set(names) == {name for name, nets in PREFIXES.items() if any(plain in ip_network(net) for net in nets)}


def test_the_width_of_a_tag_is_its_number_of_addresses_an_ipv6_subnet_counted_as_one() -> None:
    assert service_tags(PREFIXES).width == {
        "Wide": 256.0 + 2.0**32,
        "Wide.WestEurope": 64.0 + 1.0,
        "Wide.WestEurope.Inner": 1.0 + 1.0,
        "Other": 128.0 + 1.0,
    }


def test_a_file_tells_its_change_number_its_cloud_and_where_tags_are_usable(tmp_path: Path) -> None:
    values = [
        {"name": "B.WestEurope", "id": "x", "properties": {"changeNumber": 2, "addressPrefixes": [], "networkFeatures": ["API", "NSG"]}},
        {"name": "C", "properties": {"addressPrefixes": ["203.0.113.0/28"], "networkFeatures": None}},
    ]  # fmt: skip
    path = tmp_path / "tags.json"
    path.write_text(json.dumps({"changeNumber": 376, "cloud": "Public", "values": values}))
    known = tags.read(path)
    assert (known.change_number, known.cloud) == (376, "Public")
    assert known.features == {"B.WestEurope": ("API", "NSG"), "C": ()}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "{}",
            "tags.json: not a service-tag file as Microsoft publishes it (Object missing required field `changeNumber`).",
        ),
        ("[]", "tags.json: not a service-tag file as Microsoft publishes it (Expected `object`, got `array`)."),
        (
            '{"changeNumber":1,"cloud":"Public","values":[{"name":"T","properties":{"addressPrefixes":["10.0.0.0/33"]}}]}',
            "tags.json: '10.0.0.0/33' in tag T is no network.",
        ),
        (
            '{"changeNumber":1,"cloud":"Public","values":[{"name":"T","properties":{"addressPrefixes":["x/8"]}}]}',
            "tags.json: 'x/8' in tag T is no network.",
        ),
    ],
)
def test_a_file_of_another_shape_is_told_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(FwlensError) as told:
        tags.parse(text.encode(), "tags.json")
    assert str(told.value) == said


def test_a_missing_file_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(FwlensError) as told:
        tags.read(tmp_path / "none.json")
    assert str(told.value) == f"{tmp_path}/none.json: the service-tag file cannot be read (No such file or directory)."


def test_a_prefix_with_host_bits_counts_as_its_network() -> None:
    assert found(service_tags({"T": ("203.0.113.9/28",)}), "203.0.113.1", "203.0.113.17") == {
        "203.0.113.1": ["T"],
        "203.0.113.17": [],
    }


def test_no_addresses_have_no_tags() -> None:
    assert service_tags(TAGS).of(pl.Series([], dtype=pl.UInt128)).height == 0
