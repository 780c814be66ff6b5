"""Knows how to have a second process look through large flow-log blobs, at the same time as this one does.

Most of the work on a blob holds Python's lock, so a second thread would wait for the first. The second process gets the
names of files over a pipe and gives back what `source.second` finds in them. It is an offer: where it is not there,
busy, gone or does not know a file, the file is read here. It ends when its pipe does.
"""

import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import IO, Final

ENOUGH: Final = 400_000_000
"""So many bytes of blobs take longer than a second process needs to start."""
_SIZE: Final = struct.Struct("<Q")
_HEAD: Final = 64
_FOLDERS: Final = 2_000
# Without -P the folder that one works in, where logs lie, would come first among the places of modules.
_PROGRAM: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from fwlens.source.second import serve; serve()"
)


def send(pipe: IO[bytes], message: bytes) -> None:
    """Write one message. Raises OSError where nobody reads any more."""
    pipe.write(_SIZE.pack(len(message)) + message)
    pipe.flush()


def receive(pipe: IO[bytes]) -> bytes | None:
    """Read one message; None where the pipe has ended."""
    size = pipe.read(_SIZE.size)
    if len(size) < _SIZE.size:
        return None
    message = pipe.read(_SIZE.unpack(size)[0])
    return message if len(message) == _SIZE.unpack(size)[0] else None


class Twin:
    """The second process, asked by one thread at a time."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._free = Lock()

    def ask(self, path: str, *, with_allowed: bool) -> bytes | None:
        """What the second process finds in a file, as `source.second` writes it; None where it has no time for it, or
        does not know it."""
        if not self._free.acquire(blocking=False):
            return None
        pipes = self._process.stdin, self._process.stdout
        try:
            assert pipes[0] is not None
            assert pipes[1] is not None
            send(pipes[0], bytes([with_allowed]) + os.fsencode(path))
            answer = receive(pipes[1])
        except (OSError, ValueError):
            answer = None
        else:
            if answer is not None:
                self._free.release()
                return answer or None
        return None  # it is gone, and stays taken

    def close(self) -> None:
        """Let it go, whatever it is doing; once is as good as twice."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


@contextmanager
def beside(paths: Iterable[str]) -> Iterator[Twin | None]:
    """A second process for as long as the block lasts, where files and folders hold enough blobs and there are two
    processors; else None."""
    twin = _launched() if _cores() > 1 and _is_enough(paths) else None
    try:
        yield twin
    finally:
        if twin:
            twin.close()


def _launched() -> Twin | None:
    if not sys.executable:
        return None
    command = [sys.executable, "-P", "-c", _PROGRAM, json.dumps(sys.path)]
    with suppress(OSError):
        return Twin(
            subprocess.Popen(  # noqa: S603 - this very program
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        )
    return None


def _cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _is_enough(paths: Iterable[str]) -> bool:
    """Whether the files behind the paths that begin like a blob are large enough together. Globs stay closed."""
    total = folders = 0
    left = [Path(path) for path in paths]
    while left and folders < _FOLDERS:
        place = left.pop()
        with suppress(OSError, ValueError):
            if place.is_dir():
                folders += 1
                left += place.iterdir()
            elif place.is_file():
                total += _size_of_blob(place)
        if total >= ENOUGH:
            return True
    return False


def _size_of_blob(place: Path) -> int:
    with place.open("rb") as file:
        begins = file.read(_HEAD).lstrip().startswith((b'{"records"', b"\x1f\x8b"))
        return os.fstat(file.fileno()).st_size if begins else 0
