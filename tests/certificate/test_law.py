"""A law over random nights: whatever the tool answers, its certificate holds, and a check of its JSON finds the same,
of its rules as of their names, citations and evidence, and of the night.

The nights are of needs that collide: patterns in patterns, hosts with two ports, protocols with ports, tags beside
addresses, networks side by side; subnets that meet, lie in each other, or lie beside addresses that were seen.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from fwlens import document, run
from fwlens.answer import to_json
from fwlens.catalog import load
from fwlens.ledger import Ledger
from fwlens.match import match
from fwlens.source import Flows
from fwlens.verify import verified
from tests.certificate.test_sets import SNAPSHOT
from tests.plain import NIGHT, Seen, frame

KNOWN = load([Path(__file__).parent / "needs.yaml"])

_SOURCES = st.sampled_from(["10.20.1.0", "10.20.1.1", "10.20.1.2", "10.20.1.3", "10.20.1.4", "10.20.2.7", "fd10::4"])
_PLANES = st.sampled_from(["azure-firewall", "azure-firewall", "nsg"])
_CAUSES = st.sampled_from(["no rule"] * 7 + ["deny rule"] * 2 + ["threat intelligence"])
_SHOWN = {
    "cause": _CAUSES,
    "rule": st.sampled_from([None, "DenyInternet", "pol / rc / deny"]),
    "plane": _PLANES,
    "device": st.sampled_from([None, None, "/fw/one", "/fw/two", "/providers/microsoft.network/networkmanagers/m"]),
    "events": st.integers(1, 9),
    "at": st.integers(0, 90).map(lambda minutes: NIGHT + timedelta(minutes=minutes)),
}
"""What evidence is made of."""
_NAMED = st.builds(
    Seen,
    src=_SOURCES,
    host=st.sampled_from([
        "x.a.example.org", "y.a.example.org", "z.example.org", "b.example.net", "c.example.net", "d.example.net",
        "x.n.example.net", "y.n.example.net", "x.t.example.net", "pypi.org", "other.example",
    ]),
    service=st.sampled_from(["https/443"] * 3 + ["http/80", "http/443", "https/8787", "udp/443"]),
    **_SHOWN,
)  # fmt: skip
_BY_ADDRESS = st.builds(
    Seen,
    src=_SOURCES,
    ip=st.sampled_from([
        *(f"198.51.100.{last}" for last in range(1, 8)), "203.0.113.225", "203.0.113.226", "203.0.113.70",
        "203.0.113.130", "10.20.5.8", "10.20.5.9", "fd10::9",
    ]),
    service=st.sampled_from(["tcp/1000", "tcp/1001", "udp/1000", "udp/1001", "tcp/443", "udp/443", "tcp/1445"]),
    **_SHOWN,
)  # fmt: skip
_INBOUND = st.builds(
    Seen,
    src=st.sampled_from(["203.0.113.20", "203.0.113.70"]),
    ip=st.sampled_from(["10.20.1.1", "10.20.1.2"]),
    service=st.sampled_from(["tcp/44224", "tcp/29876"]),
    direction=st.just("inbound"),
    **_SHOWN,
)
NIGHTS = st.lists(_NAMED | _BY_ADDRESS | _INBOUND, min_size=1, max_size=16)
_SUBNETS = st.lists(
    st.sampled_from(["10.20.1.0/31", "10.20.1.2/31", "10.20.1.0/30", "10.20.1.4/32", "10.20.0.0/16", "fd10::/64"]),
    max_size=3,
    unique=True,
).map(tuple)
ASKS = st.builds(
    run.Ask,
    logs=st.just(("night",)),
    region=st.sampled_from([None, "westeurope"]),
    platform=st.sampled_from([None, None, "azure-firewall", "nsg", "aml-managed-network"]),
    dns_proxy=st.booleans(),
    subnets=st.just(()) | _SUBNETS,
    breadth=st.sampled_from(["observed", "observed", "documented"]),
)


def found_in(seen: Sequence[Seen], ask: run.Ask) -> run.Matched:
    """A night as if it had been read."""
    rows = frame(seen)
    matched = match(rows, KNOWN.requirements, tags=SNAPSHOT, choice=ask.choice)
    return run.Matched(matched, Flows(rows, Ledger((), ()), rows), KNOWN, SNAPSHOT)


@settings(max_examples=100)
@given(NIGHTS, ASKS)
def test_the_answer_of_any_night_of_colliding_needs_is_accepted(seen: list[Seen], ask: run.Ask) -> None:
    found = found_in(seen, ask)
    said, _ = run.answered(ask, found)
    carried = said.certificate
    assert carried.faults == ()
    assert (carried.complete, carried.sound, carried.irredundant) == (True, True, True)
    assert carried.proven <= carried.lower_bound <= carried.rules
    assert verified(document.parse(to_json(said), "night.json"), found) == carried


@settings(max_examples=40)
@given(NIGHTS, ASKS, st.booleans())
def test_so_is_every_answer_in_fewer_rules_and_near_to_another_night(
    seen: list[Seen], ask: run.Ask, is_near: bool
) -> None:
    found = found_in(seen, ask)
    before = run.answered(ask, found_in(seen[1:], ask))[0].recommendations if is_near else ()
    near = replace(ask, earlier=tuple(one.rule for one in before))
    for count, surplus in run.curve(near, found):
        if count:
            said, _ = run.answered(replace(near, at_most=count), found)
            carried = said.certificate
            assert (carried.rules, carried.surplus, carried.faults) == (count, surplus, ())
            assert verified(document.parse(to_json(said), "night.json"), found) == carried
