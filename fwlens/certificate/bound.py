"""Knows a lower bound on the number of rules that asks no solver: needed flows of which no two fit into one rule.

It holds for every sound set of rules that allows these flows as surely (by what was seen of them, where the set at hand
does) and that its planes can hold, by whichever ends it does so: patterns, hosts, tags or addresses. Two flows fit into
one rule unless every rule for both would allow a combination of near side, far end and service that no needed flow
shows (or, where more was asked for, that no document gives), or its layer cannot hold both.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Final, NamedTuple

from fwlens.certificate.evidence import ANYWHERE, Flow, Place
from fwlens.certificate.ground import Ground
from fwlens.certificate.planes import BY_NAME
from fwlens.rule import FQDN_PORTS, Endpoint, Layer, Service

_WORK: Final = 20_000
_Column = tuple[Layer, str, Service]


class Want(NamedTuple):
    """A needed flow as a rule has to allow it: its near side, its service, by which layers and far ends rules may."""

    near: str
    service: Service
    ends: tuple[tuple[Layer, str], ...]


def fooling(ground: Ground, flows: Iterable[tuple[Flow, bool]], enough: Mapping[Place, int]) -> int:
    """How many flows there are, at least, of which no rule allows two; each with whether it is allowed as it was seen.

    `enough` are the rules that there are for each platform and direction: more cannot be proven.
    """
    wanted: dict[Place, set[Want]] = {}
    for flow, as_seen in flows:
        ends = tuple(_ends(ground, flow, as_seen=as_seen))
        wanted.setdefault(flow.place, set()).add(Want(_near(ground, flow), flow.service, ends))
    found = 0
    for place, wants in wanted.items():
        order = sorted(wants, key=lambda want: (want.near, want.ends, want.service))
        found += _picked(_Relation(ground, place), order, enough.get(place, len(order)))
    return found


def _picked(relation: "_Relation", order: list[Want], enough: int) -> int:
    """The most wants that no rule joins, as one after the other is taken; from several starts."""
    placed = [(want.near, want, relation.nears(want)) for want in order]
    best = 0
    for start in range(0, len(order), max(1, len(order) ** 2 // _WORK)):
        picked: list[tuple[str, Want, tuple[Mapping[str, None] | None, ...]]] = []
        for near, want, nears in placed[start:] + placed[:start]:
            for other_near, other, others in picked:
                near_by = any(each is None or other_near in each for each in nears)
                if near_by and any(each is None or near in each for each in others) and relation.joins(want, other):
                    break
            else:
                picked.append((near, want, nears))
        best = max(best, len(picked))
        if best >= enough:
            break
    return best


class _Relation:
    """Which near sides needed flows of a platform and direction show with which far end and service of a layer."""

    def __init__(self, ground: Ground, place: Place) -> None:
        self._documents = ground.documents[place]
        self._shown: dict[_Column, dict[str, None]] | None = None
        if not ground.asked.more:
            self._shown = {}
            for flow in ground.needed:
                if flow.place == place:
                    for layer, end in _every_end(ground, flow, as_seen=False):
                        column = (layer, end, _over(layer, flow.service))
                        self._shown.setdefault(column, {})[_near(ground, flow)] = None

    def nears(self, want: Want) -> tuple[Mapping[str, None] | None, ...]:
        """Per end of a want the near sides that show it too; None for any."""
        if self._shown is None:
            return tuple(None for _ in want.ends)
        return tuple(self._shown[layer, end, _over(layer, want.service)] for layer, end in want.ends)

    def joins(self, one: Want, other: Want) -> bool:
        """Whether a rule can allow both."""
        return any(
            layer == its_layer
            and _fits(layer, one, end, other, its_end)
            and self._allows(layer, one, end, other, its_end)
            for (layer, end), (its_layer, its_end) in product(one.ends, other.ends)
        )

    def _allows(self, layer: Layer, one: Want, end: str, other: Want, its_end: str) -> bool:
        """Whether nothing else than what may be allowed comes with both."""
        if layer == "fqdn":  # names no source, and has its ports whatever was needed
            return True
        services = {_over(layer, one.service), _over(layer, other.service)}
        if layer == "network":  # its protocols with its ports
            services = {Service(a.protocol, b.first, b.last) for a, b in product(services, services)}
        for each, service in product({end, its_end}, services):
            if self._shown is None:
                if not any(wide.carries(service) for wide in self._documents.get(each, ())):
                    return False
            else:
                nears = self._shown.get((layer, each, service), {})
                if not (one.near in nears and other.near in nears):
                    return False
        return True


def _fits(layer: Layer, one: Want, end: str, other: Want, its_end: str) -> bool:
    """Whether a layer has a rule that holds both."""
    if layer in ("application", "network"):
        return True
    if layer != "fqdn" and one.service.transport != other.service.transport:
        return False
    if layer == "nsg":
        tags = end.startswith("tag:") or its_end.startswith("tag:")
        return (":" in one.near) is (":" in other.near) and (not tags or end == its_end)
    return end == its_end


def _over(layer: Layer, service: Service) -> Service:
    """A service as rules of a layer name it."""
    return service if layer == "application" else Service(service.transport, service.first, service.last)


def _near(ground: Ground, flow: Flow) -> str:
    """The near side of a flow; where more was asked for, of it only the family."""
    if flow.platform == "aml-managed-network":
        return ANYWHERE
    return (":" if ":" in flow.near else "") if ground.asked.more else flow.near


def _ends(ground: Ground, flow: Flow, *, as_seen: bool) -> Iterator[tuple[Layer, str]]:
    """The layers and far ends by which a sound rule may allow a flow. Of a host and the patterns above it the widest,
    and of an address and its tags the tags where several share a rule: what a rule allows by the others it may allow
    by these (not where more was asked for: each end has services of its own then)."""
    documents = ground.documents[flow.place]
    every = [
        (layer, end)
        for layer, end in _every_end(ground, flow, as_seen=as_seen)
        if any(each.carries(flow.service) for each in documents.get(end, ())) or end == flow.address
    ]
    if ground.asked.more:
        yield from every
        return
    named = [end for layer, end in every if layer in ("application", "fqdn")]
    widest = min(named, key=lambda end: (end.count("."), not end.startswith("*.")), default="")
    tagged = any(layer == "network" and end.startswith("tag:") for layer, end in every)
    for layer, end in every:
        if layer in ("application", "fqdn"):
            kept = end == widest
        else:
            kept = not (layer == "network" and tagged and Endpoint.parse(end).kind == "address")
        if kept:
            yield layer, end


def _every_end(ground: Ground, flow: Flow, *, as_seen: bool) -> Iterator[tuple[Layer, str]]:
    """The layers and far ends by which a rule may allow a flow at all."""
    documents, firewall = ground.documents[flow.place], flow.platform == "azure-firewall"
    names = sorted(end for end in flow.ends if end in documents and Endpoint.parse(end).kind in ("host", "wildcard"))
    others = {end for end in flow.ends if end in documents and end not in names and end != flow.address}
    others |= {ground.named(flow)} if flow.address else set()
    others |= set() if as_seen else {end for end in flow.documented if end in documents}
    if ground.asked.more and flow.address:
        others.add(flow.address)
        others |= {end for end in documents if "/" in end and Endpoint.parse(end).covers(Endpoint.parse(flow.address))}
    if firewall and flow.service.protocol in BY_NAME:
        yield from (("application", end) for end in names)
    if firewall and ground.asked.dns_proxy and flow.host:
        yield "network", flow.host
    if flow.platform == "aml-managed-network" and any(each.carries(flow.service) for each in FQDN_PORTS):
        yield from (("fqdn", end) for end in names)
    layer: Layer = "network" if firewall else "nsg" if flow.platform == "nsg" else "service-tag"
    yield from ((layer, end) for end in sorted(others) if layer != "service-tag" or end.startswith("tag:"))
