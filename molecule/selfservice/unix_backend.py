"""A backend on a unix socket; the argument is its path."""

from __future__ import annotations

import http.server
import os
import socketserver
import sys


class Backend(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{os.getuid()} {self.path}".encode())

    def log_message(self, *_arguments):
        """Logs nothing: the peer of a unix socket has no address."""


os.umask(0o007)  # the socket inherits the folder's group, which is nginx's
socketserver.ThreadingUnixStreamServer(sys.argv[1], Backend).serve_forever()
