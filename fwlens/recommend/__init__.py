"""MATCHED -> recommendations: what is needed and denied becomes the fewest, narrowest rules of each platform.

Needed flows become *cells* (a near and a far endpoint and a service, as a rule would name them); `cover` finds the
rectangles; each rectangle becomes a rule with its evidence, citations and doubts. What a platform cannot hold is handed
back with the reason.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Final

import polars as pl

from fwlens.cover import Cell, Rectangle, cover
from fwlens.flow import service
from fwlens.recommend.doubts import Grounds, doubts
from fwlens.recommend.plane import MANAGED_PORTS, Hold, Options, Want, holds
from fwlens.rule import (
    Conversation,
    Endpoint,
    Evidence,
    Platform,
    Recommendation,
    Requirement,
    Rule,
    Service,
    Unsaid,
)
from fwlens.tags import ServiceTags

__all__ = ["Options", "Recommendations", "recommend"]

_FAR: Final = ("platform", "direction", "requirement", "way", "by", "service", "host", "address")
_V4_ONLY: Final = "Azure Firewall takes IPv4 addresses only"
_ADMIN: Final = "denied by a security admin rule of Virtual Network Manager, which comes before every NSG rule"
_ANYWHERE: Final = "*"


@dataclass(frozen=True, slots=True)
class Recommendations:
    """The rules in a total order, and the needed conversations that no rule can allow."""

    rules: tuple[Recommendation, ...]
    unsaid: tuple[Unsaid, ...]


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
    wanted = _wanted(matched, platform)
    held, refused = _held(wanted, known, options)
    cells = wanted.join(held, on=_FAR, nulls_equal=True)
    rules = [recommendation for layer in _layers(cells) for recommendation in _rules(layer, known, cells, tags)]
    unsaid = wanted.join(refused, on=_FAR, how="left", nulls_equal=True).with_columns(why=pl.coalesce("why", "blocked"))
    return Recommendations(
        tuple(sorted(rules, key=lambda rule: rule.rule.sort_key)),
        tuple(_unsaid(unsaid.filter(pl.col("why").is_not_null()))),
    )


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
        cells += [(*far, *_cell(hold)) for hold in ways[:1]]
        refused += [] if ways else [(*far, why)]
    base = {name: wanted.schema[name] for name in _FAR}
    cell = {"layer": pl.String, "peer": pl.String, "opens": pl.String, "doubt": pl.String}
    return (
        pl.DataFrame(cells, schema={**base, **cell}, orient="row"),
        pl.DataFrame(refused, schema={**base, "why": pl.String}, orient="row"),
    )


def _cell(hold: Hold) -> tuple[str, str, str, str]:
    return hold.layer, str(hold.peer), str(hold.service), hold.doubt


def _layers(cells: pl.DataFrame) -> Iterator[pl.DataFrame]:
    usable = cells.filter(pl.col("blocked").is_null()).with_columns(
        near=pl.when(pl.col("platform") == "aml-managed-network").then(pl.lit(_ANYWHERE)).otherwise("near")
    )
    for key in ("platform", "layer", "direction"):
        usable = usable.sort(key, maintain_order=True)
    yield from usable.partition_by("platform", "layer", "direction", maintain_order=True)


def _rules(
    cells: pl.DataFrame, known: dict[str, Requirement], every: pl.DataFrame, tags: ServiceTags | None
) -> Iterator[Recommendation]:
    """The rules of one layer and direction."""
    platform, layer, direction = cells.select("platform", "layer", "direction").row(0)
    seen = frozenset(Endpoint.parse(peer) for peer in every["peer"].unique())
    wanted = [Cell(*row) for row in cells.select("near", "peer", "opens").unique().iter_rows()]
    for block in _blocks(platform, layer, wanted):
        for found in cover(block):
            near, far = _endpoints(found.sources), _endpoints(found.destinations)
            services = MANAGED_PORTS if layer == "fqdn" else tuple(sorted(map(Service.parse, found.services)))
            sources, destinations = (far, near) if direction == "inbound" else (near, far)
            rule = Rule(platform, layer, direction, sources, destinations, services)
            yield _recommendation(rule, _within(cells, found), known, seen, tags)


def _blocks(platform: Platform, layer: str, cells: Iterable[Cell]) -> Iterator[list[Cell]]:
    """Cells that may share a rule at all: a network or NSG rule has one set of ports for its protocols, an NSG rule one
    tag or addresses of one family, a rule of the managed network one destination."""
    blocks: dict[tuple[str, ...], list[Cell]] = {}
    for cell in cells:
        protocol = cell.service.partition("/")[0]
        tag = cell.destination if cell.destination.startswith("tag:") else ""
        key: tuple[str, ...] = ()
        if layer == "network":
            key = (protocol, "names" if Endpoint.parse(cell.destination).kind == "host" else "")
        elif layer == "nsg":
            key = (protocol, tag, "v6" if ":" in cell.source else "v4")
        elif platform == "aml-managed-network":
            key = (protocol if layer == "service-tag" else "", cell.destination)
        blocks.setdefault(key, []).append(cell)
    yield from blocks.values()


def _within(cells: pl.DataFrame, found: Rectangle) -> pl.DataFrame:
    return cells.filter(
        pl.col("near").is_in(list(found.sources))
        & pl.col("peer").is_in(list(found.destinations))
        & pl.col("opens").is_in(list(found.services))
    )


def _endpoints(texts: Iterable[str]) -> tuple[Endpoint, ...]:
    """Endpoints in their order, addresses folded to the fewest networks that add no address."""
    parsed = {Endpoint.parse(text) for text in texts}
    rest = [endpoint for endpoint in parsed if endpoint.kind != "address"]
    networks = [ip_network(endpoint.text) for endpoint in parsed if endpoint.kind == "address"]
    v4 = collapse_addresses(network for network in networks if isinstance(network, IPv4Network))
    v6 = collapse_addresses(network for network in networks if isinstance(network, IPv6Network))
    folded = [Endpoint.parse(str(network)) for network in (*v4, *v6)]
    return tuple(sorted((*rest, *folded), key=lambda endpoint: endpoint.sort_key))


def _recommendation(
    rule: Rule, cells: pl.DataFrame, known: dict[str, Requirement], seen: frozenset[Endpoint], tags: ServiceTags | None
) -> Recommendation:
    requirements = tuple(known[name] for name in sorted(cells["requirement"].unique()))
    flows, events, first, last = cells.select(
        pl.col("flows").sum(), pl.col("events").sum(), pl.col("first_seen").min(), pl.col("last_seen").max()
    ).row(0)
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
