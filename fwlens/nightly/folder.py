"""Knows the folder of a night's results: it appears whole, and the same night gives the same bytes."""

import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from fwlens.errors import FwlensError
from fwlens.store import Run

_DAY: Final = "%Y-%m-%d"
_TIME: Final = "%Y-%m-%dT%H%M"


def folder_of(until: datetime, run: str, runs: tuple[Run, ...]) -> str:
    """What the folder of a run is called: by its day (UTC), and with the time where that day has an earlier run."""
    mine = [one for one in runs if one.run == run and one.folder]
    if mine:
        return mine[0].folder
    day = until.strftime(_DAY)
    taken = {one.folder for one in runs}
    return day if day not in taken else until.strftime(_TIME)


def write(reports: Path, name: str, files: Mapping[str, bytes]) -> None:
    """Write all files, and only then give the folder its name. Raises FwlensError; an older folder then stays."""
    place, draft, old = reports / name, reports / f".{name}.part", reports / f".{name}.old"
    try:
        _settle(place, draft, old)
        for path, content in files.items():
            file = draft / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        if place.exists():
            place.rename(old)
        draft.rename(place)
        _settle(place, draft, old)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise FwlensError(f"{place}: cannot be written ({error.strerror}). Check --reports.") from None


def _settle(place: Path, draft: Path, old: Path) -> None:
    """Put right what an interrupted run has left."""
    if old.exists():
        if place.exists():
            shutil.rmtree(old)
        else:
            old.rename(place)
    if draft.exists():
        shutil.rmtree(draft)


def forget(reports: Path, folders: tuple[str, ...]) -> None:
    """Delete the folders of runs that are too old. One that cannot be deleted stays."""
    for name in folders:
        if name and (reports / name).parent == reports and not name.startswith("."):
            shutil.rmtree(reports / name, ignore_errors=True)
