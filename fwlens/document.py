"""Knows how to read an answer's JSON (`fwlens.recommendations/1`) again, also one that a person has edited."""

from codecs import BOM_UTF8
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from fwlens import names
from fwlens.errors import FwlensError, plain
from fwlens.proof import Asked
from fwlens.rule import (
    Basis,
    Citation,
    Conversation,
    Direction,
    Endpoint,
    Evidence,
    Layer,
    Platform,
    Recommendation,
    Rule,
    Service,
    Unsaid,
)

SCHEMA: Final = "fwlens.recommendations/1"


_NO_DAY: Final = date(1970, 1, 1)
_NO_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)


class _Requirement(msgspec.Struct):
    id: str
    url: str | None = None
    page: str | None = None
    layer: Basis | None = None
    read_on: date | None = None
    purpose: str | None = msgspec.field(name="for", default=None)
    within: tuple[str, ...] | None = None
    also: tuple[str, ...] | None = None


class _Evidence(msgspec.Struct):
    flows: int | None = None
    events: int | None = None
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    devices: tuple[str, ...] | None = None
    denied_by: tuple[str, ...] | None = None


class _Recommendation(msgspec.Struct):
    platform: Platform
    layer: Layer
    direction: Direction
    sources: tuple[str, ...]
    destinations: tuple[str, ...]
    services: tuple[str, ...]
    id: str | None = None
    requirements: tuple[_Requirement, ...] | None = None
    evidence: _Evidence = msgspec.field(default_factory=_Evidence)
    doubts: tuple[str, ...] = ()


class _Flow(msgspec.Struct):
    src_ip: str
    destination: str
    service: str
    direction: Direction
    events: int | None = None
    first_seen: datetime | None = None
    last_seen: datetime | None = None


class _Unsaid(msgspec.Struct):
    flow: _Flow
    platform: Platform
    why: str
    requirement: str = ""


class _Asked(msgspec.Struct):
    platform: Platform | None = None
    region: str | None = None
    profiles: tuple[str, ...] = ()
    breadth: Literal["observed", "documented"] = "observed"
    subnets: tuple[str, ...] = ()
    at_most: int | None = None
    dns_proxy: bool = False
    never_override: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None


class _Certificate(msgspec.Struct):
    complete: bool | None = None
    sound: bool | None = None
    irredundant: bool | None = None
    rules: int | None = None
    lower_bound: int = 0
    proven: int | None = None
    surplus: int | None = None
    surplus_of: dict[str, int] | None = None
    faults: tuple[str, ...] = ()


class _Window(msgspec.Struct):
    first_seen: datetime | None = None
    last_seen: datetime | None = None


class _Tally(msgspec.Struct):
    flows: int | None = None
    events: int | None = None


class _Document(msgspec.Struct):
    schema: str
    recommendations: tuple[_Recommendation, ...]
    unsaid: tuple[_Unsaid, ...] = ()
    asked: _Asked = msgspec.field(default_factory=_Asked)
    service_tags: int | None = None
    certificate: _Certificate = msgspec.field(default_factory=_Certificate)
    window: _Window | None = None
    verdicts: dict[str, _Tally | None] = msgspec.field(default_factory=dict)
    unexplained: msgspec.Raw = msgspec.Raw()
    refused: msgspec.Raw = msgspec.Raw()


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


class Listed(msgspec.Struct):
    """A blocked conversation that is listed and has no rule."""

    src_ip: str
    destination: str | None
    service: str
    direction: Direction
    events: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


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
    they claim, and which service-tag file (its change number) they rest on. For a check alone: `told` and `told_back`,
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
    told: tuple[Told, ...] = ()
    told_back: tuple[Said, ...] = ()
    lists: Mapping[str, msgspec.Raw] = field(default_factory=dict)

    @property
    def dns_proxy(self) -> bool:
        """Whether names were asked for in network rules of a firewall."""
        return self.asked.dns_proxy

    def listed(self, name: str) -> list[Listed] | None:
        """What is listed as `unexplained` or `refused`, which may be a crowd; None where nothing says so. Raises
        FwlensError for what is no such list."""
        text = self.lists.get(name)
        if not text:
            return None
        try:
            return msgspec.json.decode(text, type=list[Listed] | None)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise FwlensError(f"What the answer lists as {name} is no list of conversations ({error}).") from None

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
        document = msgspec.json.decode(data.removeprefix(BOM_UTF8), type=_Document)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FwlensError(f"{name}: not an answer of `fwlens recommend --format json` ({error}).") from None
    if document.schema != SCHEMA:
        raise FwlensError(f"{name}: the schema is {document.schema!r}, and fwlens reads {SCHEMA}.")
    try:
        return _document(document, name)
    except OverflowError:
        raise FwlensError(f"{name}: a time lies before or after all calendars once its zone is taken off.") from None


def _document(document: _Document, name: str) -> Document:
    asked = document.asked
    since, until = (when and _in_utc(when) for when in (asked.since, asked.until))
    if since and until and since >= until:
        raise FwlensError(f"{name}: asked: since {since.isoformat()} is not before until {until.isoformat()}.")
    try:
        subnets = tuple(ip_network(text) for text in asked.subnets)
        region = names.region(asked.region) if asked.region else None
    except (ValueError, FwlensError) as error:
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
        told=tuple(
            Told(one.id, None if one.requirements is None else tuple(map(_said, one.requirements)), _said(one.evidence))
            for one in document.recommendations
        ),
        told_back=tuple(_said(one.flow) for one in document.unsaid),
        lists={"unexplained": document.unexplained, "refused": document.refused},
    )


def _claims(document: _Document) -> Claims:
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


def _handed_back(one: _Unsaid) -> Unsaid:
    seen = one.flow
    source, destination, over = map(plain, (seen.src_ip, seen.destination, seen.service))  # a check tells them
    first, last = (_in_utc(when or _NO_TIME) for when in (seen.first_seen, seen.last_seen))
    flow = Conversation(source, destination, over, seen.direction, seen.events or 0, first, last)
    return Unsaid(flow, one.platform, one.requirement, one.why)


def _read(one: _Recommendation, place: str) -> Recommendation:
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
