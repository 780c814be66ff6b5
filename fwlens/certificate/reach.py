"""Knows what an end or a service of a rule takes in, in the way its layer can, and how many addresses ends hold."""

from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address, ip_network
from typing import Final

from fwlens import address
from fwlens.certificate.evidence import Flow
from fwlens.rule import Endpoint, Rule, Service

APPLICATION: Final = {("tcp", 443): "https", ("tcp", 80): "http", ("tcp", 1433): "mssql"}
NAMES: Final = ("application", "fqdn")
_LARGE: Final = 4096


class Space:
    """Addresses as stretches of their numbers; what meets or overlaps is one."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in sorted(address.interval(ip_network(text)) for text in texts):
            if self._lasts and first <= self._lasts[-1] + 1:
                self._lasts[-1] = max(self._lasts[-1], last)
            else:
                self._firsts.append(first)
                self._lasts.append(last)

    def holds(self, end: Endpoint) -> bool:
        """Whether every address of an end lies in it."""
        first, last = address.interval(ip_network(end.text))
        place = bisect_right(self._firsts, first) - 1
        return place >= 0 and last <= self._lasts[place]


def reaches(rule: Rule, end: Endpoint, flow: Flow, ends: frozenset[str]) -> bool:
    """Whether a far end of a rule is among the ends that name the far side of a flow, in the way its layer can."""
    if rule.layer in NAMES:
        return end.kind in ("host", "wildcard") and end.text in ends
    if end.kind == "address" and "/" in end.text:
        return flow.address is not None and ip_address(flow.address) in ip_network(end.text)
    return end.kind != "wildcard" and str(end) in ends


def carries(rule: Rule, own: Service, flow: Service) -> bool:
    """Whether a service of a rule takes in another: an application rule knows http from https, others only ports."""
    if rule.layer == "application":
        return own.protocol == flow.protocol and own.first <= flow.first and flow.last <= own.last
    return own.carries(flow)


def in_layer(rule: Rule, each: Service) -> Service:
    """A documented service as the layer of a rule names it."""
    if rule.layer == "application":
        return Service(APPLICATION.get((each.protocol, each.first), each.protocol), each.first, each.last)
    return Service(each.transport, each.first, each.last)


def size(ends: Iterable[Endpoint]) -> int:
    """How many addresses ends stand for; what is no address counts as one."""
    return _size(frozenset(ends))


@lru_cache(maxsize=256)
def _size(every: frozenset[Endpoint]) -> int:
    networks = [ip_network(end.text) for end in every if end.kind == "address"]
    v4 = collapse_addresses(network for network in networks if isinstance(network, IPv4Network))
    v6 = collapse_addresses(network for network in networks if isinstance(network, IPv6Network))
    addresses = sum(network.num_addresses for network in v4) + sum(network.num_addresses for network in v6)
    return addresses + sum(end.kind != "address" for end in every)


def units(end: Endpoint) -> list[tuple[str, int]]:
    """An end in the parts that a surplus is counted in: each address by itself (a large network as a whole)."""
    if end.kind != "address" or "/" not in end.text:
        return [(str(end), 1)]
    network = ip_network(end.text)
    if network.num_addresses > _LARGE:
        return [(end.text, network.num_addresses)]
    return [(str(address), 1) for address in network]
