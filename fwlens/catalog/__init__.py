"""What services need, by document: one YAML file per page, read into the nouns of `rule`.

To add a page, add a file; the lint and the tests run over every one. A file of a user's own has the same form:

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
from pathlib import Path

import msgspec

from fwlens import names
from fwlens.catalog import compiled
from fwlens.catalog.page import File, Need, Restated, parse
from fwlens.errors import FwlensError
from fwlens.requirement import Catalog, Note, Page, Requirement, Way
from fwlens.rule import Endpoint, Service


def load(extra: Iterable[Path] = ()) -> Catalog:
    """The built-in catalogue with a user's own files behind it. Raises FwlensError for a file that is not one."""
    pages = list(compiled.pages())
    for path in extra:
        try:
            text = path.read_text("utf-8")
        except (OSError, ValueError) as error:
            raise FwlensError(f"{path}: the catalogue file cannot be read ({error}).") from None
        pages.append((str(path), parse(str(path), text)))
    return _joined(pages)


def _endpoint(text: str) -> Endpoint:
    """An endpoint in its published spelling."""
    endpoint = Endpoint.parse(text)
    return Endpoint("tag", names.tag(endpoint.text)) if endpoint.kind == "tag" else endpoint


def _joined(files: Iterable[tuple[str, File]]) -> Catalog:
    """One catalogue of all pages, restatements attached to the needs that they restate."""
    pages = [(name, Page(file.page, file.url, file.layer, file.read_on, file.dated), file) for name, file in files]
    restated: dict[str, list[tuple[Page, Restated]]] = {}
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


def _requirement(name: str, page: Page, need: Need, restated: list[tuple[Page, Restated]]) -> Requirement:
    try:
        ways = tuple(
            Way(tuple(map(_endpoint, way.to or way.from_)), tuple(map(Service.parse, way.over))) for way in need.ways
        )
        depends_on = tuple(map(_endpoint, need.depends_on))
    except FwlensError as error:
        raise FwlensError(f"{name}: {need.id}: {error}") from None
    sided = all(bool(way.from_) is (need.direction == "inbound") for way in need.ways)
    if not sided or not ways or not all(way.peers and way.over for way in ways):
        raise FwlensError(f"{name}: {need.id}: an outbound way says `to` and `over`, an inbound one `from` and `over`.")
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
        depends_on=depends_on,
        superseded_by=need.superseded_by,
        conflicts_with=need.conflicts_with,
        warns=tuple(" ".join(text.split()) for text in need.warns),
        within=need.within,
        rows=(*need.rows, *(row for _, entry in restated for row in entry.rows)),
        also=tuple(page for page, _ in restated),
    )


def find(catalog: Catalog, name: str) -> Requirement:
    """The need with this id. Raises FwlensError with the nearest ids."""
    by_id = {one.id: one for one in catalog.requirements}
    if name in by_id:
        return by_id[name]
    import difflib

    near = difflib.get_close_matches(name, by_id, n=3)
    hint = f"Did you mean {' or '.join(near)}?" if near else "`fwlens catalog list` shows them all."
    raise FwlensError(f"The catalogue has no need {name!r}. {hint}")


def to_json(requirements: Iterable[Requirement]) -> bytes:
    """Needs as a JSON array in the notation of rules."""
    document = [
        {
            "id": one.id,
            "for": one.purpose,
            "layer": one.basis,
            "level": one.level,
            "direction": one.direction,
            "ways": [{"peers": list(map(str, way.peers)), "over": list(map(str, way.over))} for way in one.ways],
            "when": one.when,
            "cloud": one.cloud,
            "ports": "inferred" if one.inferred else "stated",
            "narrow": one.narrow,
            "depends_on": list(map(str, one.depends_on)),
            "superseded_by": one.superseded_by,
            "conflicts_with": one.conflicts_with,
            "within": one.within,
            "warns": one.warns,
            "rows": one.rows,
            "pages": [{"page": page.title, "url": page.url, "read_on": page.read_on} for page in (one.page, *one.also)],
        }
        for one in requirements
    ]
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
