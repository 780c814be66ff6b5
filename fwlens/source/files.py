"""Knows where logs lie: files, folders, globs and standard input; gzip and text encodings; what a container is.

A container is recognised by its first bytes, never by its name.
"""

import glob
import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import IO, Final

from fwlens.errors import FwlensError

STDIN: Final = "-"
PEEK: Final = 1 << 16
"""How much of a file is looked at before its container is known."""
_BOM: Final = b"\xef\xbb\xbf"
_GZIP: Final = b"\x1f\x8b"
_DOCUMENT: Final = re.compile(rb'\s*\{\s*"(?:records|Records)"\s*:\s*\[')
_ANSWER: Final = re.compile(rb'\s*\{\s*"(?:tables|Tables|error)"\s*:')
_TAGS: Final = re.compile(rb'\s*\{(?=[^\[]{0,2000}"changeNumber"\s*:\s*"?[0-9])(?=[^\[]{0,2000}"cloud"\s*:)')


class Container(Enum):
    """How a file holds its rows."""

    EMPTY = auto()
    PARQUET = auto()
    JSON_LINES = auto()
    DOCUMENT = auto()  # {"records":[…]}, whole
    VALUES = auto()  # arrays, bare and pretty-printed records, cut or partial blobs
    ANSWER = auto()  # Log Analytics REST
    SERVICE_TAGS = auto()
    TEXT = auto()  # CSV, or no log at all


@dataclass(frozen=True, slots=True)
class Input:
    """A place to read from. `named` inputs were asked for by name, the others were found in a folder."""

    path: str
    named: bool


@dataclass(slots=True)
class Content:
    """What was found in a place: its container and its bytes."""

    container: Container
    data: bytes
    torn: str = ""  # why the rest could not be read
    in_place: bool = False


def inputs(paths: Iterable[str]) -> Iterator[Input]:
    """Every file behind the paths, folders walked in sorted order; `-` is standard input.

    Raises FwlensError for a path that does not exist or a folder without files; hidden files are passed over.
    """
    for path in dict.fromkeys(paths):
        here = Path(path)
        if path == STDIN or here.is_file():
            yield Input(path, named=True)
        elif here.is_dir():
            files = sorted(str(file) for file in here.rglob("*") if file.is_file() and not _is_hidden(file, here))
            if not files:
                raise FwlensError(f"{path}: the folder holds no files. Name a folder or file with exported logs.")
            yield from (Input(file, named=False) for file in files)
        elif matches := sorted(glob.glob(path, recursive=True)):
            yield from inputs(matches)
        else:
            yield Input(path, named=True)


def _is_hidden(file: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(root).parts)


def load(place: Input, stdin: IO[bytes] | None) -> Content:
    """The bytes of a place, unzipped, in UTF-8 without a byte-order mark. Raises OSError as `open` does.

    Large JSON Lines stay where they are: `data` holds their beginning only and `in_place` says so.
    """
    if place.path == STDIN:
        data = stdin.read() if stdin else b""
    else:
        with Path(place.path).open("rb") as file:
            head = file.read(PEEK)
            if len(head) == PEEK and not head.startswith((_GZIP, _BOM)) and recognise(head) is Container.JSON_LINES:
                return Content(Container.JSON_LINES, head, in_place=True)
            file.seek(0)
            data = file.read()
    torn = ""
    if data.startswith(_GZIP):
        data, torn = _unzipped(data)
    data = _as_utf8(data)
    return Content(recognise(data), data, torn)


def _unzipped(data: bytes) -> tuple[bytes, str]:
    """As much of a gzip file as there is, and why it ends early."""
    out = io.BytesIO()
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            while chunk := file.read(1 << 20):
                out.write(chunk)
    except (EOFError, OSError, zlib.error):
        return out.getvalue(), "the gzip file is cut off or damaged: what follows is lost"
    return out.getvalue(), ""


def _as_utf8(data: bytes) -> bytes:
    """PowerShell writes UTF-16 with a byte-order mark when output is redirected."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace").encode()
    return data.removeprefix(_BOM)


def recognise(data: bytes) -> Container:
    """The container of a file, from its beginning (and, where the first line is longer than that, from its end)."""
    head = data[:PEEK].lstrip()
    if not head:
        return Container.TEXT if data.strip() else Container.EMPTY
    if head.startswith(b"PAR1"):
        return Container.PARQUET
    if head[:1] not in b"{[,":
        return Container.TEXT
    if _TAGS.match(head):
        return Container.SERVICE_TAGS
    if _ANSWER.match(head):
        return Container.ANSWER
    one_a_line = _is_one_a_line(data, head)
    if _DOCUMENT.match(head) and not (one_a_line and data.find(b"\n{") > 0):
        return Container.DOCUMENT
    return Container.JSON_LINES if one_a_line else Container.VALUES


def _is_one_a_line(data: bytes, head: bytes) -> bool:
    """Whether whole objects stand one to a line: most lines of the beginning do, however the rest is damaged."""
    if not head.startswith(b"{"):
        return False
    lines = [line.strip() for line in head.split(b"\n")]
    if len(lines) == 1:
        return data[:PEEK] == data and lines[0].endswith(b"}") or _first_line_end(data) == b"}"
    if len(head) == PEEK:
        lines.pop()  # cut by the peek
    lines = [line for line in lines if line]
    whole = sum(line.startswith(b"{") and line.endswith(b"}") and len(line) > 2 for line in lines)
    return whole * 2 >= len(lines)


def _first_line_end(data: bytes) -> bytes:
    end = data.find(b"\n", PEEK)
    return data[: end if end >= 0 else None][-16:].rstrip()[-1:]
