"""Knows what a second process (`twin`) does with a blob, and how its findings go from there to here."""

import ctypes
import gc
import signal
from contextlib import suppress
from typing import Final

import msgspec

from fwlens.source import files, flowlog, skim
from fwlens.source.files import Container, Input
from fwlens.source.flowlog import Tuples
from fwlens.twin import receive, send

_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_TEXTS = list[tuple[str | None, str | None, int, bytes]]
_FOUND: Final = msgspec.msgpack.Decoder(tuple[_TEXTS, int, int, int, int])


def flow_log(data: bytes, *, with_allowed: bool) -> Tuples | None:
    """The tuples of a whole flow log, None for anything else."""
    tuples = skim.skim(data, with_allowed=with_allowed)
    if tuples is None and (records_of := flowlog.decode_blob(data)) is not None:
        return flowlog.gather([(records_of, data, 1)], with_allowed=with_allowed)
    return tuples


def packed(tuples: Tuples) -> bytes:
    """Findings as bytes. Texts of one rule and line are joined, which makes thousands of them a few."""
    alike: dict[tuple[str | None, str | None, int], list[bytes]] = {}
    for acl, rule, line, text in tuples.texts:
        alike.setdefault((acl, rule, line), []).append(text)
    texts = [(*key, b'","'.join(some)) for key, some in alike.items()]
    return msgspec.msgpack.encode((texts, tuples.size, tuples.rows, tuples.allowed, tuples.allowed_line))


def unpacked(found: bytes) -> Tuples:
    """The same findings again."""
    return Tuples(*_FOUND.decode(found))


def serve() -> None:
    """Look through files by name until the pipe ends. What is no plain flow log, or cannot be read, is left alone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process decides
    gc.disable()  # nothing here makes circles
    _keep_memory()
    with open(0, "rb") as asked, open(1, "wb") as told:
        while (question := receive(asked)) is not None:
            send(told, _looked_through(question))


def _keep_memory() -> None:
    """Have the C library keep what is freed for the next blob (https://man7.org/linux/man-pages/man3/mallopt.3.html).

    Else the system clears every page of it again, which takes longer than reading.
    """
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, 1 << 28)
        library.mallopt(_TRIM_THRESHOLD, 1 << 29)


def _looked_through(question: bytes) -> bytes:
    path = question[1:].decode("utf-8", "surrogateescape")
    try:
        content = files.load(Input(path, named=True), None)
    except OSError:
        return b""
    if content.torn or content.container not in (Container.DOCUMENT, Container.VALUES):
        return b""
    tuples = flow_log(content.data, with_allowed=bool(question[0]))
    return b"" if tuples is None else packed(tuples)
