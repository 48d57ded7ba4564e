#!/usr/bin/env python3
"""Sends continuous requests to a page: a hundred a second, and some that take three seconds.

`visitors.py URL LOGIN FILE SECONDS` makes FILE.seen when they know the version well that serves at first. It prints what they have seen
when FILE is there and they know the version well that serves by then, or after SECONDS.
"""

from __future__ import annotations

import base64
import collections
import http.client
import json
import os
import sys
import threading
import time

PER_SECOND, THREADS = 100, 10
ENOUGH = 150  # answers of a version that they know well

url, login, file, seconds = sys.argv[1:]
host, _slash, path = url.removeprefix("http://").partition("/")
headers = {"Authorization": "Basic " + base64.b64encode(f"{login}:{login}-secret".encode()).decode()}
end = time.monotonic() + float(seconds)
seen, wrong, slow = collections.Counter(), collections.Counter(), collections.Counter()
slowest = 0.0
version = ""


def over():
    return time.monotonic() > end or (os.path.exists(file) and seen[version] >= ENOUGH)


def get(connection, page):
    connection.request("GET", f"/{path}{page}", headers=headers)
    response = connection.getresponse()
    return response.status, response.read()


def visit():
    global slowest, version
    connection = http.client.HTTPConnection(host, timeout=60)
    due = time.monotonic()
    while not over():
        start = time.monotonic()
        try:
            status, body = get(connection, "about")
            if status == 200:
                version = json.loads(body)["version"]
                seen[version] += 1
                if seen[version] == ENOUGH:
                    open(file + ".seen", "w").close()
            else:
                wrong[f"status {status}"] += 1
        except (OSError, http.client.HTTPException) as error:
            wrong[repr(error)] += 1
            connection = http.client.HTTPConnection(host, timeout=60)
        slowest = max(slowest, time.monotonic() - start)
        due += THREADS / PER_SECOND
        time.sleep(max(0.0, due - time.monotonic()))


def wait():
    while not over():
        try:
            status, body = get(http.client.HTTPConnection(host, timeout=60), "slow?seconds=3")
            slow["done" if (status, body) == (200, b"done\n") else f"status {status}"] += 1
        except (OSError, http.client.HTTPException) as error:
            slow[repr(error)] += 1


visiting, waiting = [threading.Thread(target=visit) for _ in range(THREADS)], threading.Thread(target=wait)
for thread in [*visiting, waiting]:
    thread.start()
for thread in [*visiting, waiting]:
    thread.join()
print(json.dumps({"seen": seen, "wrong": wrong, "slow": slow, "slowest": round(slowest, 3)}))
