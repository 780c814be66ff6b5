"""An answer's JSON read again: what was said comes back, what was edited is checked as words, never trusted as such."""

import json
from codecs import BOM_UTF8
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwlens import document
from fwlens.document import Claims
from fwlens.errors import FwlensError
from fwlens.proof import Asked
from fwlens.recommend import subnet
from fwlens.rule import Citation, Conversation, Endpoint, Evidence, Recommendation, Rule, Service, Unsaid

RULE = {
    "platform": "azure-firewall", "layer": "application", "direction": "outbound",
    "sources": ["10.0.0.4"], "destinations": ["pypi.org"], "services": ["https/443"],
}  # fmt: skip


def written(**over: Any) -> bytes:
    return json.dumps({"schema": "fwlens.recommendations/1", "recommendations": [RULE], **over}).encode()


def refused(data: bytes) -> str:
    with pytest.raises(FwlensError) as told:
        document.parse(data, "night.json")
    return str(told.value)


def test_a_person_needs_to_write_no_more_than_the_rules() -> None:
    read = document.parse(written(), "night.json")
    ends = (Endpoint.parse("10.0.0.4"),), (Endpoint.parse("pypi.org"),)
    day = datetime(1970, 1, 1, tzinfo=UTC)
    assert read.recommendations == (
        Recommendation(
            Rule("azure-firewall", "application", "outbound", *ends, (Service("https", 443, 443),)),
            (),
            Evidence(0, 0, day, day),
        ),
    )
    assert (read.asked, read.profiles, read.never_override, read.handed_back) == (Asked(), (), (), ())
    assert (read.lower_bound, read.surplus, read.service_tags) == (0, None, None)


def test_what_was_asked_for_and_handed_back_comes_with_the_rules() -> None:
    asked = {"platform": "nsg", "region": "WESTEUROPE", "breadth": "documented", "subnets": ["10.0.0.0/24"], "at_most": 3,
             "profiles": ["training"], "never_override": ["keep"], "dns_proxy": True,
             "since": "2026-11-20T22:00:00.000000Z", "until": "2026-11-21T04:00:00+02:00"}  # fmt: skip
    flow = {"src_ip": "10.0.0.4", "destination": "pypi.org", "service": "https/443", "direction": "outbound"}
    proven = {"lower_bound": 2, "surplus": 5, "complete": True, "sound": False, "rules": 1, "surplus_of": {"app-1": 5}}
    back = {"flow": flow, "platform": "nsg", "why": "x", "requirement": "packages/pip"}
    read = document.parse(written(asked=asked, unsaid=[back], certificate=proven, service_tags=376), "n")
    assert read.asked == Asked("nsg", "WestEurope", (subnet("10.0.0.0/24"),), True, 3, dns_proxy=True)
    assert (read.since, read.until) == tuple(
        datetime(2026, 11, day, hour, tzinfo=UTC) for day, hour in ((20, 22), (21, 2))
    )
    assert (read.profiles, read.never_override) == (("training",), ("keep",))
    day = datetime(1970, 1, 1, tzinfo=UTC)
    said = Conversation("10.0.0.4", "pypi.org", "https/443", "outbound", 0, day, day)
    assert read.handed_back == (Unsaid(said, "nsg", "packages/pip", "x"),)
    assert read.claims == Claims(complete=True, sound=False, rules=1, surplus_of={"app-1": 5})
    assert (read.lower_bound, read.surplus, read.service_tags) == (2, 5, 376)


def test_atoms_are_put_in_order_and_repeats_are_one() -> None:
    over = {"sources": ["10.0.0.9", "10.0.0.4", "10.0.0.9"], "destinations": ["*.x.org", "a.org"]}
    (one,) = document.parse(written(recommendations=[{**RULE, **over}]), "night.json").recommendations
    assert str(one.rule) == "application outbound 10.0.0.4,10.0.0.9 a.org,*.x.org https/443"


def test_citations_and_doubts_come_back() -> None:
    cited = {
        "id": "mine",
        "for": "my need",
        "layer": "vendor",
        "page": "P",
        "url": "https://x.org",
        "read_on": "2026-11-21",
    }
    (one,) = document.parse(
        written(recommendations=[{**RULE, "requirements": [cited], "doubts": ["d"]}]), "n"
    ).recommendations
    assert one.citations == (Citation("mine", "my need", "vendor", "P", "https://x.org", date(2026, 11, 21)),)
    assert one.doubts == ("d",)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "Input data was truncated"),
        (b"[]", "Expected `object`, got `array`"),
        (b"{", "Input data was truncated"),
        (b"rules: none\n", "JSON is malformed: invalid character (byte 0)"),
        ("\N{LATIN SMALL LETTER E WITH ACUTE}".encode("latin-1"), "JSON is malformed: invalid character (byte 0)"),
        (b"{}", "Object missing required field `schema`"),
        (b'{"schema": "fwlens.recommendations/1"}', "Object missing required field `recommendations`"),
        (written(recommendations=[{}]), "Object missing required field `platform` - at `$.recommendations[0]`"),
        (
            written(recommendations=[{**RULE, "platform": "aws"}]),
            "Invalid enum value 'aws' - at `$.recommendations[0].platform`",
        ),
        (
            written(recommendations=[{**RULE, "sources": "10.0.0.4"}]),
            "Expected `array`, got `str` - at `$.recommendations[0].sources`",
        ),
        (
            written(recommendations=[{**RULE, "sources": [4]}]),
            "Expected `str`, got `int` - at `$.recommendations[0].sources[0]`",
        ),
        (
            written(
                unsaid=[{"flow": {"src_ip": "a", "destination": "b", "service": "c"}, "platform": "nsg", "why": "d"}]
            ),
            "Object missing required field `direction` - at `$.unsaid[0].flow`",
        ),
        (
            written(unsaid=[{"flow": {**RULE, "src_ip": "a", "destination": "b", "service": "c"}, "why": "d"}]),
            "Object missing required field `platform` - at `$.unsaid[0]`",
        ),
        (
            written(unsaid=[{"flow": {**RULE, "src_ip": "a", "destination": "b", "service": "c"}, "platform": "nsg"}]),
            "Object missing required field `why` - at `$.unsaid[0]`",
        ),
        (written(asked={"dns_proxy": "maybe"}), "Expected `bool`, got `str` - at `$.asked.dns_proxy`"),
        (written(asked={"since": "yesterday"}), "Invalid RFC3339 encoded datetime - at `$.asked.since`"),
        (written(asked={"at_most": "three"}), "Expected `int | null`, got `str` - at `$.asked.at_most`"),
        (written(asked={"breadth": "all"}), "Invalid enum value 'all' - at `$.asked.breadth`"),
        (written(certificate={"lower_bound": 1.5}), "Expected `int`, got `float` - at `$.certificate.lower_bound`"),
    ],
)
def test_what_is_no_answer_is_told_with_the_place(data: bytes, why: str) -> None:
    assert refused(data) == f"night.json: not an answer of `fwlens recommend --format json` ({why})."


