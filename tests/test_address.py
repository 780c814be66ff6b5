from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fwlens.address import ADDRESS, MAPPED, PRIVATE, interval, is_private, parse

V4 = st.integers(0, 2**32 - 1).map(IPv4Address)
V6 = st.one_of(
    st.integers(0, 2**128 - 1),
    st.lists(st.sampled_from([0, 0, 0, 1, 0xFFFF, 0xABCD]), min_size=8, max_size=8).map(
        lambda groups: sum(group << 16 * i for i, group in enumerate(groups))
    ),
).map(IPv6Address)
Parsed = tuple[str, str | None, int | None]


def parsed(*texts: str | None) -> list[Parsed]:
    return parse(pl.Series(texts, dtype=pl.String)).rows()


def plain(text: str) -> Parsed:
    """The same in Python, one text at a time."""
    bare = text.strip(" \t[]").lower().partition("%")[0]
    try:
        address = ip_address(bare)
    except ValueError:
        return text, None, None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    elif ":" in bare and "." in bare:
        return text, None, None
    return text, str(address), int(address) + (MAPPED if address.version == 4 else 0)


@given(st.lists(V4 | V6, max_size=6))
def test_an_address_is_one_however_it_is_written(addresses: list[IPv4Address | IPv6Address]) -> None:
    for address in addresses:
        written = {
            str(address),
            f" {address} ",
            f"[{address}]",
            f"{address}%eth0",
            address.exploded,
            f"[{address.exploded}]",
        }
        texts = [text for one in written for text in (one, one.upper())]
        found = parsed(*texts)
        assert {row[1:] for row in found} == {plain(str(address))[1:]}
        assert [row[0] for row in found] == sorted(set(texts))


@given(
    st.lists(
        st.text("0123456789abcdefABCDEF:.", max_size=20)
        | st.text("01:f.[]% \tg-/", max_size=24)
        | st.lists(st.sampled_from(["0", "1", "00ff", "ffff", ":", "::", "255", ".", "256"]), max_size=16).map("".join)
        | st.text(max_size=6),
        max_size=8,
    )
)
@example(
    [
        "::",
        ":",
        ":::",
        "1::",
        "::1",
        "1::1::1",
        "1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7::",
        "::2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7:8::",
    ]
)
@example(
    [
        "::ffff:1.2.3.4",
        "::FFFF:1.2.3.4",
        "0:0:0:0:0:ffff:102:304",
        "::ffff:0:0",
        "::fffe:1.2.3.4",
        "::1.2.3.4",
        "::ffff:1.2.3.256",
    ]
)
@example(
    [
        "1.2.3.4",
        "01.2.3.4",
        "1.2.3",
        "1.2.3.4.5",
        "256.1.1.1",
        "33.778.136.777",
        "1.2.3.4 ",
        "[1.2.3.4]",
        "0.0.0.0",
        "255.255.255.255",
    ]
)
@example(
    [
        "1:2:3:4:5:6:7:8:",
        ":1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7:",
        ":2:3:4:5:6:7:8",
        "1:",
        ":1",
        "1::2:",
        ":1::2",
        "::1:",
        ":::1",
        "1:::",
    ]
)
@example(["fe80::1%eth0", "fe80::1%", "%", "[fe80::1]", "[[fe80::1", "12345::", "::g", "-", ""])
def test_every_text_is_read_as_pythons_ipaddress_reads_it(texts: list[str]) -> None:
    assert parsed(*texts) == [plain(text) for text in sorted(set(texts))]


def test_each_text_is_told_once_and_nulls_are_passed_over() -> None:
    found = parse(pl.Series(["10.0.0.4", None, "x", "10.0.0.4"]))
    assert found.rows() == [("10.0.0.4", "10.0.0.4", MAPPED + 0x0A000004), ("x", None, None)]
    assert found.schema == ADDRESS


@pytest.mark.parametrize(
    "nothing", [pl.Series([], dtype=pl.String), pl.Series([None]), pl.Series([None], dtype=pl.String)]
)
def test_nothing_is_no_address(nothing: pl.Series) -> None:
    assert parse(nothing).rows() == []
    assert parse(nothing).schema == ADDRESS


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("[fd10:0003:0005:0001:0000:0000:0000:0004]", "fd10:3:5:1::4"),
        ("2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("0:0:0:0:0:0:0:0", "::"),
        ("::0001", "::1"),
        ("FE80::A%eth0", "fe80::a"),
        ("::ffff:10.0.0.4", "10.0.0.4"),
        ("[0000:0000:0000:0000:0000:ffff:0a00:0004]", "10.0.0.4"),
    ],
)
def test_the_canonical_text_is_that_of_rfc_5952(text: str, canonical: str) -> None:
    assert parsed(text)[0][1] == canonical


@pytest.mark.parametrize(
    ("network", "first", "last"),
    [
        ("10.0.0.0/8", MAPPED + 0x0A000000, MAPPED + 0x0AFFFFFF),
        ("10.0.0.4", MAPPED + 0x0A000004, MAPPED + 0x0A000004),
        ("::/0", 0, 2**128 - 1),
        ("fc00::/7", 0xFC << 120, (0xFE << 120) - 1),
    ],
)
def test_a_network_is_an_interval_of_numbers(network: str, first: int, last: int) -> None:
    assert interval(ip_network(network)) == (first, last)


@given(V4 | V6)
@example(IPv4Address("172.15.255.255"))
@example(IPv4Address("172.31.255.255"))
@example(IPv4Address("100.64.0.0"))
@example(IPv6Address("fdff::"))
@example(IPv6Address("::1"))
def test_private_is_what_lies_in_private_space(address: IPv4Address | IPv6Address) -> None:
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    found = parse(pl.Series([str(address)])).select(is_private(pl.col("number"))).item()
    assert found is any(address in network for network in PRIVATE if network.version == address.version)
