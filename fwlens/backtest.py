"""Knows how rules that were learned on some days would have done on the next: what they miss or open in vain.

A composition like `run`, over slots of one reading: each trial matches and recommends on its own days only.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from fwlens import flow
from fwlens.certificate import replay
from fwlens.errors import FwlensError
from fwlens.match import match
from fwlens.proof import Trial
from fwlens.recommend import recommend
from fwlens.run import Ask, catalog_of, tags_of
from fwlens.source import Flows

_SLOTS: Final = (timedelta(days=1), timedelta(hours=1), timedelta(minutes=1))


def slot(train: timedelta, test: timedelta) -> timedelta:
    """The longest slot of which both spans are multiples. Raises FwlensError for spans without one, or of nothing."""
    for length in _SLOTS:
        if train and test and not train % length and not test % length:
            return length
    raise FwlensError("A back-test needs whole minutes to learn and to try on: for instance --train 6d --test 1d.")


def trials(ask: Ask, read: Flows, train: timedelta, test: timedelta) -> Iterator[Trial]:
    """Every trial that the logs have time for, the last first, each a test span earlier than the one before.

    `read` must have slots that divide both spans. Raises FwlensError where the logs are too short for one trial.
    """
    slots = read.slots.filter(pl.col("action") == "Deny")
    first, last = slots.select(first=pl.col("slot").min(), last=pl.col("slot").max()).row(0)
    end = None if last is None else last + slot(train, test)
    if end is None or end - train - test < first:
        spanned = timedelta() if end is None else end - first
        raise FwlensError(f"The logs span {_said(spanned)}, and this back-test needs {_said(train + test)}.")
    known = catalog_of(ask).requirements
    tags, options = tags_of(ask, read), ask.options
    while end - train - test >= first:
        split = end - test
        learned = _during(slots, split - train, split)
        tried = _during(slots, split, end)
        matched = [
            match(flow.fold(part), known, tags=tags, choice=ask.choice, never_override=ask.never_override)
            for part in (learned, tried)
        ]
        said = recommend(matched[0], known, platform=ask.platform, tags=tags, options=options)
        rules = [one.rule for one in said.rules]
        tried_on = replay(rules, matched[1], known, tags=tags, asked=ask.shape, handed_back=said.unsaid)
        yield Trial(split - train, split, end, len(rules), tried_on)
        end -= test


def _said(span: timedelta) -> str:
    """`6 days`, `36 hours`, `90 minutes`: in the longest unit that says it exactly."""
    for unit, length in (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1))):
        if span and not span % length:
            return f"{span // length} {unit}{'s' if span != length else ''}"
    return "no time" if not span else str(span)


def _during(slots: pl.DataFrame, begin: datetime, end: datetime) -> pl.DataFrame:
    return slots.filter((pl.col("slot") >= begin) & (pl.col("slot") < end)).drop("slot")
