"""Knows how places in a storage account are written: addresses of containers, folders and blobs, and a SAS behind them.

https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
"""

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, quote, unquote, urlsplit

from fwlens.errors import FwlensError, plain
from fwlens.source.credential import AUTHORITIES

EMULATOR: Final = "devstoreaccount1"
"""The account of Azurite; its key is published, so that it is no secret."""

_HADOOP: Final = ("abfss", "abfs", "wasbs", "wasb")
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
# A token is good for every account, so it goes to hosts of Azure only.
# https://learn.microsoft.com/azure/storage/common/storage-account-overview#storage-account-endpoints
_SUFFIXES: Final = {
    "core.windows.net": "public",
    "storage.azure.net": "public",
    "core.usgovcloudapi.net": "government",
    "core.chinacloudapi.cn": "china",
}
_HOST: Final = re.compile(
    r"([a-z0-9-]+(?:\.z[0-9]+)?(?:\.privatelink)?)\.(?:blob|dfs)\.(" + "|".join(map(re.escape, _SUFFIXES)) + ")"
)
_CONTAINER: Final = re.compile(r"\$?[a-z0-9](?:[a-z0-9-]{1,61}[a-z0-9])?")
_WAY_OUT: Final = "Write https://ACCOUNT.blob.core.windows.net/CONTAINER/PREFIX or abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PREFIX."


@dataclass(frozen=True, slots=True)
class Address:
    """A place in a container: `account` is the address of its account, `path` a blob, a folder, or all where empty.

    `sas` is a secret: nothing that shows an address shows it.
    """

    account: str
    container: str
    path: str = ""
    sas: str = field(default="", repr=False)
    authority: str | None = AUTHORITIES["public"]

    @property
    def label(self) -> str:
        """The address to show and to cite: without its SAS, and such that it can be asked for again."""
        return self.of(self.path)

    def of(self, name: str) -> str:
        """The address of a blob or folder in the same container, as it is shown."""
        return f"{self.account}/{self.container}" + (f"/{quote(name, safe=_PLAIN)}" if name else "")

    @property
    def emulated(self) -> bool:
        """Whether this is Azurite without TLS, which takes its published key: a token is for TLS only."""
        return self.account.startswith("http:")

    @property
    def one_blob(self) -> bool:
        """Whether the SAS is for a single blob, so that nothing can be listed with it."""
        return parse_qs(self.sas).get("sr", [""])[0] in ("b", "bs", "bv")


_PLAIN: Final = "/!$&'()*+,;=:@~"


def parse(log: str) -> Address:
    """An address as people write it. Raises FwlensError, which never repeats what may be a secret."""
    place = shown(log)
    try:
        parts = urlsplit(log, allow_fragments=False)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise FwlensError(f"{place}: is no address. {_WAY_OUT}") from None
    hadoop, container = parts.scheme in _HADOOP, parts.username or ""
    if parts.query and "sig=" not in parts.query:
        raise FwlensError(f"{place}: what follows its '?' is no SAS. Leave it out, or quote the whole address.")
    if parts.password is not None or (parts.username is not None and not hadoop):
        raise FwlensError(f"{place}: holds a user or password, which no storage account takes. {_WAY_OUT}")
    path = parts.path.lstrip("/")
    if not hadoop:
        path = unquote(path)
    if host in _LOOPBACK and not hadoop:
        account, _, path = path.partition("/")
        netloc = f"[{host}]" if ":" in host else host
        base, cloud = f"{parts.scheme}://{netloc}:{port or 10000}/{account or EMULATOR}", "public"
    elif known := _HOST.fullmatch(host):
        if parts.scheme == "http":
            raise FwlensError(f"{place}: would be read without encryption. Write https:// instead of http://.")
        base, cloud = f"https://{known[1]}.blob.{known[2]}", _SUFFIXES[known[2]]
    else:
        raise FwlensError(f"{place}: is no storage account of Azure. {_WAY_OUT}")
    if not hadoop:
        container, _, path = path.partition("/")
    if not _CONTAINER.fullmatch(container):
        named = "names no container" if not container else "names no container that Azure allows"
        raise FwlensError(f"{place}: {named}. {_WAY_OUT}")
    return Address(base, container, path, parts.query, AUTHORITIES[cloud])


def shown(log: str) -> str:
    """What may be shown of an address, even of one that is none: no query, no password, nothing that moves a cursor."""
    scheme, slashes, rest = log.partition("?")[0].partition("://")
    host, slash, path = rest.partition("/")
    user, at, name = host.rpartition("@")
    if at and (scheme not in _HADOOP or ":" in user):
        host = name
    return plain(f"{scheme}{slashes}{host}{slash}{path}")
