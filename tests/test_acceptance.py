"""What the tool says of any night, its own check accepts, read again from the JSON; what was tampered with, it rejects."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fwlens import document, run
from fwlens.answer import to_json
from fwlens.catalog import load
from fwlens.errors import FwlensError
from fwlens.ledger import Ledger
from fwlens.match import Choice, match
from fwlens.proof import Certificate
from fwlens.source import Flows
from fwlens.verify import verified
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
    return said.certificate, verified(document.parse(to_json(said), "night.json"), found)


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


@settings(max_examples=40)
@given(_NIGHTS, _ASKS)
def test_the_answer_of_any_night_in_fewer_rules_is_accepted(seen: list[Seen], ask: run.Ask) -> None:
    found = found_in(seen, ask)
    steps = run.curve(ask, found)
    assert [count for count, _ in steps] == sorted({count for count, _ in steps}, reverse=True)
    for count, surplus in steps:
        if count:
            carried, again = checked(replace(ask, at_most=count), found)
            assert_holds(carried)
            assert again == carried
            assert (carried.rules, carried.surplus) == (count, surplus)


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


# Tampering: each fault is planted into the JSON of an answer, as a person's editor would, whatever had been asked for.

Rules = list[dict[str, Any]]


def first(rules: Rules, platform: str, side: str = "destinations", like: str = "") -> dict[str, Any]:
    return next(one for one in rules if one["platform"] == platform and any(like in text for text in one[side]))


def web(rules: Rules) -> dict[str, Any]:
    return first(rules, "azure-firewall", like="pypi.org")


def tag(rules: Rules) -> dict[str, Any]:
    return first(rules, "nsg", like="tag:Batch")


PLANTED: dict[str, Callable[[Rules], object]] = {
    "a rule dropped": lambda rules: rules.remove(web(rules)),
    "every rule dropped": lambda rules: rules.clear(),
    "a destination dropped": lambda rules: web(rules)["destinations"].remove("pypi.org"),
    "a stranger among the sources": lambda rules: web(rules)["sources"].append("10.77.0.9"),
    "a source widened to the world": lambda rules: web(rules).update(sources=["0.0.0.0/0"]),
    "any source": lambda rules: web(rules).update(sources=["*"]),
    "a stranger among the destinations": lambda rules: web(rules)["destinations"].append("wandb.example"),
    "a look-alike that was blocked": lambda rules: web(rules)["destinations"].append("huggingface.co.models-mirror.example"),
    "a wildcard over a top level": lambda rules: web(rules)["destinations"].append("*.simple-index.example"),
    "a wildcard in place of a host": lambda rules: web(rules)["destinations"].append("*.blob.core.windows.net"),
    "a port added": lambda rules: web(rules)["services"].append("https/8443"),
    "a port swapped": lambda rules: web(rules).update(services=["https/444"]),
    "a range of ports": lambda rules: first(rules, "azure-firewall", like="tag:AzureM").update(services=["udp/1-65535"]),
    "a protocol swapped": lambda rules: tag(rules).update(services=["udp/443"]),
    "http beside https": lambda rules: web(rules)["services"].append("http/80"),
    "a tag without its region": lambda rules: tag(rules).update(destinations=["tag:BatchNodeManagement"]),
    "the tag of another region": lambda rules: tag(rules).update(destinations=["tag:BatchNodeManagement.NorthEurope"]),
    "the tag of all of Azure": lambda rules: tag(rules).update(destinations=["tag:AzureCloud"]),
    "an address that nobody documents": lambda rules: tag(rules).update(destinations=["198.51.100.9"]),
    "the whole of the internet": lambda rules: tag(rules).update(destinations=["0.0.0.0/0"]),
    "a direction turned": lambda rules: tag(rules).update(direction="inbound"),
    "another layer": lambda rules: web(rules).update(layer="network"),
    "another platform": lambda rules: web(rules).update(platform="nsg", layer="nsg"),
    "a rule of another platform beside": lambda rules: rules.append({**web(rules), "platform": "aml-managed-network", "layer": "fqdn"}),
    "an idle rule beside": lambda rules: rules.append({**web(rules), "destinations": ["mirror.example"]}),
    "half of a rule once more": lambda rules: rules.append({**web(rules), "destinations": ["pypi.org"]}),
    "a rule there twice": lambda rules: rules.append(dict(web(rules))),
    "a rule split in two": lambda rules: rules.append({**web(rules), "destinations": [web(rules)["destinations"].pop()]}),
    "two tags in a rule of an NSG": lambda rules: tag(rules)["destinations"].append("tag:AzureMachineLearning"),
    "https in a rule of an NSG": lambda rules: tag(rules).update(services=["https/443"]),
    "two protocols in a rule of an NSG": lambda rules: tag(rules)["services"].append("udp/443"),
    "a layer of another platform": lambda rules: tag(rules).update(layer="service-tag"),
    "a layer of an NSG in the firewall": lambda rules: first(rules, "azure-firewall", like="tag:AzureM").update(layer="nsg"),
    "a protocol with a port of its own": lambda rules: first(rules, "azure-firewall", like="tag:AzureM")["services"].append("tcp/443"),
    "an IPv6 source in the firewall": lambda rules: web(rules)["sources"].append("fd10::4"),
    "a service tag as source": lambda rules: web(rules)["sources"].append("tag:VirtualNetwork"),
    "a range in an application rule": lambda rules: web(rules).update(services=["https/443-444"]),
    "two rules made one product": lambda rules: rules.append(
        {**web(rules), "layer": "network", "destinations": ["tag:AzureMachineLearning"], "services": ["tcp/22", "udp/5831"]}
    ),
}  # fmt: skip
ASKED: dict[str, dict[str, Any]] = {
    "as it was seen": {},
    "with a subnet": {"subnets": ("10.20.1.0/24",)},
    "whole ways": {"breadth": "documented"},
    "in few rules": {"at_most": 6},
}


def bare(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer that says of its rules how many they are, and no more: what else is stale is not what is planted."""
    rules = [
        {name: value for name, value in one.items() if name not in ("id", "requirements", "evidence")}
        for one in answer["recommendations"]
    ]
    certificate = {name: answer["certificate"][name] for name in ("rules", "lower_bound")}
    return {**answer, "recommendations": rules, "certificate": certificate}


