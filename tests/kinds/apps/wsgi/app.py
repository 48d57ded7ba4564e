"""Two pages: the button of one posts to the other, which redirects back; all addresses come from url_for."""

from __future__ import annotations

import flask
from werkzeug.wrappers import Response

app = flask.Flask(__name__)
clicks = 0


@app.get("/")
def show() -> str:
    return f'<form method="post" action="{flask.url_for("count")}"><button>count</button></form>clicks: {clicks}'


@app.post("/count")
def count() -> Response:
    global clicks
    clicks += 1
    return flask.redirect(flask.url_for("show"))
