"""Knows the command that keeps the answers of Log Analytics as files, to be read again without it."""

import gzip
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zlib import crc32

import typer

from fwlens.cli.afar import Afar, answers, reading, window
from fwlens.cli.options import Since, Until, WithAllowed
from fwlens.cli.terminal import put, say
from fwlens.errors import FwlensError

if TYPE_CHECKING:
    from fwlens.source.workspace import Answer

Folder = Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="A new or empty folder to write to.")]
Slot = Annotated[str, typer.Option("--slot", help="Conversations are folded within spans of this length.")]


@reading
def pull(
    output: Folder,
    since: Since = None,
    until: Until = None,
    with_allowed: WithAllowed = False,
    slot: Slot = "15m",
    *,
    afar: Afar,
) -> None:
    """Keep what Log Analytics answers as files: `fwlens recommend FOLDER` reads them again, here or elsewhere.

    Example: fwlens pull --workspace 11111111-2222-3333-4444-555555555555 --since 6h -o outage/
    """
    from fwlens.cli.asking import place, span, times

    target = place(afar)
    if target is None:
        raise typer.BadParameter("name a Log Analytics workspace, or a --resource.", param_hint="--workspace")
    begin, end = times(since, until)
    length = span(slot)
    if not afar.explain:
        _ready(output)
    asked = window(begin, end, explained=afar.explain)
    found = answers(target, asked, with_allowed=with_allowed, slot=length, explained=afar.explain)
    kept = [each for each in found if each.rows]
    written: list[Path] = []
    try:
        for each in kept:
            put(gzip.decompress(each.body), output / file_name(each))
            written.append(output / file_name(each))
    except FwlensError:
        for file in written:  # half of a pull would be read as if it were whole
            file.unlink(missing_ok=True)
        raise
    rows = sum(each.rows for each in kept)
    say(f"fwlens: {len(kept)} answers with {rows:,} rows written to {output}.")


def file_name(answer: "Answer") -> str:
    """`<workspace>.firewall-network.20261120T220000Z-20261120T230000Z.json`: each piece of a pull has its own."""
    piece, window = answer.piece, answer.piece.window
    scope = piece.scope.name
    if not piece.scope.is_workspace:
        last = re.sub(r"[^A-Za-z0-9_.-]", "_", scope.rpartition("/")[2])[:60]
        scope = f"{last}-{crc32(scope.casefold().encode()):08x}"
    spans = "-".join(f"{when:%Y%m%dT%H%M%S}Z" for when in (window.seen_from, window.seen_before))
    part = f".part-{piece.part + 1}-of-{piece.parts}" if piece.parts > 1 else ""
    return f"{scope}.{piece.query.name}.{spans}{part}.json"


def _ready(folder: Path) -> None:
    """A folder of its own: what two pulls have both got would count twice."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_empty = not any(folder.iterdir())
    except OSError as error:
        raise FwlensError(f"{folder}: cannot be written to ({error.strerror}). Choose another place with -o.") from None
    if not is_empty:
        raise FwlensError(f"{folder}: is not empty, and what two pulls both hold would count twice. Name a new folder.")
