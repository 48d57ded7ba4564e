"""A button whose clicks Python counts."""

from __future__ import annotations

from bokeh.io import curdoc
from bokeh.layouts import column
from bokeh.models import Button, Div

button = Button(label="count")
answer = Div(text="clicks: 0")
clicks = 0


def count() -> None:
    global clicks
    clicks += 1
    answer.text = f"clicks: {clicks}"


button.on_click(count)
curdoc().add_root(column(button, answer))
