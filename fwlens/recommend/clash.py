"""Knows what else a rule for a needed flow lets through: a refused or unexplained flow, or another needed one."""

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
_GOAL: Final = ("host", "address")


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
    named = bad.with_columns(goal=pl.coalesce(*_GOAL))
    reached = named.join(_under(bad, ends["peer"], tags), on=_GOAL, nulls_equal=True)
    reached = reached.select("near", "carried", "peer", "goal", "said").unique()
    somewhere = ends.join(reached, on=["near", "carried", "peer"])
    anywhere = ends.filter(pl.col("near") == ANYWHERE).join(reached.drop("near"), on=["carried", "peer"])
    hits = pl.concat([somewhere, anywhere.select(somewhere.columns)])
    first = hits.group_by(_KEY).agg(clash=pl.format(WHY, "peer", "goal", "said").min())
    return cells.join(first, on=_KEY, how="left", maintain_order="left")


def met_with(cells: pl.DataFrame, tags: ServiceTags | None) -> pl.DataFrame:
    """What other wants of the same near side ask for and lets a want through as well: its host under a pattern, its
    address under another tag. As rows of that want, with the columns of `cells`."""
    place = ["platform", "layer", "direction", "near", "opens"]
    there = cells.select(*place, "peer").unique()
    under = _under(cells, cells["peer"], tags)
    also = cells.drop("peer").join(under, on=_GOAL, nulls_equal=True).join(there, on=[*place, "peer"], how="semi")
    fresh = also.join(cells.select("want", "peer"), on=["want", "peer"], how="anti")
    return fresh.unique(["want", "layer", "peer", "opens"]).with_columns(doubt=pl.lit("")).select(cells.columns)


def _under(flows: pl.DataFrame, peers: pl.Series, tags: ServiceTags | None) -> pl.DataFrame:
    """Each far side of flows (`_GOAL`) with every notation, among those of peers, that names it (`peer`)."""
    among = peers.unique().to_frame("peer")
    fars = flows.select(_GOAL).unique().with_columns(labels=pl.col("host").str.split("."))
    found = [fars.select(*_GOAL, peer="host"), fars.select(*_GOAL, peer="address")]
    patterns = among.filter(pl.col("peer").str.starts_with("*."))["peer"]
    for depth in sorted(patterns.str.count_matches(".", literal=True).unique()):
        deeper = fars.filter(pl.col("labels").list.len() > depth)
        found.append(
            deeper.select(*_GOAL, peer=pl.concat_str(pl.lit("*."), pl.col("labels").list.tail(depth).list.join(".")))
        )
    if tags is not None and among["peer"].str.starts_with("tag:").any():
        known = address.parse(fars["address"]).select("number", address="text").drop_nulls()
        tagged = known.join(tags.of(known["number"]), on="number").select(
            "address", peer=pl.concat_str(pl.lit("tag:"), "tag")
        )
        found.append(fars.join(tagged.join(among, on="peer", how="semi"), on="address").select(*_GOAL, "peer"))
    return pl.concat(found).join(among, on="peer", how="semi").unique()
