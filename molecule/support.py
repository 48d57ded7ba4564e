"""What several scenarios' tests know: where the gateway is, and what a visitor of it gets."""

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
        """The backend that has answered; see backend.py."""
        return self.json()["port"]

    @property
    def path(self):
        """What the backend was asked for."""
        return self.json()["path"]
