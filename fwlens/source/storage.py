"""Knows how logs lie in blob containers: lists those of a span of time, and reads them ahead of their parsing.

A blob is read as it was at one moment: a block blob under one ETag, an append blob up to the length that it had when it
was listed (what was appended is never changed). https://learn.microsoft.com/rest/api/storageservices/get-blob
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Final, cast

from fwlens.errors import FwlensError
from fwlens.source import bloburl
from fwlens.source.ahead import Ahead, Piece
from fwlens.source.bloburl import Address
from fwlens.source.credential import Credential, credential, hush
from fwlens.source.files import Input
from fwlens.source.hours import Hours, Reach, hours, is_laid_out

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.exceptions import AzureError
    from azure.storage.blob import BlobProperties, ContainerClient

BUDGET: Final = 256 << 20
"""How many bytes of blobs are held before they are parsed; a larger blob is held alone."""
RANGE: Final = 8 << 20
"""How many bytes are read in one request."""
THREADS: Final = 8
"""How many requests are under way at a time."""
ATTEMPTS: Final = 5
"""How often a blob that changes while it is read is begun."""

# A request that is turned away (429, 5xx, ServerBusy) or breaks off is sent five times within half a minute, one that
# does not get through three times. https://learn.microsoft.com/azure/storage/blobs/storage-retry-policy-python
_RETRIES: Final = 4
_RECONNECTS: Final = 2
_CONNECT_SECONDS: Final = 10
_READ_SECONDS: Final = 60
# The published key of Azurite: https://learn.microsoft.com/azure/storage/common/storage-connect-azurite
_EMULATOR_KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob as it was listed: what tells whether it has changed since is `etag`, which differs after every write.

    `size` is in bytes; `appended` blobs only grow at their end; a `named` one was asked for by its own address.
    """

    address: Address
    etag: str
    size: int
    modified: datetime
    appended: bool = False
    named: bool = False

    @property
    def label(self) -> str:
        """Its address, to show and to cite and to know it by; never with a SAS."""
        return self.address.label


@dataclass(frozen=True, slots=True)
class _Folder:
    """A prefix to look at: `whole` with all that lies below it, else level by level."""

    prefix: str
    whole: bool = False


