"""Tasks with pictures: pages, a form, uploads, addresses that restore what they show, and a page about its own use."""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path

from flask import (
    Flask,
    Response,
    abort,
    current_app,
    jsonify,
    redirect,
    render_template,
    request,
    send_from_directory,
    url_for,
)
from flask_migrate import Migrate
from flask_sock import Sock
from flask_sqlalchemy import SQLAlchemy

HERE = Path(__file__).resolve().parents[1]
UPLOADS = HERE / "uploads"
db = SQLAlchemy()


class Task(db.Model):
    """What somebody wants done, and how it was looked at when it was shared."""

    id = db.Column(db.Integer, primary_key=True)
    title = db.Column(db.String(200), nullable=False)


class View(db.Model):
    """A state of the page that an address restores."""

    token = db.Column(db.String(36), primary_key=True)
    model = db.Column(db.String(50), nullable=False)
    ratio = db.Column(db.Integer, nullable=False)
    at = db.Column(db.Integer, nullable=False)


def create_app() -> Flask:
    """The application, with its database where DATABASE_URL says."""
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ.get("DATABASE_URL", f"sqlite:///{HERE}/app.db")
    app.config["SECRET_KEY"] = os.environ["SECRET_KEY"]
    app.config["MAX_CONTENT_LENGTH"] = 16 * 2**20
    db.init_app(app)
    Migrate(app, db)

    @app.get("/")
    def index() -> str:
        view = db.session.get(View, request.args.get("token", ""))
        tasks = db.session.scalars(db.select(Task).order_by(Task.id)).all()
        images = sorted(path.name for path in UPLOADS.iterdir() if not path.name.startswith("."))
        return render_template("index.html", tasks=tasks, view=view, images=images)

    @app.post("/tasks")
    def add() -> Response:
        db.session.add(Task(title=request.form["title"]))
        db.session.commit()
        return redirect(url_for("index"))

    @app.post("/views")
    def share() -> Response:
        token = str(uuid.uuid4())
        view = View(token=token, model=request.form["model"], ratio=int(request.form["ratio"]), at=int(time.time()))
        db.session.add(view)
        db.session.commit()
        return redirect(url_for("index", token=token))

    @app.post("/images")
    def upload() -> Response:
        image = request.files["image"]
        if image.read(8) != b"\x89PNG\r\n\x1a\n":
            abort(415)
        image.seek(0)
        name = f"{uuid.uuid4()}.png"
        image.save(UPLOADS / name)
        return redirect(url_for("picture", name=name))

    @app.get("/images/<name>")
    def picture(name: str) -> Response:
        return send_from_directory(UPLOADS, name)

    _look_inside(app)
    Sock(app).route("/echo")(echo)
    return app


def echo(ws) -> None:
    """Sends back what comes by websocket."""
    while True:
        ws.send(ws.receive())


def _look_inside(app: Flask) -> None:
    """Pages about the application itself, for those who watch or test it."""

    @app.get("/dashboard")
    def dashboard() -> str:
        days = db.session.execute(db.select(View.model, db.func.count()).group_by(View.model)).all()
        return render_template("dashboard.html", rows=days)

    @app.get("/healthz")
    def healthz() -> Response:
        db.session.execute(db.text("select count(*) from task"))
        return jsonify(status=os.environ.get("HEALTH", "ok")) if not os.environ.get("SICK") else abort(500)

    @app.get("/about")
    def about() -> Response:
        return jsonify(
            version=(HERE / "VERSION").read_text().strip(),
            uid=os.getuid(),
            pid=os.getpid(),
            config=os.environ.get("APP_CONFIG"),
            secret=current_app.config["SECRET_KEY"][:4],
            url=url_for("index", _external=True),
        )

    @app.get("/slow")
    def slow() -> str:
        time.sleep(min(float(request.args.get("seconds", 1)), 20))
        return "done\n"

    @app.get("/hungry")
    def hungry() -> str:
        eaten = bytearray()
        while True:
            eaten += bytes(2**24)

    @app.get("/probe")
    def probe() -> Response:
        """What this process can do with a path; for those who look whether it is fenced."""
        path = Path(request.args["path"])
        try:
            if request.args.get("write"):
                path.touch()
            return jsonify(there=os.listdir(path) if path.is_dir() else path.read_text(errors="replace")[:200])
        except OSError as error:
            return jsonify(error=error.strerror)
