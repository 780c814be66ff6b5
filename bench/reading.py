"""Time the whole command against a bare parse and against a query of the same files, in one run; print ratios.

python bench/reading.py [MEGABYTES ...]       256 and 1500 unless told; a ratio above 1.0 says that fwlens was faster
python bench/reading.py many                  a million conversations: seconds and peak only

`simdjson` is what a parser needs that looks at nothing; `duckdb` is the query that a person would write: the nested
records unnested down to their tuples, denied ones folded by conversation with their counts and times, which is what
fwlens has read before it begins to match. Each is a process of its own, started with its files in the file cache, in
turn. `best` and `median` are of the rounds, the ratio is of the medians; `cpu` is the least user and system time, which
says more than a clock does on a machine that others use; `peak` is the largest resident size of the process.
"""

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from generate import write

BIN = Path(sys.executable).parent
DATA = Path(__file__).parent / "data"
ROUNDS = 5

SIMDJSON = """
import sys, pathlib, simdjson
parser = simdjson.Parser()
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    data = path.read_bytes()
    if sys.argv[2] == "blobs":
        parser.parse(data)
    else:
        for line in data.splitlines():
            parser.parse(line)
"""
DUCKDB_BLOBS = """
import sys, duckdb
duckdb.sql(f'''
    with flows as (
        select unnest(r.flowRecords.flows) as f from (
            select unnest(records) as r
            from read_json('{sys.argv[1]}/*.json', maximum_object_size = 100000000)
        )
    ), tuples as (
        select f.aclID as acl, g.rule as rule, string_split(unnest(g.flowTuples), ',') as t
        from (select f, unnest(f.flowGroups) as g from flows)
    )
    select t[2], t[3], t[5], t[6], t[7], rule, acl, count(*), min(t[1]), max(t[1])
    from tuples where t[8] = 'D' group by all
''').fetchall()
"""
DUCKDB_LINES = """
import sys, duckdb
duckdb.sql(f'''
    select p.SourceIp, p.DestinationIp, p.Fqdn, p.DestinationPort, p.Protocol, p.Rule, resourceId,
           count(*), min(time), max(time)
    from (select properties as p, resourceId, time from read_json('{sys.argv[1]}/*.json', format = 'newline_delimited'))
    where p.Action = 'Deny' group by all
''').fetchall()
"""


@dataclass
class Run:
    """One process: seconds by the clock, seconds of computing, peak resident megabytes."""

    seconds: float
    cpu: float
    peak: int


def run(command: list[str]) -> Run:
    """Run one process to its end."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.stderr is not None
    said = child.stderr.read().decode()
    child.stderr.close()
    if child.returncode:
        raise SystemExit(f"{command[:3]} ended with {child.returncode}: {said[-500:]}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024)


def warm(folder: Path) -> None:
    """Have all files in the file cache: systems take them out again within seconds."""
    for path in folder.iterdir():
        path.read_bytes()


def compare(title: str, folder: Path, commands: dict[str, list[str]], rounds: int) -> None:
    """Run all commands in turn, some rounds, and print each against the first."""
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            warm(folder)
            runs[name].append(run(command))
    ours = statistics.median(one.seconds for one in runs["fwlens"])
    print(f"\n{title}")
    for name, mine in runs.items():
        best, median = (pick(one.seconds for one in mine) for pick in (min, statistics.median))
        cpu, peak = min(one.cpu for one in mine), max(one.peak for one in mine)
        print(
            f"  {name:<10} median {median:6.2f} s   best {best:6.2f} s   cpu {cpu:6.2f} s   peak {peak:6,} MB"
            f"   ratio {median / ours:6.2f}",
            flush=True,
        )


def fwlens(*words: str) -> list[str]:
    """The command of an outage, with its answer thrown away."""
    return [str(BIN / "fwlens"), "recommend", *words, "--region", "westeurope", "--format", "json"]


def script(text: str, *words: str) -> list[str]:
    """A small program of another tool."""
    return [sys.executable, "-c", text, *words]


def main() -> None:
    """Everything, smallest first."""
    samples = Path(__file__).parent.parent / "sample_logs"
    if sys.argv[1:] == ["many"]:
        folder = DATA / "many-1000"
        write("many", folder, 1000)
        compare("JSON Lines, 1,000,000 denied conversations", folder, {"fwlens": fwlens(str(folder))}, 3)
        return
    sizes = [int(word) for word in sys.argv[1:]] or [256, 1500]
    small = {"fwlens": fwlens(str(samples / "azfw.jsonl")), "polars": script("import polars")}
    compare("Start-up: a small file, against importing polars (ratio: how little of it is polars)", samples, small, 9)
    for size in sizes:
        rounds = ROUNDS if size < 1000 else 3
        for kind, query in (("blobs", DUCKDB_BLOBS), ("lines", DUCKDB_LINES)):
            folder = DATA / f"{kind}-{size}"
            write(kind, folder, size)
            total = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
            others = {
                "simdjson": script(SIMDJSON, str(folder), kind),
                "duckdb": script(query, str(folder)),
            }
            title = f"{'Flow-log blobs' if kind == 'blobs' else 'JSON Lines'}, {total:,.0f} MB"
            compare(title, folder, {"fwlens": fwlens(str(folder)), **others}, rounds)


if __name__ == "__main__":
    main()
