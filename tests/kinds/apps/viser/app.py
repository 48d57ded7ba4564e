"""A button whose clicks Python counts."""

from __future__ import annotations

import argparse

import viser

parser = argparse.ArgumentParser()
parser.add_argument("--host")
parser.add_argument("--port", type=int)
options = parser.parse_args()

server = viser.ViserServer(host=options.host, port=options.port)
button = server.gui.add_button("count")
answer = server.gui.add_markdown("clicks: 0")
clicks = 0


@button.on_click
def count(_: viser.GuiEvent[viser.GuiButtonHandle]) -> None:
    global clicks
    clicks += 1
    answer.content = f"clicks: {clicks}"


server.sleep_forever()
