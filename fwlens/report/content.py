"""Knows what a page is made of: one night's answer with its frames, and the tables, texts and files made of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

import polars as pl

from fwlens.answer import Answer
from fwlens.diff import Documented
from fwlens.document import Document
from fwlens.proof import Lasting
from fwlens.requirement import Requirement

Kind = Literal["text", "code", "number", "time", "need", "rule", "choice"]
"""How a cell looks and sorts: `need` and `rule` are links within the page, `choice` has few values to filter by."""

TIMELINE: Final = ("slot", "verdict", "flows", "events")


@dataclass(frozen=True, slots=True)
class Artefact:
    """Rules as one platform takes them: what the text is, under which name it is kept, the text itself, and what to
    read before it is applied."""

    platform: str
    title: str
    file_name: str
    text: str
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """A format of logs that could have been read: its name, and the tables or blobs that people know it by."""

    format: str
    tables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Night:
    """Everything that a page tells. `matched` are all MATCHED rows, `timeline` has the columns `TIMELINE`.

    `needs` are those that could have matched, `unchosen` how many more the catalogue has outside the chosen profiles.
    `since` and `until` are what was asked for; `faults` are inputs that could not be read; `earlier` is the answer to
    compare with, `earlier_name` what it is called, and `lasting` what of it is denied still. `documented` are all needs
    of the catalogue with the addresses of their pages, and `slot` is how finely the timeline is known.
    """

    answer: Answer
    matched: pl.DataFrame
    timeline: pl.DataFrame
    needs: tuple[Requirement, ...]
    unchosen: int = 0
    sources: tuple[Source, ...] = ()
    faults: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    earlier: Document | None = None
    earlier_name: str = ""
    lasting: Lasting | None = None
    artefacts: tuple[Artefact, ...] = ()
    documented: Documented | None = None
    slot: timedelta = timedelta(minutes=15)

    @property
    def with_allowed(self) -> bool:
        """Whether allowed entries were looked at too."""
        return "working" in self.answer.verdicts


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its key in exports, its title for people, how its cells look."""

    key: str
    title: str
    kind: Kind = "text"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table: the whole frame, of which a page shows the first `most` rows and says so."""

    name: str
    caption: str
    order: str
    columns: tuple[Column, ...]
    frame: pl.DataFrame
    most: int = 0

    @property
    def total(self) -> int:
        """All rows, shown or not."""
        return self.frame.height

    @property
    def rows(self) -> list[tuple[object, ...]]:
        """The rows that are shown."""
        return self.frame.select(column.key for column in self.columns).head(self.most).rows()

    @property
    def is_cut(self) -> bool:
        """Whether rows are left out of the page."""
        return self.total > self.most


@dataclass(frozen=True, slots=True)
class Beside:
    """A file that lies beside the page, called by the page's name and this ending."""

    ending: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Report:
    """A page and what has to lie beside it."""

    page: bytes
    beside: tuple[Beside, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of each thing a page shows: rows of a table, cards, items in a list, characters of an artefact."""

    rows: int = 300
    cards: int = 60
    items: int = 40
    characters: int = 150_000


LIMITS: Final[Sequence[Limits]] = (
    Limits(),
    Limits(150, 25, 20, 40_000),
    Limits(50, 10, 10, 10_000),
    Limits(10, 3, 5, 1_000),
)
"""Tried in turn until the page is small enough; the last always is."""
