"""Knows whether what an answer's JSON says is so: its rules by the certificate, what stands beside them by the logs and
the catalogue.

What an answer does not say is no fault. What it says and is not so is one, also where more holds than it says: who
edits rules mends what stands beside them, or takes it out.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Literal

import polars as pl

from fwlens.answer import as_text
from fwlens.certificate import backing, certify
from fwlens.document import Document, Said, Told
from fwlens.errors import plain
from fwlens.proof import Backing, Certificate
from fwlens.requirement import Requirement
from fwlens.rule import Rule
from fwlens.run import Matched
from fwlens.verify.evidence import Window, as_one, counted, some, together, unlike
from fwlens.verify.listing import misread

Reach = Literal["same", "further", "other"]
"""How the time that logs reach over is to that of an answer: the same, the answer's is a part of it, or it is not."""
_JUDGED: Final = ("needed", "unexplained", "refused")


def verified(document: Document, found: Matched) -> Certificate:
    """Check a document against logs; what it says was asked for counts as asked for."""
    rules, asked, back = [one.rule for one in document.recommendations], document.asked, document.handed_back
    known, tags = found.catalog.requirements, found.tags
    bound = document.lower_bound
    proven = certify(rules, found.rows, known, tags=tags, asked=asked, handed_back=back, lower_bound=bound)
    cited = {one.rule: frozenset(each.id for each in one.citations) for one in document.recommendations}
    behind = backing(rules, found.rows, known, tags=tags, asked=asked, handed_back=back, cited=cited)
    check = _Check(document, found, rules, *behind)
    faults = (*check.beside_rules(), *check.beside_back(), *check.of_the_logs(), *check.of_the_set(proven))
    return replace(proven, faults=(*proven.faults, *faults))


def remarks(document: Document, found: Matched) -> Iterator[str]:
    """What is no fault, and has to be known beside faults: what was asked for, rules under other names, logs that reach
    further."""
    if options := list(_asked(document)):
        yield f"It is believed that this was asked for: {', '.join(options)}."
    ids = {one.rule.id for one in document.recommendations}
    for number, (one, told) in enumerate(zip(document.recommendations, document.told, strict=True)):
        if told.name is not None and told.name not in ids:
            called = plain(told.name)
            yield f"recommendations[{number}] is called {called} in the file, and as it stands now it is {one.rule.id}."
    if reach(document, found) == "further":
        mine, its = _span(_window(found)), _span(document.claims.window or (None, None))
        yield f"These logs reach {mine}, and those of the answer {its}: its evidence is checked as a part of theirs."


def _asked(document: Document) -> Iterator[str]:
    """What shapes the rules, as the options that ask for it."""
    asked = document.asked
    yield from [f"--platform {asked.platform}"] if asked.platform else ()
    yield from [f"--region {asked.region}"] if asked.region else ()
    yield from (f"--profile {plain(name)}" for name in document.profiles)
    yield from (f"--subnet {subnet}" for subnet in asked.subnets)
    yield from ["--breadth documented"] if asked.documented else ()
    yield from [f"--at-most {asked.at_most}"] if asked.at_most is not None else ()
    yield from ["--dns-proxy"] if asked.dns_proxy else ()
    yield from (f"--never-override {plain(name)!r}" for name in document.never_override)


def reach(document: Document, found: Matched) -> Reach:
    """How the time of the logs is to that of a document; the same where it does not say. Where it counted allowed flows
    too, which are not read here, it may reach further."""
    says, (first, last) = document.claims.window, _window(found)
    if says is None or says == (first, last):
        return "same"
    begin, end = says
    if not (begin and end and first and last):
        return "other"
    if {"working", "surplus"} & set(document.claims.verdicts) and begin <= first <= last <= end:
        return "same"
    return "further" if first <= begin <= end <= last else "other"


