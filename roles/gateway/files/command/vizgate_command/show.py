# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command prints: tables, one-line results, YAML and JSON. Tables are rich's on a terminal, else aligned text."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
from vizgate.model import urls

from . import talk

Link = Mapping[str, Any]
Cell = str | tuple[str, str]
"""A text, or a text and its colour."""

FOLLOW_SECONDS = 2
_RELEASE = ("version", "commit", "at")

_DONE = {"add": "added", "change": "changed", "remove": "removed", "repair": "repaired", "give back": "gave back"}
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def clean(text: object) -> str:
    """A text of somebody's, without what a terminal would obey."""
    found = str(text)
    if found.isprintable():
        return found  # as nearly always, and the model takes its time to import
    from vizgate.model.data import printable

    return printable(found)


def located(step: Mapping[str, str]) -> tuple[str, str]:
    """The origin of what a step of a plan is about, nothing where the site policy has none; and the path below it."""
    try:
        with open(os.path.join(talk.ROOT, "etc/vizgate/policy.json"), encoding="utf-8") as file:
            policy = json.load(file)
        url, style = str(policy.get("url", "")), str(policy.get("url_style", ""))
    except (OSError, ValueError, AttributeError):
        url, style = "", ""
    user, name = step["user"], step["url"].split("/")[2]
    link = urls.located({"prefix": "", **step, "name": name}, url, style, user)
    return link.get("origin", urls.site(url, style, user)), link["url"]


def address(step: Mapping[str, str]) -> str:
    """The full address of what a step of a plan is about."""
    return "".join(located(step))


def full(link: Link, site: Mapping[str, Any]) -> str:
    """The full address of a link."""
    return str(link.get("origin", site["url"]) + link["url"])


def results(answer: Mapping[str, Any]) -> None:
    """One line for everything that a change has brought about."""
    for step in answer["plan"]:
        url, target = address(step), clean(step.get("now") or step["target"])
        action, is_login = step["action"].removesuffix(" login"), step["action"].endswith(" login")
        if action == "unresolved":
            problems([f"host of {url} -> {target} has no address; the link answers 502 until it has one"])
        elif is_login:
            click.echo(f"{_DONE.get(action, action)} login {target} of {url}")
        else:
            was = f", was {clean(step['was'])}" if "was" in step else ""
            click.echo(f"{_DONE.get(action, action)} {url} -> {target}{was}")


def problems(lines: Iterable[str]) -> None:
    """What went wrong, or is worth a warning."""
    for line in lines:
        click.secho(clean(line), err=True, fg="red")


def as_json(data: object) -> None:
    """Data for scripts."""
    click.echo(json.dumps(data, indent=2))


