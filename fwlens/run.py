"""Knows the one way through: logs, flows, matches, recommendations, answer. What the command line and a night share."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Literal

import polars as pl

from fwlens import catalog, names, source
from fwlens.answer import Answer, answer, as_text
from fwlens.certificate import certify, surpluses
from fwlens.errors import FwlensError
from fwlens.flow import Span
from fwlens.match import Choice, match, near
from fwlens.proof import Asked, Certificate
from fwlens.recommend import Options, Recommendations, recommend, subnet
from fwlens.requirement import Catalog
from fwlens.rule import Platform, Rule
from fwlens.source import Flows, Progress
from fwlens.source.files import Input
from fwlens.tags import ServiceTags, parse, read
from fwlens.twin import Twin

if TYPE_CHECKING:
    from fwlens.source.session import Target


@dataclass(frozen=True, slots=True)
class Ask:
    """What a person asks for: the logs, every choice of the common options, the rules to stay near to, and how far back
    a workspace is asked where nobody said since when."""

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
    target: "Target | None" = None
    tenant: str | None = None
    explain: bool = False
    earlier: tuple[Rule, ...] = ()
    reach: timedelta | None = None

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
    def shape(self) -> Asked:
        """What shapes the rules, as their check wants it."""
        made = self.options
        return Asked(self.platform, made.region, made.subnets, made.documented, made.at_most, made.dns_proxy)

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
            "catalogs": [path.name for path in self.catalogs],
            "since": as_text(self.since),
            "until": as_text(self.until),
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
        return stated.astimezone(UTC) if stated.tzinfo else stated.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise FwlensError(
            f"{text!r} is no time: write 2026-11-20T22:00 (UTC), or 90m, 6h, 2d for that long ago."
        ) from None


@dataclass(frozen=True, slots=True)
class Matched:
    """The MATCHED frame with what it was matched against."""

    rows: pl.DataFrame
    flows: Flows
    catalog: Catalog
    tags: ServiceTags | None


def catalog_of(ask: Ask) -> Catalog:
    """The catalogue with a person's own files. Raises FwlensError for a profile that no need of it has."""
    known = catalog.load(ask.catalogs)
    prove_profiles(ask.profiles, known)
    return known


def prove_profiles(profiles: Iterable[str], known: Catalog) -> None:
    """Raises FwlensError for a profile that no need of the catalogue has."""
    there = sorted({name for one in known.requirements for name in one.when})
    for stranger in sorted(set(profiles) - set(there)):
        raise FwlensError(f"{stranger!r} is no profile of the catalogue. There are: {', '.join(there)}.")


def flows_of(
    ask: Ask,
    stdin: IO[bytes] | None = None,
    progress: Progress | None = None,
    every: timedelta | None = None,
    places: Sequence[Input] = (),
    twin: Twin | None = None,
) -> Flows:
    """Read the logs, and `places` that lie elsewhere beside them, keeping slots of `every` apart as well."""
    span = Span(ask.since, ask.until, every)
    return source.read(
        ask.logs,
        places=places,
        with_allowed=ask.with_allowed,
        span=span,
        stdin=stdin,
        progress=progress,
        tenant=ask.tenant,
        twin=twin,
    )


def matched(ask: Ask, flows: Flows) -> Matched:
    """Give every flow its verdict, with the service-tag file that was named or found among the logs."""
    choice, known, tags = ask.choice, catalog_of(ask), tags_of(ask, flows)
    rows = match(flows.rows, known.requirements, tags=tags, choice=choice, never_override=ask.never_override)
    return Matched(rows, flows, known, tags)


def tags_of(ask: Ask, flows: Flows) -> ServiceTags | None:
    """The service-tag file that was named, else the newest that lay among the logs."""
    if ask.service_tags is not None:
        return read(ask.service_tags)
    found = [parse(data, path) for path, data in flows.service_tags]
    return max(found, key=lambda tags: tags.change_number) if found else None


def _recommended(ask: Ask, found: Matched, *, with_curve: bool = False) -> Recommendations:
    return recommend(
        found.rows,
        found.catalog.requirements,
        platform=ask.platform,
        tags=found.tags,
        options=ask.options,
        earlier=ask.earlier,
        with_curve=with_curve,
    )


def curve(ask: Ask, found: Matched) -> list[tuple[int, int]]:
    """The numbers of rules to choose from (`--at-most`), and the surplus of each as its certificate has it."""
    steps = _recommended(ask, found, with_curve=True).curve
    sets, requirements = [step.rules for step in steps], found.catalog.requirements
    beyond = surpluses(sets, found.rows, requirements, tags=found.tags, asked=ask.shape)
    return [(step.count, surplus) for step, surplus in zip(steps, beyond, strict=True)]


def _certified(rules: Sequence[Rule], ask: Ask, found: Matched, said: Recommendations) -> Certificate:
    return certify(
        rules,
        found.rows,
        found.catalog.requirements,
        tags=found.tags,
        asked=ask.shape,
        handed_back=said.unsaid,
        lower_bound=said.lower_bound,
    )


def answered(ask: Ask, found: Matched) -> tuple[Answer, Recommendations]:
    """Recommend for what is needed, check the rules by themselves, and tell the rest."""
    requirements = found.catalog.requirements
    said = _recommended(ask, found)
    certificate = _certified([one.rule for one in said.rules], ask, found, said)
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
