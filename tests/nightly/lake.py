"""A data lake for tests: Azurite behind a server that lists blobs from a name on, as Azure does and Azurite does not.

The tables' library asks for `startFrom` and takes it that nothing before it comes.
https://learn.microsoft.com/rest/api/storageservices/list-blobs
"""

import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.azurite import ACCOUNT, Azurite

_BLOB = re.compile(rb"<Blob><Name>([^<]*)</Name>.*?</Blob>", re.DOTALL)


def _from(start: bytes, listed: bytes) -> bytes:
    return _BLOB.sub(lambda found: found[0] if found[1] >= start else b"", listed)


@contextmanager
def lake(azurite: Azurite) -> Iterator[str]:
    """The address of the lake."""
    trusted = ssl.create_default_context(cafile=str(azurite.cert))

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            keep = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
            upstream = HTTPSConnection("127.0.0.1", azurite.port, context=trusted, timeout=60)
            try:
                upstream.request(self.command, self.path, body, keep)
                answer = upstream.getresponse()
                content = answer.read()
            finally:
                upstream.close()
            for start in parse_qs(urlsplit(self.path).query).get("startFrom", ()):
                content = _from(start.encode(), content)
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("connection", "transfer-encoding", "content-length", "keep-alive"):
                    self.send_header(name, value)
            length = answer.getheader("content-length", "0") if self.command == "HEAD" else str(len(content))
            self.send_header("Content-Length", length)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = pass_on  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{ACCOUNT}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
