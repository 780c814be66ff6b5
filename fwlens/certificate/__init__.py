"""Checks a set of rules against flows, exactly and by itself: it imports nouns only, never `recommend` or `cover`.

(a) complete: every needed flow is allowed, or handed back because no rule can be the one for it. (b) sound: each rule
is one that its plane can hold, no refused or unexplained flow is allowed, every source was seen (or lies in a subnet
that was asked for), every destination is joined only with services that are documented or were seen for it, and nothing
more than was seen is allowed unless that was asked for. (c) irredundant: taking away any rule, or any atom of any rule,
leaves a needed flow blocked. (d) a lower bound on the number of rules. (e) surplus: how many (source address,
destination, service) combinations are allowed that no needed flow showed.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import polars as pl

from fwlens.certificate import surplus
from fwlens.certificate.back import Back, key, key_of
from fwlens.certificate.backed import of_flows, of_rules
from fwlens.certificate.bound import fooling
from fwlens.certificate.evidence import Flow, flows, reachable, rows, weights
from fwlens.certificate.fewer import merged
from fwlens.certificate.ground import Ground
from fwlens.certificate.opening import openings
from fwlens.certificate.passing import Hit, Passing
from fwlens.certificate.planes import NAMED, breaches
from fwlens.certificate.spare import repeated, spare
from fwlens.proof import Asked, Backing, Certificate, Missed, Replay
from fwlens.requirement import Requirement
from fwlens.rule import Rule, Unsaid
from fwlens.tags import ServiceTags


def certify(
    rules: Sequence[Rule],
    matched: pl.DataFrame,
    requirements: Iterable[Requirement],
    *,
    tags: ServiceTags | None = None,
    asked: Asked = Asked(),
    handed_back: Iterable[Unsaid] = (),
    lower_bound: int = 0,
) -> Certificate:
    """Check rules against a MATCHED frame. `handed_back` are needed conversations that an answer leaves blocked.

    `lower_bound` is a claim; it is kept where nothing here contradicts it, and is a fault where it cannot be true.
    """
    known = {requirement.id: requirement for requirement in requirements}
    found = rows(matched, asked.platform)
    is_needed = pl.col("verdict") == "needed"
    needed = tuple(flows(found.filter(is_needed), known, tags, asked.region))
    check = _Check(tuple(rules), needed, known, asked, tuple(handed_back))
    others = found.filter(~is_needed)
    bad = tuple(flows(reachable(others, check.possible, tags), known, tags, asked.region))
    return check.certificate(bad, lower_bound)


def backing(
    rules: Sequence[Rule],
    matched: pl.DataFrame,
    requirements: Iterable[Requirement],
    *,
    tags: ServiceTags | None = None,
    asked: Asked = Asked(),
    handed_back: Iterable[Unsaid] = (),
    cited: Mapping[Rule, frozenset[str]] = MappingProxyType({}),
) -> tuple[tuple[Backing, ...], tuple[Backing, ...]]:
    """What backs each rule, which is said to be for the needs that are `cited`, and each conversation that is handed
    back (those of one platform, direction, ends and service together)."""
    known = {requirement.id: requirement for requirement in requirements}
    found = rows(matched, asked.platform).filter(pl.col("verdict") == "needed")
    needed = tuple(flows(found, known, tags, asked.region))
    check = _Check(tuple(rules), needed, known, asked, tuple(handed_back))
    return check.backing(cited, weights(matched, asked.platform))


def replay(
    rules: Sequence[Rule],
    matched: pl.DataFrame,
    requirements: Iterable[Requirement],
    *,
    tags: ServiceTags | None = None,
    asked: Asked = Asked(),
    handed_back: Iterable[Unsaid] = (),
) -> Replay:
    """What rules would have done to other logs than those they were made from, where they handed some back."""
    known = {requirement.id: requirement for requirement in requirements}
    found = rows(matched, asked.platform).filter(pl.col("verdict") == "needed")
    needed = tuple(flows(found, known, tags, asked.region))
    return _Check(tuple(rules), needed, known, asked, tuple(handed_back)).replay()


def surpluses(
    sets: Iterable[Sequence[Rule]],
    matched: pl.DataFrame,
    requirements: Iterable[Requirement],
    *,
    tags: ServiceTags | None = None,
    asked: Asked = Asked(),
) -> list[int]:
    """The surplus that the certificate of each of several sets of rules would tell."""
    known = {requirement.id: requirement for requirement in requirements}
    found = rows(matched, asked.platform).filter(pl.col("verdict") == "needed")
    needed = tuple(flows(found, known, tags, asked.region))
    return [_Check(tuple(rules), needed, known, asked, ()).beyond for rules in sets]


@dataclass(frozen=True)
class _Check:
    given: tuple[Rule, ...]
    needed: tuple[Flow, ...]
    known: Mapping[str, Requirement]
    asked: Asked
    handed_back: tuple[Unsaid, ...]

    def certificate(self, bad: tuple[Flow, ...], claimed: int) -> Certificate:
        """Everything together. `bad` are the flows that no rule may allow, as far as some rule might."""
        blocked, stale = list(self._blocked(bad)), list(self._stale())
        each = surplus.of_each(self.rules, self._shown)
        strange = [*self._leaks(bad), *self._foreign(each)]
        idle = [*repeated(self.given), *spare(self.rules, self._passed)]
        proven = self._proven()
        kept, refuted = self._claim(claimed, proven, complete=not blocked)
        return Certificate(
            complete=not blocked,
            sound=not strange,
            irredundant=not idle,
            rules=len(self.given),
            lower_bound=kept,
            surplus=self.beyond,
            surplus_of={rule.id: count for rule, count in zip(self.rules, each, strict=True)},
            faults=(*blocked, *strange, *idle, *stale, *refuted),
            proven=proven,
        )

    def replay(self) -> Replay:
        """What is allowed, what is not and why, and what nobody used."""
        used = {hit.rule for hits in self._hits for hit in hits}
        told = {key_of(one): one.why for one in self.handed_back}
        unused = tuple(rule for number, rule in enumerate(self.rules) if number not in used)
        return Replay(
            needed=len(self.needed),
            missed=tuple(
                Missed(*flow.key, flow.platform, self._back.why(flow) or told.get(key(flow), ""))
                for flow in self._back.blocked
            ),
            idle=tuple(rule.id for rule in unused),
            surplus=self.beyond,
            unused=unused,
        )

    def backing(
        self, cited: Mapping[Rule, frozenset[str]], weights: pl.DataFrame
    ) -> tuple[tuple[Backing, ...], tuple[Backing, ...]]:
        """What backs the rules, and what is handed back. `weights` say what logs show of each needed flow."""
        of = dict(zip(self.rules, of_rules(self._ground, self._passing, cited, weights), strict=True))
        blocked = set(self._back.blocked)
        places = {each: number for number, each in enumerate(dict.fromkeys(map(key_of, self.handed_back)))}
        left = (
            (places[key(flow)], row, flow)
            for row, flow in enumerate(self.needed)
            if key(flow) in places and flow in blocked
        )
        back = of_flows(left, len(places), weights)
        return tuple(of[rule] for rule in self.given), tuple(back[places[key_of(one)]] for one in self.handed_back)

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The rules, each once."""
        return tuple(dict.fromkeys(self.given))

    @cached_property
    def beyond(self) -> int:
        """How many combinations the rules allow beyond those that needed flows showed."""
        return surplus.in_all(self.rules, self._shown)

    @cached_property
    def possible(self) -> tuple[Rule, ...]:
        """The rules, and those that might allow what is handed back."""
        back = self._back.rules.values() if self.handed_back else ()
        return (*self.rules, *(rule for rules in back for rule in rules))

    @cached_property
    def _ground(self) -> Ground:
        return Ground(self.needed, self.known, self.asked)

    @cached_property
    def _passing(self) -> Passing:
        return Passing(self.rules, self.needed)

    @cached_property
    def _hits(self) -> list[list[Hit]]:
        """Per needed flow the rules that allow it."""
        return [self._passing.through(flow) for flow in self.needed]

    @property
    def _passed(self) -> Iterator[list[Hit]]:
        """All that rules are there for: needed flows, and what documents open where that was asked for."""
        yield from self._hits
        if self.asked.documented:
            yield from (hits for _, hits in openings(self._ground, self._passing))

    @cached_property
    def _shown(self) -> surplus.Shown:
        return surplus.shown(self._ground, self.rules, zip(self.needed, self._hits, strict=True))

    @cached_property
    def _back(self) -> Back:
        through = list(zip(self.needed, self._hits, strict=True))
        told = set(map(key_of, self.handed_back)) - {key(flow) for flow, hits in through if not hits}
        blocked = [
            flow
            for flow, hits in through
            if not hits or (key(flow) in told and not any(self._passing.allowing(flow, flow.ends)))
        ]
        return Back(blocked, self._ground)

    def _blocked(self, bad: tuple[Flow, ...]) -> Iterator[str]:
        told = {key_of(one): one.why for one in self.handed_back}
        needless = self._back.needless(bad) if told else {}
        for flow in self._back.blocked:
            if key(flow) not in told:
                yield f"{flow} stays blocked."
            elif flow in needless:
                (end,) = needless[flow].sources if flow.inbound else needless[flow].destinations
                hold = f"{NAMED[flow.platform]} can hold a rule for {end}"
                yield f"{flow} is handed back and need not be: {hold}, and that allows nothing it must not."
            elif not told[key(flow)].strip():
                yield f"{flow} is handed back without a reason."

    def _stale(self) -> Iterator[str]:
        """What is wrong with an answer besides its rules."""
        there, blocked = ({key(flow) for flow in flows} for flows in (self.needed, self._back.blocked))
        for one in self.handed_back:
            if key_of(one) not in blocked:
                flow = one.flow
                what = f"{flow.src_ip} to {flow.destination} over {flow.service}"
                why = "a rule allows it" if key_of(one) in there else "no flow of these logs needs it there"
                yield f"{what} is handed back for {one.platform}, and {why}."
        most, given = self.asked.at_most, len(self.given)
        if most is not None and given > most:
            yield f"At most {most} {'rule was' if most == 1 else 'rules were'} asked for, and these are {given}."

    def _leaks(self, bad: tuple[Flow, ...]) -> Iterator[str]:
        passing = Passing(self.rules, bad)
        for flow in bad:
            for hit in passing.allowing(flow, flow.ends):
                why = f"refused because of {flow.said}" if flow.verdict == "refused" else "no document asks for it"
                yield f"{flow} is allowed by {self.rules[hit.rule].id} and must not be: {why}."

    def _foreign(self, surpluses: Sequence[int]) -> Iterator[str]:
        """What cannot be a rule of its plane, or names what no needed flow showed and nobody asked for."""
        for rule, beyond in zip(self.rules, surpluses, strict=True):
            for why in (*breaches(rule, dns_proxy=self.asked.dns_proxy), *self._ground.strange(rule)):
                yield f"Rule {rule.id}: {why}."
            if beyond and not self.asked.more and rule.layer != "fqdn":
                seen = "combination that was" if beyond == 1 else "combinations that were"
                yield f"Rule {rule.id} allows {beyond:,} {seen} not seen."

    def _proven(self) -> int:
        """A lower bound that is proven here."""
        enough = Counter((rule.platform, rule.direction == "inbound") for rule in self.rules)
        allowed = (flow for flow, hits in zip(self.needed, self._hits, strict=True) if hits)
        as_seen = ((flow, not flow.documented or any(self._passing.allowing(flow, flow.ends))) for flow in allowed)
        return fooling(self._ground, as_seen, enough)

    def _claim(self, claimed: int, proven: int, *, complete: bool) -> tuple[int, list[str]]:
        """The bound that stands, and what is wrong with the claimed one."""
        if not complete or claimed <= proven:
            return max(proven, claimed), []
        enough = self._enough()
        if claimed > enough:
            kept = f"{_are(enough)}" if enough == len(self.given) else f"{enough} of these rules {_do(enough)}"
            return proven, [f"The lower bound is stale: it says {claimed}, and {kept}."]
        fewer = merged(self.rules, dns_proxy=self.asked.dns_proxy)
        if claimed > fewer:
            allow = "1 rule allows" if fewer == 1 else f"{fewer} rules allow"
            return proven, [f"The lower bound is stale: it says {claimed}, and {allow} the same."]
        return claimed, []

    def _enough(self) -> int:
        """How many rules are left without those, one by one, on which nothing depends."""
        through: list[list[int]] = [[] for _ in self.rules]
        times = []
        for number, hits in enumerate(self._passed):
            times.append(len(hits))
            for hit in hits:
                through[hit.rule].append(number)
        kept = len(self.rules)
        for mine in through:
            if all(times[number] > 1 for number in mine):
                kept -= 1
                for number in mine:
                    times[number] -= 1
        return kept


def _are(rules: int) -> str:
    return "this is 1 rule" if rules == 1 else f"these are {rules} rules"


def _do(rules: int) -> str:
    return "does" if rules == 1 else "do"
