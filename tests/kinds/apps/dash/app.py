"""A button whose clicks Python counts."""

from __future__ import annotations

import dash

app = dash.Dash()
app.layout = [dash.html.Button("count", id="count"), dash.html.P(id="answer")]


@dash.callback(dash.Output("answer", "children"), dash.Input("count", "n_clicks"))
def count(clicks: int | None) -> str:
    return f"clicks: {clicks or 0}"


app.run()
