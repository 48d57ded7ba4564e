"""A small real sign-in service of the kind that oauth2-proxy is: asked about each request, with pages where one signs in."""

from __future__ import annotations

import http.server
import threading
import urllib.parse
from http.cookies import SimpleCookie

from backends import Request, Server

BASE = "/-/oauth2"
COOKIE = "_oauth2_proxy"


class Service:
    """`asked` is what it was asked; `answer`, where it is set, is the raw answer to every question."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.answer: bytes | None = None
        self.open()

    def open(self, port: int = 0) -> None:
        """Listens, on any port unless told."""
        self._server = Server(("127.0.0.1", port), type("Handler", (_Handler,), {"service": self}))
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Ends the server."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    service: Service
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path == f"{BASE}/auth":
            self.service.asked.append(Request(self.command, self.path, list(self.headers.items())))
            if self.service.answer is not None:
                self.wfile.write(self.service.answer)
                self.close_connection = True
                return
            name = self.visitor()
            # as Authelia does for a page that is nobody's
            status = 401 if not name else 403 if name == "banned" else 202
            self.tell(status, {"X-Auth-Request-User": name} if status == 202 else {})
        elif path == f"{BASE}/start":
            asked = urllib.parse.parse_qs(query)
            cookie = f"{COOKIE}=of-{asked.get('as', ['alice'])[0]}; Path=/; HttpOnly"
            self.tell(302, {"Location": asked["rd"][0], "Set-Cookie": cookie})
        elif path == f"{BASE}/told":
            self.tell(200, {}, repr(list(self.headers.items())))
        elif path == f"{BASE}/long":
            self.tell(200, {"X-Long": "x" * int(query)})
        else:
            self.tell(404, {})

    def visitor(self) -> str:
        """Whose the session is, or whose the login."""
        cookie = SimpleCookie(self.headers.get("Cookie", "")).get(COOKIE)
        if cookie:
            return cookie.value.removeprefix("of-")
        return "robot" if self.headers.get("Authorization") == "Bearer robot" else ""

    def tell(self, status: int, headers: dict[str, str], text: str = "") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Nothing: what was asked is in `asked`."""
