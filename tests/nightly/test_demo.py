"""What `make demo-nightly` runs: three nights on loopback, pulled by the real queries."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_three_nights_show_what_is_new_open_and_resolved_and_the_readme_quotes_them(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.three_nights", str(tmp_path / "nights")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("Needs: ")] == [
        "Needs: 3 new, 0 still open, 0 resolved; 2 rules would allow what is needed.",
        "Needs: 1 new, 2 still open, 1 resolved; 2 rules would allow what is needed.",
        "Needs: 1 new, 1 still open, 2 resolved; 2 rules would allow what is needed.",
    ]
    readme = (ROOT / "README.md").read_text("utf-8")
    quoted = readme[readme.index("$ fwlens nightly --until") :].split("```")[0]
    assert quoted in done.stdout
    days = ["2026-11-21", "2026-11-22", "2026-11-23"]
    assert sorted(one.name for one in (tmp_path / "nights/reports").iterdir()) == days
