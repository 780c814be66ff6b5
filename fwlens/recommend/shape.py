"""Knows the shapes that rules of a layer can have: which combinations may share one, and how boxes become rules.

An application rule lists protocols with their ports, so any sources x hosts x services do. A network rule has a list of
protocols *and* a list of ports, so what it opens is their product too. An NSG rule holds one protocol and one tag, or
addresses of one family; a rule of the managed network one destination.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from itertools import product
from typing import NamedTuple

from fwlens.cover import Box, cover
from fwlens.cover.boxes import hull, size
from fwlens.cover.merge import Merging
from fwlens.rule import FQDN_PORTS, Direction, Endpoint, Layer, Platform, Rule, Service


class Combination(NamedTuple):
    """What a rule may have to allow, in the notation of rules: the near side, the far side, the service."""

    near: str
    far: str
    service: str


@dataclass(frozen=True, slots=True)
class Shaped:
    """The rules of one layer as boxes of cells, and a proven lower bound on their number."""

    boxes: tuple[Box, ...]
    lower_bound: int


def shaped(
    platform: Platform,
    layer: Layer,
    direction: Direction,
    needs: Iterable[frozenset[Combination]],
    may: Iterable[Combination] = (),
    earlier: Iterable[Rule] = (),
) -> Shaped:
    """The fewest rules of a layer for needs of which each is met by any one of its combinations; what nobody needs and
    `may` be allowed is allowed where that takes fewer rules. Of such sets of rules, one with more `earlier` ones."""
    placed, beyond = _placed(layer, needs), [_cell(layer, combination) for combination in may]
    cells = {cell for need in placed for cell in need}.union(beyond)
    found = cover(placed, _atoms, beyond, _boxes_of(earlier, platform, layer, direction, cells))
    return Shaped(found.boxes, found.lower_bound)


def _boxes_of(
    rules: Iterable[Rule], platform: Platform, layer: Layer, direction: Direction, cells: Iterable[tuple[str, ...]]
) -> Iterator[Box]:
    """Rules of a layer as boxes of cells, of those that name nothing else than cells do."""
    mine = [one for one in rules if (one.platform, one.layer, one.direction) == (platform, layer, direction)]
    by_far: dict[str, list[tuple[str, ...]]] = {}
    for cell in cells if mine else ():
        by_far.setdefault(cell[2], []).append(cell)
    nears = {cell[1] for found in by_far.values() for cell in found}
    for rule in mine:
        near, far = rule.sources, rule.destinations
        near, far = (far, near) if direction == "inbound" else (near, far)
        over, inside = {str(service) for service in rule.services}, _held(near, nears)
        named = [
            cell
            for text in _held(far, by_far)
            for cell in by_far[text]
            if cell[1] in inside and "/".join(filter(None, cell[3:])) in over
        ]
        box = hull(named)
        whole = bool(named) and size(box) == len(named)
        if whole and rule_of(platform, layer, direction, box) == rule:
            yield box


def _held(ends: Iterable[Endpoint], texts: Iterable[str]) -> set[str]:
    """Of endpoints as cells name them, those that ends name too: by the same name, or addresses by a network."""
    every = tuple(ends)
    names = {str(end) for end in every}
    networks = sorted((ip_network(end.text) for end in every if end.kind == "address"), key=_start)
    starts = [_start(network) for network in networks]
    found = set()
    for text in texts:
        if text not in names and Endpoint.parse(text).kind == "address":
            network = ip_network(text)
            around = networks[bisect_right(starts, _start(network)) - 1 : bisect_right(starts, _start(network))]
            if not any(network.version == wide.version and network.subnet_of(wide) for wide in around):  # type: ignore[arg-type]
                continue
        elif text not in names:
            continue
        found.add(text)
    return found


def _placed(layer: Layer, needs: Iterable[frozenset[Combination]]) -> list[frozenset[tuple[str, ...]]]:
    return [frozenset(_cell(layer, combination) for combination in need) for need in needs]


def rule_of(platform: Platform, layer: Layer, direction: Direction, box: Box) -> Rule:
    """The rule that allows a box of cells (in the managed network with the ports that it always opens)."""
    near, far = endpoints(box[1]), endpoints(box[2])
    services = FQDN_PORTS if layer == "fqdn" else tuple(sorted(map(Service.parse, _services(box))))
    sources, destinations = (far, near) if direction == "inbound" else (near, far)
    return Rule(platform, layer, direction, sources, destinations, services)


def combinations_of(box: Box) -> frozenset[Combination]:
    """All that a box of cells allows."""
    return frozenset(map(Combination._make, product(box[1], box[2], _services(box))))


def merging(
    layer: Layer, boxes: Iterable[Box], needs: Iterable[frozenset[Combination]], may: Iterable[Combination]
) -> Merging:
    """Boxes of a layer that may become fewer, as far as `may` be allowed."""
    beyond = [_cell(layer, combination) for combination in may]
    return Merging(boxes, _placed(layer, needs), beyond, _atoms, _worth)


def _cell(layer: Layer, combination: Combination) -> tuple[str, ...]:
    """A combination as a cell: first what cannot share a rule, then the near side, the far side and the service.

    The dimension in front keeps boxes within one block: no cell of another block has this far side or protocol.
    """
    near, far, service = combination
    protocol, _, ports = service.partition("/")
    kind = Endpoint.parse(far).kind
    if layer == "network":
        return ("names" if kind == "host" else "", near, far, protocol, ports)
    if layer == "nsg":
        family = "v6" if ":" in near else "v4"
        return (f"{protocol} {family} {far if kind == 'tag' else ''}", near, far, service)
    if layer in ("fqdn", "service-tag"):
        return (f"{protocol if layer == 'service-tag' else ''} {far}", near, far, service)
    return ("", near, far, service)


def _services(box: Box) -> list[str]:
    """What a box opens: of some layers its protocols and ports, each with each."""
    return ["/".join(filter(None, parts)) for parts in product(*box[3:])]


def _worth(axis: int, value: str) -> int:
    """How many addresses or ports a value stands for, as a surplus is counted."""
    if axis == 0:
        return 1
    if axis > 2:
        first, _, last = value.rpartition("/")[2].partition("-")
        return int(last or first) - int(first) + 1 if first.isdecimal() else 1
    end = Endpoint.parse(value)
    return ip_network(end.text).num_addresses if end.kind == "address" else 1


@lru_cache(maxsize=256)
def _atoms(axis: int, values: frozenset[str]) -> tuple[frozenset[str], ...]:
    """Addresses fold into networks, which are the atoms of a rule; everything else stands for itself."""
    if axis not in (1, 2):
        return tuple(frozenset({value}) for value in sorted(values))
    addresses = {value: ip_network(value) for value in values if Endpoint.parse(value).kind == "address"}
    starts = sorted(map(_start, _collapsed(addresses.values())))
    folded: list[set[str]] = [set() for _ in starts]
    for value, network in addresses.items():
        folded[bisect_right(starts, _start(network)) - 1].add(value)  # folded networks are disjoint and hold all
    return (*map(frozenset, folded), *(frozenset({value}) for value in sorted(values - set(addresses))))


def _start(network: IPv4Network | IPv6Network) -> tuple[int, int]:
    return network.version, int(network.network_address)


def _collapsed(networks: Iterable[IPv4Network | IPv6Network]) -> Sequence[IPv4Network | IPv6Network]:
    """The fewest networks that hold the same addresses."""
    every = tuple(networks)
    v4 = collapse_addresses(network for network in every if isinstance(network, IPv4Network))
    v6 = collapse_addresses(network for network in every if isinstance(network, IPv6Network))
    return (*v4, *v6)


@lru_cache(maxsize=256)
def endpoints(texts: frozenset[str]) -> tuple[Endpoint, ...]:
    """Endpoints in their order, addresses folded to the fewest networks that add no address."""
    parsed = {Endpoint.parse(text) for text in texts}
    addresses = [ip_network(endpoint.text) for endpoint in parsed if endpoint.kind == "address"]
    folded = [Endpoint.parse(str(network)) for network in _collapsed(addresses)]
    rest = [endpoint for endpoint in parsed if endpoint.kind != "address"]
    return tuple(sorted((*rest, *folded), key=lambda endpoint: endpoint.sort_key))
