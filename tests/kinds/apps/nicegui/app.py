"""A button whose clicks Python counts."""

from __future__ import annotations

import argparse

from nicegui import ui

parser = argparse.ArgumentParser()
parser.add_argument("--host")
parser.add_argument("--port", type=int)
options = parser.parse_args()


@ui.page("/")
def page() -> None:
    clicks = 0

    def count() -> None:
        nonlocal clicks
        clicks += 1
        answer.text = f"clicks: {clicks}"

    ui.button("count", on_click=count)
    answer = ui.label("clicks: 0")


ui.run(host=options.host, port=options.port, show=False, reload=False)