def test_what_an_editor_of_windows_puts_before_a_text_is_taken_off() -> None:
    assert document.parse(BOM_UTF8 + written(), "n") == document.parse(written(), "n")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_another_encoding_is_told_so_that_one_can_mend_it(encoding: str) -> None:
    told = "night.json: the text is UTF-16 or the like, and JSON is read as UTF-8: save it again as that."
    assert refused(written().decode().encode(encoding)) == told


def test_another_schema_is_told() -> None:
    told = "night.json: the schema is 'fwlens.recommendations/2', and fwlens reads fwlens.recommendations/1."
    assert refused(written(schema="fwlens.recommendations/2")) == told
    flows = b'{"schema": "fwlens.flows/1", "recommendations": []}'
    assert refused(flows) == "night.json: the schema is 'fwlens.flows/1', and fwlens reads fwlens.recommendations/1."


ENDPOINT = (
    "{} is no endpoint: write a host (login.x.com), a pattern (*.x.com), an address or network (10.0.0.0/8), "
    "or a service tag (tag:AzureMonitor)."
)
SERVICE = "{} is no service: write a protocol and its ports, such as tcp/443, udp/3478-3481 or icmp."


@pytest.mark.parametrize(
    ("over", "why"),
    [
        ({"sources": []}, "A rule needs at least one source, one destination and one service."),
        ({"services": []}, "A rule needs at least one source, one destination and one service."),
        ({"destinations": ["*"]}, "A rule to any destination is never recommended."),
        ({"destinations": ["*evil.org"]}, ENDPOINT.format("'*evil.org'")),
        ({"destinations": ["pypi.org; rm -rf /"]}, ENDPOINT.format("'pypi.org; rm -rf /'")),
        ({"destinations": ["pypi.org\u202e"]}, ENDPOINT.format(r"'pypi.org\u202e'")),
        ({"destinations": ["\x1b[31mx.org"]}, ENDPOINT.format(r"'\x1b[31mx.org'")),
        ({"destinations": ["${jndi}.org"]}, ENDPOINT.format("'${jndi}.org'")),
        ({"destinations": ["x.<region>.batch.azure.com"]}, "A rule cannot hold the placeholder in x.<region>.batch.azure.com."),
        ({"sources": ["10.0.0.300"]}, ENDPOINT.format("'10.0.0.300'")),
        ({"sources": ["10.0.0.4/24"]}, ENDPOINT.format("'10.0.0.4/24'")),
        ({"services": ["tcp/0"]}, SERVICE.format("'tcp/0'")),
        ({"services": ["tcp/70000"]}, SERVICE.format("'tcp/70000'")),
        ({"services": ["tcp/90-80"]}, SERVICE.format("'tcp/90-80'")),
        ({"services": ["smtp/25"]}, SERVICE.format("'smtp/25'")),
    ],
    ids=str,
)  # fmt: skip
def test_a_word_that_no_rule_may_hold_is_refused_with_the_place_of_its_rule(over: dict[str, Any], why: str) -> None:
    assert refused(written(recommendations=[RULE, {**RULE, **over}])) == f"night.json: recommendations[1]: {why}"


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"region": "atlantis"}, "'atlantis' is no Azure region that fwlens knows. Write the ARM name, such as westeurope."),
        ({"subnets": ["10.0.0.4/24"]}, "'10.0.0.4/24' is no subnet (10.0.0.4/24 has host bits set). Write a network such as 10.20.1.0/24."),
        ({"subnets": ["all"]}, "'all' is no subnet ('all' does not appear to be an IPv4 or IPv6 network). Write a network such as 10.20.1.0/24."),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_have_been_asked_for_is_told(asked: dict[str, Any], why: str) -> None:
    assert refused(written(asked=asked)) == f"night.json: asked: {why}"


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FwlensError) as told:
        document.read(tmp_path / "night.json")
    assert str(told.value) == f"{tmp_path}/night.json: cannot be read (No such file or directory)."


@given(
    st.binary()
    | st.text().map(str.encode)
    | st.text().map(lambda text: written(recommendations=[{**RULE, "sources": [text]}]))
)
def test_no_bytes_do_more_than_be_refused(data: bytes) -> None:
    told = "night.json: "
    try:
        document.parse(data, "night.json")
    except FwlensError as error:
        told = str(error)
    assert told.startswith("night.json: ")
    assert "\n" not in told
