"""An app of a page."""

from __future__ import annotations

import os
import time


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/devices":
        return [" ".join(os.listdir("/dev")).encode()]
    if environ["PATH_INFO"] == "/busy":
        used, end = time.process_time(), time.monotonic() + 4
        while time.monotonic() < end:
            pass
        return [f"{(time.process_time() - used) / 4}\n".encode()]
    return [f"tiny of {os.getuid()} at {environ['SCRIPT_NAME']}{environ['PATH_INFO']}\n".encode()]
