"""Knows which rule fixes which need of which machine: the paths of the flow chart, bounded and adding up."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from ipaddress import ip_network
from typing import Final

import polars as pl

from fwlens import address
from fwlens.answer import destination
from fwlens.errors import FwlensError
from fwlens.report.content import Night
from fwlens.report.sheets import near_side, over
from fwlens.rule import Endpoint, Recommendation, Rule, Service

NO_RULE: Final = "in no rule"
NOT_TOLD: Final = "rules, not told apart"
_MOST: Final = 12
_ENDS: Final = ("src_ip", "goal", "service")

_Allowing = Callable[[Rule, pl.DataFrame], pl.Series]


@dataclass(frozen=True, slots=True)
class Path:
    """So many blocked flows of a machine, for a need, fixed by a rule (its id, `NO_RULE` or `NOT_TOLD`)."""

    machine: str
    need: str
    rule: str
    flows: int


@dataclass(frozen=True, slots=True)
class Paths:
    """The paths, with machines, needs and rules beyond the most frequent taken together; how many of each there are."""

    paths: tuple[Path, ...]
    machines: int
    needs: int
    rules: int

    @property
    def flows(self) -> int:
        """All needed flows: each is in one path."""
        return sum(path.flows for path in self.paths)


def paths(night: Night) -> Paths:
    """Every needed flow by machine, need and rule. Where two rules allow one it counts with the first."""
    needed = night.matched.filter(pl.col("verdict") == "needed").select(
        "src_ip", "requirement", "by", machine=near_side(), goal=destination(), service=over(),
        plane=pl.col("plane").cast(pl.String),
    )  # fmt: skip
    unsaid = [(one.flow.src_ip, one.flow.destination, one.flow.service) for one in night.answer.unsaid]
    handed_back = pl.DataFrame(unsaid, dict.fromkeys(_ENDS, pl.String), orient="row")
    groups = needed.group_by(needed.columns).agg(flows=pl.len())
    parts = [
        groups.join(handed_back, on=_ENDS, how="semi").with_columns(rule=pl.lit(NO_RULE)),
        *_told(groups.join(handed_back, on=_ENDS, how="anti"), night.answer.recommendations),
    ]
    key = ("machine", "requirement", "rule")
    summed = pl.concat(part.select(*key, "flows") for part in parts).group_by(key).agg(pl.col("flows").sum())
    found = {(machine, need, rule): flows for machine, need, rule, flows in summed.iter_rows()}
    return _bounded(found, len(night.answer.recommendations))


def _told(groups: pl.DataFrame, recommendations: Iterable[Recommendation]) -> Iterator[pl.DataFrame]:
    """Flows with their rule: the only one that cites their need, else the first that allows them."""
    citing = defaultdict[str, list[Rule]](list)
    for one in recommendations:
        for citation in one.citations:
            citing[citation.id].append(one.rule)
    numbered, allowing = _numbered(groups)
    for (need, plane), rows in numbered.partition_by("requirement", "plane", as_dict=True).items():
        rules = [rule for rule in citing[need] if rule.platform == plane] or citing[need]
        if len(rules) == 1:
            yield rows.with_columns(rule=pl.lit(rules[0].id))
        else:
            yield from _first_of(rules, rows, allowing)


def _first_of(rules: Sequence[Rule], rows: pl.DataFrame, allowing: _Allowing) -> Iterator[pl.DataFrame]:
    left = rows
    for rule in rules:
        if left.is_empty():
            break
        is_allowed = allowing(rule, left)
        yield left.filter(is_allowed).with_columns(rule=pl.lit(rule.id))
        left = left.filter(~is_allowed)
    yield left.with_columns(rule=pl.lit(NOT_TOLD))


def _numbered(groups: pl.DataFrame) -> tuple[pl.DataFrame, _Allowing]:
    """Flows with the numbers of their ends among all that there are, and what tells which of them a rule allows."""
    numbers = address.parse(pl.concat([groups["src_ip"], groups["goal"]])).select("text", "number")
    sides = []
    for name, text in (("near", "src_ip"), ("far", "goal")):
        ends = groups.select(text, "by").unique().with_row_index(name)
        groups = groups.join(ends, on=(text, "by"), nulls_equal=True)
        sides.append(ends.select("by", text=text).join(numbers, on="text", how="left", maintain_order="left"))
    services = groups.select("service").unique().with_row_index("over")
    # Rules share sides: each is asked once, for all ends.
    near, far = (lru_cache(None)(partial(_holding, side)) for side in sides)
    carried = lru_cache(None)(partial(_carrying, services["service"].to_list()))

    def allowing(rule: Rule, rows: pl.DataFrame) -> pl.Series:
        by_near, by_far = near(rule.sources).gather(rows["near"]), far(rule.destinations).gather(rows["far"])
        return by_near & by_far & carried(rule.services).gather(rows["over"])

    return groups.join(services, on="service", nulls_equal=True), allowing


def _holding(ends: pl.DataFrame, side: tuple[Endpoint, ...]) -> pl.Series:
    """Which ends one side of a rule names: they themselves, or the endpoint that explained their flow.

    Which addresses a tag has is not known here: a tag may hold any of them.
    """
    texts, kinds = pl.Series([str(end) for end in side]).implode(), {end.kind for end in side}
    named = [pl.lit("any" in kinds), pl.col("text").is_in(texts), pl.col("by").is_in(texts)]
    named += [pl.col("text").str.ends_with(end.text[1:]) for end in side if end.kind == "wildcard"]
    named += [pl.col("number").is_not_null()] if "tag" in kinds else []
    found = ends.select(pl.any_horizontal(named)).to_series() | _within(ends["number"], side)
    return found.fill_null(value=False)


def _within(numbers: pl.Series, side: Iterable[Endpoint]) -> pl.Series:
    """Which numbers lie in one of the networks."""
    spans = list[tuple[int, int]]()
    for first, last in sorted(address.interval(ip_network(end.text)) for end in side if end.kind == "address"):
        if not spans or last > spans[-1][1]:
            spans.append((first, last))
    begins, ends = (pl.Series([span[i] for span in spans], dtype=pl.UInt128) for i in (0, 1))
    at = begins.search_sorted(numbers, side="right").cast(pl.Int64) - 1
    return (at >= 0) & (ends.gather(at.set(at < 0, None)) >= numbers)


def _carrying(known: Iterable[str | None], services: tuple[Service, ...]) -> pl.Series:
    """Which services are carried by those of a rule; what is no service is not."""
    return pl.Series(
        [any(one.carries(asked) for one in services) if asked else False for asked in map(_service, known)]
    )


def _service(text: str | None) -> Service | None:
    try:
        return Service.parse(text or "")
    except FwlensError:
        return None


def _bounded(found: dict[tuple[str, str, str], int], rules: int) -> Paths:
    """Paths of the most frequent machines, needs and rules; the others of each as one."""
    totals = [defaultdict[str, int](int) for _ in range(3)]
    for ends, flows in found.items():
        for total, name in zip(totals, ends, strict=True):
            total[name] += flows
    nouns = ("machines", "needs", "rules")
    called = [_called(total, noun) for total, noun in zip(totals, nouns, strict=True)]
    folded = defaultdict[tuple[str, str, str], int](int)
    for (machine, need, rule), flows in found.items():
        folded[called[0][machine], called[1][need], called[2][rule]] += flows
    drawn = tuple(Path(*ends, flows) for ends, flows in sorted(folded.items(), key=lambda item: (-item[1], item[0])))
    return Paths(drawn, len(totals[0]), len(totals[1]), rules)


def _called(total: Mapping[str, int], noun: str) -> dict[str, str]:
    """What each is called in the chart: its name, or for all but the most frequent how many others there are."""
    order = sorted(total, key=lambda name: (name not in (NO_RULE, NOT_TOLD), -total[name], name))
    others = f"{len(order) - _MOST:,} other {noun}"
    return {name: name if n < _MOST else others for n, name in enumerate(order)}
