"""Log Analytics on 127.0.0.1: the query API, the search API of Basic tables, and a managed identity's tokens, over TLS.

The real client talks to it, queries run for real (`tests/kusto.py`), and a plan says which requests go wrong and how.
Error bodies are those of https://learn.microsoft.com/azure/azure-monitor/logs/api/errors, or as people have quoted them.

`python -m tests.loopback --help` serves the sample night until it is ended.
"""

import argparse
import contextlib
import ipaddress
import json
import random
import re
import signal
import ssl
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests import kusto

WORKSPACE: Final = "aaaaaaaa-0000-4000-8000-000000000001"
IDENTITY: Final = "only-the-app-service-knows-this"
TOKEN: Final = "eyJ0eXAi.loopback.token"


class Answering(Protocol):
    """What a workspace is here: tables that answer KQL."""

    @property
    def tables(self) -> Sequence[str]: ...

    def answer(self, kql: str, timespan: str | None = None) -> bytes: ...


@dataclass(frozen=True)
class Asked:
    """A request that came in: `number` from 0, and how often the same one came before."""

    number: int
    path: str
    query: str
    before: int

    @property
    def table(self) -> str:
        """The table that the query reads."""
        return table_of(self.query)


Plan = Callable[[Asked], str]
"""The name of the fault that a request meets, or nothing."""


def healthy(asked: Asked) -> str:
    """No request goes wrong."""
    return ""


def at_random(seed: int, rate: float, faults: Sequence[str] = (), most: int = 3) -> Plan:
    """Faults at random, the same for the same seed whatever the order of requests; `most` in a row for one request."""
    names = sorted(faults or PASSING)

    def plan(asked: Asked) -> str:
        dice = random.Random(f"{seed} {asked.path} {asked.query} {asked.before}")
        return dice.choice(names) if asked.before < most and dice.random() < rate else ""

    return plan


def in_turn(*faults: str) -> Plan:
    """The first request meets the first fault, and so on; then all is well."""
    return lambda asked: faults[asked.number] if asked.number < len(faults) else ""


