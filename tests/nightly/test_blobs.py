"""Blobs every night: one that grew is read again, one that did not is not, and nothing is counted twice."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from fwlens.nightly import Logs, take_in
from fwlens.nightly.files import blobs_in
from fwlens.source.storage import Storage
from tests import azurite
from tests.azurite import Azurite, Relay, relayed
from tests.nightly.world import DOCKER, HUGGING_FACE, PYPI, T0, Told, lines, plan, read, seen, stored


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with azurite.started(tmp_path_factory.mktemp("azurite")) as started:
        yield started


def path(day: int, hour: int) -> str:
    return f"resourceId=/SUBSCRIPTIONS/S/FW/y=2026/m=11/d={day:02}/h={hour:02}/m=00/PT1H.json"


def reading(folder: Path, relay: Relay, address: str) -> tuple[list[str], list[str], tuple[str, ...]]:
    """A night over the blobs of an address: what was fetched, what was stored, and what went wrong."""
    relay.requests.clear()
    with Storage() as storage:
        logs = Logs(lambda since: tuple(blobs_in(storage, [address], since)), storage.inputs)
        told = Told()
        took = take_in(plan(folder, T0.replace(hour=23), logs=logs), told)
    fetched = sorted({unquote(request.path).partition("/h=")[2].partition("/")[0] for request in relay.reads})
    kept = [text.rpartition(": ")[2] for _, event, text in told.lines if event == "stored"]
    return fetched, kept, tuple(took.faults)


def test_a_blob_that_grew_is_read_again_and_one_that_did_not_is_not(server: Azurite, tmp_path: Path) -> None:
    with server.container("grows", {path(20, 21): lines([seen(DOCKER, -30)])}) as container, relayed(server) as relay:
        address = f"{relay.url}/grows/"
        blob = container.get_blob_client(path(20, 22))
        blob.create_append_blob()
        blob.append_block(lines([seen(PYPI, 1)]))
        assert reading(tmp_path, relay, address) == (["21", "22"], ["2 rows."], ())
        assert reading(tmp_path, relay, address) == ([], [], ())
        blob.append_block(lines([seen(PYPI, 2), seen(HUGGING_FACE, 3)]))
        assert reading(tmp_path, relay, address) == (["22"], ["3 rows."], ())
    entries = [seen(DOCKER, -30), seen(PYPI, 1), seen(PYPI, 2), seen(HUGGING_FACE, 3)]
    assert stored(tmp_path).equals(read(entries))


def test_a_blob_that_was_written_anew_takes_the_place_of_itself(server: Azurite, tmp_path: Path) -> None:
    first, second = lines([seen(PYPI, 11)]), lines([seen(PYPI, 12)])
    assert len(first) == len(second)
    with server.container("anew", {path(20, 22): first}) as container, relayed(server) as relay:
        reading(tmp_path, relay, f"{relay.url}/anew/")
        container.upload_blob(path(20, 22), second, overwrite=True)
        assert reading(tmp_path, relay, f"{relay.url}/anew/") == (["22"], ["1 rows."], ())
    assert stored(tmp_path).equals(read([seen(PYPI, 12)]))


def test_hours_before_the_look_back_are_not_listed_and_blobs_that_are_gone_leave_their_flows(
    server: Azurite, tmp_path: Path
) -> None:
    blobs = {path(10, 5): lines([seen(DOCKER, -15000)]), path(20, 22): lines([seen(PYPI, 1)])}
    with server.container("old", blobs) as container, relayed(server) as relay:
        assert reading(tmp_path, relay, f"{relay.url}/old/")[0] == ["22"]
        container.delete_blob(path(20, 22))
        container.upload_blob(path(20, 21), lines([seen(DOCKER, -30)]))
        assert reading(tmp_path, relay, f"{relay.url}/old/")[0] == ["21"]
    assert stored(tmp_path).equals(read([seen(DOCKER, -30), seen(PYPI, 1)]))


def test_an_address_that_cannot_be_listed_is_a_fault_and_the_store_stays(server: Azurite, tmp_path: Path) -> None:
    with server.container("lost", {path(20, 22): lines([seen(PYPI, 1)])}), relayed(server) as relay:
        reading(tmp_path, relay, f"{relay.url}/lost/")
        _, _, faults = reading(tmp_path, relay, f"{relay.url}/never/")
        assert len(faults) == 1
        assert faults[0].startswith(f"{relay.url}/never: 404 ContainerNotFound")
    assert stored(tmp_path).equals(read([seen(PYPI, 1)]))
