"""Fold the same logs with and without Spark on this machine; print rows, whether both are equal, seconds and ratio.

python bench/scale.py [MEGABYTES] [--data FOLDER]     1000 unless told

`start` is how long Spark takes to start and to fold a first small log. `local` is the fold in one process, `spark` the
same on `local[CORES]`, flows fetched and the ledger added up; both with their files in the file cache, in turn, three
rounds, the median told. `cpu` is what all processes of a fold computed, which says more than a clock does on a machine
that others use; MB/s per core and the ratio are from that. Ends with 1 if anything differs. Linux only (/proc).
"""

import argparse
import contextlib
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
    local_cpu: float
    spark: float
    spark_cpu: float


def computed() -> float:
    """Seconds that this process and all that it has started have computed."""
    spent: dict[int, tuple[int, int]] = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = place.read_text().rpartition(")")[2].split()
            spent[int(place.parent.name)] = int(fields[1]), sum(map(int, fields[11:15]))
    family = {os.getpid()}
    while more := {one for one, (parent, _) in spent.items() if parent in family} - family:
        family |= more
    return sum(spent[one][1] for one in family if one in spent) / os.sysconf("SC_CLK_TCK")


def compared(spark: "SparkSession", folder: Path, rounds: int) -> Compared:
    """Fold a folder both ways, some rounds."""
    times: list[tuple[float, ...]] = []
    equal = True
    for _ in range(rounds):
        megabytes = sum(len(path.read_bytes()) for path in folder.iterdir()) / 1e6
        start, cpu = time.perf_counter(), computed()
        read = source.read([str(folder)])
        local, local_cpu = time.perf_counter() - start, computed() - cpu
        start, cpu = time.perf_counter(), computed()
        folded = scale.flows(spark, str(folder))
        rows = scale.fetched(folded)
        times.append((local, local_cpu, time.perf_counter() - start, computed() - cpu))
        folded.rows.unpersist()
        equal &= rows.equals(read.rows) and folded.ledger == read.ledger and folded.faults == read.faults
    medians = map(statistics.median, zip(*times, strict=True))
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
            alone, scaled = found.megabytes / found.local_cpu, found.megabytes / found.spark_cpu
            print(
                f"{title}: {found.megabytes:,.0f} MB, {found.rows:,} rows, {found.flows:,} flows, "
                f"equal: {'yes' if found.equal else 'NO'}\n"
                f"  local {found.local:.1f} s, cpu {found.local_cpu:.1f} s ({alone:,.0f} MB/s per core)   "
                f"spark {found.spark:.1f} s, cpu {found.spark_cpu:.1f} s ({scaled:,.0f} MB/s per core)   "
                f"ratio {alone / scaled:.1f}",
                flush=True,
            )
    return 0 if equal else 1


if __name__ == "__main__":
    raise SystemExit(main())
