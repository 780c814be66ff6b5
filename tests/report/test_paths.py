"""The flow chart: which rule fixes which needed flow, however many there are, and how that is drawn."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address

import polars as pl
import pytest

from fwlens.report import charts, paths
from fwlens.report.content import Night
from fwlens.rule import Endpoint, Rule, Service
from tests.report.nights import flows, invented, rule

CROWD = 20_000


def night(
    *allowed: tuple[str, str, str], sources: list[str], hosts: Sequence[str] = (), by: Sequence[str] = ()
) -> Night:
    """A night in which each source needed `w0`; rules are written `sources`, `destinations`, `services`."""
    told = invented(needed=1, unexplained=0, refused=0)
    needs = pl.Series(["w0"] * len(sources))
    columns = {"dst_fqdn": hosts, "by": by}
    texts = {name: pl.Series(values, dtype=pl.String) for name, values in columns.items() if values}
    asked = flows(len(sources), "needed", "w{}".format, src_ip=pl.Series(sources), requirement=needs, **texts)
    made = []
    for ends in allowed:
        near, far = (tuple(map(Endpoint.parse, text.split())) for text in ends[:2])
        services = tuple(map(Service.parse, ends[2].split()))
        made.append(replace(rule(0), rule=Rule("azure-firewall", "network", "outbound", near, far, services)))
    return replace(told, matched=asked, answer=replace(told.answer, recommendations=tuple(made), unsaid=()))


def drawn(found: Night) -> list[str | int]:
    """The flows by the number of the rule that they are drawn with, or by what stands for none."""
    ids = [one.rule.id for one in found.answer.recommendations]
    return [
        ids.index(path.rule) if path.rule in ids else path.rule
        for path in paths.paths(found).paths
        for _ in range(path.flows)
    ]


def test_every_flow_of_a_crowd_is_drawn_with_the_rule_that_allows_it() -> None:
    sources = [str(ip_address("10.0.0.0") + 7 * n) for n in range(CROWD)]
    hosts = [("a.example", "b.c.example")[n % 2] for n in range(CROWD)]
    crowd = night(
        ("10.0.0.0/16", "a.example", "https/443"),
        ("10.0.0.0/16", "*.c.example", "tcp/80-443"),
        ("10.1.0.0/16 10.2.0.0/15", "*.c.example a.example", "https/443"),
        sources=sources,
        hosts=hosts,
    )
    near = [source.startswith("10.0.") for source in sources]
    expected = Counter(n % 2 if is_near else 2 for n, is_near in enumerate(near))
    assert Counter(drawn(crowd)) == expected
    assert len(expected) == 3


@pytest.mark.parametrize(
    ("source", "host", "said"),
    [
        ("10.0.0.4", "a.example", 0),
        ("10.0.0.5", "a.example", 1),
        ("10.0.0.8", "a.example", paths.NOT_TOLD),
        ("fd00::1:2", "a.example", 1),
        ("fd00::2:2", "a.example", paths.NOT_TOLD),
        ("10.0.0.4", "x.b.example", 2),
        ("10.0.0.4", "b.example", paths.NOT_TOLD),
        ("10.0.0.4", "x.d.example", paths.NOT_TOLD),
    ],
)
def test_of_several_rules_it_is_the_first_whose_words_hold_both_ends_and_the_service(
    source: str, host: str, said: int | str
) -> None:
    one = night(
        ("10.0.0.4", "a.example", "https/443"),
        ("10.0.0.4/31 10.0.0.6/31 fd00::1:0/112", "a.example", "https/443"),
        ("10.0.0.4", "*.b.example", "tcp/443"),
        ("10.0.0.4", "*.d.example", "tcp/80"),
        sources=[source],
        hosts=[host],
    )
    assert drawn(one) == [said]


@pytest.mark.parametrize(
    ("far", "by", "said"),
    [
        ("tag:Storage", "tag:Storage", 1),
        ("tag:Storage.WestEurope", "tag:Storage", 1),
        ("*", "*.x.example", paths.NOT_TOLD),
    ],
)
def test_a_tag_may_hold_any_address_and_what_explains_a_flow_is_as_good_as_its_end(
    far: str, by: str, said: int | str
) -> None:
    one = night(
        ("10.0.0.4", "a.example", "https/443"),
        ("*", far.replace("*", "b.example"), "https/443"),
        sources=["10.0.0.4"],
        hosts=["203.0.113.7"],
        by=[by],
    )
    assert drawn(one) == [said]


def test_a_need_with_a_single_rule_is_drawn_with_it_whatever_its_words_say() -> None:
    assert drawn(night(("10.0.0.4", "a.example", "https/443"), sources=["10.9.9.9"])) == [0]


def test_a_rule_of_another_platform_is_drawn_only_where_there_is_none_of_its_own() -> None:
    one = night(("10.0.0.4", "w0.example", "https/443"), ("10.0.0.4", "w0.example", "tcp/443"), sources=["10.0.0.4"])
    first, second = one.answer.recommendations
    elsewhere = replace(first, rule=replace(first.rule, platform="nsg", layer="nsg"))
    told = replace(one, answer=replace(one.answer, recommendations=(elsewhere, second)))
    assert drawn(told) == [1]


def test_what_is_not_told_apart_has_another_colour_than_what_is_in_no_rule() -> None:
    ends = [paths.Path("m", "n", name, 1) for name in ("app-1", paths.NO_RULE, paths.NOT_TOLD)]
    figure = charts.paths(paths.Paths(tuple(ends), 1, 1, 1), {}).to_plotly_json()["data"][0]
    assert figure["meta"]["roles"] == ["source", "need", "rule", "left", "unclear"]
