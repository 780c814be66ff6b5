"""Knows how endpoints of the catalogue are looked up: patterns with regions bound, joined against names and addresses.

Names are compared as Azure Firewall does (https://learn.microsoft.com/azure/firewall/firewall-faq): `*.x` covers any
depth and never `x`. Addresses are compared through the service-tag file and the networks of the catalogue.
"""

from collections.abc import Iterable
from ipaddress import ip_network
from typing import Final

import polars as pl

from fwlens import address, names
from fwlens.flow import DIRECTIONS, Columns
from fwlens.requirement import Requirement
from fwlens.rule import BASES, LEVELS, PLACEHOLDER, TRANSPORT, Endpoint
from fwlens.tags import ServiceTags

PEER: Final = ("direction", "fqdn", "ip", "protocol", "port")
"""What of a flow a requirement speaks of: its direction, the far side by name and address, and the service."""
EXACT, ONE_LABEL, ANY_DEPTH, TAG, NETWORK = range(5)
# Symbolic tag without published prefixes: the network's own space, of which private addresses are what a log can show.
_VIRTUAL_NETWORK: Final = "VirtualNetwork"
_VIRTUAL: Final = tuple(one for one in address.PRIVATE if not (one.is_loopback or one.is_link_local))
_PATTERN: Final[Columns] = {
    "rank": pl.UInt32,
    "requirement": pl.String,
    "way": pl.UInt8,
    "by": pl.String,
    "region": pl.String,
    "kind": pl.UInt8,
    "text": pl.String,
    "labels": pl.UInt8,
    "width": pl.Float64,
    "needs": DIRECTIONS,
}
_SERVICE: Final[Columns] = {
    "requirement": pl.String,
    "way": pl.UInt8,
    "service": pl.String,
    "transport": pl.String,
    "first": pl.UInt16,
    "last": pl.UInt16,
}


def with_peer(flows: pl.DataFrame) -> pl.DataFrame:
    """Flows with the columns of `PEER`. The far side is the destination, or of an inbound flow the source."""
    inbound = pl.col("direction") == "inbound"
    return flows.with_columns(
        fqdn=pl.when(~inbound).then("dst_fqdn"),
        ip=pl.when(inbound).then("src_ip").otherwise("dst_ip"),
        port=pl.col("dst_port"),
    )


def patterns(requirements: Iterable[Requirement], regions: Iterable[str]) -> pl.DataFrame:
    """One row per endpoint of each way, `<region>` bound to each of the regions; `rank` orders equals by preference."""
    regions, rows = tuple(regions), []
    for rank, requirement in enumerate(sorted(requirements, key=_preference)):
        for number, way in enumerate(requirement.ways):
            for peer in way.peers:
                for endpoint, region in _bound(peer, regions):
                    for shape in _shapes(endpoint):
                        row = (rank, requirement.id, number, str(endpoint), region, *shape, requirement.direction)
                        rows.append(row)
    return pl.DataFrame(rows, schema=_PATTERN, orient="row")


def _bound(peer: Endpoint, regions: tuple[str, ...]) -> list[tuple[Endpoint, str | None]]:
    if names.REGION not in peer.text:
        return [(peer, None)]
    return [(names.bind(peer, region), region) for region in regions]


def _preference(requirement: Requirement) -> tuple[object, ...]:
    return (
        BASES.index(requirement.basis),
        LEVELS.index(requirement.level),
        bool(requirement.superseded_by),
        requirement.inferred,
        requirement.id,
    )


def _shapes(endpoint: Endpoint) -> list[tuple[int, str, int, float]]:
    """How an endpoint is looked up: kind, text, labels of a name, width. Names are narrower (< 1) than any address."""
    if endpoint.kind == "tag":
        if endpoint.text == _VIRTUAL_NETWORK:
            return [(NETWORK, str(network), 0, 2.0**32) for network in _VIRTUAL]
        return [(TAG, endpoint.text.casefold(), 0, 0.0)]
    if endpoint.kind == "address":
        return [(NETWORK, endpoint.text, 0, float(ip_network(endpoint.text).num_addresses))]
    text = endpoint.text.partition("/")[0]
    labels = text.count(".") + 1
    if endpoint.kind == "wildcard":
        return [(ANY_DEPTH, text[2:], labels - 1, 1 - labels / 256)]
    if PLACEHOLDER.search(text):
        # As wide as a wildcard: which account or registry is yours, a name does not say.
        return [(ONE_LABEL, text.partition(".")[2], labels - 1, 1 - labels / 256)]
    return [(EXACT, text, labels, 0.0)]


