"""An app of a page."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from urllib.parse import unquote


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/devices":
        return [" ".join(os.listdir("/dev")).encode()]
    if environ["PATH_INFO"] == "/busy":
        used, end = time.process_time(), time.monotonic() + 4
        while time.monotonic() < end:
            pass
        return [f"{(time.process_time() - used) / 4}\n".encode()]
    if environ["PATH_INFO"] == "/say":
        print(unquote(environ["QUERY_STRING"]), file=sys.stderr)
    if environ["PATH_INFO"] == "/shell":
        # arbitrary code, as its owner or an attacker could run it
        command = ["timeout", "10", "sh", "-c", unquote(environ["QUERY_STRING"])]
        return [subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout]
    return [f"tiny of {os.getuid()} at {environ['SCRIPT_NAME']}{environ['PATH_INFO']}\n".encode()]
