"""Knows how a store in a data lake is opened: by a token of who runs fwlens, unless the environment holds a key.

The token goes to the library that writes the tables and nowhere else.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from fwlens.source.credential import AUTHORITIES, credential

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken

SCOPE: Final = "https://storage.azure.com/.default"
"""What tokens for Azure Storage are for: https://learn.microsoft.com/azure/storage/blobs/authorize-access-azure-active-directory"""
OWN: Final = (
    "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_SAS_KEY", "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_TOKEN",
)  # fmt: skip
"""Variables of the environment that the library which writes the tables reads by itself."""
_REFRESH: Final = 600


@contextmanager
def opened(
    environment: Mapping[str, str], cloud: str, tenant: str | None, now: Callable[[], float]
) -> Iterator[Callable[[], dict[str, str]]]:
    """What opens a store, asked for anew each time: a token lives for about an hour. `now` is in epoch seconds.

    Asking raises FwlensError where no credential is to be had.
    """
    if any(environment.get(name) for name in OWN):
        yield dict
        return
    who = credential(tenant, AUTHORITIES[cloud])
    held: list[AccessToken] = []

    def options() -> dict[str, str]:
        if not held or held[0].expires_on - now() < _REFRESH:
            held[:] = [who.get_token(SCOPE)]
        return {"bearer_token": held[0].token}

    try:
        yield options
    finally:
        who.close()
