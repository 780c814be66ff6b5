"""Knows how needed flows become cells: combinations of near side, far side and service, as rules name them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from fwlens.flow import service
from fwlens.recommend.clash import met_with, others, with_clash
from fwlens.recommend.near import ANYWHERE, nears
from fwlens.recommend.plane import Hold, Options, Want, as_stated, documented, holds
from fwlens.requirement import Requirement
from fwlens.rule import Endpoint, Platform, Service
from fwlens.tags import ServiceTags

CELL: Final = ("near", "peer", "opens")
LAYER: Final = ("platform", "layer", "direction")
_FAR: Final = ("platform", "direction", "requirement", "way", "by", "service", "host", "address")
_V4_ONLY: Final = "Azure Firewall takes IPv4 addresses only"
_ADMIN: Final = "denied by a security admin rule of Virtual Network Manager, which comes before every NSG rule"
_NARROWED: Final = "Narrowed to the host that was seen: {} would also allow what must not be."


@dataclass(frozen=True, slots=True)
class Cells:
    """What the rules have to allow.

    `usable`: per `want` (a needed conversation as rules see it) the cells of which any one meets it: `LAYER`, `CELL`,
    `requirement`, `doubt`, `who` (the near address) and the evidence of the want. `lost`: wants without one, with
    `why`. `beyond`: cells of the same needs that were not seen and that documents ask for, none of which allows what
    it must not (`bad`).
    """

    usable: pl.DataFrame
    lost: pl.DataFrame
    beyond: pl.DataFrame
    bad: pl.DataFrame


def cells(
    matched: pl.DataFrame,
    known: Mapping[str, Requirement],
    platform: Platform | None,
    tags: ServiceTags | None,
    options: Options,
) -> Cells:
    """The cells of all needed flows, for the plane that denied or the given platform."""
    wanted = _wanted(matched, platform).with_row_index("want")
    named = nears(_addresses(matched), options.subnets)
    bad = others(matched, named)
    held, refused, wider = _held(wanted, known, options)
    open_ = wanted.filter(pl.col("blocked").is_null()).with_columns(
        who=pl.col("near"),
        near=pl.when(pl.col("platform") == "aml-managed-network")
        .then(pl.lit(ANYWHERE))
        .otherwise(named.named(pl.col("near"))),
    )
    usable, clashing = _parted(open_.join(held, on=_FAR, nulls_equal=True), bad, tags)
    if not options.documented:  # what documents open is asked for by its own name
        usable = pl.concat([usable, met_with(usable, tags)])
    beyond = with_clash(open_.join(wider, on=_FAR, nulls_equal=True), bad, tags).filter(pl.col("clash").is_null())
    reasons = wanted.join(refused, on=_FAR, how="left", nulls_equal=True).join(clashing, on="want", how="left")
    lost = reasons.with_columns(why=pl.coalesce("blocked", "why", "clash")).filter(pl.col("why").is_not_null())
    return Cells(usable, lost.sort("near", *_FAR, nulls_last=True), beyond.drop("clash"), bad)


def _addresses(matched: pl.DataFrame) -> list[str | None]:
    denied = matched.filter(pl.col("action") == "Deny")
    return pl.concat([denied["src_ip"], denied["dst_ip"]]).unique().to_list()


def _wanted(matched: pl.DataFrame, platform: Platform | None) -> pl.DataFrame:
    """Needed flows folded to what a rule distinguishes: the near address, the far side, and their evidence."""
    inbound = pl.col("direction") == "inbound"
    named = pl.col("rule").filter(pl.col("cause") == "deny rule")
    return (
        matched.filter(pl.col("verdict") == "needed")
        .with_columns(
            platform=pl.lit(platform) if platform else pl.col("plane").cast(pl.String),
            direction=pl.col("direction").cast(pl.String),
            near=pl.when(inbound).then("dst_ip").otherwise("src_ip"),
            host=pl.when(~inbound).then("dst_fqdn"),
            address=pl.when(inbound).then("src_ip").otherwise("dst_ip"),
            service=service(pl.col("protocol"), pl.col("dst_port")),
        )
        .with_columns(blocked=_blocked())
        .group_by("near", *_FAR, "blocked")
        .agg(
            flows=pl.len(),
            events=pl.col("events").sum(),
            first_seen=pl.col("first_seen").min(),
            last_seen=pl.col("last_seen").max(),
            denied_by=named.unique(),
            devices=pl.col("device").drop_nulls().unique(),
        )
        .sort("near", *_FAR, nulls_last=True)
    )


def _blocked() -> pl.Expr:
    """Why no rule of the platform helps, whatever the far side is."""
    v6 = pl.col("near").str.contains(":", literal=True)
    admin = pl.col("device").str.contains("/networkmanagers/", literal=True) & (pl.col("platform") == "nsg")
    return (
        pl.when((pl.col("platform") == "azure-firewall") & v6)
        .then(pl.lit(_V4_ONLY))
        .when(admin.fill_null(False))
        .then(pl.lit(_ADMIN))
    )


def _held(
    wanted: pl.DataFrame, known: Mapping[str, Requirement], options: Options
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Each distinct far side with how its platform can hold it, why it cannot, and what its document opens beside."""
    held, refused, wider = [], [], []
    for far in wanted.select(_FAR).unique().iter_rows():
        platform, direction, requirement, way, by, service_text, host, address = far
        want = Want(direction, known[requirement], way, Endpoint.parse(by), Service.parse(service_text), host, address)
        ways, why = holds(platform, want, options)
        held += [(*far, *_cell(as_stated(want, hold) if options.documented else hold)) for hold in ways]
        wider += [(*far, *_cell(other)) for hold in ways for other in documented(platform, want, hold, options)]
        refused += [] if ways else [(*far, why)]
    base = {name: wanted.schema[name] for name in _FAR}
    cell = {"layer": pl.String, "peer": pl.String, "opens": pl.String, "doubt": pl.String}
    return (
        pl.DataFrame(held, schema={**base, **cell}, orient="row"),
        pl.DataFrame(refused, schema={**base, "why": pl.String}, orient="row"),
        pl.DataFrame(wider, schema={**base, **cell}, orient="row"),
    )


