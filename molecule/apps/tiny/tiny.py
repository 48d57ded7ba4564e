"""An app of a page."""

from __future__ import annotations

import os


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"tiny of {os.getuid()} at {environ['SCRIPT_NAME']}{environ['PATH_INFO']}\n".encode()]
