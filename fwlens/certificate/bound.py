"""Knows a lower bound on the number of rules that asks no solver: combinations of which no two fit into one rule."""

from collections.abc import Iterable, Set
from itertools import product
from typing import Final, NamedTuple

from fwlens.certificate.evidence import ANYWHERE, Flow
from fwlens.requirement import Requirement
from fwlens.rule import PLACEHOLDER, Service

_NAMES: Final = {"application", "fqdn"}
# An FQDN rule of the managed network opens 80 and 443 alike: which of them was needed parts no two flows.
_ALIKE: Final = Service("tcp", 80, 443)
_SYMBOLIC: Final = "tag:VirtualNetwork"


class Want(NamedTuple):
    """A needed combination as a rule has to allow it: under any of the far ends, and the layers whose rules do."""

    place: tuple[str, bool]
    near: str
    fars: frozenset[str]
    service: Service
    layers: frozenset[str]


def wants(needed: Iterable[tuple[Flow, Requirement | None, frozenset[str]]]) -> set[Want]:
    """What needed flows want of rules of these layers: what each asks for by itself, or what another flow of its near
    side asks for that names its far side too (a pattern above its host, another tag of its address)."""
    own = [(flow, _want(flow, requirement, layers)) for flow, requirement, layers in needed]
    asked: dict[tuple[object, ...], set[str]] = {}
    for _, want in own:
        asked.setdefault((want.place, want.near, want.service), set()).update(want.fars)
    return {
        want._replace(fars=want.fars | (flow.ends & asked[want.place, want.near, want.service])) for flow, want in own
    }


def _want(flow: Flow, requirement: Requirement | None, layers: frozenset[str]) -> Want:
    """A needed flow as rules of these layers allow it: as it was seen, or by the tags of its document."""
    by = flow.by or flow.far
    is_tag = by.startswith("tag:") and by != _SYMBOLIC
    narrow = requirement is None or requirement.narrow or PLACEHOLDER.search(by) or by == _SYMBOLIC
    seen = flow.far if narrow and not is_tag else by
    tags = flow.documented if layers - _NAMES else frozenset[str]()
    fars = tags | {seen} if layers & _NAMES or not tags else tags
    near = ANYWHERE if flow.platform == "aml-managed-network" else flow.near
    carried = Service(flow.service.transport, flow.service.first, flow.service.last)
    return Want((flow.platform, flow.inbound), near, fars, _ALIKE if "fqdn" in layers else carried, layers)


def fooling(wanted: Iterable[Want], enough: int) -> int:
    """How many of the wants can be picked so that no rule allows two of them; greedy, from several starts.

    It stops at `enough`, the number of rules there are: more cannot be proven.
    """
    order = sorted(set(wanted), key=lambda want: (want.place, want.near, sorted(want.fars), want.service))
    seen = {(want.place, want.near, far, want.service) for want in order for far in want.fars}
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
    return all(_parted(a, far, b, other, seen) for far, other in product(a.fars, b.fars))


def _parted(a: Want, far: str, b: Want, other: str, seen: Set[tuple[object, ...]]) -> bool:
    """The same for two wants by these far ends."""
    tags = far != other and (far.startswith("tag:") or other.startswith("tag:"))
    one_protocol = "application" not in a.layers | b.layers and a.layers & b.layers != {"network"}
    if ("nsg" in a.layers | b.layers and tags) or (one_protocol and a.service.transport != b.service.transport):
        return True
    if a.place[0] == "aml-managed-network" and far != other:
        return True
    mixtures = product((a.near, b.near), (far, other), (a.service, b.service))
    return any((a.place, *mixture) not in seen for mixture in mixtures)
