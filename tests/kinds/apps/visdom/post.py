"""Posts a line of text: `post.py SERVER PORT BASE_URL`, with the gateway's login in SERVER."""

from __future__ import annotations

import sys

import visdom

server, port, base_url = sys.argv[1:]
client = visdom.Visdom(
    server=server, port=int(port), base_url=base_url, use_incoming_socket=False, raise_exceptions=True
)
client.text("clicks: 1", win="answer")
