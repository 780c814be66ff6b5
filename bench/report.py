"""How long a night of a million distinct denied conversations takes on its way to a page, and how large it is.

python bench/report.py [COUNT]     the stages' times, the page's size, the peak of memory
"""

import resource
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from playwright.sync_api import sync_playwright

from fwlens import run
from fwlens.flow import FLOW, fold
from fwlens.ledger import Account, Ledger
from fwlens.night import night_of, timeline_of
from fwlens.report import plot_library, render
from fwlens.source import Flows

START = datetime(2026, 11, 20, 20, tzinfo=UTC)
HOSTS = ["pypi.org", "huggingface.co", "repo.anaconda.com", "registry-1.docker.io", "files.pythonhosted.org"]


@contextmanager
def timed(what: str) -> Iterator[None]:
    begin = time.monotonic()
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{what:<22}{time.monotonic() - begin:7.1f} s   peak so far {peak:5.2f} GB")


def crowd(count: int) -> Flows:
    """Conversations of 2,000 machines, one in a hundred documented, each in three quarters of an hour."""
    n = pl.col("n")
    known = n % 100 == 0
    rows = pl.DataFrame({"n": range(count)}).select(
        first_seen=pl.lit(START) + pl.duration(seconds=n % 36_000),
        last_seen=pl.lit(START) + pl.duration(seconds=n % 36_000 + 2_000),
        events=3 + n % 7,
        src_ip=pl.format("10.{}.{}.{}", 20 + n % 2, n // 2 % 10, 4 + n // 20 % 100),
        dst_ip=pl.lit(None, pl.String),
        dst_fqdn=pl.when(known)
        .then((n // 100 % len(HOSTS)).replace_strict(dict(enumerate(HOSTS)), return_dtype=pl.String))
        .otherwise(pl.format("h{}.example.net", n)),
        dst_port=pl.lit(443),
        protocol=pl.lit("https"),
        direction=pl.lit("outbound"),
        action=pl.lit("Deny"),
        cause=pl.lit("no rule"),
        rule=pl.lit(None, pl.String),
        plane=pl.lit("azure-firewall"),
        device=pl.lit("/subscriptions/0/resourcegroups/rg/providers/microsoft.network/azurefirewalls/fw"),
        origin=pl.format("night.jsonl:{}", n),
    )
    flows = rows.cast(FLOW)
    parts = [
        flows.with_columns(slot=(pl.col("first_seen") + pl.duration(minutes=15 * k)).dt.truncate("15m"))
        for k in range(3)
    ]
    slots = fold(pl.concat(parts), "slot")
    ledger = Ledger((Account("night.jsonl", "azfw", 3 * count, 3 * count, 0),), ())
    return Flows(fold(flows), ledger, slots)


def main(count: int) -> None:
    with timed("fold and its slots"):
        flows = crowd(count)
    ask = run.Ask(("night.jsonl",))
    with timed("match"):
        found = run.matched(ask, flows)
    print(f"{found.rows.height:,} conversations, {flows.slots.height:,} rows in slots")
    with timed("timeline"):
        timeline_of(ask, found)
    with timed("answer, timeline, all"):
        night = night_of(ask, found)
    with timed("render"):
        report = render(night)
    size = len(report.page) - len(plot_library().encode())
    print(f"page {size:,} bytes beside the plot library; rules {len(night.answer.recommendations)}")
    with TemporaryDirectory() as folder, timed("write"):
        Path(folder, "night.html").write_bytes(report.page)
        for file in report.beside:
            Path(folder, f"night.{file.ending}").write_bytes(file.content)
            print(f"    beside it: {file.ending}, {len(file.content):,} bytes")
        print(f"in the browser: ready after {ready(Path(folder, 'night.html')):,.0f} ms")


def ready(page: Path) -> float:
    """Milliseconds until the page can be used, in headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        shown = browser.new_page()
        shown.goto(page.as_uri())
        shown.wait_for_function("performance.getEntriesByName('ready').length")
        took = shown.evaluate("performance.getEntriesByName('ready')[0].startTime")
        browser.close()
    return float(took)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_011_000)
