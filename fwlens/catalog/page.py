"""Knows the form of a page of the catalogue: every key that its YAML may hold."""

from datetime import date
from typing import Any, Final, Literal

import msgspec

from fwlens.errors import FwlensError
from fwlens.rule import Basis, Direction, Level, Platform


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    """Every key of a file is known: a misspelt one is an error, not a silence."""


class Way(Strict):
    """One way to meet a need, in the notation of rules."""

    over: tuple[str, ...]
    to: tuple[str, ...] = ()
    from_: tuple[str, ...] = msgspec.field(name="from", default=())


class Need(Strict):
    """A need, as a page states it."""

    id: str
    purpose: str = msgspec.field(name="for")
    ways: tuple[Way, ...]
    direction: Direction = "outbound"
    level: Level = "required"
    when: tuple[str, ...] = ()
    cloud: tuple[Literal["public", "usgov", "china"], ...] = ("public",)
    ports: Literal["stated", "inferred"] = "stated"
    narrow: Literal["", "observed"] = ""
    depends_on: tuple[str, ...] = ()
    superseded_by: tuple[str, ...] = ()
    conflicts_with: tuple[str, ...] = ()
    warns: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()


class Restated(Strict):
    """A need that another file holds and this page states too."""

    need: str
    when: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()


class Note(Strict):
    """What a page says besides."""

    id: str
    text: str
    about: tuple[str, ...] = ()
    platforms: tuple[Platform, ...] = ()
    rows: tuple[str, ...] = ()


class File(Strict):
    """A page with all that it says."""

    page: str
    url: str
    layer: Basis
    read_on: date
    dated: str = ""
    needs: tuple[Need, ...] = ()
    restates: tuple[Restated, ...] = ()
    notes: tuple[Note, ...] = ()


def parse(name: str, text: str | bytes) -> File:
    """Read the YAML of a page. Raises FwlensError for what is none, with its `name`."""
    import yaml

    loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        document = yaml.load(text, loader)  # noqa: S506 - the safe loader, in C where it is built
        if isinstance(document, dict) and "dated" in document:
            document["dated"] = str(document["dated"])
        return msgspec.convert(document, File)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise FwlensError(f"{name}: not a catalogue file: {line}{error.problem}.") from None
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise FwlensError(f"{name}: not a catalogue file: {' '.join(str(error).split())}.") from None
