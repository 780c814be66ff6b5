"""Knows the one credential for everything in Azure that is read: who runs fwlens, as Azure's own tools find out.

Nothing of it is kept, written or shown. https://learn.microsoft.com/python/api/azure-identity/azure.identity.defaultazurecredential
"""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Final

from fwlens.errors import FwlensError

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions
    from azure.identity import DefaultAzureCredential

# https://learn.microsoft.com/azure/azure-government/documentation-government-developer-guide
AUTHORITIES: Final[dict[str, str | None]] = {
    "public": None,  # azure-identity's own, or what AZURE_AUTHORITY_HOST names for private clouds
    "government": "login.microsoftonline.us",
    "china": "login.chinacloudapi.cn",
}
"""Where a cloud signs people in."""

_READ_SECONDS: Final = 20  # whatever swallows what asks for a managed identity must not hold up an outage
_REFRESH_SECONDS: Final = 600
_AADSTS: Final = re.compile(r"AADSTS[0-9]{4,8}")
_UNTRUSTED: Final = re.compile("CERTIFICATE_VERIFY_FAILED")
_TRIED: Final = re.compile(r"^\s*(?:Attempted credentials:\s*)?(\w+Credential): (.*)$", re.MULTILINE)
_ABSENT: Final = re.compile(
    r"unavailable|not found on path|not installed|could not be found|not (?:fully )?configured|az login"
    r"|Connect-AzAccount|azd auth login",
    re.IGNORECASE,
)
# https://learn.microsoft.com/entra/identity-platform/reference-error-codes
_REASONS: Final = {
    "AADSTS7000215": "the client secret is wrong",
    "AADSTS7000222": "the client secret has expired",
    "AADSTS700016": "the application is unknown in this tenant: check --tenant and AZURE_CLIENT_ID",
    "AADSTS90002": "the tenant does not exist: check --tenant and --cloud",
    "AADSTS50076": "it asks for a second factor: sign in again with az login",
    "AADSTS50079": "it asks for a second factor: sign in again with az login",
    "AADSTS50173": "the sign-in has expired: sign in again with az login",
    "AADSTS700082": "the sign-in has expired: sign in again with az login",
    "AADSTS700024": "the assertion is not valid at this time: check the clock of this machine",
    "AADSTS500133": "the assertion is not valid at this time: check the clock of this machine",
    "AADSTS50013": "the assertion is not valid at this time: check the clock of this machine",
}
_WAYS: Final = (
    "Sign in with az login (--tenant names another tenant), set AZURE_TENANT_ID, AZURE_CLIENT_ID and "
    "AZURE_CLIENT_SECRET, or run where there is a managed identity."
)


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential as azure-core asks for one: what gives tokens (two ways), and what gives its connections back.

    Asking raises FwlensError where no token is to be had: azure-core would try its own error again for half a minute.
    """

    get_token: "Callable[..., AccessToken]"
    get_token_info: "Callable[..., AccessTokenInfo]"
    close: Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Tokens:
    """The chain behind a credential. It is asked once for all threads: the Azure CLI's own remembers nothing."""

    chain: "DefaultAzureCredential"
    tenant: str | None
    now: Callable[[], float] | None
    held: "dict[tuple[str, ...], AccessTokenInfo]" = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def told(self, *scopes: str, options: "TokenRequestOptions | None" = None) -> "AccessTokenInfo":
        """`tenant` is asked for whatever the chain is signed in to and whatever a service names in its challenge."""
        from azure.core.exceptions import ClientAuthenticationError

        wanted: TokenRequestOptions = {**(options or {}), **({"tenant_id": self.tenant} if self.tenant else {})}
        with self.lock:
            known = self.held.get(scopes)
            if known and not wanted.get("claims") and self.now and known.expires_on - self.now() > _REFRESH_SECONDS:
                return known
            try:
                self.held[scopes] = self.chain.get_token_info(*scopes, options=wanted)
            except ClientAuthenticationError as error:
                raise no_credential(str(error)) from None
            return self.held[scopes]

    def token(self, *scopes: str) -> "AccessToken":
        """The same in the older form."""
        from azure.core.credentials import AccessToken

        found = self.told(*scopes)
        return AccessToken(found.token, found.expires_on)


def credential(
    tenant: str | None = None, authority: str | None = None, now: Callable[[], float] | None = None
) -> Credential:
    """Who runs fwlens: environment, workload or managed identity, Azure CLI, Azure PowerShell, in this order.

    `authority` is the host that signs in (`AUTHORITIES`), `now` the clock in epoch seconds; without one no token is
    kept. Nothing opens a browser or asks: nobody may be there.
    """
    from azure.identity import DefaultAzureCredential

    hush()
    chain = DefaultAzureCredential(
        authority=authority,
        additionally_allowed_tenants=[tenant] if tenant else ["*"],
        # A credential that opens a window or searches editors' caches is none for a night.
        exclude_interactive_browser_credential=True,
        exclude_shared_token_cache_credential=True,
        exclude_visual_studio_code_credential=True,
        exclude_broker_credential=True,
        read_timeout=_READ_SECONDS,
    )
    tokens = _Tokens(chain, tenant, now)
    return Credential(tokens.token, tokens.told, chain.close)


def hush() -> None:
    """Azure's libraries log refusals beside raising them; without a listener Python would print those lines."""
    for name in ("azure", "msal", "urllib3"):
        logger = logging.getLogger(name)
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())


def no_credential(said: str) -> FwlensError:
    """Why there is no token: nothing is configured, or what is configured was refused."""
    refused = [name for name, why in _TRIED.findall(said) if not _ABSENT.search(why)]
    aadsts = _AADSTS.search(said)
    if aadsts is None and not refused:
        return FwlensError(f"No credential for Azure was found. {_WAYS}")
    who = refused[-1] if refused else "The credential"
    if aadsts is None and _UNTRUSTED.search(said):
        return FwlensError(
            f"{who} was given no token: the certificate of who gives them is not trusted here. "
            "Behind a proxy that opens TLS, name its certificate in REQUESTS_CA_BUNDLE."
        )
    if aadsts is None:
        return FwlensError(f"{who} was given no token. {_WAYS}")
    why = _REASONS.get(aadsts[0], f"https://login.microsoftonline.com/error?code={aadsts[0][6:]} says why")
    return FwlensError(f"{who} was given no token ({aadsts[0]}): {why}.")
