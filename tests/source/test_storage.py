"""Blobs read where they lie, from Azurite: as from a folder, only the hours that matter, and never a secret shown."""

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from azure.storage.blob import BlobSasPermissions, ContainerClient, generate_blob_sas

from fwlens import source
from fwlens.errors import FwlensError
from fwlens.flow import Span
from fwlens.ledger import SetAside
from fwlens.source import Flows, storage
from fwlens.source.storage import Storage
from tests.azurite import ACCOUNT, KEY, Azurite, Relay, Request, identity, sas
from tests.source.logs import VNET_DENIED, closed, dump, vnet

SAMPLES = Path(__file__).parent.parent.parent / "sample_logs"
FIREWALL = "resourceId=/SUBSCRIPTIONS/S/RESOURCEGROUPS/RG/PROVIDERS/MICROSOFT.NETWORK/AZUREFIREWALLS/FW"
NIGHT = datetime(2026, 11, 20, 22, tzinfo=UTC)
DENIAL = '{"time":"2026-11-20T22:05:00Z","category":"AZFWNetworkRule","properties":{"Protocol":"TCP","SourceIp":"10.0.0.4","DestinationIp":"203.0.113.7","DestinationPort":443,"Action":"Deny","ActionReason":"Default Action"}}\n'


def hour(owner: str, day: int, hour: int, rest: str = "m=00/PT1H.json") -> str:
    return f"{owner}/y=2026/m=11/d={day:02}/h={hour:02}/{rest}"


def samples() -> dict[str, bytes]:
    """The sample night under paths as Azure lays them out."""
    return {
        f"resourceId=/S/{path.stem.upper()}/y=2026/m=11/d=20/h=22/m=00/{path.name}": path.read_bytes()
        for path in sorted(SAMPLES.iterdir())
    }


def totals(read: Flows) -> list[tuple[str, str, int, int, int]]:
    """The ledger by the name of each file."""
    return sorted(
        (each.path.rpartition("/")[2], each.format, each.rows_read, each.rows_used, each.rows_set_aside)
        for each in closed(read).ledger.inputs
    )


@pytest.fixture(scope="module")
def night(azurite: Azurite) -> Iterator[ContainerClient]:
    """The container of the sample night."""
    with azurite.container("night", samples()) as container:
        yield container


def test_the_same_logs_give_the_same_flows_and_ledger_from_blobs_as_from_a_folder(
    night: ContainerClient, relay: Relay
) -> None:
    blobs, folder = source.read([f"{relay.url}/night"]), source.read([str(SAMPLES)])
    assert totals(blobs) == totals(folder)
    assert blobs.rows.drop("origin").equals(folder.rows.drop("origin"))
    assert [data for _, data in blobs.service_tags] == [data for _, data in folder.service_tags]
    assert (blobs.faults, len(relay.reads), relay.lists) == ((), 8, 1)


def test_origins_are_addresses_that_can_be_asked_for_again(night: ContainerClient, relay: Relay) -> None:
    place = f"{relay.url}/night/resourceId=/S/AZFW/y=2026/m=11/d=20/h=22/m=00/azfw.jsonl"
    read = source.read([place])
    assert {origin.rpartition(":")[0] for origin in read.rows["origin"]} == {place}
    assert [account.path for account in read.ledger.inputs] == [place]


def test_a_blob_is_read_once_however_many_addresses_name_it(night: ContainerClient, relay: Relay) -> None:
    folder = f"{relay.url}/night/resourceId=/S/AZFW/"
    read = source.read([folder, f"{relay.url}/night/resourceId=/S/AZFW", folder])
    assert (len(relay.reads), read.ledger.rows_read) == (1, source.read([str(SAMPLES / "azfw.jsonl")]).ledger.rows_read)


def test_a_folder_is_no_beginning_of_another_name(night: ContainerClient, relay: Relay) -> None:
    assert source.read([f"{relay.url}/night/resourceId=/S/AZ"]).faults == (
        f"{relay.url}/night/resourceId=/S/AZ: no blob lies there. Check container, prefix, --since and --until.",
    )


def test_what_is_zipped_or_named_with_any_character_is_read_as_well(azurite: Azurite, relay: Relay) -> None:
    blobs = {"a b#c?d%e/ü\N{RIGHT-TO-LEFT OVERRIDE}.gz": gzip.compress(DENIAL.encode()), "empty.json": b""}
    with azurite.container("odd", blobs):
        read = closed(source.read([f"{relay.url}/odd/"]))
        assert (read.ledger.rows_used, read.faults) == (1, ())
        place = read.rows["origin"][0].rpartition(":")[0]
        assert place == f"{relay.url}/odd/a%20b%23c%3Fd%25e/%C3%BC%E2%80%AE.gz"
        assert closed(source.read([place])).ledger.rows_used == 1


