"""Tests of what the catalogue says: every row read in a document has its place, and the known traps are avoided.

`catalog_rows.tsv` holds the rows as facts: id, direction, destinations, services, and the need or note they belong to.
A dash stands for what the document does not state.
"""

from collections import Counter
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from fwlens.catalog import load
from fwlens.requirement import Page, Requirement
from fwlens.rule import PLACEHOLDER, Endpoint, Service

CATALOG: Final = load()
NEEDS: Final = {need.id: need for need in CATALOG.requirements}
NOTES: Final = {note.id: note for note in CATALOG.notes}
PAGES: Final = sorted(
    {
        *(page for need in CATALOG.requirements for page in (need.page, *need.also)),
        *(note.page for note in CATALOG.notes),
    },
    key=lambda page: (page.url, page.title),
)
READ: Final = {
    "SK": 66, "SE": 17,
    "C-T1": 28, "C-T2": 28, "C-INC": 29, "C-FW": 124, "C-PKG": 8, "C-MN": 30, "C-PR748": 4, "C-MC": 13, "C-DX": 16,
    "C-AKS": 39, "C-AKS2": 1, "C-BATCH": 4, "C-HF": 11, "C-HFM": 21, "C-VSC": 19, "C-VSI": 1, "C-DOCK": 9,
    "C-DOCKPR": 1, "C-REAL": 2,
}  # fmt: skip
"""How many rows were read, by the document that their ids begin with."""


class Row(NamedTuple):
    """What a document says in one place, in our notation."""

    id: str
    direction: str
    destinations: tuple[Endpoint, ...]
    services: tuple[Service, ...]
    home: str


def _row(line: str) -> Row:
    name, direction, destinations, services, home = line.split("\t")
    return Row(
        name,
        direction,
        tuple(Endpoint.parse(text) for text in destinations.split(",") if text != "-"),
        tuple(Service.parse(text) for text in services.split(",") if text != "-"),
        home,
    )


ROWS: Final = tuple(map(_row, Path(__file__).with_name("catalog_rows.tsv").read_text("utf-8").splitlines()[1:]))
OF_NEEDS: Final = tuple(row for row in ROWS if not row.home.startswith("note:"))

each_row: Final = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
each_row_of_a_need: Final = pytest.mark.parametrize("row", OF_NEEDS, ids=lambda row: row.id)
each_need: Final = pytest.mark.parametrize("need", CATALOG.requirements, ids=lambda need: need.id)
each_page: Final = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.url)


def endpoint(text: str) -> Endpoint:
    return Endpoint.parse(text)


def peers(need: Requirement) -> set[Endpoint]:
    return {peer for way in need.ways for peer in way.peers}


def services_to(peer: str, direction: str = "outbound") -> set[str]:
    """All services over which any need of the catalogue reaches an endpoint."""
    return {
        str(service)
        for need in CATALOG.requirements
        if need.direction == direction
        for way in need.ways
        if endpoint(peer) in way.peers
        for service in way.over
    }


def overlap(one: Service, other: Service) -> bool:
    return one.transport == other.transport and one.first <= other.last and other.first <= one.last


# Every row has its place.


@each_row
def test_a_row_is_listed_once_and_where_the_table_says(row: Row) -> None:
    needs = [need.id for need in CATALOG.requirements for listed in need.rows if listed == row.id]
    notes = [f"note:{note.id}" for note in CATALOG.notes for listed in note.rows if listed == row.id]
    assert needs + notes == [row.home]


@each_row_of_a_need
def test_the_need_of_a_row_goes_where_the_row_goes_over_what_the_row_states(row: Row) -> None:
    need = NEEDS[row.home]
    assert row.direction == need.direction
    assert row.destinations
    for destination in row.destinations:
        ways = [way for way in need.ways if destination in way.peers]
        assert ways, f"{need.id} does not name {destination}"
        for service in row.services:
            assert any(offered.carries(service) for way in ways for offered in way.over), f"{need.id} lacks {service}"


def test_the_table_holds_every_row_that_was_read_and_each_once() -> None:
    read = [f"{document}-{number:03}" for document, count in READ.items() for number in range(1, count + 1)]
    assert sorted(row.id for row in ROWS) == sorted(read)


