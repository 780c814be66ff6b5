"""Fold the same logs with and without Spark on this machine; print rows, whether both are equal, seconds and ratio.

python bench/scale.py [MEGABYTES] [--data FOLDER]     1000 unless told

`start` is how long Spark takes to start and to fold a first small log. `local` is the fold in one process, `spark` the
same on `local[CORES]`, flows fetched and the ledger added up; both with their files in the file cache, in turn, three
rounds, the median told. `cpu` is what the process of the local fold computes; MB/s per core is from that. The ratio is
of the medians: above 1.0 says by how much Spark on the same cores is slower. Ends with 1 if anything differs.
"""

import argparse
import os
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from generate import write

from fwlens import source
from fwlens.scale import session
from fwlens.scale import spark as scale

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DATA = Path(__file__).parent / "data"
TITLES = {"lines": "JSON Lines", "blobs": "Flow-log blobs"}


@dataclass
class Compared:
    """Both folds of one folder: what was read, whether they are equal, and seconds."""

    rows: int
    flows: int
    megabytes: float
    equal: bool
    local: float
    cpu: float
    spark: float


def compared(spark: "SparkSession", folder: Path, rounds: int) -> Compared:
    """Fold a folder both ways, some rounds."""
    local, cpu, scaled = [], [], []
    equal = True
    for _ in range(rounds):
        megabytes = sum(len(path.read_bytes()) for path in folder.iterdir()) / 1e6
        start, computed = time.perf_counter(), time.process_time()
        read = source.read([str(folder)])
        local.append(time.perf_counter() - start)
        cpu.append(time.process_time() - computed)
        start = time.perf_counter()
        folded = scale.flows(spark, str(folder))
        rows = scale.fetched(folded)
        scaled.append(time.perf_counter() - start)
        folded.rows.unpersist()
        equal &= rows.equals(read.rows) and folded.ledger == read.ledger and folded.faults == read.faults
    medians = (statistics.median(times) for times in (local, cpu, scaled))
    return Compared(read.ledger.rows_read, read.rows.height, megabytes, equal, *medians)


def main() -> int:
    """Both kinds of logs."""
    words = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    words.add_argument("megabytes", nargs="?", type=int, default=1000)
    words.add_argument("--data", type=Path, default=DATA)
    asked = words.parse_args()
    cores = os.cpu_count() or 1
    start, equal = time.perf_counter(), True
    with session.started(f"local[{cores}]") as spark:
        scale.fetched(scale.flows(spark, str(Path(__file__).parent.parent / "sample_logs")))
        print(
            f"start of Spark {spark.version} with a first small log: {time.perf_counter() - start:.1f} s, {cores} cores"
        )
        for kind, title in TITLES.items():
            folder = asked.data / f"{kind}-{asked.megabytes}"
            write(kind, folder, asked.megabytes)
            found = compared(spark, folder, 3)
            equal &= found.equal
            print(
                f"{title}: {found.megabytes:,.0f} MB, {found.rows:,} rows, {found.flows:,} flows, "
                f"equal: {'yes' if found.equal else 'NO'}\n"
                f"  local {found.local:.2f} s (cpu {found.cpu:.2f} s, {found.megabytes / found.cpu:,.0f} MB/s per core)   "
                f"spark {found.spark:.2f} s ({found.megabytes / found.spark / cores:,.0f} MB/s per core)   "
                f"ratio {found.spark / found.local:.1f}",
                flush=True,
            )
    return 0 if equal else 1


if __name__ == "__main__":
    raise SystemExit(main())
