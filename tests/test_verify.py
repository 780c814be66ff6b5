"""What stands in an answer beside its rules is held against logs and catalogue, each edit told in a sentence."""

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fwlens import document, run
from fwlens.answer import to_json
from fwlens.errors import FwlensError
from fwlens.verify import remarks, verified
from tests.certificate.test_law import found_in
from tests.plain import NIGHT, Seen
from tests.test_acceptance import edited, first, samples

Answer = dict[str, Any]
Tampered = Callable[[Answer], object]

WEB = "app-e24333c208"
SMB = "nsg-e08d0930ec"
REDRAWN = "net-23bdabb544"
LEARN = "https://learn.microsoft.com/azure"
FIREWALL = (
    "/subscriptions/00000000-1111-2222-3333-444444444444/resourcegroups/rg-ml/providers/microsoft.network/"
    "azurefirewalls/fw-ml"
)


def asked(seen: str = "as it was seen") -> tuple[Answer, run.Matched]:
    data, found = edited(seen)
    return json.loads(data), found


@cache
def _handed_back() -> tuple[bytes, run.Matched]:
    ask, found = samples(platform="nsg")
    return to_json(run.answered(ask, found)[0]), found


def told(answer: Answer, found: run.Matched) -> tuple[str, ...]:
    return verified(document.parse(json.dumps(answer).encode(), "night.json"), found).faults


def docker(answer: Answer) -> Answer:
    """The first rule, of which the sample night has most."""
    rule: Answer = answer["recommendations"][0]
    assert rule["id"] == WEB
    return rule


def put(*path: str | int, value: Any) -> Tampered:
    """An edit of one value."""

    def edit(answer: Any) -> None:
        *before, last = path
        for name in before:
            answer = answer[name]
        answer[last] = value

    return edit


def cited(**over: Any) -> Tampered:
    """An edit of how the first rule cites its first need, `aml/batch`."""
    return lambda answer: docker(answer)["requirements"][0].update(over)


def evidence(**over: Any) -> Tampered:
    """An edit of the evidence of the first rule."""
    return lambda answer: docker(answer)["evidence"].update(over)


def certificate(**over: Any) -> Tampered:
    return lambda answer: answer["certificate"].update(over)


UNCITED = (
    f"Rule {WEB} allows 10.20.1.6 to b7c4e1f2.westeurope.batch.azure.com over https/443, which has the need aml/batch, "
    "and does not cite that."
)
CITES = f"Rule {WEB} cites aml/batch"
BATCH = f"{CITES} with"
EVIDENCE = f"The evidence of rule {WEB} is stale:"
REFUSED = "10.20.1.7 to 198.51.100.67 over tcp/80 (outbound, azure-firewall, intrusion prevention)"

