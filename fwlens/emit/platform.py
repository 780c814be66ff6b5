"""Knows what every platform shares: what a platform and a form are, the words that may go out, and how to refuse.

Names, descriptions and comments hold nothing that a log can fill: names are built from a rule's id, free text from the
ids of the catalogue. What a rule names (hosts, tags, addresses, ports) is parsed again here, so that a value that was
not made by the notation never reaches a text.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from fwlens.errors import FwlensError
from fwlens.rule import Endpoint, Evidence, Platform, Recommendation, Rule, Service

OWN: Final = "fwlens"
"""The name of what is ours in Azure, and the beginning of the name of every rule."""
DESCRIPTION: Final = 140  # an NSG's limit (network-security-groups-overview); the others allow no less
_ID: Final = re.compile(r"[a-z0-9]+(?:[./-][a-z0-9]+)*")
_URL: Final = re.compile(r"https://[A-Za-z0-9./_~%#?=&+-]+")
_TARGET: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,78}[A-Za-z0-9_])?")


@dataclass(frozen=True, slots=True)
class Options:
    """What a person says about the place that the rules go to.

    `target` is the name of the firewall policy, the NSG or the workspace; without it a template asks for it.
    `priority_below` is the priority of the rule (NSG) or group (firewall) that must come later; `taken` are priorities
    in use. `ip_groups` names sources of the firewall by IP groups.
    """

    target: str | None = None
    priority_below: int | None = None
    taken: frozenset[int] = frozenset()
    ip_groups: bool = False

    def __post_init__(self) -> None:
        if self.target is not None and not _TARGET.fullmatch(self.target):
            raise FwlensError(f"{self.target!r} is no name of an Azure resource: letters, digits, and _ . - within.")


Recommended = Sequence[Recommendation]
Text = Callable[[Recommended, Options], str]


@dataclass(frozen=True, slots=True)
class Form:
    """One form of a platform's rules: the text that adds them, the text that takes them back, and the names' ends."""

    suffix: str
    render: Text
    undo_suffix: str
    undo: Text


@dataclass(frozen=True, slots=True)
class Target:
    """A platform that rules are written for. `prove` raises FwlensError for a rule or a set that Azure would refuse or
    that would mean something else there; `remarks` are sentences that a person should read before applying."""

    name: Platform
    prove: Callable[[Recommended, Options], None]
    remarks: Callable[[Recommended, Options], tuple[str, ...]]
    forms: Mapping[str, Form]


def name(rule: Rule) -> str:
    """The rule's name on its platform: at most 33 characters, of letters, digits and hyphens."""
    return f"{OWN}-{rule.id}"


def description(one: Recommendation) -> str:
    """The ids of the needs that the rule is for, as many as 140 characters hold."""
    ids = [citation.id for citation in one.citations]
    text = f"{OWN}: {', '.join(ids) or 'no need is cited'}"
    for left in range(1, len(ids) + 1):
        if len(text) <= DESCRIPTION:
            break
        text = f"{OWN}: {', '.join(ids[:-left])} and {left} more" if left < len(ids) else f"{OWN}: {len(ids)} needs"
    return text


def refuse(rule: Rule, why: str) -> FwlensError:
    """The fault of one rule."""
    return FwlensError(f"{rule.id}: {why}")


def too_many(what: str, count: int, limit: int, largest: Rule, way_out: str) -> FwlensError:
    """A limit that the whole set breaks, with the rule that has the largest part in it."""
    return FwlensError(f"{what}: {count:,}, and Azure takes {limit:,}. The largest part is {largest.id}'s. {way_out}")


def prove_words(recommendations: Recommended) -> None:
    """Every word that may go out is plain. Raises FwlensError, naming the rule, for one that is not."""
    for one in recommendations:
        rule = one.rule
        for endpoint in (*rule.sources, *rule.destinations):
            if not _is_notation(endpoint):
                raise refuse(rule, f"{shown(str(endpoint))} is no endpoint of a rule.")
        for endpoint in rule.destinations:
            if endpoint.kind == "address" and endpoint.text.endswith("/0"):
                raise refuse(rule, f"{endpoint} is every destination, and such a rule is never written.")
        for service in rule.services:
            if Service.parse(str(service)) != service:
                raise refuse(rule, f"{shown(str(service))} is no service of a rule.")
        for citation in one.citations:
            if not (_ID.fullmatch(citation.id) and len(citation.id) <= 80):
                raise refuse(
                    rule, f"{shown(citation.id)} is no id of a catalogue: lower-case words joined by / . or -."
                )
            for url in (citation.url, *citation.also):
                if url and not _URL.fullmatch(url):
                    raise refuse(rule, f"the address of {citation.id} is no plain https address.")


def _is_notation(endpoint: Endpoint) -> bool:
    try:
        return endpoint.is_concrete and Endpoint.parse(str(endpoint)) == endpoint
    except FwlensError:
        return False


def shown(text: str) -> str:
    """Any text within a message to people: printable ASCII in quotes, at most 60 characters."""
    return ascii(text if len(text) <= 60 else text[:60] + "...")


def ports(services: Sequence[Service]) -> list[str]:
    """Ports and ranges of ports as Azure writes them."""
    spans = sorted({(one.first, one.last) for one in services if one.last})
    return [str(first) if first == last else f"{first}-{last}" for first, last in spans]


def transports(rule: Rule) -> list[str]:
    """What the rule's services are carried in, without repeats."""
    return sorted({one.transport for one in rule.services})


def by_kind(endpoints: Sequence[Endpoint]) -> dict[str, list[str]]:
    """The texts of endpoints by their kind, each in the rule's order."""
    ordered = sorted(endpoints, key=lambda end: end.sort_key)
    return {kind: [end.text for end in ends] for kind, ends in groupby(ordered, key=lambda end: end.kind)}


def in_order(recommendations: Recommended) -> Iterator[Recommendation]:
    """By what the rules open, so that one more rule moves no other; a rule that is there several times, once, with
    everything that is said of it."""
    ordered = sorted(recommendations, key=lambda one: one.rule.sort_key)
    for _, same in groupby(ordered, key=lambda one: one.rule.id):
        yield _together(list(same))


def _together(same: Recommended) -> Recommendation:
    """One rule as several answers give it, whatever their order: none of its denials, citations or doubts is lost."""
    first = same[0]
    if all(one == first for one in same):
        return first
    every = sorted({one.evidence for one in same}, key=lambda seen: (seen.first_seen, seen.last_seen, repr(seen)))
    citations = {each.id: each for each in sorted((c for one in same for c in one.citations), key=repr)}
    evidence = Evidence(
        flows=sum(seen.flows for seen in every),
        events=sum(seen.events for seen in every),
        first_seen=every[0].first_seen,
        last_seen=max(seen.last_seen for seen in every),
        devices=tuple(sorted({device for seen in every for device in seen.devices})),
        denied_by=tuple(sorted({named for seen in every for named in seen.denied_by})),
    )
    doubts = tuple(dict.fromkeys(doubt for one in sorted(same, key=repr) for doubt in one.doubts))
    return Recommendation(first.rule, tuple(citations[each] for each in sorted(citations)), evidence, doubts)
