"""Knows the built-in pages as they were read from their YAML, so that a start need not read it again.

`compiled.json` holds them with a digest of the texts they come from. Where the texts that lie here have another,
because somebody has edited a page, the YAML is read as before. `python -m fwlens.catalog` writes the file again, and a
test asks for that.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from fwlens.catalog.page import File, parse

COMPILED: Final = Path(__file__).with_name("compiled.json")
Texts = tuple[tuple[str, bytes], ...]
"""Pages by the names of their files, in the order of these."""


class _Compiled(msgspec.Struct):
    digest: str
    files: tuple[File, ...]


def texts() -> Texts:
    """The built-in pages as they are written."""
    return tuple((file.name, file.read_bytes()) for file in sorted(COMPILED.parent.glob("*.yaml")))


def compiled(written: Texts) -> bytes:
    """The pages as `COMPILED` holds them."""
    files = tuple(parse(name, text) for name, text in written)
    return msgspec.json.encode(_Compiled(_digest(written), files)) + b"\n"


def pages() -> Iterable[tuple[str, File]]:
    """The built-in pages by the names of their files."""
    written = texts()
    try:
        known = msgspec.json.decode(COMPILED.read_bytes(), type=_Compiled)
        files = known.files if known.digest == _digest(written) else ()
    except (OSError, msgspec.DecodeError):
        files = ()
    for (name, text), file in zip(written, files or [None] * len(written), strict=True):
        yield name, file or parse(name, text)


def _digest(written: Texts) -> str:
    parts = [part for name, text in written for part in (name, hashlib.sha256(text).hexdigest())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
