"""Knows how needed flows become cells: combinations of near side, far side and service, as rules name them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import polars as pl

from fwlens.flow import service
from fwlens.recommend.clash import met_with, others, with_clash
from fwlens.recommend.near import ANYWHERE, Nears, nears
from fwlens.recommend.plane import Hold, Options, Want, as_stated, documented, holds
from fwlens.requirement import Requirement
from fwlens.rule import Endpoint, Platform, Service
from fwlens.tags import ServiceTags

CELL: Final = ("near", "peer", "opens")
LAYER: Final = ("platform", "layer", "direction")
_FAR: Final = ("platform", "direction", "requirement", "way", "by", "service", "host", "address")
_V4_ONLY: Final = "Azure Firewall takes IPv4 addresses only"
_ADMIN: Final = "denied by a security admin rule of Virtual Network Manager, which comes before every NSG rule"
_NARROWED: Final = "Narrowed to the {} that was seen: {} would also allow what must not be."
_IS_NETWORK: Final = pl.col("peer").str.contains("^[0-9a-f.:]+/[0-9]+$")
_NARROWER: Final = (
    ("peer", "host", pl.col("host"), pl.col("peer").str.starts_with("*.") & pl.col("host").is_not_null()),
    ("peer", "address", pl.col("address"), _IS_NETWORK & pl.col("address").is_not_null()),
    ("opens", "port", pl.col("exact"), pl.col("opens") != pl.col("exact")),
    ("near", "address", pl.col("who"), (pl.col("near") != pl.col("who")) & (pl.col("near") != ANYWHERE)),
)
"""What of a cell can be narrowed to what was seen: what that is called, where it stands, and where it is narrower."""


@dataclass(frozen=True, slots=True)
class Cells:
    """What the rules have to allow.

    `usable`: per `want` (a needed conversation as rules see it) the cells of which any one meets it: `LAYER`, `CELL`,
    `requirement`, `doubt`, `who` (the near address) and the evidence of the want. `lost`: wants without one, with
    `why`. `beyond`: in the same form what was not seen and documents ask for, a want for each cell of it. No cell
    allows what it must not (`bad`). `may`: what a rule for a subnet lets through of addresses that are named as well.
    """

    usable: pl.DataFrame
    lost: pl.DataFrame
    beyond: pl.DataFrame
    bad: pl.DataFrame
    may: pl.DataFrame


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
    apart = _apart(usable, named)
    stated = open_.join(wider, on=_FAR, nulls_equal=True)
    beyond = _asked_by_documents(stated, bad, tags, apart, wanted.height).select(usable.columns).cast(usable.schema)
    usable, beyond = (pl.concat([part, _by_address(part, apart)]) for part in (usable, beyond))
    every = pl.concat([usable, beyond]) if options.documented else usable
    usable, beyond = (pl.concat([part, met_with(part, every, tags)]) for part in (usable, beyond))
    named_here = pl.concat([usable, beyond]) if options.documented else usable
    usable, beyond = (pl.concat([part, _by_subnet(part, apart, named_here)]) for part in (usable, beyond))
    may = named_here.drop("who").join(apart, on=[*LAYER, "near"]).with_columns(near="who").select(*LAYER, *CELL)
    reasons = wanted.join(refused, on=_FAR, how="left", nulls_equal=True).join(clashing, on="want", how="left")
    lost = reasons.with_columns(why=pl.coalesce("blocked", "why", "clash")).filter(pl.col("why").is_not_null())
    return Cells(usable, lost.sort("near", *_FAR, nulls_last=True), beyond, bad, may.unique())


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
        stated = [as_stated(want, hold) if options.documented else hold for hold in ways]
        held += [(*far, *_cell(wide), str(hold.service)) for wide, hold in zip(stated, ways, strict=True)]
        wider += [(*far, *_cell(other)) for hold in ways for other in documented(platform, want, hold, options)]
        refused += [] if ways else [(*far, why)]
    base = {name: wanted.schema[name] for name in _FAR}
    cell = {"layer": pl.String, "peer": pl.String, "opens": pl.String, "doubt": pl.String}
    return (
        pl.DataFrame(held, schema={**base, **cell, "exact": pl.String}, orient="row"),
        pl.DataFrame(refused, schema={**base, "why": pl.String}, orient="row"),
        pl.DataFrame(wider, schema={**base, **cell}, orient="row"),
    )


def _cell(hold: Hold) -> tuple[str, str, str, str]:
    return hold.layer, str(hold.peer), str(hold.service), hold.doubt


def _parted(found: pl.DataFrame, bad: pl.DataFrame, tags: ServiceTags | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Cells that allow nothing they must not, and per `want` that is left without one the `clash`.

    What would allow too much is narrowed to what was seen, in as little as is enough.
    """
    judged = with_clash(found, bad, tags).with_row_index("cell")
    sound, clashing = pl.col("clash").is_null(), judged.filter(pl.col("clash").is_not_null())
    usable, left = [judged.filter(sound)], clashing
    for count in range(1, len(_NARROWER) + 1):
        for ways in combinations(_NARROWER, count) if left.height else ():
            tried = with_clash(_narrowed(left, ways).drop("clash"), bad, tags).filter(sound)
            usable.append(tried.select(judged.columns))
            left = left.join(tried, on="cell", how="anti")
    every = pl.concat(usable).sort("cell").drop("cell", "clash", "exact")
    lost = clashing.join(every.select("want").unique(), on="want", how="anti")
    return every, lost.group_by("want").agg(pl.col("clash").min())


