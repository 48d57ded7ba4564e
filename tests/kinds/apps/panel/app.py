"""A button whose clicks Python counts."""

from __future__ import annotations

import panel

panel.extension()
button = panel.widgets.Button(name="count")
answer = panel.bind(lambda clicks: f"clicks: {clicks}", button.param.clicks)
panel.Column(button, answer).servable()
