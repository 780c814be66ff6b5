"""Knows how a back-test looks as text."""

from collections.abc import Sequence

from fwlens.proof import Trial
from fwlens.table import WIDTH, clock, columns, listed


def as_text(found: Sequence[Trial], width: int | None = WIDTH) -> str:
    """A back-test as text: a line per trial, the last day first, then what the last one missed and opened in vain."""
    rows = [
        (
            f"{clock(each.split)} to {clock(each.end)}",
            each.rules,
            did.needed,
            len(did.missed),
            len(did.idle),
            did.surplus,
        )
        for each, did in ((each, each.tried) for each in found)
    ]
    header, last = ("tried on (UTC)", "rules", "needed", "missed", "idle rules", "surplus"), found[0].tried
    missed = [(*each[:4], each.why or "not learned") for each in last.missed]
    idle = [(rule.id, rule) for rule in last.unused]
    parts = (
        columns(header, rows, width),
        listed("Missed on the last span", ("from", "to", "over", "on", "why"), missed, width),
        listed("Idle on the last span", ("rule", "allows"), idle, width),
    )
    return "\n".join(filter(None, parts))
