"""Knows the commands, with the words that --help says of them."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fwlens.cli import emit as emitting
from fwlens.cli.afar import Afar, reading
from fwlens.cli.asking import advise, asked, flows_of, matched_of, near, plainly, proven, shaped, span
from fwlens.cli.look import catalog_app, tags_app
from fwlens.cli.nightly import nightly
from fwlens.cli.options import (
    AnswerForm,
    AnswerFormat,
    AtMost,
    Below,
    Breadth,
    Breadths,
    Catalogs,
    DnsProxy,
    FlowsForm,
    FlowsFormat,
    Form,
    Format,
    IpGroups,
    Keep,
    Logs,
    Never,
    Output,
    Place,
    Platforms,
    Profiles,
    Region,
    Rollback,
    Since,
    Slot,
    Subnets,
    TagFile,
    Taken,
    TargetName,
    Until,
    WithAllowed,
)
from fwlens.cli.pull import pull
from fwlens.cli.query import query_app
from fwlens.cli.report import report
from fwlens.cli.runs import config_app, runs_app
from fwlens.cli.scale import put_flows, scale_app
from fwlens.cli.terminal import leave, put, room, tell, wrong_usage
from fwlens.errors import FwlensError

if TYPE_CHECKING:
    from fwlens.run import Ask, Matched

app = typer.Typer(
    help="From denied flows in Azure's network logs to the fewest documented allow rules. "
    "Changes nothing in Azure, and asks a service only if an option names it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(catalog_app, name="catalog")
app.add_typer(tags_app, name="tags")
app.add_typer(query_app, name="query")
app.add_typer(emitting.emit_app)
app.add_typer(runs_app, name="runs")
app.add_typer(config_app, name="config")
app.add_typer(scale_app, name="scale")


def _version(asked_for: bool) -> None:
    """What `--version` prints, before a command is asked for."""
    if asked_for:
        from importlib.metadata import version

        put(f"fwlens {version('fwlens')}\n".encode(), None)
        raise typer.Exit


@app.callback()
def program(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Options of the program itself."""


@app.command()
@reading
def recommend(
    logs: Logs = None,
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
    keep: Keep = None,
    curve: Annotated[bool, typer.Option("--curve", help="Print rules against surplus instead of the answer.")] = False,
    form: AnswerFormat = AnswerForm.TABLE,
    output: Place = None,
    target: TargetName = None,
    priority_below: Below = None,
    priority_taken: Taken = None,
    ip_groups: IpGroups = False,
    rollback: Rollback = None,
    check: Annotated[bool, typer.Option("--check", help="Exit with 3 if there is something to allow.")] = False,
    *,
    afar: Afar,
) -> None:
    """The fewest documented allow rules for what was blocked, and everything else that was.

    Example: fwlens recommend insights-logs/ --region westeurope --service-tags ServiceTags_Public.json
    """
    from fwlens import hints, run

    ask = asked(logs, region, profile, service_tags, catalog, never_override, since, until, with_allowed, afar)
    ask = near(shaped(ask, platform, subnet, breadth, at_most, dns_proxy=dns_proxy), keep)
    file = Path(output) if output else None
    is_text = form not in (AnswerForm.TABLE, AnswerForm.JSON)
    if curve and is_text:
        raise typer.BadParameter("is for --format table or json.", param_hint="'--curve'")
    if curve and check:
        raise typer.BadParameter("is for an answer, and --curve prints none.", param_hint="'--check'")
    place = emitting.options(
        target, priority_below, priority_taken, ip_groups=ip_groups, form=form.value, rollback=rollback,
        platforms=[platform.value] if platform else [],
    )  # fmt: skip
    if not is_text and not curve:
        plainly(ask, file, as_json=form is AnswerForm.JSON, check=check)
        return
    found = matched_of(ask)
    if curve:
        _choices(ask, found, file, as_json=form is AnswerForm.JSON)
        return
    said, _ = run.answered(ask, found)
    for fault in hints.unproven(said):
        raise FwlensError(fault)  # before anything is written
    emitting.write(said.recommendations, form.value, place, output, rollback)
    tell(emitting.handed_back(said.unsaid))
    advise(ask, found)
    leave(found.flows, failed=bool(said.unsaid), check=check and bool(said.recommendations or said.unsaid))


def _choices(ask: "Ask", found: "Matched", file: Path | None, *, as_json: bool) -> None:
    from fwlens import run, table

    put(table.curve(run.curve(ask, found), room(file), as_json=as_json), file)
    advise(ask, found)
    leave(found.flows)


