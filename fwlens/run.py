"""Knows the one way through: logs, flows, matches, recommendations, answer. What the command line and a night share."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Final, Literal

import polars as pl

from fwlens import catalog, emit, names, source
from fwlens.answer import Answer, answer
from fwlens.certificate import certify
from fwlens.document import Document
from fwlens.errors import FwlensError
from fwlens.flow import Span
from fwlens.match import Choice, match, near
from fwlens.proof import Asked, Certificate
from fwlens.recommend import Options, Recommendations, recommend, subnet
from fwlens.report import Artefact, Night, Source
from fwlens.requirement import Catalog
from fwlens.rule import Platform
from fwlens.source import Flows, Progress
from fwlens.tags import ADVICE, ServiceTags, parse, read

SLOT: Final = timedelta(minutes=15)
"""How finely a night is read for its report."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a person asks for: the logs, and every choice of the common options."""

    logs: tuple[str, ...]
    region: str | None = None
    profiles: tuple[str, ...] = ()
    platform: Platform | None = None
    service_tags: Path | None = None
    catalogs: tuple[Path, ...] = ()
    never_override: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    with_allowed: bool = False
    dns_proxy: bool = False
    subnets: tuple[str, ...] = ()
    breadth: Literal["observed", "documented"] = "observed"
    at_most: int | None = None

    @property
    def choice(self) -> Choice:
        """The region in its published spelling, and the profiles. Raises FwlensError for an unknown region."""
        return Choice(names.region(self.region) if self.region else None, self.profiles)

    @property
    def options(self) -> Options:
        """What shapes the rules. Raises FwlensError for a subnet that is none."""
        return Options(
            region=self.choice.region,
            dns_proxy=self.dns_proxy,
            documented=self.breadth == "documented",
            subnets=tuple(map(subnet, self.subnets)),
            at_most=self.at_most,
        )

    @property
    def asked(self) -> dict[str, Any]:
        """The choices that shape the rules, as an answer tells them."""
        return {
            "platform": self.platform,
            "region": self.choice.region,
            "profiles": self.profiles,
            "breadth": self.breadth,
            "subnets": [str(each) for each in self.options.subnets],
            "at_most": self.at_most,
            "dns_proxy": self.dns_proxy,
            "never_override": self.never_override,
        }


