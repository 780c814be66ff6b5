"""Knows a look-back: what the store has of the last days, put together as if it had been read tonight."""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from fwlens import flow
from fwlens.nightly.intake import Step
from fwlens.source import Flows
from fwlens.store import Kept, Store, ledger_of


def look_back(store: Store, since: datetime, pending: Sequence[Step] = ()) -> tuple[Flows, bool]:
    """Flows and ledger from `since` (the begin of a slot) on, and whether some inputs lack their allowed entries.

    `pending` is what a dry run has read and not stored: it counts as if it had been.
    """
    taken = {one.id: one for step in pending for one in step.taken}
    away = {*taken, *(each for step in pending for each in step.replaced)}
    kept = [one for one in store.inputs() if one.id not in away]
    kept += [Kept(one.id, one.label, one.mark, one.begin, one.end, one.account) for one in taken.values()]
    inside = sorted((one for one in kept if _reaches(one, since)), key=lambda one: one.label)
    parts = [_sorted(store.flows(since).filter(~pl.col("input").is_in(sorted(away))).drop("input"))]
    parts += [one.slots.filter(pl.col("slot") >= since).select("slot", *flow.FLOW) for one in taken.values()]
    slots = flow.fold(pl.concat(parts), "slot")
    ledger = ledger_of((one.account for one in inside), since)
    tags = tuple(sorted({tag for step in pending for tag in step.tags}))
    return Flows(flow.fold(slots), ledger, slots, tags), not all(one.account.with_allowed for one in inside)


def _sorted(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select("slot", *flow.FLOW)


def _reaches(one: Kept, since: datetime) -> bool:
    """Whether an input has to do with the look-back: by when its rows were, where it has any."""
    last = one.account.last
    return (last if last is not None else one.end) >= since
