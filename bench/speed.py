"""Time the whole command against bare parsers and queries of the same files, in one run; print ratios and what moved.

python bench/speed.py [--quick] [--store] [CASE ...]     all cases but `huge` unless some are named

Cases: start blobs lines parquet traffic legacy many stages huge. `--quick` takes a twentieth of each. A ratio says how
many times as fast fwlens is as the other: above 1.0 it is faster. Each side is a process of its own, started with its
files in the file cache, in turn. `best` and `median` are of the rounds, a ratio is of the medians (`least` is of the
least computing time, user and system, which says more than a clock on a machine that others use); `peak` is the largest
resident size of a process with those that it started.

`simdjson` is what a parser needs that looks at nothing; `duckdb` is the query that a person would write, with the same
result: denied rows folded by conversation with their counts and times, which is what fwlens has read before it begins
to match. `ratios.json` holds the ratios of the last run with `--store`; what is now a sixth slower or faster is told.
Bare seconds are compared with nothing.

`many` is a million denied conversations (seconds and peak only), `stages` the same without reading, each stage in units
of sorting those flows once, with 100,000 prefixes of service tags; `huge` is 10 GB of blobs, for the peak (its files
are links, so that it takes no room).
"""

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

BIN = Path(sys.executable).parent
DATA = Path(__file__).parent / "data"
STORED = Path(__file__).parent / "ratios.json"
ROUNDS = 5
MOVED = 7 / 6
AIMS = {
    "start / polars": 1 / 1.5,
    "blobs / simdjson": 1.0,
    "blobs / duckdb": 25.0,
    "lines / duckdb": 1.0,
    "parquet / duckdb": 1.0,
}

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
DUCKDB_PARQUET = """
import sys, duckdb
duckdb.sql(f'''
    select SourceIp, DestinationIp, DestinationPort, Protocol, RuleCollection, Rule, _ResourceId,
           count(*), min(TimeGenerated), max(TimeGenerated)
    from read_parquet('{sys.argv[1]}/*.parquet') where Action = 'Deny' group by all
''').fetchall()
"""
DUCKDB_TRAFFIC = """
import sys, duckdb
duckdb.sql(f'''
    select SrcIp, DestIp, DestPort, L4Protocol, FlowDirection, AclRule, AclGroup,
           sum(DeniedInFlows + DeniedOutFlows), min(FlowStartTime), max(FlowEndTime)
    from read_csv('{sys.argv[1]}/*.csv') where FlowStatus = 'Denied' group by all
''').fetchall()
"""
DUCKDB_LEGACY = """
import sys, duckdb
duckdb.sql(f'''
    select regexp_extract(properties.msg, '^(\\w+) request from ([0-9.]+):[0-9]+ to ([0-9.]+):([0-9]+)[.] Action: Deny',
                          ['protocol', 'src', 'dst', 'port']) as flow,
           resourceId, count(*), min(time), max(time)
    from read_json('{sys.argv[1]}/*.json', format = 'newline_delimited')
    where properties.msg like '%Action: Deny%' group by all
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
    peaks: dict[str, int] = {}
    ended = threading.Event()
    watch = threading.Thread(target=watched, args=(child.pid, peaks, ended))
    watch.start()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    ended.set()
    watch.join()
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.stderr is not None
    said = child.stderr.read().decode()
    child.stderr.close()
    if child.returncode:
        raise SystemExit(f"{command[:3]} ended with {child.returncode}: {said[-500:]}")
    peaks[str(child.pid)] = usage.ru_maxrss
    return Run(seconds, usage.ru_utime + usage.ru_stime, sum(peaks.values()) // 1024)


def watched(pid: int, peaks: dict[str, int], ended: threading.Event) -> None:
    """Note the largest resident size of each process that a process starts, twenty times a second."""
    while not ended.wait(0.05):
        for listing in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in read(listing).split():
                for line in read(Path(f"/proc/{child}/status")).splitlines():
                    if line.startswith("VmHWM:"):
                        peaks[child] = max(peaks.get(child, 0), int(line.split()[1]))


def read(path: Path) -> str:
    """A text of the system, empty where its process has ended."""
    try:
        return path.read_text()
    except OSError:
        return ""


def write(kind: str, folder: Path, size: int) -> None:
    """Make the files of a case, in a process of its own: what this one holds would count for those that it starts."""
    generate = str(Path(__file__).with_name("generate.py"))
    subprocess.run([sys.executable, generate, kind, str(folder), str(size)], check=True)


def warm(folder: Path) -> None:
    """Have all files in the file cache: systems take them out again within seconds."""
    seen = set()
    for path in folder.iterdir():
        if path.stat().st_ino not in seen:
            seen.add(path.stat().st_ino)
            path.read_bytes()


def compare(title: str, case: str, folder: Path, commands: dict[str, list[str]], rounds: int) -> dict[str, float]:
    """Run all commands in turn, some rounds, and print each against the first; the ratios by their names."""
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            warm(folder)
            runs[name].append(run(command))
    print(f"\n{title}")
    own, found = runs["fwlens"], dict[str, float]()
    for name, mine in runs.items():
        best, median = (pick(one.seconds for one in mine) for pick in (min, statistics.median))
        ratio = median / statistics.median(one.seconds for one in own)
        least = min(one.cpu for one in mine) / min(one.cpu for one in own)
        print(
            f"  {name:<10} median {median:6.2f} s   best {best:6.2f} s   cpu {min(one.cpu for one in mine):6.2f} s"
            f"   peak {max(one.peak for one in mine):6,} MB   ratio {ratio:6.2f}   least {least:6.2f}",
            flush=True,
        )
        if name != "fwlens":
            found[f"{case} / {name}"] = round(ratio, 3)
    return found


def fwlens(*words: str) -> list[str]:
    """The command of an outage, with its answer thrown away."""
    return [str(BIN / "fwlens"), "recommend", *words, "--region", "westeurope", "--format", "json"]


def script(text: str, *words: str) -> list[str]:
    """A small program of another tool."""
    return [sys.executable, "-c", text, *words]


def total(folder: Path) -> str:
    """How large the files of a folder are."""
    return f"{sum(path.stat().st_size for path in folder.iterdir()) / 1e6:,.0f} MB"


def start(_: int) -> dict[str, float]:
    """A log of 100 lines."""
    folder = DATA / "start"
    folder.mkdir(parents=True, exist_ok=True)
    lines = (Path(__file__).parent.parent / "sample_logs" / "azfw.jsonl").read_text("utf-8").splitlines()[:100]
    (folder / "100.jsonl").write_text("\n".join(lines) + "\n")
    commands = {"fwlens": fwlens(str(folder)), "polars": script("import polars")}
    found = compare("Start-up: 100 lines", "start", folder, commands, 15)
    print(f"  which is {1 / found['start / polars']:.2f} times as long as importing polars")
    return found


def blobs(share: int) -> dict[str, float]:
    """Raw flow logs, small and large."""
    found: dict[str, float] = {}
    for size in sorted({256, max(256, 2000 // share)}):
        folder = DATA / f"blobs-{size}"
        write("blobs", folder, size)
        others = {
            "simdjson": script(SIMDJSON, str(folder), "blobs"),
            "duckdb": script(DUCKDB_BLOBS, str(folder)),
        }
        case = "blobs" if size == 2000 else f"blobs of {size} MB"
        title = f"Flow-log blobs, {total(folder)}"
        found |= compare(title, case, folder, {"fwlens": fwlens(str(folder)), **others}, ROUNDS if size < 1000 else 3)
    return found


def against_duckdb(kind: str, title: str, query: str, size: int, share: int, rounds: int = ROUNDS) -> dict[str, float]:
    """One kind of file against a query."""
    folder = DATA / f"{kind}-{size // share}"
    write(kind, folder, size // share)
    commands = {"fwlens": fwlens(str(folder)), "duckdb": script(query, str(folder))}
    return compare(f"{title}, {total(folder)}", kind, folder, commands, rounds)


def lines(share: int) -> dict[str, float]:
    """Azure Firewall's tables as JSON Lines."""
    return against_duckdb("lines", "JSON Lines of AZFW tables", DUCKDB_LINES, 1000, share)


