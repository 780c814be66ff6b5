"""Knows the options for logs that lie in Log Analytics, which every command that reads logs has, and the way there."""

import functools
import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from fwlens.cli.terminal import Windows, put, say, wrong_usage
from fwlens.errors import FwlensError

if TYPE_CHECKING:
    from fwlens.query import Query
    from fwlens.run import Ask
    from fwlens.source.files import Input
    from fwlens.source.session import Target
    from fwlens.source.workspace import Answer, Piece, Window

DAY: Final = timedelta(days=1)


class Cloud(StrEnum):
    """Azure's clouds, each with an address and a sign-in of its own."""

    PUBLIC = "public"
    GOVERNMENT = "government"
    CHINA = "china"


@dataclass(frozen=True, slots=True)
class Afar:
    """What the command line says of Log Analytics. Its fields are the options, with the words of --help."""

    workspace: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Read a Log Analytics workspace, by its GUID (repeatable).")
    ] = None
    resource: Annotated[
        list[str] | None, typer.Option(metavar="ARM-ID", help="Read a resource's logs, by its id (repeatable).")
    ] = None
    tenant: Annotated[str | None, typer.Option(metavar="ID", help="Tenant of workspaces and blobs, if not yours.")] = (
        None
    )
    cloud: Annotated[Cloud, typer.Option(help="The cloud that the workspace is in.")] = Cloud.PUBLIC
    endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help="Another address of the query API, for private clouds.")
    ] = None
    explain: Annotated[bool, typer.Option("--explain", help="Print queries and windows, send nothing.")] = False

    @property
    def target(self) -> "Target | None":
        """Where to ask, None for nowhere. Raises FwlensError for what cannot be, BadParameter for half of it."""
        if self.workspace or self.resource:
            from fwlens.source.session import Target

            return Target(
                workspaces=tuple(self.workspace or ()),
                resources=tuple(self.resource or ()),
                cloud=self.cloud.value,
                tenant=self.tenant,
                endpoint=self.endpoint,
            )
        elsewhere = self.cloud is not Cloud.PUBLIC  # the address of a blob says its cloud itself
        for name, given in (("cloud", elsewhere), ("endpoint", self.endpoint), ("explain", self.explain)):
            if given:
                about = "it is about Log Analytics: name a --workspace or a --resource too."
                raise typer.BadParameter(about, param_hint=f"--{name}")
        return None


def reading(command: Callable[..., None]) -> Callable[..., None]:
    """The same command with the options of `Afar`, which it gets as `afar`. Typer reads a function's signature, so the
    options are put into it here, for all such commands in one place."""
    own = inspect.signature(command).parameters
    shared = inspect.signature(Afar).parameters
    keyword = inspect.Parameter.KEYWORD_ONLY
    merged = [each for name, each in own.items() if name != "afar"]
    merged += [each.replace(kind=keyword) for each in shared.values()]

    @functools.wraps(command)
    def with_options(context: typer.Context, **given: object) -> None:
        afar = Afar(**{name: given.pop(name) for name in shared})  # type: ignore[arg-type]
        try:
            command(**given, afar=afar)
        except typer.BadParameter as error:
            error.ctx = context  # so that the usage is shown with it
            raise

    ordered = [inspect.Parameter("context", keyword, annotation=typer.Context)]
    ordered += [each.replace(kind=keyword) for each in merged]
    with_options.__signature__ = inspect.Signature(ordered)  # type: ignore[attr-defined]
    with_options.__annotations__ = {each.name: each.annotation for each in ordered}
    return with_options


def window(
    since: datetime | None, until: datetime | None, reach: timedelta = DAY, *, explained: bool = False
) -> "Window":
    """The time that is asked for, told in UTC; without --since what the command needs, up to --until or now."""
    from fwlens.source.workspace import Window

    end = until or datetime.fromtimestamp(int(time.time()), UTC)
    begin = since or end - reach
    with wrong_usage():
        if begin >= end:
            raise FwlensError(f"--since is {_shown(begin)} and the time asked for ends at {_shown(end)}: none is left.")
    hint = "" if since else f"; --since names another time than the last {_span(reach)}"
    asking = "would ask" if explained else "asking"
    say(f"fwlens: {asking} Log Analytics for entries from {_shown(begin)} until {_shown(end)} (UTC{hint}).")
    return Window(begin, end)


def _shown(when: datetime) -> str:
    text = when.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")
    return f"{text.removesuffix(':00')}Z"


def _span(length: timedelta) -> str:
    """`30 minutes`, `24 hours`, `7 days`: in the longest unit that says it exactly, days from three on."""
    minutes = length // timedelta(minutes=1)
    for unit, size, least in (("day", 1440, 3), ("hour", 60, 1)):
        if minutes >= least * size and not minutes % size:
            return f"{minutes // size} {unit}{'s' if minutes > size else ''}"
    return f"{minutes} minutes"


def places(ask: "Ask", every: timedelta | None) -> "tuple[Input, ...]":
    """What Log Analytics has for this ask, whole; with --explain what would be asked, and the end."""
    if ask.target is None:
        return ()
    asked = window(None if ask.reach else ask.since, ask.until, ask.reach or DAY, explained=ask.explain)
    found = answers(ask.target, asked, with_allowed=ask.with_allowed, slot=every or DAY, explained=ask.explain)
    return tuple(each.place for each in found if each.rows)


def answers(
    place: "Target",
    asked: "Window",
    *,
    with_allowed: bool,
    slot: timedelta,
    explained: bool,
    queries: "tuple[Query, ...] | None" = None,
) -> "tuple[Answer, ...]":
    """Ask, with a bar per window where somebody watches; retries and faults are told in any case."""
    from fwlens.source import workspace
    from fwlens.source.session import connect

    if explained:
        planned: tuple[Piece, ...] = workspace.planned(place, asked, queries)
        put(workspace.explained(planned, place.address, with_allowed=with_allowed, slot=slot).encode(), None)
        raise typer.Exit
    tell: Callable[[str], None] = lambda text: say(f"fwlens: {text}")  # noqa: E731
    with connect(place, now=time.time, sleep=time.sleep) as session, Windows() as watch:
        return workspace.answers(
            place, asked, session=session, tell=tell, queries=queries, with_allowed=with_allowed, slot=slot, watch=watch
        )
