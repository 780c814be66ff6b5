"""Checks a set of rules against flows, exactly and by itself: it imports nouns only, never `recommend` or `cover`.

(a) complete: every needed flow is allowed, or handed back with a reason. (b) sound: no refused or unexplained flow is,
every source was seen (or lies in a subnet that was asked for), every destination is joined only with services that are
documented or were seen for it, and nothing more than was seen is allowed unless that was asked for. (c) irredundant:
taking away any rule, or any atom of any rule, leaves a needed flow blocked. (d) a lower bound on the number of rules.
(e) surplus: how many (source address, destination, service) combinations are allowed that no needed flow showed.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_network
from typing import Final, NamedTuple

import polars as pl

from fwlens.certificate.bound import fooling, wants
from fwlens.certificate.evidence import ANYWHERE, Flow, ends_of, far_side, flows, near_atoms, near_side, reachable, rows
from fwlens.certificate.reach import carries, in_layer, is_within, reaches, size, units
from fwlens.proof import Asked, Certificate, Replay
from fwlens.requirement import Requirement
from fwlens.rule import Endpoint, Rule, Service
from fwlens.tags import ServiceTags

_SYMBOLIC: Final = "tag:VirtualNetwork"


class _Hit(NamedTuple):
    """A rule, by number, that allows a flow, and through which of its atoms."""

    rule: int
    near: frozenset[Endpoint]
    far: frozenset[Endpoint]
    services: frozenset[Service]


def certify(
    rules: Sequence[Rule],
    matched: pl.DataFrame,
    requirements: Iterable[Requirement],
    *,
    tags: ServiceTags | None = None,
    asked: Asked = Asked(),
    handed_back: Iterable[tuple[str, str, str]] = (),
    lower_bound: int = 0,
) -> Certificate:
    """Check rules against a MATCHED frame. `handed_back` are needed (source, destination, service) that have a reason.

    `lower_bound` is a claim; it is kept where nothing here contradicts it, and is a fault where it cannot be true.
    """
    known = {requirement.id: requirement for requirement in requirements}
    found = rows(matched, asked.platform)
    is_needed = pl.col("verdict") == "needed"
    needed = tuple(flows(found.filter(is_needed), known, tags, asked.region))
    bad = tuple(flows(reachable(found.filter(~is_needed), rules, tags), known, tags, asked.region))
    check = _Check(tuple(dict.fromkeys(rules)), needed, bad, known, asked, frozenset(handed_back))
    return check.certificate(lower_bound)


def replay(
    rules: Sequence[Rule],
    matched: pl.DataFrame,
    requirements: Iterable[Requirement],
    *,
    tags: ServiceTags | None = None,
    asked: Asked = Asked(),
) -> Replay:
    """What rules would have done to other logs than those they were made from."""
    known = {requirement.id: requirement for requirement in requirements}
    found = rows(matched, asked.platform).filter(pl.col("verdict") == "needed")
    needed = tuple(flows(found, known, tags, asked.region))
    return _Check(tuple(dict.fromkeys(rules)), needed, (), known, asked, frozenset()).replay()


@dataclass(frozen=True)
class _Check:
    rules: tuple[Rule, ...]
    needed: tuple[Flow, ...]
    bad: tuple[Flow, ...]
    known: Mapping[str, Requirement]
    asked: Asked
    handed_back: frozenset[tuple[str, str, str]]

    def certificate(self, claimed: int) -> Certificate:
        """Everything together."""
        blocked = [
            f"{flow} stays blocked."
            for flow in self.needed
            if not self._hits[flow] and flow.key not in self.handed_back
        ]
        surplus = [self._surplus(number) for number in range(len(self.rules))]
        strange = (line for number in range(len(self.rules)) for line in self._foreign(number, surplus[number]))
        foreign = [*self._leaks(), *strange]
        idle = list(self._idle())
        proven, stale = self._bound(claimed, complete=not blocked)
        return Certificate(
            complete=not blocked,
            sound=not foreign,
            irredundant=not idle,
            rules=len(self.rules),
            lower_bound=proven,
            surplus=self._total_surplus(),
            surplus_of={rule.id: count for rule, count in zip(self.rules, surplus, strict=True)},
            faults=(*blocked, *foreign, *idle, *stale),
        )

    def replay(self) -> Replay:
        """What is allowed, what is not, and what nobody used."""
        used = {hit.rule for hits in self._hits.values() for hit in hits}
        return Replay(
            needed=len(self.needed),
            missed=tuple(flow.key for flow in self.needed if not self._hits[flow]),
            idle=tuple(rule.id for number, rule in enumerate(self.rules) if number not in used),
            surplus=self._total_surplus(),
        )

    @cached_property
    def _near(self) -> dict[str, dict[int, frozenset[Endpoint]]]:
        return near_atoms(self.rules, (flow.near for flow in (*self.needed, *self.bad)))

    @cached_property
    def _anywhere(self) -> dict[int, frozenset[Endpoint]]:
        ends = [frozenset(end for end in near_side(rule) if end.text == ANYWHERE) for rule in self.rules]
        return {number: found for number, found in enumerate(ends) if found}

    @cached_property
    def _hits(self) -> dict[Flow, list[_Hit]]:
        """The rules that allow a needed flow as it was seen, else those that do by what its document says."""
        return {
            flow: list(self._allowing(flow, flow.ends)) or list(self._allowing(flow, flow.documented))
            for flow in self.needed
        }

    def _allowing(self, flow: Flow, ends: frozenset[str]) -> Iterator[_Hit]:
        """The rules that allow a flow by one of the ends."""
        for number, near in {**self._near.get(flow.near, {}), **self._anywhere}.items():
            rule = self.rules[number]
            if rule.platform == flow.platform and (rule.direction == "inbound") is flow.inbound:
                far = frozenset(end for end in far_side(rule) if reaches(rule, end, flow, ends))
                services = frozenset(each for each in rule.services if carries(rule, each, flow.service))
                if far and services:
                    yield _Hit(number, near, far, services)

    def _leaks(self) -> Iterator[str]:
        for flow in self.bad:
            for hit in self._allowing(flow, flow.ends):
                why = f"refused because of {flow.said}" if flow.verdict == "refused" else "no document asks for it"
                yield f"{flow} is allowed by {self.rules[hit.rule].id} and must not be: {why}."

    def _idle(self) -> Iterator[str]:
        """Atoms on which no needed flow depends: each flow that one of them lets through has another way through."""
        vital: list[set[Endpoint | Service]] = [set() for _ in self.rules]
        for hits in (*self._hits.values(), *(self._openings() if self.asked.documented else ())):
            if len(hits) == 1:
                number, near, far, services = hits[0]
                vital[number] |= near if len(near) == 1 else set()
                vital[number] |= far if len(far) == 1 else set()
                vital[number] |= services if len(services) == 1 else set()
        for rule, used in zip(self.rules, vital, strict=True):
            atoms = (*near_side(rule), *far_side(rule), *(() if rule.layer == "fqdn" else rule.services))
            spare = [str(atom) for atom in atoms if atom not in used]
            if not used and spare:
                yield f"Rule {rule.id} is idle: no needed flow depends on it."
            elif spare:
                yield f"Rule {rule.id}: no needed flow depends on {', '.join(spare)}."

    def _openings(self) -> Iterator[list[_Hit]]:
        """What documents open beside each need, where whole ways were asked for, by the rules that do."""
        asked = {(flow.platform, flow.inbound, flow.near, flow.far, flow.requirement, flow.by) for flow in self.needed}
        for platform, inbound, near, far, name, by in sorted(asked, key=str):
            requirement = self.known.get(name or "")
            if requirement:
                seen = {(far, each) for way in requirement.ways for each in way.over}
                for end, over in sorted(seen | set(self._stated(requirement, by)), key=str):
                    yield list(self._opening(platform, inbound, near, end, over))

    def _opening(self, platform: str, inbound: bool, near: str, end: str, over: Service) -> Iterator[_Hit]:
        for number, ends in {**self._near.get(near, {}), **self._anywhere}.items():
            rule = self.rules[number]
            if rule.platform == platform and (rule.direction == "inbound") is inbound:
                far = frozenset(each for each in far_side(rule) if str(each) == end)
                services = frozenset(each for each in rule.services if carries(rule, each, in_layer(rule, over)))
                if far and services:
                    yield _Hit(number, ends, far, services)

    def _stated(self, requirement: Requirement, by: str | None) -> Iterator[tuple[str, Service]]:
        """The ends and services that a need's document gives; where it says `narrow`, none that holds several hosts."""
        for way in requirement.ways:
            for end in ends_of(requirement, way, by, self.asked.region):
                many = end.kind in ("wildcard", "address") or str(end) == _SYMBOLIC
                if not (many and requirement.narrow):
                    yield from ((str(end), each) for each in way.over)

    def _foreign(self, number: int, surplus: int) -> Iterator[str]:
        """What a rule names that no needed flow showed and nobody asked for."""
        rule = self.rules[number]
        for end in near_side(rule):
            if not self._is_seen(number, end):
                yield f"Rule {rule.id}: {end} was not seen to need anything."
        for end in far_side(rule):
            services = self._services_of(rule, end)
            carried = {each for each in rule.services if any(carries(rule, wide, each) for wide in services)}
            strange = [str(each) for each in rule.services if each not in carried and rule.layer != "fqdn"]
            if not services:
                yield f"Rule {rule.id}: no needed flow went to {end}, and no document of their needs names it."
            elif strange:
                yield f"Rule {rule.id}: {end} is neither documented nor seen over {', '.join(strange)}."
        if surplus and not self.asked.more and rule.layer != "fqdn":
            yield f"Rule {rule.id} allows {surplus} combinations that were not seen."

    @cached_property
    def _nears(self) -> dict[tuple[str, bool], set[str]]:
        found: dict[tuple[str, bool], set[str]] = {}
        for flow in self.needed:
            found.setdefault((flow.platform, flow.inbound), set()).add(flow.near)
        return found

    def _is_seen(self, number: int, end: Endpoint) -> bool:
        """Whether every address of a near end needed something, or the end lies in a subnet that was asked for."""
        rule = self.rules[number]
        if end.kind != "address":
            return end.text == ANYWHERE and rule.platform == "aml-managed-network"
        network = ip_network(end.text)
        if any(is_within(network, wide) for wide in self.asked.subnets):
            return True
        nears = self._nears.get((rule.platform, rule.direction == "inbound"), set())
        if network.num_addresses == 1:
            return str(network.network_address) in nears
        return self._seen_in[number, end] == network.num_addresses

    @cached_property
    def _seen_in(self) -> Counter[tuple[int, Endpoint]]:
        """How many near addresses that needed something each near end of each rule holds."""
        found = Counter[tuple[int, Endpoint]]()
        for near, by_rule in self._near.items():
            for number, ends in by_rule.items():
                rule = self.rules[number]
                if near in self._nears.get((rule.platform, rule.direction == "inbound"), ()):
                    found.update((number, end) for end in ends)
        return found

    @cached_property
    def _documents(self) -> dict[tuple[str, bool, str], set[Service]]:
        """Per platform, direction and far end: services that needed flows showed, and that their documents give."""
        found: dict[tuple[str, bool, str], set[Service]] = {}
        fars: dict[tuple[str, bool, str | None, str | None], set[str]] = {}
        for flow in self.needed:
            fars.setdefault((flow.platform, flow.inbound, flow.requirement, flow.by), set()).add(flow.far)
            found.setdefault((flow.platform, flow.inbound, flow.far), set()).add(flow.service)
        for (platform, inbound, name, by), seen in fars.items():
            requirement = self.known.get(name or "")
            if requirement is None:
                continue
            for way in requirement.ways:
                ends = {str(end) for end in ends_of(requirement, way, by, self.asked.region)}
                if by in ends or by in [str(peer) for peer in way.peers]:
                    for end in seen:
                        found.setdefault((platform, inbound, end), set()).update(way.over)
            for end, each in self._stated(requirement, by):
                found.setdefault((platform, inbound, end), set()).add(each)
        return found

    def _services_of(self, rule: Rule, end: Endpoint) -> set[Service]:
        place = (rule.platform, rule.direction == "inbound")
        services = self._documents.get((*place, str(end)), set())
        parts = [text for text, _ in units(end)]
        if not services and 1 < len(parts) <= len(self._documents):  # addresses that a rule writes as one network
            services = set.intersection(*(self._documents.get((*place, text), set()) for text in parts))
        return {in_layer(rule, each) for each in services}

    @cached_property
    def _shown(self) -> list[set[tuple[str, str, Service]]]:
        """Per rule what needed flows showed of it: (near address, far end as the rule names it, service)."""
        found: list[set[tuple[str, str, Service]]] = [set() for _ in self.rules]
        for flow, hits in self._hits.items():
            for number, near, far, services in hits:
                who = ANYWHERE if any(end.text == ANYWHERE for end in near) else flow.near
                over = {Service(each.protocol, flow.service.first, flow.service.last) for each in services}
                ends = {(flow.address or "") if end.kind == "address" else str(end) for end in far}
                found[number] |= {(who, end, each) for end in ends for each in over}
        return found

    def _surplus(self, number: int) -> int:
        rule = self.rules[number]
        ports = sum(each.last - each.first + 1 for each in rule.services)
        return size(near_side(rule)) * size(far_side(rule)) * ports - len(self._shown[number])

    def _total_surplus(self) -> int:
        """Over all rules, what several of them allow counted once."""
        opened: dict[tuple[object, ...], list[Endpoint]] = {}
        many: dict[tuple[object, ...], int] = {}
        shown: set[tuple[object, ...]] = set()
        for number, rule in enumerate(self.rules):
            place = (rule.platform, rule.layer, rule.direction)
            for text, count in (unit for end in far_side(rule) for unit in units(end)):
                for each in rule.services:
                    for port in range(each.first, each.last + 1):
                        opened.setdefault((*place, text, each.protocol, port), []).extend(near_side(rule))
                        many[*place, text, each.protocol, port] = count
            shown |= {(*place, *each) for each in self._shown[number]}
        return sum(size(ends) * many[key] for key, ends in opened.items()) - len(shown)

    def _bound(self, claimed: int, *, complete: bool) -> tuple[int, list[str]]:
        """A bound that is proven here, and what is wrong with the claimed one."""
        enough = self._enough()
        places = {(rule.platform, rule.layer, rule.direction) for rule in self.rules}
        own = max(0 if self.asked.more else self._fooling(), len(places))
        if complete and claimed > enough:
            these = f"{enough} of these rules do" if enough < len(self.rules) else f"these are {enough} rules"
            return own, [f"The lower bound is stale: it says {claimed}, and {these}."]
        if claimed and claimed < own:
            return own, [f"The lower bound is stale: it says {claimed}, and at least {own} rules are needed."]
        return max(own, claimed), []

    def _enough(self) -> int:
        """How many rules are left without those, one by one, on which no needed flow depends."""
        if self.asked.documented:  # rules may be there for what documents open
            return len(self.rules)
        through: list[list[Flow]] = [[] for _ in self.rules]
        times = {flow: len({hit.rule for hit in hits}) for flow, hits in self._hits.items()}
        for flow, hits in self._hits.items():
            for number in {hit.rule for hit in hits}:
                through[number].append(flow)
        kept = len(self.rules)
        for mine in through:
            if all(times[flow] > 1 for flow in mine):
                times.update({flow: times[flow] - 1 for flow in mine})
                kept -= 1
        return kept

    def _fooling(self) -> int:
        """How many needed combinations there are of which no two fit into one rule."""
        layers = {flow: frozenset(self.rules[hit.rule].layer for hit in hits) for flow, hits in self._hits.items()}
        known = ((flow, self.known.get(flow.requirement or ""), there) for flow, there in layers.items() if there)
        return fooling(wants(known), len(self.rules))