def traffic(share: int) -> dict[str, float]:
    """Traffic Analytics, as the portal exports it."""
    return against_duckdb("traffic", "NTANetAnalytics as CSV", DUCKDB_TRAFFIC, 500, share)


def legacy(share: int) -> dict[str, float]:
    """Azure Firewall's older logs, whose rows are sentences."""
    return against_duckdb("legacy", "AzureDiagnostics: sentences", DUCKDB_LEGACY, 500, share)


def parquet(share: int) -> dict[str, float]:
    """Rows of AZFWNetworkRule, in files of a million: four of them, and links to these."""
    folder = DATA / f"parquet-{100 // share}"
    write("parquet", folder, 100 // share)
    commands = {"fwlens": fwlens(str(folder)), "duckdb": script(DUCKDB_PARQUET, str(folder))}
    title = f"Parquet, {100 // share} million rows, {total(folder)}"
    return compare(title, "parquet", folder, commands, 3)


def many(share: int) -> dict[str, float]:
    """A million conversations."""
    folder = DATA / f"many-{1000 // share}"
    write("many", folder, 1000 // share)
    title = f"JSON Lines, {1000 // share},000 denied conversations"
    return compare(title, "many", folder, {"fwlens": fwlens(str(folder))}, 1)


def stages(share: int) -> dict[str, float]:
    """Matching and recommending without reading, in a process of its own."""
    print("\nStages behind reading")
    command = [sys.executable, str(Path(__file__).with_name("stages.py")), str(1_000_000 // share)]
    told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    print(told, end="", flush=True)
    return {f"stages / {name}": float(units) for name, units in (line.split()[:2] for line in told.splitlines()[1:])}


def huge(share: int) -> dict[str, float]:
    """Ten gigabytes, once."""
    folder = DATA / f"huge-{10_000 // share}"
    write("huge", folder, 10_000 // share)
    commands = {"fwlens": fwlens(str(folder)), "simdjson": script(SIMDJSON, str(folder), "blobs")}
    return compare(f"Flow-log blobs, {total(folder)}", "huge", folder, commands, 1)


CASES: dict[str, Callable[[int], dict[str, float]]] = {
    "start": start, "blobs": blobs, "lines": lines, "parquet": parquet, "traffic": traffic, "legacy": legacy,
    "many": many, "stages": stages, "huge": huge,
}  # fmt: skip


def told(found: dict[str, float], stored: dict[str, float]) -> None:
    """Every ratio with its aim, and what the last stored run said."""
    print(f"\n{'':<28} {'ratio':>8} {'aim':>8} {'stored':>8}")
    for name, ratio in found.items():
        aim, last = AIMS.get(name), stored.get(name)
        falls = "   falls short" if aim and ratio < aim else ""
        # of stages less is better, of all others more
        gain = 0.0 if not last or not ratio else last / ratio if name.startswith("stages") else ratio / last
        moved = "   faster than stored" if gain > MOVED else "   SLOWER than stored" if 0 < gain < 1 / MOVED else ""
        print(f"{name:<28} {ratio:>8.2f} {aim or 0:>8.2f} {last or 0:>8.2f}{falls}{moved}")


def main() -> None:
    """The cases that are named, or all but the largest."""
    words = sys.argv[1:]
    quick, store = "--quick" in words, "--store" in words
    names = [word for word in words if not word.startswith("-")] or [name for name in CASES if name != "huge"]
    stored = json.loads(STORED.read_text()) if STORED.exists() and not quick else {}
    found: dict[str, float] = {}
    for name in names:
        found |= CASES[name](20 if quick else 1)
    told(found, stored)
    if store:
        STORED.write_text(json.dumps({**stored, **found}, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
