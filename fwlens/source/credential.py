"""Knows the one credential for everything in Azure that is read: who runs fwlens, as Azure's own tools find out.

Nothing of it is kept, written or shown. https://learn.microsoft.com/python/api/azure-identity/azure.identity.defaultazurecredential
"""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from fwlens.errors import FwlensError

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken
    from azure.identity import DefaultAzureCredential

# https://learn.microsoft.com/azure/azure-government/documentation-government-developer-guide
AUTHORITIES: Final = {
    "public": "login.microsoftonline.com",
    "government": "login.microsoftonline.us",
    "china": "login.chinacloudapi.cn",
}
"""Where a cloud signs people in."""

_READ_SECONDS: Final = 20  # whatever swallows what asks for a managed identity must not hold up an outage
_CODE: Final = re.compile(r"AADSTS[0-9]{3,9}")


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential as azure-core asks for one: what gives tokens, and what gives its connections back."""

    get_token: "Callable[..., AccessToken]"
    close: Callable[[], None]


def credential(tenant: str | None = None, authority: str | None = None) -> Credential:
    """Who runs fwlens: environment, workload or managed identity, Azure CLI, Azure PowerShell, in this order.

    `tenant` is asked for whatever those are signed in to, `authority` is the host that signs in (`AUTHORITIES`).
    Nothing opens a browser or asks: nobody may be there. Asking for a token raises FwlensError where there is none.
    """
    from azure.identity import DefaultAzureCredential

    hush()
    inner = DefaultAzureCredential(
        authority=authority or AUTHORITIES["public"],
        additionally_allowed_tenants=[tenant] if tenant else ["*"],
        exclude_interactive_browser_credential=True,
        exclude_broker_credential=True,
        exclude_shared_token_cache_credential=True,
        read_timeout=_READ_SECONDS,
    )
    return Credential(partial(_token, inner, tenant), inner.close)


def _token(
    inner: "DefaultAzureCredential",
    tenant: str | None,
    *scopes: str,
    claims: str | None = None,
    tenant_id: str | None = None,
    enable_cae: bool = False,
) -> "AccessToken":
    """A token of `tenant`, behind which one that a service names in its challenge stands back.

    The error is not azure-core's own: that would be tried again for half a minute.
    """
    from azure.core.exceptions import ClientAuthenticationError

    try:
        return inner.get_token(*scopes, claims=claims, tenant_id=tenant or tenant_id, enable_cae=enable_cae)
    except ClientAuthenticationError as error:
        raise FwlensError(_signed_in(str(error))) from None


def hush() -> None:
    """Azure's libraries log refusals beside raising them; without a listener Python would print those lines."""
    azure = logging.getLogger("azure")
    if not azure.handlers:
        azure.addHandler(logging.NullHandler())


def _signed_in(message: str) -> str:
    """What to do where no credential could be had, from the words of its error: of those only Entra's code is told."""
    code = _CODE.search(message)
    what = (
        f"Entra ID refuses the credential that was found ({code[0]})" if code else "No credential for Azure was found"
    )
    return (
        f"{what}. Sign in with `az login` (--tenant names another tenant), or run this where a managed identity is or "
        "with AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET in the environment."
    )
