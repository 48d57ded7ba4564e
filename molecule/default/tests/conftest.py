"""The users files of the current state and of all states."""

from __future__ import annotations

import os
from pathlib import Path

import yaml

HERE = Path(__file__).parent.parent


def users_of(folder):
    return {path.stem: yaml.safe_load(path.read_text()) for path in Path(folder).glob("*.yml")}


def urls_of(users):
    return {(user, link["name"]) for user, data in users.items() for link in data["links"]}


NOW = users_of(Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "users"))
EVER = [users_of(HERE / "users"), users_of(HERE / "users-later")]
GONE_USERS = sorted({user for users in EVER for user in users} - set(NOW))
GONE_URLS = sorted(set.union(*map(urls_of, EVER)) - urls_of(NOW))
