"""Knows where logs lie: files, folders, globs and standard input; gzip and text encodings; what a container is.

A container is recognised by its first bytes, never by its name.
"""

import contextlib
import glob
import io
import os
import re
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import IO, Final

from fwlens.errors import plain

STDIN: Final = "-"
PEEK: Final = 1 << 16
"""How much of a file is looked at before its container is known."""
_BOM: Final = b"\xef\xbb\xbf"
_GZIP: Final = b"\x1f\x8b"
_CHUNK: Final = 1 << 16
TORN: Final = "the gzip file is cut off or damaged: what follows is lost"
_DOCUMENT: Final = re.compile(rb'\s*\{\s*"(?:records|Records)"\s*:\s*\[')
_ANSWER: Final = re.compile(rb'\s*\{\s*"(?:tables|Tables|error|statistics|render)"\s*:')
_JSON: Final = re.compile(rb"[{\[]|,\s*\{")
_PACKED: Final = (
    (0, b"PK\x03\x04", "a zip archive or an Excel workbook"), (257, b"ustar", "a tar archive"), (0, b"BZh", "bzip2"),
    (0, b"\xfd7zXZ\0", "xz"), (0, b"\x28\xb5\x2f\xfd", "Zstandard"), (0, b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (0, b"Obj\x01", "Avro"),
)  # fmt: skip
_TAGS: Final = re.compile(rb'\s*\{(?=[^\[]{0,2000}"changeNumber"\s*:\s*"?[0-9])(?=[^\[]{0,2000}"cloud"\s*:)')


class Container(Enum):
    """How a file holds its rows."""

    EMPTY = auto()
    PARQUET = auto()
    ARROW = auto()  # the file format of Arrow's IPC
    JSON_LINES = auto()
    DOCUMENT = auto()  # {"records":[…]}, whole
    VALUES = auto()  # arrays, bare and pretty-printed records, cut or partial blobs
    ANSWER = auto()  # Log Analytics REST
    SERVICE_TAGS = auto()
    PACKED = auto()  # an archive, or compressed in another way than by gzip
    TEXT = auto()  # CSV, or no log at all


@dataclass(frozen=True, slots=True)
class Input:
    """A place to read from. `named` inputs were asked for by name, the others were found in a folder.

    `fetch` gives the bytes of a place that is no file of this machine (a blob, an answer of Log Analytics) and raises
    OSError where it cannot; `path` is then the name to show and to cite.
    """

    path: str
    named: bool
    fetch: Callable[[], bytes] | None = field(default=None, compare=False)

    @property
    def label(self) -> str:
        """The path to show and to cite: plain text, whatever bytes the name is made of."""
        text = os.fsencode(self.path).decode("utf-8", "replace")
        return plain(text)


@dataclass(slots=True)
class Content:
    """What was found in a place: its container and its bytes."""

    container: Container
    data: bytes
    torn: str = ""  # why the rest could not be read
    in_place: bool = False


def inputs(paths: Iterable[str]) -> Iterator[Input]:
    """Every file behind the paths, each once, folders walked in sorted order; `-` is standard input.

    Hidden files, pipes and devices in folders are passed over. A path that does not exist, or a folder that is empty or
    may not be read, is an input too: opening it says what is wrong.
    """
    seen = set()
    for path in paths:
        for place in _behind(path):
            real = place.path if place.path == STDIN else os.path.realpath(place.path)
            if real not in seen:
                seen.add(real)
                yield place


def _behind(path: str) -> Iterator[Input]:
    mode = _mode(Path(path))
    if path == STDIN:
        yield Input(path, named=True)
    elif mode is not None and stat.S_ISDIR(mode):
        yield from list(_within(Path(path), frozenset([Path(path).resolve()]))) or [Input(path, named=True)]
    elif mode is None and (matches := sorted({*glob.glob(path, recursive=True)} - {path})):  # noqa: PTH207
        for match in matches:
            yield from _behind(match)
    else:
        yield Input(path, named=True)


def _within(folder: Path, outer: frozenset[Path]) -> Iterator[Input]:
    """The files of a folder and of the folders in it; links are followed, but not in circles."""
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError:
        yield Input(str(folder), named=False)
        return
    for entry in entries:
        mode = _mode(entry)
        if mode is None or stat.S_ISREG(mode):
            yield Input(str(entry), named=False)
        elif stat.S_ISDIR(mode) and entry.resolve() not in outer:
            yield from _within(entry, outer | {entry.resolve()})


def _mode(path: Path) -> int | None:
    """What kind of thing has this name; None where it is missing, forbidden or a broken link."""
    try:
        return path.stat().st_mode
    except (OSError, ValueError):
        return None


def load(place: Input, stdin: IO[bytes] | None) -> Content:
    """The bytes of a place, unzipped, in UTF-8 without a byte-order mark. Raises OSError as `open` does.

    Large JSON Lines and Parquet stay where they are: `data` holds their beginning only and `in_place` says so.
    """
    if place.fetch is not None:
        data = place.fetch()
    elif place.path == STDIN:
        data = stdin.read() if stdin else b""
    else:
        with Path(place.path).open("rb", buffering=0) as file:  # a buffer would mean one more copy of a large file
            head = _head(file)
            if len(head) == PEEK and file.seekable() and place.path == place.label and _stays(head):
                return Content(recognise(head), head, in_place=True)
            data = head + file.readall() if len(head) < PEEK or not file.seekable() else _whole(file)
    torn = ""
    if data.startswith(_GZIP):
        data, torn = _unzipped(data)
    data = _as_utf8(data)
    return Content(recognise(data), data, torn)


def _head(file: io.FileIO) -> bytes:
    """The beginning of a file; a pipe gives it piece by piece."""
    head = b""
    while len(head) < PEEK and (piece := file.read(PEEK - len(head))):
        head += piece
    return head


def _whole(file: io.FileIO) -> bytes:
    file.seek(0)
    return file.readall()


def _stays(head: bytes) -> bool:
    if head.startswith(b"PAR1"):
        return True
    return b"\n" in head and not head.startswith((_GZIP, _BOM)) and recognise(head) is Container.JSON_LINES


def _unzipped(data: bytes) -> tuple[bytes, str]:
    """As much of a gzip file as there is, all its parts, and why it ends early."""
    out, at = io.BytesIO(), 0
    while at < len(data):
        end = _part(data, at, out)
        if end is None:
            return out.getvalue(), TORN
        at = len(data) - len(data[end:].lstrip(b"\0")) if data[end : end + 1] == b"\0" else end
    return out.getvalue(), ""


def _part(data: bytes, at: int, out: io.BytesIO) -> int | None:
    """Unzip one part of a gzip file; where it ends, or None where it is cut off or damaged: all before that is kept."""
    part = zlib.decompressobj(wbits=31)
    while at < len(data) and not part.eof:
        spare, chunk = part.copy(), data[at : at + _CHUNK]
        try:
            out.write(part.decompress(chunk))
        except zlib.error:
            with contextlib.suppress(zlib.error):
                out.writelines(spare.decompress(bytes([byte])) for byte in chunk)
            return None
        at += len(chunk) - len(part.unused_data)
    return at if part.eof else None


def _as_utf8(data: bytes) -> bytes:
    """PowerShell writes UTF-16 with a byte-order mark when output is redirected."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace").encode()
    return data.removeprefix(_BOM)


def recognise(data: bytes) -> Container:
    """The container of a file, from its beginning and, where the first line is longer, from what follows that line."""
    begin = len(data) - len(data.lstrip()) if data[:1].isspace() else 0
    head = data[begin : begin + PEEK]
    if not head:
        return Container.EMPTY
    if head.startswith(b"PAR1"):
        return Container.PARQUET
    if head.startswith(b"ARROW1\0\0"):
        return Container.ARROW
    if packed_as(data):
        return Container.PACKED
    one_a_line = _is_one_a_line(data, begin)
    if not _JSON.match(head):
        return Container.JSON_LINES if one_a_line else Container.TEXT
    if _TAGS.match(head):
        return Container.SERVICE_TAGS
    if _ANSWER.match(head):
        return Container.ANSWER
    if _DOCUMENT.match(head) and not (one_a_line and data.find(b"\n{", begin) > 0):
        return Container.DOCUMENT
    return Container.JSON_LINES if one_a_line and head[:1] != b"," else Container.VALUES


def packed_as(data: bytes) -> str:
    """What a file is packed as that is not unpacked here, empty for nothing."""
    return next((what for at, mark, what in _PACKED if data.startswith(mark, at)), "")


def _is_one_a_line(data: bytes, begin: int) -> bool:
    """Whether whole objects stand one to a line: most lines of the beginning do, however the rest is damaged.

    A single line is no evidence: `{…},{…}` is a blob without its frame.
    """
    end = data.find(b"\n", begin)
    if end < 0:
        return False
    rest = data[end + 1 : end + 1 + PEEK]
    lines = rest.split(b"\n")
    if len(rest) == PEEK:
        lines.pop()  # cut by the peek
    ends = [line.strip() for line in (data[begin : begin + 1] + data[max(begin + 1, end - 16) : end], *lines)]
    ends = [line for line in ends if line]
    whole = sum(line.startswith(b"{") and line.endswith(b"}") and len(line) > 2 for line in ends)
    return whole > 0 and whole * 2 >= len(ends)
