"""Knows how a store in a data lake is opened: by a token of who runs fwlens, unless the environment holds a key.

The token goes to the library that writes the tables and nowhere else.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from fwlens.source.credential import AUTHORITIES, credential

SCOPE: Final = "https://storage.azure.com/.default"
"""What tokens for Azure Storage are for: https://learn.microsoft.com/azure/storage/blobs/authorize-access-azure-active-directory"""
OWN: Final = (
    "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_SAS_KEY", "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_TOKEN",
)  # fmt: skip
"""Variables of the environment that the library which writes the tables reads by itself."""


@contextmanager
def opened(
    environment: Mapping[str, str], cloud: str, tenant: str | None, now: Callable[[], float]
) -> Iterator[Callable[[], dict[str, str]]]:
    """What opens a store, asked for anew before each use: a token lives for about an hour. `now` is in epoch seconds.

    Asking raises FwlensError where no credential is to be had.
    """
    if any(environment.get(name) for name in OWN):
        yield dict
        return
    who = credential(tenant, AUTHORITIES[cloud], now)
    try:
        yield lambda: {"bearer_token": who.get_token(SCOPE).token}
    finally:
        who.close()
