"""Knows what a document states: pages, the needs on them with the ways to meet each, and notes."""

from dataclasses import dataclass, field
from datetime import date

from fwlens.rule import Basis, Citation, Direction, Endpoint, Level, Platform, Service


@dataclass(frozen=True, slots=True)
class Page:
    """A document that states needs: its title, address, who says it, and the days of reading and of the document."""

    title: str
    url: str
    basis: Basis
    read_on: date
    dated: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to meet a need: any of the peers, over any of the services.

    For an outbound need the peers are destinations; for an inbound one they are sources.
    """

    peers: tuple[Endpoint, ...]
    over: tuple[Service, ...]


@dataclass(frozen=True, slots=True)
class Requirement:
    """One documented need. Its ways are alternatives: each of them alone meets it.

    `inferred` says that the document states no port and that ours is read into it. `narrow` says that a rule names the
    host or address that was seen instead of the whole pattern. `within` are wider needs that this one lies in. `also`
    are further pages that state the same need.
    """

    id: str
    purpose: str
    page: Page
    ways: tuple[Way, ...]
    direction: Direction = "outbound"
    level: Level = "required"
    when: tuple[str, ...] = ()
    cloud: tuple[str, ...] = ("public",)
    inferred: bool = False
    narrow: bool = False
    depends_on: tuple[Endpoint, ...] = ()
    superseded_by: tuple[str, ...] = ()
    conflicts_with: tuple[str, ...] = ()
    warns: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    also: tuple[Page, ...] = field(default=())

    @property
    def basis(self) -> Basis:
        """Who says it: the basis of its page."""
        return self.page.basis

    @property
    def citation(self) -> Citation:
        """Where it is documented, for an answer to quote."""
        page, also = self.page, tuple(dict.fromkeys(page.url for page in self.also if page.url != self.page.url))
        return Citation(self.id, self.purpose, page.basis, page.title, page.url, page.read_on, self.within, also)


@dataclass(frozen=True, slots=True)
class Note:
    """What a document says besides needs: that none is there, what the platform does itself, what it costs.

    It is shown with the requirements in `about`, on the `platforms` it is for (all if empty).
    """

    id: str
    text: str
    page: Page
    about: tuple[str, ...] = ()
    platforms: tuple[Platform, ...] = ()
    rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything that is documented: requirements and notes, each in the order of their ids."""

    requirements: tuple[Requirement, ...]
    notes: tuple[Note, ...] = ()