@cache
def edited(asked: str) -> tuple[bytes, run.Matched]:
    ask, found = samples(**ASKED[asked])
    return to_json(run.answered(ask, found)[0]), found


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("planted", PLANTED)
def test_a_fault_in_an_edited_answer_is_rejected_in_a_sentence(planted: str, asked: str) -> None:
    data, found = edited(asked)
    answer = bare(json.loads(data))
    PLANTED[planted](answer["recommendations"])
    read = document.parse(json.dumps(answer).encode(), "night.json")
    proven = verified(read, found)
    assert proven.faults
    assert not (proven.complete and proven.sound and proven.irredundant and proven.lower_bound >= proven.rules)
    assert all(fault.endswith(".") and "\n" not in fault for fault in proven.faults)
    names = {one.rule.id for one in read.recommendations}
    for (
        fault
    ) in proven.faults:  # names a rule of the set, a flow that the logs hold, a claim that is stale, or its size
        told = {word.strip(".:,") for word in fault.split()}
        assert told & names or " stays blocked." in fault or " is stale: " in fault or fault.startswith("At most ")


def test_what_a_rule_allows_is_not_handed_back_as_well() -> None:
    data, found = edited("as it was seen")
    answer = json.loads(data)
    flow = {"src_ip": "10.20.1.4", "destination": "pypi.org", "service": "https/443", "direction": "outbound"}
    answer["unsaid"] = [{"flow": flow, "platform": "azure-firewall", "why": "x", "requirement": "packages/pip"}]
    assert verified(document.parse(json.dumps(answer).encode(), "n"), found).faults == (
        "10.20.1.4 to pypi.org over https/443 is handed back for azure-firewall, and a rule allows it.",
    )


