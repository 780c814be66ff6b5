"""Knows the way from the common options to what was read and matched."""

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from fwlens.cli.afar import DAY, Afar, places
from fwlens.cli.options import Breadth, PlatformName
from fwlens.cli.terminal import Progress, tell
from fwlens.errors import FwlensError

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from fwlens.run import Ask, Matched
    from fwlens.source import Flows


NO_LOG: Final = "name a file, a folder, a glob or - for standard input, or ask Log Analytics with --workspace."
_NO_AZURE: Final = "it is about Azure: name a --workspace, a --resource or the address of blobs too."


def times(since: str | None, until: str | None) -> "tuple[datetime | None, datetime | None]":
    """What --since and --until say, to the second. Raises FwlensError where no time is left between them."""
    from fwlens.run import when

    now = float(int(time.time()))
    begin, end = (when(text, now) if text else None for text in (since, until))
    if begin and end and begin >= end:
        raise FwlensError(f"--since {since} is not before --until {until}: no time is left between them.")
    return begin, end


def asked(
    logs: list[str] | None,
    region: str | None,
    profiles: list[str] | None,
    service_tags: Path | None,
    catalogs: list[Path] | None,
    never_override: list[str] | None,
    since: str | None,
    until: str | None,
    with_allowed: bool,
    afar: Afar,
) -> "Ask":
    """What the common options say; neither a log nor a workspace is wrong usage."""
    from fwlens.run import Ask

    begin, end = times(since, until)
    target = afar.target
    if not logs and target is None:
        raise typer.BadParameter(NO_LOG, param_hint="LOG")
    if afar.tenant and target is None and not any("://" in log for log in logs or ()):
        raise typer.BadParameter(_NO_AZURE, param_hint="--tenant")
    return Ask(
        logs=tuple(logs or ()),
        region=region,
        profiles=tuple(profiles or ()),
        service_tags=service_tags,
        catalogs=tuple(catalogs or ()),
        never_override=tuple(never_override or ()),
        since=begin,
        until=end,
        with_allowed=with_allowed,
        target=target,
        tenant=afar.tenant,
        explain=afar.explain,
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


def flows_of(ask: "Ask", every: "timedelta | None" = None, reach: "timedelta" = DAY) -> "Flows":
    """Read the logs, with a bar where somebody watches; without --since a workspace's go back as far as `reach`."""
    from fwlens import run
    from fwlens.source import folded

    afar = places(ask, every, reach)
    with Progress() as progress:
        read = run.flows_of(ask, sys.stdin.buffer, progress, every, afar)
    tell(folded.told(read.ledger, spans=bool(ask.since or ask.until or every)))
    return read


def matched_of(ask: "Ask") -> "Matched":
    """Read the logs and give every flow its verdict."""
    from fwlens import run

    _ = ask.choice  # a wrong region or profile is told before hours of logs are read
    if ask.profiles:
        run.catalog_of(ask)
    return run.matched(ask, flows_of(ask))