def test_the_catalogue_lists_no_row_that_the_table_lacks() -> None:
    listed = {row for need in CATALOG.requirements for row in need.rows} | {
        row for note in CATALOG.notes for row in note.rows
    }
    assert listed <= {row.id for row in ROWS}


@pytest.mark.parametrize("row", [row for row in ROWS if row.home.startswith("note:")], ids=lambda row: row.id)
def test_only_a_row_without_a_destination_to_name_is_a_note(row: Row) -> None:
    assert row.destinations == ()


# What holds of every need and page.


@each_need
def test_a_need_never_goes_to_or_comes_from_anywhere(need: Requirement) -> None:
    assert "any" not in {peer.kind for peer in peers(need)}


@each_need
def test_a_need_is_told_in_whole_sentences(need: Requirement) -> None:
    assert all(text[:1].isupper() and text.endswith(".") for text in (need.purpose, *need.warns))
    assert need.when


def test_a_note_is_told_in_whole_sentences_about_needs_that_exist() -> None:
    assert all(note.text[:1].isupper() and note.text.endswith(".") for note in CATALOG.notes)
    assert {about for note in CATALOG.notes for about in note.about} <= NEEDS.keys()


@each_page
def test_a_page_has_an_address_and_the_day_it_was_read(page: Page) -> None:
    assert page.url.startswith("https://")
    assert page.read_on == date(2026, 11, 21)
    assert page.title


def test_ids_are_unique() -> None:
    assert len(NEEDS) == len(CATALOG.requirements)
    assert len(NOTES) == len(CATALOG.notes)


@each_need
def test_a_need_refers_only_to_other_needs_that_exist(need: Requirement) -> None:
    assert {*need.superseded_by, *need.conflicts_with, *need.within} <= NEEDS.keys() - {need.id}
    assert set(need.depends_on) <= {peer for other in CATALOG.requirements for peer in peers(other)}


def test_no_two_needs_name_the_same_endpoint_over_the_same_service() -> None:
    ways = [
        (need.id, need.direction, peer, service)
        for need in CATALOG.requirements
        for way in need.ways
        for peer in way.peers
        for service in way.over
    ]
    twice = [
        (one[0], other[0], str(one[2]))
        for one, other in combinations(ways, 2)
        if one[0] != other[0] and one[1:3] == other[1:3] and overlap(one[3], other[3])
    ]
    assert twice == []


@each_need
def test_a_need_with_the_name_of_an_account_opens_only_what_was_seen(need: Requirement) -> None:
    names = {name for peer in peers(need) for name in PLACEHOLDER.findall(peer.text)}
    assert names <= {"region", "storage", "registry", "workspace-id"}
    assert need.narrow or names <= {"region"}


@each_need
def test_hosts_of_another_cloud_are_needed_in_that_cloud_only(need: Requirement) -> None:
    texts = {peer.text for peer in peers(need) if peer.kind in ("host", "wildcard")}
    china = {text for text in texts if text.endswith(".cn") and text != "huggingface.cn"}
    usgov = {text for text in texts if text.endswith((".us", ".usgovcloudapi.net"))}
    if china:
        assert (need.cloud, texts) == (("china",), china)
    if usgov:
        assert (need.cloud, texts) == (("usgov",), usgov)


# The traps of the documents.


def test_azure_machine_learning_needs_udp_5831_and_never_udp_443() -> None:
    assert services_to("tag:AzureMachineLearning") == {"tcp/443", "tcp/8787", "tcp/18881", "udp/5831"}
    assert not any(
        service.carries(Service.parse("udp/443"))
        for need in CATALOG.requirements
        for way in need.ways
        if any(peer.text.startswith("AzureMachineLearning") for peer in way.peers)
        for service in way.over
    )


def test_batch_is_any_443_by_its_regional_tag_and_the_pages_disagree() -> None:
    assert services_to("tag:BatchNodeManagement.<region>") == {"tcp/443", "udp/443"}
    assert services_to("tag:BatchNodeManagement") == {"tcp/443"}
    assert NEEDS["aml/batch"].conflicts_with == ("aml/batch-global",)
    assert NEEDS["aml/batch-global"].superseded_by == ("aml/batch",)


