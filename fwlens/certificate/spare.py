"""Knows what could leave a set of rules: rules, and atoms of rules, on which no needed flow depends.

An atom is what can leave a rule by itself. A network rule lists protocols and ports and opens all of their
combinations, so there a protocol or a port leaves, never one combination alone.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from fwlens.certificate.evidence import far_side, near_side
from fwlens.certificate.passing import Hit
from fwlens.rule import Endpoint, Rule, Service


def spare(rules: Sequence[Rule], passing: Iterable[Sequence[Hit]]) -> Iterator[str]:
    """What no flow depends on, whose hits are given: each that an atom lets through has another way through."""
    carriers = [_carriers(rule) for rule in rules]
    vital: list[set[Endpoint | str]] = [set() for _ in rules]
    for hits in passing:
        if len(hits) == 1:
            number, near, far, services = hits[0]
            vital[number] |= near if len(near) == 1 else set()
            vital[number] |= far if len(far) == 1 else set()
            vital[number] |= {name for name, atom in carriers[number].items() if services <= atom}
    for rule, atoms, used in zip(rules, carriers, vital, strict=True):
        left = [str(atom) for atom in (*near_side(rule), *far_side(rule), *atoms) if atom not in used]
        if not used and left:
            yield f"Rule {rule.id} is idle: no needed flow depends on it."
        elif left:
            yield f"Rule {rule.id}: no needed flow depends on {', '.join(left)}."


def repeated(rules: Iterable[Rule]) -> Iterator[str]:
    """Rules that are there several times."""
    for rule, times in Counter(rules).items():
        if times > 1:
            yield f"Rule {rule.id} is there {times} times, and once would do."


def _carriers(rule: Rule) -> dict[str, frozenset[Service]]:
    """The parts of a rule's services that can leave it alone, by what they are called."""
    if rule.layer == "fqdn":  # its two ports are not for it to choose
        return {}
    protocols = sorted({each.protocol for each in rule.services})
    spans = sorted({(each.first, each.last) for each in rule.services})
    if rule.layer != "network" or 1 in (len(protocols), len(spans)):
        return {str(each): frozenset({each}) for each in rule.services}
    found = {name: frozenset(each for each in rule.services if each.protocol == name) for name in protocols}
    for first, last in spans:
        name = f"port {first}" if first == last else f"ports {first}-{last}"
        found[name] = frozenset(each for each in rule.services if (each.first, each.last) == (first, last))
    return found
