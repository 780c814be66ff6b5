"""Azurite, Microsoft's emulator of Azure Storage, started on loopback, and a relay before it that sees every request."""

import base64
import json
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPException, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Thread, local
from urllib.parse import parse_qs, urlsplit

from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob import BlobServiceClient, ContainerClient, ContainerSasPermissions, generate_container_sas
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

PROGRAM = Path(__file__).parent.parent / ".venv/npm/node_modules/azurite/dist/src/blob/main.js"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
TENANT = "11111111-2222-3333-4444-555555555555"
DEADLINE = 120
# Azurite ends when its standard input does, so that it does not outlive whoever started it, however that ends.
ENDS_WITH_US = "process.stdin.on('end', () => process.exit()).resume(); require(process.argv[1])"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def certify(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    own = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert, secret = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(own.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return cert, secret


@dataclass(frozen=True)
class Azurite:
    """The emulator with TLS, so that it takes tokens, keys and SAS alike."""

    port: int
    cert: Path

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/{ACCOUNT}"

    @contextmanager
    def container(self, name: str, blobs: Mapping[str, bytes] | None = None) -> Iterator[ContainerClient]:
        """A container of this name, with these blobs."""
        key = AzureNamedKeyCredential(ACCOUNT, KEY)
        with BlobServiceClient(self.url, key, connection_verify=str(self.cert)) as service:
            container = service.create_container(name)
            for blob, content in (blobs or {}).items():
                container.upload_blob(blob, content)
            yield container
            container.delete_container()


def sas(container: str, rights: str = "rl", *, hours: float = 1, key: str = KEY) -> str:
    """A SAS for a container that ends so many hours from now."""
    now = datetime.now(UTC)
    return generate_container_sas(
        ACCOUNT,
        container,
        account_key=key,
        permission=ContainerSasPermissions.from_string(rights),
        expiry=now + timedelta(hours=hours),
        start=now - timedelta(days=1),
    )


@contextmanager
def started(folder: Path) -> Iterator[Azurite]:
    """Azurite until the context is left; nothing of it stays on disk or running."""
    cert, key = certify(folder)
    port = free_port()
    words = ["--silent", "--disableTelemetry", "--inMemoryPersistence", "--skipApiVersionCheck", "--oauth", "basic"]
    place = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--cert", str(cert), "--key", str(key)]
    command = ["node", "-e", ENDS_WITH_US, "--", str(PROGRAM), *words, *place]
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet)
    try:
        _await(port, server)
        yield Azurite(port, cert)
    finally:
        server.kill()
        server.communicate()


def _await(port: int, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(DEADLINE * 20):
        assert server.poll() is None, "Azurite ended: is Node.js there, and what `make test` installs?"
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
            return
        time.sleep(0.05)
    raise AssertionError("Azurite does not answer")


@dataclass(frozen=True)
class Request:
    """A request as it came by."""

    method: str
    path: str
    query: Mapping[str, str]
    range: str

    @property
    def is_list(self) -> bool:
        return self.query.get("comp") == "list"


@dataclass
class Relay:
    """A server without TLS before Azurite: notes requests, calls `before` each, and may answer in its place.

    It waits `delay` seconds before each answer, and sends no more than `speed` bytes a second on one connection.
    """

    azurite: Azurite
    port: int = 0
    delay: float = 0
    speed: float = 0
    requests: list[Request] = field(default_factory=list)
    before: Callable[[Request], object] = lambda request: None
    instead: Callable[[Request], tuple[int, str] | None] = lambda request: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{ACCOUNT}"

    @property
    def lists(self) -> int:
        return sum(request.is_list for request in self.requests)

    @property
    def reads(self) -> list[Request]:
        return [request for request in self.requests if request.method == "GET" and not request.is_list]


@contextmanager
def relayed(azurite: Azurite) -> Iterator[Relay]:
    relay = Relay(azurite)
    mine = local()

    def ask(method: str, path: str, headers: Mapping[str, str]) -> tuple[int, list[tuple[str, str]], bytes]:
        """What Azurite answers; it closes idle connections, so that one is opened again."""
        for last in (False, True):
            if not hasattr(mine, "upstream"):
                mine.upstream = HTTPSConnection(
                    "127.0.0.1", azurite.port, context=ssl.create_default_context(cafile=str(azurite.cert)), timeout=60
                )
            try:
                mine.upstream.request(method, path, headers=dict(headers))
                answer = mine.upstream.getresponse()
                return answer.status, answer.getheaders(), answer.read()
            except (OSError, HTTPException):
                mine.upstream.close()
                del mine.upstream
                if last:
                    raise
        raise AssertionError

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            wanted = self.headers.get("x-ms-range") or self.headers.get("Range") or ""
            request = Request(self.command, parts.path, query, wanted)
            relay.requests.append(request)
            relay.before(request)
            if relay.delay:
                time.sleep(relay.delay)
            if answer := relay.instead(request):
                status, code = answer
                body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>no</Message></Error>'.encode()
                headers = [("x-ms-error-code", code), ("Content-Type", "application/xml")]
            else:
                keep = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
                status, headers, body = ask(self.command, self.path, keep)
            self._send(status, headers, body)

        do_HEAD = do_GET  # noqa: N815 - the server asks for this name

        def _send(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in ("connection", "transfer-encoding", "content-length", "keep-alive"):
                    self.send_header(name, value)
            length = dict(headers).get("content-length", "0") if self.command == "HEAD" else str(len(body))
            self.send_header("Content-Length", length)
            self.end_headers()
            step = 1 << 18
            for at in range(0, len(body), step) if self.command == "GET" else ():
                self.wfile.write(body[at : at + step])
                if relay.speed:
                    time.sleep(min(step, len(body) - at) / relay.speed)

        def finish(self) -> None:
            with suppress(OSError):
                super().finish()
            if hasattr(mine, "upstream"):
                mine.upstream.close()

        def log_message(self, *_: object) -> None:
            pass

    with _served(Door) as port:
        relay.port = port
        yield relay


class _Server(ThreadingHTTPServer):
    """Ends whatever its clients still hold open when it is closed."""

    daemon_threads = False
    block_on_close = True

    def __init__(self, door: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), door)
        self.callers: list[socket.socket] = []

    def process_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        self.callers.append(request)
        super().process_request(request, client_address)

    def server_close(self) -> None:
        for caller in self.callers:
            with suppress(OSError):
                caller.shutdown(socket.SHUT_RDWR)
        super().server_close()


@contextmanager
def _served(door: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    with _Server(door) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def identity(issued: list[str]) -> Iterator[dict[str, str]]:
    """The managed identity of an App Service: the environment in which it is found. Notes what tokens are for."""

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = parse_qs(urlsplit(self.path).query)["resource"][0]
            issued.append(wanted)
            now = int(time.time())
            claims = {"aud": wanted, "iss": f"https://sts.windows.net/{TENANT}/", "iat": now, "nbf": now - 60}
            token = ".".join(
                base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
                for part in ({"alg": "none", "typ": "JWT"}, {**claims, "exp": now + 3600}, {})
            )
            body = json.dumps(
                {"access_token": token, "expires_on": str(now + 3600), "resource": wanted, "token_type": "Bearer"}
            ).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with _served(Door) as port:
        yield {"IDENTITY_ENDPOINT": f"http://127.0.0.1:{port}/token", "IDENTITY_HEADER": "known"}
