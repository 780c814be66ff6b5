"""Knows the terminal: the artefact goes to standard output or a file, everything else to standard error."""

import contextlib
import os
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fwlens.errors import FwlensError

if TYPE_CHECKING:
    from fwlens.source import Flows


class Progress:
    """A bar on stderr, if that is a terminal and the work takes more than a second."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._close: Callable[[], None] = lambda: None
        self._update: Callable[[int, int], None] | None = None

    def __enter__(self) -> Callable[[int, int], None] | None:
        return self._tell if sys.stderr.isatty() else None

    def __exit__(self, *_: object) -> None:
        self._close()

    def _tell(self, done: int, total: int) -> None:
        if self._update is None and time.monotonic() - self._start > 1:
            self._open()
        if self._update is not None:
            self._update(done, total)

    def _open(self) -> None:
        from rich.console import Console
        from rich.progress import Progress

        bar = Progress(console=Console(stderr=True), transient=True)
        task = bar.add_task("reading files")
        bar.start()
        self._close, self._update = bar.stop, lambda done, total: bar.update(task, completed=done, total=total)


class Windows:
    """A bar on stderr for each window of a pull that is not there yet, if that is a terminal."""

    def __init__(self) -> None:
        self._close: Callable[[], None] = lambda: None

    def __enter__(self) -> Callable[[str, float], None] | None:
        if not sys.stderr.isatty():
            return None
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
        from rich.table import Column

        rest = Column(no_wrap=True, overflow="ellipsis", ratio=1)
        columns = BarColumn(16), TimeElapsedColumn(), TextColumn("{task.description}", markup=False, table_column=rest)
        bars = Progress(*columns, console=Console(stderr=True), transient=True, expand=True)
        shown: dict[str, TaskID] = {}

        def watch(window: str, there: float) -> None:
            if window not in shown:
                shown[window] = bars.add_task(window, total=1.0)
            bars.update(shown[window], completed=there, visible=there < 1)

        bars.start()
        self._close = bars.stop
        return watch

    def __exit__(self, *_: object) -> None:
        self._close()


def heed_interrupts() -> None:
    """Have Ctrl-C end a wait at once, also one for a thread. polars takes the signal for itself when it is loaded, and
    what waits is then woken by nothing but what it waits for."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def room(output: Path | None = None, least: int = 1) -> int | None:
    """How wide a table may be: as the terminal is, or as COLUMNS says; a file and a pipe take it whole (None)."""
    if output is not None:
        return None
    said = os.environ.get("COLUMNS", "")
    try:
        width = (int(said) if said.isdecimal() else 0) or os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError, AttributeError):  # no terminal, closed
        return None
    return max(width, least) if width > 0 else None


def put(artefact: bytes | Iterable[bytes], output: Path | None) -> None:
    """The artefact, whole: a file appears under its name only when it is complete. A device or pipe stays what it is,
    a link leads to where it led, and a folder that is missing is made: hours of reading do not end for want of one."""
    pieces = [artefact] if isinstance(artefact, bytes) else artefact
    if output is None:
        _print(pieces)
    else:
        _write([(pieces, output)], "Choose another place with -o.")


def put_all(files: Iterable[tuple[str, Path]]) -> None:
    """Texts that belong together, all of them or none: no file appears under its name before all are complete."""
    _write([([text.encode()], output) for text, output in files], "Choose another place.")


def _write(files: Iterable[tuple[Iterable[bytes], Path]], way_out: str) -> None:
    drafts: dict[Path, Path] = {}
    output = Path()
    try:
        for pieces, output in files:
            place = output.resolve()
            if place.exists() and not place.is_file():
                with place.open("wb") as device:
                    device.writelines(pieces)
                continue
            if not place.parent.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
            draft = place.with_name(f".{place.name}.{os.getpid()}.part")  # that of another run is its own
            draft.unlink(missing_ok=True)  # a killed run may have had this number, in a container most of all
            with draft.open("xb") as file:
                drafts[draft] = place
                with contextlib.suppress(OSError):  # a new file has the rights that any has
                    draft.chmod(stat.S_IMODE(place.stat().st_mode))
                file.writelines(pieces)
        for draft, place in drafts.items():
            draft.replace(place)
    except OSError as error:
        raise FwlensError(f"{output}: cannot be written ({error.strerror}). {way_out}") from None
    finally:
        for draft in drafts:  # whatever ended it: a draft that is left would keep a full disk full
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)


def _print(pieces: Iterable[bytes]) -> None:
    if sys.stdout is None:  # closed before the program began
        raise FwlensError("Standard output is closed. Open it, or name a file with -o.")
    try:
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise FwlensError(f"Standard output cannot be written ({error.strerror}).") from None


def say(text: str) -> None:
    """A line for people; what a log or a server made up cannot move their cursor."""
    if not text.isprintable():
        text = "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)
    sys.stderr.write(f"{text}\n")


def tell(lines: Iterable[str]) -> None:
    """Warnings and faults, a line each."""
    for line in lines:
        say(f"fwlens: {line}")


@contextlib.contextmanager
def wrong_usage() -> Iterator[None]:
    """What is refused within is what somebody wrote on the command line: told in its sentence, with exit code 2."""
    try:
        yield
    except FwlensError as error:
        say(f"fwlens: {error}")
        sys.exit(2)


def leave(read: "Flows", faults: Iterable[str] = (), *, failed: bool = False, check: bool = False) -> None:
    """Say what could not be read, and other faults; a log that was asked for by name and is none makes the whole run
    fail, as they do."""
    every = (*read.faults, *faults)
    tell(every)
    if every or failed:
        sys.exit(1)
    if check:
        sys.exit(3)
