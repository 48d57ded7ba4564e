"""A survey on PostgreSQL: a question, answers, and how many there are of each, live. For production, and for a test of it."""

from __future__ import annotations

import contextlib
import os

import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

metadata = sa.MetaData()
answers = sa.Table(
    "answers",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("text", sa.String(100), nullable=False),
)


def _url() -> str:
    return os.environ.get("DATABASE_URL", "sqlite:///survey.db")


def make(testing: bool) -> Starlette:
    """The application; one for testing has a database in memory."""
    engine = sa.create_engine("sqlite://" if testing else _url())

    def counts() -> dict[str, int]:
        with engine.connect() as connection:
            found = connection.execute(sa.select(answers.c.text, sa.func.count()).group_by(answers.c.text))
            return dict(found.all())

    def page(request: Request) -> HTMLResponse:
        rows = "".join(f"<li>{text}: {count}</li>" for text, count in sorted(counts().items()))
        action = request.url_for("answer").path
        return HTMLResponse(f'<ul>{rows}</ul><form method="post" action="{action}"><input name="text"></form>')

    async def answer(request: Request) -> RedirectResponse:
        form = await request.form()
        text = "".join(letter for letter in str(form["text"]) if letter.isalnum())[:100]
        with engine.begin() as connection:
            connection.execute(answers.insert().values(text=text))
        return RedirectResponse(request.url_for("page").path, status_code=303)

    def health(request: Request) -> JSONResponse:
        return JSONResponse({"answers": sum(counts().values()), "database": engine.dialect.name, "uid": os.getuid()})

    async def live(websocket: WebSocket) -> None:
        await websocket.accept()
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                await websocket.receive_text()
                await websocket.send_json(counts())

    if testing:
        metadata.create_all(engine)
    return Starlette(
        routes=[
            Route("/", page, name="page"),
            Route("/answers", answer, methods=["POST"], name="answer"),
            Route("/healthz", health),
            WebSocketRoute("/live", live),
        ]
    )


def __getattr__(name: str) -> Starlette:
    """`survey:application` and `survey:testing` are made when a server asks for them, and by nothing else that imports this."""
    if name in ("application", "testing"):
        return make(testing=name == "testing")
    raise AttributeError(name)


if __name__ == "__main__":
    metadata.create_all(sa.create_engine(_url()))
