"""The command line: the only place that prints, exits, reads the clock or the environment.

stdout holds the artefact and nothing else; words, progress and warnings go to stderr. Exit codes: 0 done, 1 could not
do it, 2 wrong usage, 3 only with --check: there is something to allow.
"""

import atexit
import contextlib
import gc
import os
import sys
from collections.abc import Sequence

from fwlens.cli.quick import quick
from fwlens.cli.terminal import say
from fwlens.errors import FwlensError


def main() -> None:
    """Run the command line, and end the process without taking itself apart.

    Nothing is open any more by then. Taking 100,000 objects apart takes as long as reading a small log, and threads of
    libraries in C++ may abort the process while it does ("terminate called"): a good night would seem to have failed.
    """
    code: object = 0
    try:
        _run()
    except SystemExit as end:
        code = end.code or 0
    atexit._run_exitfuncs()  # what libraries want done at the end
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, full, or its reader is gone
            stream.flush()
    os._exit(code if isinstance(code, int) else 1)


def _run() -> None:
    """Every fault that a user can mend is one sentence on stderr and exit code 1 (2: see `wrong_usage`)."""
    # Imports make 100,000 objects that all live on: looking through them for garbage takes a sixth of the start-up.
    gc.set_threshold(200_000, 50, 50)
    # polars' allocator keeps what was freed for seconds, unless it is told before it is loaded (https://jemalloc.net).
    os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:20,muzzy_decay_ms:0")
    if sys.stderr is None:  # closed before the program began, as a schedule may: the artefact is wanted still
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    try:
        _refuse_empty(sys.argv[1:])
        quick(sys.argv[1:])
        from fwlens.cli.commands import app

        app()
    except FwlensError as error:
        say(f"fwlens: {error}")
        sys.exit(1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader went away: nothing more to say
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if os.environ.get("FWLENS_TRACEBACK"):
            raise
        say(f"fwlens: a fault in fwlens itself ({type(error).__name__}: {' '.join(str(error).split())[:200]}).")
        say("Please report it with what FWLENS_TRACEBACK=1 in the environment then prints.")
        sys.exit(1)


def _refuse_empty(line: Sequence[str]) -> None:
    """An empty word is wrong usage. It is what a variable of a script leaves that is not set, and would mean every
    region, all of the time, or the folder one stands in."""
    for before, word in zip(("fwlens", *line), line, strict=False):
        option, equals, value = word.partition("=")
        asked, given = (option, value) if equals and word.startswith("-") else (before, word)
        if not given.strip():
            say(f"fwlens: what follows {asked} is empty: write what is meant, or leave it out.")
            sys.exit(2)
