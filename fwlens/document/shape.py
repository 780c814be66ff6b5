"""Knows the shape of an answer's JSON: what may stand in it, and of which type. None is what does not stand there."""

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec

from fwlens.rule import Basis, Direction, Layer, Platform

Cause = Literal["no rule", "deny rule", "threat intelligence", "intrusion prevention", "no host name", "encryption"]


class Requirement(msgspec.Struct):
    """How a rule cites a need."""

    id: str
    url: str | None = None
    page: str | None = None
    layer: Basis | None = None
    read_on: date | None = None
    purpose: str | None = msgspec.field(name="for", default=None)
    within: tuple[str, ...] | None = None
    also: tuple[str, ...] | None = None


class Evidence(msgspec.Struct):
    """What the logs showed of a rule."""

    flows: int | None = None
    events: int | None = None
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    devices: tuple[str, ...] | None = None
    denied_by: tuple[str, ...] | None = None


class Recommendation(msgspec.Struct):
    """A rule, and what stands beside it."""

    platform: Platform
    layer: Layer
    direction: Direction
    sources: tuple[str, ...]
    destinations: tuple[str, ...]
    services: tuple[str, ...]
    id: str | None = None
    requirements: tuple[Requirement, ...] | None = None
    evidence: Evidence = msgspec.field(default_factory=Evidence)
    doubts: tuple[str, ...] = ()


class Flow(msgspec.Struct):
    """A conversation that is handed back."""

    src_ip: str
    destination: str
    service: str
    direction: Direction
    events: int | None = None
    first_seen: datetime | None = None
    last_seen: datetime | None = None


class Unsaid(msgspec.Struct):
    """What is handed back, for which plane and need, and why."""

    flow: Flow
    platform: Platform
    why: str
    requirement: str = ""


class Asked(msgspec.Struct):
    """What was asked for."""

    platform: Platform | None = None
    region: str | None = None
    profiles: tuple[str, ...] = ()
    breadth: Literal["observed", "documented"] = "observed"
    subnets: tuple[str, ...] = ()
    at_most: int | None = None
    dns_proxy: bool = False
    never_override: tuple[str, ...] = ()
    catalogs: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None


class Certificate(msgspec.Struct):
    """What is proven or claimed of the rules."""

    complete: bool | None = None
    sound: bool | None = None
    irredundant: bool | None = None
    rules: int | None = None
    lower_bound: int = 0
    proven: int | None = None
    surplus: int | None = None
    surplus_of: dict[str, int] | None = None
    faults: tuple[str, ...] = ()


class Window(msgspec.Struct):
    """When the first and the last flow was seen."""

    first_seen: datetime | None = None
    last_seen: datetime | None = None


class Tally(msgspec.Struct):
    """How many flows and log entries there are."""

    flows: int | None = None
    events: int | None = None


class Log(msgspec.Struct):
    """A log that gave rows, with the needs that it showed and those of which nothing is known since it stopped."""

    name: str
    device: str | None
    last_seen: datetime
    needs: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


class Document(msgspec.Struct):
    """A whole answer, of which the lists that may be crowds are left as they are."""

    schema: str
    recommendations: tuple[Recommendation, ...]
    unsaid: tuple[Unsaid, ...] = ()
    asked: Asked = msgspec.field(default_factory=Asked)
    service_tags: int | None = None
    certificate: Certificate = msgspec.field(default_factory=Certificate)
    window: Window | None = None
    verdicts: dict[str, Tally | None] = msgspec.field(default_factory=dict)
    unexplained: msgspec.Raw = msgspec.Raw()
    refused: msgspec.Raw = msgspec.Raw()
    logs: tuple[Log, ...] = ()


class Listed(msgspec.Struct):
    """A blocked conversation that is listed and has no rule; of a crowd, so its times are left as texts."""

    src_ip: str
    destination: str | None
    service: str
    direction: Direction
    plane: Literal["azure-firewall", "nsg"] | None = None
    cause: Cause | None = None
    events: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None
    first_seen: str | None = None
    last_seen: str | None = None