def year(owner: str) -> dict[str, bytes]:
    """Blobs over many months, each with a denial of its own day."""
    return {
        f"{owner}/y={year}/m={month:02}/d={day:02}/h={hour:02}/m=00/PT1H.json": DENIAL.encode()
        for year in (2025, 2026)
        for month in (1, 10, 11, 12)
        for day in (1, 20, 21)
        for hour in (0, 21, 22, 23)
    }


def test_for_one_hour_no_year_is_listed(azurite: Azurite, relay: Relay) -> None:
    """A call for each level of the way, and one for each hour; the whole container would be one page of 96 blobs."""
    with azurite.container("year", year(FIREWALL)):
        span = Span(NIGHT, NIGHT.replace(hour=23))
        read = closed(source.read([f"{relay.url}/year"], span=span))
        names = [account.path.partition("/y=")[2] for account in read.ledger.inputs]
        assert names == [
            "2026/m=11/d=20/h=21/m=00/PT1H.json",
            "2026/m=11/d=20/h=22/m=00/PT1H.json",
            "2026/m=11/d=20/h=23/m=00/PT1H.json",
            "2026/m=11/d=21/h=00/m=00/PT1H.json",
        ]
        levels = len(FIREWALL.split("/")) + 1
        dated = len(["y=2026", "m=11", "d=20", "d=21"])
        assert relay.lists == levels + dated + len(names)
        assert not [each for each in relay.requests if each.is_list and "y=2025" in each.query.get("prefix", "")]


def test_an_open_end_lists_only_what_begins_within_and_later(azurite: Azurite, relay: Relay) -> None:
    with azurite.container("open", year("x/" + FIREWALL)):
        whole = Storage()
        with whole:
            late = whole.listed(f"{relay.url}/open", since=datetime(2026, 12, 21, 23, 30, tzinfo=UTC))
            early = whole.listed(f"{relay.url}/open", until=datetime(2025, 1, 1, tzinfo=UTC))
        assert [blob.label.partition("/y=")[2] for blob in late] == [
            "2026/m=12/d=21/h=22/m=00/PT1H.json",
            "2026/m=12/d=21/h=23/m=00/PT1H.json",
        ]
        assert [blob.label.partition("/y=")[2] for blob in early] == ["2025/m=01/d=01/h=00/m=00/PT1H.json"]


def test_what_is_laid_out_otherwise_is_listed_whole_and_kept(azurite: Azurite, relay: Relay) -> None:
    blobs = {"exports/night/a.jsonl": DENIAL.encode(), "exports/b.jsonl": DENIAL.encode(), "c.jsonl": b"", **samples()}
    with azurite.container("mixed", blobs), Storage() as door:
        found = door.listed(f"{relay.url}/mixed", since=datetime(2027, 1, 1, tzinfo=UTC))
        assert [blob.address.path for blob in found] == ["c.jsonl", "exports/b.jsonl", "exports/night/a.jsonl"]


def test_where_no_blob_has_the_hours_the_hours_are_told(night: ContainerClient, relay: Relay) -> None:
    with Storage() as door, pytest.raises(FwlensError) as raised:
        door.listed(f"{relay.url}/night", datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, 1, tzinfo=UTC))
    assert str(raised.value) == (
        f"{relay.url}/night: no blob lies there for the hours 2026-12-31 23:00 to 2027-01-01 04:00 UTC. "
        "Check container, prefix, --since and --until."
    )


def test_a_blob_tells_what_the_next_night_needs_to_know_it_by(azurite: Azurite, relay: Relay) -> None:
    with azurite.container("known", {"a.jsonl": DENIAL.encode()}) as container, Storage() as door:
        before = door.listed(f"{relay.url}/known")
        assert door.listed(f"{relay.url}/known") == before
        told = container.get_blob_client("a.jsonl").get_blob_properties()
        assert [(blob.label, blob.etag.strip('"'), blob.size, blob.modified) for blob in before] == [
            (f"{relay.url}/known/a.jsonl", told.etag.strip('"'), len(DENIAL), told.last_modified)
        ]
        container.upload_blob("a.jsonl", DENIAL * 2, overwrite=True)
        assert door.listed(f"{relay.url}/known")[0].etag != before[0].etag


def flow_log(minutes: int) -> bytes:
    record = dump(vnet(VNET_DENIED))
    return b'{"records":[' + ",".join([record] * minutes).encode() + b"]}"


def once(what: Callable[[], object]) -> Callable[[Request], None]:
    """Do something before the first read, and only then."""
    done: list[bool] = []

    def before(request: Request) -> None:
        if not request.is_list and not done:
            done.append(True)
            what()

    return before


