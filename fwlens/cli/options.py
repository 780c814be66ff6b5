"""Knows the options that several commands share, with the words that --help says of them."""

from pathlib import Path
from typing import Annotated

import typer

from fwlens.cli.words import AnswerForm, Artefact, Breadth, FlowsForm, Form, PlatformName

__all__ = ["AnswerForm", "Artefact", "Breadth", "FlowsForm", "Form", "PlatformName"]

Logs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="LOG", help="Files, folders, globs, addresses of blobs, or - for standard input.", show_default=False
    ),
]
Region = Annotated[str | None, typer.Option("--region", help="The region that <region> stands for, e.g. westeurope.")]
Profiles = Annotated[list[str] | None, typer.Option("--profile", help="Only needs of this profile (repeatable).")]
Platforms = Annotated[PlatformName | None, typer.Option("--platform", help="Default: the plane that denied.")]
TagFile = Annotated[Path | None, typer.Option("--service-tags", help="Microsoft's weekly service-tag file.")]
Catalogs = Annotated[list[Path] | None, typer.Option("--catalog", help="A catalogue file of your own (repeatable).")]
Never = Annotated[
    list[str] | None,
    typer.Option(
        "--never-override", help="Respect this deny rule, or all of this collection, group or policy (repeatable)."
    ),
]
Since = Annotated[
    str | None, typer.Option("--since", help="Only entries from then on: 2026-11-20T22:00, or 6h, 2d ago.")
]
Until = Annotated[str | None, typer.Option("--until", help="Only entries before then.")]
WithAllowed = Annotated[bool, typer.Option("--with-allowed", help="Decode and match allowed entries too.")]
Subnets = Annotated[list[str] | None, typer.Option("--subnet", help="Name this subnet as a source (repeatable).")]
Breadths = Annotated[Breadth, typer.Option("--breadth", help="Open what was seen, or the whole documented way.")]
AtMost = Annotated[int | None, typer.Option("--at-most", min=1, help="Merge rules, for a surplus, to at most so many.")]
Keep = Annotated[
    Path | None,
    typer.Option(
        "--keep",
        metavar="RECOMMENDATIONS.json",
        help="An earlier answer: keep of its rules what as few rules leave room for.",
    ),
]
DnsProxy = Annotated[bool, typer.Option("--dns-proxy", help="The firewall is the clients' DNS proxy.")]
Format = Annotated[Form, typer.Option("--format", help="table or json.")]
FlowsFormat = Annotated[FlowsForm, typer.Option("--format", help="table, json, or parquet: a log for a later run.")]
Slot = Annotated[
    str | None, typer.Option("--slot", help="With parquet: fold within slots of this size only (15m, 1h, 1d).")
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="PATH", help="Write there instead of to standard output."),
]
AnswerFormat = Annotated[AnswerForm, typer.Option("--format", help="The answer, or its rules as they are applied.")]
Below = Annotated[
    int | None, typer.Option("--priority-below", min=101, help="Come before this rule (NSG) or group (firewall).")
]
Taken = Annotated[
    list[int] | None, typer.Option("--priority-taken", min=100, max=65000, help="A priority in use (repeatable).")
]
TargetName = Annotated[
    str | None,
    typer.Option("--target", help="The policy, NSG or workspace, by name, for ARM, Bicep and YAML: the others ask."),
]
IpGroups = Annotated[bool, typer.Option("--ip-groups", help="Name the firewall's sources by IP groups.")]
Rollback = Annotated[
    Path | None,
    typer.Option("--rollback", metavar="PATH", help="Write there what takes the rules back."),
]
Place = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        help="Write there instead of to standard output; rules also to FOLDER/.",
    ),
]
