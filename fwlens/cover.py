"""The fewest rectangles that allow what is needed and nothing else."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One combination that a rule may allow: a source, a destination, a service, each in the notation of rules."""

    source: str
    destination: str
    service: str


@dataclass(frozen=True, slots=True)
class Rectangle:
    """Everything from any of the sources to any of the destinations over any of the services."""

    sources: frozenset[str]
    destinations: frozenset[str]
    services: frozenset[str]


def cover(cells: Iterable[Cell]) -> list[Rectangle]:
    """Rectangles whose union is exactly the cells: equal source sets first, then equal destinations, then services."""
    by_peer: dict[tuple[str, str], set[str]] = {}
    for cell in cells:
        by_peer.setdefault((cell.destination, cell.service), set()).add(cell.source)
    by_sources: dict[tuple[frozenset[str], str], set[str]] = {}
    for (destination, service), sources in by_peer.items():
        by_sources.setdefault((frozenset(sources), service), set()).add(destination)
    by_both: dict[tuple[frozenset[str], frozenset[str]], set[str]] = {}
    for (both, service), destinations in by_sources.items():
        by_both.setdefault((both, frozenset(destinations)), set()).add(service)
    return [
        Rectangle(sources, destinations, frozenset(services)) for (sources, destinations), services in by_both.items()
    ]
