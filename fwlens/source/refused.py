"""Knows what the refusals of a storage account mean to whoever reads its logs, and what to do about them.

Of a refusal its code and status are told, never its text: that repeats what was sent.
https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
"""

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError

    from fwlens.source.bloburl import Address

_ROLE: Final = (
    "give whoever runs fwlens the role Storage Blob Data Reader on the account or container (Owner or Contributor do "
    "not read blobs), and wait some minutes until it holds"
)
_RIGHTS: Final = "its SAS lacks rights: ask for one with read and list (sp=rl) for the container (sr=c)"
_NETWORK: Final = (
    "the account's network rules do not let this address in, or its public endpoint is disabled: allow it under "
    "Networking, or run fwlens in a network that the account knows (a private endpoint)"
)
_FORGED: Final = (
    "its SAS is not accepted: it is cut off, revoked or made for another container. Quote the whole address"
)
_BROKEN_OFF: Final = "the connection broke off or timed out. Try again"
_NEITHER: Final = "the credential is not accepted by this account"
_MEANING: Final = {
    "AuthorizationFailure": _NETWORK,
    "AuthorizationSourceIPMismatch": "its SAS is for other addresses than this machine's (sip=)",
    "AuthorizationProtocolMismatch": "its SAS is for HTTPS only (spr=https)",
    "AuthorizationResourceTypeMismatch": "its SAS is for other resources: an account SAS needs srt=co",
    "AuthorizationServiceMismatch": "its SAS is for another service: an account SAS needs ss=b",
    "KeyBasedAuthenticationNotPermitted": "the account takes no SAS that is signed with its key: leave it out and "
    "sign in with `az login`, or ask for a user delegation SAS",
    "PublicAccessNotPermitted": _ROLE,
    "ResourceNotFound": "there is no such container or blob. Check the address",
    "ContainerNotFound": "there is no such container in the account. Check its name (az storage container list)",
    "ContainerBeingDeleted": "the container is being deleted",
    "AccountIsDisabled": "the account is disabled",
    "BlobArchived": "the blob lies in the archive tier: it must be rehydrated before it can be read",
    "BlobNotFound": "it has vanished since it was listed",
    "ServerBusy": "the account is throttled (five requests in a row were turned away). Try again later",
    "OperationTimedOut": "the account did not answer in time. Try again later",
}
_UNPROVEN: Final = (
    "AuthenticationFailed",
    "InvalidAuthenticationInfo",
    "NoAuthenticationInformation",
    "InvalidQueryParameterValue",
)
_WORD: Final = re.compile(r"[A-Za-z]{3,60}")
_TIME: Final = re.compile(r"[0-9T:Z.-]{10,30}")
_NAME: Final = re.compile(r"resolve|getaddrinfo|not known|No address", re.IGNORECASE)


def meaning(error: "AzureError", address: "Address") -> str:
    """What a refusal means and the way out, as half a sentence without its end."""
    from azure.core.exceptions import HttpResponseError, ServiceRequestError

    if not isinstance(error, HttpResponseError):
        return _unsent(str(error)) if isinstance(error, ServiceRequestError) else _BROKEN_OFF
    code = _code(error)
    known = _RIGHTS if code == "AuthorizationPermissionMismatch" and address.sas else _MEANING.get(code)
    if code in _UNPROVEN:
        known = _unproven(address, str(error))
    if code == "AuthorizationFailure" and address.sas:
        known = f"{_unproven(address, 'expiry')}. Else {_NETWORK}"
    if known is None:
        known = {401: _NEITHER, 403: _RIGHTS if address.sas else _ROLE, 404: _MEANING["ResourceNotFound"]}.get(
            error.status_code or 0, "the account did not do it. Try again, and look whether Azure reports an outage"
        )
    return f"{error.status_code} {code}: {known}" if code else f"{error.status_code}: {known}"


def _code(error: "AzureError") -> str:
    """The error code of an answer, if it is a word."""
    code = getattr(error, "error_code", None)
    text = str(getattr(code, "value", code) or "")
    return text if _WORD.fullmatch(text) else ""


def _unsent(text: str) -> str:
    """What it means that a request did not get through."""
    if _NAME.search(text):
        return (
            "the name of the account does not resolve. Check it; that of a private endpoint resolves in its own "
            "network only"
        )
    if "certificate" in text.lower():
        return "the certificate of the other side is not trusted. A proxy's own goes into REQUESTS_CA_BUNDLE"
    return "the account cannot be reached. Check the network, proxies, and the account's own network rules"


def _unproven(address: "Address", text: str) -> str:
    """What it means that who asks could not be proven."""
    if not address.sas:
        return f"{_NEITHER}: it belongs to another tenant (--tenant names the account's), or the clock is off"
    end = parse_qs(address.sas).get("se", [""])[0]
    if "time frame" in text or "expiry" in text.lower():
        until = f" (it ends {end})" if _TIME.fullmatch(end) else ""
        return f"its SAS has expired or is not valid yet{until}. Ask for a new one"
    return _FORGED