def hits(keys: pl.DataFrame, table: pl.DataFrame, tags: ServiceTags | None) -> pl.DataFrame:
    """Which patterns cover the peer of which keys, services not yet compared: `PEER` and the columns of a pattern."""
    by_name = _name_hits(keys.select("fqdn").drop_nulls().unique(), table)
    by_address = _address_hits(keys.select("ip").drop_nulls().unique(), table, tags)
    found = [
        keys.join(by_name, on=["fqdn"], how="inner"),
        keys.join(by_address, on=["ip"], how="inner"),
    ]
    return pl.concat([part.filter(pl.col("direction") == pl.col("needs")) for part in found])


def _name_hits(fqdns: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    kind, more = pl.col("kind"), pl.col("more")
    covered = (
        ((kind == EXACT) & (more == 0)) | ((kind == ONE_LABEL) & (more == 1)) | ((kind == ANY_DEPTH) & (more >= 1))
    )
    return tails(fqdns, table).filter(covered).select("fqdn", *table.columns)


def tails(fqdns: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    """Names with each pattern whose text they end in, label by label; `more` is how many labels stand before it."""
    hosts = table.filter(pl.col("kind") <= ANY_DEPTH)
    parts = fqdns.with_columns(parts=pl.col("fqdn").str.split("."))
    size = pl.col("parts").list.len()
    ends = [
        parts.filter(size >= labels).select(
            "fqdn",
            text=pl.col("parts").list.tail(labels).list.join("."),
            labels=pl.lit(labels, pl.UInt8),
            more=(size - labels).cast(pl.Int32),
        )
        for labels in sorted(hosts["labels"].unique())
    ]
    if not ends:
        ends = [parts.select("fqdn", text="fqdn", labels=pl.lit(0, pl.UInt8), more=pl.lit(0)).head(0)]
    return pl.concat(ends).join(hosts, on=["text", "labels"])


def _address_hits(ips: pl.DataFrame, table: pl.DataFrame, tags: ServiceTags | None) -> pl.DataFrame:
    columns = table.columns
    known = address.parse(ips["ip"]).select("number", ip="text").drop_nulls()
    networks = table.filter(pl.col("kind") == NETWORK)
    bounds = [address.interval(ip_network(text)) for text in networks["text"]]
    spans = networks.with_columns(
        pl.Series("first", [first for first, _ in bounds], pl.UInt128),
        pl.Series("last", [last for _, last in bounds], pl.UInt128),
    )
    within = (pl.col("number") >= pl.col("first")) & (pl.col("number") <= pl.col("last"))
    found = [known.join_where(spans, within).select("ip", *columns)]
    if tags is not None:
        of = tags.of(known["number"]).with_columns(text=pl.col("tag").str.to_lowercase())
        tagged = table.filter(pl.col("kind") == TAG).drop("width")
        found.append(known.join(of, on="number").join(tagged, on="text").select("ip", *columns))
    return pl.concat(found)


def with_services(hits: pl.DataFrame, requirements: Iterable[Requirement]) -> pl.DataFrame:
    """Hits with each `service` of their way, its transport and ports."""
    rows = [
        (requirement.id, number, str(service), service.transport, service.first, service.last)
        for requirement in requirements
        for number, way in enumerate(requirement.ways)
        for service in way.over
    ]
    return hits.join(pl.DataFrame(rows, schema=_SERVICE, orient="row"), on=["requirement", "way"])


def is_carried() -> pl.Expr:
    """Whether a service of `with_services` carries the service of the flow, transports compared."""
    port = pl.col("port").fill_null(0)
    return (transport() == pl.col("transport")) & port.is_between(pl.col("first"), pl.col("last"))


def transport() -> pl.Expr:
    """The transport of a flow's protocol: `tcp` for https, http and mssql."""
    return pl.col("protocol").replace(TRANSPORT)
