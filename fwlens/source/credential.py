"""Knows the one credential for everything in Azure that is read: who runs fwlens, as Azure's own tools find out.

Nothing of it is kept, written or shown. https://learn.microsoft.com/python/api/azure-identity/azure.identity.defaultazurecredential
"""

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

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

_CODE: Final = re.compile(r"AADSTS[0-9]{3,9}")


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential of azure-identity that asks for tokens of one tenant, whichever tenant it would take by itself."""

    inner: "DefaultAzureCredential"
    tenant: str | None = None

    def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,
        **more: object,  # azure-core's protocol demands it
    ) -> "AccessToken":
        """A token, as azure-core asks for it. Raises azure.core's ClientAuthenticationError where there is none.

        A tenant that the service names in its challenge stands back behind the one that was asked for.
        """
        tenant = self.tenant or tenant_id
        return self.inner.get_token(*scopes, claims=claims, tenant_id=tenant, enable_cae=enable_cae, **more)

    def close(self) -> None:
        """Give its connections back."""
        self.inner.close()


def credential(tenant: str | None = None, authority: str | None = None) -> Credential:
    """Who runs fwlens: environment, workload or managed identity, Azure CLI, Azure PowerShell, in this order.

    `tenant` is asked for whatever those are signed in to, `authority` is the host that signs in (`AUTHORITIES`).
    Nothing opens a browser or asks: nobody may be there.
    """
    from azure.identity import DefaultAzureCredential

    hush()
    inner = DefaultAzureCredential(
        authority=authority or AUTHORITIES["public"],
        additionally_allowed_tenants=[tenant] if tenant else ["*"],
        exclude_interactive_browser_credential=True,
        exclude_broker_credential=True,
        exclude_shared_token_cache_credential=True,
    )
    return Credential(inner, tenant)


def hush() -> None:
    """Azure's libraries log refusals beside raising them; without a listener Python would print those lines."""
    azure = logging.getLogger("azure")
    if not azure.handlers:
        azure.addHandler(logging.NullHandler())


def signed_in(message: str) -> str:
    """What to do where no credential could be had, from the words of its error: of those only Entra's code is told."""
    code = _CODE.search(message)
    refused = f"Entra ID refused the credential that it found ({code[0]})" if code else "no credential was found"
    return (
        f"{refused}. Sign in with `az login` (--tenant names another tenant), or run it where a managed identity is "
        "or with AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET in the environment."
    )
