"""How long matching and recommending take for so many distinct flows, by stage, in units of sorting these flows once.

python bench/stages.py [COUNT]     a million unless told; prints the stage, its units, its seconds and the peak so far

Half of the flows are seen by name and half by address, in 100,000 prefixes of service tags; one in a hundred is
documented.
"""

import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import polars as pl
from report import crowd

from fwlens import run
from fwlens.answer import answer, json_of
from fwlens.certificate import certify
from fwlens.match import match, near
from fwlens.proof import Asked
from fwlens.recommend import recommend
from fwlens.tags import ServiceTags, parse

PREFIXES = 100_000
TAGS = ["AzureActiveDirectory", "AzureMonitor", "BatchNodeManagement.WestEurope", "Storage.WestEurope", "AzureCloud"]


def tags() -> ServiceTags:
    """A file of service tags with as many prefixes as Microsoft's."""
    random = Random(1)
    share = PREFIXES // len(TAGS)
    values = []
    for name in TAGS:
        numbers = [(random.randint(13, 52), random.randint(0, 255), random.randint(0, 255)) for _ in range(share)]
        prefixes = [f"{a}.{b}.{c}.0/28" for a, b, c in numbers]
        values.append({"name": name, "properties": {"addressPrefixes": prefixes}})
    return parse(json.dumps({"changeNumber": 1, "cloud": "Public", "values": values}).encode(), "tags")


@contextmanager
def timed(name: str, unit: float) -> Iterator[None]:
    """Print what a block took."""
    begin = time.perf_counter()
    yield
    took = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"  {name:<12} {took / unit:8.2f} {took:8.2f} s   peak so far {peak:6,} MB", flush=True)


def main(count: int) -> None:
    """Every stage once."""
    known, ask = run.catalog_of(run.Ask(())), run.Ask((), region="westeurope")
    flows = crowd(count)
    n = pl.int_range(pl.len())
    address = pl.format("{}.{}.{}.{}", 13 + n % 40, n // 40 % 256, n // 10_240 % 256, n // 7 % 256)
    by_address = n % 2 == 1
    rows = flows.rows.with_columns(
        dst_ip=pl.when(by_address).then(address),
        dst_fqdn=pl.when(~by_address).then("dst_fqdn"),
        protocol=pl.when(by_address).then(pl.lit("tcp")).otherwise("protocol"),
    )
    every = tags()
    begin = time.perf_counter()
    rows.sort(rows.columns)
    unit = time.perf_counter() - begin
    print(f"  {'':<12} {'units':>8} {'seconds':>9}   (sorting {rows.height:,} flows is one unit)")
    with timed("match", unit):
        found = match(rows, known.requirements, tags=every, choice=ask.choice)
    with timed("recommend", unit):
        said = recommend(found, known.requirements, tags=every, options=ask.options)
    with timed("certify", unit):
        proof = certify(
            [one.rule for one in said.rules],
            found,
            known.requirements,
            tags=every,
            asked=Asked(None, ask.options.region, (), False, None),
            handed_back=said.unsaid,
            lower_bound=said.lower_bound,
        )
    with timed("near", unit):
        strange = near(
            found.filter(pl.col("verdict") == "unexplained"), known.requirements, tags=every, choice=ask.choice
        )
    with timed("answer", unit):
        told = answer(
            found, strange, said.rules, said.unsaid, ledger=flows.ledger, notes=known.notes, service_tags=1,
            certificate=proof, asked=ask.asked, with_allowed=False,
        )  # fmt: skip
    with timed("json", unit):
        sum(map(len, json_of(told)))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