def test_a_need_moved_from_a_rule_to_what_is_handed_back_stays_blocked() -> None:
    data, found = edited("as it was seen")
    answer = bare(json.loads(data))
    web(answer["recommendations"])["destinations"].remove("pypi.org")
    answer["certificate"] = {}
    blocked = verified(document.parse(json.dumps(answer).encode(), "n"), found).faults
    ends = [fault.split(" stays blocked")[0].split() for fault in blocked]
    answer["unsaid"] = [
        {
            "flow": {"src_ip": source, "destination": host, "service": over, "direction": "outbound"},
            "platform": "azure-firewall", "why": "the platform cannot hold it",
        }
        for source, _, host, _, over in ends
    ]  # fmt: skip
    proven = verified(document.parse(json.dumps(answer).encode(), "n"), found)
    assert not proven.complete
    assert proven.faults == tuple(
        f"{' '.join(end)} is handed back and need not be: Azure Firewall can hold a rule for pypi.org, and that allows "
        "nothing it must not."
        for end in ends
    )


def test_an_idle_rule_makes_the_claim_of_the_fewest_stale() -> None:
    data, found = edited("as it was seen")
    answer = json.loads(data)
    answer["recommendations"].append({**web(answer["recommendations"]), "destinations": ["pypi.org"]})
    answer["certificate"] |= {"lower_bound": 9}
    faults = verified(document.parse(json.dumps(answer).encode(), "n"), found).faults
    assert "The lower bound is stale: it says 9, and 8 of these rules do." in faults


def test_a_flow_is_handed_back_because_no_rule_can_allow_it_or_not_at_all() -> None:
    data, found = edited("as it was seen")
    answer = json.loads(data)
    rules: Rules = answer["recommendations"]
    smb = first(rules, "nsg", like="10.20.5.8")
    rules.remove(smb)
    answer["certificate"] = {}
    (blocked,) = verified(document.parse(json.dumps(answer).encode(), "n"), found).faults
    assert blocked == "10.20.1.4 to 10.20.5.8 over tcp/445 stays blocked."
    flow = {"src_ip": "10.20.1.4", "destination": "10.20.5.8", "service": "tcp/445", "direction": "outbound"}
    answer["unsaid"] = [{"flow": flow, "platform": "nsg", "why": "We have a private endpoint for it now."}]
    assert verified(document.parse(json.dumps(answer).encode(), "n"), found).faults == (
        "10.20.1.4 to 10.20.5.8 over tcp/445 is handed back and need not be: an NSG can hold a rule for 10.20.5.8, and "
        "that allows nothing it must not.",
    )
    del answer["unsaid"][0]["why"]
    with pytest.raises(FwlensError):
        document.parse(json.dumps(answer).encode(), "n")


# Ids


@given(_NIGHTS, _NAMED | _BY_ADDRESS)
def test_a_new_flow_leaves_rules_of_other_places_as_they_are(seen: list[Seen], new: Seen) -> None:
    """Whatever is new on one plane, and by name or by address, the rules of the others keep their ids."""

    def ids(flows: Sequence[Seen]) -> dict[str, set[str]]:
        said, _ = run.answered(run.Ask(("night",)), found_in(flows, run.Ask(("night",))))
        return {
            plane: {one.rule.id for one in said.recommendations if one.rule.platform == plane}
            for plane in ("azure-firewall", "nsg")
        }

    other = "nsg" if new.plane == "azure-firewall" else "azure-firewall"
    before, after = ids(seen), ids([*seen, new])
    assert after[other] == before[other]
    assert ids([*seen, new, replace(new, at=NIGHT, events=7)]) == after
