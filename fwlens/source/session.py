"""Knows how Log Analytics is reached: which workspaces, in which cloud, with which credential, one request at a time.

Nothing here tries again and nothing judges: a request goes out, and what came back (or did not) is a value.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, cast
from urllib.parse import quote

from fwlens.errors import FwlensError
from fwlens.source.credential import AUTHORITIES, credential

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.exceptions import AzureError
    from azure.monitor.query import LogsQueryClient

Cloud = Literal["public", "government", "china"]

# https://learn.microsoft.com/azure/azure-monitor/logs/api/access-api and the sovereign clouds' pages beside it
_ENDPOINTS: Final[dict[Cloud, str]] = {
    "public": "https://api.loganalytics.io",
    "government": "https://api.loganalytics.us",
    "china": "https://api.loganalytics.azure.cn",
}
WAIT: Final = 180
"""How many seconds the service may work on a query (its own default; it takes up to 600)."""
_CONNECT: Final = 10
_MOST_BYTES: Final = 256 << 20  # more than the service ever sends (about 104 MB): another server, or an endless answer
_GUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_RESOURCE: Final = re.compile(
    r"/subscriptions/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"(/resourcegroups/[\w().-]{1,90})?(/providers/[a-z0-9.]{1,100}(/[a-z0-9]{1,100}/[\w().-]{1,260}){1,4})?",
    re.IGNORECASE,
)
_TENANT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")
_ENDPOINT: Final = re.compile(r"https://[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """Whose logs are asked for: a workspace by its GUID, or a resource (firewall, resource group …) by its id."""

    name: str
    is_workspace: bool = True

    @property
    def path(self) -> str:
        """What stands before `/query` in a request. The client does not quote it: only plain ids come this far."""
        return f"/workspaces/{self.name}" if self.is_workspace else quote(self.name, safe="/()")

    @property
    def title(self) -> str:
        """How messages name it."""
        return f"workspace {self.name}" if self.is_workspace else self.name


@dataclass(frozen=True, slots=True)
class Target:
    """Where to ask: workspaces (GUIDs) and resources (ids), one cloud, and what differs from its defaults.

    Raises FwlensError for an id, a tenant or an endpoint that cannot be one: nothing else may stand in a request.
    """

    workspaces: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    cloud: Cloud = "public"
    tenant: str | None = None
    endpoint: str | None = None

    def __post_init__(self) -> None:
        """Refuse what no request may hold."""
        for workspace in self.workspaces:
            if not _GUID.fullmatch(workspace.strip().lower()):
                raise FwlensError(
                    f"--workspace {workspace!r} is no workspace id: that is the GUID which the portal shows as "
                    "Workspace ID on the workspace's overview. (Resources go by --resource.)"
                )
        for resource in self.resources:
            plain = _RESOURCE.fullmatch(resource.strip().rstrip("/"))
            if not plain or {".", ".."} & set(resource.split("/")):
                raise FwlensError(
                    f"--resource {resource!r} is no resource id: it begins with /subscriptions/ and stands in the "
                    "portal under Properties."
                )
        if self.tenant is not None and not _TENANT.fullmatch(self.tenant):
            raise FwlensError(f"--tenant {self.tenant!r} is no tenant: give its GUID or its domain name.")
        if self.endpoint is not None and not _ENDPOINT.fullmatch(_plain_endpoint(self.endpoint)):
            raise FwlensError(f"--endpoint {self.endpoint!r} is no address: it looks like https://api.loganalytics.io.")

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """Each workspace and resource once, in the order they were named; the case of ids tells nothing."""
        named = [Scope(each.strip().lower()) for each in self.workspaces]
        named += [Scope(each.strip().rstrip("/"), is_workspace=False) for each in self.resources]
        once: dict[str, Scope] = {}
        for scope in named:
            once.setdefault(scope.name.lower(), scope)
        return tuple(once.values())

    @property
    def address(self) -> str:
        """Where requests go."""
        return _plain_endpoint(self.endpoint) if self.endpoint else _ENDPOINTS[self.cloud]


def _plain_endpoint(endpoint: str) -> str:
    return endpoint.strip().rstrip("/").removesuffix("/v1")


@dataclass(frozen=True, slots=True)
class Request:
    """One query for one scope. `timespan` is an ISO 8601 interval; a `search` (Basic and Auxiliary tables) needs it."""

    scope: Scope
    query: str
    timespan: str | None = None
    search: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: the status and the body as sent, or status 0 and why nothing whole came."""

    status: int
    body: bytes = b""
    retry_after: str = ""
    date: str = ""
    fault: Literal["", "dropped", "timeout", "unreachable", "certificate", "endless"] = ""


@dataclass(frozen=True, slots=True)
class Session:
    """A way to ask, with the clock (epoch seconds) and the sleep that waiting between tries needs."""

    send: Callable[[Request], Reply]
    now: Callable[[], float]
    sleep: Callable[[float], None]


@contextmanager
def connect(target: Target, *, now: Callable[[], float], sleep: Callable[[float], None]) -> Iterator[Session]:
    """A session with the target's cloud, closed at the end. Nothing is sent before the first request.

    A request raises FwlensError where no credential is to be had.
    """
    from azure.core.pipeline.policies import RetryPolicy
    from azure.monitor.query import LogsQueryClient

    who = credential(target.tenant, AUTHORITIES[target.cloud], now)
    client = LogsQueryClient(
        cast("TokenCredential", who),
        endpoint=target.address,
        retry_policy=RetryPolicy.no_retries(),
        user_agent="fwlens",
    )
    with closing(who), client:
        yield Session(lambda request: _send(client, request), now, sleep)


def _send(client: "LogsQueryClient", request: Request) -> Reply:
    from azure.core.exceptions import AzureError
    from azure.core.rest import HttpRequest

    asked = {"query": request.query}
    if request.timespan and not request.search:
        asked["timespan"] = request.timespan
    post = HttpRequest(
        "POST",
        f"{request.scope.path}/{'search' if request.search else 'query'}",
        params={"timespan": request.timespan} if request.search else None,
        headers={"Prefer": f"wait={WAIT}"},
        json=asked,
    )
    try:
        # Streamed, because the client would else decode the body itself, and raise for one that is no JSON.
        with client.send_request(post, stream=True, connection_timeout=_CONNECT, read_timeout=WAIT + 30) as response:
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > _MOST_BYTES:
                    return Reply(0, fault="endless")
            told = response.headers
            return Reply(response.status_code, bytes(body), told.get("Retry-After", ""), told.get("Date", ""))
    except AzureError as error:
        return Reply(0, fault=_fault(error))


def _fault(error: "AzureError") -> Literal["dropped", "timeout", "unreachable", "certificate"]:
    from azure.core.exceptions import ServiceRequestError, ServiceResponseTimeoutError

    if isinstance(error, ServiceResponseTimeoutError):
        return "timeout"
    if not isinstance(error, ServiceRequestError):
        return "dropped"
    return "certificate" if "CERTIFICATE_VERIFY_FAILED" in str(error) else "unreachable"
