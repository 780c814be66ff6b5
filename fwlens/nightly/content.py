"""Knows a file by what it holds, uncompressed: so that one that was compressed, moved to another disk, or grew on its
way to another name is the same file."""

import gzip
import hashlib
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

_GZIP: Final = b"\x1f\x8b"
_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds, and how it begins: each as its length in bytes and its digest. Empty where nobody can tell."""

    whole: str = ""
    begins: frozenset[str] = frozenset()


def content_of(path: str, others: Iterable[str]) -> Content:
    """The content of a file, with those of `others` (contents of files, as a whole) that it begins with."""
    wanted = sorted({int(other.partition(":")[0]) for other in others})
    try:
        with Path(path).open("rb") as raw:
            is_gzip = raw.read(len(_GZIP)) == _GZIP
            raw.seek(0)
            if not is_gzip:
                return _read(raw, wanted)
            with gzip.open(raw) as file:
                return _read(file, wanted)
    except (OSError, EOFError, ValueError, zlib.error):  # gone, torn, or no place to come back to
        return Content()


def _read(file: IO[bytes] | gzip.GzipFile, lengths: list[int]) -> Content:
    digest, done, begins = hashlib.sha256(), 0, set[str]()
    for length in [*lengths, 0]:
        while piece := file.read(min(_PIECE, length - done) if length else _PIECE):
            digest.update(piece)
            done += len(piece)
        if done == length:
            begins.add(f"{done}:{digest.hexdigest()}")
    return Content(f"{done}:{digest.hexdigest()}" if done else "", frozenset(begins))
