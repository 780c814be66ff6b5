"""What services need, by document: one YAML file per page, read into the nouns of `rule`.

To add a page, add a file; `check` (the lint) and the tests run over every one. A file of a user's own has the same form:

    page: Secure an Azure Machine Learning training environment (v1)
    url: https://learn.microsoft.com/…
    layer: documented            # or vendor, or observed
    read_on: 2026-11-21          # the day we read it
    dated: 2025-06-12            # the day it gives itself
    needs:
      - id: aml/batch
        for: The Azure Batch back end that compute instances and clusters are made of.
        when: [training]         # profiles
        ways:                    # alternatives; an inbound need says `from` in place of `to`
          - {to: ["tag:BatchNodeManagement.<region>"], over: [tcp/443, udp/443]}
          - {to: ["*.<region>.batch.azure.com"], over: [tcp/443, udp/443]}
    restates:                    # what this page says that another file holds already
      - {need: hf/hub, rows: [C-1], when: [managed-network]}
    notes:
      - {id: meta, about: [hf/hub], text: The Meta collection needs no rule.}
"""

from collections.abc import Iterable
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import yaml

from fwlens import names
from fwlens.errors import FwlensError
from fwlens.rule import Basis, Catalog, Direction, Endpoint, Level, Note, Page, Platform, Requirement, Service, Way

_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    """Every key of a file is known: a misspelt one is an error, not a silence."""


class _Way(_Strict):
    over: tuple[Service, ...]
    to: tuple[Endpoint, ...] = ()
    from_: tuple[Endpoint, ...] = msgspec.field(name="from", default=())


class _Need(_Strict):
    id: str
    purpose: str = msgspec.field(name="for")
    ways: tuple[_Way, ...]
    direction: Direction = "outbound"
    level: Level = "required"
    when: tuple[str, ...] = ()
    cloud: tuple[Literal["public", "usgov", "china"], ...] = ("public",)
    ports: Literal["stated", "inferred"] = "stated"
    narrow: Literal["", "observed"] = ""
    depends_on: tuple[Endpoint, ...] = ()
    superseded_by: tuple[str, ...] = ()
    conflicts_with: tuple[str, ...] = ()
    warns: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()


class _Restated(_Strict):
    need: str
    when: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()


class _Note(_Strict):
    id: str
    text: str
    about: tuple[str, ...] = ()
    platforms: tuple[Platform, ...] = ()
    rows: tuple[str, ...] = ()


class _File(_Strict):
    page: str
    url: str
    layer: Basis
    read_on: date
    dated: str | date = ""
    needs: tuple[_Need, ...] = ()
    restates: tuple[_Restated, ...] = ()
    notes: tuple[_Note, ...] = ()


def load(extra: Iterable[Path] = ()) -> Catalog:
    """The built-in catalogue with a user's own files behind it. Raises FwlensError for a file that is not one."""
    built_in = [
        (entry.name, entry.read_text("utf-8")) for entry in files(__name__).iterdir() if entry.name.endswith(".yaml")
    ]
    pages = [_page(name, text) for name, text in sorted(built_in)]
    for path in extra:
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise FwlensError(f"{path}: the catalogue file cannot be read ({error}).") from None
        pages.append(_page(str(path), text))
    return _joined(pages)


def _page(name: str, text: str) -> tuple[str, Page, _File]:
    try:
        document = yaml.load(text, _Loader)  # noqa: S506 - the safe loader, in C where it is built
        file = msgspec.convert(document, _File, dec_hook=_parsed)
    except (yaml.YAMLError, msgspec.ValidationError, FwlensError) as error:
        raise FwlensError(f"{name}: not a catalogue file: {' '.join(str(error).split())}") from None
    return name, Page(file.page, file.url, file.layer, file.read_on, str(file.dated)), file


def _parsed(kind: type, value: object) -> object:
    if kind is Service and isinstance(value, str):
        return Service.parse(value)
    if kind is Endpoint and isinstance(value, str):
        endpoint = Endpoint.parse(value)
        return Endpoint("tag", names.tag(endpoint.text)) if endpoint.kind == "tag" else endpoint
    raise msgspec.ValidationError(f"{value!r} is no {kind.__name__}")


def _joined(pages: Iterable[tuple[str, Page, _File]]) -> Catalog:
    """One catalogue of all pages, restatements attached to the needs that they restate."""
    pages = list(pages)
    restated: dict[str, list[tuple[Page, _Restated]]] = {}
    for _, page, file in pages:
        for entry in file.restates:
            restated.setdefault(entry.need, []).append((page, entry))
    requirements: dict[str, Requirement] = {}
    notes: dict[str, Note] = {}
    for name, page, file in pages:
        for need in file.needs:
            if need.id in requirements:
                raise FwlensError(f"{name}: the id {need.id} is there twice. Give each need its own.")
            requirements[need.id] = _requirement(name, page, need, restated.get(need.id, []))
        for note in file.notes:
            if note.id in notes:
                raise FwlensError(f"{name}: the note {note.id} is there twice. Give each note its own id.")
            notes[note.id] = Note(note.id, note.text, page, note.about, note.platforms, note.rows)
    strangers = sorted(set(restated) - set(requirements))
    if strangers:
        raise FwlensError(f"The catalogue restates needs that no file has: {', '.join(strangers)}.")
    return Catalog(tuple(requirements[key] for key in sorted(requirements)), tuple(notes[key] for key in sorted(notes)))


def _requirement(name: str, page: Page, need: _Need, restated: list[tuple[Page, _Restated]]) -> Requirement:
    ways = tuple(Way(way.to or way.from_, way.over) for way in need.ways)
    if any(bool(way.to) is (need.direction == "inbound") for way in need.ways) or not all(way.peers for way in ways):
        raise FwlensError(f"{name}: {need.id}: an outbound way says `to`, an inbound one `from`.")
    return Requirement(
        id=need.id,
        purpose=" ".join(need.purpose.split()),
        page=page,
        ways=ways,
        direction=need.direction,
        level=need.level,
        when=tuple(dict.fromkeys((*need.when, *(name for _, entry in restated for name in entry.when)))),
        cloud=need.cloud,
        inferred=need.ports == "inferred",
        narrow=need.narrow == "observed",
        depends_on=need.depends_on,
        superseded_by=need.superseded_by,
        conflicts_with=need.conflicts_with,
        warns=tuple(" ".join(text.split()) for text in need.warns),
        rows=(*need.rows, *(row for _, entry in restated for row in entry.rows)),
        also=tuple(page for page, _ in restated),
    )
