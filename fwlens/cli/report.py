"""Knows the command that writes a night as a page."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fwlens.cli.afar import Afar, reading
from fwlens.cli.asking import asked, flows_of, shaped
from fwlens.cli.emit import options
from fwlens.cli.options import (
    AtMost,
    Below,
    Breadth,
    Breadths,
    Catalogs,
    DnsProxy,
    IpGroups,
    Logs,
    Never,
    Platforms,
    Profiles,
    Region,
    Since,
    Subnets,
    TagFile,
    Taken,
    TargetName,
    Until,
    WithAllowed,
)
from fwlens.cli.terminal import leave, put, say, tell

if TYPE_CHECKING:
    from fwlens.answer import Answer
    from fwlens.report import Report

FOLDER = Path("reports")

Page = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        help="The page to write, - for standard output. Default: in reports/, by its day.",
    ),
]
Against = Annotated[
    Path | None,
    typer.Option("--against", metavar="RECOMMENDATIONS.json", help="An earlier answer: say what changed since."),
]
SharedJs = Annotated[
    bool, typer.Option("--shared-js", help="Keep the plot library beside the page, for a folder of pages to share.")
]


@reading
def report(
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
    output: Page = None,
    against: Against = None,
    shared_js: SharedJs = False,
    target: TargetName = None,
    priority_below: Below = None,
    priority_taken: Taken = None,
    ip_groups: IpGroups = False,
    *,
    afar: Afar,
) -> None:
    """One page that tells all: the verdict, the rules with their proof, what is missing. It needs nothing from outside.

    Example: fwlens report insights-logs/ --with-allowed -o reports/night.html
    """
    from fwlens import document, hints, run
    from fwlens.night import SLOT, night_of
    from fwlens.report import render

    ask = asked(logs, region, profile, service_tags, catalog, never_override, since, until, with_allowed, afar)
    ask = shaped(ask, platform, subnet, breadth, at_most, dns_proxy=dns_proxy)
    platforms = [platform.value] if platform else []
    place = options(target, priority_below, priority_taken, ip_groups=ip_groups, platforms=platforms)
    to_stdout = output == Path("-")
    if to_stdout and shared_js:
        raise typer.BadParameter("is for a page in a file.", param_hint="'--shared-js'")
    earlier = document.read(against) if against else None  # a wrong one is told before hours of logs are read
    found = run.matched(ask, flows_of(ask, every=SLOT))
    night = night_of(ask, found, earlier=earlier, earlier_name=str(against or ""), place=place)
    page = output or FOLDER / f"{name(night.answer)}.html"
    made = render(night, name=None if to_stdout else page.stem, shared_script=shared_js)
    if to_stdout:
        put(made.page, None)
    else:
        write(made, page, shared_js=shared_js)
    tell((*hints.advice(found), *hints.unknown_rules(ask, found.rows)))
    leave(found.flows, hints.unproven(night.answer))


def name(answer: "Answer") -> str:
    """What the page of a night is called: by the day on which its last flow was seen."""
    return answer.last_seen.strftime("night-%Y-%m-%d") if answer.last_seen else "night"


def write(made: "Report", page: Path, *, shared_js: bool) -> None:
    """The page, what lies beside it and the shared script, and a line for each. The page comes last: it is whole."""
    from fwlens.report import SHARED_SCRIPT, plot_library

    for file in made.beside:
        place = page.with_name(f"{page.stem}.{file.ending}")
        put(file.content, place)
        say(f"{place}")
    if shared_js:
        put(plot_library().encode(), page.with_name(SHARED_SCRIPT))
    put(made.page, page)
    say(f"{page}")