@app.command()
@reading
def flows(
    logs: Logs = None,
    since: Since = None,
    until: Until = None,
    with_allowed: WithAllowed = False,
    form: FlowsFormat = FlowsForm.TABLE,
    slot: Slot = None,
    output: Output = None,
    *,
    afar: Afar,
) -> None:
    """What was read: folded flows and the ledger, before anything is matched.

    With --format parquet -o flows.parquet the flows are a log themselves: fwlens recommend flows.parquet
    """
    from fwlens import answer, table

    if slot and form is not FlowsForm.PARQUET:
        raise typer.BadParameter("is for --format parquet.", param_hint="'--slot'")
    every = span(slot) if slot else None
    read = flows_of(asked(logs, None, None, None, None, None, since, until, with_allowed, afar), every)
    if form is FlowsForm.PARQUET:
        put_flows(read.slots if slot else read.rows, read.ledger, read.faults, output)
    elif form is FlowsForm.JSON:
        put(answer.json_of_flows(read.rows, read.ledger), output)
    else:
        put(table.flows_as_text(read.rows, read.ledger, room(output)), output)
    leave(read)


@app.command()
@reading
def match(
    logs: Logs = None,
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
    *,
    afar: Afar,
) -> None:
    """Every flow with its verdict and the requirement that explains it."""
    from fwlens import answer, hints, table

    ask = asked(logs, region, profile, service_tags, catalog, never_override, since, until, with_allowed, afar)
    found = matched_of(proven(ask))
    if form is Form.JSON:
        put(answer.json_of_flows(found.rows, found.flows.ledger, answer.MATCHED_SCHEMA), output)
    else:
        put(table.flows_as_text(found.rows, found.flows.ledger, room(output)), output)
    tell((*hints.advice(found), *hints.unknown_rules(ask, found.rows)))
    leave(found.flows)


@app.command()
@reading
def verify(
    document: Annotated[Path, typer.Argument(metavar="RECOMMENDATIONS.json", help="An answer in JSON, edited or not.")],
    logs: Logs = None,
    service_tags: TagFile = None,
    catalog: Catalogs = None,
    since: Since = None,
    until: Until = None,
    *,
    afar: Afar,
) -> None:
    """Check a set of rules against logs: which rule is idle, what stays blocked, what is allowed and must not be.

    Exits with 1 if anything is wrong. Example: fwlens verify recommendations.json insights-logs/
    """
    from fwlens import document as documents
    from fwlens import hints, table
    from fwlens.verify import remarks, verified

    read = documents.read(document)
    if not (since or until):
        since = read.since.isoformat() if read.since else None
        until = read.until.isoformat() if read.until else None
        tell(hints.of_its_time(read))
    ask = asked(
        logs,
        read.asked.region,
        list(read.profiles),
        service_tags,
        catalog,
        list(read.never_override),
        since,
        until,
        False,
        afar,
    )
    _prove(read.profiles, ask, document)
    found = matched_of(ask)
    certificate = verified(read, found)
    none = (
        "No rules, and none could allow what is needed.\n"
        if read.handed_back
        else "No rules, and nothing that needs one.\n"
    )
    put((table.certificate(certificate, room(), checked=True) or none).encode(), None)
    tell((*remarks(read, found), *(hints.other_tags(read, found) or hints.advice(found))))
    leave(found.flows)
    if certificate.faults:
        raise typer.Exit(1)


def _prove(profiles: tuple[str, ...], ask: "Ask", document: Path) -> None:
    """A profile that the document has wrong is told before hours of logs are read."""
    from fwlens import run

    known = run.catalog_of(replace(ask, profiles=()))
    try:
        run.prove_profiles(profiles, known)
    except FwlensError as error:
        raise FwlensError(f"{document}: asked: {error}") from None


@app.command()
@reading
def backtest(
    logs: Logs = None,
    train: Annotated[str, typer.Option("--train", help="How long rules are learned: 6d, 12h.")] = "6d",
    test: Annotated[str, typer.Option("--test", help="How long they are then tried: 1d, 6h.")] = "1d",
    region: Region = None,
    profile: Profiles = None,
    platform: Platforms = None,
    service_tags: TagFile = None,
    catalog: Catalogs = None,
    never_override: Never = None,
    dns_proxy: DnsProxy = False,
    subnet: Subnets = None,
    breadth: Breadths = Breadth.OBSERVED,
    form: Format = Form.TABLE,
    output: Output = None,
    *,
    afar: Afar,
) -> None:
    """What rules learned on the first days would have missed, or opened in vain, on the next; rolling backwards.

    Example: fwlens backtest insights-logs/ --train 6d --test 1d --breadth documented
    """
    from fwlens import answer as answers
    from fwlens import backtest as tests
    from fwlens import hints
    from fwlens.cli.trials import as_text

    learned, tried = span(train), span(test)
    ask = asked(logs, region, profile, service_tags, catalog, never_override, None, None, False, afar, learned + tried)
    ask = shaped(ask, platform, subnet, breadth, dns_proxy=dns_proxy)
    with wrong_usage():
        every = tests.slot(learned, tried)
    read = flows_of(ask, every=every)
    found = list(tests.trials(ask, read, learned, tried))
    put(answers.trials_to_json(found) if form is Form.JSON else as_text(found, room(output)).encode(), output)
    tell(hints.unknown_rules(ask, read.rows))
    leave(read)


app.command()(report)
app.command()(nightly)
app.command()(pull)
