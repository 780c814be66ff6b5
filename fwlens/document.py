"""Knows how to read an answer's JSON (`fwlens.recommendations/1`) again, also one that a person has edited."""

from codecs import BOM_UTF8
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Final, Literal

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


class _Requirement(msgspec.Struct):
    id: str
    url: str = ""
    page: str = ""
    layer: Basis = "documented"
    read_on: date = date(1970, 1, 1)
    purpose: str = msgspec.field(name="for", default="")
    within: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


class _Evidence(msgspec.Struct):
    flows: int = 0
    events: int = 0
    first_seen: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    last_seen: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    devices: tuple[str, ...] = ()
    denied_by: tuple[str, ...] = ()


class _Recommendation(msgspec.Struct):
    platform: Platform
    layer: Layer
    direction: Direction
    sources: tuple[str, ...]
    destinations: tuple[str, ...]
    services: tuple[str, ...]
    requirements: tuple[_Requirement, ...] = ()
    evidence: _Evidence = msgspec.field(default_factory=_Evidence)
    doubts: tuple[str, ...] = ()


class _Flow(msgspec.Struct):
    src_ip: str
    destination: str
    service: str
    direction: Direction
    events: int = 0
    first_seen: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    last_seen: datetime = datetime(1970, 1, 1, tzinfo=UTC)


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
    surplus: int | None = None
    surplus_of: dict[str, int] | None = None


class _Document(msgspec.Struct):
    schema: str
    recommendations: tuple[_Recommendation, ...]
    unsaid: tuple[_Unsaid, ...] = ()
    asked: _Asked = msgspec.field(default_factory=_Asked)
    service_tags: int | None = None
    certificate: _Certificate = msgspec.field(default_factory=_Certificate)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a certificate says of its rules; None where it does not say."""

    complete: bool | None = None
    sound: bool | None = None
    irredundant: bool | None = None
    rules: int | None = None
    surplus_of: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """The rules of an answer, what was asked for them and of which time (UTC), what they leave out with a reason, what
    they claim, and which service-tag file (its change number) they rest on."""

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

    @property
    def dns_proxy(self) -> bool:
        """Whether names were asked for in network rules of a firewall."""
        return self.asked.dns_proxy

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
    asked, claimed = document.asked, document.certificate
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
        claims=Claims(claimed.complete, claimed.sound, claimed.irredundant, claimed.rules, claimed.surplus_of),
        since=asked.since and _in_utc(asked.since),
        until=asked.until and _in_utc(asked.until),
    )


def _in_utc(when: datetime) -> datetime:
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)


def _handed_back(one: _Unsaid) -> Unsaid:
    seen = one.flow
    source, destination, over = map(plain, (seen.src_ip, seen.destination, seen.service))  # a check tells them
    flow = Conversation(source, destination, over, seen.direction, seen.events, seen.first_seen, seen.last_seen)
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
        Citation(each.id, each.purpose, each.layer, each.page, each.url, each.read_on, each.within, each.also)
        for each in one.requirements
    )
    seen = one.evidence
    evidence = Evidence(seen.flows, seen.events, seen.first_seen, seen.last_seen, seen.devices, seen.denied_by)
    return Recommendation(rule, cited, evidence, one.doubts)