@dataclass(slots=True)
class Storage:
    """A way into storage accounts: one credential for each cloud, one client for each container, some threads.

    `tenant` is the Entra tenant to sign in to. A context: leaving it gives connections and threads back.
    """

    tenant: str | None = None
    budget: int = BUDGET
    range_size: int = RANGE
    _credentials: dict[str | None, Credential] = field(default_factory=dict, repr=False)
    _clients: dict[tuple[str, str, str], "ContainerClient"] = field(default_factory=dict, repr=False)
    _pool: ThreadPoolExecutor | None = field(default=None, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def __enter__(self) -> "Storage":
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)  # who is interrupted does not wait for an account
        for client in self._clients.values():
            client.close()
        for signed_in in self._credentials.values():
            signed_in.close()

    def listed(self, log: str, since: datetime | None = None, until: datetime | None = None) -> tuple[Blob, ...]:
        """The blobs behind an address that can hold entries from `since` on and before `until` (UTC), by name.

        An address of one blob gives that blob, whatever its hour. Raises FwlensError, also where nothing is found.
        """
        address = bloburl.parse(log)
        wanted = hours(since, until)
        try:
            found = [replace(self._blob(address), named=True)] if address.one_blob else self._walked(address, wanted)
        except _refusal() as error:
            raise _fault(error, address) from None
        if not found:
            where = "no blob lies there" if wanted == Hours() else f"no blob lies there for {wanted}"
            raise FwlensError(f"{address.label}: {where}. Check container, prefix, --since and --until.")
        return tuple(sorted(found, key=lambda blob: blob.label))

    def inputs(self, blobs: Iterable[Blob]) -> tuple[Input, ...]:
        """Blobs as places to read, in their order, which is the order in which they are fetched ahead.

        A `fetch` raises FwlensError where a blob has vanished, may not be read, or never stands still.
        """
        each = tuple(blobs)
        sizes = [blob.size for blob in each]
        coming = Ahead(sizes, lambda number: self._pieces(each[number]), self.budget, self._threads())

        def fetch(number: int) -> bytes:
            blob = each[number]
            try:
                return _joined(coming.take(number)) or self._again(blob)
            except _refusal() as error:
                raise _fault(error, blob.address) from None

        return tuple(Input(blob.label, blob.named, partial(fetch, number)) for number, blob in enumerate(each))

    def _threads(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="blobs")
            return self._pool

    def _client(self, address: Address) -> "ContainerClient":
        """The client of a container. Making the credential takes time, so it is made once."""
        from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
        from azure.storage.blob import ContainerClient

        hush()
        key = (address.account, address.container, address.sas)
        with self._lock:
            if key not in self._clients:
                proof: AzureNamedKeyCredential | AzureSasCredential | TokenCredential
                if address.sas:
                    proof = AzureSasCredential(address.sas)
                elif address.emulated:
                    proof = AzureNamedKeyCredential(address.account.rpartition("/")[2], _EMULATOR_KEY)
                else:
                    proof = cast("TokenCredential", self._signed_in(address.authority))
                self._clients[key] = ContainerClient(
                    address.account,
                    address.container,
                    proof,
                    connection_timeout=_CONNECT_SECONDS,
                    read_timeout=_READ_SECONDS,
                    retry_total=_RETRIES,
                    retry_connect=_RECONNECTS,
                    initial_backoff=1,
                    increment_base=2,
                    random_jitter_range=1,
                )
            return self._clients[key]

    def _signed_in(self, authority: str | None) -> Credential:
        if authority not in self._credentials:
            self._credentials[authority] = credential(self.tenant, authority)
        return self._credentials[authority]

    def _blob(self, address: Address) -> Blob:
        return _told(address, self._client(address).get_blob_client(address.path).get_blob_properties())

    def _walked(self, address: Address, wanted: Hours) -> list[Blob]:
        """All wanted blobs under an address, several folders at a time; a blob of exactly this name is that blob."""
        found: list[Blob] = []
        folders = [_Folder(address.path, wanted == Hours())]
        if address.path and not address.path.endswith("/"):
            blobs, prefixes = self._level(address, address.path)
            here = [blob for blob in blobs if blob.address.path == address.path]
            if here:
                return [replace(here[0], named=True)]
            folder = address.path + "/"
            folders = [_Folder(folder, wanted == Hours())] if folder in prefixes else []
        waiting: set[Future[tuple[list[Blob], list[_Folder]]]] = set()
        while folders or waiting:
            waiting |= {self._threads().submit(self._looked, address, wanted, folder) for folder in folders}
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            folders = []
            for blobs, below in (each.result() for each in done):
                found += blobs
                folders += below
        return found

    def _looked(self, address: Address, wanted: Hours, folder: _Folder) -> tuple[list[Blob], list[_Folder]]:
        """The wanted blobs of a folder, and the folders in it that are worth a look."""
        if folder.whole or wanted.reach(folder.prefix) is Reach.ALL:
            every = self._client(address).list_blobs(folder.prefix or None, include=["metadata"])
            return list(_wanted((_told(address, each) for each in every if _is_blob(each)), wanted)), []
        blobs, prefixes = self._level(address, folder.prefix)
        below = []
        for prefix in prefixes:
            reach = wanted.reach(prefix)
            if reach is not Reach.NONE:
                strange = reach is Reach.UNKNOWN and not is_laid_out(prefix)
                below.append(_Folder(prefix, strange and not self._is_dated_below(address, prefix)))
        return list(_wanted(blobs, wanted)), below

    def _level(self, address: Address, prefix: str) -> tuple[list[Blob], list[str]]:
        """The blobs and the folders of one level."""
        from azure.storage.blob import BlobPrefix

        blobs, prefixes = [], []
        for each in self._client(address).walk_blobs(prefix or None, include=["metadata"]):
            if isinstance(each, BlobPrefix):
                prefixes.append(each.name)
            elif _is_blob(each):
                blobs.append(_told(address, each))
        return blobs, prefixes

    def _is_dated_below(self, address: Address, prefix: str) -> bool:
        """Whether a folder of a strange name holds what Azure lays out by hours, as its first blob tells."""
        first = next(iter(self._client(address).list_blobs(prefix, results_per_page=1)), None)
        return first is not None and is_laid_out(first.name)

    def _pieces(self, blob: Blob) -> list[Piece]:
        """What reads a blob, range by range."""
        return [
            partial(self._range, blob, at, min(self.range_size, blob.size - at))
            for at in range(0, blob.size, self.range_size)
        ]

    def _range(self, blob: Blob, at: int, length: int) -> bytes:
        """Some bytes of a blob as they lie there, of this ETag only; empty where the blob has changed."""
        from azure.core import MatchConditions
        from azure.core.exceptions import HttpResponseError, ResourceModifiedError

        client = self._client(blob.address).get_blob_client(blob.address.path)
        try:
            if blob.appended:
                read = client.download_blob(at, length, max_concurrency=1, decompress=False).readall()
            else:
                same = MatchConditions.IfNotModified
                read = client.download_blob(
                    at, length, max_concurrency=1, decompress=False, etag=blob.etag, match_condition=same
                ).readall()
        except ResourceModifiedError:
            return b""
        except HttpResponseError as error:
            if error.status_code == 416:  # shorter than it was
                return b""
            raise
        return read if len(read) == length else b""

    def _again(self, blob: Blob) -> bytes:
        """The whole of a blob that has changed since it was listed, as it is now."""
        if not blob.size:
            return b""
        for attempt in range(1, ATTEMPTS):
            now = self._blob(blob.address)
            if read := _joined([piece() for piece in self._pieces(now)]):
                return read
            if not now.size:
                return b""
            time.sleep(attempt / 4)
        raise FwlensError(f"{blob.label}: changed each of the {ATTEMPTS} times that it was read. Try again later.")


def _joined(pieces: Sequence[bytes]) -> bytes:
    """The pieces of a blob in one, empty if any is missing."""
    if not all(pieces):
        return b""
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _wanted(blobs: Iterable[Blob], wanted: Hours) -> Iterator[Blob]:
    return (blob for blob in blobs if wanted.reach(blob.address.path) is not Reach.NONE)


def _is_blob(told: "BlobProperties") -> bool:
    """Whether this is no folder of an account with a hierarchical namespace, which lists those as empty blobs."""
    return (told.metadata or {}).get("hdi_isfolder") != "true"


def _told(address: Address, told: "BlobProperties") -> Blob:
    """A blob as the account tells of it."""
    kind = getattr(told.blob_type, "value", told.blob_type)
    etag = (told.etag or "").strip('"')
    return Blob(replace(address, path=told.name), f'"{etag}"', told.size or 0, told.last_modified, kind == "AppendBlob")


def _refusal() -> type["AzureError"]:
    from azure.core.exceptions import AzureError

    return AzureError


def _fault(error: "AzureError", address: Address) -> FwlensError:
    from fwlens.source.refused import meaning

    return FwlensError(f"{address.label}: {meaning(error, address)}.")
