"""Knows when a rule for a needed flow would allow a refused or unexplained one too."""

from typing import Final

import polars as pl

from fwlens import address
from fwlens.flow import service
from fwlens.rule import TRANSPORT
from fwlens.tags import ServiceTags

WHY: Final = "a rule for {} would also allow {}, which is {}"


def others(matched: pl.DataFrame) -> pl.DataFrame:
    """Denied flows that no rule may allow: `near`, `host`, `address`, `carried` (their service), `said` (why not)."""
    inbound = pl.col("direction") == "inbound"
    verdict, cause = pl.col("verdict").cast(pl.String), pl.col("cause").cast(pl.String)
    return (
        matched.filter(verdict.is_in(["refused", "unexplained"]))
        .select(
            near=pl.when(inbound).then("dst_ip").otherwise("src_ip"),
            host=pl.when(~inbound).then("dst_fqdn"),
            address=pl.when(inbound).then("src_ip").otherwise("dst_ip"),
            carried=service(pl.col("protocol").replace(TRANSPORT), pl.col("dst_port")),
            said=pl.when(verdict == "refused")
            .then(pl.format("refused ({})", cause))
            .otherwise(pl.lit("not documented")),
        )
        .unique()
    )


def clashes(cells: pl.DataFrame, bad: pl.DataFrame, tags: ServiceTags | None) -> pl.DataFrame:
    """The distinct (`near`, `peer`, `opens`) of cells that would allow a bad flow, with the first `clash` in words."""
    protocol, _, port = (pl.col("opens").str.splitn("/", 2).struct.field(f"field_{i}") for i in (0, 0, 1))
    carried = (
        pl.when(port.is_null()).then(protocol).otherwise(pl.concat_str(protocol.replace(TRANSPORT), pl.lit("/"), port))
    )
    ends = cells.select("near", "peer", "opens").unique().with_columns(carried=carried)
    pairs = ends.filter(pl.col("near") != "*").join(bad, on=["near", "carried"])
    anywhere = ends.filter(pl.col("near") == "*").join(bad.drop("near"), on="carried")
    both = pl.concat([pairs, anywhere.select(pairs.columns)])
    host, peer = pl.col("host"), pl.col("peer")
    by_name = (host == peer) | (peer.str.starts_with("*.") & host.str.ends_with(peer.str.slice(1)))
    by_address = pl.col("address") == peer
    hit = both.filter(by_name.fill_null(False) | by_address.fill_null(False) | _by_tag(both, tags))
    goal = pl.coalesce("host", "address")
    return (
        hit.with_columns(clash=pl.format(WHY, "peer", goal, "said"))
        .group_by("near", "peer", "opens")
        .agg(pl.col("clash").min())
        .sort("near", "peer", "opens")
    )


def _by_tag(pairs: pl.DataFrame, tags: ServiceTags | None) -> pl.Series:
    """Whether the address of each pair lies in the service tag of its peer."""
    if tags is None or not pairs.height:
        return pl.Series([False] * pairs.height, dtype=pl.Boolean)
    known = address.parse(pairs["address"]).select("number", address="text").drop_nulls()
    of = known.join(tags.of(known["number"]), on="number").select("address", peer=pl.concat_str(pl.lit("tag:"), "tag"))
    inside = of.unique().with_columns(inside=pl.lit(value=True))
    return pairs.join(inside, on=["address", "peer"], how="left", maintain_order="left")["inside"].fill_null(
        value=False
    )
