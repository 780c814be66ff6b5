"""Print how many rules of a night are gone after one flow more, anew and near to the answer before (`--keep`).

python bench/stay.py [SEEDS]       2 unless told
"""

import sys
import time
from random import Random

import polars as pl
from cover import KNOWN, night

from fwlens.match import match
from fwlens.recommend import Recommendations, recommend
from fwlens.rule import Rule


def one_more(flows: pl.DataFrame, random: Random) -> pl.DataFrame:
    """The same night, in which some client asks for some host that it did not ask for."""
    asked = set(flows.select("src_ip", "dst_fqdn").iter_rows())
    sources, hosts = (sorted({pair[i] for pair in asked}) for i in (0, 1))
    while (pair := (random.choice(sources), random.choice(hosts))) in asked:
        pass
    return pl.concat([flows, flows.head(1).with_columns(src_ip=pl.lit(pair[0]), dst_fqdn=pl.lit(pair[1]))])


def answered(flows: pl.DataFrame, earlier: list[Rule]) -> tuple[Recommendations, float]:
    """The rules of a night, and the seconds that they took."""
    matched = match(flows, KNOWN)
    begin = time.perf_counter()
    return recommend(matched, KNOWN, earlier=earlier), time.perf_counter() - begin


def main() -> None:
    """A line for each night."""
    print(f"{'':<46} {'rules':>6} {'one more':>9} {'gone':>6} {'gone, kept':>11} {'seconds':>9} {'kept':>9}")
    for clients, roles, missed in ((40, 5, 0.05), (200, 8, 0.05), (1000, 12, 0.02)):
        for seed in range(int(sys.argv[1]) if len(sys.argv) > 1 else 2):
            flows = night(seed, clients, roles, missed)
            before = [one.rule for one in answered(flows, [])[0].rules]
            after = one_more(flows, Random(seed))
            (anew, seconds), (kept, longer) = answered(after, []), answered(after, before)
            gone = [len({*before}.difference(one.rule for one in said.rules)) for said in (anew, kept)]
            title = f"night {seed}: {clients} clients, {roles} roles, {missed:.0%} missed"
            print(
                f"{title:<46} {len(before):>6} {len(kept.rules):>9} {gone[0]:>6} {gone[1]:>11} "
                f"{seconds:>7.1f} s {longer:>7.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
