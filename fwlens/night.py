"""Knows one night put together for its page: the answer, a timeline, and the rules in every form."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Final

import polars as pl

from fwlens import emit, hints, run, source
from fwlens.answer import Answer
from fwlens.document import Document
from fwlens.errors import FwlensError
from fwlens.lasting import kept, lasting
from fwlens.match import match
from fwlens.report import Artefact, Night, Source

SLOT: Final = timedelta(minutes=15)
"""How finely a night is read for its report."""


_WHOLE: Final = "AzureDiagnostics"  # the table that holds all categories of its format: never one of them


def timeline_of(ask: run.Ask, found: run.Matched) -> pl.DataFrame:
    """Flows and log entries by slot of the reading and verdict: `slot verdict flows events`, in order."""
    slots = found.flows.slots
    choice, known = ask.choice, found.catalog.requirements
    rows = match(slots, known, tags=found.tags, choice=choice, never_override=ask.never_override)
    return (
        rows.select("verdict", "events", slot=slots["slot"])
        .group_by("slot", "verdict")
        .agg(flows=pl.len(), events=pl.col("events").sum())
        .sort("slot", "verdict")
    )


def night_of(
    ask: run.Ask,
    found: run.Matched,
    *,
    earlier: Document | None = None,
    earlier_name: str = "",
    place: emit.Options = emit.Options(),
    slot: timedelta = SLOT,
) -> Night:
    """Everything that a page tells. `found` has to be read in slots of `slot`; rules are written for `place`, and stay
    near those of the `earlier` answer."""
    before = tuple(one.rule for one in earlier.recommendations) if earlier else ()
    told, _ = run.answered(replace(ask, earlier=before), found)
    last = lasting(ask, found, told, earlier) if earlier else None
    told = kept(told, last, found) if last else told
    choice, every = ask.choice, found.catalog.requirements
    needs = choice.of(every)
    return Night(
        answer=told,
        matched=found.rows,
        timeline=timeline_of(ask, found),
        needs=needs,
        unchosen=len(every) - len(needs),
        sources=tuple(
            Source(form.name, tuple(name for name in form.tables if name not in (*form.flowless, _WHOLE)))
            for form in source.FORMATS
        ),
        faults=found.flows.faults,
        since=ask.since,
        until=ask.until,
        earlier=earlier,
        earlier_name=earlier_name,
        lasting=last,
        artefacts=tuple(artefacts_of(told, place)),
        documented={need.id: tuple(page.url for page in (need.page, *need.also)) for need in every},
        slot=slot,
    )


def artefacts_of(told: Answer, place: emit.Options) -> Iterator[Artefact]:
    """The rules of each platform in all its forms with what takes them back; where Azure would refuse them, or they do
    not pass their check, why."""
    unproven = "".join(f"{fault}\n" for fault in hints.unproven(told))
    for platform in dict.fromkeys(one.rule.platform for one in told.recommendations):
        if unproven:
            yield Artefact(platform, "Not written", f"{platform}.txt", unproven)
            continue
        mine = [one for one in told.recommendations if one.rule.platform == platform]
        texts: dict[str, Artefact] = {}
        for form in emit.forms_of(platform):
            try:
                (one,) = emit.emit(mine, form, emit.meant_for(platform, told.recommendations, place))
            except FwlensError as error:
                texts.setdefault(str(error), Artefact(platform, "Not written", f"{platform}.txt", f"{error}\n"))
                continue
            start = f"{platform}." if one.platform is None else ""
            texts[one.text] = Artefact(platform, emit.TITLES[form], f"{start}{one.file_name}", one.text, one.remarks)
            if one.platform is not None:
                texts.setdefault(one.undo, Artefact(platform, "What takes them back", one.undo_name, one.undo))
        yield from texts.values()
