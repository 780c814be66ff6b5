"""Knows the words of a rule: endpoints, services, rules, recommendations and what proves them, and their one notation.

The notation is the same in YAML, tables, JSON and messages, and `parse(str(x)) == x`:
endpoints `login.x.com`, `*.x.com`, `x.com/path/*`, `10.0.0.0/8`, `tag:AzureMonitor`, `*`;
services `tcp/443`, `udp/3478-3481`, `icmp`, and for application rules `https/443`, `http/80`, `mssql/1433`.
In the catalogue an endpoint may hold placeholders such as `<region>`; in a rule it may not.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final, Literal

from fwlens.errors import FwlensError

Direction = Literal["inbound", "outbound"]
Platform = Literal["azure-firewall", "nsg", "aml-managed-network"]
Layer = Literal["application", "network", "nsg", "fqdn", "service-tag"]
Basis = Literal["documented", "vendor", "observed"]
"""Who says that a need exists: Microsoft, the vendor of the thing itself, or only logs (a redirect host)."""
Level = Literal["required", "situational", "recommended", "automatic"]
Kind = Literal["any", "address", "tag", "host", "wildcard", "url"]

Network = IPv4Network | IPv6Network

PLATFORMS: Final[tuple[Platform, ...]] = ("azure-firewall", "nsg", "aml-managed-network")
BASES: Final[tuple[Basis, ...]] = ("documented", "vendor", "observed")
LEVELS: Final[tuple[Level, ...]] = ("required", "situational", "recommended", "automatic")

LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
TOP_LABEL: Final = r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])"
HOST: Final = rf"^(?:{LABEL}\.)+{TOP_LABEL}$"
"""A plain host name: ASCII (IDNA), lower case, at least two labels. Only such a name may ever reach a rule."""
HOST_LENGTH: Final = 253
PLACEHOLDER: Final = re.compile(r"<([a-z][a-z-]*)>")
_TAG: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z0-9]+)*")
_URL_PATH: Final = re.compile(r"/[A-Za-z0-9/_.~-]*\*?")
_SERVICE: Final = re.compile(r"([a-z][a-z0-9-]*)(?:/([0-9]{1,5})(?:-([0-9]{1,5}))?)?")
_SHORT: Final = {"application": "app", "network": "net", "nsg": "nsg", "fqdn": "fqdn", "service-tag": "tag"}
_KINDS: Final[tuple[Kind, ...]] = ("any", "address", "tag", "host", "wildcard", "url")

TRANSPORT: Final = {"tcp": "tcp", "udp": "udp", "https": "tcp", "http": "tcp", "mssql": "tcp"}
"""Protocols that have ports, and what carries them."""
PORTLESS: Final = ("icmp", "icmpv6", "esp", "ah", "gre", "sctp", "ip")
"""Protocols without ports as far as a rule goes; `ip` is any other IP protocol."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One side of a rule: an address range, a service tag, a host name or pattern, a URL, or anything (`*`)."""

    kind: Kind
    text: str

    def __str__(self) -> str:
        return f"tag:{self.text}" if self.kind == "tag" else self.text

    @property
    def sort_key(self) -> tuple[int, int, int, str]:
        """Addresses in numeric order, then tags, hosts and patterns by name."""
        if self.kind != "address":
            return _KINDS.index(self.kind), 0, 0, self.text.casefold()
        network = ip_network(self.text)
        return _KINDS.index(self.kind), network.version, int(network.network_address), f"{network.prefixlen:03}"

    @property
    def is_concrete(self) -> bool:
        """No placeholder is left in it."""
        return not PLACEHOLDER.search(self.text)

    def covers(self, other: "Endpoint") -> bool:
        """Whether all that `other` names is named by this too. Service tags are compared by name only.

        A wildcard covers every depth and never the bare name
        (https://learn.microsoft.com/azure/firewall/firewall-faq, wildcards in target FQDNs).
        """
        if self.kind == "any" or self == other:
            return True
        if self.kind == "wildcard":
            return other.kind in ("host", "wildcard", "url") and _host_of(other).endswith(self.text[1:])
        if self.kind == "host":
            return other.kind == "url" and _host_of(other) == self.text
        if self.kind == "address" and other.kind == "address":
            mine, theirs = ip_network(self.text), ip_network(other.text)
            return mine.version == theirs.version and mine.supernet_of(theirs)  # type: ignore[arg-type]
        return self.kind == "tag" and other.kind == "tag" and self.text.casefold() == other.text.casefold()

    @staticmethod
    @lru_cache(maxsize=65536)
    def parse(text: str) -> "Endpoint":
        """Read the notation. Raises FwlensError for what is none of its forms (a bare `*name` among them)."""
        plain = PLACEHOLDER.sub("x", text)
        if text == "*":
            return Endpoint("any", "*")
        if text.startswith("tag:") and _TAG.fullmatch(plain[4:]):
            return Endpoint("tag", text[4:])
        if re.fullmatch(HOST, plain) and len(text) <= HOST_LENGTH:
            return Endpoint("host", text)
        if plain.startswith("*.") and re.fullmatch(HOST, plain[2:]) and len(text) <= HOST_LENGTH:
            return Endpoint("wildcard", text)
        host, slash, path = plain.partition("/")
        if slash and re.fullmatch(HOST, host) and _URL_PATH.fullmatch(slash + path):
            return Endpoint("url", text)
        try:
            network = ip_network("" if "%" in text else text)  # a zone (`%eth0`) may hold any text
        except ValueError:
            raise FwlensError(
                f"{text!r} is no endpoint: write a host (login.x.com), a pattern (*.x.com), an address or network "
                "(10.0.0.0/8), or a service tag (tag:AzureMonitor)."
            ) from None
        whole = network.prefixlen == network.max_prefixlen
        return Endpoint("address", str(network.network_address) if whole else str(network))


