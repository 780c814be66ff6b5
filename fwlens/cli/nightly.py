"""Knows the unattended night on the command line: `nightly`, `runs` and `config`."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from fwlens.cli import sound
from fwlens.cli.log import Log
from fwlens.cli.options import Breadth, PlatformName
from fwlens.cli.terminal import heed_interrupts, put, room, say
from fwlens.errors import FwlensError

if TYPE_CHECKING:
    from fwlens.config import Settings
    from fwlens.nightly import Logs, Night, Workspace
    from fwlens.notify import Notice
    from fwlens.source.files import Input

CONFIG = Path("fwlens.toml")
_YEARS: Final = range(2000, 2199)  # what queries for arrivals reach


class CloudName(StrEnum):
    """Where workspaces are."""

    PUBLIC = "public"
    GOVERNMENT = "government"
    CHINA = "china"


class Webhook(StrEnum):
    """What a webhook understands."""

    JSON = "json"
    SLACK = "slack"
    TEAMS = "teams"


class LogForm(StrEnum):
    """How lines of the log look."""

    TEXT = "text"
    JSON = "json"


Text = str | None
Texts = list[str] | None
Number = int | None
Flag = bool | None
Config = Annotated[Path, typer.Option("--config", help="The configuration; without this option it may be missing.")]


def _option(flag: str, help_text: str) -> typer.models.OptionInfo:
    """An option without a default of its own: the configuration has it."""
    made: typer.models.OptionInfo = typer.Option(flag, help=help_text, show_default=False)
    return made


def nightly(
    config: Config = CONFIG,
    logs: Annotated[Texts, _option("--logs", "A file, folder or blob address with logs (repeatable).")] = None,
    workspace: Annotated[Texts, _option("--workspace", "A Log Analytics workspace, by its GUID (repeatable).")] = None,
    resource: Annotated[Texts, _option("--resource", "A resource to ask for its logs, by its id (repeatable).")] = None,
    cloud: Annotated[CloudName | None, _option("--cloud", "public, government or china.")] = None,
    tenant: Annotated[Text, _option("--tenant", "The Entra tenant to sign in to.")] = None,
    endpoint: Annotated[Text, _option("--endpoint", "Another address of Log Analytics.")] = None,
    store: Annotated[Text, _option("--store", "The folder or abfss:// address of the store.")] = None,
    reports: Annotated[Text, _option("--reports", "The folder that gets a folder with results for each night.")] = None,
    look_back: Annotated[Text, _option("--look-back", "How much of the past is answered for: 7d.")] = None,
    window: Annotated[Text, _option("--window", "How much of arrivals is pulled and committed at a time: 6h.")] = None,
    overlap: Annotated[Text, _option("--overlap", "How much of arrivals is pulled again, for late rows: 1h.")] = None,
    lag: Annotated[Text, _option("--lag", "How far behind the present a night stops: 10m.")] = None,
    keep_flows: Annotated[Text, _option("--keep-flows", "How long flows are kept: 35d.")] = None,
    keep_runs: Annotated[Text, _option("--keep-runs", "How long runs and recommendations are kept: 400d.")] = None,
    keep_reports: Annotated[Text, _option("--keep-reports", "How long reports are kept: 90d.")] = None,
    with_allowed: Annotated[Flag, _option("--with-allowed/--no-with-allowed", "Decode allowed entries too.")] = None,
    region: Annotated[Text, _option("--region", "The region that <region> stands for.")] = None,
    profile: Annotated[Texts, _option("--profile", "Only needs of this profile (repeatable).")] = None,
    platform: Annotated[PlatformName | None, _option("--platform", "Default: the plane that denied.")] = None,
    service_tags: Annotated[Text, _option("--service-tags", "Microsoft's weekly service-tag file.")] = None,
    catalog: Annotated[Texts, _option("--catalog", "A catalogue file of your own (repeatable).")] = None,
    never_override: Annotated[
        Texts, _option("--never-override", "Respect this deny rule, collection, group or policy (repeatable).")
    ] = None,
    dns_proxy: Annotated[Flag, _option("--dns-proxy/--no-dns-proxy", "The firewall is the DNS proxy.")] = None,
    subnet: Annotated[Texts, _option("--subnet", "Name this subnet as a source (repeatable).")] = None,
    breadth: Annotated[Breadth | None, _option("--breadth", "Open what was seen, or the documented way.")] = None,
    at_most: Annotated[Number, _option("--at-most", "Merge rules, for a surplus, to at most so many.")] = None,
    target: Annotated[Text, _option("--target", "The policy, NSG or workspace that rules are for.")] = None,
    priority_below: Annotated[Number, _option("--priority-below", "Come before this rule or group.")] = None,
    priority_taken: Annotated[list[int] | None, _option("--priority-taken", "A priority in use (repeatable).")] = None,
    ip_groups: Annotated[Flag, _option("--ip-groups/--no-ip-groups", "Name sources by IP groups.")] = None,
    notify: Annotated[Flag, _option("--notify/--no-notify", "Tell the webhook how the night went.")] = None,
    webhook: Annotated[Webhook | None, _option("--webhook", "What it understands: json, slack or teams.")] = None,
    webhook_variable: Annotated[Text, _option("--webhook-variable", "The variable with its address.")] = None,
    log_format: Annotated[LogForm | None, _option("--log-format", "Lines of the log: text or json.")] = None,
    until: Annotated[Text, _option("--until", "Answer for what was before then, instead of all up to now.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do all, but store, write and send nothing.")] = False,
) -> None:
    """Read what is new, keep it, say what changed since the last run. For a timer: nobody has to watch.

    Exits with 0, with 3 if there is something to allow, with 1 if something went wrong or nothing was read.
    Example: fwlens nightly --logs insights-logs/ --store nights --notify
    """
    said = {name: value for name, value in locals().items() if name not in ("config", "until", "dry_run")}
    flags = {name: _plain(value) for name, value in said.items() if value is not None}
    raise typer.Exit(_logged(config, flags, until, dry_run=dry_run))


def _logged(config: Path, flags: Mapping[str, object], until: str | None, *, dry_run: bool) -> int:
    """A night whose end is a line of its log, however it ends; its exit code."""
    log = Log(as_json=flags.get("log_format") == LogForm.JSON)
    try:
        settings, mistakes = settled_of(config, flags)
    except FwlensError as error:
        if not log.as_json:
            raise
        return _stopped(error, log)
    log = Log(as_json=settings.log_format == LogForm.JSON.value)
    if mistakes := (*_strange(until), *mistakes):
        return _refused(mistakes, settings, log, dry_run=dry_run)
    try:
        return _night(settings, until, log, dry_run=dry_run)
    except FwlensError as error:
        return _stopped(error, log)
    except Exception as error:
        if not log.as_json or isinstance(error, BrokenPipeError) or os.environ.get("FWLENS_TRACEBACK"):
            raise
        log(
            "error", "fault", f"A fault in fwlens itself ({type(error).__name__}); FWLENS_TRACEBACK=1 prints all of it."
        )
        return 1


def _stopped(error: FwlensError, log: Log) -> int:
    for line in str(error).splitlines():
        log("error", "night failed", line)
    return 1


def _strange(until: str | None) -> Iterator[str]:
    """What is wrong with --until, which no configuration has."""
    from fwlens.run import when

    try:
        when(until or "0m", time.time())
    except FwlensError as error:
        yield f"--until: {error}"


def _refused(mistakes: Sequence[str], settings: "Settings", log: Log, *, dry_run: bool) -> int:
    """A night that its configuration or its flags keep from beginning: told here and to the webhook; its exit code."""
    from fwlens.config import told

    if settings.notify and not dry_run:
        from fwlens import nightly as nights

        nights.not_begun(datetime.now(UTC), told(mistakes), _post(settings), log)
    if log.as_json:
        _stopped(FwlensError(told(mistakes)), log)
    else:
        say(f"fwlens: {told(mistakes)}")
    return _code(mistakes)


def _code(mistakes: Sequence[str]) -> int:
    """Flags alone are wrong usage; what a file says is bad input."""
    return 2 if all(each.startswith("--") for each in mistakes) else 1


def _plain(value: object) -> object:
    return value.value if isinstance(value, StrEnum) else value


def settings_of(config: Path, flags: Mapping[str, object], *, whole: bool = True) -> "Settings":
    """What the configuration and the flags say together, without a mistake; see `settled_of`."""
    from fwlens.config import told

    settings, mistakes = settled_of(config, flags, whole=whole)
    if mistakes:
        say(f"fwlens: {told(mistakes)}")
        raise typer.Exit(_code(mistakes))
    return settings


def settled_of(config: Path, flags: Mapping[str, object], *, whole: bool = True) -> "tuple[Settings, tuple[str, ...]]":
    """What the configuration and the flags say together, and each mistake; unless `whole`, they need not say what to
    read, and what only a night uses is not looked at."""
    from fwlens.config import read, settled

    text, said = read(config, optional=config == CONFIG)
    if whole and not config.exists() and not flags.keys() & {"logs", "workspace", "resource"}:
        raise FwlensError(
            f"{config}: there is no such file here. Write one, name another with --config, or let flags say what to "
            "read (`fwlens nightly --logs FOLDER`)."
        )
    return settled(config, text, said, flags, whole=whole, judge=sound.unsound)


def _night(settings: "Settings", until: str | None, log: Log, *, dry_run: bool) -> int:
    """One night under the lock of its store; its exit code."""
    from fwlens import nightly as nights
    from fwlens.store import hold, is_remote

    heed_interrupts()
    now = time.time()
    begin = datetime.fromtimestamp(now, UTC)
    with ExitStack() as stay:
        try:
            if not dry_run and not is_remote(settings.store):
                stay.enter_context(hold(Path(settings.store), begin))
            plan = stay.enter_context(_planned(settings, until, now, log, dry_run=dry_run))
        except FwlensError as error:
            if settings.notify and not dry_run:
                nights.not_begun(begin, str(error), _post(settings), log)
            raise
        try:
            outcome = nights.night(plan, log)
        except Exception as error:  # nobody watches: whatever stops a night is kept and told
            why = (
                str(error) if isinstance(error, FwlensError) else f"A fault in fwlens itself ({type(error).__name__})."
            )
            if not dry_run:
                nights.failed(plan, why, log)
            raise
        if not dry_run:
            nights.tidy(plan, log)
        put(nights.table(outcome.diff, outcome.answer, room()).encode(), None)
        return outcome.exit


@contextmanager
def _planned(settings: "Settings", until: str | None, now: float, log: Log, *, dry_run: bool) -> "Iterator[Night]":
    """The night that the settings ask for; what it opens is closed with it."""
    from importlib.metadata import version

    from fwlens.nightly import Night
    from fwlens.run import when
    from fwlens.store import Store

    end = when(until, now) if until else datetime.fromtimestamp(now, UTC) - settings.span("lag")
    if end.year not in _YEARS:
        said = f"--until {until}" if until else "This machine's clock"
        raise FwlensError(
            f"{said}: no log is of the year {end.year}. Give a time like 2026-11-20T22:00 or set the clock."
        )
    with ExitStack() as stay:
        yield Night(
            store=Store(settings.store, store_options(settings, stay)),
            reports=Path(settings.reports),
            until=end.replace(second=0, microsecond=0),
            look_back=settings.span("look_back"),
            window=settings.span("window"),
            overlap=settings.span("overlap"),
            keep_flows=settings.span("keep_flows"),
            keep_runs=settings.span("keep_runs"),
            keep_reports=settings.span("keep_reports"),
            ask=sound.ask(settings),
            version=version("fwlens"),
            clock=lambda: datetime.now(UTC),
            place=sound.place(settings),
            workspaces=_workspaces(settings, stay, log),
            logs=_logs(settings, stay) if settings.logs else None,
            post=_post(settings) if settings.notify and not dry_run else None,
            dry_run=dry_run,
        )


def store_options(settings: "Settings", stay: ExitStack) -> "Callable[[], Mapping[str, str]]":
    """What opens a store that lies in a data lake; a folder needs nothing."""
    from fwlens.store import is_remote

    if not is_remote(settings.store):
        return dict
    from fwlens.source.lake import opened

    return stay.enter_context(opened(os.environ, settings.cloud, settings.tenant, time.time))


def _workspaces(settings: "Settings", stay: ExitStack, log: Log) -> "Sequence[Workspace]":
    """Every workspace and resource, each pulled for itself: each has its own windows in the store."""
    if not (settings.workspace or settings.resource):
        return ()
    from fwlens.nightly import SLOT, Stretch, Workspace
    from fwlens.source.session import Target, connect
    from fwlens.source.workspace import Window, pull

    target = sound.target(settings)
    session = stay.enter_context(connect(target, now=time.time, sleep=time.sleep))
    told: set[str] = set()

    def tell(text: str) -> None:
        if text not in told:
            log("info", "pull", text)
        told.add(text)

    def workspace(one: Target) -> Workspace:
        def pulled(stretch: Stretch) -> "Sequence[Input]":
            window = Window(*stretch.seen, stretch.begin, stretch.end)
            return pull(one, window, session=session, tell=tell, with_allowed=settings.with_allowed, slot=SLOT)

        return Workspace(one.scopes[0].name.lower(), pulled)  # an id that is written otherwise is the same place

    each = [replace(target, workspaces=(scope.name,), resources=()) for scope in target.scopes if scope.is_workspace]
    each += [replace(target, workspaces=(), resources=(one.name,)) for one in target.scopes if not one.is_workspace]
    return tuple(map(workspace, each))


def _logs(settings: "Settings", stay: ExitStack) -> "Logs":
    """Files of this machine, and blobs."""
    from fwlens.nightly import Logs
    from fwlens.nightly.files import blobs_in, found_in

    files = [log for log in settings.logs if "://" not in log]
    blobs = [log for log in settings.logs if "://" in log]
    if not blobs:
        return Logs(lambda _: tuple(found_in(files)))
    from fwlens.source.storage import Storage

    storage = stay.enter_context(Storage(settings.tenant))
    return Logs(lambda since: (*found_in(files), *blobs_in(storage, blobs, since)), storage.inputs)


def _post(settings: "Settings") -> "Callable[[Notice], str]":
    """What tells the webhook. Its address is a secret and comes from the environment only."""
    from fwlens.notify import post

    address = os.environ.get(settings.webhook_variable, "").strip()
    if not address:
        return lambda _: f"There is no address of a webhook in the environment variable {settings.webhook_variable}."
    return lambda notice: post(address, notice, settings.webhook, time.sleep)
