"""MATCHED -> recommendations: what is needed and denied becomes the fewest, narrowest rules of each platform.

Needed flows become `cells`; `cover` finds the fewest boxes of them; each box becomes a rule (`shape`) with its
evidence, citations and `doubts`. What a platform cannot hold (`plane`), or would allow too much (`clash`), is handed
back with the reason. Only on request is more allowed than was seen: subnets (`near`), whole documented ways, fewer
rules (`widen`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from fwlens.errors import FwlensError
from fwlens.recommend.cells import CELL, LAYER, Cells, cells, mergeable
from fwlens.recommend.clash import met_with
from fwlens.recommend.doubts import Grounds, doubts
from fwlens.recommend.near import subnet
from fwlens.recommend.plane import Options
from fwlens.recommend.shape import Combination, combinations_of, shaped
from fwlens.recommend.widen import Layered, Step, curve
from fwlens.requirement import Requirement
from fwlens.rule import Conversation, Endpoint, Evidence, Platform, Recommendation, Rule, Unsaid
from fwlens.tags import ServiceTags

__all__ = ["Options", "Recommendations", "Step", "recommend", "subnet"]


@dataclass(frozen=True, slots=True)
class Recommendations:
    """The rules in a total order, the needed conversations that no rule can allow, a proven lower bound on the number
    of rules, and the curve of rules against surplus (empty unless asked for)."""

    rules: tuple[Recommendation, ...]
    unsaid: tuple[Unsaid, ...]
    lower_bound: int
    curve: tuple[Step, ...] = ()


def recommend(
    matched: pl.DataFrame,
    requirements: Sequence[Requirement],
    *,
    platform: Platform | None = None,
    tags: ServiceTags | None = None,
    options: Options = Options(),
    earlier: Sequence[Rule] = (),
    with_curve: bool = False,
) -> Recommendations:
    """Sound and complete rules for all needed flows of a MATCHED frame, for the plane that denied or the given one. Of
    sets with as few rules, one with more `earlier` ones.

    Raises FwlensError where `options.at_most` asks for fewer rules than merging can give.
    """
    known = {requirement.id: requirement for requirement in requirements}
    found = cells(matched, known, platform, tags, options)
    merging = with_curve or options.at_most is not None
    layers, also = _layers(found, tags, options, earlier, merging=merging)
    bound = sum(layer.found.lower_bound for layer in layers)
    steps = curve(layers) if merging else []
    if options.at_most is not None:
        layers = list(_picked(steps, options.at_most).layers)
        bound = steps[-1].lower_bound
    evidence = pl.concat([found.usable, *([found.beyond] if options.documented else []), *also])
    seen = frozenset(Endpoint.parse(peer) for peer in found.usable["peer"].unique())
    rules = [
        _recommendation(rule, _within(evidence, layer, combinations_of(box)), known, seen, tags)
        for layer in layers
        for rule, box in zip(layer.rules, layer.found.boxes, strict=True)
    ]
    ordered = tuple(sorted(rules, key=lambda one: one.rule.sort_key))
    return Recommendations(ordered, tuple(_unsaid(found.lost)), bound, tuple(steps))


def _layers(
    found: Cells, tags: ServiceTags | None, options: Options, earlier: Sequence[Rule], *, merging: bool
) -> tuple[list[Layered], list[pl.DataFrame]]:
    """Each layer and direction of each platform, covered by itself; and the cells that meet wants only once merged."""
    layers, also = [], []
    for key, mine in found.usable.sort(LAYER).partition_by(LAYER, as_dict=True, maintain_order=True).items():
        place, kind, direction = key
        asked, beside = mine, found.may.join(mine.select(LAYER).unique(), on=LAYER, how="semi")
        if options.documented:
            asked = pl.concat([mine, found.beyond.join(mine.select(LAYER).unique(), on=LAYER, how="semi")])
        found_here, may = shaped(place, kind, direction, _needs(asked), _combinations(beside), earlier), asked
        if merging:  # merged rules let more through, so that a need may be met in more ways
            may = mergeable(found, mine, tags)
            also.append(met_with(asked, may, tags))
            asked = pl.concat([asked, also[-1]])
        layers.append(Layered(place, kind, direction, found_here, tuple(_needs(asked)), _combinations(may)))
    return layers, also


def _picked(steps: Sequence[Step], at_most: int) -> Step:
    fitting = next((step for step in steps if step.count <= at_most), None)
    if fitting is None:
        least, proven = steps[-1].count, steps[-1].lower_bound
        needed = (
            f"{least} are needed, whatever is merged" if proven == least else f"no merge found gives less than {least}"
        )
        raise FwlensError(f"--at-most {at_most} is too few: {needed}. See --curve.")
    return fitting


def _combinations(rows: pl.DataFrame) -> frozenset[Combination]:
    return frozenset(Combination(*row) for row in rows.select(CELL).iter_rows())


def _needs(rows: pl.DataFrame) -> list[frozenset[Combination]]:
    """Per want the combinations of which any one meets it."""
    needs: dict[int, set[Combination]] = {}
    for want, *combination in rows.select("want", *CELL).iter_rows():
        needs.setdefault(want, set()).add(Combination(*combination))
    return [frozenset(combinations) for combinations in needs.values()]


def _within(evidence: pl.DataFrame, layer: Layered, allowed: frozenset[Combination]) -> pl.DataFrame:
    """The cells of a layer that a rule allows, with their evidence."""
    combinations = pl.DataFrame(sorted(allowed), schema=dict.fromkeys(CELL, pl.String), orient="row")
    place = (pl.col("platform") == layer.platform) & (pl.col("layer") == layer.layer)
    return evidence.filter(place & (pl.col("direction") == layer.direction)).join(combinations, on=CELL, how="semi")


def _recommendation(
    rule: Rule, rows: pl.DataFrame, known: dict[str, Requirement], seen: frozenset[Endpoint], tags: ServiceTags | None
) -> Recommendation:
    requirements = tuple(known[name] for name in sorted(rows["requirement"].unique()))
    wants = rows.sort("flows", descending=True).unique("want", keep="first", maintain_order=True)
    flows, events = wants.select(pl.col("flows").sum(), pl.col("events").sum()).row(0)
    first, last = rows.select(pl.col("first_seen").min(), pl.col("last_seen").max()).row(0)
    devices = tuple(sorted(rows["devices"].explode(empty_as_null=False).unique()))
    denied_by = tuple(sorted(rows["denied_by"].explode(empty_as_null=False).drop_nulls().unique()))
    held = tuple(sorted(text for text in rows["doubt"].unique() if text))
    evidence = Evidence(flows, events, first, last, devices, denied_by)
    doubted = doubts(rule, requirements, Grounds(denied_by, held, rows["who"].n_unique()), seen, tags)
    return Recommendation(rule, tuple(requirement.citation for requirement in requirements), evidence, doubted)


def _unsaid(lost: pl.DataFrame) -> Iterator[Unsaid]:
    for row in lost.iter_rows(named=True):
        far = row["host"] or row["address"]
        source, destination = (far, row["near"]) if row["direction"] == "inbound" else (row["near"], far)
        flow = Conversation(
            source, destination, row["service"], row["direction"], row["events"], row["first_seen"], row["last_seen"]
        )
        yield Unsaid(flow, row["platform"], row["requirement"], row["why"])
