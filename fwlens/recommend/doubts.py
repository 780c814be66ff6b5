"""Knows what a person should doubt before applying a rule, in whole sentences and in a fixed order."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final

from fwlens.requirement import Requirement
from fwlens.rule import Endpoint, Rule
from fwlens.tags import ServiceTags

_BASIS: Final = {
    "vendor": "Not in Microsoft's lists, documented by the vendor: {}.",
    "observed": "Not documented by itself, seen in the logs of others: {}.",
}
# What Azure lets a rule be called: letters, digits, underscores, dots, hyphens (and spaces and slashes between groups).
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./ -]{0,200}")
_NOT_PLAIN: Final = "(a name that is not plain)"
_FEATURE: Final = {"azure-firewall": ("FW", "Azure Firewall"), "nsg": ("NSG", "an NSG")}


@dataclass(frozen=True, slots=True)
class Grounds:
    """What the flows of one rule say about it: rules that denied them, doubts about how they are held, and how many
    near addresses have a need."""

    denied_by: tuple[str, ...]
    held: tuple[str, ...]
    nears: int


def doubts(
    rule: Rule,
    requirements: Sequence[Requirement],
    grounds: Grounds,
    seen: frozenset[Endpoint],
    tags: ServiceTags | None,
) -> tuple[str, ...]:
    """Every doubt about a rule, without repeats. `seen` are the endpoints that needed flows of the night went to."""
    found = [
        *_denials(grounds.denied_by),
        *grounds.held,
        *_documents(requirements, seen),
        *(line for requirement in requirements for line in requirement.warns),
        *_widened(rule, grounds.nears),
        *_platform(rule),
        *_snapshot(rule, tags),
    ]
    return tuple(dict.fromkeys(found))


def _denials(names: Iterable[str]) -> Iterator[str]:
    """A name is told only if it is plain: it comes from a log, and doubts are read, copied and mailed."""
    unique = {name.casefold(): name if _PLAIN.fullmatch(name) else _NOT_PLAIN for name in sorted(names, reverse=True)}
    if unique:
        yield f"Denied by rule {', '.join(sorted(set(unique.values())))}; an allow must come before it."


def _documents(requirements: Sequence[Requirement], seen: frozenset[Endpoint]) -> Iterator[str]:
    """One sentence per kind of doubt, with the ids that it is about."""
    for basis, sentence in _BASIS.items():
        about = [_within(one) for one in requirements if one.basis == basis]
        if about:
            yield sentence.format("; ".join(about))
    inferred = [one.id for one in requirements if one.inferred]
    if inferred:
        yield f"The port is inferred, the pages state none: {', '.join(inferred)}."
    for one in requirements:
        if one.superseded_by:
            yield f"{one.id} is superseded by {', '.join(one.superseded_by)}."
        if one.conflicts_with:
            yield f"Pages disagree: {one.id} and {', '.join(one.conflicts_with)}."
        missing = [str(tag) for tag in one.depends_on if not _is_seen(tag, seen)]
        if missing:
            yield f"{one.id} depends on {', '.join(missing)}, which was not seen blocked: check that it is allowed."


def _within(requirement: Requirement) -> str:
    return requirement.id + (f" (within {', '.join(requirement.within)})" if requirement.within else "")


def _is_seen(tag: Endpoint, seen: frozenset[Endpoint]) -> bool:
    """Whether the tag, or for a regional one that of any region, is among the endpoints seen."""
    before, placeholder, _ = tag.text.partition("<")
    return any(each.kind == "tag" and (each.text.startswith(before) if placeholder else each == tag) for each in seen)


def _widened(rule: Rule, nears: int) -> Iterator[str]:
    """Subnets that were asked for take in addresses that nothing is known of."""
    ends = rule.destinations if rule.direction == "inbound" else rule.sources
    beside = sum(ip_network(end.text).num_addresses for end in ends if end.kind == "address") - nears
    if beside > 0:
        addresses = "1 address that was" if beside == 1 else f"{beside:,} addresses that were"
        seen = f"{nears:,} that {'was' if nears == 1 else 'were'}"
        yield f"It takes in {addresses} not seen to need it, beside {seen} (--subnet)."


def _platform(rule: Rule) -> Iterator[str]:
    if rule.layer == "fqdn":
        yield (
            "An FQDN rule of the managed network opens ports 80 and 443, to the whole workspace, and is billed as a "
            "firewall."
        )
    if rule.platform == "nsg":
        yield "If both the subnet and the network interface have an NSG, both must allow this."


def _snapshot(rule: Rule, tags: ServiceTags | None) -> Iterator[str]:
    named = [e for e in (*rule.sources, *rule.destinations) if e.kind == "tag"]
    if not named or tags is None:
        return
    yield f"Which address belongs to which tag is from the service-tag file with change number {tags.change_number}."
    feature, place = _FEATURE.get(rule.platform, ("", ""))
    for tag in named:
        usable = tags.features.get(tag.text)
        if feature and usable is not None and feature not in usable:
            yield (
                f"The service-tag file does not list {tag} as usable in {place}; documents do. "
                "Try it before relying on it."
            )
