"""Small real backends for the tests: HTTP that notes what arrives, websockets that echo, a port that swallows connects."""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import json
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Callable, Iterator

import websockets.exceptions
import websockets.sync.server

BLOCK = 1 << 20


@dataclasses.dataclass
class Request:
    """One request as it arrived, before any server has tidied it."""

    method: str
    target: str
    headers: list[tuple[str, str]]

    def header(self, name: str) -> str | None:
        """All values of a header in one text, or None where there is none."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(values) if values else None


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with its backend's name and the request as JSON, or as the last part of the path asks for."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    backend: Backend

    def serve(self) -> None:
        method, _, rest = self.requestline.partition(" ")
        request = Request(method, rest.rpartition(" ")[0], list(self.headers.items()))
        self.backend.seen.append(request)
        name = request.target.partition("?")[0].rpartition("/")[2]
        self.backend.answers.get(name, Handler.echo)(self, request)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = serve

    def echo(self, request: Request) -> None:
        """Status and headers as the query asks: `?status=302&header=Location:+/x&body=text`."""
        size = sum(self.body())
        asked = urllib.parse.parse_qs(urllib.parse.urlsplit(request.target.lstrip("/")).query)
        told = {"backend": self.backend.name, "bytes": size, **dataclasses.asdict(request)}
        body = asked["body"][0].encode() if "body" in asked else json.dumps(told).encode()
        self.send_response(int(asked.get("status", ["200"])[0]))
        for line in asked.get("header", []):
            self.send_header(*line.split(": ", 1))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    def body(self) -> Iterator[int]:
        """Reads the request's body, and tells the size of each piece."""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                yield len(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
        left = int(self.headers.get("Content-Length") or 0)
        block = memoryview(bytearray(BLOCK))
        while left:
            size = self.rfile.readinto1(block[:left])
            if not size:
                raise ConnectionError(f"{left} bytes never came")
            left -= size
            yield size

    def start(self, kind: str, length: int | None = None) -> None:
        """Begins an answer that comes in pieces: so many bytes, or chunks, or with a length of -1 whatever comes."""
        self.chunked = length is None
        self.send_response(200)
        self.send_header("Content-Type", kind)
        if length is None:
            self.send_header("Transfer-Encoding", "chunked")
        elif length < 0:
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def piece(self, data: bytes) -> None:
        """Sends one piece; an empty one is the last."""
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data) if self.chunked else data)

    def log_message(self, *_: object) -> None:
        """Nothing: what happened is in `seen`."""


class Server(http.server.ThreadingHTTPServer):
    """Threads for all, and silence when a client leaves early, which the tests do on purpose."""

    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Nothing: the test sees what its client sees."""


class Backend:
    """An HTTP server in threads. `seen` is what arrived; `answers` maps the last part of a path to another answer."""

    def __init__(
        self, name: str, host: str = "127.0.0.1", port: int = 0, context: ssl.SSLContext | None = None
    ) -> None:
        """`context`: how TLS is spoken, where it is."""
        self.name = name
        self.seen: list[Request] = []
        self.answers: dict[str, Callable[[Handler, Request], None]] = {}
        server = type("Server6", (Server,), {"address_family": socket.AF_INET6}) if ":" in host else Server
        self._server = server((host, port), type("Handler", (Handler,), {"backend": self}))
        self.port: int = self._server.server_address[1]
        if context:
            # the handshake is for the thread of each connection, not for the one that accepts them all
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Ends the server."""
        self._server.shutdown()
        self._server.server_close()


class WebsocketBackend:
    """Greets with the path that it was opened with, then echoes; a text `push` is answered by three messages."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._server = websockets.sync.server.serve(self._talk, "127.0.0.1", 0, max_size=None, ssl=context)
        self.port: int = self._server.socket.getsockname()[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @staticmethod
    def _talk(connection: websockets.sync.server.ServerConnection) -> None:
        assert connection.request
        connection.send(connection.request.path)
        with contextlib.suppress(websockets.exceptions.ConnectionClosed):
            for message in connection:
                for answer in ["1", "2", "3"] if message == "push" else [message]:
                    connection.send(answer)

    def close(self) -> None:
        """Ends the server and its connections."""
        self._server.shutdown()


@contextlib.contextmanager
def black_hole() -> Iterator[int]:
    """A port whose queue of connections is full, so that the next one waits for ever."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.connect(listener.getsockname())
        yield listener.getsockname()[1]
