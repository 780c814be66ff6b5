"""Knows the sentences of a page: the verdict, counts with their nouns, times, and texts made safe to look at."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from fwlens.answer import Answer
from fwlens.ledger import unblocked

PLATFORMS: Final = {
    "azure-firewall": "Azure Firewall",
    "nsg": "Network security group",
    "aml-managed-network": "Managed network of Azure Machine Learning",
}
LAYERS: Final = {
    "application": "Application rule",
    "network": "Network rule",
    "nsg": "Security rule",
    "fqdn": "FQDN rule",
    "service-tag": "Service-tag rule",
}
BASES: Final = {
    "documented": "documented by Microsoft",
    "vendor": "documented by the vendor",
    "observed": "only observed",
}
LOGS: Final = {
    "azfw": "Azure Firewall, structured logs",
    "azdiag": "Azure Firewall, logs as AzureDiagnostics",
    "flowlog": "NSG and VNet flow logs",
    "traffic": "Traffic Analytics",
}
_LONGEST: Final = 600
# Control, format and private characters, surrogates, and the separators of lines: what moves or hides other text.
_UNPRINTABLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufdd0-\ufdef\uffff"
    "\ud800-\udfff\ue000-\uf8ff\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
)


def plain(text: str) -> str:
    """A text as it may be shown: what cannot be seen is replaced, and one that is too long says how much is missing."""
    shown = _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
    if len(shown) <= _LONGEST:
        return shown
    return f"{shown[:_LONGEST]}… ({len(shown) - _LONGEST:,} more characters)"


def anchor(kind: str, name: str) -> str:
    """The place of something in the page, as an id and behind a `#`."""
    return f"{kind}-{quote(name[:200], safe='/-._~')}"


def plural(number: int, noun: str, many: str = "") -> str:
    """`1 rule`, `2 rules`, `1,234 log entries`."""
    others = many or (f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s")
    return f"{number:,} {noun if number == 1 else others}"


def clock(when: datetime) -> str:
    """A time to the minute, in UTC."""
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def and_more(values: Iterable[str], most: int) -> str:
    """`a, b and 3 more`."""
    texts = list(values)
    more = f" and {len(texts) - most:,} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def verdict(answer: Answer) -> str:
    """The answer in one sentence."""
    if not answer.blocked.flows:
        return unblocked(answer.ledger)
    needed, unexplained, refused = (answer.verdicts[name].flows for name in ("needed", "unexplained", "refused"))
    if not needed:
        start = "No blocked flow is a documented need"
    else:
        is_need = "is a documented need" if needed == 1 else "are documented needs"
        start = f"{plural(needed, 'blocked flow')} {is_need}; {_fixed(answer)}"
    if unexplained:
        other = ("other" if unexplained == 1 else "others") if needed else ("flow" if unexplained == 1 else "flows")
        rest = f"{unexplained:,} {other} {'is' if unexplained == 1 else 'are'} not documented"
    else:
        rest = "none is undocumented" if not needed else "no other is undocumented"
    never = f"; {refused:,} {'is' if refused == 1 else 'are'} refused" if refused else ""
    return f"{start}; {rest}{never}."


def _fixed(answer: Answer) -> str:
    rules, unsaid = len(answer.recommendations), len(answer.unsaid)
    if not rules:
        return "no rule can hold " + ("it" if answer.verdicts["needed"].flows == 1 else "them")
    fix = f"{plural(rules, 'rule')} {'fixes' if rules == 1 else 'fix'}"
    if unsaid:
        return f"{fix} all but {unsaid:,} of them"
    return f"{fix} {'it' if answer.verdicts['needed'].flows == 1 else 'them'}"


def logs(name: str, tables: Iterable[str]) -> str:
    """A kind of logs by its name and its tables."""
    listed = ", ".join(tables)
    return f"{LOGS.get(name, name)} ({listed})" if listed else LOGS.get(name, name)


def certificate(answer: Answer) -> tuple[tuple[bool, str, str], ...]:
    """What is proven about the rules: whether it holds, its name, what it means."""
    proven = answer.certificate
    holds = proven.complete and proven.sound  # else it is no set of which there could be a smaller one
    fewest = holds and proven.rules == proven.lower_bound
    needed = f"At least {proven.lower_bound:,} are needed." if holds else "How few would do is told of rules that hold."
    bound = "No smaller set of rules would do." if fewest else needed
    surplus = (
        "Each source was seen to need each destination and service that its rule names."
        if not proven.surplus
        else f"{plural(proven.surplus, 'combination')} of source, destination and service that no blocked flow showed."
    )
    return (
        (proven.complete, "complete", "Every needed flow is allowed, or handed back with a reason."),
        (proven.sound, "sound", "No refused or unexplained flow is allowed."),
        (proven.irredundant, "irredundant", "No rule, and no part of one, can be left out."),
        (fewest, "fewest", f"{plural(proven.rules, 'rule')}. {bound}"),
        (not proven.surplus, "surplus", f"{proven.surplus:,}. {surplus}"),
    )
