# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws the picture of docs/architecture.md: `python docs/images/architecture.py > docs/images/architecture.svg`."""

from __future__ import annotations

from typing import NamedTuple
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 940, 500
LINE = 17
BLUE, GREEN, GREY = "#1f5fa8", "#2e7d4f", "#5c6670"


class Area(NamedTuple):
    """A machine or a part of one, drawn behind the boxes."""

    x: int
    y: int
    width: int
    height: int
    title: str


class Box(NamedTuple):
    """A program or a file: its title, and one line of text below for each."""

    x: int
    y: int
    width: int
    color: str
    title: str
    lines: tuple[str, ...] = ()

    @property
    def height(self) -> int:
        return 16 + LINE * (1 + len(self.lines))


class Arrow(NamedTuple):
    """A line through points, with a text at a place of its own."""

    points: tuple[tuple[int, int], ...]
    color: str
    text: str = ""
    at: tuple[int, int] = (0, 0)


AREAS = [
    Area(10, 34, 250, 200, "controller"),
    Area(290, 34, 640, 456, "gateway host"),
]
BOXES = [
    Box(25, 62, 220, BLUE, "users/lab/alice.yml", ("links and logins as data,", "reviewed in git")),
    Box(25, 150, 220, BLUE, "links.yml, site.yml", ("action and module links",)),
    Box(305, 62, 230, BLUE, "alice$ vizgate add train", ("command, sudo, root helper",)),
    Box(305, 168, 230, BLUE, "core: apply", ("validate, render,", "nginx -t, journal, swap")),
    Box(305, 288, 230, GREY, "registry", ("/var/lib/vizgate", "what each source declared")),
    Box(305, 398, 230, GREY, "include files", ("/etc/nginx/vizgate", "read when nginx starts")),
    Box(650, 62, 265, GREEN, "password checker", ("a second nginx, low priority",)),
    Box(
        650,
        178,
        265,
        GREEN,
        "nginx with Lua",
        ("1  origin of the request", "2  login", "3  link: host name or path", "4  rewrite cookies, redirects"),
    ),
    Box(650, 340, 265, GREEN, "what users run", ("visdom, TensorBoard, Jupyter,", "apps, here or on other hosts")),
    Box(25, 290, 220, GREEN, "browser", ("https://gate/alice/train/",)),
]
ARROWS = [
    Arrow(((135, 129), (135, 150)), BLUE),
    Arrow(((245, 190), (305, 190)), BLUE, "SSH", (254, 184)),
    Arrow(((420, 112), (420, 168)), BLUE, "one request, as JSON", (428, 145)),
    Arrow(((420, 235), (420, 288)), BLUE),
    Arrow(((420, 355), (420, 398)), BLUE),
    Arrow(((535, 200), (650, 200)), BLUE, "control socket:", (545, 178)),
    Arrow(((535, 440), (600, 440), (600, 262), (650, 262)), GREY, "start, reload", (540, 460)),
    Arrow(((782, 178), (782, 112)), GREEN, "new passwords", (790, 150)),
    Arrow(((782, 279), (782, 340)), GREEN, "request", (790, 315)),
    Arrow(((245, 318), (275, 318), (275, 250), (650, 250)), GREEN, "HTTP(S)", (548, 244)),
]
NOTE = (545, 193, "live at once")


def _text(x: int, y: int, text: str, style: str) -> str:
    return f'<text x="{x}" y="{y}" class="{style}">{escape(text)}</text>'


def draw() -> str:
    """The picture, as SVG."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        "<title>How a change goes live, and how a request reaches a tool</title>",
        "<style>text { font-family: system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; font-size: 13px; fill: #1d2329; }",
        ".title { font-weight: 600; } .area { fill: #5c6670; } .small { font-size: 12px; fill: #3d464e; }</style>",
        "<defs>",
        *(
            f'<marker id="{color[1:]}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" '
            f'orient="auto-start-reverse"><path d="M0 0 10 5 0 10z" fill="{color}"/></marker>'
            for color in (BLUE, GREEN, GREY)
        ),
        "</defs>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    for area in AREAS:
        lines.append(
            f'<rect x="{area.x}" y="{area.y}" width="{area.width}" height="{area.height}" rx="8" fill="#f3f5f7"/>'
        )
        lines.append(_text(area.x + 15, area.y + 19, area.title, "area"))
    lines.append(_text(10, 22, "blue: a change of links and logins", "small"))
    lines.append(_text(290, 22, "green: a request", "small"))
    for arrow in ARROWS:
        points = " ".join(f"{x},{y}" for x, y in arrow.points)
        lines.append(
            f'<polyline points="{points}" fill="none" stroke="{arrow.color}" stroke-width="1.6" '
            f'marker-end="url(#{arrow.color[1:]})"/>'
        )
    for box in BOXES:
        lines.append(
            f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="5" fill="#ffffff" '
            f'stroke="{box.color}" stroke-width="1.6"/>'
        )
        lines.append(_text(box.x + 12, box.y + 22, box.title, "title"))
        lines += [_text(box.x + 12, box.y + 22 + LINE * (i + 1), text, "small") for i, text in enumerate(box.lines)]
    lines += [_text(*arrow.at, arrow.text, "small") for arrow in ARROWS if arrow.text]
    lines.append(_text(*NOTE, "small"))
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    print(draw(), end="")
