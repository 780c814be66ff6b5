"""Knows the one way through: logs, flows, matches, recommendations, answer. What the command line and a night share."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Final

import polars as pl

from fwlens import catalog, names, source
from fwlens.answer import Answer, answer
from fwlens.errors import FwlensError
from fwlens.match import Choice, match, near
from fwlens.recommend import Options, recommend
from fwlens.rule import Catalog, Platform
from fwlens.source import Flows, Progress
from fwlens.tags import ADVICE, ServiceTags, parse, read


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

    @property
    def choice(self) -> Choice:
        """The region in its published spelling, and the profiles. Raises FwlensError for an unknown region."""
        return Choice(names.region(self.region) if self.region else None, self.profiles)

    def to(self, platform: Platform | None, *, dns_proxy: bool) -> "Ask":
        """The same, with what is said about the place that the rules are for."""
        return replace(self, platform=platform, dns_proxy=dns_proxy)


_AGO: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def when(text: str, now: float) -> datetime:
    """A time of `--since` and `--until`: ISO 8601 (UTC where no zone is given), or a span before `now` (epoch seconds).

    Raises FwlensError for what is neither.
    """
    span = re.fullmatch(r"([0-9]{1,4})([mhdw])", text.strip())
    if span:
        return datetime.fromtimestamp(now, UTC) - timedelta(**{_AGO[span[2]]: int(span[1])})
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


def flows_of(ask: Ask, stdin: IO[bytes] | None = None, progress: Progress | None = None) -> Flows:
    """Read the logs."""
    return source.read(ask.logs, with_allowed=ask.with_allowed, stdin=stdin, progress=progress)


def matched(ask: Ask, flows: Flows) -> Matched:
    """Give every flow its verdict, with the service-tag file that was named or found among the logs."""
    choice = ask.choice
    known = catalog.load(ask.catalogs)
    tags = _tags(ask, flows)
    rows = match(flows.rows, known.requirements, tags=tags, choice=choice, never_override=ask.never_override)
    return Matched(rows, flows, known, tags)


def _tags(ask: Ask, flows: Flows) -> ServiceTags | None:
    if ask.service_tags is not None:
        return read(ask.service_tags)
    found = [parse(data, path) for path, data in flows.service_tags]
    return max(found, key=lambda tags: tags.change_number) if found else None


def answered(ask: Ask, found: Matched) -> Answer:
    """Recommend for what is needed, and tell the rest."""
    requirements = found.catalog.requirements
    options = Options(region=ask.choice.region, dns_proxy=ask.dns_proxy)
    said = recommend(found.rows, requirements, platform=ask.platform, tags=found.tags, options=options)
    strange = found.rows.filter(pl.col("verdict") == "unexplained")
    return answer(
        found.rows,
        near(strange, requirements, tags=found.tags, choice=ask.choice),
        said.rules,
        said.unsaid,
        ledger=found.flows.ledger,
        notes=found.catalog.notes,
        service_tags=found.tags.change_number if found.tags else None,
        with_allowed=ask.with_allowed,
    )


def advice(found: Matched) -> tuple[str, ...]:
    """What to tell beside an answer: without a service-tag file, addresses cannot be explained."""
    by_address = (pl.col("verdict") == "unexplained") & pl.col("dst_fqdn").is_null() & pl.col("dst_ip").is_not_null()
    return (ADVICE,) if found.tags is None and found.rows.filter(by_address).height else ()