FORGED: dict[str, tuple[Tampered, tuple[str, ...]]] = {
    # the set as a whole
    "a surplus that is none": (certificate(surplus=7), ("The surplus is stale: it says 7, and it is 0.",)),
    "another surplus of a rule": (
        put("certificate", "surplus_of", WEB, value=3),
        (f"The surplus of rule {WEB} is stale: it says 3, and it is 0.",),
    ),
    "a surplus of a rule that is not there": (
        put("certificate", "surplus_of", "app-0000000000", value=0),
        ("The surplus of app-0000000000 is stale: no rule of the set is that; leave it out.",),
    ),
    "a surplus of what moves a cursor": (
        put("certificate", "surplus_of", "\x1b[31m", value=0),
        ("The surplus of \N{REPLACEMENT CHARACTER}[31m is stale: no rule of the set is that; leave it out.",),
    ),
    "a bound above the rules": (
        certificate(lower_bound=9),
        ("The lower bound is stale: it says 9, and these are 8 rules.",),
    ),
    "a bound that is too low": (
        certificate(lower_bound=1, proven=1),
        ("The lower bound is stale: it says 1, and at least 8 rules are needed.",),
    ),
    "a bound below nothing": (
        certificate(lower_bound=-5, proven=-5),
        (
            "The lower bound is stale: it says -5, and at least 8 rules are needed.",
            "What is proven is stale: it says -5, and the lower bound is -5.",
        ),
    ),
    "more proven than is claimed": (
        certificate(proven=9),
        ("What is proven is stale: it says 9, and the lower bound is 8.",),
    ),
    "faults that are none": (
        certificate(faults=["Rule x is idle.\x1b[2J"]),
        (
            "The certificate is stale: it tells faults (Rule x is idle.\N{REPLACEMENT CHARACTER}[2J), and there are "
            "none.",
        ),
    ),
    "fewer rules asked for": (
        put("asked", "at_most", value=2),
        ("At most 2 rules were asked for, and these are 8.",),
    ),
    "incomplete by its own word": (
        certificate(complete=False),
        ("The certificate is stale: it says that the set is not complete, and it is.",),
    ),
    "unsound by its own word": (
        certificate(sound=False),
        ("The certificate is stale: it says that the set is not sound, and it is.",),
    ),
    "redundant by its own word": (
        certificate(irredundant=False),
        ("The certificate is stale: it says that the set is not irredundant, and it is.",),
    ),
    "another number of rules": (
        certificate(rules=99),
        ("The number of rules is stale: it says 99, and it is 8.",),
    ),
    # names
    "the names of two rules exchanged": (
        lambda answer: [rule.update(id=name) for rule, name in zip(answer["recommendations"][:2], ("app-fc519dedbb", WEB), strict=True)],
        (
            f"Rule {WEB} is called app-fc519dedbb in the file, as another is: write {WEB}, or leave the id out.",
            f"Rule app-fc519dedbb is called {WEB} in the file, as another is: write app-fc519dedbb, or leave the id out.",
        ),
    ),
    "a name of one's own for two rules": (
        lambda answer: [rule.update(id="web") for rule in answer["recommendations"][:2]],
        (
            f"Rule {WEB} is called web in the file, as another is: write {WEB}, or leave the id out.",
            "Rule app-fc519dedbb is called web in the file, as another is: write app-fc519dedbb, or leave the id out.",
        ),
    ),
    # citations
    "a need that the catalogue does not have": (
        cited(id="nope/\x1b[31mnope"),
        (
            f"Rule {WEB} cites 'nope/\N{REPLACEMENT CHARACTER}[31mnope', and the catalogue has no such need (--catalog adds some).",
            UNCITED,
        ),
    ),
    "a need that another rule is for": (
        lambda answer: docker(answer)["requirements"].append({"id": "packages/conda"}),
        (f"Rule {WEB} cites packages/conda, and no conversation that it allows has that need.",),
    ),
    "a need in place of the right one": (
        lambda answer: docker(answer)["requirements"].__setitem__(0, {"id": "packages/conda"}),
        (f"Rule {WEB} cites packages/conda, and no conversation that it allows has that need.", UNCITED),
    ),
    "a need left out": (lambda answer: docker(answer)["requirements"].pop(0), (UNCITED,)),
    "a need cited twice": (
        lambda answer: docker(answer)["requirements"].append({"id": "aml/batch"}),
        (f"Rule {WEB} cites aml/batch 2 times, and once would do.",),
    ),
    "another address": (
        cited(url="https://evil.example/"),
        (f"{BATCH} url 'https://evil.example/', and the catalogue has '{LEARN}/machine-learning/v1/how-to-secure-training-vnet'.",),
    ),
    "another page": (
        cited(page="\u202eegap"),
        (f"{BATCH} page '\N{REPLACEMENT CHARACTER}egap', and the catalogue has 'Secure an Azure Machine Learning training environment with virtual networks (SDK v1)'.",),
    ),
    "other words": (
        cited(**{"for": "Everything."}),
        (f"{BATCH} for 'Everything.', and the catalogue has 'The Azure Batch back end that compute instances and clusters are made of.'.",),
    ),
    "another basis": (cited(layer="vendor"), (f"{BATCH} layer 'vendor', and the catalogue has 'documented'.",)),
    "another day": (cited(read_on="2020-01-01"), (f"{BATCH} read_on '2020-01-01', and the catalogue has '2026-11-21'.",)),
    "a wider need": (cited(within=["aml/all"]), (f"{CITES}, and within names aml/all, which the catalogue does not.",)),
    "further pages left out": (
        cited(also=[]),
        (
            f"{CITES}, and also leaves out {LEARN}/batch/simplified-compute-node-communication, "
            f"{LEARN}/machine-learning/how-to-access-azureml-behind-firewall, {LEARN}/machine-learning/how-to-managed-network and 3 more.",
        ),
    ),
    # evidence
    "more flows": (evidence(flows=19), (f"{EVIDENCE} flows is 19, and these logs show 18.",)),
    "fewer entries": (evidence(events=0), (f"{EVIDENCE} events is 0, and these logs show 104.",)),
    "an earlier time": (
        evidence(first_seen="2026-11-20T22:00:00Z"),
        (f"{EVIDENCE} first_seen is 2026-11-20T22:00:00.000000Z, and these logs show 2026-11-20T22:01:28.125000Z.",),
    ),
    "a later time": (
        evidence(last_seen="2026-11-21T00:00:00+01:00"),
        (f"{EVIDENCE} last_seen is 2026-11-20T23:00:00.000000Z, and these logs show 2026-11-20T23:10:52.125000Z.",),
    ),
    "another firewall": (
        evidence(devices=["fw-\x07other"]),
        (f"{EVIDENCE} devices names fw-\N{REPLACEMENT CHARACTER}other, which these logs do not show; devices leaves out {FIREWALL}.",),
    ),
    "a rule that denied nothing": (
        evidence(denied_by=["a", "b", "c", "d"]),
        (f"{EVIDENCE} denied_by names a, b, c and 1 more, which these logs do not show.",),
    ),
    "a denying rule left out": (
        lambda answer: first(answer["recommendations"], "nsg", like="10.20.5.8")["evidence"].update(denied_by=[]),
        (f"The evidence of rule {SMB} is stale: denied_by leaves out DenySmb.",),
    ),
    # the night
    "more needed flows": (
        put("verdicts", "needed", "flows", value=51),
        ("The count of what is needed is stale: flows is 51, and these logs show 50.",),
    ),
    "nothing refused": (
        put("verdicts", "refused", value={"flows": 0, "events": 0}),
        ("The count of what is refused is stale: flows is 0, and these logs show 3; events is 0, and these logs show 4.",),
    ),
    "a refused flow left out": (
        lambda answer: answer["refused"].pop(0),
        (f"The list of what is refused is stale: it leaves out {REFUSED}.",),
    ),
    "a refused flow that is another": (
        put("refused", 0, "destination", value=None),
        (
            f"The list of what is refused is stale: it leaves out {REFUSED}; "
            "it names 10.20.1.7 to an unknown host over tcp/80 (outbound, azure-firewall, intrusion prevention), which is not.",
        ),
    ),
    "another cause of a refusal": (
        put("refused", 0, "cause", value="no rule"),
        (
            f"The list of what is refused is stale: it leaves out {REFUSED}; "
            "it names 10.20.1.7 to 198.51.100.67 over tcp/80 (outbound, azure-firewall, no rule), which is not.",
        ),
    ),
    "a refusal at another time": (
        put("refused", 0, "last_seen", value="tonight"),
        (
            f"The list of what is refused is stale: last_seen of {REFUSED} is no time, and these logs show "
            "2026-11-20T23:41:00.125000Z.",
        ),
    ),
    "a time of one of two that look alike": (
        put("refused", 2, "first_seen", value="2026-11-20T23:40:30Z"),
        (
            "The list of what is refused is stale: a first_seen of 10.20.1.7 to update.malware.example over https/443 "
            "(outbound, azure-firewall, threat intelligence) is another than these logs show.",
        ),
    ),
    "a refusal twice": (
        lambda answer: answer["refused"].append(answer["refused"][0]),
        (f"The list of what is refused is stale: {REFUSED} is there 2 times, and these logs show 1.",),
    ),
    "fewer entries of a flow that nothing explains": (
        put("unexplained", 0, "events", value=1),
        (
            "The list of what is unexplained is stale: events of 10.20.1.4 to 198.51.100.9 over tcp/22 (outbound, nsg, "
            "deny rule) is 1, and these logs show 15.",
        ),
    ),
    "nothing unexplained": (
        put("unexplained", value=[]),
        (
            "The list of what is unexplained is stale: "
            "it leaves out 10.20.1.4 to 192.0.2.5 over udp/123 (outbound, azure-firewall, no rule); "
            "it leaves out 10.20.1.4 to 198.51.100.9 over tcp/22 (outbound, nsg, deny rule); "
            "it leaves out 10.20.1.4 to 198.51.100.9 over tcp/25 (outbound, azure-firewall, no rule); and 8 more.",
        ),
    ),
    "a night that was longer": (
        put("window", "last_seen", value="2026-11-21T06:00:00Z"),
        (
            "The answer is of other logs: they reached from 2026-11-20T22:01:00.125000Z to 2026-11-21T06:00:00.000000Z, "
            "and these reach from 2026-11-20T22:01:00.125000Z to 2026-11-20T23:42:00.125000Z; so its counts are not "
            "checked. Pass the logs that it was made from.",
        ),
    ),
    # what is handed back
    "a need handed back that nobody has": (
        lambda answer: answer["unsaid"].append({
            "flow": {"src_ip": "10.1.1.1", "destination": "x.org", "service": "https/443", "direction": "outbound"},
            "platform": "nsg", "why": "an NSG holds no names",
        }),
        ("10.1.1.1 to x.org over https/443 is handed back for nsg, and no flow of these logs needs it there.",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("forged", FORGED)
def test_what_a_person_may_have_changed_beside_the_rules_is_not_believed(forged: str) -> None:
    answer, found = asked()
    tampered, faults = FORGED[forged]
    tampered(answer)
    assert told(answer, found) == faults


BACK = "10.20.1.4 to mlwsdata7.blob.core.windows.net over https/443 (outbound, nsg), which is handed back,"


@pytest.mark.parametrize(
    ("tampered", "fault"),
    [
        (put("unsaid", 0, "requirement", value="x/\x1b[1m"), f"The need of {BACK} is stale: it says x/\N{REPLACEMENT CHARACTER}[1m, and it is aml/storage."),
        (put("unsaid", 0, "flow", "events", value=9), f"The evidence of {BACK} is stale: events is 9, and these logs show 4."),
        (lambda answer: answer["unsaid"].append(answer["unsaid"][0]), f"The evidence of {BACK} is stale: events is 8, and these logs show 4."),
        (
            put("unsaid", 0, "flow", "first_seen", value="2026-11-20T23:10:00Z"),
            f"The evidence of {BACK} is stale: first_seen is 2026-11-20T23:10:00.000000Z, and these logs show 2026-11-20T23:10:00.125000Z.",
        ),
    ],
    ids=["the need", "the entries", "it twice", "the time"],
)  # fmt: skip
def test_what_is_said_of_what_is_handed_back_is_not_believed(tampered: Tampered, fault: str) -> None:
    data, found = _handed_back()
    answer = json.loads(data)
    tampered(answer)
    assert told(answer, found) == (fault,)


LEFT_OUT: dict[str, Tampered] = {
    "the certificate": lambda answer: answer.pop("certificate"),
    "a surplus": lambda answer: answer["certificate"]["surplus_of"].pop(WEB),
    "the bound": lambda answer: answer["certificate"].pop("lower_bound"),
    "a bound of nothing": certificate(lower_bound=0),
    "a name": lambda answer: docker(answer).pop("id"),
    "citations": lambda answer: docker(answer).pop("requirements"),
    "all of citations but the needs": lambda answer: [
        rule.update(requirements=[{"id": each["id"]} for each in rule["requirements"]])
        for rule in answer["recommendations"]
    ],
    "evidence": lambda answer: docker(answer).pop("evidence"),
    "a part of the evidence": lambda answer: docker(answer)["evidence"].pop("events"),
    "the time of the night": lambda answer: answer.pop("window"),
    "verdicts": put("verdicts", "needed", value=None),
    "lists": lambda answer: (answer.pop("refused"), answer.update(unexplained=None)),
    "what nobody can check": lambda answer: (answer.pop("ledger"), answer.pop("notes"), docker(answer).pop("doubts")),
    "the order": lambda answer: [
        each.reverse() for each in (answer["recommendations"], answer["refused"], docker(answer)["requirements"], docker(answer)["sources"])
    ],
    "the zone": evidence(first_seen="2026-11-20T22:01:28.125", last_seen="2026-11-21T00:10:52.125000+01:00"),
}  # fmt: skip


@pytest.mark.parametrize("left", LEFT_OUT)
def test_what_an_answer_does_not_say_is_no_fault(left: str) -> None:
    answer, found = asked()
    LEFT_OUT[left](answer)
    assert told(answer, found) == ()


def test_a_rule_that_was_edited_is_told_under_both_its_names() -> None:
    """Its surplus stands under the one that it had."""
    answer, found = asked()
    rule = first(answer["recommendations"], "azure-firewall", like="tag:AzureM")
    rule.update(sources=["10.20.1.4/32", "10.20.1.5/32", "10.20.1.6", "10.20.1.7"])
    was = rule["id"]
    assert told(answer, found) == (
        f"The surplus of {was} is stale: the rule that is called so in the file is {REDRAWN}; write that, or leave it out.",
    )
    del answer["certificate"]["surplus_of"][was]
    read = document.parse(json.dumps(answer).encode(), "n")
    assert verified(read, found).faults == ()
    assert tuple(remarks(read, found)) == (
        f"recommendations[3] is called {was} in the file, and as it stands now it is {REDRAWN}.",
    )


def test_what_is_believed_of_an_answer_is_told() -> None:
    answer, found = asked("with a subnet")
    answer["asked"] |= {
        "platform": "nsg", "region": "westeurope", "profiles": ["training"], "subnets": ["10.20.1.0/24", "0.0.0.0/0"],
        "breadth": "documented", "at_most": 99, "dns_proxy": True, "never_override": ["Keep", "\x1b[31m"],
    }  # fmt: skip
    read = document.parse(json.dumps(answer).encode(), "n")
    assert tuple(remarks(read, found)) == (
        "It is believed that this was asked for: --platform nsg, --region WestEurope, --profile training, "
        "--subnet 10.20.1.0/24, --subnet 0.0.0.0/0, --breadth documented, --at-most 99, --dns-proxy, "
        "--never-override 'Keep', --never-override '\N{REPLACEMENT CHARACTER}[31m'.",
    )


def test_logs_that_reach_further_than_those_of_an_answer_may_show_more() -> None:
    """And never less: an answer of the first hours is checked against the whole night."""
    _, found = asked()
    early = replace(found, rows=found.rows.filter(found.rows["last_seen"] < found.rows["last_seen"].max()))
    ask, _ = samples()
    part = json.loads(to_json(run.answered(ask, early)[0]))
    read = document.parse(json.dumps(part).encode(), "n")
    assert verified(read, found).faults == ()
    assert tuple(remarks(read, found)) == (
        "These logs reach from 2026-11-20T22:01:00.125000Z to 2026-11-20T23:42:00.125000Z, and those of the answer from "
        "2026-11-20T22:01:00.125000Z to 2026-11-20T23:41:00.125000Z: its evidence is checked as a part of theirs.",
    )
    more = deepcopy(part)
    docker(more)["evidence"]["events"] = 105
    more["verdicts"]["refused"]["events"] = 5
    assert told(more, found) == (
        f"{EVIDENCE} events is 105, and these logs show no more than 104.",
        "The count of what is refused is stale: events is 5, and these logs show no more than 4.",
    )


def test_what_is_said_of_other_logs_is_not_checked_and_that_is_told() -> None:
    answer, _ = asked()
    seen = [Seen(host="pypi.org", at=NIGHT)]
    other = found_in(seen, run.Ask(("night",)))
    (fault,) = (fault for fault in told(answer, other) if fault.startswith("The answer is of other logs: "))
    assert fault.endswith("; so its counts are not checked. Pass the logs that it was made from.")
    assert not any("The evidence of" in fault or "The count of" in fault for fault in told(answer, other))


def test_allowed_flows_that_were_counted_too_say_nothing_of_the_time_of_what_was_denied() -> None:
    ask, found = samples()
    answer = json.loads(to_json(run.answered(replace(ask, with_allowed=True), found)[0]))
    answer["window"]["last_seen"] = "2026-11-21T06:00:00Z"
    assert told(answer, found) == ()


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("none", "refused: no conversation as an answer lists them (Expected `array`, got `str`)"),
        ([{}], "refused[0]: no conversation as an answer lists them (Object missing required field `src_ip`)"),
        ([{"src_ip": "a", "destination": "b", "service": "c", "direction": "inbound", "events": 2**63}], "refused[0]: no conversation as an answer lists them (Expected `int` <= 9223372036854775807 - at `$.events`)"),
    ],
)  # fmt: skip
def test_a_list_that_is_none_is_told(value: Any, why: str) -> None:
    answer, found = asked()
    answer["refused"] = value
    with pytest.raises(FwlensError) as said:
        told(answer, found)
    assert str(said.value) == f"The answer: {why}."


def test_a_name_and_its_addresses_are_needs_of_rules_of_their_own() -> None:
    """The tag's rule lets the name through, as its document says; it is not for it, and the need is its own all the same."""
    ask = run.Ask(("night",), region="westeurope")
    found = found_in([Seen(host="x.t.example.net"), Seen(ip="203.0.113.225", service="tcp/443", events=3)], ask)
    answer = json.loads(to_json(run.answered(ask, found)[0]))
    assert [one["layer"] for one in answer["recommendations"]] == ["application", "network"]
    assert [one["evidence"]["events"] for one in answer["recommendations"]] == [1, 3]
    answer["recommendations"][1]["evidence"]["events"] = 4
    rule = answer["recommendations"][1]["id"]
    assert told(answer, found) == (f"The evidence of rule {rule} is stale: events is 4, and these logs show 3.",)


_CHANGES = st.sampled_from(["flows", "events", "first_seen", "last_seen", "devices", "denied_by", "requirements"])


@settings(max_examples=60)
@given(st.data(), st.sampled_from(["as it was seen", "with a subnet", "whole ways", "in few rules"]))
def test_the_evidence_and_citations_of_no_rule_can_stand_for_another(data: st.DataObject, seen: str) -> None:
    """Whatever is exchanged between two rules is told, unless it is the same."""
    answer, found = asked(seen)
    numbers = st.integers(0, len(answer["recommendations"]) - 1)
    one, other = (answer["recommendations"][data.draw(numbers)] for _ in range(2))
    name = data.draw(_CHANGES)
    one, other = (each if name == "requirements" else each["evidence"] for each in (one, other))
    one[name], other[name] = other[name], one[name]
    same = one[name] == other[name]
    lasting = name in ("first_seen", "last_seen")  # what documents ask for is reckoned into these
    assert told(answer, found) == () if same else bool(told(answer, found)) or lasting


def test_a_document_names_the_place_of_what_cannot_have_been_asked_for(tmp_path: Path) -> None:
    answer, _ = asked()
    answer["asked"] |= {"since": "2026-11-21T00:00:00", "until": "2026-11-20T22:00:00Z"}
    with pytest.raises(FwlensError) as said:
        document.parse(json.dumps(answer).encode(), "night.json")
    assert str(said.value) == (
        "night.json: asked: since 2026-11-21T00:00:00+00:00 is not before until 2026-11-20T22:00:00+00:00."
    )
