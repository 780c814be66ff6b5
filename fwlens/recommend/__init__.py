"""MATCHED -> recommendations: what is needed and denied becomes the fewest, narrowest rules of each platform.

Needed flows become *cells* (a near and a far endpoint and a service, as a rule would name them); `cover` finds the
rectangles; each rectangle becomes a rule with its evidence, citations and doubts. What a platform cannot hold is handed
back with the reason.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from fwlens.flow import service
from fwlens.recommend.clash import clashes, others
from fwlens.recommend.doubts import Grounds, doubts
from fwlens.recommend.plane import Hold, Options, Want, holds
from fwlens.recommend.shape import Combination, ruled
from fwlens.rule import Conversation, Endpoint, Evidence, Platform, Recommendation, Requirement, Rule, Service, Unsaid
from fwlens.tags import ServiceTags

__all__ = ["Options", "Recommendations", "recommend"]

_FAR: Final = ("platform", "direction", "requirement", "way", "by", "service", "host", "address")
_CELL: Final = ("near", "peer", "opens")
_V4_ONLY: Final = "Azure Firewall takes IPv4 addresses only"
_ADMIN: Final = "denied by a security admin rule of Virtual Network Manager, which comes before every NSG rule"
_NARROWED: Final = "Narrowed to the host that was seen: {} would also allow what must not be."
_ANYWHERE: Final = "*"


@dataclass(frozen=True, slots=True)
class Recommendations:
    """The rules in a total order, the needed conversations that no rule can allow, and a proven bound on the rules."""

    rules: tuple[Recommendation, ...]
    unsaid: tuple[Unsaid, ...]
    lower_bound: int


def recommend(
    matched: pl.DataFrame,
    requirements: Sequence[Requirement],
    *,
    platform: Platform | None = None,
    tags: ServiceTags | None = None,
    options: Options = Options(),  # noqa: B008 - frozen
) -> Recommendations:
    """Sound and complete rules for all needed flows of a MATCHED frame, for the plane that denied or the given one."""
    known = {requirement.id: requirement for requirement in requirements}
    wanted = _wanted(matched, platform).with_row_index("want")
    held, refused = _held(wanted, known, options)
    cells = wanted.filter(pl.col("blocked").is_null()).join(held, on=_FAR, nulls_equal=True).with_columns(_near())
    usable, clashing = _parted(cells, others(matched), tags)
    seen = frozenset(Endpoint.parse(peer) for peer in usable["peer"].unique())
    rules, bound = [], 0
    for layer in usable.sort("platform", "layer", "direction").partition_by("platform", "layer", "direction"):
        place, kind, direction = layer.select("platform", "layer", "direction").row(0)
        found = ruled(place, kind, direction, _needs(layer))
        bound += found.lower_bound
        rules += [_recommendation(rule, _within(layer, allowed), known, seen, tags) for rule, allowed in found.rules]
    reasons = wanted.join(refused, on=_FAR, how="left", nulls_equal=True).join(clashing, on="want", how="left")
    unsaid = reasons.with_columns(why=pl.coalesce("blocked", "why", "clash")).filter(pl.col("why").is_not_null())
    return Recommendations(tuple(sorted(rules, key=lambda one: one.rule.sort_key)), tuple(_unsaid(unsaid)), bound)


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


def _held(wanted: pl.DataFrame, known: dict[str, Requirement], options: Options) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Each distinct far side with how its platform can hold it, and those that it cannot hold with the reason."""
    cells, refused = [], []
    for far in wanted.select(_FAR).unique().iter_rows():
        platform, direction, requirement, way, by, service_text, host, address = far
        want = Want(direction, known[requirement], way, Endpoint.parse(by), Service.parse(service_text), host, address)
        ways, why = holds(platform, want, options)
        cells += [(*far, *_cell(hold)) for hold in ways]
        refused += [] if ways else [(*far, why)]
    base = {name: wanted.schema[name] for name in _FAR}
    cell = {"layer": pl.String, "peer": pl.String, "opens": pl.String, "doubt": pl.String}
    return (
        pl.DataFrame(cells, schema={**base, **cell}, orient="row"),
        pl.DataFrame(refused, schema={**base, "why": pl.String}, orient="row"),
    )


