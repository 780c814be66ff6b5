"""Three nights of a workspace on loopback, for `make demo-nightly`: needs are new, still open, resolved.

`python -m tests.three_nights FOLDER` runs them; stores and reports stay in the folder.
"""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from tests import kusto, night
from tests.loopback import WORKSPACE, Loopback
from tests.night import Entry

ROOT: Final = Path(__file__).parent.parent
DAY: Final = 86_400
UNTIL: Final = ("2026-11-21T03:00", "2026-11-22T03:00", "2026-11-23T03:00")
# Who was blocked from what, and on which of the nights. On the third, compute reaches what it needs for images.
BLOCKED: Final = (
    ("10.20.1.4", "huggingface.co", (0, 1)),
    ("10.20.1.4", "pypi.org", (0, 1, 2)),
    ("10.20.1.5", "files.pythonhosted.org", (0,)),
    ("10.20.1.5", "auth.docker.io", (1,)),
    ("10.20.1.6", "marketplace.visualstudio.com", (2,)),
    ("10.20.1.9", "ads.example", (0, 1, 2)),
)


def entries() -> Iterator[Entry]:
    """Every denial, tried three times, and traffic that was allowed."""
    for number, (source, host, nights) in enumerate(BLOCKED):
        for each in nights:
            for again in range(3):
                yield Entry(each * DAY + 600 * number + 5 * again, source, "", 443, "HTTPS", host)
    for each in range(3):
        for minute in range(40):
            allowed = Entry(each * DAY + 60 * minute, "10.20.1.4", "", 443, "HTTPS", "login.microsoftonline.com")
            yield replace(allowed, action="Allow")


def workspace() -> kusto.Workspace:
    """The tables, whose rows arrive five minutes after they were seen."""
    late = timedelta(minutes=5)
    tables = kusto.tables_of(night.azfw(entry) for entry in entries())
    return kusto.Workspace(
        {
            name: [{**row, kusto.ARRIVED: row["TimeGenerated"] + late} for row in rows]
            for name, rows in tables.items()
        }
    )  # fmt: skip


def main(folder: Path) -> int:
    """Run the nights, then list them. The exit code is that of the first thing that went wrong."""
    server = Loopback({WORKSPACE: workspace()})
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, server.serving(Path(place)) as environment:
        (folder / "fwlens.toml").write_text(
            f'workspace = ["{WORKSPACE}"]\nendpoint = "{server.address}"\nlook_back = "1d"\nwindow = "1d"\n'
            'region = "westeurope"\n'
        )
        for until in UNTIL:
            code = run(["nightly", "--until", until], folder, environment)
            if code not in (0, 3):
                return code
        return run(["runs", "list"], folder, environment)


def run(arguments: Sequence[str], folder: Path, environment: dict[str, str]) -> int:
    """`fwlens` in the folder, as a person would call it; what it is called with is shown."""
    sys.stdout.write(f"\n$ fwlens {shlex.join(arguments)}\n")
    sys.stdout.flush()
    fwlens = [sys.executable, "-c", "from fwlens.cli import main; main()"]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [*fwlens, *arguments], cwd=folder, env={**os.environ, **environment, "PYTHONPATH": path}, check=False
    )
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
