"""Knows how to read an answer's JSON (`fwlens.recommendations/1`) again, also one that a person has edited."""

from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Final

import msgspec

from fwlens import names
from fwlens.document import shape
from fwlens.errors import FwlensError, plain
from fwlens.proof import Asked, Log
from fwlens.rule import (
    Citation,
    Conversation,
    Endpoint,
    Evidence,
    Network,
    Recommendation,
    Rule,
    Service,
    Unsaid,
)

SCHEMA: Final = "fwlens.recommendations/1"
_NO_DAY: Final = date(1970, 1, 1)
_NO_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)

Said = Mapping[str, object]
"""What stands in an object of JSON, by its names there; without what does not."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What an answer says of its rules and logs as a whole; None (no fault, no verdict) where it does not say.

    `window` are the first and the last time that its flows were seen (UTC), `verdicts` how many flows and log entries
    have each verdict.
    """

    complete: bool | None = None
    sound: bool | None = None
    irredundant: bool | None = None
    rules: int | None = None
    proven: int | None = None
    surplus_of: Mapping[str, int] | None = None
    faults: tuple[str, ...] = ()
    window: tuple[datetime | None, datetime | None] | None = None
    verdicts: Mapping[str, Said] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Told:
    """What an answer says beside a rule: what it calls it, which needs it cites and how (None where it does not say),
    and its evidence."""

    name: str | None
    cited: tuple[Said, ...] | None
    evidence: Said


@dataclass(frozen=True, slots=True)
class Document:
    """The rules of an answer, what was asked for them and of which time (UTC), what they leave out with a reason, what
    they claim, which service-tag file (its change number) they rest on, and which logs gave rows, and
    the names of a person's own catalogue files. For a check alone: `told` and `told_back`,
    what stands beside each rule and each conversation that is handed back, and `lists`, which nobody else reads."""

    recommendations: tuple[Recommendation, ...]
    asked: Asked
    profiles: tuple[str, ...]
    never_override: tuple[str, ...]
    handed_back: tuple[Unsaid, ...]
    unsaid_needs: tuple[str, ...]
    lower_bound: int
    surplus: int | None
    service_tags: int | None
    claims: Claims = Claims()
    since: datetime | None = None
    until: datetime | None = None
    logs: tuple[Log, ...] = ()
    catalogs: tuple[str, ...] = ()
    told: tuple[Told, ...] = ()
    told_back: tuple[Said, ...] = ()
    lists: Mapping[str, msgspec.Raw] = field(default_factory=dict)

    @property
    def dns_proxy(self) -> bool:
        """Whether names were asked for in network rules of a firewall."""
        return self.asked.dns_proxy

    def is_listed(self, name: str) -> bool:
        """Whether there is a list of what is `unexplained` or `refused`."""
        return bytes(memoryview(self.lists.get(name, b""))[:5]) not in (b"", b"null")

    def listed(self, name: str) -> Iterator[shape.Listed]:
        """What is listed so, one by one, as it may be a crowd. Raises FwlensError for what is no such list."""
        row, where = msgspec.json.Decoder(shape.Listed), name
        try:
            for number, each in enumerate(msgspec.json.decode(self.lists[name], type=list[msgspec.Raw])):
                where = f"{name}[{number}]"
                yield row.decode(each)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise FwlensError(f"The answer: {where}: no conversation as an answer lists them ({error}).") from None

    @property
    def unsaid(self) -> tuple[tuple[str, str, str, str], ...]:
        """What was handed back for a need: source, destination, service and the need."""
        told = ((one.flow, one.requirement) for one in self.handed_back if one.requirement)
        return tuple((flow.src_ip, flow.destination, flow.service, need) for flow, need in told)


def read(path: Path) -> Document:
    """Read a file. Raises FwlensError for one that is missing, no answer, or holds what no rule may hold."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FwlensError(f"{path}: cannot be read ({error.strerror}).") from None
    return parse(data, str(path))


def parse(data: bytes, name: str) -> Document:
    """The content of a file; `name` stands in the errors."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data[:4]:
        raise FwlensError(f"{name}: the text is UTF-16 or the like, and JSON is read as UTF-8: save it again as that.")
    try:
        document = msgspec.json.decode(data.removeprefix(BOM_UTF8), type=shape.Document)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FwlensError(f"{name}: not an answer of `fwlens recommend --format json` ({error}).") from None
    if document.schema != SCHEMA:
        raise FwlensError(f"{name}: the schema is {document.schema!r}, and fwlens reads {SCHEMA}.")
    try:
        return _document(document, name)
    except OverflowError:
        raise FwlensError(f"{name}: a time lies before or after all calendars once its zone is taken off.") from None