def _narrowed(cells: pl.DataFrame, ways: Iterable[tuple[str, str, pl.Expr, pl.Expr]]) -> pl.DataFrame:
    """The cells that can be narrowed in all of the ways, and a doubt that says so of each."""
    for name, called, seen, narrower in ways:
        told = pl.concat_str("doubt", pl.format(_NARROWED, pl.lit(called), name), separator=" ").str.strip_chars(" ")
        cells = cells.filter(narrower).with_columns(seen.alias(name), doubt=told)
    return cells


def _apart(usable: pl.DataFrame, named: Nears) -> pl.DataFrame:
    """Where an address had to be named though its subnet was given: all addresses of that subnet, `LAYER`, `who`, with
    the subnet as `near`. What is known of both is told of both, for a rule that names one may do for the other."""
    of = usable.select(
        *LAYER, "who", is_named=pl.col("near") == pl.col("who"), near=named.named(pl.col("who"))
    ).unique()
    inside = of.filter(pl.col("near") != pl.col("who"))
    return (
        inside.join(inside.filter("is_named"), on=[*LAYER, "near"], how="semi").select(*LAYER, "who", "near").unique()
    )


def _by_address(cells: pl.DataFrame, apart: pl.DataFrame) -> pl.DataFrame:
    """Cells that name a subnet, once more by the address."""
    return cells.join(apart, on=[*LAYER, "who", "near"], how="semi").with_columns(near="who")


def _by_subnet(cells: pl.DataFrame, apart: pl.DataFrame, there: pl.DataFrame) -> pl.DataFrame:
    """Cells that name an address, once more by its subnet where that lets the same through."""
    named = cells.filter(pl.col("near") == pl.col("who")).drop("near").join(apart, on=[*LAYER, "who"])
    fresh = named.join(cells, on=["want", *LAYER, *CELL], how="anti")
    return fresh.join(there.select(*LAYER, *CELL).unique(), on=[*LAYER, *CELL], how="semi").select(cells.columns)


def _asked_by_documents(
    stated: pl.DataFrame, bad: pl.DataFrame, tags: ServiceTags | None, apart: pl.DataFrame, wants: int
) -> pl.DataFrame:
    """What documents ask for beside what was seen, without what would allow too much: each cell is a want, after so
    many others, and its far side is what lies under other patterns and tags."""
    sound = with_clash(stated, bad, tags).filter(pl.col("clash").is_null())
    of = apart.select(*LAYER, "who", mine="who")
    sound = sound.join(of, on=[*LAYER, "who"], how="left", maintain_order="left")
    peer = pl.col("peer")
    is_address = peer.str.contains("^[0-9a-f.:]+$")
    return sound.with_columns(
        want=wants + pl.concat_str(*LAYER, *CELL, pl.col("mine").fill_null(""), separator=" ").rank("dense"),
        host=pl.when(~is_address & ~peer.str.contains("^tag:|/")).then(peer),
        address=pl.when(is_address).then(peer),
        flows=0,
        events=0,
    )


def mergeable(found: Cells, layer: pl.DataFrame, tags: ServiceTags | None) -> pl.DataFrame:
    """The cells that merged rules of a layer may allow: any near side of the layer with any far side and a service that
    was seen in the layer and is documented for that far side, unless it would allow what it must not."""
    mine = found.beyond.join(layer.select(LAYER).unique(), on=LAYER, how="semi")
    pairs = pl.concat([layer.select("peer", "opens"), mine.select("peer", "opens")]).unique()
    documented = pairs.join(layer.select("opens").unique(), on="opens", how="semi")
    every = layer.select(*LAYER, "near").unique().join(documented, how="cross")
    return with_clash(every, found.bad, tags).filter(pl.col("clash").is_null()).drop("clash")