@dataclass
class Loopback:
    """A server on loopback. `workspaces` are by GUID, `resources` by id, `basic` names tables with the Basic plan.

    An answer of more than `rows` rows is cut and said to be partial, as the service does it. `ahead` is how far the
    server's clock is ahead of ours.
    """

    workspaces: Mapping[str, Answering]
    resources: Mapping[str, Answering] = field(default_factory=dict)
    plan: Plan = healthy
    basic: frozenset[str] = frozenset()
    rows: int = 500_000
    size: int = 104_857_600
    ahead: timedelta = timedelta()
    asked: list[Asked] = field(default_factory=list)
    tokens: list[dict[str, list[str]]] = field(default_factory=list)
    seen: Counter[tuple[str, str]] = field(default_factory=Counter)
    open: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    """The most requests of a kind (`query`, `search`) that were under way at a time."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    address: str = ""

    @contextlib.contextmanager
    def serving(self, folder: Path, port: int = 0) -> Iterator[dict[str, str]]:
        """Serve, and give the environment in which the real client finds its way here. The folder gets a certificate.

        Tokens come by plain HTTP, as in an App Service.
        """
        certificate = folder / "loopback.pem"
        certificate.write_bytes(self_signed())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        api, identity = (ThreadingHTTPServer(("127.0.0.1", each), handler(self)) for each in (port, 0))
        api.socket = context.wrap_socket(api.socket, server_side=True)
        self.address = f"https://127.0.0.1:{api.server_port}"
        threads = [threading.Thread(target=serve, args=[each], daemon=True) for each in (api, identity)]
        for thread in threads:
            thread.start()
        try:
            yield {
                "REQUESTS_CA_BUNDLE": str(certificate),
                "IDENTITY_ENDPOINT": f"http://127.0.0.1:{identity.server_port}/msi/token",
                "IDENTITY_HEADER": IDENTITY,
                "NO_PROXY": "127.0.0.1",
            }
        finally:
            for each in (api, identity):
                each.shutdown()
                each.server_close()
            for thread in threads:
                thread.join()

    def met(self, path: str, query: str) -> str:
        """Note a request, and the fault that it meets."""
        with self.lock:
            asked = Asked(len(self.asked), path, query, self.seen[path, query])
            self.asked.append(asked)
            self.seen[path, query] += 1
        return self.plan(asked)

    @contextlib.contextmanager
    def busy(self, path: str) -> Iterator[None]:
        """Count what is under way at a time."""
        kind = path.rpartition("/")[2]
        with self.lock:
            self.open[kind] += 1
            self.most[kind] = max(self.most[kind], self.open[kind])
        try:
            yield
        finally:
            with self.lock:
                self.open[kind] -= 1


@dataclass(frozen=True)
class Sent:
    """What goes back: a status and a body; `cut` bytes of it are held back, and with no status the line goes dead."""

    status: int = 0
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    kind: str = "application/json; charset=utf-8"
    cut: int = 0


def error(
    status: int, code: str, message: str, *inner: tuple[str, str], headers: tuple[tuple[str, str], ...] = ()
) -> Sent:
    """An error as the query API writes it, the inner ones within each other."""
    told: dict[str, Any] | None = None
    for name, words in reversed(((code, message), *inner)):
        told = {"message": words, "code": name, **({"innererror": told} if told else {})}
    return Sent(status, json.dumps({"error": told}).encode(), headers)


BAD: Final = ("BadArgumentError", "The request had some invalid properties")
TOO_MANY: Final = ("ThrottledError", "Too many requests, please try again later")
DOWN: Final = ("InternalServerError", "An internal server error occurred")
TOO_LARGE: Final = {
    "code": "PartialError",
    "message": "There were some errors when processing your query.",
    "details": [
        {
            "code": "EngineError",
            "message": "Something went wrong processing your query on the server.",
            "innererror": {
                "code": "-2133196797",
                "message": "The results of this query exceed the set limit of 500000 records, so not all records were "
                "returned (E_QUERY_RESULT_SET_TOO_LARGE, 0x80DA0003). See https://aka.ms/kustoquerylimits for more "
                "information and possible solutions.",
                "severity": 2,
                "severityName": "Error",
            },
        }
    ],
}
HTML: Final = b"<html><head><title>Sorry</title></head><body><h1>Sorry</h1></body></html>"
FAULTS: Final[dict[str, Sent]] = {
    "429 at once": error(429, *TOO_MANY, headers=(("Retry-After", "0"),)),
    "429 in 7 s": error(429, *TOO_MANY, headers=(("Retry-After", "7"),)),
    "429 in an hour": error(429, *TOO_MANY, headers=(("Retry-After", "3600"),)),
    "429": error(429, *TOO_MANY),
    "500": error(500, *DOWN),
    "502": Sent(502, HTML, kind="text/html"),
    "503": error(503, "ServiceUnavailable", "The service is unavailable"),
    "503 bare": Sent(503),
    "504": error(504, "GatewayTimeout", "Gateway timeout", ("GatewayTimeout", "Unable to unzip response")),
    "504 bare": Sent(504, HTML, kind="text/html"),
    "dropped": Sent(),
    "html": Sent(200, HTML, kind="text/html"),
    "empty": Sent(200),
    "204": Sent(204),
    "400 too large": error(
        400, "BadArgumentError", "too much", ("ResponseSizeError", "Maximum response size exceeded")
    ),
    "partial without rows": Sent(200, json.dumps({"error": TOO_LARGE}).encode()),
    "401": error(401, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."),
    "401 clock": error(
        401, "InvalidAuthenticationToken", "IDX10222: Lifetime validation failed. The token is not yet valid."
    ),
    "403 audience": error(
        403, "InvalidAuthenticationTokenAudience", "The access token has been obtained from wrong audience or resource."
    ),
    "403": error(
        403,
        "InsufficientAccessError",
        "The provided credentials have insufficient access to perform the requested operation",
    ),
    "404": error(404, "PathNotFoundError", "The requested path does not exist"),
    "400 syntax": error(
        400, *BAD, ("SyntaxError", "\x1b[2JSyntax\u202e Error\nBearer eyJ0eXAiOiJKV1Qi.abc.def " + "x" * 300)
    ),
    "413": Sent(413, HTML, kind="text/html"),
}
PASSING: Final = (
    "429 at once", "429 in 7 s", "429", "500", "502", "503", "503 bare", "504", "504 bare", "dropped", "html", "empty",
    "truncated", "partial", "partial without rows", "400 too large", "413",
)  # fmt: skip
"""Faults after which a whole answer is still to be had."""


def table_of(query: str) -> str:
    """The table at the head of a query."""
    body = query.partition("\n\n")[2] or query
    named = re.search(r"^[ \t]*([A-Za-z_]\w*)\s*(?:$|\|)", body, re.MULTILINE)
    return named[1] if named else ""


def respond(server: Loopback, path: str, spans: Sequence[str], posted: Mapping[str, Any]) -> Sent:
    """The honest answer to a request, whole, or cut to `rows` and said to be partial."""
    route = re.fullmatch(r"/v1(/workspaces/([^/]+)|/subscriptions/.+)/(query|search)", path)
    tables = None if route is None else server.workspaces.get(route[2]) if route[2] else server.resources.get(route[1])
    if route is None or tables is None:
        return FAULTS["404"]
    query = str(posted["query"])
    table, is_basic = table_of(query), table_of(query) in server.basic
    if table and table not in tables.tables:
        named = f"'where' operator: Failed to resolve table or column expression named '{table}'"
        return error(400, *BAD, ("SemanticError", "A semantic error occurred."), ("SEM0100", named))
    if route[3] == "search" and (refused := unsearchable(query, spans)):
        return refused
    if is_basic and route[3] == "query":
        way = "https://api.loganalytics.io/v1/workspaces/{workspaceId}"
        return error(
            400, *BAD,
            ("UnsupportedApiQueryValidationError", f"Query of Basic Logs table is not supported with the API '{way}/query'.\n"
             f"You can use '{way}/search' instead.\nTo learn more on queries on Basic Logs table, read here: https://aka.ms/basicLogsQueryAPI."),
        )  # fmt: skip
    timespan = spans[0] if route[3] == "search" else posted.get("timespan")
    try:
        body = tables.answer(query, timespan)
    except kusto.KustoError as refusal:
        return error(400, *BAD, (refusal.code, "A semantic error occurred."), ("SEM0100", str(refusal)))
    answer = json.loads(body)
    rows = answer["tables"][0]["rows"]
    if len(rows) > server.rows or len(body) > server.size:
        answer["tables"][0]["rows"], answer["error"] = rows[: server.rows // 2], TOO_LARGE
        body = json.dumps(answer).encode()
    return Sent(200, body)


def unsearchable(query: str, spans: Sequence[str]) -> Sent | None:
    """What `/search` refuses: no time range in the request, or one in the query; more than one table."""
    if not spans:
        return error(400, *BAD, ("MissingTimespan", "The time span must be specified in the header of the request"))
    if re.search(r"\bwhere\b[^|]*\bTimeGenerated\b", query):
        return error(400, *BAD, ("TimeRangeInQuery", "The time range cannot be specified in the query"))
    if re.search(r"\b(?:join|union|find|externaldata)\b", re.sub(r"//.*", "", query)):
        return error(400, *BAD, ("SeveralTables", "The query should contain a single Basic or Auxiliary Logs table."))
    return None


def serve(server: ThreadingHTTPServer) -> None:
    """Answer until it is shut down; a connection that stays open does not hold that up."""
    server.daemon_threads = True
    server.serve_forever(poll_interval=0.05)


def handler(server: Loopback) -> type[BaseHTTPRequestHandler]:
    """What answers on each connection."""

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            asked = parse_qs(url.query)
            if url.path != "/msi/token" or self.headers["X-IDENTITY-HEADER"] != IDENTITY:
                self.reply(Sent(401, b"{}"))
                return
            server.tokens.append(asked)
            expires = str(int(time.time()) + 86_400)
            token = {
                "access_token": TOKEN,
                "expires_on": expires,
                "resource": asked["resource"][0],
                "token_type": "Bearer",
            }
            self.reply(Sent(200, json.dumps(token).encode()))

        def do_POST(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                self.reply(FAULTS["401"])
                return
            if not self.headers["Content-Type"].startswith("application/json"):
                self.reply(Sent(200))  # as the service does
                return
            posted = json.loads(body)
            path = unquote(url.path)
            with server.busy(path):
                told = self.told(path, parse_qs(url.query).get("timespan", []), posted)
            self.reply(told)

        def told(self, path: str, spans: Sequence[str], posted: Mapping[str, Any]) -> Sent:
            fault = server.met(path, posted["query"])
            if fault in FAULTS:
                return FAULTS[fault]
            if fault.startswith("slow"):
                time.sleep(float(fault.split()[1]))
            honest = respond(server, path, spans, posted)
            if fault == "truncated":
                return replace(honest, cut=len(honest.body) // 2 + 1)
            return partial(honest) if fault == "partial" and honest.status == 200 else honest

        def reply(self, sent: Sent) -> None:
            if not sent.status:
                self.close_connection = True
                return
            self.send_response_only(sent.status)
            self.send_header("Date", formatdate(time.time() + server.ahead.total_seconds(), usegmt=True))
            for name, value in sent.headers:
                self.send_header(name, value)
            if sent.status != 204:
                self.send_header("Content-Type", sent.kind)
                self.send_header("Content-Length", str(len(sent.body)))
            self.end_headers()
            self.wfile.write(sent.body[: len(sent.body) - sent.cut])
            self.close_connection = self.close_connection or bool(sent.cut)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    return Answers


def partial(whole: Sent) -> Sent:
    """Half of the rows, and an error that says so."""
    answer = json.loads(whole.body)
    rows = answer["tables"][0]["rows"]
    answer["tables"][0]["rows"], answer["error"] = rows[: len(rows) // 2], TOO_LARGE
    return Sent(200, json.dumps(answer).encode())


def self_signed() -> bytes:
    """A certificate for 127.0.0.1 with its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


def main() -> None:
    """Serve the sample night: the environment to use is printed as `export` lines, then comes `READY address`."""
    parser = argparse.ArgumentParser(prog="python -m tests.loopback", description=main.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--faults", type=float, default=0.0, metavar="RATE", help="how many requests go wrong, 0 to 1")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=500_000, help="the most rows of an answer")
    parser.add_argument("--basic", action="append", default=[], metavar="TABLE", help="a table with the Basic plan")
    asked = parser.parse_args()
    ended = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: ended.set())
    plan = at_random(asked.seed, asked.faults) if asked.faults else healthy
    night = {WORKSPACE: kusto.sample_night()}
    server = Loopback(night, plan=plan, basic=frozenset(asked.basic), rows=asked.rows)
    with tempfile.TemporaryDirectory() as folder, server.serving(Path(folder), asked.port) as environment:
        for name, value in environment.items():
            sys.stdout.write(f"export {name}={value}\n")
        sys.stdout.write(f"# fwlens recommend --workspace {WORKSPACE} --endpoint {server.address} ...\n")
        sys.stdout.write(f"READY {server.address}\n")
        sys.stdout.flush()
        ended.wait()


if __name__ == "__main__":
    main()
