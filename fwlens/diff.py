"""Knows what changed since an earlier answer: needs and rules are new, still open, resolved, or no longer documented.

A need is open where a rule cites it or it was handed back. A rule's id is a digest of what it allows, so a rule that
has grown by one source is another rule: it is told as changed, and not as something new and something resolved.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from fwlens.answer import Answer
from fwlens.document import Document
from fwlens.rule import Recommendation

SCHEMA: Final = "fwlens.diff/1"

Documented = Mapping[str, tuple[str, ...]]
"""Every need that the catalogue has today, with the addresses of the pages that state it."""
RuleState = Literal["new", "still open", "changed", "replaced", "resolved", "no longer documented"]
"""`changed` is a new rule for needs that were all open before, `replaced` an old one whose need others meet now."""


@dataclass(frozen=True, slots=True)
class Undocumented:
    """A need that was open and is not documented as it was: the pages that stated it then, and those that do now."""

    need: str
    then: tuple[str, ...]
    now: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Diff:
    """Rules by their ids, and needs by theirs; rules in the order of the answers, needs sorted.

    `disappeared` are the needs that are not open any more: `resolved` (not denied in the window) and `undocumented`.
    """

    new: tuple[Recommendation, ...]
    gone: tuple[Recommendation, ...]
    same: tuple[Recommendation, ...]
    appeared: tuple[str, ...]
    disappeared: tuple[str, ...]
    stayed: tuple[str, ...]
    undocumented: tuple[Undocumented, ...] = ()

    @property
    def resolved(self) -> tuple[str, ...]:
        """Needs that were open, are documented as they were, and were not denied in the window."""
        lost = {one.need for one in self.undocumented}
        return tuple(need for need in self.disappeared if need not in lost)

    @property
    def rules(self) -> tuple[tuple[RuleState, Recommendation], ...]:
        """Every rule of both answers with what became of it: today's rules first."""
        open_then = {*self.stayed, *self.disappeared}
        open_now, lost = {*self.stayed, *self.appeared}, {one.need for one in self.undocumented}
        told: list[tuple[RuleState, Recommendation]] = []
        told += [("new" if not needs_of([one]) <= open_then else "changed", one) for one in self.new]
        told += [("still open", one) for one in self.same]
        for one in self.gone:
            needs = needs_of([one])
            if needs & open_now:
                told.append(("replaced", one))
            else:
                told.append(("no longer documented" if needs and needs <= lost else "resolved", one))
        return tuple(told)


def diff(answer: Answer, earlier: Document | None, documented: Documented | None = None) -> Diff:
    """What is different from an earlier answer (from none: everything is new). Without `documented` nothing is said of
    documents."""
    now = answer.recommendations
    then = earlier.recommendations if earlier else ()
    ids_now, ids_then = {one.rule.id for one in now}, {one.rule.id for one in then}
    needs_now = needs_of(now) | {one.requirement for one in answer.unsaid}
    needs_then = needs_of(then) | set(earlier.unsaid_needs if earlier else ())
    left = tuple(sorted(needs_then - needs_now))
    return Diff(
        new=tuple(one for one in now if one.rule.id not in ids_then),
        gone=tuple(one for one in then if one.rule.id not in ids_now),
        same=tuple(one for one in now if one.rule.id in ids_then),
        appeared=tuple(sorted(needs_now - needs_then)),
        disappeared=left,
        stayed=tuple(sorted(needs_now & needs_then)),
        undocumented=() if documented is None else tuple(_undocumented(left, then, documented)),
    )


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
        "needs": {
            "new": found.appeared,
            "open": found.stayed,
            "resolved": found.resolved,
            "undocumented": found.undocumented,
        },
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
