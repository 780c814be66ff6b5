"""Knows the commands around the nights: what runs there were, and what a configuration says."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fwlens.cli.nightly import CONFIG, Config, settings_of, store_options
from fwlens.cli.options import Form, Format
from fwlens.cli.terminal import put, room, tell
from fwlens.errors import FwlensError, plain

if TYPE_CHECKING:
    from fwlens.store import Run, Store

runs_app = typer.Typer(help="The nights that were run.", no_args_is_help=True, rich_markup_mode=None)
config_app = typer.Typer(help="The configuration of the nights.", no_args_is_help=True, rich_markup_mode=None)

StorePlace = Annotated[str | None, typer.Option("--store", help="The store, if not the one of the configuration.")]


def _store(config: Path, store: str | None, stay: ExitStack) -> "Store":
    """The store of the configuration, or another one; what else the configuration says must be right too."""
    from fwlens.store import Store, is_remote

    settings = settings_of(config, {} if store is None else {"store": store}, whole=False)
    place = Path(settings.store)
    if not is_remote(settings.store) and not place.is_dir():
        missing = "there is no such store. Check --store; the first night makes it."
        raise FwlensError(f"{place}: {'is no store, which is a folder. Check --store.' if place.exists() else missing}")
    return Store(settings.store, store_options(settings, stay))


@runs_app.command("list")
def list_runs(config: Config = CONFIG, store: StorePlace = None, form: Format = Form.TABLE) -> None:
    """Every run, the last one first: how it ended, and which needs were new, still open, resolved or told no longer."""
    import msgspec

    from fwlens.table import clock, columns

    with ExitStack() as stay:
        place = _store(config, store, stay)
        runs = tuple(reversed(place.runs()))
    if form is Form.JSON:
        put(msgspec.json.format(msgspec.json.encode([_said(run) for run in runs]), indent=2) + b"\n", None)
        return
    head = ("run", "state", "exit", "new", "open", "resolved", "unknown", "dropped", "undocumented", "rows", "finished")
    rows = [
        (one.run, one.state, one.exit, one.new, one.open, one.resolved, one.unknown, one.dropped, one.undocumented,
         one.rows_read, clock(one.finished))
        for one in runs
    ]  # fmt: skip
    put((columns(head, rows, None) or f"No runs yet in {place.uri}.\n").encode(), None)


@runs_app.command("show")
def show_run(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run as `fwlens runs list` names it; or `last`.")],
    config: Config = CONFIG,
    store: StorePlace = None,
    form: Format = Form.TABLE,
) -> None:
    """What a run found and what had changed; as JSON with its whole answer."""
    import msgspec

    from fwlens.table import clock, columns

    with ExitStack() as stay:
        there = _store(config, store, stay)
        one = _found(there.runs(), run)
        rules = there.recommendations(one.run)
    if form is Form.JSON:
        whole = {**_said(one), "diff": _raw(one.diff), "answer": _raw(one.answer)}
        put(msgspec.json.format(msgspec.json.encode(whole), indent=2) + b"\n", None)
        return
    lines = [
        f"Run {one.run}: {one.state}, exit {one.exit}, fwlens {one.fwlens}.",
        f"Look-back from {clock(one.since)}, started {clock(one.started)}, finished {clock(one.finished)} UTC.",
        f"{one.rows_read:,} rows read, {one.rows_used:,} used.",
        f"Needs: {one.new} new, {one.open} still open, {one.resolved} resolved, {one.unknown} not known, "
        f"{one.dropped} no longer recommended, {one.undocumented} no longer documented.",
        *(f"Fault: {text}" for text in one.told),
    ]
    rows = [
        (row["rule"], ", ".join(row["needs"]), ", ".join(row["destinations"]), ", ".join(row["services"]))
        for row in rules.iter_rows(named=True)
    ]
    put("\n".join([*map(plain, lines), "", columns(("rule", "needs", "to", "over"), rows, room())]).encode(), None)


def _found(runs: "Sequence[Run]", run: str) -> "Run":
    found = [one for one in runs if run in (one.run, one.folder)] or (list(runs[-1:]) if run == "last" else [])
    if not found:
        known = ", ".join(one.run for one in runs[-5:]) or "none yet"
        raise FwlensError(f"There is no run {run!r} in the store. The last ones: {known}.")
    return found[-1]


def _said(run: "Run") -> dict[str, object]:
    names = ("run", "state", "exit", "until", "since", "started", "finished", "folder", "told", "rows_read",
             "rows_used", "new", "open", "resolved", "unknown", "dropped", "undocumented", "fwlens")  # fmt: skip
    return {name: getattr(run, name) for name in names}


def _raw(text: str) -> object:
    import msgspec

    return msgspec.Raw(text.encode()) if text else None


@config_app.command("check")
def check(config: Config = CONFIG) -> None:
    """Say every mistake of a configuration with its place, or what would be used and where each value comes from."""
    from fwlens.config import read, shown
    from fwlens.table import columns

    settings = settings_of(config, {})
    _, said = read(config, optional=config == CONFIG)
    rows = list(shown(settings, lambda name: config.name if name in said else "default"))
    put(columns(("option", "value", "from"), rows, room()).encode(), None)
    variable = settings.webhook_variable
    is_set = "is set" if os.environ.get(variable) else "is not set"
    tell([f"The webhook's address comes from the environment variable {variable}, which {is_set}."])
