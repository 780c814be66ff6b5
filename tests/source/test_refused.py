"""What refusals of a storage account mean to people: the code and the way out, never the text of the answer."""

import pytest
from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError, ServiceResponseError

from fwlens.source.bloburl import parse
from fwlens.source.refused import meaning

PLAIN = parse("https://acc.blob.core.windows.net/logs")
SIGNED = parse("https://acc.blob.core.windows.net/logs?se=2026-11-20T22:00:00Z&sig=SECRET")
BUSY = "the account is throttled (five requests in a row were turned away). Try again later"


def refusal(status: int, code: str, text: str = "SECRET \x1b[2J") -> HttpResponseError:
    error = HttpResponseError(text)
    error.status_code = status
    error.error_code = code  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize(
    ("error", "begins"),
    [
        (refusal(403, "AuthorizationPermissionMismatch"), "403 AuthorizationPermissionMismatch: give whoever runs fwlens the role Storage Blob Data Reader "),
        (refusal(403, "AuthorizationFailure"), "403 AuthorizationFailure: the account's network rules do not let this address in, or its public endpoint is disabled"),
        (refusal(403, "KeyBasedAuthenticationNotPermitted"), "403 KeyBasedAuthenticationNotPermitted: the account takes no SAS that is signed with its key"),
        (refusal(401, "InvalidAuthenticationInfo"), "401 InvalidAuthenticationInfo: the credential is not accepted by this account: it belongs to another tenant (--tenant"),
        (refusal(404, "ContainerNotFound"), "404 ContainerNotFound: there is no such container in the account"),
        (refusal(409, "BlobArchived"), "409 BlobArchived: the blob lies in the archive tier"),
        (refusal(503, "ServerBusy"), f"503 ServerBusy: {BUSY}"),
        (refusal(403, "SomethingNew"), "403 SomethingNew: give whoever runs fwlens the role Storage Blob Data Reader "),
        (refusal(404, "\x1b[2J"), "404: there is no such container or blob"),
        (refusal(418, "Odd"), "418 Odd: the account did not do it. Try again"),
        (ServiceRequestError("Failed to resolve 'acc.blob.core.windows.net'"), "the name of the account does not resolve"),
        (ServiceRequestError("[Errno -2] Name or service not known"), "the name of the account does not resolve"),
        (ServiceRequestError("certificate verify failed"), "the certificate of the other side is not trusted"),
        (ServiceRequestError("Connection refused"), "the account cannot be reached"),
        (ServiceResponseError("Connection aborted"), "the connection broke off or timed out"),
    ],
)  # fmt: skip
def test_a_refusal_is_told_with_its_meaning(error: AzureError, begins: str) -> None:
    said = meaning(error, PLAIN)
    assert said.startswith(begins)
    assert "SECRET" not in said
    assert said.isprintable()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (refusal(403, "AuthenticationFailed", "Signature not valid in the specified time frame"),
         "403 AuthenticationFailed: its SAS has expired or is not valid yet (it ends 2026-11-20T22:00:00Z). Ask for a new one"),
        (refusal(403, "AuthenticationFailed", "Signature did not match. SECRET"),
         "403 AuthenticationFailed: its SAS is not accepted: it is cut off, revoked or made for another container. Quote the whole address"),
        (refusal(403, "AuthorizationPermissionMismatch"),
         "403 AuthorizationPermissionMismatch: its SAS lacks rights: ask for one with read and list (sp=rl) for the container (sr=c)"),
    ],
)  # fmt: skip
def test_a_refusal_of_a_sas_is_told_without_it(error: AzureError, said: str) -> None:
    assert meaning(error, SIGNED) == said