def _host_of(endpoint: Endpoint) -> str:
    return endpoint.text.partition("/")[0]


@dataclass(frozen=True, slots=True, order=True)
class Service:
    """A protocol with its ports; `first` and `last` are 0 for a protocol without ports."""

    protocol: str
    first: int = 0
    last: int = 0

    def __str__(self) -> str:
        if not self.last:
            return self.protocol
        return f"{self.protocol}/{self.first}" + (f"-{self.last}" if self.last != self.first else "")

    @property
    def transport(self) -> str:
        """What the ports are counted in: `tcp` for https, http and mssql; else the protocol itself."""
        return TRANSPORT.get(self.protocol, self.protocol)

    def carries(self, other: "Service") -> bool:
        """Whether traffic of `other` is within this service, transports compared (`tcp/443` carries `https/443`)."""
        return self.transport == other.transport and self.first <= other.first and other.last <= self.last

    @staticmethod
    @lru_cache(maxsize=65536)
    def parse(text: str) -> "Service":
        """Read the notation. Raises FwlensError for an unknown protocol or for ports outside 1 to 65535."""
        match = _SERVICE.fullmatch(text)
        if match:
            protocol, first, last = match[1], int(match[2] or 0), int(match[3] or match[2] or 0)
            if protocol in PORTLESS and match[2] is None:
                return Service(protocol)
            if protocol in TRANSPORT and match[2] is not None and 0 < first <= last <= 65535:
                return Service(protocol, first, last)
        raise FwlensError(
            f"{text!r} is no service: write a protocol and its ports, such as tcp/443, udp/3478-3481 or icmp."
        )


FQDN_PORTS: Final = (Service("http", 80, 80), Service("https", 443, 443))
"""What an FQDN rule of a managed network always opens: it holds no ports of its own
(https://learn.microsoft.com/azure/machine-learning/how-to-managed-network)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Allow: every source to every destination over every service, in one layer of one platform.

    `any` stands for the sources of a managed network, which names none. Sequences are sorted and without repeats.
    """

    platform: Platform
    layer: Layer
    direction: Direction
    sources: tuple[Endpoint, ...]
    destinations: tuple[Endpoint, ...]
    services: tuple[Service, ...]

    def __post_init__(self) -> None:
        if not (self.sources and self.destinations and self.services):
            raise FwlensError("A rule needs at least one source, one destination and one service.")
        for endpoint in (*self.sources, *self.destinations):
            if not endpoint.is_concrete:
                raise FwlensError(f"A rule cannot hold the placeholder in {endpoint}.")
        if any(endpoint.kind == "any" for endpoint in self.destinations):
            raise FwlensError("A rule to any destination is never recommended.")

    @property
    def sort_key(self) -> tuple[object, ...]:
        """Total order: platform, layer, direction, then what the rule opens."""
        return (
            PLATFORMS.index(self.platform),
            self.layer,
            self.direction,
            tuple(e.sort_key for e in self.destinations),
            self.services,
            tuple(e.sort_key for e in self.sources),
        )

    @property
    def id(self) -> str:
        """A name that depends on what the rule allows and on nothing else, so that it is the same every night."""
        digest = hashlib.sha256(f"{self.platform} {self}".encode()).hexdigest()
        return f"{_SHORT[self.layer]}-{digest[:10]}"

    def __str__(self) -> str:
        parts = (self.sources, self.destinations, self.services)
        return " ".join([self.layer, self.direction, *(",".join(map(str, part)) for part in parts)])


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the logs show for a rule: folded conversations, log entries, the first and last of them (UTC), and where.

    `devices` decided, `denied_by` are the rules that they named: both free text from a log.
    """

    flows: int
    events: int
    first_seen: datetime
    last_seen: datetime
    devices: tuple[str, ...] = ()
    denied_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a requirement is documented, as an answer quotes it; `within` are wider
    needs that it lies in, `also` the further pages that state it."""

    id: str
    purpose: str
    basis: Basis
    page: str
    url: str
    read_on: date
    within: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A rule with what it rests on: citations in the order of their ids, evidence, and doubts in whole sentences."""

    rule: Rule
    citations: tuple[Citation, ...]
    evidence: Evidence
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversation:
    """One folded conversation as an answer tells it. Times are UTC; `destination` is a name where one was logged."""

    src_ip: str
    destination: str
    service: str
    direction: Direction
    events: int
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class Unsaid:
    """A needed conversation that no rule of the platform can allow, and why."""

    flow: Conversation
    platform: Platform
    requirement: str
    why: str
