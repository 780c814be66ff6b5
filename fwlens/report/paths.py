"""Knows which rule fixes which need of which machine: the paths of the flow chart, bounded and adding up."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Final

import polars as pl

from fwlens.answer import destination
from fwlens.errors import FwlensError
from fwlens.report.content import Night
from fwlens.report.sheets import near_side, over
from fwlens.rule import Endpoint, Recommendation, Service

NO_RULE: Final = "in no rule"
NOT_TOLD: Final = "rules, not told apart"
_ONE_BY_ONE: Final = 5_000
_MOST: Final = 12


@dataclass(frozen=True, slots=True)
class Path:
    """So many blocked flows of a machine, for a need, fixed by a rule (its id, `NO_RULE` or `NOT_TOLD`)."""

    machine: str
    need: str
    rule: str
    flows: int


@dataclass(frozen=True, slots=True)
class Paths:
    """The paths, with machines, needs and rules beyond the most frequent taken together; how many of each there are."""

    paths: tuple[Path, ...]
    machines: int
    needs: int
    rules: int

    @property
    def flows(self) -> int:
        """All needed flows: each is in one path."""
        return sum(path.flows for path in self.paths)


@dataclass(frozen=True, slots=True)
class _Side:
    """The endpoints of one side of a rule, to be asked often: addresses by the length of their networks."""

    texts: frozenset[str]
    networks: dict[tuple[int, int], set[int]]
    names: tuple[Endpoint, ...]
    has_tag: bool

    def holds(self, text: str, by: str) -> bool:
        """Whether it names this address or host, or the endpoint that explained the flow.

        Which addresses a tag has is not known here: a tag may hold any of them.
        """
        if text in self.texts or by in self.texts or "*" in self.texts:
            return True
        try:
            address = ip_address(text)
        except ValueError:
            return _names(self.names, text)
        number, length = int(address), address.max_prefixlen
        return self.has_tag or any(
            version == address.version and number >> (length - prefix) in known
            for (version, prefix), known in self.networks.items()
        )


def _side(endpoints: Iterable[Endpoint]) -> _Side:
    every, networks = tuple(endpoints), defaultdict[tuple[int, int], set[int]](set)
    for endpoint in every:
        if endpoint.kind == "address":
            network = ip_network(endpoint.text)
            shift = network.max_prefixlen - network.prefixlen
            networks[network.version, network.prefixlen].add(int(network.network_address) >> shift)
    names = tuple(endpoint for endpoint in every if endpoint.kind in ("host", "wildcard", "url"))
    return _Side(frozenset(map(str, every)), dict(networks), names, any(end.kind == "tag" for end in every))


@lru_cache(maxsize=16384)
def _names(known: tuple[Endpoint, ...], text: str) -> bool:
    try:
        host = Endpoint.parse(text)
    except FwlensError:
        return False
    return any(endpoint.covers(host) for endpoint in known)


@dataclass(frozen=True, slots=True)
class _Candidate:
    id: str
    platform: str
    sources: _Side
    destinations: _Side
    services: tuple[Service, ...]

    def allows(self, source: str, goal: str, service: str, by: str) -> bool:
        """Whether a flow may pass by this rule, as far as its words tell."""
        try:
            asked = Service.parse(service)
        except FwlensError:
            return False
        carried = any(known.carries(asked) for known in self.services)
        return carried and self.sources.holds(source, by) and self.destinations.holds(goal, by)


def _candidates(recommendations: Iterable[Recommendation]) -> dict[str, list[_Candidate]]:
    """By need, the rules that cite it."""
    citing = defaultdict[str, list[_Candidate]](list)
    for one in recommendations:
        rule = one.rule
        candidate = _Candidate(rule.id, rule.platform, _side(rule.sources), _side(rule.destinations), rule.services)
        for citation in one.citations:
            citing[citation.id].append(candidate)
    return citing


def paths(night: Night) -> Paths:
    """Every needed flow by machine, need and rule. Where two rules allow one it counts with the first."""
    needed = night.matched.filter(pl.col("verdict") == "needed").select(
        "src_ip", "requirement", machine=near_side(), goal=destination(), service=over(), by=pl.col("by"),
        plane=pl.col("plane").cast(pl.String),
    )  # fmt: skip
    key = ("machine", "requirement", "plane", "src_ip", "goal", "service", "by")
    groups = needed.group_by(key).agg(flows=pl.len()).sort("flows", *key, descending=[True, *[False] * len(key)])
    citing = _candidates(night.answer.recommendations)
    unsaid = {(one.flow.src_ip, one.flow.destination, one.flow.service) for one in night.answer.unsaid}
    found = defaultdict[tuple[str, str, str], int](int)
    for machine, need, plane, source, goal, service, by, flows in groups.head(_ONE_BY_ONE).iter_rows():
        rule = NO_RULE
        if (source, goal, service) not in unsaid:
            rules = [one for one in citing[need] if one.platform == plane] or citing[need]
            fitting = [one for one in rules if one.allows(source, goal or "", service, by)] if len(rules) > 1 else rules
            rule = fitting[0].id if fitting else NOT_TOLD
        found[machine, need, rule] += flows
    rest = groups.slice(_ONE_BY_ONE).group_by("machine", "requirement").agg(pl.col("flows").sum())
    for machine, need, flows in rest.sort("machine", "requirement").iter_rows():
        found[machine, need, NOT_TOLD] += flows
    return _bounded(found, len(night.answer.recommendations))


def _bounded(found: dict[tuple[str, str, str], int], rules: int) -> Paths:
    """Paths of the most frequent machines, needs and rules; the others of each as one."""
    totals = [defaultdict[str, int](int) for _ in range(3)]
    for ends, flows in found.items():
        for total, name in zip(totals, ends, strict=True):
            total[name] += flows
    nouns = ("machines", "needs", "rules")
    called = [_called(total, noun) for total, noun in zip(totals, nouns, strict=True)]
    folded = defaultdict[tuple[str, str, str], int](int)
    for (machine, need, rule), flows in found.items():
        folded[called[0][machine], called[1][need], called[2][rule]] += flows
    drawn = tuple(Path(*ends, flows) for ends, flows in sorted(folded.items(), key=lambda item: (-item[1], item[0])))
    return Paths(drawn, len(totals[0]), len(totals[1]), rules)


def _called(total: Mapping[str, int], noun: str) -> dict[str, str]:
    """What each is called in the chart: its name, or for all but the most frequent how many others there are."""
    order = sorted(total, key=lambda name: (name not in (NO_RULE, NOT_TOLD), -total[name], name))
    others = f"{len(order) - _MOST:,} other {noun}"
    return {name: name if n < _MOST else others for n, name in enumerate(order)}