def _cell(hold: Hold) -> tuple[str, str, str, str]:
    return hold.layer, str(hold.peer), str(hold.service), hold.doubt


def _near() -> pl.Expr:
    """The near side as a rule of the platform names it: a managed network names none."""
    managed = pl.col("platform") == "aml-managed-network"
    return pl.when(managed).then(pl.lit(_ANYWHERE)).otherwise("near").alias("near")


def _parted(cells: pl.DataFrame, bad: pl.DataFrame, tags: ServiceTags | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Cells that allow nothing they must not, and per `want` that is left without one the `clash`.

    A name pattern that would allow too much is narrowed to the host that was seen, if that alone does not.
    """
    found = cells.join(clashes(cells, bad, tags), on=_CELL, how="left")
    wide = pl.col("clash").is_not_null() & pl.col("peer").str.starts_with("*.") & pl.col("host").is_not_null()
    narrowed = found.filter(wide).with_columns(
        peer="host", doubt=pl.concat_str("doubt", pl.format(_NARROWED, "peer"), separator=" ").str.strip_chars(" ")
    )
    again = narrowed.drop("clash").join(clashes(narrowed, bad, tags), on=_CELL, how="left")
    every = pl.concat([found.filter(~wide), again])
    usable = every.filter(pl.col("clash").is_null()).drop("clash")
    lost = every.join(usable.select("want").unique(), on="want", how="anti")
    return usable, lost.group_by("want").agg(pl.col("clash").min())


def _needs(cells: pl.DataFrame) -> list[frozenset[Combination]]:
    """Per want the combinations of which any one meets it."""
    needs: dict[int, set[Combination]] = {}
    for want, *combination in cells.select("want", *_CELL).iter_rows():
        needs.setdefault(want, set()).add(Combination(*combination))
    return [frozenset(combinations) for combinations in needs.values()]


def _within(cells: pl.DataFrame, allowed: frozenset[Combination]) -> pl.DataFrame:
    """The cells that a rule allows."""
    combinations = pl.DataFrame(sorted(allowed), schema=dict.fromkeys(_CELL, pl.String), orient="row")
    return cells.join(combinations, on=_CELL, how="semi")


def _recommendation(
    rule: Rule, cells: pl.DataFrame, known: dict[str, Requirement], seen: frozenset[Endpoint], tags: ServiceTags | None
) -> Recommendation:
    requirements = tuple(known[name] for name in sorted(cells["requirement"].unique()))
    flows, events, first, last = (
        cells.unique("want")
        .select(pl.col("flows").sum(), pl.col("events").sum(), pl.col("first_seen").min(), pl.col("last_seen").max())
        .row(0)
    )
    devices = tuple(sorted(cells["devices"].explode(empty_as_null=False).unique()))
    denied_by = tuple(sorted(cells["denied_by"].explode(empty_as_null=False).drop_nulls().unique()))
    held = tuple(sorted(text for text in cells["doubt"].unique() if text))
    evidence = Evidence(flows, events, first, last, devices)
    doubted = doubts(rule, requirements, Grounds(denied_by, held), seen, tags)
    return Recommendation(rule, tuple(requirement.citation for requirement in requirements), evidence, doubted)


def _unsaid(refused: pl.DataFrame) -> Iterator[Unsaid]:
    rows = refused.sort("near", *_FAR, nulls_last=True)
    for row in rows.iter_rows(named=True):
        far = row["host"] or row["address"]
        source, destination = (far, row["near"]) if row["direction"] == "inbound" else (row["near"], far)
        flow = Conversation(
            source, destination, row["service"], row["direction"], row["events"], row["first_seen"], row["last_seen"]
        )
        yield Unsaid(flow, row["platform"], row["requirement"], row["why"])
