"""Knows how a night is told in words: the table of what changed, and the notice for a webhook."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from fwlens.answer import Answer
from fwlens.diff import REASONS, Diff, needs_of
from fwlens.errors import plain
from fwlens.ledger import ALLOWED, Ledger, unblocked
from fwlens.notify import Notice
from fwlens.proof import Lasting
from fwlens.table import clock, columns, plural

_TITLES: Final = (
    ("new", "New"), ("open", "Still open"), ("resolved", "Resolved"), ("unknown", "Not known"),
    ("dropped", "No longer recommended"), ("undocumented", "No longer documented"),
)  # fmt: skip
_MOST: Final = 3
_QUIET: Final = timedelta(hours=12)


def unread(told: Ledger) -> tuple[str, ...]:
    """What is wrong with a look-back of which nothing was read: it is no quiet one."""
    if told.rows_used or any(one.reason == ALLOWED for one in told.set_aside):
        return ()
    return (f"{unblocked(told)} Nothing is resolved by that: check that the logs still arrive.",)


def silent(last: Lasting | None, until: datetime) -> Iterator[str]:
    """The logs that stopped since the night before, half a day or longer before this one ends: of each kind the devices
    that wrote them, and since when."""
    every = last.silent if last else {}
    logs = [log for log, why in every.items() if why == "unread" and log.every and until - log.last_seen >= _QUIET]
    for name in sorted({log.name for log in logs}):
        mine = [log for log in logs if log.name == name]
        devices = sorted(plain((log.device or "a device without a name").rpartition("/")[2]) for log in mine)
        more = f" and {len(devices) - _MOST:,} more" if len(devices) > _MOST else ""
        seen = clock(max(log.last_seen for log in mine))
        yield (
            f"{name[0].upper()}{name[1:]} of {', '.join(devices[:_MOST])}{more}: no row was read since {seen} UTC. "
            "What they denied is not known to be resolved: check that this log is still sent."
        )


def headline(answer: Answer, found: Diff) -> str:
    """The night in one sentence."""
    rules, unsaid = len(answer.recommendations), len(answer.unsaid)
    parts = [f"{len(found.appeared)} new", f"{len(found.stayed)} still open", f"{len(found.resolved)} resolved"]
    others = {
        "not known": found.unknown,
        "no longer recommended": found.dropped,
        "no longer documented": found.undocumented,
    }
    parts += [f"{len(each)} {words}" for words, each in others.items() if each]
    nothing = "nothing is known" if unread(answer.ledger) else "nothing to allow"
    allow = f"{plural(rules, 'rule')} would allow what is needed" if rules else nothing
    if unsaid:
        allow += f"; {plural(unsaid, 'conversation')} no rule can hold"
    return f"Needs: {', '.join(parts)}; {allow}."


def table(found: Diff, answer: Answer, width: int | None = None) -> str:
    """The sentence, and a line for every need and every rule that is not as it was, in as many columns as there are."""
    needs = columns(("change", "need", "rules"), _needs(found, answer), width)
    rules = columns(
        ("change", "rule", "to", "over"),
        [
            (state, one.rule.id, ", ".join(map(str, one.rule.destinations)), ", ".join(map(str, one.rule.services)))
            for state, one in found.rules
            if state != "still open"
        ],
        width,
    )
    asked = f"Other than then: {'; '.join(map(str, found.otherwise))}.\n" if found.otherwise else ""
    return "\n".join(part for part in (f"{headline(answer, found)}\n{asked}", needs, rules) if part)


def _needs(found: Diff, answer: Answer) -> Iterator[tuple[str, str, str]]:
    by_need: dict[str, list[str]] = {}
    for one in answer.recommendations:
        for need in needs_of([one]):
            by_need.setdefault(need, []).append(one.rule.id)
    why = {one.requirement: "no rule can hold it" for one in answer.unsaid}
    why |= {one.need: REASONS[one.why] for one in (*found.unknown, *found.dropped)}
    for title, needs in lists(found):
        for need in needs:
            yield title.lower(), need, ", ".join(by_need.get(need, [])) or why.get(need, "-")


def lists(found: Diff) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Needs by what became of them, under their headings."""
    needs = {
        "new": found.appeared,
        "open": found.stayed,
        "resolved": found.resolved,
        "unknown": tuple(one.need for one in found.unknown),
        "dropped": tuple(one.need for one in found.dropped),
        "undocumented": tuple(one.need for one in found.undocumented),
    }
    return tuple((title, needs[name]) for name, title in _TITLES if needs[name])


def notice(
    run: str, answer: Answer, found: Diff, page: Path, stopped: tuple[str, ...], faults: tuple[str, ...]
) -> Notice:
    """What a webhook is told of a night that was done: also which logs stopped, and what could not be read."""
    counts = {
        "new": len(found.appeared),
        "open": len(found.stayed),
        "resolved": len(found.resolved),
        "unknown": len(found.unknown),
        "dropped": len(found.dropped),
        "undocumented": len(found.undocumented),
        "rules": len(answer.recommendations),
        "blocked_flows": answer.blocked.flows,
        "unexplained_flows": answer.verdicts["unexplained"].flows,
    }
    asked = (("Other than then", tuple(map(str, found.otherwise))),) if found.otherwise else ()
    wrong = tuple(pair for pair in (("Stopped", stopped), ("Could not be read", faults)) if pair[1])
    told = (*lists(found), *asked, *wrong)
    return Notice(run, "done", f"fwlens: {headline(answer, found)}", counts, told, str(page))


def recommended(answer: Answer) -> list[Mapping[str, object]]:
    """The rules as rows of the store."""
    return [
        {
            "rule": one.rule.id,
            "platform": one.rule.platform,
            "layer": one.rule.layer,
            "direction": one.rule.direction,
            "sources": [str(each) for each in one.rule.sources],
            "destinations": [str(each) for each in one.rule.destinations],
            "services": [str(each) for each in one.rule.services],
            "needs": [each.id for each in one.citations],
            "pages": [each.url for each in one.citations],
            "doubts": list(one.doubts),
            "flows": one.evidence.flows,
            "events": one.evidence.events,
            "first_seen": one.evidence.first_seen,
            "last_seen": one.evidence.last_seen,
        }
        for one in answer.recommendations
    ]
