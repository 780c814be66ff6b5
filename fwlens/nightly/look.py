"""Knows a look-back: what the store has of the last days, put together as if it had been read tonight."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from fwlens import flow
from fwlens.ledger import Counted
from fwlens.nightly.cut import SLOT
from fwlens.nightly.intake import Step
from fwlens.source import Flows
from fwlens.store import Kept, Store, ledger_of


@dataclass(frozen=True, slots=True)
class LookBack:
    """From when (the begin of a slot) and until when a night answers, what it is called, and the last night before it
    that was done (empty where there is none) with its end."""

    since: datetime
    until: datetime
    night: str
    before: str = ""
    ended: datetime | None = None

    def reaches(self, one: Kept) -> bool:
        """Whether an input has to do with it: by when its rows were, where it has any.

        What was read since the night before is told in any case: of rows that were read somebody asks where they are.
        """
        account = one.account
        if self.before < account.night <= self.night or account.has(self.since, self.until):
            return True
        return account.last is None and one.end >= self.since and account.night <= self.night

    def counted(self, one: Kept) -> tuple[Counted, ...]:
        """What is only counted of an input; after a night before, only what is new since then."""
        if self.ended is None:
            return one.account.counted(None)
        is_new = self.before < one.account.night <= self.night and one.end >= self.ended
        return one.account.counted(self.ended) if is_new else ()

    def is_later(self, one: Kept) -> bool:
        """Whether an input is a window of what arrived only after this night."""
        return one.begin < one.end and one.begin >= self.until


def look_back(store: Store, asked: LookBack, pending: Sequence[Step] = ()) -> tuple[Flows, bool]:
    """Flows and ledger of a look-back, and whether some inputs lack their allowed entries.

    `pending` is what a dry run has read and not stored: it counts as if it had been.
    """
    taken = {one.id: one for step in pending for one in step.taken}
    away = {*taken, *(each for step in pending for each in step.replaced)}
    kept = [one for one in store.inputs() if one.id not in away]
    kept += [Kept(one.id, one.label, one.mark, one.begin, one.end, one.account) for one in taken.values()]
    away |= {one.id for one in kept if asked.is_later(one)}
    inside = [one for one in kept if asked.reaches(one) and not asked.is_later(one)]
    parts = [_sorted(store.flows(asked.since).filter(~pl.col("input").is_in(sorted(away))).drop("input"))]
    parts += [_sorted(one.slots.filter(pl.col("slot") >= asked.since)) for one in taken.values()]
    rows = pl.concat(parts).filter(pl.col("slot") < asked.until)
    slots = flow.fold(rows.with_columns(pl.col("slot").dt.truncate(SLOT)), "slot")  # an hour that was cut is one again
    inside.sort(key=lambda one: one.label)
    ledger = ledger_of((one.account for one in inside), asked.since, asked.until)
    ledger = replace(ledger, counted=tuple(each for one in inside for each in asked.counted(one)))
    tags = tuple(sorted({tag for step in pending for tag in step.tags}))
    return Flows(flow.fold(slots), ledger, slots, tags), not all(one.account.with_allowed for one in inside)


def _sorted(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select("slot", *flow.FLOW)
