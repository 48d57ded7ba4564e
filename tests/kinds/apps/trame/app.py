"""A button whose clicks Python counts."""

from __future__ import annotations

from trame.app import get_server
from trame.ui.vuetify3 import SinglePageLayout
from trame.widgets import html, vuetify3

server = get_server(client_type="vue3")
server.state.clicks = 0


def count() -> None:
    server.state.clicks += 1


with SinglePageLayout(server) as layout, layout.content:
    vuetify3.VBtn("count", click=count)
    html.P("clicks: {{ clicks }}")

server.start()
