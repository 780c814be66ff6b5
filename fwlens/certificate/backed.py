"""Knows what needed flows give as reason for each rule: the needs that it is for, and what logs show of them.

A rule is for the flows that it allows and that the narrowest rules for them would be in its layer for. So a rule by
address is not for a flow that was seen by name where rules hold names, though its address be among those that it opens.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import polars as pl

from fwlens.certificate.evidence import Flow
from fwlens.certificate.ground import Ground
from fwlens.certificate.narrowest import tried
from fwlens.certificate.opening import openings
from fwlens.certificate.passing import Passing
from fwlens.proof import Backing
from fwlens.rule import Evidence, Layer, Rule

_Pairs = Iterable[tuple[int, int]]


def of_rules(
    ground: Ground, passing: Passing, cited: Mapping[Rule, frozenset[str]], weights: pl.DataFrame
) -> list[Backing]:
    """What backs each rule. `weights` say what logs show of each needed flow, in their order. Of what is `cited` and
    no conversation has that a rule allows, it is looked up whether it opens what documents ask for."""
    needs: list[dict[str, str]] = [{} for _ in passing.rules]
    beside: list[set[str]] = [set() for _ in passing.rules]
    pairs, layers = [], _Layers(ground)
    for row, flow in enumerate(ground.needed):
        for hit in passing.either(flow):
            beside[hit.rule].add(flow.requirement or "")
            if passing.rules[hit.rule].layer in layers.of(flow):
                needs[hit.rule].setdefault(flow.requirement or "", str(flow))
                pairs.append((hit.rule, row))
    every = zip(passing.rules, beside, strict=True)
    unclear = {need for rule, mine in every for need in cited.get(rule, frozenset()) - mine}
    for need, hits in openings(ground, passing, unclear):
        for hit in hits:
            beside[hit.rule].add(need)
    return _backings(needs, beside, pairs, _around(ground, passing, beside), weights)


def of_flows(flows: Iterable[tuple[int, int, Flow]], count: int, weights: pl.DataFrame) -> list[Backing]:
    """What backs each of so many entries of which these, by number, are for these rows and flows."""
    needs: list[dict[str, str]] = [{} for _ in range(count)]
    pairs = []
    for number, row, flow in flows:
        needs[number].setdefault(flow.requirement or "", str(flow))
        pairs.append((number, row))
    return _backings(needs, [set(mine) for mine in needs], pairs, (), weights)


class _Layers:
    """The layers of the narrowest rules for a flow; all, where no rule can be the one for it."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._found: dict[tuple[object, ...], frozenset[Layer]] = {}

    def of(self, flow: Flow) -> frozenset[Layer]:
        """The layers of one."""
        key = (flow.place, flow.far, flow.seen, flow.service, flow.requirement, flow.by)
        if key not in self._found:
            every = tried(self._ground, flow)
            held = frozenset(rule.layer for rule, why in every if not why)
            self._found[key] = held or frozenset(("application", "network", "nsg", "fqdn", "service-tag"))
        return self._found[key]


def _around(ground: Ground, passing: Passing, needs: Sequence[set[str]]) -> Iterator[tuple[int, int]]:
    """Rules with the flows, from their own side, that have the same needs: their documents may ask for what is open."""
    for row, flow in enumerate(ground.needed):
        for number, _, _ in passing.from_(flow.place, flow.near):
            if flow.requirement in needs[number]:
                yield number, row


def _backings(
    needs: Sequence[dict[str, str]], beside: Sequence[set[str]], pairs: _Pairs, more: _Pairs, weights: pl.DataFrame
) -> list[Backing]:
    shown, around = (_evidence(weights, some) for some in (pairs, {*pairs, *more}))
    return [
        Backing(mine, frozenset(others), shown.get(number), around.get(number))
        for number, (mine, others) in enumerate(zip(needs, beside, strict=True))
    ]


def _evidence(weights: pl.DataFrame, pairs: _Pairs) -> dict[int, Evidence]:
    """Per number what logs show of its rows."""
    numbered = pl.DataFrame(list(pairs), schema={"number": pl.UInt32, "row": pl.UInt32}, orient="row")
    texts = (pl.col(name).explode(empty_as_null=False).unique().sort().implode() for name in ("devices", "denied_by"))
    found = (
        numbered.join(weights.with_row_index("row"), on="row")
        .group_by("number")
        .agg(
            pl.col("flows").sum(),
            pl.col("events").sum(),
            pl.col("first_seen").min(),
            pl.col("last_seen").max(),
            *texts,
        )
    )
    return {
        number: Evidence(flows, events, first, last, tuple(devices), tuple(denied_by))
        for number, flows, events, first, last, devices, denied_by in found.iter_rows()
    }