@dataclass(frozen=True)
class _Check:
    """A document, and what its rules and what it hands back are backed by."""

    document: Document
    found: Matched
    rules: list[Rule]
    behind: tuple[Backing, ...]
    left: tuple[Backing, ...]

    def beside_rules(self) -> Iterator[str]:
        """What is wrong with the names, the citations and the evidence of rules."""
        ids, names = set(self.ids), Counter(told.name for told in self.document.told)
        for rule, told, behind in zip(self.rules, self.document.told, self.behind, strict=True):
            if told.name not in (None, rule.id) and (told.name in ids or names[told.name] > 1):
                called = plain(told.name or "")
                mend = f"write {rule.id}, or leave the id out"
                yield f"Rule {rule.id} is called {called} in the file, as another is: {mend}."
            yield from self._citations(rule, told, behind)
            yield from as_one(f"The evidence of rule {rule.id}", self._unlike(told.evidence, behind))

    def beside_back(self) -> Iterator[str]:
        """What is wrong with the needs and the evidence of what is handed back."""
        every = zip(self.document.handed_back, self.document.told_back, self.left, strict=True)
        entries: dict[str, tuple[Backing, list[Said]]] = {}
        for one, told, left in every:
            flow, need = one.flow, plain(one.requirement)
            what = f"{flow.src_ip} to {flow.destination} over {flow.service} ({flow.direction}, {one.platform})"
            entries.setdefault(what, (left, []))[1].append(told)
            if one.requirement and left.needs and one.requirement not in left.needs:
                it = ", ".join(sorted(left.needs))
                yield f"The need of {what}, which is handed back, is stale: it says {need}, and it is {it}."
        for what, (left, all_told) in entries.items():
            if left.shown:
                stale = self._unlike(together(all_told), left)
                yield from as_one(f"The evidence of {what}, which is handed back,", stale)

    def of_the_logs(self) -> Iterator[str]:
        """What is wrong with the time and the counts of the whole answer."""
        if self.reach == "other":
            its, mine = _span(self.document.claims.window or (None, None)), _span(_window(self.found))
            yield (
                f"The answer is of other logs: they reached {its}, and these reach {mine}; so its counts are not "
                "checked. Pass the logs that it was made from."
            )
            return
        tallies = self.found.rows.group_by("verdict").agg(pl.len(), pl.col("events").sum())
        holds = {name: {"flows": flows, "events": events} for name, flows, events in tallies.iter_rows()}
        for name in _JUDGED:
            says = self.document.claims.verdicts.get(name, {})
            there = holds.get(name, {"flows": 0, "events": 0})
            wrong = [counted(key, value, there[key], whole=self.reach == "same") for key, value in says.items()]
            yield from as_one(f"The count of what is {name}", filter(None, wrong))
        for name in ("unexplained", "refused"):
            if self.document.is_listed(name):
                listed, here = self.document.listed(name), self.found.rows.filter(pl.col("verdict") == name)
                yield from as_one(f"The list of what is {name}", misread(listed, here, whole=self.reach == "same"))

    def of_the_set(self, proven: Certificate) -> Iterator[str]:
        """What the certificate of the document says and this check does not find so."""
        claims, bound = self.document.claims, self.document.lower_bound
        for name in ("complete", "sound", "irredundant"):  # where it says more than holds, a fault says why already
            if getattr(claims, name) is False and getattr(proven, name):
                yield f"The certificate is stale: it says that the set is not {name}, and it is."
        if claims.faults and not proven.faults:
            yield f"The certificate is stale: it tells faults ({plain(claims.faults[0])}), and there are none."
        if claims.rules is not None and claims.rules != proven.rules:
            yield f"The number of rules is stale: it says {claims.rules:,}, and it is {proven.rules:,}."
        needed = "1 rule is" if proven.proven == 1 else f"{proven.proven} rules are"
        if bound < 0 or 0 < bound < proven.proven:
            yield f"The lower bound is stale: it says {bound}, and at least {needed} needed."
        if claims.proven is not None and not 0 <= claims.proven <= (bound or claims.proven):
            yield f"What is proven is stale: it says {claims.proven}, and the lower bound is {bound}."
        if self.document.surplus is not None and self.document.surplus != proven.surplus:
            yield f"The surplus is stale: it says {self.document.surplus:,}, and it is {proven.surplus:,}."
        for name, says in (claims.surplus_of or {}).items():
            if name not in proven.surplus_of:
                yield f"The surplus of {plain(name)} is stale: {self._not_there(name)}."
            elif says != proven.surplus_of[name]:
                holds = proven.surplus_of[name]
                yield f"The surplus of rule {name} is stale: it says {says:,}, and it is {holds:,}."

    @cached_property
    def ids(self) -> list[str]:
        """The ids of the rules."""
        return [rule.id for rule in self.rules]

    @cached_property
    def reach(self) -> Reach:
        """How the time of the logs is to that of the document."""
        return reach(self.document, self.found)

    @cached_property
    def _known(self) -> Mapping[str, Requirement]:
        return {one.id: one for one in self.found.catalog.requirements}

    def _citations(self, rule: Rule, told: Told, behind: Backing) -> Iterator[str]:
        """Needs that a rule cites and is not for, or is for and does not cite; and how it cites them."""
        if told.cited is None:
            return
        cited = Counter(str(each["id"]) for each in told.cited)
        for name, times in sorted(cited.items()):
            if name not in self._known:
                yield f"Rule {rule.id} cites '{plain(name)}', and the catalogue has no such need (--catalog adds some)."
            elif name not in behind.beside:
                yield f"Rule {rule.id} cites {name}, and no conversation that it allows has that need."
            if times > 1:
                yield f"Rule {rule.id} cites {plain(name)} {times} times, and once would do."
        for name, conversation in sorted(behind.needs.items()):
            if name not in cited and self.reach == "same":
                yield f"Rule {rule.id} allows {conversation}, which has the need {name}, and does not cite that."
        for each in told.cited:
            if str(each["id"]) in self._known:
                yield from _quoted(rule, each, self._known[str(each["id"])])

    def _unlike(self, says: Said, behind: Backing) -> Iterator[str]:
        if self.reach == "same":
            yield from unlike(says, behind)
        elif self.reach == "further":
            yield from unlike(says, behind, within=self.document.claims.window)

    def _not_there(self, name: str) -> str:
        """Why no rule has a name."""
        now = [rule for rule, told in zip(self.ids, self.document.told, strict=True) if told.name == name]
        if now:
            return f"the rule that is called so in the file is {now[0]}; write that, or leave it out"
        return "no rule of the set is that; leave it out"


def _quoted(rule: Rule, says: Said, need: Requirement) -> Iterator[str]:
    """What a citation says otherwise than the catalogue."""
    one = need.citation
    holds = {
        "layer": one.basis,
        "for": one.purpose,
        "url": one.url,
        "page": one.page,
        "read_on": one.read_on,
        "within": one.within,
        "also": one.also,
    }
    cites = f"Rule {rule.id} cites {one.id}"
    for name, value in says.items():
        there = holds.get(name, value)
        if isinstance(value, tuple) and isinstance(there, tuple):
            if strange := set(value) - set(there):
                yield f"{cites}, and {name} names {some(strange)}, which the catalogue does not."
            if missing := set(there) - set(value):
                yield f"{cites}, and {name} leaves out {some(missing)}."
        elif value != there:
            yield f"{cites} with {name} '{plain(str(value))}', and the catalogue has '{there}'."


def _window(found: Matched) -> Window:
    first, last = found.rows.select(pl.col("first_seen").min(), pl.col("last_seen").max()).row(0)
    return first, last


def _span(window: Window) -> str:
    first, last = map(as_text, window)
    return f"from {first} to {last}" if first and last else "over no flow"
