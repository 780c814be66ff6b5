"""Knows what is nearest to a flow that nothing explains: the need that would have matched but for one thing."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from fwlens import names
from fwlens.match.choice import Choice
from fwlens.match.patterns import (
    ANY_DEPTH,
    EXACT,
    PEER,
    hits,
    is_carried,
    patterns,
    tails,
    transport,
    with_peer,
    with_services,
)
from fwlens.requirement import Requirement
from fwlens.tags import TOO_WIDE, ServiceTags

_MOST: Final = 3
NEAR: Final = pl.List(pl.Struct({"requirement": pl.String, "why": pl.String}))
_COLUMNS: Final = (*PEER, "requirement", "why", "distance", "rank")


def near(
    flows: pl.DataFrame, requirements: Sequence[Requirement], *, tags: ServiceTags | None, choice: Choice
) -> pl.DataFrame:
    """`flows` with a column `near`: up to three requirements that explain almost this, and what differs.

    "documented on 443, seen on 8443", "documented for WestEurope, seen for NorthEurope", "documented bare, seen with a
    subdomain"; nearest first.
    """
    keyed = with_peer(flows)
    keys = keyed.select(PEER).unique()
    table = patterns(requirements, names.REGIONS)
    found = with_services(hits(keys, table, tags), requirements)
    names_near = with_services(_other_name(keys, table), requirements).filter(is_carried()).select(_COLUMNS)
    every = pl.concat([_not_chosen(found, requirements, choice), _too_wide(found), _other_service(found), names_near])
    best = (
        every.sort("distance", "rank", "requirement", "why")
        .unique([*PEER, "requirement"], keep="first", maintain_order=True)
        .group_by(PEER, maintain_order=True)
        .agg(near=pl.struct("requirement", "why").head(_MOST))
    )
    joined = keyed.join(best, on=PEER, how="left", nulls_equal=True, maintain_order="left")
    return joined.with_columns(pl.col("near").fill_null([])).select(*flows.columns, pl.col("near").cast(NEAR))


def _reasons(rows: pl.DataFrame, why: pl.Expr, distance: int) -> pl.DataFrame:
    return rows.with_columns(why=why, distance=pl.lit(distance)).select(_COLUMNS)


def _not_chosen(found: pl.DataFrame, requirements: Sequence[Requirement], choice: Choice) -> pl.DataFrame:
    """Explained, were it not for the region or the profiles that were given."""
    fitting = found.filter(is_carried() & ~pl.col("by").str.starts_with(f"tag:{TOO_WIDE}"))
    elsewhere = fitting.filter((pl.col("region") != choice.region) if choice.region else pl.lit(False))
    region = pl.format("documented for {}, seen for {}", pl.lit(choice.region or ""), "region")
    chosen = {need.id for need in choice.of(requirements)}
    profiles = {need.id: ", ".join(need.when) for need in requirements if need.id not in chosen}
    unpicked = fitting.filter(pl.col("requirement").is_in(list(profiles)))
    profile = pl.col("requirement").replace(profiles)
    return pl.concat(
        [
            _reasons(elsewhere, region, 0),
            _reasons(unpicked, pl.format("documented for the profile {}, which was not picked", profile), 1),
        ]
    )


def _too_wide(found: pl.DataFrame) -> pl.DataFrame:
    wide = found.filter(is_carried() & pl.col("by").str.starts_with(f"tag:{TOO_WIDE}"))
    return _reasons(wide, pl.format("documented for {}, which is so wide that it explains nothing", "by"), 5)


def _other_service(found: pl.DataFrame) -> pl.DataFrame:
    """The peer is documented, on other ports or over another protocol."""
    way = [*PEER, "requirement", "rank"]
    fitting = found.filter(is_carried()).select(way).unique()
    other = found.join(fitting, on=way, how="anti", nulls_equal=True)
    ports = (
        pl.when(pl.col("first") == pl.col("last"))
        .then(pl.col("first").cast(pl.String))
        .otherwise(pl.format("{}-{}", "first", "last"))
    )
    same = pl.col("transport") == transport()
    by_port = (
        other.filter(same)
        .group_by(way)
        .agg(listed=ports.unique().sort_by(ports.unique().str.len_chars()).str.join(", "))
    )
    others = other.join(by_port.select(way), on=way, how="anti", nulls_equal=True)
    by_protocol = others.group_by(way).agg(listed=pl.col("service").unique().sort().str.join(", "))
    seen = pl.when(pl.col("port").is_null()).then("protocol").otherwise(pl.format("{}/{}", "protocol", "port"))
    return pl.concat(
        [
            _reasons(by_port, pl.format("documented on {}, seen on {}", "listed", pl.col("port").fill_null(0)), 2),
            _reasons(by_protocol, pl.format("documented over {}, seen over {}", "listed", seen), 3),
        ]
    )


def _other_name(keys: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    """The name is documented without its first labels, only with some, or is only how this one begins.

    Rows have the `way` too, for their services to be compared.
    """
    named = keys.filter((pl.col("direction") == "outbound") & pl.col("fqdn").is_not_null())
    fqdns = named.select("fqdn").unique()
    ends = tails(fqdns, table)
    kind, more = pl.col("kind"), pl.col("more")
    below = ends.filter((kind == EXACT) & (more >= 1))
    bare = ends.filter((kind == ANY_DEPTH) & (more == 0))
    exact = table.filter(kind == EXACT)
    parts = fqdns.with_columns(parts=pl.col("fqdn").str.split("."))
    heads = [
        parts.filter(pl.col("parts").list.len() > labels).select(
            "fqdn", text=pl.col("parts").list.head(labels).list.join("."), labels=pl.lit(labels, pl.UInt8)
        )
        for labels in sorted(exact["labels"].unique())
    ]
    alike = pl.concat(heads).join(exact, on=["text", "labels"]) if heads else below.drop("more").head(0)
    cases = (
        (below, pl.format("documented bare ({}), seen with a subdomain", "text"), 4),
        (bare, pl.format("documented with a subdomain ({}), seen bare", "by"), 4),
        (alike, pl.format("begins like {} and is another name", "text"), 6),
    )
    columns = (*_COLUMNS, "way")
    rows = [
        named.join(ends, on="fqdn").with_columns(why=why, distance=pl.lit(at)).select(columns)
        for ends, why, at in cases
    ]
    return pl.concat(rows)
