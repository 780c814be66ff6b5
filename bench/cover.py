"""Print rules, proven bound, gap and seconds of the cover: nights as the whole tool sees them, and bare relations.

python bench/cover.py [SEEDS]       5 unless told
"""

import sys
import time
from collections.abc import Iterable
from itertools import product
from random import Random

import polars as pl
from generate import START, skewed

from fwlens.catalog import load
from fwlens.certificate import surpluses
from fwlens.cover import Cell, cover
from fwlens.flow import FLOW
from fwlens.match import match
from fwlens.recommend import recommend

KNOWN = load().requirements
HOSTS = sorted(
    {
        peer.text.replace("*.", "a.")
        for one in KNOWN
        for way in one.ways
        for peer in way.peers
        if one.direction == "outbound" and peer.kind in ("host", "wildcard") and peer.is_concrete
    }
)


def night(seed: int, clients: int, roles: int, missed: float) -> pl.DataFrame:
    """Denied requests of clients in roles: what a role needs is what most of its clients were seen to ask for.

    `missed` is how much of it a client did not ask for that night, which is what makes rules many.
    """
    random = Random(seed)
    kinds = [random.sample(HOSTS, random.randint(3, 15)) for _ in range(roles)]
    asked = set()
    for number in range(clients):
        for _ in range(random.randint(1, 2)):
            wanted = kinds[skewed(random, roles)]
            asked |= {
                (f"10.20.{number // 250}.{number % 250 + 4}", host) for host in wanted if random.random() >= missed
            }
    rows = [
        {
            "first_seen": START, "last_seen": START, "events": 1, "src_ip": source, "dst_fqdn": host, "dst_port": 443,
            "protocol": "https", "direction": "outbound", "action": "Deny", "cause": "no rule",
            "plane": "azure-firewall", "origin": "bench:1",
        }
        for source, host in sorted(asked)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=FLOW, orient="row")


def relation(sources: int, destinations: int, needs: int, seed: int) -> list[Cell]:
    """So many needed pairs, picked at random: far harder than any night, which has roles."""
    every = list(product(range(sources), range(destinations)))
    return [(f"s{i}", f"d{j}", "https/443") for i, j in Random(seed).sample(every, needs)]


def told(title: str, needs: int, rules: int, bound: int, seconds: float) -> None:
    """A line of the table."""
    print(
        f"{title:<46} {needs:>6,} {rules:>6,} {bound:>6,} {(rules - bound) / rules:>7.1%} {seconds:>8.2f} s", flush=True
    )


def covered(title: str, cells: Iterable[Cell]) -> None:
    """The bare cover of a relation."""
    needs = [frozenset({cell}) for cell in cells]
    begin = time.perf_counter()
    found = cover(needs)
    told(title, len(needs), len(found.boxes), found.lower_bound, time.perf_counter() - begin)


def curved(matched: pl.DataFrame) -> None:
    """What fewer rules would open, beside the answer alone."""
    begin = time.perf_counter()
    recommend(matched, KNOWN)
    alone = time.perf_counter() - begin
    begin = time.perf_counter()
    steps = recommend(matched, KNOWN, with_curve=True).curve
    surpluses([step.rules for step in steps], matched, KNOWN)
    times = (time.perf_counter() - begin) / alone
    print(f"the curve of the first such night: {len(steps)} steps, {times:.1f} times as long as the answer alone")


def main() -> None:
    """Nights first, then the relations that have to work within seconds."""
    print(f"{'':<46} {'needs':>6} {'rules':>6} {'bound':>6} {'gap':>7} {'seconds':>10}")
    for clients, roles, missed in ((40, 5, 0.05), (200, 8, 0.0), (200, 8, 0.05), (1000, 12, 0.02)):
        for seed in range(int(sys.argv[1]) if len(sys.argv) > 1 else 5):
            matched = match(night(seed, clients, roles, missed), KNOWN)
            begin = time.perf_counter()
            said = recommend(matched, KNOWN)
            title = f"night {seed}: {clients} clients, {roles} roles, {missed:.0%} missed"
            needs = matched.filter(pl.col("verdict") == "needed").height
            told(title, needs, len(said.rules), said.lower_bound, time.perf_counter() - begin)
    curved(match(night(0, 1000, 12, 0.02), KNOWN))
    covered("60 x 60, one in ten absent", relation(60, 60, 3240, 1))
    covered("60 x 60, half absent", relation(60, 60, 1800, 1))
    covered("60 x 60, all but one each", [(f"s{i}", f"d{j}", "") for i in range(60) for j in range(60) if i != j])
    covered("10,000 of 1,000 x 1,000", relation(1000, 1000, 10_000, 1))
    covered("10,000 of 3,000 x 50", relation(3000, 50, 10_000, 1))


if __name__ == "__main__":
    main()