_SPAN: Final = re.compile(r"([0-9]{1,4})([mhdw])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def how_long(text: str) -> timedelta:
    """A span of time: 90m, 6h, 2d, 1w. Raises FwlensError for what is none."""
    span = _SPAN.fullmatch(text.strip())
    if not span:
        raise FwlensError(f"{text!r} is no span of time: write 90m, 6h, 2d or 1w.")
    return timedelta(**{_UNITS[span[2]]: int(span[1])})


def when(text: str, now: float) -> datetime:
    """A time of `--since` and `--until`: ISO 8601 (UTC where no zone is given), or a span before `now` (epoch seconds).

    Raises FwlensError for what is neither.
    """
    if _SPAN.fullmatch(text.strip()):
        return datetime.fromtimestamp(now, UTC) - how_long(text)
    try:
        stated = datetime.fromisoformat(text.strip())
    except ValueError:
        raise FwlensError(
            f"{text!r} is no time: write 2026-11-20T22:00 (UTC), or 90m, 6h, 2d for that long ago."
        ) from None
    return stated.astimezone(UTC) if stated.tzinfo else stated.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Matched:
    """The MATCHED frame with what it was matched against."""

    rows: pl.DataFrame
    flows: Flows
    catalog: Catalog
    tags: ServiceTags | None


def flows_of(
    ask: Ask, stdin: IO[bytes] | None = None, progress: Progress | None = None, every: timedelta | None = None
) -> Flows:
    """Read the logs, keeping slots of `every` apart as well."""
    span = Span(ask.since, ask.until, every)
    return source.read(ask.logs, with_allowed=ask.with_allowed, span=span, stdin=stdin, progress=progress)


def matched(ask: Ask, flows: Flows) -> Matched:
    """Give every flow its verdict, with the service-tag file that was named or found among the logs."""
    choice = ask.choice
    known = catalog.load(ask.catalogs)
    tags = tags_of(ask, flows)
    rows = match(flows.rows, known.requirements, tags=tags, choice=choice, never_override=ask.never_override)
    return Matched(rows, flows, known, tags)


def tags_of(ask: Ask, flows: Flows) -> ServiceTags | None:
    """The service-tag file that was named, else the newest that lay among the logs."""
    if ask.service_tags is not None:
        return read(ask.service_tags)
    found = [parse(data, path) for path, data in flows.service_tags]
    return max(found, key=lambda tags: tags.change_number) if found else None


def answered(ask: Ask, found: Matched, *, with_curve: bool = False) -> tuple[Answer, Recommendations]:
    """Recommend for what is needed, check the rules by themselves, and tell the rest."""
    requirements = found.catalog.requirements
    options = ask.options
    said = recommend(
        found.rows, requirements, platform=ask.platform, tags=found.tags, options=options, with_curve=with_curve
    )
    certificate = certify(
        [one.rule for one in said.rules],
        found.rows,
        requirements,
        tags=found.tags,
        asked=Asked(ask.platform, options.region, options.subnets, options.documented, options.at_most),
        handed_back=[(one.flow.src_ip, one.flow.destination, one.flow.service) for one in said.unsaid],
        lower_bound=said.lower_bound,
    )
    strange = found.rows.filter(pl.col("verdict") == "unexplained")
    told = answer(
        found.rows,
        near(strange, requirements, tags=found.tags, choice=ask.choice),
        said.rules,
        said.unsaid,
        ledger=found.flows.ledger,
        notes=found.catalog.notes,
        service_tags=found.tags.change_number if found.tags else None,
        certificate=certificate,
        asked=ask.asked,
        with_allowed=ask.with_allowed,
    )
    return told, said


def timeline(ask: Ask, found: Matched) -> pl.DataFrame:
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


def night(
    ask: Ask,
    found: Matched,
    *,
    earlier: Document | None = None,
    earlier_name: str = "",
    place: emit.Options = emit.Options(),
) -> Night:
    """Everything that a page tells. `found` has to be read in slots of `SLOT`; rules are written for `place`."""
    told, _ = answered(ask, found)
    choice, every = ask.choice, found.catalog.requirements
    needs = tuple(need for need in every if choice.takes(need))
    return Night(
        answer=told,
        matched=found.rows,
        timeline=timeline(ask, found),
        needs=needs,
        unchosen=len(every) - len(needs),
        sources=tuple(
            Source(form.name, tuple(name for name in form.tables if name not in form.flowless))
            for form in source.FORMATS
        ),
        faults=found.flows.faults,
        since=ask.since,
        until=ask.until,
        earlier=earlier,
        earlier_name=earlier_name,
        artefacts=tuple(artefacts(told, place)),
    )


def artefacts(told: Answer, place: emit.Options) -> Iterator[Artefact]:
    """The rules of each platform in all its forms with what takes them back; where Azure would refuse them, why."""
    for platform in dict.fromkeys(one.rule.platform for one in told.recommendations):
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


def verified(document: Document, found: Matched) -> Certificate:
    """Check the rules of a document against logs; what it says was asked for counts as asked for."""
    certificate = certify(
        [one.rule for one in document.recommendations],
        found.rows,
        found.catalog.requirements,
        tags=found.tags,
        asked=document.asked,
        handed_back=document.handed_back,
        lower_bound=document.lower_bound,
    )
    claimed = document.surplus
    if claimed is None or claimed == certificate.surplus or not certificate.rules:
        return certificate
    stale = f"The surplus is stale: it says {claimed:,}, and it is {certificate.surplus:,}."
    return replace(certificate, faults=(*certificate.faults, stale))


def advice(found: Matched) -> tuple[str, ...]:
    """What to tell beside an answer: without a service-tag file, addresses cannot be explained."""
    by_address = (pl.col("verdict") == "unexplained") & pl.col("dst_fqdn").is_null() & pl.col("dst_ip").is_not_null()
    return (ADVICE,) if found.tags is None and found.rows.filter(by_address).height else ()
