"""Knows the way from the common options to what was read and matched, and to a plain answer."""

import sys
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from fwlens.cli.terminal import Progress, heed_interrupts, leave, put, room, tell, wrong_usage
from fwlens.cli.words import Breadth, PlatformName
from fwlens.errors import FwlensError
from fwlens.twin import Twin, beside

if TYPE_CHECKING:
    from fwlens.cli.afar import Afar
    from fwlens.run import Ask, Matched
    from fwlens.source import Flows
    from fwlens.source.files import Input
    from fwlens.source.session import Target


NO_LOG: Final = "name a file, a folder, a glob or - for standard input, or ask Log Analytics with --workspace."
_DAY: Final = timedelta(days=1)
_NO_AZURE: Final = "it is about Azure: name a --workspace, a --resource or the address of blobs too."


def times(since: str | None, until: str | None) -> "tuple[datetime | None, datetime | None]":
    """What --since and --until say, to the second. What is no time, or leaves none between them, is wrong usage."""
    from fwlens.run import when

    now = float(int(time.time()))
    with wrong_usage():
        begin, end = (when(text, now) if text else None for text in (since, until))
        if begin and end and begin >= end:
            raise FwlensError(f"--since {since} is not before --until {until}: no time is left between them.")
    return begin, end


def span(text: str) -> "timedelta":
    """The span of time that an option says; what is none is wrong usage."""
    from fwlens.run import how_long

    with wrong_usage():
        return how_long(text)


def place(afar: "Afar | None") -> "Target | None":
    """Where to ask Log Analytics, None for nowhere; what cannot be a workspace or an address of one is wrong usage."""
    with wrong_usage():
        return afar.target if afar else None


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
    afar: "Afar | None" = None,
    reach: "timedelta | None" = None,
) -> "Ask":
    """What the common options say; neither a log nor a workspace is wrong usage. A workspace without --since is asked
    as far back as `reach`, or a day; where it is all that is read, that is as good as said."""
    from fwlens.run import Ask

    begin, end = times(since, until)
    target = place(afar)
    reach = None if begin or target is None else reach or _DAY
    if reach and not logs:
        end = end or datetime.fromtimestamp(int(time.time()), UTC)
        begin = end - reach
    if not logs and target is None:
        _wrong(NO_LOG, "LOG")
    if afar and afar.tenant and target is None and not any("://" in log for log in logs or ()):
        _wrong(_NO_AZURE, "--tenant")
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
        tenant=afar.tenant if afar else None,
        explain=bool(afar and afar.explain),
        reach=reach,
    )


def _wrong(why: str, where: str) -> NoReturn:
    import typer

    raise typer.BadParameter(why, param_hint=where)


def shaped(
    ask: "Ask",
    platform: PlatformName | None,
    subnets: list[str] | None,
    breadth: Breadth,
    at_most: int | None = None,
    *,
    dns_proxy: bool,
) -> "Ask":
    """The same with what shapes the rules, proven as `proven` does."""
    said = replace(
        ask,
        platform=platform.value if platform else None,
        dns_proxy=dns_proxy,
        subnets=tuple(subnets or ()),
        breadth=breadth.value,
        at_most=at_most,
    )
    return proven(said)


def near(ask: "Ask", keep: Path | None) -> "Ask":
    """The same, with the rules of an earlier answer to stay near to. Raises FwlensError for a file that is none."""
    from fwlens import document

    return replace(ask, earlier=tuple(one.rule for one in document.read(keep).recommendations)) if keep else ask


def proven(ask: "Ask") -> "Ask":
    """The same. A region, subnet or profile that there is not is wrong usage, told before hours of logs are read."""
    from fwlens import catalog, run

    with wrong_usage():
        _ = ask.asked
    if ask.profiles or ask.catalogs:
        known = catalog.load(ask.catalogs)
        with wrong_usage():
            run.prove_profiles(ask.profiles, known)
    return ask


def flows_of(ask: "Ask", every: "timedelta | None" = None, twin: Twin | None = None) -> "Flows":
    """Read the logs, with a bar where somebody watches, and with a second process where they are large."""
    from fwlens import run
    from fwlens.source import folded

    heed_interrupts()
    afar: tuple[Input, ...] = ()
    if ask.target is not None:
        from fwlens.cli.afar import places

        afar = places(ask, every)
    with Progress() as progress, closing(twin) if twin else beside(ask.logs) as second:
        read = run.flows_of(ask, sys.stdin.buffer, progress, every, afar, second)
    tell(folded.told(read.ledger, spans=bool(ask.since or ask.until or every)))
    return read


def matched_of(ask: "Ask", twin: Twin | None = None) -> "Matched":
    """Read the logs and give every flow its verdict."""
    from fwlens import run

    return run.matched(ask, flows_of(ask, twin=twin))


def plainly(ask: "Ask", output: Path | None, *, as_json: bool, check: bool, twin: Twin | None = None) -> None:
    """Recommend, and tell the answer as a table or as JSON."""
    from fwlens import answer, hints, run, table

    found = matched_of(ask, twin)
    said, _ = run.answered(ask, found)
    put(answer.json_of(said) if as_json else table.recommendations(said, room(output)).encode(), output)
    advise(ask, found)
    leave(found.flows, hints.unproven(said), check=check and bool(said.recommendations or said.unsaid))


def advise(ask: "Ask", found: "Matched") -> None:
    """What to tell beside an answer."""
    from fwlens import hints

    tell((*hints.advice(found), *hints.unknown_rules(ask, found.rows), *hints.named_subnets(ask, found)))
