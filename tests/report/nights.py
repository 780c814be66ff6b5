"""Nights to be told: the sample logs through the whole way, and invented ones in which every text can be anything."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import polars as pl

from fwlens import run
from fwlens.answer import Answer, Tally
from fwlens.document import Document
from fwlens.flow import MATCHED, TIME
from fwlens.ledger import Account, Ledger, SetAside
from fwlens.night import SLOT, night_of
from fwlens.proof import Asked, Certificate
from fwlens.report import Artefact, Night, Source
from fwlens.requirement import Note, Page, Requirement, Way
from fwlens.rule import (
    Citation,
    Conversation,
    Endpoint,
    Evidence,
    Recommendation,
    Rule,
    Service,
    Unsaid,
)

ROOT = Path(__file__).parent.parent.parent
START = datetime(2026, 11, 20, 22, 1, tzinfo=UTC)
NEAR = pl.List(pl.Struct({"requirement": pl.String, "why": pl.String}))
HTTPS = Service("https", 443, 443)
Words = Callable[[int], str]
"""The text of a number: what stands in a field."""


@cache
def sample(*, with_allowed: bool = True, logs: tuple[str, ...] = ("sample_logs",)) -> Night:
    """The sample night by the way that the command line goes."""
    ask = run.Ask(tuple(str(ROOT / log) for log in logs), region="westeurope", with_allowed=with_allowed)
    return night_of(ask, run.matched(ask, run.flows_of(ask, every=SLOT)))


def flows(count: int, verdict: str, words: Words = "10.0.0.{}".format, **columns: pl.Series) -> pl.DataFrame:
    """MATCHED rows with one verdict, the first with the most log entries; `columns` replaces whole columns."""
    numbers = range(count)
    frame = (
        pl.DataFrame({"n": numbers})
        .with_columns(
            first_seen=pl.lit(START) + pl.duration(minutes=pl.col("n") % 240),
            last_seen=pl.lit(START) + pl.duration(minutes=pl.col("n") % 240 + 1),
            events=(count - pl.col("n")).cast(pl.UInt64),
            src_ip=pl.Series([words(n) for n in numbers], dtype=pl.String),
            dst_ip=pl.lit(None, pl.String),
            dst_fqdn=pl.Series([words(n) for n in numbers], dtype=pl.String),
            dst_port=pl.lit(443, pl.UInt16),
            protocol=pl.lit("https"),
            direction=pl.lit("outbound"),
            action=pl.lit("Allow" if verdict in ("working", "surplus") else "Deny"),
            cause=pl.lit("threat intelligence" if verdict == "refused" else "deny rule"),
            rule=pl.Series([words(n) for n in numbers], dtype=pl.String),
            plane=pl.lit("azure-firewall"),
            device=pl.Series([words(n) for n in numbers], dtype=pl.String),
            origin=pl.Series([words(n) for n in numbers], dtype=pl.String),
            requirement=pl.lit(None, pl.String),
            way=pl.lit(0),
            by=pl.lit(None, pl.String),
            service=pl.lit("https/443"),
            width=pl.lit(1.0),
            verdict=pl.lit(verdict),
        )
        .with_columns(**columns)
    )
    return frame.select(*MATCHED).cast(MATCHED)


def rule(number: int, words: Words = "w{}".format, needs: Sequence[int] = (0,)) -> Recommendation:
    """A rule whose every text is from `words`, but for its ends: no other way than `parse` leads to those."""
    ends = tuple(Endpoint("host", f"h{n}.example") for n in sorted({number, *needs}))
    made = Rule("azure-firewall", "application", "outbound", ends, ends, (HTTPS,))
    cited = tuple(
        Citation(words(n), words(n), "documented", words(n), words(n), date(2026, 11, 21), (words(n),), (words(n),))
        for n in needs
    )
    texts = tuple(words(n) for n in needs)
    return Recommendation(made, cited, Evidence(number + 1, 3, START, START + timedelta(hours=1), texts, texts), texts)


def need(number: int, words: Words) -> Requirement:
    """A documented need whose every text is from `words`, but for the number that keeps their order."""
    page = Page(f"{number:04} {words(number)}", f"{number:04} {words(number)}", "documented", date(2026, 11, 21))
    way = Way((Endpoint("host", "x.example"),), (HTTPS,))
    return Requirement(f"{number:04} {words(number)}", words(number), page, (way,))


def invented(
    words: Words = "w{}".format, *, needed: int = 5, unexplained: int = 5, refused: int = 5, rules: int = 3
) -> Night:
    """A night in which every text of a log, a catalogue or an edited answer is one of `words`."""
    every = range(max(needed, unexplained, refused))
    needs = tuple(need(n, words) for n in every[:250])
    ids = pl.Series([needs[n % len(needs)].id if needs else None for n in range(needed)], dtype=pl.String)
    near = [[{"requirement": words(n), "why": words(n)}] for n in range(unexplained)]
    strange = flows(unexplained, "unexplained", words)
    never = flows(refused, "refused", words)
    asked = flows(needed, "needed", words, requirement=ids, by=ids)
    said = tuple(rule(n, words, [m for m in every if m % rules == n][:20] or [0]) for n in range(rules))
    unsaid = tuple(
        Unsaid(
            Conversation(words(n), words(n), words(n), "outbound", 1, START, START),
            "azure-firewall",
            words(n),
            words(n),
        )
        for n in range(min(needed, 200))
    )
    files = tuple(Account(f"{n:04} {words(n)}", words(n), 2, 1, 1) for n in every[:250])
    told = Answer(
        first_seen=START,
        last_seen=START + timedelta(hours=4),
        ledger=Ledger(files, tuple(SetAside(words(n), 1, words(n)) for n in every[:250])),
        verdicts={
            name: Tally(frame.height, int(frame["events"].sum()))
            for name, frame in (("needed", asked), ("unexplained", strange), ("refused", never))
        },
        recommendations=said,
        unsaid=unsaid,
        unexplained=strange.with_columns(near=pl.Series(near, dtype=NEAR)),
        refused=never,
        notes=tuple(
            Note(words(n), words(n), Page(words(n), words(n), "vendor", date(2026, 1, 1))) for n in every[:200]
        ),
        service_tags=None,
        certificate=Certificate(True, True, True, rules, rules, 0, {one.rule.id: 0 for one in said}),
        asked={
            "platform": None,
            "breadth": "observed",
            "profiles": tuple(words(n) for n in every[:9]),
            "dns_proxy": False,
        },
    )
    slots = pl.DataFrame(
        {"slot": [START.replace(minute=0)], "verdict": ["needed"], "flows": [needed], "events": [needed]}
    ).cast({"slot": TIME})
    then = tuple(rule(n + 1000, words, [n]) for n in range(rules))
    earlier = Document(
        then, Asked(), (), (), (), tuple(words(n) for n in every[:40]), lower_bound=0, surplus=None, service_tags=None
    )
    return Night(
        answer=told,
        matched=pl.concat([asked, strange, never]),
        timeline=slots,
        needs=needs,
        sources=(Source("azfw", ("AZFWNetworkRule",)), *(Source(words(n), (words(n),)) for n in every[:20])),
        faults=tuple(words(n) for n in every[:20]),
        earlier=earlier,
        earlier_name=words(7),
        artefacts=tuple(Artefact("azure-firewall", words(n), f"{n}.{words(n)}", words(n)) for n in every[:200]),
    )


def quiet(night: Night) -> Night:
    """The same logs on a night without a denial."""
    none = night.matched.head(0)
    told = replace(
        night.answer,
        first_seen=None,
        last_seen=None,
        verdicts={name: Tally(0, 0) for name in ("needed", "unexplained", "refused")},
        recommendations=(),
        unsaid=(),
        unexplained=none.with_columns(near=pl.lit(None, NEAR)),
        refused=none,
        notes=(),
        certificate=Certificate(True, True, True, 0, 0, 0, {}),
    )
    return replace(night, answer=told, matched=none, timeline=night.timeline.head(0))
