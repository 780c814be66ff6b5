"""Knows the forms for people and spreadsheets: a CSV of rules, and a change ticket in Markdown, for any platform.

Words that may come from a log or from an edited answer (doubts) are told without controls, and marked as text for the
form: CSV cells never begin a formula, Markdown marks never begin anything.
"""

import csv
import io
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from fwlens.emit.platform import OWN, Form, Options, Recommended, name
from fwlens.errors import FORMULA, one_line
from fwlens.rule import Recommendation

COLUMNS: Final = (
    "id", "name", "platform", "layer", "direction", "sources", "destinations", "services", "requirements", "pages",
    "flows", "events", "first_seen", "last_seen", "doubts",
)  # fmt: skip
_MARKS: Final = re.compile(r"([\\`*_{}\[\]()#+!|<>~&])")
_UNDO: Final = {
    "azure-firewall": "Delete the rule collection group `{own}`; it holds nothing else.",
    "nsg": "Delete the rules named below from the network security group.",
    "aml-managed-network": "Remove the outbound rules named below from the workspace.",
}


def _cell(text: str) -> str:
    return re.sub(FORMULA, r"\1'\2", one_line(text))


def _table(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


def _when(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def _csv(recommendations: Recommended, _: Options) -> str:
    """One row per rule; several values of a cell are separated by a space, doubts by a bar."""
    return _table([COLUMNS, *(_row(one) for one in recommendations)])


def _row(one: Recommendation) -> list[str]:
    rule, evidence = one.rule, one.evidence
    pages = dict.fromkeys(citation.url for citation in one.citations)
    return [
        rule.id, name(rule), rule.platform, rule.layer, rule.direction,
        *(" ".join(map(str, part)) for part in (rule.sources, rule.destinations, rule.services)),
        " ".join(citation.id for citation in one.citations), " ".join(pages),
        str(evidence.flows), str(evidence.events), _when(evidence.first_seen), _when(evidence.last_seen),
        " | ".join(one.doubts),
    ]  # fmt: skip


def _undo_csv(recommendations: Recommended, _: Options) -> str:
    rows = [[one.rule.platform, name(one.rule), "delete"] for one in recommendations]
    return _table([["platform", "name", "action"], *rows])


def _text(words: str) -> str:
    return _MARKS.sub(r"\\\1", one_line(words))


def _markdown(recommendations: Recommended, _: Options) -> str:
    """What is asked for, why, what proves it, what to doubt, and how to take it back."""
    if not recommendations:
        return "# Change: none\n\nNo rule is recommended, so there is nothing to change.\n"
    entries = _counted(sum(one.evidence.events for one in recommendations), "log entry", "log entries")
    platforms = list(dict.fromkeys(one.rule.platform for one in recommendations))
    rules = "1 allow rule" if len(recommendations) == 1 else f"{len(recommendations)} allow rules"
    lines = [
        f"# Change: {rules} for {', '.join(platforms)}",
        "",
        f"Documented needs were blocked ({entries}); each rule opens what the needs it cites ask for.",
    ]
    for one in recommendations:
        lines += ["", *_ticket(one)]
    lines += ["", "## Roll-back", ""]
    for platform in platforms:
        lines.append(f"- {platform}: {_UNDO[platform].format(own=OWN)}")
    return "\n".join([*lines, ""])


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _ticket(one: Recommendation) -> list[str]:
    rule, evidence = one.rule, one.evidence
    parts = (("from", rule.sources), ("to", rule.destinations), ("over", rule.services))
    lines = [f"## `{name(rule)}`", "", f"Allow {rule.direction} ({rule.platform}, {rule.layer}):", ""]
    lines += [f"- {word} {', '.join(f'`{each}`' for each in values)}" for word, values in parts]
    lines += ["", "Why:", ""]
    for citation in one.citations:
        cited = f"[{_text(citation.page)}]({citation.url})" if citation.url else _text(citation.page)
        lines.append(
            f"- `{citation.id}` ({citation.basis}): {_text(citation.purpose)} {cited}, read {citation.read_on}"
        )
    lines += [
        "",
        f"Evidence: {_counted(evidence.flows, 'flow', 'flows')}, "
        f"{_counted(evidence.events, 'log entry', 'log entries')}, from {_when(evidence.first_seen)} to "
        f"{_when(evidence.last_seen)}.",
    ]
    if one.doubts:
        lines += ["", "Before applying, read:", "", *(f"- {_text(doubt)}" for doubt in one.doubts)]
    return lines


def _undo_markdown(recommendations: Recommended, _: Options) -> str:
    lines = ["# Roll-back", ""]
    for platform in dict.fromkeys(one.rule.platform for one in recommendations):
        lines.append(f"- {platform}: {_UNDO[platform].format(own=OWN)}")
        if platform != "azure-firewall":
            lines += [f"  - `{name(one.rule)}`" for one in recommendations if one.rule.platform == platform]
    return "\n".join([*lines, ""])


TICKETS: Final = {
    "csv": Form("csv", _csv, "undo.csv", _undo_csv),
    "markdown": Form("md", _markdown, "undo.md", _undo_markdown),
}
