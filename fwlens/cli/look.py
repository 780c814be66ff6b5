"""The commands that look things up: the catalogue and service tags."""

import time
from pathlib import Path
from typing import Annotated

import typer

from fwlens.cli.options import Catalogs, Form, Format, Output
from fwlens.cli.terminal import put, room, say

catalog_app = typer.Typer(help="What documents say is needed.", no_args_is_help=True, rich_markup_mode=None)
tags_app = typer.Typer(help="Service tags of addresses.", no_args_is_help=True, rich_markup_mode=None)


@catalog_app.command("list")
def catalog_list(catalog: Catalogs = None, form: Format = Form.TABLE, output: Output = None) -> None:
    """Every documented need: its id, who says it, what for."""
    from fwlens import catalog as catalogs
    from fwlens import table

    known = catalogs.load(catalog or ())
    put(
        catalogs.to_json(known.requirements) if form is Form.JSON else table.catalog(known, room(output)).encode(),
        output,
    )


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
    shown = catalogs.to_json([one]) if form is Form.JSON else table.requirement(one, known, room(output)).encode()
    put(shown, output)


@catalog_app.command("check")
def catalog_check(catalog: Catalogs = None) -> None:
    """The lint: unique ids, a page and a day on each, nothing swallowed unnoticed. Exits with 1 on an error."""
    from datetime import date

    from fwlens import catalog as catalogs
    from fwlens.catalog import lint

    known = catalogs.load(catalog or ())
    errors, warnings = lint.check(known, date.fromtimestamp(time.time()))
    put("".join(f"{line}\n" for line in (*errors, *warnings)).encode(), None)
    say(f"{len(known.requirements)} needs: {len(errors)} errors, {len(warnings)} warnings.")
    if errors:
        raise typer.Exit(1)


@tags_app.command("show")
def tags_show(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="An IPv4 or IPv6 address.")],
    service_tags: Annotated[Path, typer.Option("--service-tags", help="Microsoft's weekly service-tag file.")],
) -> None:
    """Every service tag that an address belongs to, the most specific first."""
    from fwlens import table, tags

    put(table.tags(address, tags.read(service_tags), room()).encode(), None)
