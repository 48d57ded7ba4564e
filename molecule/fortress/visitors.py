#!/usr/bin/python3
"""Visitors who open an encrypted connection and a page again and again: `visitors.py SECONDS` prints what went wrong."""

from __future__ import annotations

import base64
import collections
import http.client
import json
import ssl
import sys
import time

# whether the certificate is right is a matter of the tests
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
headers = {"Authorization": "Basic " + base64.b64encode(b"alice:alice-secret").decode()}
found: collections.Counter[str] = collections.Counter()
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    try:
        client = http.client.HTTPSConnection("127.0.0.1", timeout=10, context=context)
        client.request("GET", "/alice/report/", headers=headers)
        found[str(client.getresponse().status)] += 1
        client.close()
    except (OSError, http.client.HTTPException) as error:
        found[type(error).__name__] += 1
    time.sleep(0.01)
json.dump(found, sys.stdout)
