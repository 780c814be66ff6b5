"""Knows what changed since an earlier answer: needs and rules are new, still open, resolved, no longer documented or no
longer recommended.

A need is open where a rule cites it or it was handed back. A rule's id is a digest of what it allows, so a rule that
has grown by one source is another rule: it is told as changed, and not as something new and something resolved. What
is open no more is resolved only where nothing of it was denied: what the denied conversations still call for
(`proof.Lasting`) is told as no longer recommended, with the reason, and so is what was asked otherwise than then.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from fwlens.answer import Answer, as_text
from fwlens.document import Document
from fwlens.proof import UNKNOWN, Lasting, Why
from fwlens.rule import Recommendation

SCHEMA: Final = "fwlens.diff/1"
_MOST: Final = 200

Documented = Mapping[str, tuple[str, ...]]
"""Every need that the catalogue has today, with the addresses of the pages that state it."""
RuleState = Literal[
    "new", "still open", "changed", "replaced", "resolved", "not known", "no longer documented", "no longer recommended"
]
"""`changed` is a new rule for needs that were all open before. Of old ones, `replaced` is one of whose conversations
all that are denied are met by others of its platform now, `resolved` one that no denied conversation would use, and
`not known` one that rests on a log of which nothing was read since."""

REASONS: Final[Mapping[Why, str]] = {
    "asked": "denied still, but asked for otherwise",
    "refused": "denied still, and refused",
    "unexplained": "denied still, but no need explains it now",
    "explained": "denied still, and another need explains it",
    "tags": "perhaps denied still: other service tags than then",
    "unread": "no row of the log that showed it was read since",
    "counted": "allowed entries are only counted, not whose they are (--with-allowed tells)",
}


@dataclass(frozen=True, slots=True)
class Undocumented:
    """A need that was open and is not documented as it was: the pages that stated it then, and those that do now."""

    need: str
    then: tuple[str, ...]
    now: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dropped:
    """A need that was open and is not recommended for any more, though it is not resolved, and why."""

    need: str
    why: Why


@dataclass(frozen=True, slots=True)
class Otherwise:
    """A choice that is another one than then, in words."""

    what: str
    then: str
    now: str

    def __str__(self) -> str:
        return f"{self.what} {self.now} ({self.then} then)"


@dataclass(frozen=True, slots=True)
class Diff:
    """Rules by their ids, and needs by theirs; rules in the order of the answers, needs sorted.

    `disappeared` are the needs that are not open any more: `resolved` (not denied in the window), `undocumented`,
    `dropped` (denied, or perhaps) and `unknown` (their logs were not read). `otherwise` is what was asked otherwise.
    """

    new: tuple[Recommendation, ...]
    gone: tuple[Recommendation, ...]
    same: tuple[Recommendation, ...]
    appeared: tuple[str, ...]
    disappeared: tuple[str, ...]
    stayed: tuple[str, ...]
    undocumented: tuple[Undocumented, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    unknown: tuple[Dropped, ...] = ()
    otherwise: tuple[Otherwise, ...] = ()
    lasting: Lasting | None = None

    @property
    def resolved(self) -> tuple[str, ...]:
        """Needs that were open, are documented as they were, and were not denied in the window, as their logs say."""
        lost = {one.need for one in self.undocumented} | {one.need for one in (*self.dropped, *self.unknown)}
        return tuple(need for need in self.disappeared if need not in lost)

    @property
    def rules(self) -> tuple[tuple[RuleState, Recommendation], ...]:
        """Every rule of both answers with what became of it: today's rules first."""
        open_then = {*self.stayed, *self.disappeared}
        told: list[tuple[RuleState, Recommendation]] = []
        told += [("new" if not needs_of([one]) <= open_then else "changed", one) for one in self.new]
        told += [("still open", one) for one in self.same]
        told += [(self._became(one), one) for one in self.gone]
        return tuple(told)

    def _became(self, old: Recommendation) -> RuleState:
        """What became of a rule that is none any more."""
        needs, lost = needs_of([old]), {one.need for one in self.undocumented}
        if needs and needs <= lost:
            return "no longer documented"
        if self.lasting is None:
            return "replaced" if needs & {*self.stayed, *self.appeared} else "resolved"
        if old.rule.id in self.lasting.used - self.lasting.met:
            return "no longer recommended"
        if old.rule.id in self.lasting.unknown:
            return "not known"
        return "replaced" if old.rule.id in self.lasting.met else "resolved"


