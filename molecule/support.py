"""Shared by the tests of several scenarios: the gateway's port and a response of the gateway."""

from __future__ import annotations

import json
import typing

PORT = 1234


class Answer(typing.NamedTuple):
    status: int
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body)

    @property
    def port(self):
        """The port of the backend that has responded; see backend.py."""
        return self.json()["port"]

    @property
    def path(self):
        """The path that the backend has received."""
        return self.json()["path"]
