"""A process that has imported everything and runs nights in children of its own, which can be killed at any instant.

What a night waits for between tries passes here a hundred times as fast.
"""

import itertools
import os
import resource
import signal
import sys
import time
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

_context = get_context("forkserver")
_context.set_forkserver_preload(["tests.nightly.child", "tests.nightly.everything"])


def begin(
    arguments: list[str], environment: dict[str, str], folder: Path, most: int | None = None, dies: int | None = None
) -> ForkServerProcess:
    """Begin `fwlens` with these arguments; what it says goes to `said` in the folder. No file grows beyond `most`.

    It dies (as by `kill -9`) before the commit numbered `dies`, from 0, or after that one for `~dies`.
    """
    process = _context.Process(target=_fwlens, args=(arguments, environment, str(folder), most, dies))
    process.start()
    return process


def _fwlens(arguments: list[str], environment: dict[str, str], folder: str, most: int | None, dies: int | None) -> None:
    os.environ.update(environment)
    said = os.open(f"{folder}/said", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(said, 1)
    os.dup2(said, 2)
    sleep = time.sleep

    def hurry(seconds: Any) -> None:
        sleep(seconds / 100)

    time.sleep = hurry
    if most is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
    from fwlens.cli import main
    from fwlens.store import tables

    commits, names = itertools.count(), vars(tables)
    commit = names["write_deltalake"]

    def dying(*given: Any, **named: Any) -> None:
        number = next(commits)
        if dies == number:
            os.kill(os.getpid(), signal.SIGKILL)
        commit(*given, **named)
        if dies == ~number:
            os.kill(os.getpid(), signal.SIGKILL)

    names["write_deltalake"] = dying

    sys.argv = ["fwlens", *arguments]
    main()
