#!/usr/bin/python3
"""Requests a page continuously over new TLS connections: `visitors.py FILE` makes FILE.begun after fifty responses, prints the
statuses and failures when there is a FILE, and gives up after ten minutes."""

from __future__ import annotations

import base64
import collections
import http.client
import json
import os
import ssl
import sys
import time

# the tests verify the certificate
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
headers = {"Authorization": "Basic " + base64.b64encode(b"alice:alice-secret").decode()}
found: collections.Counter[str] = collections.Counter()
end = time.monotonic() + 600
while time.monotonic() < end and not os.path.exists(sys.argv[1]):
    try:
        client = http.client.HTTPSConnection("127.0.0.1", timeout=60, context=context)
        client.request("GET", "/alice/report/", headers=headers)
        found[str(client.getresponse().status)] += 1
        client.close()
    except (OSError, http.client.HTTPException) as error:
        found[type(error).__name__] += 1
    if found.total() == 50:
        open(sys.argv[1] + ".begun", "w").close()
    time.sleep(0.01)
json.dump(found, sys.stdout)