def _cell(hold: Hold) -> tuple[str, str, str, str]:
    return hold.layer, str(hold.peer), str(hold.service), hold.doubt


def _parted(found: pl.DataFrame, bad: pl.DataFrame, tags: ServiceTags | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Cells that allow nothing they must not, and per `want` that is left without one the `clash`.

    A name pattern that would allow too much is narrowed to the host that was seen, if that alone does not.
    """
    judged = with_clash(found, bad, tags)
    wide = pl.col("clash").is_not_null() & pl.col("peer").str.starts_with("*.") & pl.col("host").is_not_null()
    narrowed = judged.filter(wide).with_columns(
        peer="host", doubt=pl.concat_str("doubt", pl.format(_NARROWED, "peer"), separator=" ").str.strip_chars(" ")
    )
    every = pl.concat([judged.filter(~wide), with_clash(narrowed.drop("clash"), bad, tags).select(judged.columns)])
    usable = every.filter(pl.col("clash").is_null()).drop("clash")
    lost = every.join(usable.select("want").unique(), on="want", how="anti")
    return usable, lost.group_by("want").agg(pl.col("clash").min())


def mergeable(found: Cells, layer: pl.DataFrame, tags: ServiceTags | None) -> pl.DataFrame:
    """The cells that merged rules of a layer may allow: any near side of the layer with any far side and a service that
    was seen in the layer and is documented for that far side, unless it would allow what it must not."""
    mine = found.beyond.join(layer.select(LAYER).unique(), on=LAYER, how="semi")
    pairs = pl.concat([layer.select("peer", "opens"), mine.select("peer", "opens")]).unique()
    documented = pairs.join(layer.select("opens").unique(), on="opens", how="semi")
    every = layer.select("near").unique().join(documented, how="cross").select(CELL)
    return with_clash(every, found.bad, tags).filter(pl.col("clash").is_null()).select(CELL)