def diff(
    answer: Answer,
    earlier: Document | None,
    documented: Documented | None = None,
    lasting: Lasting | None = None,
) -> Diff:
    """What is different from an earlier answer (from none: everything is new). Without `documented` nothing is said of
    documents, and without `lasting` nothing is known of what is denied: needs that no rule cites are resolved then."""
    now = answer.recommendations
    then = earlier.recommendations if earlier else ()
    ids_now, ids_then = {one.rule.id for one in now}, {one.rule.id for one in then}
    needs_now = needs_of(now) | {one.requirement for one in answer.unsaid}
    needs_then = needs_of(then) | set(earlier.unsaid_needs if earlier else ())
    needs_then |= {need for log in (earlier.logs if earlier else ()) for need in log.unknown}
    left = tuple(sorted(needs_then - needs_now))
    undocumented = () if documented is None else tuple(_undocumented(left, then, documented))
    if earlier and not {*earlier.catalogs} <= {*answer.asked.get("catalogs", ())}:
        undocumented = tuple(one for one in undocumented if one.now)  # the others stood in a file that was not read
    told = {one.need for one in undocumented}
    why = lasting.needs if lasting else {}
    lasts = tuple(Dropped(need, why[need]) for need in left if need in why and need not in told)
    return Diff(
        new=tuple(one for one in now if one.rule.id not in ids_then),
        gone=tuple(one for one in then if one.rule.id not in ids_now),
        same=tuple(one for one in now if one.rule.id in ids_then),
        appeared=tuple(sorted(needs_now - needs_then)),
        disappeared=left,
        stayed=tuple(sorted(needs_now & needs_then)),
        undocumented=undocumented,
        dropped=tuple(one for one in lasts if one.why not in UNKNOWN),
        unknown=tuple(one for one in lasts if one.why in UNKNOWN),
        otherwise=tuple(_otherwise(answer, earlier)) if earlier else (),
        lasting=lasting,
    )


def _otherwise(answer: Answer, earlier: Document) -> Iterable[Otherwise]:
    """The choices that shape rules and are other ones than then."""
    now, then = answer.asked, earlier.asked
    choices: tuple[tuple[str, object, object, str], ...] = (
        ("platform", then.platform, now.get("platform"), "the one that denied"),
        ("region", then.region, now.get("region"), "any"),
        ("profiles", earlier.profiles, now.get("profiles"), "all"),
        ("breadth", "documented" if then.documented else "observed", now.get("breadth", "observed"), ""),
        ("subnets", then.subnets, now.get("subnets"), "none"),
        ("most rules", then.at_most, now.get("at_most"), "any number"),
        ("DNS proxy", earlier.dns_proxy, now.get("dns_proxy"), "no"),
        ("catalogue files", earlier.catalogs, now.get("catalogs"), "none"),
        ("rules never to override", earlier.never_override, now.get("never_override"), "none"),
        ("change number of the service tags", earlier.service_tags, answer.service_tags, "none"),
    )
    for what, before, today, without in choices:
        words = [_worded(value, without) for value in (before, today)]
        if words[0] != words[1]:
            yield Otherwise(what, *words)


def _worded(value: object, without: str) -> str:
    """A choice in words; `without` stands for none."""
    if value is True:
        return "yes"
    if isinstance(value, tuple | list):
        text = ", ".join(sorted(map(str, value))) or without
        return text if len(text) <= _MOST else f"{text[: _MOST - 1]}…"
    return without if value is None or value is False else str(value)


def needs_of(found: Iterable[Recommendation]) -> set[str]:
    """The needs that rules cite."""
    return {citation.id for one in found for citation in one.citations}


def _undocumented(
    needs: Iterable[str], then: Iterable[Recommendation], documented: Documented
) -> Iterable[Undocumented]:
    pages: dict[str, set[str]] = {}
    for one in then:
        for citation in one.citations:
            pages.setdefault(citation.id, set()).update({citation.url} - {""})
    for need in needs:
        before, today = pages.get(need, set()), documented.get(need, ())
        if not today or (before and not before & set(today)):
            yield Undocumented(need, tuple(sorted(before)), tuple(sorted(today)))


def to_json(found: Diff, *, earlier: str | None, run: str) -> bytes:
    """The difference as JSON (`fwlens.diff/1`), indented, with a line end; `earlier` and `run` name the two runs."""
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "run": run,
        "earlier": earlier,
        "asked": found.otherwise,
        "needs": {
            "new": found.appeared,
            "open": found.stayed,
            "resolved": found.resolved,
            "undocumented": found.undocumented,
            "dropped": found.dropped,
            "unknown": found.unknown,
        },
        "silent": [
            {"name": log.name, "device": log.device, "last_seen": as_text(log.last_seen), "why": why}
            for log, why in (found.lasting.silent if found.lasting else {}).items()
        ],
        "rules": [_rule(state, one) for state, one in found.rules],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _rule(state: RuleState, one: Recommendation) -> dict[str, Any]:
    rule = one.rule
    return {
        "id": rule.id,
        "state": state,
        "platform": rule.platform,
        "layer": rule.layer,
        "direction": rule.direction,
        "sources": [str(each) for each in rule.sources],
        "destinations": [str(each) for each in rule.destinations],
        "services": [str(each) for each in rule.services],
        "needs": sorted(needs_of([one])),
    }
