"""The command line: the only place that prints, exits, reads the clock or the environment.

stdout holds the artefact and nothing else; words, progress and warnings go to stderr. Exit codes: 0 done, 1 could not do
it, 2 wrong usage, 3 only with --check: there is something to allow.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fwlens.errors import FwlensError

if TYPE_CHECKING:
    from fwlens.run import Ask, Matched
    from fwlens.source import Flows

app = typer.Typer(
    help="From denied flows in Azure's network logs to the fewest documented allow rules. Sends nothing anywhere.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
catalog_app = typer.Typer(help="What documents say is needed.", no_args_is_help=True, rich_markup_mode=None)
tags_app = typer.Typer(help="Service tags of addresses.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(catalog_app, name="catalog")
app.add_typer(tags_app, name="tags")


class Form(StrEnum):
    """How an answer is printed."""

    TABLE = "table"
    JSON = "json"


class Breadth(StrEnum):
    """How much of a documented way a rule opens."""

    OBSERVED = "observed"
    DOCUMENTED = "documented"


class PlatformName(StrEnum):
    """Where a rule is to be applied."""

    AZURE_FIREWALL = "azure-firewall"
    NSG = "nsg"
    AML_MANAGED_NETWORK = "aml-managed-network"


Logs = Annotated[
    list[str],
    typer.Argument(metavar="LOG...", help="Files, folders, globs, or - for standard input.", show_default=False),
]
Region = Annotated[str | None, typer.Option("--region", help="The region that <region> stands for, e.g. westeurope.")]
Profiles = Annotated[list[str] | None, typer.Option("--profile", help="Only needs of this profile (repeatable).")]
Platforms = Annotated[PlatformName | None, typer.Option("--platform", help="Default: the plane that denied.")]
TagFile = Annotated[Path | None, typer.Option("--service-tags", help="Microsoft's weekly service-tag file.")]
Catalogs = Annotated[list[Path] | None, typer.Option("--catalog", help="A catalogue file of your own (repeatable).")]
Never = Annotated[list[str] | None, typer.Option("--never-override", help="A deny rule to respect (repeatable).")]
Since = Annotated[
    str | None, typer.Option("--since", help="Only entries from then on: 2026-11-20T22:00, or 6h, 2d ago.")
]
Until = Annotated[str | None, typer.Option("--until", help="Only entries before then.")]
WithAllowed = Annotated[bool, typer.Option("--with-allowed", help="Decode and match allowed entries too.")]
Subnets = Annotated[list[str] | None, typer.Option("--subnet", help="Name this subnet as a source (repeatable).")]
Breadths = Annotated[Breadth, typer.Option("--breadth", help="Open what was seen, or the whole documented way.")]
AtMost = Annotated[int | None, typer.Option("--at-most", min=1, help="Merge rules, for a surplus, to at most so many.")]
DnsProxy = Annotated[bool, typer.Option("--dns-proxy", help="The firewall is the clients' DNS proxy.")]
Format = Annotated[Form, typer.Option("--format", help="table or json.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write there instead of to standard output.")]


def main() -> None:
    """Run the command line; every fault that a user can mend is one sentence on stderr and exit code 1."""
    try:
        app()
    except FwlensError as error:
        sys.exit(_say(f"fwlens: {error}", code=1))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader went away: nothing more to say
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)


@app.callback()
def common(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    """Options of the program itself."""
    if version:
        from importlib.metadata import version as installed

        _print(f"fwlens {installed('fwlens')}\n".encode(), None)
        raise typer.Exit


@app.command()
def recommend(
    logs: Logs,
    region: Region = None,
    profile: Profiles = None,
    platform: Platforms = None,
    service_tags: TagFile = None,
    catalog: Catalogs = None,
    never_override: Never = None,
    since: Since = None,
    until: Until = None,
    with_allowed: WithAllowed = False,
    dns_proxy: DnsProxy = False,
    subnet: Subnets = None,
    breadth: Breadths = Breadth.OBSERVED,
    at_most: AtMost = None,
    curve: Annotated[bool, typer.Option("--curve", help="Print rules against surplus instead of the answer.")] = False,
    form: Format = Form.TABLE,
    output: Output = None,
    check: Annotated[bool, typer.Option("--check", help="Exit with 3 if there is something to allow.")] = False,
) -> None:
    """The fewest documented allow rules for what was blocked, and everything else that was.

    Example: fwlens recommend insights-logs/ --region westeurope --service-tags ServiceTags_Public.json
    """
    from fwlens import answer as answers
    from fwlens import run, table

    ask = _ask(logs, region, profile, service_tags, catalog, never_override, since, until, with_allowed)
    ask = replace(
        ask,
        platform=platform.value if platform else None,
        dns_proxy=dns_proxy,
        subnets=tuple(subnet or ()),
        breadth=breadth.value,
        at_most=at_most,
    )
    ask.asked  # a wrong region or subnet is told before hours of logs are read
    found = _matched(ask)
    said, more = run.answered(ask, found, with_curve=curve)
    if curve:
        _print(table.curve(more.curve, form is Form.JSON), output)
    else:
        _print(answers.to_json(said) if form is Form.JSON else table.recommendations(said).encode(), output)
    _tell(run.advice(found))
    _leave(found.flows, check=check and bool(said.recommendations or said.unsaid))


@app.command()
def flows(
    logs: Logs,
    since: Since = None,
    until: Until = None,
    with_allowed: WithAllowed = False,
    form: Format = Form.TABLE,
    output: Output = None,
) -> None:
    """What was read: folded flows and the ledger, before anything is matched."""
    from fwlens import answer, table

    read = _read(_ask(logs, None, None, None, None, None, since, until, with_allowed))
    shown = answer.flows_to_json if form is Form.JSON else table.flows_as_text
    _print(shown(read.rows, read.ledger), output)
    _leave(read)


@app.command()
def match(
    logs: Logs,
    region: Region = None,
    profile: Profiles = None,
    service_tags: TagFile = None,
    catalog: Catalogs = None,
    never_override: Never = None,
    since: Since = None,
    until: Until = None,
    with_allowed: WithAllowed = False,
    form: Format = Form.TABLE,
    output: Output = None,
) -> None:
    """Every flow with its verdict and the requirement that explains it."""
    from fwlens import answer, run, table

    found = _matched(_ask(logs, region, profile, service_tags, catalog, never_override, since, until, with_allowed))
    if form is Form.JSON:
        text = answer.flows_to_json(found.rows, found.flows.ledger, answer.MATCHED_SCHEMA)
    else:
        text = table.flows_as_text(found.rows, found.flows.ledger)
    _print(text, output)
    _tell(run.advice(found))
    _leave(found.flows)


@app.command()
def verify(
    document: Annotated[Path, typer.Argument(metavar="RECOMMENDATIONS.json", help="An answer in JSON, edited or not.")],
    logs: Logs,
    service_tags: TagFile = None,
    catalog: Catalogs = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """Check a set of rules against logs: which rule is idle, what stays blocked, what is allowed and must not be.

    Exits with 1 if anything is wrong. Example: fwlens verify recommendations.json insights-logs/
    """
    from fwlens import document as documents
    from fwlens import run, table

    read = documents.read(document)
    ask = _ask(
        logs, read.region, list(read.profiles), service_tags, catalog, list(read.never_override), since, until, False
    )
    found = _matched(ask)
    certificate = run.verified(read, ask, found)
    _print(table.certificate(certificate).encode() or b"No rules, and nothing that needs one.\n", None)
    _tell(run.advice(found))
    _leave(found.flows)
    if certificate.faults:
        raise typer.Exit(1)


@catalog_app.command("list")
def catalog_list(catalog: Catalogs = None, form: Format = Form.TABLE, output: Output = None) -> None:
    """Every documented need: its id, who says it, what for."""
    from fwlens import catalog as catalogs
    from fwlens import table

    known = catalogs.load(catalog or ())
    _print(catalogs.to_json(known.requirements) if form is Form.JSON else table.catalog(known).encode(), output)


@catalog_app.command("show")
def catalog_show(
    name: Annotated[str, typer.Argument(metavar="ID", help="The id of a need, as `catalog list` shows it.")],
    catalog: Catalogs = None,
    form: Format = Form.TABLE,
    output: Output = None,
) -> None:
    """One need with everything known about it."""
    from fwlens import catalog as catalogs
    from fwlens import table

    known = catalogs.load(catalog or ())
    one = catalogs.find(known, name)
    shown = catalogs.to_json([one]) if form is Form.JSON else table.requirement(one, known).encode()
    _print(shown, output)


@catalog_app.command("check")
def catalog_check(catalog: Catalogs = None) -> None:
    """The lint: unique ids, a page and a day on each, nothing swallowed unnoticed. Exits with 1 on an error."""
    from datetime import date

    from fwlens import catalog as catalogs
    from fwlens.catalog import lint

    known = catalogs.load(catalog or ())
    errors, warnings = lint.check(known, date.fromtimestamp(time.time()))
    _print("".join(f"{line}\n" for line in (*errors, *warnings)).encode(), None)
    _say(f"{len(known.requirements)} needs: {len(errors)} errors, {len(warnings)} warnings.")
    if errors:
        raise typer.Exit(1)


@tags_app.command("show")
def tags_show(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="An IPv4 or IPv6 address.")],
    service_tags: Annotated[Path, typer.Option("--service-tags", help="Microsoft's weekly service-tag file.")],
) -> None:
    """Every service tag that an address belongs to, the most specific first."""
    from fwlens import table, tags

    _print(table.tags(address, tags.read(service_tags)).encode(), None)


def _ask(
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
    from fwlens.run import Ask, when

    now = time.time()
    return Ask(
        logs=tuple(logs),
        region=region,
        profiles=tuple(profiles or ()),
        service_tags=service_tags,
        catalogs=tuple(catalogs or ()),
        never_override=tuple(never_override or ()),
        since=when(since, now) if since else None,
        until=when(until, now) if until else None,
        with_allowed=with_allowed,
    )


def _read(ask: "Ask") -> "Flows":
    from fwlens import run

    with _Progress() as progress:
        return run.flows_of(ask, sys.stdin.buffer, progress)


def _matched(ask: "Ask") -> "Matched":
    from fwlens import run

    ask.choice.region  # a wrong region is told before hours of logs are read
    return run.matched(ask, _read(ask))


class _Progress:
    """A bar on stderr, if that is a terminal and the work takes more than a second."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._close: Callable[[], None] = lambda: None
        self._update: Callable[[int, int], None] | None = None

    def __enter__(self) -> Callable[[int, int], None] | None:
        return None

    def __exit__(self, *_: object) -> None:
        self._close()

    def _tell(self, done: int, total: int) -> None:
        if self._update is None and time.monotonic() - self._start > 1:
            self._open()
        if self._update is not None:
            self._update(done, total)

    def _open(self) -> None:
        from rich.console import Console
        from rich.progress import Progress

        bar = Progress(console=Console(stderr=True), transient=True)
        task = bar.add_task("reading files")
        bar.start()
        self._close, self._update = bar.stop, lambda done, total: bar.update(task, completed=done, total=total)


def _print(artefact: bytes, output: Path | None) -> None:
    """The artefact, whole: a file appears under its name only when it is complete."""
    if output is None:
        sys.stdout.buffer.write(artefact)
        sys.stdout.buffer.flush()
        return
    draft = output.with_name(f".{output.name}.part")
    try:
        draft.write_bytes(artefact)
        draft.replace(output)
    except OSError as error:
        raise FwlensError(f"{output}: cannot be written ({error.strerror}). Choose another place with -o.") from None


def _say(text: str, code: int = 0) -> int:
    sys.stderr.write(f"{text}\n")
    return code


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        _say(f"fwlens: {line}")


def _leave(read: "Flows", *, check: bool = False) -> None:
    """Say what could not be read; a log that was asked for by name and is none makes the whole run fail."""
    _tell(read.faults)
    if read.faults:
        raise typer.Exit(1)
    if check:
        raise typer.Exit(3)


if __name__ == "__main__":
    main()