def test_a_blob_that_has_grown_since_it_was_listed_is_read_whole_as_it_is_now(azurite: Azurite, relay: Relay) -> None:
    with azurite.container("growing", {"PT1H.json": flow_log(2)}) as container:
        relay.before = once(lambda: container.upload_blob("PT1H.json", flow_log(3), overwrite=True))
        read = closed(source.read([f"{relay.url}/growing"]))
        assert (read.ledger.rows_read, read.ledger.rows_used, read.faults) == (3, 3, ())


def test_ranges_of_two_versions_are_never_put_together(azurite: Azurite, relay: Relay) -> None:
    """It grows between the second range and the third."""
    with azurite.container("torn", {"PT1H.json": flow_log(20)}) as container, Storage(range_size=1000) as door:
        third = once(lambda: container.upload_blob("PT1H.json", flow_log(30), overwrite=True))
        relay.before = lambda request: third(request) if request.range.startswith("bytes=2000-") else None
        (place,) = door.inputs(door.listed(f"{relay.url}/torn"))
        assert place.fetch
        assert place.fetch() == flow_log(30)


def test_a_blob_that_never_stands_still_is_given_up_and_the_rest_is_read(
    azurite: Azurite, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    with azurite.container("restless", {"a.json": flow_log(1), "b.json": flow_log(2)}) as container:
        monkeypatch.setattr(storage, "ATTEMPTS", 3)
        relay.before = lambda request: (
            container.upload_blob("a.json", flow_log(1), overwrite=True)
            if request.method == "GET" and request.path.endswith("/a.json")
            else None
        )
        read = closed(source.read([f"{relay.url}/restless"]))
        place = f"{relay.url}/restless/a.json"
        assert read.faults == (f"{place}: changed each of the 3 times that it was read. Try again later.",)
        assert (read.ledger.rows_used, read.ledger.set_aside) == (2, (SetAside("cannot be read", 0, f"{place}:1"),))


def test_an_append_blob_is_read_up_to_the_length_that_was_listed(azurite: Azurite, relay: Relay) -> None:
    with azurite.container("appended") as container:
        blob = container.get_blob_client("PT1H.json")
        blob.create_append_blob()
        blob.append_block(DENIAL.encode())
        relay.before = once(lambda: blob.append_block(DENIAL.encode()))
        read = closed(source.read([f"{relay.url}/appended"]))
        assert (read.ledger.rows_used, read.faults, len(relay.reads)) == (1, (), 1)


def test_a_blob_that_vanishes_is_a_fault_and_the_rest_is_read(azurite: Azurite, relay: Relay) -> None:
    with azurite.container("vanishing", {"a.json": flow_log(1), "b.json": flow_log(2)}) as container:
        relay.before = once(lambda: container.delete_blob("a.json"))
        read = closed(source.read([f"{relay.url}/vanishing"]))
        place = f"{relay.url}/vanishing/a.json"
        assert read.faults == (f"{place}: 404 BlobNotFound: it has vanished since it was listed.",)
        assert (read.ledger.rows_used, read.ledger.set_aside) == (2, (SetAside("cannot be read", 0, f"{place}:1"),))


def test_a_large_blob_is_read_in_ranges(azurite: Azurite, relay: Relay) -> None:
    content = bytes(range(256)) * 41
    with azurite.container("large", {"large": content}), Storage(range_size=1000, budget=5000) as door:
        (place,) = door.inputs(door.listed(f"{relay.url}/large/large"))
        assert place.fetch
        assert place.fetch() == content
        assert sorted(int(each.range[6:].partition("-")[0]) for each in relay.reads) == list(range(0, 10496, 1000))


def test_no_more_is_fetched_ahead_than_the_budget_holds(azurite: Azurite, relay: Relay) -> None:
    """The first of ten is taken and its parsing lasts: what may be fetched meanwhile is three more."""
    with azurite.container("many", {f"{number}.bin": b"x" * 1000 for number in range(10)}):
        with Storage(budget=3500) as door:
            first, *others = door.inputs(door.listed(f"{relay.url}/many"))
            assert first.fetch
            assert first.fetch() == b"x" * 1000
        assert 1 <= len(relay.reads) <= 4  # leaving the storage has waited for what was under way
        assert len(others) == 9


SIGNED = "sig="


@pytest.mark.parametrize(
    ("signed", "said"),
    [
        (lambda: sas("night", hours=-1), "403 AuthorizationFailure: its SAS has expired or is not valid yet (it ends "),
        (
            lambda: sas("night", "r"),
            "403 AuthorizationPermissionMismatch: its SAS lacks rights: ask for one with read and ",
        ),
        (lambda: sas("other"), "403 AuthorizationFailure: its SAS has expired or is not valid yet (it ends "),
    ],
    ids=["expired", "without list", "of another container"],
)
def test_a_sas_that_does_not_do_is_refused_by_the_account_in_words_without_it(
    night: ContainerClient, relay: Relay, signed: Callable[[], str], said: str
) -> None:
    secret = signed()
    (fault,) = source.read([f"{relay.url}/night?{secret}"]).faults
    assert fault.startswith(f"{relay.url}/night: {said}")
    assert SIGNED not in fault


def test_a_sas_is_nowhere_in_what_was_read(night: ContainerClient, relay: Relay) -> None:
    secret = sas("night")
    read = source.read([f"{relay.url}/night?{secret}"])
    assert totals(read) == totals(source.read([str(SAMPLES)]))
    signature = secret.partition(SIGNED)[2].partition("&")[0]
    with Storage() as door:
        blobs = door.listed(f"{relay.url}/night?{secret}")
        shown = [repr(read), read.rows.write_json(), repr(blobs), repr(door.inputs(blobs)), repr(door)]
    assert [text for text in shown if signature in text or SIGNED in text] == []


def test_a_sas_for_one_blob_reads_it_though_it_lists_nothing(night: ContainerClient, relay: Relay) -> None:
    name = "resourceId=/S/AZFW/y=2026/m=11/d=20/h=22/m=00/azfw.jsonl"
    secret = generate_blob_sas(
        ACCOUNT,
        "night",
        name,
        account_key=KEY,
        permission=BlobSasPermissions(read=True),
        expiry=datetime(2099, 1, 1, tzinfo=UTC),
    )
    read = source.read([f"{relay.url}/night/{name}?{secret}"])
    assert (relay.lists, read.faults, totals(read)) == (0, (), totals(source.read([str(SAMPLES / "azfw.jsonl")])))


def test_a_container_that_is_missing_is_a_fault_and_the_rest_is_read(night: ContainerClient, relay: Relay) -> None:
    read = source.read([f"{relay.url}/missing", str(SAMPLES / "azfw.jsonl")])
    assert read.faults == (
        f"{relay.url}/missing: 404 ContainerNotFound: there is no such container in the account. "
        "Check its name (az storage container list).",
    )
    assert closed(read).ledger.rows_used > 0


def test_an_account_that_is_busy_is_asked_again(night: ContainerClient, relay: Relay) -> None:
    refused: list[Request] = []

    def busy(request: Request) -> tuple[int, str] | None:
        if request.is_list or len(refused) > 1:
            return None
        refused.append(request)
        return 503, "ServerBusy"

    relay.instead = busy
    read = source.read([f"{relay.url}/night/resourceId=/S/AZFW"])
    assert (read.faults, len(refused), len(relay.reads)) == ((), 2, 3)


def test_who_runs_it_is_asked_for_a_token_of_storage_over_tls(
    night: ContainerClient, azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued: list[str] = []
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(azurite.cert))
    with identity(issued) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        read = source.read([f"{azurite.url}/night"], tenant="11111111-2222-3333-4444-555555555555")
    assert totals(read) == totals(source.read([str(SAMPLES)]))
    assert issued == ["https://storage.azure.com"]


def test_without_a_credential_it_is_said_how_to_sign_in(
    night: ContainerClient, azurite: Azurite, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(azurite.cert))
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    assert source.read([f"{azurite.url}/night"]).faults == (
        "No credential for Azure was found. Sign in with az login (--tenant names another tenant), set AZURE_TENANT_ID, "
        "AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or run where there is a managed identity.",
    )
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("heeded")
def test_ctrl_c_does_not_wait_for_an_account(monkeypatch: pytest.MonkeyPatch) -> None:
    held, ended = threading.Event(), list[str]()

    def looked(*_: object) -> tuple[list[storage.Blob], list[object]]:
        held.wait(0.2)  # until this thread is waited for
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        held.wait(5)
        ended.append("listed")
        return [], []

    monkeypatch.setattr(Storage, "_looked", looked)
    with pytest.raises(KeyboardInterrupt):
        source.read(["https://account.blob.core.windows.net/insights-logs/"])
    assert ended == []
    held.set()


def test_the_command_line_reads_blobs_as_it_reads_files(night: ContainerClient, relay: Relay) -> None:
    program = Path(sys.executable).with_name("fwlens")

    def run(log: str) -> subprocess.CompletedProcess[bytes]:
        words = [str(program), "recommend", log, "--since", "2026-11-20T22:00", "--format", "json"]
        return subprocess.run(words, capture_output=True, env={**os.environ}, check=False, timeout=300)

    blobs, files = run(f"{relay.url}/night?{sas('night')}"), run(str(SAMPLES))
    assert (blobs.returncode, blobs.stderr) == (files.returncode, files.stderr)
    mine, theirs = (json.loads(each.stdout) for each in (blobs, files))
    assert [rule["id"] for rule in mine["recommendations"]] == [rule["id"] for rule in theirs["recommendations"]]
    assert SIGNED.encode() not in blobs.stdout + blobs.stderr
