"""Knows that one run at a time may write to a store, and who it is.

The lock is the operating system's (`flock`): it ends with the process that holds it, however that ends. A store that
lies elsewhere has no such lock. There two runs may do the same work, and Delta lets only one of them commit each part.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from fwlens.errors import FwlensError

NAME: Final = ".fwlens.lock"


class Lock(msgspec.Struct, frozen=True):
    """Who holds a store: a process of this machine, and since when (UTC)."""

    pid: int
    since: datetime


@contextlib.contextmanager
def hold(folder: Path, now: datetime) -> Iterator[None]:
    """Hold the store of a folder, which is made where it is missing.

    Raises FwlensError that names the holder where another run is at work, or what keeps the lock from being written.
    """
    place = folder / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(place, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise FwlensError(f"{folder}: the store cannot be opened ({error.strerror}). Check --store.") from None
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FwlensError(f"{folder}: {_holder(file)} is at work on this store. Wait until it is done.") from None
        except OSError as error:  # some network file systems have no locks
            raise FwlensError(
                f"{place}: cannot be locked ({error.strerror}). Keep the store on another disk."
            ) from None
        with contextlib.suppress(OSError):  # a full disk: the lock holds without a name
            os.ftruncate(file, 0)
            os.pwrite(file, msgspec.json.encode(Lock(os.getpid(), now)), 0)
        yield
    finally:
        os.close(file)


def _holder(file: int) -> str:
    try:
        lock = msgspec.json.decode(os.pread(file, 1000, 0), type=Lock)
    except (msgspec.DecodeError, OSError):
        return "another run"
    return f"another run (process {lock.pid}, since {lock.since:%Y-%m-%d %H:%M} UTC)"
