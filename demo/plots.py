"""Sample plots of a training run and a parameter scan, with generated numbers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import visdom

INK = np.array([[66, 99, 235], [247, 103, 7], [18, 184, 134]])
LAYOUT = {
    "font": {"family": "Helvetica, Arial, sans-serif", "size": 12, "color": "#343a40"},
    "margin": {"l": 55, "r": 25, "t": 50, "b": 55},
    "legend": {"orientation": "h", "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom"},
    "colorway": [f"rgb({red},{green},{blue})" for red, green, blue in INK],
}


def post(server: str, base_url: str, link: str) -> int:
    """Posts the missing plots of one link; returns their number.

    `server` is the gateway's URL with the login in it. Visdom's argument `username` is for visdom's own login page, which these
    servers do not have.
    """
    # Visdom would warn that it opens a session and has no handler for events of the page.
    logging.getLogger("visdom").setLevel(logging.ERROR)
    host, port = server.rsplit(":", 1)
    client = visdom.Visdom(
        server=host, port=int(port), base_url=base_url, use_incoming_socket=False, raise_exceptions=True
    )
    missing = {window: draw for window, draw in PAGES.get(link, {}).items() if not client.win_exists(window)}
    for window, draw in missing.items():
        draw(client, window)
    if missing:
        # Save to disk, so that the plots survive a restart of the server.
        client.save(["main"])
    return len(missing)


def pane(title: str, width: int, height: int, **more: Any) -> dict[str, Any]:
    """Options of a pane with width and height in pixels; `more` has further visdom options."""
    layout = {**LAYOUT, "title": {"text": title, "x": 0.03, "font": {"size": 15}}}
    return {"title": title, "width": width, "height": height, "layoutopts": {"plotly": layout}, **more}


def loss(client: visdom.Visdom, window: str) -> None:
    epoch = np.arange(1, 81)
    noise = np.random.default_rng(12).normal(0, 1, (80, 2)) * 0.05 * np.exp(-epoch / 60)[:, None]
    training = 0.12 + 2.2 * np.exp(-epoch / 14)
    validation = 0.27 + 2.1 * np.exp(-epoch / 15) + 0.0012 * np.maximum(epoch - 45, 0)
    opts = pane("Loss, run 12", 680, 345, legend=["training", "validation"], linecolor=INK[:2], xlabel="epoch")
    client.line(np.column_stack([training, validation]) + noise, epoch, win=window, opts=opts)


def samples(client: visdom.Visdom, window: str) -> None:
    """Rings that grow and change their colour from picture to picture."""
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    pictures = []
    for index in range(24):
        radius = np.hypot(x + 0.25 * np.sin(index), y + 0.25 * np.cos(1.7 * index))
        glow = np.exp(-(((radius - 0.028 * index) / 0.16) ** 2))
        colour = 0.5 + 0.5 * np.cos(2 * np.pi * (index / 24 + np.array([0.0, 0.33, 0.67])))
        pictures.append(glow[None] * colour[:, None, None] + 0.08)
    grid = np.clip(np.stack(pictures), 0, 1) * 255
    opts = {"title": "Samples, epoch 80", "width": 520, "height": 345}
    client.images(grid, nrow=6, padding=2, win=window, opts=opts)


def weights(client: visdom.Visdom, window: str) -> None:
    random = np.random.default_rng(12)
    values = np.concatenate([random.normal(-0.3, 0.25, 3000), random.normal(0.45, 0.18, 2000)])
    client.histogram(values, win=window, opts=pane("Weights of layer 3", 390, 300, numbins=60))


def confusion(client: visdom.Visdom, window: str) -> None:
    names = ["disc", "ring", "star", "bar", "arc"]
    random = np.random.default_rng(12)
    table = random.integers(0, 6, (5, 5)) + np.diag(random.integers(80, 95, 5))
    opts = pane("Confusion, %", 390, 300, columnnames=names, rownames=names, colormap="Viridis")
    client.heatmap(table, win=window, opts=opts)


def embedding(client: visdom.Visdom, window: str) -> None:
    centres = np.array([[-2.0, 0.5], [1.5, 2.0], [1.0, -2.0]])
    label = np.repeat([1, 2, 3], 120)
    points = centres[label - 1] + np.random.default_rng(12).normal(0, 0.7, (360, 2))
    opts = pane("Embedding", 410, 300, markersize=5, markercolor=INK, legend=["disc", "ring", "star"])
    client.scatter(points, label, win=window, opts=opts)


def field(client: visdom.Visdom, window: str) -> None:
    y, x = np.mgrid[-3:3:120j, -3:3:120j]
    distances = [np.hypot(x - centre, y) for centre in (-1, 1)]
    wave = sum(np.cos(6 * distance) / (1 + distance) for distance in distances)
    client.heatmap(wave, win=window, opts=pane("Two sources, t = 4.2 s", 600, 345, colormap="RdBu"))


def surface(client: visdom.Visdom, window: str) -> None:
    y, x = np.mgrid[-3:3:40j, -3:3:40j]
    hill = np.exp(-(x**2 + y**2) / 3) * np.cos(2 * x)
    client.surf(hill, win=window, opts=pane("Residual", 600, 345, colormap="Viridis"))


def errors(client: visdom.Visdom, window: str) -> None:
    step = np.array([0.32, 0.16, 0.08, 0.04, 0.02, 0.01])
    orders = np.column_stack([0.8 * step, 2 * step**2, 9 * step**4])
    axes = {"xtype": "log", "ytype": "log", "xlabel": "step"}
    opts = pane(
        "Error against step", 600, 300, legend=["Euler", "midpoint", "RK4"], linecolor=INK, markers=True, **axes
    )
    client.line(orders, step, win=window, opts=opts)


def cost(client: visdom.Visdom, window: str) -> None:
    seconds = np.array([[12, 30], [21, 44], [38, 61], [70, 95]])
    opts = pane("Seconds a run", 600, 300, legend=["float32", "float64"], rownames=["64²", "128²", "256²", "512²"])
    client.bar(seconds, win=window, opts=opts)


PAGES: dict[str, dict[str, Callable[[visdom.Visdom, str], None]]] = {
    "training": {
        "loss": loss,
        "samples": samples,
        "weights": weights,
        "confusion": confusion,
        "embedding": embedding,
    },
    "experiments": {"field": field, "surface": surface, "errors": errors, "cost": cost},
}
"""The windows of each link's page, with their drawing functions."""
