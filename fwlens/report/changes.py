"""Knows what changed since an earlier answer: which rules and needs are new, gone, or still the same."""

from collections.abc import Iterable
from dataclasses import dataclass

from fwlens.answer import Answer
from fwlens.document import Document
from fwlens.rule import Recommendation


@dataclass(frozen=True, slots=True)
class Changes:
    """Rules by their ids, which say what they allow, and needs by theirs; each list in the order of the answers."""

    new: tuple[Recommendation, ...]
    gone: tuple[Recommendation, ...]
    same: tuple[Recommendation, ...]
    appeared: tuple[str, ...]
    disappeared: tuple[str, ...]
    stayed: tuple[str, ...]


def changes(answer: Answer, earlier: Document) -> Changes:
    """What is different. A need counts where a rule cites it or it was handed back."""
    now, then = answer.recommendations, earlier.recommendations
    ids_now, ids_then = {one.rule.id for one in now}, {one.rule.id for one in then}
    needs_now = _needs(now) | {one.requirement for one in answer.unsaid}
    needs_then = _needs(then) | set(earlier.unsaid_needs)
    return Changes(
        new=tuple(one for one in now if one.rule.id not in ids_then),
        gone=tuple(one for one in then if one.rule.id not in ids_now),
        same=tuple(one for one in now if one.rule.id in ids_then),
        appeared=tuple(sorted(needs_now - needs_then)),
        disappeared=tuple(sorted(needs_then - needs_now)),
        stayed=tuple(sorted(needs_now & needs_then)),
    )


def _needs(found: Iterable[Recommendation]) -> set[str]:
    return {citation.id for one in found for citation in one.citations}
