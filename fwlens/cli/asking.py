"""Knows the way from the common options to what was read and matched."""

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fwlens.cli.options import Breadth, PlatformName
from fwlens.cli.terminal import Progress, tell
from fwlens.errors import FwlensError

if TYPE_CHECKING:
    from datetime import timedelta

    from fwlens.run import Ask, Matched
    from fwlens.source import Flows


def asked(
    logs: list[str],
    region: str | None,
    profiles: list[str] | None,
    service_tags: Path | None,
    catalogs: list[Path] | None,
    never_override: list[str] | None,
    since: str | None,
    until: str | None,
    with_allowed: bool,
) -> "Ask":
    """What the common options say."""
    from fwlens.run import Ask, when

    now = time.time()
    begin, end = (when(text, now) if text else None for text in (since, until))
    if begin and end and begin >= end:
        raise FwlensError(f"--since {since} is not before --until {until}: no time is left between them.")
    return Ask(
        logs=tuple(logs),
        region=region,
        profiles=tuple(profiles or ()),
        service_tags=service_tags,
        catalogs=tuple(catalogs or ()),
        never_override=tuple(never_override or ()),
        since=begin,
        until=end,
        with_allowed=with_allowed,
    )


def shaped(
    ask: "Ask",
    platform: PlatformName | None,
    subnets: list[str] | None,
    breadth: Breadth,
    at_most: int | None = None,
    *,
    dns_proxy: bool,
) -> "Ask":
    """The same with what shapes the rules. A wrong region or subnet is told here, before hours of logs are read."""
    said = replace(
        ask,
        platform=platform.value if platform else None,
        dns_proxy=dns_proxy,
        subnets=tuple(subnets or ()),
        breadth=breadth.value,
        at_most=at_most,
    )
    _ = said.asked
    return said


def flows_of(ask: "Ask", every: "timedelta | None" = None) -> "Flows":
    """Read the logs, with a bar where somebody watches."""
    from fwlens import run
    from fwlens.source import folded

    with Progress() as progress:
        read = run.flows_of(ask, sys.stdin.buffer, progress, every)
    tell(folded.told(read.ledger, spans=bool(ask.since or ask.until or every)))
    return read


def matched_of(ask: "Ask") -> "Matched":
    """Read the logs and give every flow its verdict."""
    from fwlens import run

    _ = ask.choice  # a wrong region or profile is told before hours of logs are read
    if ask.profiles:
        run.catalog_of(ask)
    return run.matched(ask, flows_of(ask))