def test_rstudio_is_on_8787_of_the_service_by_tag_and_by_host() -> None:
    need = NEEDS["aml/service"]
    assert "rstudio" in need.when
    assert all(Service.parse("tcp/8787") in way.over for way in need.ways)
    assert [str(way.peers[0]) for way in need.ways] == ["tag:AzureMachineLearning", "*.instances.azureml.ms"]


@pytest.mark.parametrize("service", ["tcp/8787", "tcp/18881", "udp/5831"])
def test_a_port_that_no_application_rule_can_hold_can_be_opened_by_tag(service: str) -> None:
    ways = [
        need.ways
        for need in CATALOG.requirements
        if need.cloud[0] == "public" and any(Service.parse(service) in way.over for way in need.ways)
    ]
    tag = endpoint("tag:AzureMachineLearning")
    assert any(tag in way.peers for group in ways for way in group)


def test_the_situational_rules_that_the_seed_lost_are_there() -> None:
    lost = ["C-INC-009", "C-INC-010", "C-INC-011", "C-INC-012", "C-INC-013"]
    homes = {row.id: row.home for row in ROWS}
    assert [homes[name] for name in lost] == [
        "aml/public-ip-inbound",
        "aml/service",
        "aml/storage-smb-public",
        "aml/monitor",
        "aml/key-vault",
    ]


def test_python_files_come_with_a_word_on_the_contradiction() -> None:
    need = NEEDS["packages/pip-files"]
    assert peers(need) == {endpoint("*.pythonhosted.org")}
    assert any("index" in text for text in need.warns)
    assert {"pip", "curated"} <= set(need.when)


def test_the_bare_name_of_pytorch_is_a_need_of_its_own() -> None:
    assert not endpoint("*.pytorch.org").covers(endpoint("pytorch.org"))
    assert peers(NEEDS["packages/pytorch"]) == {endpoint("*.pytorch.org")}
    assert peers(NEEDS["packages/pytorch-bare"]) == {endpoint("pytorch.org")}


def test_the_websocket_server_is_a_path_on_one_of_two_hosts() -> None:
    old, new = NEEDS["vscode/remote-websocket"], NEEDS["vscode/interactive-websocket"]
    assert [peer.kind for need in (old, new) for peer in peers(need)] == ["url", "url"]
    assert {peer.text.partition("/")[0] for peer in peers(old)} == {"raw.githubusercontent.com"}
    assert {peer.text.partition("/")[0] for peer in peers(new)} == {"github.com"}
    assert (old.conflicts_with, new.conflicts_with) == ((new.id,), (old.id,))
    assert all(any("Premium" in text for text in need.warns) for need in (old, new))


def test_smb_in_private_networks_opens_only_the_address_that_was_seen() -> None:
    need = NEEDS["aml/storage-smb"]
    assert {str(peer) for peer in peers(need)} == {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}
    assert need.narrow
    assert services_to("10.0.0.0/8") == {"tcp/445"}


def test_inbound_needs_come_from_a_tag() -> None:
    inbound = {need.id: need for need in CATALOG.requirements if need.direction == "inbound"}
    assert inbound.keys() == {"aml/public-ip-inbound", "batch/classic-inbound"}
    assert {peer.kind for need in inbound.values() for peer in peers(need)} == {"tag"}
    assert services_to("tag:AzureMachineLearning", "inbound") == {"tcp/44224"}
    assert inbound["batch/classic-inbound"].superseded_by == ("aml/batch",)


@pytest.mark.parametrize(
    ("need", "tag"),
    [
        ("aml/front-door", "tag:AzureFrontDoor.Frontend"),
        ("aml/front-door-first-party", "tag:AzureFrontDoor.FirstParty"),
        ("aml/key-vault", "tag:AzureKeyVault.<region>"),
    ],
)
def test_a_tag_that_a_page_misspells_is_spelled_as_published(need: str, tag: str) -> None:
    assert endpoint(tag) in peers(NEEDS[need])


@pytest.mark.parametrize(
    ("need", "tags"),
    [
        ("aml/container-registry", ("tag:AzureFrontDoor.FirstParty",)),
        ("aml/container-registry-global", ("tag:AzureFrontDoor.FirstParty",)),
        ("aml/key-vault", ("tag:AzureActiveDirectory",)),
        ("aml/monitor", ("tag:Storage.<region>",)),
    ],
)
def test_a_tag_that_depends_on_another_says_so(need: str, tags: tuple[str, ...]) -> None:
    assert tuple(map(str, NEEDS[need].depends_on)) == tags


