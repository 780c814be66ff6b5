"""The commands past one machine, and how folded flows are kept as a log for a later run."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fwlens.cli.options import Since, Until, WithAllowed
from fwlens.cli.terminal import put, say, tell, wrong_usage
from fwlens.errors import FwlensError

if TYPE_CHECKING:
    import polars as pl

    from fwlens.ledger import Ledger

scale_app = typer.Typer(help="The same fold on many machines; without --master on this one.", no_args_is_help=True)


@scale_app.callback()
def scale() -> None:
    """The same fold on many machines; without --master on this one."""


@scale_app.command("spark")
def spark(
    logs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT", help="Files, folders, globs, or URIs that Spark can open.", show_default=False),
    ],
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="PLACE", help="A Parquet file, or a URI that Spark writes to."),
    ],
    master: Annotated[str, typer.Option("--master", help="Where Spark runs: local[2], spark://…, yarn.")] = "local[*]",
    conf: Annotated[
        list[str] | None, typer.Option("--conf", metavar="NAME=VALUE", help="A setting of Spark (repeatable).")
    ] = None,
    with_allowed: WithAllowed = False,
    since: Since = None,
    until: Until = None,
    slot: Annotated[
        str | None, typer.Option("--slot", help="Fold within slots of this size only (15m, 1h, 1d).")
    ] = None,
) -> None:
    """Fold logs on Apache Spark into flows that every other command reads as a log.

    Example: fwlens scale spark insights-logs/ -o flows.parquet, then: fwlens recommend flows.parquet
    """
    from fwlens.cli import asking
    from fwlens.flow import Span
    from fwlens.scale import listing, session
    from fwlens.scale import spark as scaled

    now = time.time()
    span = Span(*asking.times(since, until), asking.span(slot) if slot else None)
    settings = _settings(conf or [])
    if not listing.is_remote(output) and not Path(output).resolve().parent.is_dir():
        raise FwlensError(f"{output}: there is no such folder. Choose another place with -o.")
    with session.started(master, settings) as running:
        say(f"fwlens: Spark {running.version} runs at {master}; reading.")
        folded = scaled.flows(running, logs, with_allowed=with_allowed, span=span)
        if listing.is_remote(output):
            scaled.write(folded, output)
        else:
            put_flows(scaled.fetched(folded), folded.ledger, folded.faults, Path(output))
    seconds = time.time() - now
    read = folded.ledger
    say(f"fwlens: {read.rows_read:,} rows of {len(read.inputs):,} inputs read in {seconds:,.0f} s, flows in {output}.")
    tell(f"{path}: service tags, no log: pass it on with --service-tags." for path in folded.service_tags)
    tell(folded.faults)
    if folded.faults:
        raise typer.Exit(1)


def put_flows(rows: "pl.DataFrame", ledger: "Ledger", faults: Sequence[str], output: Path | None) -> None:
    """Flows as Parquet, with their ledger beside them where they go to a file."""
    from fwlens import answer
    from fwlens.source import folded

    if output is None and sys.stdout.isatty():
        raise FwlensError("Parquet is nothing for a terminal: name a file with -o flows.parquet.")
    put(answer.flows_to_parquet(rows), output)
    if output is not None and (output.is_file() or not output.exists()):
        put(answer.ledger_to_json(ledger, faults), folded.beside(output))


def _settings(texts: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    for name, equals, _ in pairs:
        with wrong_usage():
            if not name.startswith("spark.") or not equals:
                raise FwlensError(f"{name + equals!r} is no setting of Spark: write spark.NAME=VALUE.")
    return {name: value for name, _, value in pairs}
