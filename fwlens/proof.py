"""Knows what can be proven about rules: a night's certificate and what backs them, the replay of another, a trial."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, NamedTuple

from fwlens.rule import Evidence, Network, Platform, Rule


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for: another platform, a region (published suffix), subnets as sources, whole ways, few rules, and
    names in network rules of a firewall (DNS proxy)."""

    platform: Platform | None = None
    region: str | None = None
    subnets: tuple[Network, ...] = ()
    documented: bool = False
    at_most: int | None = None
    dns_proxy: bool = False

    @property
    def more(self) -> bool:
        """Whether more than what was seen may be allowed at all."""
        return bool(self.subnets) or self.documented or self.at_most is not None


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is proven about a set of rules (docs/design.md, the certificate), the surplus of each by its id, and every
    fault in plain words (none: the set holds).

    `lower_bound` is the greater of what the check proved alone (`proven`) and what was claimed and stood against it.
    """

    complete: bool
    sound: bool
    irredundant: bool
    rules: int
    lower_bound: int
    surplus: int
    surplus_of: Mapping[str, int]
    faults: tuple[str, ...] = ()
    proven: int = 0


@dataclass(frozen=True, slots=True)
class Backing:
    """What logs give as reason for a rule, or for a conversation that is handed back.

    `needs` are the needs that it is for, each with a conversation that has it, in words; `beside` are all that it lets
    through or opens. `shown` is the evidence of `needs`, `around` that of all conversations from there that have one of
    `beside`, as their documents may have asked for more than was seen; None where there are none.
    """

    needs: Mapping[str, str]
    beside: frozenset[str]
    shown: Evidence | None
    around: Evidence | None


class Missed(NamedTuple):
    """A needed conversation that stays blocked, and why, where no rule could be the one for it (empty: one could)."""

    source: str
    destination: str
    service: str
    platform: Platform
    why: str


@dataclass(frozen=True, slots=True)
class Replay:
    """Needed conversations, those that stay blocked, the ids of rules that none of them used and these rules, and how
    many allowed combinations none of them showed."""

    needed: int
    missed: tuple[Missed, ...]
    idle: tuple[str, ...]
    surplus: int
    unused: tuple[Rule, ...] = ()


class Log(NamedTuple):
    """A log that gave rows: which (`flow.log`), the device that wrote it, when its last flow was seen (UTC), the needs
    that it showed to be denied, and those that it showed earlier, of which nothing is known since it stopped."""

    name: str
    device: str | None
    last_seen: datetime
    needs: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def every(self) -> frozenset[str]:
        """All needs that it ever showed and that nobody found to be resolved."""
        return frozenset((*self.needs, *self.unknown))


Why = Literal["asked", "refused", "unexplained", "explained", "tags", "unread", "counted"]
"""Why a need is open no more though it is not resolved. It is denied: it was asked for otherwise, or is refused; no
need explains what its rule would let through, or another one does. It may be denied: its service tags are not known,
and addresses are denied that they may hold; nothing was read since of a log that showed it; or what was read of such
logs are allowed entries, which are counted and not told apart by device."""
UNKNOWN: Final[tuple[Why, ...]] = ("unread", "counted")
"""Why nothing is known of a need now."""


@dataclass(frozen=True, slots=True)
class Lasting:
    """What is not resolved of an earlier answer: its needs, and its rules by their ids (those that denied conversations
    would use, and of these the ones of which the rules of now, of the same platform, meet all); and what is not known:
    the logs of then that are `silent`, with the reason, and the rules that rest on what these showed (`unknown`)."""

    needs: Mapping[str, Why]
    used: frozenset[str]
    met: frozenset[str]
    unknown: frozenset[str] = frozenset()
    silent: Mapping[Log, Why] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trial:
    """Rules learned from `begin` on, tried from `split` to `end` (UTC): how many there were, and what they did."""

    begin: datetime
    split: datetime
    end: datetime
    rules: int
    tried: Replay