def _document(document: shape.Document, name: str) -> Document:
    asked = document.asked
    since, until = (when and _in_utc(when) for when in (asked.since, asked.until))
    if since and until and since >= until:
        raise FwlensError(f"{name}: asked: since {since.isoformat()} is not before until {until.isoformat()}.")
    try:
        subnets = tuple(map(_subnet, asked.subnets))
        region = names.region(asked.region) if asked.region else None
    except FwlensError as error:
        raise FwlensError(f"{name}: asked: {error}") from None
    return Document(
        recommendations=tuple(
            _read(one, f"{name}: recommendations[{i}]") for i, one in enumerate(document.recommendations)
        ),
        asked=Asked(asked.platform, region, subnets, asked.breadth == "documented", asked.at_most, asked.dns_proxy),
        profiles=asked.profiles,
        never_override=asked.never_override,
        handed_back=tuple(map(_handed_back, document.unsaid)),
        unsaid_needs=tuple(one.requirement for one in document.unsaid if one.requirement),
        lower_bound=document.certificate.lower_bound,
        surplus=document.certificate.surplus,
        service_tags=document.service_tags,
        claims=_claims(document),
        since=since,
        until=until,
        logs=tuple(Log(one.name, one.device, _in_utc(one.last_seen), one.needs, one.unknown) for one in document.logs),
        catalogs=asked.catalogs,
        told=tuple(
            Told(one.id, None if one.requirements is None else tuple(map(_said, one.requirements)), _said(one.evidence))
            for one in document.recommendations
        ),
        told_back=tuple(_said(one.flow) for one in document.unsaid),
        lists={"unexplained": document.unexplained, "refused": document.refused},
    )


def _subnet(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise FwlensError(f"{text!r} is no subnet ({error}). Write a network such as 10.20.1.0/24.") from None


def _claims(document: shape.Document) -> Claims:
    claimed, window = document.certificate, document.window
    reach = (window.first_seen, window.last_seen) if window else (None, None)
    return Claims(
        claimed.complete,
        claimed.sound,
        claimed.irredundant,
        claimed.rules,
        claimed.proven,
        claimed.surplus_of,
        claimed.faults,
        (reach[0] and _in_utc(reach[0]), reach[1] and _in_utc(reach[1])) if window else None,
        {name: _said(tally) for name, tally in document.verdicts.items() if tally},
    )


def _said(one: msgspec.Struct) -> Said:
    values = {each.encode_name: getattr(one, each.name) for each in msgspec.structs.fields(one)}
    return {
        name: _in_utc(value) if isinstance(value, datetime) else value
        for name, value in values.items()
        if value is not None
    }


def _in_utc(when: datetime) -> datetime:
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)


def _handed_back(one: shape.Unsaid) -> Unsaid:
    seen = one.flow
    source, destination, over = map(plain, (seen.src_ip, seen.destination, seen.service))  # a check tells them
    first, last = (_in_utc(when or _NO_TIME) for when in (seen.first_seen, seen.last_seen))
    flow = Conversation(source, destination, over, seen.direction, seen.events or 0, first, last)
    return Unsaid(flow, one.platform, one.requirement, one.why)


def _read(one: shape.Recommendation, place: str) -> Recommendation:
    try:
        sources = sorted({Endpoint.parse(text) for text in one.sources}, key=lambda end: end.sort_key)
        destinations = sorted({Endpoint.parse(text) for text in one.destinations}, key=lambda end: end.sort_key)
        services = sorted({Service.parse(text) for text in one.services})
        rule = Rule(one.platform, one.layer, one.direction, tuple(sources), tuple(destinations), tuple(services))
    except FwlensError as error:
        raise FwlensError(f"{place}: {error}") from None
    cited = tuple(
        Citation(
            each.id,
            each.purpose or "",
            each.layer or "documented",
            each.page or "",
            each.url or "",
            each.read_on or _NO_DAY,
            each.within or (),
            each.also or (),
        )
        for each in one.requirements or ()
    )
    seen = one.evidence
    first, last = (_in_utc(when or _NO_TIME) for when in (seen.first_seen, seen.last_seen))
    evidence = Evidence(seen.flows or 0, seen.events or 0, first, last, seen.devices or (), seen.denied_by or ())
    return Recommendation(rule, cited, evidence, one.doubts)
