"""The commands about the queries for Log Analytics."""

import json
from typing import Annotated

import typer

from fwlens.cli.options import Form, Format, Output
from fwlens.cli.query_run import query_run
from fwlens.cli.terminal import put, room, wrong_usage
from fwlens.errors import FwlensError

query_app = typer.Typer(
    help="KQL for Log Analytics: runs in the portal as it stands.", no_args_is_help=True, rich_markup_mode=None
)
query_app.command("run")(query_run)

WIDTH = 130  # names of tables and queries are long, and are copied

QueryName = Annotated[str, typer.Argument(metavar="NAME", help="A query, as `query list` shows it.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A value for a parameter, e.g. slot=15m (repeatable)."),
]


@query_app.command("list")
def query_list(form: Format = Form.TABLE, output: Output = None) -> None:
    """Every query: its name, the table that it reads, what it tells."""
    from fwlens import query, table

    known = query.every()
    if form is Form.TABLE:
        rows = [(one.name, one.table or "all of them", one.title) for one in known]
        put(table.columns(("query", "table", "what it tells"), rows, room(output, WIDTH)).encode(), output)
        return
    told = [
        {
            "name": one.name,
            "title": one.title,
            "table": one.table or None,
            "parameters": {name: {"type": each.kind, "default": each.default} for name, each in one.parameters.items()},
        }
        for one in known
    ]
    put(f"{json.dumps({'schema': 'fwlens.queries/1', 'queries': told}, indent=1)}\n".encode(), output)


@query_app.command("show")
def query_show(name: QueryName, settings: Settings = None, output: Output = None) -> None:
    """One query as text, ready for the portal.

    Example: fwlens query show firewall-application --set seenFrom=2026-11-20T22:00 --set withAllowed=true
    """
    from fwlens import query

    query.find(name)
    with wrong_usage():
        text = bound(name, settings or [])
    put(text.encode(), output)


def bound(name: str, settings: list[str]) -> str:
    """The text of a query with the settings in it. Raises FwlensError for a setting that is none."""
    from fwlens import query

    wanted, values = query.find(name), dict[str, query.Value]()
    for setting in settings:
        parameter, equals, text = setting.partition("=")
        if not equals:
            raise FwlensError(f"--set {setting}: a setting is written NAME=VALUE, as in --set slot=15m.")
        values[parameter.strip()] = query.parse(wanted, parameter.strip(), text)
    return query.bind(wanted, values)
