"""Knows a lower bound on the number of rules that asks no solver: combinations of which no two fit into one rule."""

from collections.abc import Iterable, Set
from itertools import product
from typing import NamedTuple

from fwlens.rule import Service


class Want(NamedTuple):
    """A needed combination as a rule has to allow it, and the layers whose rules do."""

    place: tuple[str, bool]
    near: str
    far: str
    service: Service
    layers: frozenset[str]


def fooling(wants: Iterable[Want], enough: int) -> int:
    """How many of the wants can be picked so that no rule allows two of them; greedy, from several starts.

    It stops at `enough`, the number of rules there are: more cannot be proven.
    """
    order = sorted(set(wants), key=str)
    seen = {(want.place, want.near, want.far, want.service) for want in order}
    best = 0
    for start in range(0, len(order), max(1, len(order) ** 2 // 20_000)):
        picked: list[Want] = []
        for want in order[start:] + order[:start]:
            if all(_apart(want, other, seen) for other in picked):
                picked.append(want)
        best = max(best, len(picked))
        if best >= enough:
            break
    return best


def _apart(a: Want, b: Want, seen: Set[tuple[object, ...]]) -> bool:
    """Whether no rule can allow both: by its layer, its shape, or because it would allow a mixture nobody needs."""
    if a.place != b.place or not a.layers & b.layers:
        return True
    tags = a.far != b.far and (a.far.startswith("tag:") or b.far.startswith("tag:"))
    one_protocol = "application" not in a.layers | b.layers and a.layers & b.layers != {"network"}
    if ("nsg" in a.layers | b.layers and tags) or (one_protocol and a.service.transport != b.service.transport):
        return True
    if a.place[0] == "aml-managed-network" and a.far != b.far:
        return True
    mixtures = product((a.near, b.near), (a.far, b.far), (a.service, b.service))
    return any((a.place, *mixture) not in seen for mixture in mixtures)
