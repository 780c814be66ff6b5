"""Every documented row, denied, gets its cited rule, in each format that can carry it; nothing that only looks like it does."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from fwlens import source
from fwlens.catalog import load
from fwlens.match import match
from fwlens.names import REGION
from fwlens.recommend import Recommendations, recommend
from fwlens.rule import PLACEHOLDER, Endpoint, Service
from fwlens.tags import ServiceTags
from tests import night
from tests.night import Entry
from tests.plain import service_tags

ROWS = [
    tuple(line.split("\t"))
    for line in (Path(__file__).parent / "catalog_rows.tsv").read_text("utf-8").splitlines()[1:]
    if not line.endswith("\t-") and "note:" not in line
]
SEEDS = [row for row in ROWS if row[0].startswith(("SK-", "SE-"))]
KNOWN = load().requirements


@cache
def tags() -> ServiceTags:
    """A service-tag file in which each tag that a row names has sixteen addresses of its own."""
    names = sorted({end[4:] for row in ROWS for end in row[2].split(",") if end.startswith("tag:")})
    bound = [name.replace(REGION, "WestEurope") for name in names if name != "VirtualNetwork"]
    return service_tags(
        {
            name: (f"203.0.113.{16 * i % 256}/28" if i < 16 else f"198.51.100.{16 * i % 256}/28",)
            for i, name in enumerate(bound)
        }
    )


def address_of(tag: str) -> str:
    """An address that the sample file puts into a tag."""
    name = tag.replace(REGION, "WestEurope")
    number = int(tags().prefixes.filter(tags().prefixes["tag"] == name)["first"][0]) & 0xFFFFFFFF
    return (
        ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0)).rpartition(".")[0] + f".{(number & 255) + 5}"
    )


@dataclass(frozen=True)
class Case:
    """One denied entry of a row, and the formats that can tell it."""

    row: str
    home: str
    entry: Entry
    formats: tuple[str, ...]


def cases(rows: Sequence[tuple[str, ...]]) -> Iterator[Case]:
    for name, direction, destinations, services, home in rows:
        for destination in destinations.split(","):
            for text in services.split(",") if services != "-" else ("https/443",):
                yield from _cases(name, home, direction, Endpoint.parse(destination), Service.parse(text))


BY_ADDRESS = ("azfw", "azdiag", "nsg-v1", "nsg-v2", "vnet-v4", "nta", "cl")


def _cases(name: str, home: str, direction: str, end: Endpoint, service: Service) -> Iterator[Case]:
    protocol = {"tcp": "TCP", "udp": "UDP"}[service.transport]
    own, port = "10.20.1.4", service.first
    if end.kind in ("tag", "address"):
        private = end.kind == "address" or end.text == "VirtualNetwork"
        far = "10.77.0.9" if private else address_of(end.text)
        if end.kind == "address" and not end.text.startswith("10."):
            far = end.text.partition("/")[0].rpartition(".")[0] + ".9"
        if direction == "inbound":
            yield Case(name, home, Entry(60, far, own, port, protocol, direction="I"), BY_ADDRESS[2:])
        else:
            yield Case(name, home, Entry(60, own, far, port, protocol), BY_ADDRESS)
        return
    host = end.text.partition("/")[0].replace(REGION, "westeurope")
    host = PLACEHOLDER.sub("invented7", "a." + host[2:] if end.kind == "wildcard" else host)
    web = {("tcp", 443): "HTTPS", ("tcp", 80): "HTTP"}.get((service.transport, port))
    if web:
        yield Case(name, home, Entry(60, own, "", port, web, host), ("azfw", "azdiag"))
    else:  # only the legacy sentence has room for a name beside other ports
        yield Case(name, home, Entry(60, own, host, port, protocol), ("azdiag",))


WRITTEN: dict[str, Callable[[Entry], str]] = {
    "azfw": lambda entry: night.as_lines([night.azfw(entry)]),
    "azdiag": lambda entry: night.as_lines([night.azdiag(entry)]),
    "nsg-v1": lambda entry: json.dumps(night.nsg_flow_log([entry], 1)),
    "nsg-v2": lambda entry: json.dumps(night.nsg_flow_log([entry], 2)),
    "vnet-v4": lambda entry: json.dumps(night.vnet_flow_log([entry])),
    "nta": lambda entry: night.as_csv(
        [night.nta(entry, public=not entry.dst.startswith("10.") or entry.direction == "I")]
    ),
    "cl": lambda entry: night.as_answer(
        [night.cl(entry, public=not entry.dst.startswith("10.") or entry.direction == "I")]
    ),
}


def answered(path: Path) -> Recommendations:
    flows = source.read([str(path)])
    assert flows.rows["events"].sum() == 1
    return recommend(match(flows.rows, KNOWN, tags=tags()), KNOWN, tags=tags())


@pytest.mark.parametrize("form", WRITTEN)
def test_every_flow_row_of_the_seeds_gets_a_cited_rule_in_each_format_that_can_carry_it(
    form: str, tmp_path: Path
) -> None:
    told = 0
    for number, case in enumerate(cases(SEEDS)):
        if form not in case.formats:
            continue
        path = tmp_path / f"{number}.log"
        path.write_text(WRITTEN[form](case.entry))
        said = answered(path)
        cited = [citation for one in said.rules for citation in one.citations]
        assert len(said.rules) == 1, (case, said.unsaid)
        assert case.home in {citation.id for citation in cited}, (case, cited)
        assert all(citation.url.startswith("https://") for citation in cited)
        told += 1
    assert told >= 20


def test_every_row_of_the_newer_documents_that_names_a_service_is_explained_too(tmp_path: Path) -> None:
    """By its own need or a narrower one; AzureCloud alone explains nothing."""
    told = [case for case in cases([row for row in ROWS if row[3] != "-"]) if case.home != "aks/tunnel"]
    for form in ("azfw", "azdiag", "nsg-v2"):
        mine = [case for case in told if form in case.formats and form == case.formats[0]]
        path = tmp_path / form
        if form == "nsg-v2":
            path.write_text(night.as_lines(night.nsg_flow_log([case.entry], 2) for case in mine))
        else:
            path.write_text("".join(WRITTEN[form](case.entry) for case in mine))
        rows = match(source.read([str(path)]).rows, KNOWN, tags=tags())
        lines = rows.filter(rows["requirement"].is_null())["origin"].str.extract("([0-9]+)$").cast(int)
        assert [mine[line - 1].row for line in lines] == []


LOOK_ALIKES = [
    "huggingface.co.evil.example", "evilhuggingface.co", "xn--hugingface-8ib.co", "anaconda.com.evil.example",
    "evilanaconda.com", "pypi.org.evil.example", "mypypi.org", "pypi.orgs", "docker.io.example", "westeurope.tundra.azureml.ms.example",
    "blob.core.windows.net.example", "evil-blob.core.windows.net.example", "vscode.blob.core.windows.net.example",
    "batch.azure.com", "azureml.ms.example", "mcr.microsoft.com.example", "*.anaconda.com", "pypi.org/../evil", "pypi.org evil.example",
]  # fmt: skip


@pytest.mark.parametrize("host", LOOK_ALIKES)
@pytest.mark.parametrize("form", ["azfw", "azdiag"])
def test_a_look_alike_of_a_documented_host_gets_no_rule(host: str, form: str, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(WRITTEN[form](Entry(60, "10.20.1.4", "", 443, "HTTPS", host)))
    flows = source.read([str(path)])
    said = recommend(match(flows.rows, KNOWN, tags=tags()), KNOWN, tags=tags())
    assert said.rules == ()
    assert flows.ledger.rows_read == flows.ledger.rows_used + flows.ledger.rows_set_aside == 1


@pytest.mark.parametrize("host", ["PyPI.org", "pypi.org.", "HUGGINGFACE.CO.", "Repo.Anaconda.Com"])
def test_case_and_a_trailing_dot_make_no_difference(host: str, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(WRITTEN["azfw"](Entry(60, "10.20.1.4", "", 443, "HTTPS", host)))
    assert len(answered(path).rules) == 1
