"""Knows denied flows as a check of rules sees them: who, where to under every notation that names it, over what."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_network
from typing import Final

import polars as pl

from fwlens import address, names
from fwlens.flow import service
from fwlens.requirement import Requirement, Way
from fwlens.rule import TRANSPORT, Endpoint, Platform, Rule, Service
from fwlens.tags import ServiceTags

ANYWHERE: Final = "*"
_KEYS: Final = (
    "platform", "inbound", "near", "host", "address", "service", "verdict", "said", "requirement", "by", "overruled",
)  # fmt: skip
Place = tuple[Platform, bool]
"""A platform, and whether inbound there."""
BY_ADDRESS: Final = ("address", "tag")
_ADMIN: Final = "/networkmanagers/"


@dataclass(frozen=True, slots=True)
class Flow:
    """One distinct denied conversation.

    `ends` are the endpoints that name its far side: the host, every pattern above it, the address, every service tag of
    that. `documented` are the tags by which its document lets the same need through. `overruled` says that a security
    admin rule denied it, which comes before every NSG rule: none lets it through.
    """

    platform: Platform
    inbound: bool
    near: str
    host: str | None
    address: str | None
    service: Service
    verdict: str
    said: str
    requirement: str | None
    by: str | None
    ends: frozenset[str]
    documented: frozenset[str]
    overruled: bool = False

    @property
    def place(self) -> Place:
        """The platform, and whether it is inbound there."""
        return self.platform, self.inbound

    @property
    def far(self) -> str:
        """The far side as it was seen."""
        return self.host or self.address or ""

    @property
    def seen(self) -> str:
        """The same as its document names it: by its address where that explains it and its name does not."""
        by_address = self.by is not None and Endpoint.parse(self.by).kind in BY_ADDRESS
        return self.address if by_address and self.address else self.far

    @property
    def key(self) -> tuple[str, str, str]:
        """Source, destination and service, as an answer names a conversation."""
        ends = (self.far, self.near) if self.inbound else (self.near, self.far)
        return (*ends, str(self.service))

    def __str__(self) -> str:
        return "{} to {} over {}".format(*self.key)


def rows(matched: pl.DataFrame, platform: str | None) -> pl.DataFrame:
    """The distinct denied conversations of a MATCHED frame with two sides, for the plane that denied or another."""
    return _conversations(matched, platform).select(_KEYS).unique().sort(_KEYS, nulls_last=True).collect()


def weights(matched: pl.DataFrame, platform: str | None) -> pl.DataFrame:
    """What logs show of each of the needed `rows`, in the same order: `flows`, `events`, `first_seen`, `last_seen`,
    `devices`, `denied_by`."""
    named = pl.col("rule").filter(pl.col("cause") == "deny rule")
    return (
        _conversations(matched.filter(pl.col("verdict") == "needed"), platform)
        .group_by(_KEYS)
        .agg(
            flows=pl.len(),
            events=pl.col("events").sum(),
            first_seen=pl.col("first_seen").min(),
            last_seen=pl.col("last_seen").max(),
            devices=pl.col("device").drop_nulls().unique(),
            denied_by=named.drop_nulls().unique(),
        )
        .sort(_KEYS, nulls_last=True)
        .drop(_KEYS)
        .collect()
    )


def _conversations(matched: pl.DataFrame, platform: str | None) -> pl.LazyFrame:
    inbound = pl.col("direction") == "inbound"
    at_nsg = pl.lit(platform == "nsg") if platform else pl.col("plane") == "nsg"
    return (
        matched.lazy()
        .filter(pl.col("action") == "Deny")
        .with_columns(
            platform=pl.lit(platform) if platform else pl.col("plane").cast(pl.String),
            inbound=inbound,
            near=pl.when(inbound).then("dst_ip").otherwise("src_ip"),
            host=pl.when(~inbound).then("dst_fqdn"),
            address=pl.when(inbound).then("src_ip").otherwise("dst_ip"),
            service=service(pl.col("protocol"), pl.col("dst_port")),
            verdict=pl.col("verdict").cast(pl.String),
            said=pl.col("cause").cast(pl.String),
            overruled=pl.col("device").str.contains(_ADMIN, literal=True).fill_null(value=False) & at_nsg,
        )
        .filter(pl.col("near").is_not_null() & pl.any_horizontal(pl.col("host", "address").is_not_null()))
    )


def reachable(found: pl.DataFrame, rules: Iterable[Rule], tags: ServiceTags | None) -> pl.DataFrame:
    """The rows that some rule might allow, judged roughly and a column at a time; the exact check comes after."""
    rules = tuple(rules)
    ends = {end for rule in rules for end in (*rule.sources, *rule.destinations)}
    spans = {(each.transport, each.first, each.last) for rule in rules for each in rule.services}
    parts = pl.col("service").str.splitn("/", 2).struct
    transport, port = parts.field("field_0").replace(TRANSPORT), parts.field("field_1").cast(pl.UInt16).fill_null(0)
    carried = [(transport == name) & port.is_between(first, last) for name, first, last in sorted(spans)]
    exact = sorted(end.text for end in ends if end.kind in ("host", "address"))
    below = [pl.col("host").str.ends_with(end.text[1:]) for end in ends if end.kind == "wildcard"]
    by_range = any(end.kind == "tag" or "/" in end.text for end in ends)
    far = [
        pl.col("host").is_in(exact),
        pl.col("address").is_in(exact),
        pl.col("address").is_not_null() & by_range & (tags is not None or "/" in "".join(exact)),
        *below,
    ]
    return found.filter(pl.any_horizontal(*carried, False), pl.any_horizontal(far).fill_null(value=False))


def flows(
    found: pl.DataFrame, known: Mapping[str, Requirement], tags: ServiceTags | None, region: str | None
) -> Iterator[Flow]:
    """Rows as flows, addresses with their service tags. `region` is the one that was asked for, if any."""
    of: dict[str, frozenset[str]] = {}
    if tags is not None:
        numbers = address.parse(found["address"]).drop_nulls()
        tagged = numbers.join(tags.of(numbers["number"]), on="number").group_by("text").agg("tag")
        of = {text: frozenset(f"tag:{name}" for name in names) for text, names in tagged.iter_rows()}
    for platform, inbound, near, host, far, shown, verdict, said, requirement, by, overruled in found.iter_rows():
        carried, need = Service.parse(shown), known.get(requirement or "")
        by_document = need is not None and verdict == "needed" and far is None
        documented = _documented(need, by, carried, region) if need is not None and by_document else ()
        yield Flow(
            platform, inbound, near, host, far, carried, verdict, said or "", requirement, by,
            ends=frozenset(_names(host)) | ({far} if far else set()) | of.get(far, frozenset()),
            documented=frozenset(documented), overruled=overruled,
        )  # fmt: skip


def _names(host: str | None) -> Iterator[str]:
    """A host and every pattern that covers it."""
    if host:
        yield host
        labels = host.split(".")
        yield from (f"*.{'.'.join(labels[i:])}" for i in range(1, len(labels)))


def _documented(need: Requirement, by: str | None, carried: Service, region: str | None) -> Iterator[str]:
    """The service tags of the ways of a need that carry a service: the same need, for a flow that was seen by name."""
    for way in need.ways:
        if any(each.carries(carried) for each in way.over):
            yield from (str(end) for end in ends_of(need, way, by, region) if end.kind == "tag")


def ends_of(need: Requirement, way: Way, by: str | None, region: str | None) -> list[Endpoint]:
    """The endpoints of a way in the region that was asked for or that the matched endpoint names; without a region only
    those that have none."""
    there = region or (_region_of(need, by) if by else None)
    bound = [names.bind(peer, there) if there else peer for peer in way.peers]
    return [end for end in bound if names.REGION not in end.text]


@cache
def _region_of(need: Requirement, by: str) -> str | None:
    """The region in which a need spells one of its regional endpoints so."""
    peers = [peer for way in need.ways for peer in way.peers if names.REGION in peer.text]
    spelled = (name for name in names.REGIONS if any(str(names.bind(peer, name)) == by for peer in peers))
    return next(spelled, None)


def near_atoms(rules: Iterable[Rule], nears: Iterable[str]) -> dict[str, dict[int, frozenset[Endpoint]]]:
    """Per near address the rules, by number, that name it on their near side, with the endpoints that do."""
    sides = [(number, end) for number, rule in enumerate(rules) for end in near_side(rule) if end.kind == "address"]
    spans = [(side, *address.interval(ip_network(end.text))) for side, (_, end) in enumerate(sides)]
    table = pl.DataFrame(spans, schema={"side": pl.UInt32, "first": pl.UInt128, "last": pl.UInt128}, orient="row")
    known = address.parse(pl.Series(sorted(set(nears)), dtype=pl.String)).drop_nulls()
    inside = known.join_where(table, pl.col("number") >= pl.col("first"), pl.col("number") <= pl.col("last"))
    found: dict[str, dict[int, frozenset[Endpoint]]] = {}
    for near, side in inside.select("text", "side").iter_rows():
        number, end = sides[side]
        mine = found.setdefault(near, {})
        mine[number] = mine.get(number, frozenset()) | {end}
    return found


def near_side(rule: Rule) -> tuple[Endpoint, ...]:
    """The endpoints of a rule on the side of one's own network."""
    return rule.destinations if rule.direction == "inbound" else rule.sources


def far_side(rule: Rule) -> tuple[Endpoint, ...]:
    """The endpoints of a rule on the other side."""
    return rule.sources if rule.direction == "inbound" else rule.destinations
