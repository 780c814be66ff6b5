"""Knows IP addresses as text and as numbers, a whole column at a time and without per-row Python.

Logs write one address in many ways (`10.0.0.4`, `[fd10:0003:0005:0001:0000:0000:0000:0004]`, `fd10:3:5:1::4`,
`::ffff:10.0.0.4`, `10.0.0.4%eth0`, `-`). Here each becomes its canonical text (RFC 5952 for IPv6) and one unsigned
128-bit number, in which IPv4 stands at `::ffff:0:0/96`, so that one interval join serves both families.
"""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

import polars as pl

Network = IPv4Network | IPv6Network

_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
V4: Final = rf"^(?:{_OCTET}\.){{3}}{_OCTET}$"
_GROUPS: Final = "(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4})*)?"
_V6: Final = rf"^{_GROUPS}(?:::{_GROUPS})?$"
MAPPED: Final = 0xFFFF << 32
"""Where IPv4 begins among the 128-bit numbers."""

ADDRESS: Final = pl.Schema({"text": pl.String, "ip": pl.String, "number": pl.UInt128})
"""What `parse` yields: the text as it was, its canonical form, its number; the last two null for what is no address."""

# Not reachable from the internet: RFC 1918, shared space (RFC 6598), loopback, link-local, and the IPv6 counterparts.
PRIVATE: Final = tuple(
    ip_network(text)
    for text in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "fc00::/7", "fe80::/10", "::1/128",
    )
)  # fmt: skip


def interval(network: Network) -> tuple[int, int]:
    """First and last number of a network."""
    offset = MAPPED if network.version == 4 else 0
    return int(network.network_address) + offset, int(network.broadcast_address) + offset


def _v4_number(text: pl.Expr) -> pl.Expr:
    octets = text.str.splitn(".", 4)
    return pl.sum_horizontal(
        octets.struct.field(f"field_{i}").cast(pl.UInt64, strict=False) * 256 ** (3 - i) for i in range(4)
    ).cast(pl.UInt128)


def _v6_groups(text: pl.Expr) -> pl.Expr:
    """The groups of an IPv6 text, `::` written out; a list of another length than 8 is no address."""
    halves = text.str.splitn("::", 2)
    left, right = halves.struct.field("field_0"), halves.struct.field("field_1")

    def groups(half: pl.Expr) -> pl.Expr:
        return pl.when(half.fill_null("") == "").then(0).otherwise(half.str.count_matches(":", literal=True) + 1)

    zeros = 8 - groups(left).cast(pl.Int32) - groups(right).cast(pl.Int32)
    colon = pl.when(groups(left) > 0).then(pl.lit(":")).otherwise(pl.lit(""))
    whole = pl.concat_str(left, colon, pl.lit("0:").repeat_by(zeros.clip(0)).list.join(""), right)
    return pl.when(right.is_null()).then(left).when(zeros > 0).then(whole).str.strip_suffix(":").str.split(":")


def _with_text(rows: pl.DataFrame) -> pl.DataFrame:
    """RFC 5952: no leading zeros, the longest run of two or more zero groups (the first of equals) becomes `::`."""
    text = pl.col("ip")
    plain = pl.col("groups").list.eval(pl.element().str.replace(r"^0{1,3}([0-9a-f])", "$1")).list.join(":")
    rows = rows.with_columns(ip=plain)
    for run in range(8, 1, -1):
        shorter = text.str.replace(rf"(?:^|:)0(?::0){{{run - 1}}}(?:$|:)", "::")
        rows = rows.with_columns(ip=pl.when(text.str.contains("::", literal=True)).then(text).otherwise(shorter))
    return rows


def _parse_v6(rows: pl.DataFrame) -> pl.DataFrame:
    groups = pl.col("groups")
    words = [groups.list.get(i, null_on_oob=True).str.to_integer(base=16, strict=False) for i in range(8)]
    number = pl.sum_horizontal(word.cast(pl.UInt128) * (1 << (16 * (7 - i))) for i, word in enumerate(words))
    return (
        rows.filter(pl.col("bare").str.contains(_V6))
        .with_columns(groups=_v6_groups(pl.col("bare")))
        .filter(groups.list.len() == 8)
        .pipe(_with_text)
        .select("text", "ip", number=number.cast(pl.UInt128))
        .with_columns(ip=pl.when(pl.col("number") // (1 << 32) == MAPPED >> 32).then(_dotted()).otherwise("ip"))
    )


def _dotted() -> pl.Expr:
    """The IPv4 text of a mapped number, however its IPv6 text was written."""
    number = (pl.col("number") % (1 << 32)).cast(pl.UInt32)
    return pl.concat_str(*(number // 256**i % 256 for i in (3, 2, 1, 0)), separator=".")


def parse(texts: pl.Series) -> pl.DataFrame:
    """Each distinct text with its canonical address and number (columns of `ADDRESS`), sorted by text.

    Brackets, a zone (`%eth0`), surrounding blanks and the IPv4-mapped prefix are taken off.
    What is no address keeps its text with null in the other columns.
    """
    bare = pl.col("text").str.strip_chars(" \t[]").str.to_lowercase().str.replace("%.*$", "")
    mapped = pl.col("bare").str.strip_prefix("::ffff:")
    rows = (
        pl.DataFrame({"text": texts.cast(pl.String).drop_nulls().unique()})
        .with_columns(bare=bare)
        .with_columns(bare=pl.when(mapped.str.contains(V4)).then(mapped).otherwise("bare"))
    )
    v4 = rows.filter(pl.col("bare").str.contains(V4)).select(
        "text", ip="bare", number=_v4_number(pl.col("bare")) + pl.lit(MAPPED, pl.UInt128)
    )
    colons = rows.filter(pl.col("bare").str.contains(":", literal=True))
    v6 = _parse_v6(colons) if colons.height else colons.select("text", ip="bare", number=pl.lit(0, pl.UInt128))
    known = pl.concat([v4, v6])
    return rows.select("text").join(known, on="text", how="left", maintain_order="left").sort("text").cast(ADDRESS)


def is_private(number: pl.Expr) -> pl.Expr:
    """Whether an address number lies in space that the internet does not route to (`PRIVATE`)."""
    bounds = [interval(network) for network in PRIVATE]
    return pl.any_horizontal(
        number.is_between(pl.lit(first, pl.UInt128), pl.lit(last, pl.UInt128)) for first, last in bounds
    )