@pytest.mark.parametrize("need", ["aml/storage", "aml/storage-usgov", "aml/storage-china", "aml/storage-smb-public"])
def test_storage_of_everyone_is_never_opened_whole_and_warns(need: str) -> None:
    assert NEEDS[need].narrow
    assert any("carry data away" in text for text in NEEDS[need].warns)


def test_the_tag_of_nearly_all_of_azure_is_never_opened_whole_and_warns() -> None:
    needs = [need for need in CATALOG.requirements if endpoint("tag:AzureCloud.<region>") in peers(need)]
    assert [need.id for need in needs] == ["aks/tunnel"]
    assert needs[0].narrow
    assert any("never explains a flow on its own" in text for text in needs[0].warns)


@pytest.mark.parametrize(
    ("host", "need"),
    [
        ("registry-1.docker.io", "docker/registry"),
        ("auth.docker.io", "docker/registry"),
        ("production.cloudfront.docker.com", "docker/cdn-cloudfront"),
        ("us.aws.cdn.hf.co", "hf/cdn"),
        ("transfer.xethub-eu.hf.co", "hf/xet"),
    ],
)
def test_the_host_behind_a_documented_one_is_what_its_vendor_documents(host: str, need: str) -> None:
    named = [other.id for other in CATALOG.requirements if endpoint(host) in peers(other)]
    assert named == [need]
    assert NEEDS[need].basis == "vendor"


def test_the_bare_name_of_docker_hub_does_not_take_in_its_registry() -> None:
    need = NEEDS["docker/hub"]
    assert not any(peer.covers(endpoint("registry-1.docker.io")) for peer in peers(need))
    assert any("registry-1.docker.io" in text for text in need.warns)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("vscode/remote-cdn-old", "vscode/download-cdn"),
        ("hf/cdn-lfs-old", "hf/cdn"),
        ("aks/binaries-old", "aks/binaries"),
    ],
)
def test_a_host_that_was_left_names_its_successor(old: str, new: str) -> None:
    assert new in NEEDS[old].superseded_by
    assert NEEDS[new].superseded_by == ()


def test_two_pages_disagree_on_the_host_of_automl() -> None:
    assert NEEDS["aml/automl-cdn"].conflicts_with == ("aml/automl-front-door",)
    assert NEEDS["aml/automl-front-door"].conflicts_with == ("aml/automl-cdn",)


@pytest.mark.parametrize(
    ("need", "inferred"),
    [
        ("packages/conda", True),
        ("packages/pip", False),  # the firewall page states 443
        ("hf/hub", False),  # Hugging Face states 443
        ("hf/cdn-edges", True),
        ("docker/registry", True),
        ("aml/batch", False),
    ],
)
def test_a_port_is_inferred_where_no_page_states_it(need: str, inferred: bool) -> None:
    assert NEEDS[need].inferred is inferred


def test_a_port_that_a_later_page_states_is_no_longer_inferred() -> None:
    assert not NEEDS["aml/jupyter-websockets"].inferred
    assert not NEEDS["aml/front-door-first-party"].inferred


def test_the_layers_are_the_documents_of_microsoft_the_vendors_and_the_logs() -> None:
    hosts = {
        basis: {page.url.split("/")[2] for page in PAGES if page.basis == basis}
        for basis in ("documented", "vendor", "observed")
    }
    assert hosts == {
        "documented": {"learn.microsoft.com", "github.com"},
        "vendor": {"huggingface.co", "code.visualstudio.com", "docs.docker.com"},
        "observed": {"github.com"},
    }
    assert Counter(need.basis for need in CATALOG.requirements)["observed"] == 2


def test_the_meta_collection_needs_no_rule_and_fqdn_rules_are_billed() -> None:
    assert NOTES["meta-collection"].rows == ("SE-012", "C-MC-013")
    assert "billed" in NOTES["managed-network-fqdn-rules"].text
    assert NOTES["managed-network-fqdn-rules"].platforms == ("aml-managed-network",)
