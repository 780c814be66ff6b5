"""Knows when a rule for a needed flow would allow a refused or unexplained one too."""

from typing import Final

import polars as pl

from fwlens import address
from fwlens.flow import service
from fwlens.recommend.near import ANYWHERE, Nears
from fwlens.rule import FQDN_PORTS, TRANSPORT
from fwlens.tags import ServiceTags

WHY: Final = "a rule for {} would also allow {}, which is {}"
_MANAGED: Final = [f"{port.transport}/{port.first}" for port in FQDN_PORTS]
_KEY: Final = ("near", "peer", "opens")
_BAD: Final = ("near", "carried", "peer", "goal", "said")


def others(matched: pl.DataFrame, nears: Nears) -> pl.DataFrame:
    """Denied flows that no rule may allow: `near`, `host`, `address`, `carried` (their service), `said` (why not)."""
    inbound = pl.col("direction") == "inbound"
    verdict, cause = pl.col("verdict").cast(pl.String), pl.col("cause").cast(pl.String)
    return (
        matched.filter(verdict.is_in(["refused", "unexplained"]))
        .select(
            near=nears.named(pl.when(inbound).then("dst_ip").otherwise("src_ip")),
            host=pl.when(~inbound).then("dst_fqdn"),
            address=pl.when(inbound).then("src_ip").otherwise("dst_ip"),
            carried=service(pl.col("protocol").replace(TRANSPORT), pl.col("dst_port")),
            said=pl.when(verdict == "refused")
            .then(pl.format("refused ({})", cause))
            .otherwise(pl.lit("not documented")),
        )
        .unique()
    )


def with_clash(cells: pl.DataFrame, bad: pl.DataFrame, tags: ServiceTags | None) -> pl.DataFrame:
    """Cells (`near`, `peer`, `opens` and more) with `clash`: which bad flow a rule would allow, else null."""
    parts = pl.col("opens").str.splitn("/", 2).struct
    protocol, port = parts.field("field_0"), parts.field("field_1")
    carried = pl.concat_str(protocol.replace(TRANSPORT), port, separator="/", ignore_nulls=True)
    # An FQDN rule of the managed network opens its two ports whichever of them was needed.
    is_fqdn = (pl.col("near") == ANYWHERE) & ~pl.col("peer").str.starts_with("tag:")
    ports = pl.when(is_fqdn).then(pl.lit(_MANAGED)).otherwise(pl.concat_list(carried))
    ends = cells.select(_KEY).unique().with_columns(carried=ports).explode("carried", empty_as_null=True)
    reached = _reached(bad, ends.select("peer").unique(), tags)
    somewhere = ends.join(reached, on=["near", "carried", "peer"])
    anywhere = ends.filter(pl.col("near") == ANYWHERE).join(reached.drop("near"), on=["carried", "peer"])
    hits = pl.concat([somewhere, anywhere.select(somewhere.columns)])
    first = hits.group_by(_KEY).agg(clash=pl.format(WHY, "peer", "goal", "said").min())
    return cells.join(first, on=_KEY, how="left", maintain_order="left")


def _reached(bad: pl.DataFrame, peers: pl.DataFrame, tags: ServiceTags | None) -> pl.DataFrame:
    """Bad flows under every notation, among those of `peers`, that names where they went (`_BAD`)."""
    named = bad.with_columns(goal=pl.coalesce("host", "address"), labels=pl.col("host").str.split("."))
    found = [named.with_columns(peer="host").select(_BAD), named.with_columns(peer="address").select(_BAD)]
    patterns = peers.filter(pl.col("peer").str.starts_with("*."))["peer"]
    for depth in sorted(patterns.str.count_matches(".", literal=True).unique()):
        deeper = named.filter(pl.col("labels").list.len() > depth)
        tail = pl.concat_str(pl.lit("*."), pl.col("labels").list.tail(depth).list.join("."))
        found.append(deeper.with_columns(peer=tail).select(_BAD))
    if tags is not None:
        known = address.parse(named["address"]).select("number", address="text").drop_nulls()
        of = known.join(tags.of(known["number"]), on="number")
        tagged = of.select("address", peer=pl.concat_str(pl.lit("tag:"), "tag")).join(peers, on="peer", how="semi")
        found.append(named.join(tagged, on="address").select(_BAD))
    return pl.concat(found).join(peers, on="peer", how="semi").unique()
