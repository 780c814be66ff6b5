"""What the tool says of any night, its own check accepts, read again from the JSON; what was tampered with, it rejects."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwlens import document, run
from fwlens.answer import to_json
from fwlens.catalog import load
from fwlens.errors import FwlensError
from fwlens.ledger import Ledger
from fwlens.match import Choice, match
from fwlens.proof import Certificate
from fwlens.source import Flows
from tests.plain import NIGHT, Seen, frame, service_tags

KNOWN = load()
TAGS = service_tags()
ROOT = Path(__file__).parent.parent
SAMPLES = run.Ask(logs=(str(ROOT / "sample_logs"),))

_HOSTS = (
    "pypi.org", "files.pythonhosted.org", "repo.anaconda.com", "x.anaconda.com", "huggingface.co", "us.aws.cdn.hf.co",
    "registry-1.docker.io", "acct.blob.core.windows.net", "other.blob.core.windows.net", "p.westeurope.batch.azure.com",
    "security.ubuntu.com", "wandb.example", "huggingface.co.evil.example", "raw.githubusercontent.com", "mcr.microsoft.com",
    "westeurope.tundra.azureml.ms", "acct.file.core.windows.net", "ntp.ubuntu.com",
)  # fmt: skip
_IPS = (
    "203.0.113.20", "203.0.113.21", "203.0.113.70", "203.0.113.71", "203.0.113.130", "203.0.113.131", "203.0.113.161",
    "10.20.5.8", "10.20.5.9", "198.51.100.9",
)  # fmt: skip
_SOURCES = st.sampled_from(["10.20.1.4", "10.20.1.5", "10.20.1.6", "10.20.1.7", "10.20.9.1", "fd10::4"])
_PLANES = st.sampled_from(["azure-firewall", "nsg"])
_NAMED = st.builds(
    Seen,
    src=_SOURCES,
    host=st.sampled_from(_HOSTS),
    service=st.sampled_from(["https/443"] * 4 + ["http/80", "https/8443", "udp/5831", "udp/123", "tcp/445"]),
    cause=st.sampled_from(["no rule"] * 8 + ["deny rule", "threat intelligence"]),
    rule=st.sampled_from([None, "pol / rc / deny"]),
    plane=_PLANES,
)
_BY_ADDRESS = st.builds(
    Seen,
    src=_SOURCES,
    ip=st.sampled_from(_IPS),
    service=st.sampled_from(["tcp/443", "udp/443", "udp/5831", "tcp/8787", "tcp/445", "tcp/22"]),
    cause=st.sampled_from(["no rule"] * 8 + ["intrusion prevention"]),
    plane=_PLANES,
)
_INBOUND = st.builds(
    Seen,
    src=st.sampled_from(["203.0.113.20", "203.0.113.70", "198.51.100.9"]),
    ip=st.sampled_from(["10.20.1.4", "10.20.1.5"]),
    service=st.sampled_from(["tcp/44224", "tcp/29876", "tcp/22"]),
    direction=st.just("inbound"),
    plane=_PLANES,
)
_NIGHTS = st.lists(_NAMED | _BY_ADDRESS | _INBOUND, min_size=1, max_size=14)
_ASKS = st.builds(
    run.Ask,
    logs=st.just(("night",)),
    region=st.sampled_from([None, "westeurope"]),
    platform=st.sampled_from([None, None, "azure-firewall", "nsg", "aml-managed-network"]),
    dns_proxy=st.booleans(),
    subnets=st.sampled_from([(), ("10.20.1.4/31",), ("10.20.1.0/24",), ("10.20.0.0/16", "10.20.1.0/24")]),
    breadth=st.sampled_from(["observed", "observed", "documented"]),
    never_override=st.sampled_from([(), ("deny",)]),
)


def found_in(seen: Sequence[Seen], ask: run.Ask) -> run.Matched:
    """A night as if it had been read."""
    rows = frame(seen)
    choice = Choice(ask.choice.region, ask.profiles)
    matched = match(rows, KNOWN.requirements, tags=TAGS, choice=choice, never_override=ask.never_override)
    return run.Matched(matched, Flows(rows, Ledger((), ()), rows), KNOWN, TAGS)


def checked(ask: run.Ask, found: run.Matched) -> tuple[Certificate, Certificate]:
    """The certificate that an answer carries, and the one that a check of its JSON gives."""
    said, _ = run.answered(ask, found)
    return said.certificate, run.verified(document.parse(to_json(said), "night.json"), found)


def assert_holds(proven: Certificate) -> None:
    assert proven.faults == ()
    assert (proven.complete, proven.sound, proven.irredundant) == (True, True, True)


@given(_NIGHTS, _ASKS)
def test_the_answer_of_any_night_is_accepted_whatever_was_asked_for(seen: list[Seen], ask: run.Ask) -> None:
    carried, again = checked(ask, found_in(seen, ask))
    assert_holds(carried)
    assert again == carried
    assert carried.lower_bound <= carried.rules
    if not ask.subnets and ask.breadth == "observed" and ask.platform != "aml-managed-network":
        assert carried.surplus == 0


@given(_NIGHTS, _ASKS)
def test_the_answer_of_any_night_in_fewer_rules_is_accepted(seen: list[Seen], ask: run.Ask) -> None:
    found = found_in(seen, ask)
    _, more = run.answered(ask, found, with_curve=True)
    counts = [step.rules for step in more.curve]
    assert counts == sorted(set(counts), reverse=True)
    for step in more.curve:
        if step.rules:
            carried, again = checked(replace(ask, at_most=step.rules), found)
            assert_holds(carried)
            assert again == carried
            assert carried.rules == step.rules


@cache
def samples(**choice: Any) -> tuple[run.Ask, run.Matched]:
    ask = replace(SAMPLES, **choice)
    return ask, run.matched(ask, run.flows_of(ask))


@pytest.mark.parametrize("platform", [None, "azure-firewall", "nsg", "aml-managed-network"])
@pytest.mark.parametrize("region", [None, "westeurope"])
@pytest.mark.parametrize(
    "choice",
    [{}, {"subnets": ("10.20.1.0/24",)}, {"breadth": "documented"}, {"dns_proxy": True}, {"never_override": ("DenyInternet",)}],
    ids=str,
)  # fmt: skip
def test_the_answer_of_the_sample_night_is_accepted(platform: Any, region: Any, choice: dict[str, Any]) -> None:
    carried, again = checked(*samples(platform=platform, region=region, **choice))
    assert_holds(carried)
    assert again == carried
