#!/usr/bin/python3
"""Prints as JSON what an upgrade must not change: what the users see of theirs, and what the gateway keeps."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from pathlib import Path

KEYS = ("name", "url", "target", "kind", "source", "description", "first", "last", "version", "commit")
"""Of what the command prints; the versions differ in others."""
FILES = [
    "/var/lib/vizgate/ports.json",
    "/var/lib/vizgate/cookies.key",
    "/home/bob/apps/page/shared/data",
    *sorted(map(str, Path("/etc/nginx/vizgate/logins.d").iterdir())),
]


def plain(value):
    """A value without the number of an app's release: each upgrade that changes their units makes new ones."""
    return re.sub(r"\.[0-9]+\.sock$", ".sock", value) if isinstance(value, str) else value


def shown(user, *words):
    """What the command prints for a user: a list of objects, or one."""
    line = ["runuser", "-u", user, "--", "vizgate", *words, "--json"]
    found = json.loads(subprocess.run(line, check=True, stdout=subprocess.PIPE).stdout)
    objects = found if isinstance(found, list) else [found]
    return [{key: plain(item[key]) for key in KEYS if key in item} for item in objects]


users = {
    user: {" ".join(words): shown(user, *words) for words in (["list"], ["login", "list"], ["ports"], ["app", "list"])}
    for user in ("alice", "bob", "carol")
}
files = {path: hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in FILES}
print(json.dumps({"users": users, "files": files}))
