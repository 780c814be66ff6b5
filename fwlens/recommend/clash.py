"""Knows what else a rule for a needed flow lets through: a refused or unexplained flow, or another needed one."""

import re
from ipaddress import ip_network
from typing import Final

import polars as pl

from fwlens import address
from fwlens.recommend.near import ANYWHERE, Nears
from fwlens.rule import FQDN_PORTS, TRANSPORT
from fwlens.tags import ServiceTags

WHY: Final = "a rule for {} would also allow {}, which is {}"
_KEY: Final = ("near", "peer", "opens")
_GOAL: Final = ("host", "address")
_NETWORK: Final = re.compile(r"[0-9a-f.:]+/[0-9]+")
_MANAGED: Final = pl.DataFrame(
    [(port.transport, port.first, port.last) for port in FQDN_PORTS],
    schema={"transport": pl.String, "first": pl.UInt16, "last": pl.UInt16},
    orient="row",
)


def others(matched: pl.DataFrame, nears: Nears) -> pl.DataFrame:
    """Denied flows that no rule may allow: `near` (a row for the address and one for its subnet), `host`, `address`,
    `transport`, `port` (0 where there is none), `said` (why not)."""
    inbound = pl.col("direction") == "inbound"
    verdict, cause = pl.col("verdict").cast(pl.String), pl.col("cause").cast(pl.String)
    bad = matched.filter(verdict.is_in(["refused", "unexplained"])).select(
        near=pl.when(inbound).then("dst_ip").otherwise("src_ip"),
        host=pl.when(~inbound).then("dst_fqdn"),
        address=pl.when(inbound).then("src_ip").otherwise("dst_ip"),
        transport=pl.col("protocol").replace(TRANSPORT),
        port=pl.col("dst_port").fill_null(0),
        said=pl.when(verdict == "refused").then(pl.format("refused ({})", cause)).otherwise(pl.lit("not documented")),
    )
    return pl.concat([bad, bad.with_columns(near=nears.named(pl.col("near")))]).unique()


def with_clash(cells: pl.DataFrame, bad: pl.DataFrame, tags: ServiceTags | None) -> pl.DataFrame:
    """Cells (`near`, `peer`, `opens` and more) with `clash`: which bad flow a rule would allow, else null."""
    # An FQDN rule of the managed network opens its two ports whichever of them was needed.
    is_fqdn = (pl.col("near") == ANYWHERE) & ~pl.col("peer").str.starts_with("tag:")
    every = cells.select(_KEY).unique()
    own = every.filter(~is_fqdn).with_columns(_protocol().replace(TRANSPORT).alias("transport"), *_ports())
    ends = pl.concat([own, every.filter(is_fqdn).join(_MANAGED, how="cross")])
    named = bad.with_columns(goal=pl.coalesce(*_GOAL))
    reached = named.join(_under(bad, ends["peer"], tags), on=_GOAL, nulls_equal=True)
    reached = reached.select("near", "transport", "port", "peer", "goal", "said").unique()
    somewhere = ends.join(reached, on=["near", "transport", "peer"])
    anywhere = ends.filter(pl.col("near") == ANYWHERE).join(reached.drop("near"), on=["transport", "peer"])
    hits = pl.concat([somewhere, anywhere.select(somewhere.columns)])
    within = hits.filter(pl.col("port").is_between("first", "last"))
    first = within.group_by(_KEY).agg(clash=pl.format(WHY, "peer", "goal", "said").min())
    return cells.join(first, on=_KEY, how="left", maintain_order="left")


def met_with(cells: pl.DataFrame, there: pl.DataFrame, tags: ServiceTags | None) -> pl.DataFrame:
    """What else, of the cells that are `there` for the same near side, lets a want through: its host under a pattern,
    its address under a tag, its port in a range. As rows of that want, with the columns of `cells`."""
    place = ["platform", "layer", "direction", "near"]
    among = there.select(*place, "peer", "opens").unique()
    mine = cells.drop("peer").rename({"opens": "mine"})
    also = mine.join(_under(cells, among["peer"], tags), on=_GOAL, nulls_equal=True).join(among, on=[*place, "peer"])
    (first, last), (from_, to) = _ports(), _ports("mine")
    carried = (_protocol() == _protocol("mine")) & (first <= from_) & (to <= last)
    is_fqdn = pl.col("layer") == "fqdn"
    also = also.filter(is_fqdn | carried).with_columns(opens=pl.when(is_fqdn).then("mine").otherwise("opens"))
    fresh = also.join(cells, on=["want", "near", "peer", "opens"], how="anti")
    return fresh.unique(["want", "layer", "near", "peer", "opens"]).with_columns(doubt=pl.lit("")).select(cells.columns)


def _protocol(name: str = "opens") -> pl.Expr:
    return pl.col(name).str.splitn("/", 2).struct.field("field_0")


def _ports(name: str = "opens") -> tuple[pl.Expr, pl.Expr]:
    """The first and the last port of a service, 0 where it has none."""
    parts = pl.col(name).str.splitn("/", 2).struct.field("field_1").str.splitn("-", 2).struct
    first, last = parts.field("field_0"), pl.coalesce(parts.field("field_1"), parts.field("field_0"))
    return first.cast(pl.UInt16).fill_null(0).alias("first"), last.cast(pl.UInt16).fill_null(0).alias("last")


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
    known = address.parse(fars["address"]).select("number", address="text").drop_nulls()
    if tags is not None and among["peer"].str.starts_with("tag:").any():
        tagged = known.join(tags.of(known["number"]), on="number").select(
            "address", peer=pl.concat_str(pl.lit("tag:"), "tag")
        )
        found.append(fars.join(tagged.join(among, on="peer", how="semi"), on="address").select(*_GOAL, "peer"))
    networks = [(peer, *address.interval(ip_network(peer))) for peer in among["peer"] if _NETWORK.fullmatch(peer)]
    if networks:
        spans = pl.DataFrame(
            networks, schema={"peer": pl.String, "first": pl.UInt128, "last": pl.UInt128}, orient="row"
        )
        inside = known.join_where(spans, pl.col("number") >= pl.col("first"), pl.col("number") <= pl.col("last"))
        found.append(fars.join(inside.select("address", "peer"), on="address").select(*_GOAL, "peer"))
    return pl.concat(found).join(among, on="peer", how="semi").unique()
