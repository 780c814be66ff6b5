"""Knows the command that puts one query to Log Analytics and shows what comes back."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from fwlens.cli.afar import DAY, Afar, answers, reading, window
from fwlens.cli.options import Form, Format, Output, Since, Until
from fwlens.cli.terminal import put, room, wrong_usage
from fwlens.errors import FwlensError

if TYPE_CHECKING:
    from fwlens.query import Value
    from fwlens.source.workspace import Answer

WIDTH: Final = 160
_SHORT: Final = {
    "NewestArrival": "Arrived",
    "LateSecondsHalf": "Late s 50%",
    "LateSeconds95": "95%",
    "LateSeconds99": "99%",
    "LateSecondsMost": "100%",
}
"""Names of columns that would leave no room for what stands in them."""
_PULLED: Final = {"part", "parts"}

Name = Annotated[str, typer.Argument(metavar="NAME", help="A query, as `query list` shows it.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A value for a parameter, e.g. slot=15m (repeatable)."),
]


@reading
def query_run(
    name: Name,
    since: Since = None,
    until: Until = None,
    settings: Settings = None,
    form: Format = Form.TABLE,
    output: Output = None,
    *,
    afar: Afar,
) -> None:
    """Put one query to Log Analytics: a table of the answer, or the answer as it came.

    Example: fwlens query run health --workspace 11111111-2222-3333-4444-555555555555
    """
    from fwlens import query, table
    from fwlens.cli.asking import place, times

    target, wanted = place(afar), query.find(name)
    if target is None:
        raise typer.BadParameter("name a Log Analytics workspace, or a --resource.", param_hint="--workspace")
    values: dict[str, Value] = {}
    for setting in settings or []:
        parameter, equals, text = setting.partition("=")
        with wrong_usage():
            if not equals or parameter.strip() in _PULLED:
                raise FwlensError(
                    f"--set {setting}: write NAME=VALUE; part and parts are set as large answers need it."
                )
            values[parameter.strip()] = query.parse(wanted, parameter.strip(), text)
    slot, allowed = values.pop("slot", DAY), values.pop("withAllowed", False)
    begin, end = times(since, until)
    seen = window(_moment(values, "seenFrom", begin), _moment(values, "seenBefore", end), explained=afar.explain)
    arrived = {
        "arrived_from": _moment(values, "arrivedFrom", seen.arrived_from) or seen.arrived_from,
        "arrived_before": _moment(values, "arrivedBefore", seen.arrived_before) or seen.arrived_before,
    }
    found = answers(
        target,
        replace(seen, **arrived),
        with_allowed=allowed is True,
        slot=slot if isinstance(slot, timedelta) else DAY,
        explained=afar.explain,
        queries=(replace(wanted, text=query.bind(wanted, values)),),
    )
    if form is Form.JSON:
        put(as_sent(found), output)
        return
    header, rows = as_table(found)
    put(table.columns(header, rows, room(output, WIDTH)).encode() or b"No rows.\n", output)


def _moment(values: "dict[str, Value]", name: str, otherwise: datetime | None) -> datetime | None:
    """A time that --set gives, else the one of --since or --until."""
    given = values.pop(name, None)
    return given if isinstance(given, datetime) else otherwise


def as_sent(found: "Sequence[Answer]") -> bytes:
    """The answer as the service sent it; several of them as one, row after row."""
    if len(found) == 1:
        return gzip.decompress(found[0].body)
    tables: list[dict[str, Any]] = []
    for each in found:
        more = json.loads(gzip.decompress(each.body))["tables"]
        if not tables:
            tables = more
        else:
            tables[0]["rows"] += more[0]["rows"]
    return f"{json.dumps({'tables': tables})}\n".encode()


def as_table(found: "Sequence[Answer]") -> tuple[list[str], list[list[object]]]:
    """A header and rows, times to the minute; which workspace a row is of, where there are several."""
    header: list[str] = []
    rows: list[list[object]] = []
    several = len({each.piece.scope for each in found}) > 1
    for each in found:
        for one in json.loads(gzip.decompress(each.body))["tables"][:1]:
            kinds = [str(column["type"]) for column in one["columns"]]
            header = [
                *(["workspace"] if several else []),
                *(_SHORT.get(column["name"], column["name"]) for column in one["columns"]),
            ]
            for row in one["rows"]:
                cells = [_cell(value, kind) for value, kind in zip(row, kinds, strict=True)]
                rows.append([each.piece.scope.name, *cells] if several else cells)
    return header, rows


def _cell(value: object, kind: str) -> object:
    if kind == "datetime" and isinstance(value, str):
        return value[:16].replace("T", " ")
    if isinstance(value, float):
        return f"{value:,.0f}"
    return "" if value is None else value
