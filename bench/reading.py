"""Time the whole command against a bare parse and against a query of the same files, in one run; print ratios.

python bench/reading.py [MEGABYTES ...]       256 and 1500 unless told; a ratio above 1.0 says that fwlens was faster

`simdjson` is what a parser needs that looks at nothing; `duckdb` is the query that a person would write: denied
conversations with their counts. Each is a process of its own, the figures are medians of interleaved rounds, `peak` is
the largest resident size of the process, and a warm file cache is made before the first round.
"""

import os
import statistics
import subprocess
import sys
import time
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


def run(command: list[str]) -> tuple[float, int]:
    """Seconds and peak resident megabytes of one process."""
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
    return seconds, usage.ru_maxrss // 1024


def compare(title: str, commands: dict[str, list[str]], rounds: int) -> None:
    """Run all commands in turn, some rounds, and print each against the first."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    peaks = dict.fromkeys(commands, 0)
    for number in range(rounds + 1):
        for name, command in commands.items():
            if number == 0 and name != "fwlens":
                continue  # one round of ours warms the cache for all
            took, peak = run(command)
            peaks[name] = max(peaks[name], peak)
            if number:
                seconds[name].append(took)
    ours = statistics.median(seconds["fwlens"])
    print(f"\n{title}")
    for name, times in seconds.items():
        median = statistics.median(times)
        print(f"  {name:<10} {median:8.2f} s   peak {peaks[name]:6,} MB   ratio {median / ours:6.2f}")


def fwlens(*words: str) -> list[str]:
    """The command of an outage, with its answer thrown away."""
    return [str(BIN / "fwlens"), "recommend", *words, "--region", "westeurope", "--format", "json"]


def script(text: str, *words: str) -> list[str]:
    """A small program of another tool."""
    return [sys.executable, "-c", text, *words]


def main() -> None:
    """Everything, smallest first."""
    sizes = [int(word) for word in sys.argv[1:]] or [256, 1500]
    samples = Path(__file__).parent.parent / "sample_logs"
    small = {"fwlens": fwlens(str(samples / "azfw.jsonl")), "polars": script("import polars")}
    compare("Start-up: a small file, against importing polars (ratio: how little of it is polars)", small, 7)
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
            compare(title, {"fwlens": fwlens(str(folder)), **others}, rounds)


if __name__ == "__main__":
    main()