def table(headers: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """Rows below their headers."""
    if sys.stdout.isatty():
        from rich.console import Console

        Console(markup=False, emoji=False, highlight=False).print(rich_table(headers, rows))
        return
    texts = [list(headers)] + [[clean(cell if isinstance(cell, str) else cell[0]) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def rich_table(headers: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Any:
    """The table as rich draws it."""
    from rich.table import Table
    from rich.text import Text

    found = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for header in headers:
        # an address stays in one piece, to be clicked or copied
        found.add_column(header, overflow="fold", no_wrap=header not in ("ANSWERS", headers[-1]))
    for row in rows:
        cells = [(cell, "") if isinstance(cell, str) else cell for cell in row]
        found.add_row(*(Text(clean(text), style) for text, style in cells))
    return found


def declared(link: Link) -> str:
    """Who declares a link or a login, and whether that counts."""
    if link.get("yields_to"):
        return f"{link['source']}, overridden by {link['yields_to']}"
    return f"{link['source']}, moving to inventory" if link.get("moving") else str(link["source"])


def links(answer: Mapping[str, Any]) -> None:
    """A user's links."""
    if not answer["links"]:
        click.echo(f"{answer['user']} has no links yet; vizgate add NAME --port PORT makes one")
        return
    rows = [
        [full(link, answer["site"]), link["target"], link["kind"], declared(link), link["description"]]
        for link in answer["links"]
    ]
    table(["URL", "TARGET", "KIND", "SOURCE", "DESCRIPTION"], rows)
    problems(
        f"link {link['name']!a} is in quarantine: {clean(link['target'])} belongs to {link['quarantined']};"
        f" vizgate doctor {link['name']} tells what to do"
        for link in answer["links"]
        if link.get("quarantined") and not link["yields_to"]
    )


def ports(found: Mapping[str, Any]) -> None:
    """A user's range of ports, and what is known of those that are in use."""
    free = f"; the first that is free is {found['free']}" if found["free"] else ""
    click.echo(f"ports {found['first']}-{found['last']} are {found['user']}'s{free}")
    rows = []
    for row in found["ports"]:
        whose: Cell = (row["user"], "red") if row["user"] not in ("", "root", found["user"]) else row["user"]
        process = f"{row['pid']} {row['command']}" if row["pid"] else ""
        rows.append([str(row["port"]), row["link"], row["address"] or "nobody listens", whose, process])
    if rows:
        table(["PORT", "LINK", "ADDRESS", "USER", "PROCESS"], rows)


def logins(answer: Mapping[str, Any]) -> None:
    """A user's logins."""
    if not answer["logins"]:
        click.echo(f"{answer['user']} has no logins yet; vizgate login add {answer['user']} makes one")
        return
    table(["LOGIN", "SOURCE"], [[login["name"], declared(login)] for login in answer["logins"]])
    until = answer["site"]["legacy_hashes_until"]
    for name in [login["name"] for login in answer["logins"] if login["legacy"]]:
        ends = "has no end yet"
        if until:
            ends = f"opened links until {until}" if time.strftime("%Y-%m-%d") > until else f"opens links until {until}"
        click.echo(
            f"{name}: the hash of its password is of an old kind and {ends}; vizgate login password {name} makes a better one"
        )


def apps(found: Sequence[Mapping[str, Any]]) -> None:
    """The user's apps, one in a line."""
    if not found:
        click.echo("you have no app; your users file is where they are declared")
        return
    rows = [(app["name"], app["url"], app["state"], str(app["release"] or ""), app["version"]) for app in found]
    table(("app", "address", "state", "release", "version"), rows)


def find_app(found: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    """The user's app of that name; raises Failed where there is none."""
    for app in found:
        if app["name"] == name:
            return app
    names = ", ".join(app["name"] for app in found)
    raise talk.refused(f"you have no app {name!a}; {f'there are: {names}' if names else 'there is none'}")


def releases(app: Mapping[str, Any]) -> None:
    """The releases of an app, the one that serves with a star."""
    rows = [
        (str(one["number"]) + (" *" if one["number"] == app["release"] else ""), *(clean(one[key]) for key in _RELEASE))
        for one in app["releases"]
    ]
    table(("release", *_RELEASE), rows)


def history(lines: Sequence[Mapping[str, str]]) -> None:
    """What has changed, newest last."""
    if not lines:
        click.echo("nothing has changed yet")
        return
    rows: list[list[Cell]] = [
        [
            line["at"],
            f"{line['by']} from {line['from']}" if line.get("from") else line["by"],
            line["action"],
            line["url"],
            f"{line['now']}, was {line['was']}" if line.get("was") else line["target"],
        ]
        for line in lines
    ]
    table(["AT", "BY", "ACTION", "URL", "TARGET"], rows)


def log(request: dict[str, Any], follow: bool, plain: bool) -> None:
    """Requests to a user's pages, one in a line; with `follow` also those that come, until ctrl-C."""
    answer = talk.ask(request)
    if not answer["complete"]:
        problems(["the gateway's log is longer than what is looked at; there may be older lines of yours"])
    if not answer["lines"] and not follow and not plain:
        click.echo("nobody has asked for anything that is still in the log")
    try:
        while True:
            for line in answer["lines"]:
                click.echo(json.dumps(line) if plain else _request(line))
            if not follow:
                return
            time.sleep(FOLLOW_SECONDS)
            answer = talk.ask({**request, "lines": 10_000, "cursor": answer["cursor"]})
            if not answer["complete"]:
                problems(["more has come than is looked at; some lines may be missing here"])
    except KeyboardInterrupt:
        pass


def app_log(request: dict[str, Any], lines: int, follow: bool) -> None:
    """What a user's app has said, oldest first; with `follow` also what comes, until ctrl-C."""
    import subprocess

    # the file is the user's own; when it has become large there is another of its name
    path = talk.ask(request)["path"]
    command = ["tail", f"--lines={lines}", *(["-F"] if follow else []), "--", path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, errors="replace") as tail:
        try:
            for line in tail.stdout or ():
                click.echo(clean(line.rstrip("\n")))
        except KeyboardInterrupt:
            pass
        finally:
            tail.terminate()


def _request(line: Mapping[str, Any]) -> str:
    """One line of the access log, for people."""
    words = [
        str(line["time"])[:19].replace("T", " "),
        line["address"],
        line["login"] or "-",
        line["status"],
        f"{line['method'] or '-'} {line['path'] or '-'}",
        f"{line['seconds']:.3f} s",
        *([line["upstream"]] if line["upstream"] else []),
    ]
    return "  ".join(clean(word) for word in words)


def find(answer: Mapping[str, Any], name: str) -> Link:
    """A user's link of this name: the one that is served, where there are two."""
    found = [link for link in answer["links"] if link["name"] == name]
    if not found:
        from difflib import get_close_matches

        names = sorted({link["name"] for link in answer["links"]})
        near = get_close_matches(name, names, 1)
        advice = f"did you mean '{near[0]}'?" if near else "vizgate list shows those that there are"
        raise talk.refused(f"link {name!a}: {answer['user']} has none of this name; {advice}")
    return min(found, key=lambda link: bool(link["yields_to"]))


def how_to_start(answer: Mapping[str, Any], declared: Mapping[str, Any]) -> None:
    """A hint after a link has been added: what its tool is started with, or without a kind who finds that out."""
    from vizgate.model.kinds import KINDS

    if "kind" not in declared:
        click.echo(f"next: vizgate doctor {declared['name']}")
        return
    kind = KINDS[declared["kind"]]
    step = next(step for step in answer["plan"] if step["action"] == "add")
    origin, url = located(step)
    link = {"prefix": kind.prefix, "host": "127.0.0.1", **declared, "kind": kind.name, "url": url}
    command = _start(link, origin)
    if command:
        click.echo(f"start it with: {command}" + (f"\n({kind.note})" if kind.note else ""))


def command_for(link: Link, site: Mapping[str, Any]) -> None:
    """The exact command that starts a link's tool."""
    command = _start(link, link.get("origin", site["url"]))
    if not command:
        what = f"socket {link['socket']}" if link.get("socket") else f"prefix {link['prefix']}"
        raise talk.refused(f"link {link['name']!a}: kind {link['kind']} has no known command for {what}")
    click.echo(command)


def _start(link: Link, url: str) -> str:
    """The command that starts a link's tool; "" where the link is not as its kind expects."""
    import shlex

    from vizgate.model.kinds import KINDS

    kind = KINDS[link["kind"]]
    # a tool with a host name of its own has an empty base path
    if link["prefix"] not in (kind.prefix, urls.HOST) or link.get("socket"):
        return ""
    return shlex.join(kind.command(link["url"].rstrip("/"), link["host"], link["port"], url.partition("://")[2]))


def kinds(name: str | None, plain: bool) -> None:
    """What the tool of each kind, or of one, is started with."""
    from vizgate.model.kinds import KINDS, OTHERS

    if name is not None and name not in KINDS:
        raise talk.refused(f"kind {name!a} is not known; {OTHERS}")
    found = [kind for kind in KINDS.values() if name in (None, kind.name)]
    if plain:
        as_json([{key: getattr(kind, key) for key in ("name", "prefix", "start", "note")} for kind in found])
    elif name:
        kind = found[0]
        click.echo(f"kind:        {kind.name}\nprefix:      {kind.prefix}\nstart it by: {kind.start}")
        if kind.note:
            click.echo(f"note:        {kind.note}")
    else:
        table(["KIND", "PREFIX", "START IT BY"], [[kind.name, kind.prefix, kind.start] for kind in found])


def findings(found: Sequence[Mapping[str, Any]]) -> None:
    """What doctor has found out, and what to do."""
    colours = {"error": "red", "warning": "yellow", "ok": "green"}
    for finding in found:
        severity = finding["severity"]
        click.secho(f"{severity}: {clean(finding['finding'])}", fg=colours[severity])
        if finding["fix"]:
            click.echo(f"  {clean(finding['fix'])}")


def users_file(links: Iterable[Link]) -> str:
    """Links as the YAML of a users file, defaults left out."""
    from vizgate.model.kinds import KINDS

    lines = []
    for link in links:
        pairs = {"name": link["name"], "kind": link["kind"] if link["kind"] != "http" else None}
        if link.get("socket"):
            pairs["socket"] = link["socket"]
        else:
            pairs["host"] = link["host"] if link["host"] != "127.0.0.1" else None
            pairs["port"] = link["port"]
        pairs["scheme"] = "https" if link.get("scheme") == "https" else None
        pairs["verify"] = False if link.get("verify") is False else None
        pairs["description"] = link["description"] or None
        pairs["prefix"] = link["prefix"] if link["prefix"] != KINDS[link["kind"]].prefix else None
        given = [f"{key}: {_scalar(value)}" for key, value in pairs.items() if value is not None]
        lines.append("  - " + "\n    ".join(given) + "\n")
    return "links:\n" + "".join(lines) if lines else "links: []\n"


def _scalar(value: str | int) -> str:
    """A value as YAML: bare where nobody could take it for anything but this text."""
    if value is False:
        return "false"
    if isinstance(value, int):
        return str(value)
    first, plain = value[:1], value.replace(" ", "").replace("-", "").replace(".", "").replace("_", "")
    if first.isalpha() and plain.isalnum() and value.isascii() and value[-1] != " " and value.lower() not in _WORDS:
        return value
    return '"' + "".join(_escaped(letter) for letter in value) + '"'


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return "\\" + letter
    return letter if letter.isprintable() else f"\\U{ord(letter):08x}"
