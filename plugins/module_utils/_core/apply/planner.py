# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure planning: which steps, files and entries a change takes. Nothing here reads or writes a file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping

from ..model.entities import Link, UserData
from ..model.outcome import FileDiff, PlanStep
from ..model.sources import SELF, Item, Sources, effective_items, hosts_of, links_of, logins_of
from ..model.urls import HOST
from ..net.resolve import is_name
from ..paths import Paths
from ..registry.audit import CLOSE
from ..render import user_files
from ..text import printable, shown
from .change import Change, Desired, Plan, Texts

_KEY = re.compile(r'^[ \t]*"?([^"\s;#]+)', re.MULTILINE)
"""The keys of a map file."""


def with_addresses(change: Change) -> Change:
    """The change with the addresses that it leaves: new ones for the hosts of its users, and none that nobody needs."""
    known, after = change.before.addresses, change.after
    hosts = {host for user in change.users for host in hosts_of(after.state[user]) if is_name(host)}
    needed = (
        {host for sources in after.state.values() for host in hosts_of(sources)} if change.all_users else known.keys()
    )
    addresses = {host: known[host] for host in known.keys() & needed}
    addresses.update((host, after.addresses.get(host, "")) for host in hosts)
    return change._replace(after=after._replace(addresses=addresses))


def with_followers(change: Change, everything: Mapping[str, Sources]) -> Change:
    """The change for all users (`everything`): those who share a host that has moved follow it."""
    before, after = change.before, change.after
    others = {user: sources for user, sources in everything.items() if user not in after.state}
    state, moved = {**after.state, **others}, change.moved
    followers = {user for user in state if hosts_of(state[user]) & moved} - set(change.users)
    return change._replace(
        before=before._replace(state={**before.state, **others}),
        after=after._replace(state=state),
        users=sorted({*change.users, *followers}),
        followers=frozenset(followers),
    )


def make_plan(paths: Paths, change: Change, desired: Desired, present: Texts) -> Plan:
    """What leads from the files that are `present` to the desired ones. `present` has a text, or None, for each of these."""
    files = dict(desired.files)
    edited = _emptied(files, present)
    files = {path: text for path, text in files.items() if text != present[path]}
    steps = _steps(change) + _repairs(paths.includes, files, change.changing) + list(change.steps)
    changed = bool(change.steps) or any(path not in (paths.addresses, paths.ports) for path in files)
    return Plan(steps, files, {**edited, **desired.entries}, changed)


def make_diff(paths: Paths, desired: Desired, plan: Plan, present: Texts) -> list[FileDiff]:
    """The difference as Ansible shows it: the URLs first, then the include files."""
    return _link_diff(desired.old, desired.new) + _file_diff(paths.includes, plan.files, present)


def _steps(change: Change) -> list[PlanStep]:
    addresses = change.after.addresses
    plan: list[PlanStep] = []
    for user in change.users:
        if user in change.followers:
            continue
        now, before = change.after.state[user], change.before.state.get(user, {})
        links, former_links = effective_items(now, links_of), effective_items(before, links_of)
        for name in sorted(links):
            link = links[name][1]
            action = _action(former_links.get(name), links[name])
            if action:
                plan.append(_step(action, user, link))
                if name in former_links:
                    plan[-1].update(was=describe_link(former_links[name][1]), now=describe_link(link))
            if is_name(link.host) and not addresses.get(link.host):
                plan.append(_step("unresolved", user, link))
        plan += [_step("remove", user, former_links[name][1]) for name in sorted(former_links.keys() - links.keys())]
        logins, former_logins = effective_items(now, logins_of), effective_items(before, logins_of)
        for name in sorted(logins):
            action = _action(former_logins.get(name), logins[name])
            if action:
                plan.append(_user_step(f"{action} login", user, name))
        plan += [_user_step("remove login", user, name) for name in sorted(former_logins.keys() - logins.keys())]
    return plan


def _action(was: tuple[str, Item] | None, now: tuple[str, Item]) -> str:
    """What happens to a name; "" where nothing does."""
    if was is None:
        return "add"
    if was[0] == SELF != now[0]:
        return "take over"
    if now[0] == SELF != was[0]:
        return "give back"
    return "change" if was[1] != now[1] else ""


def _step(action: str, user: str, link: Link) -> PlanStep:
    # what prints the full address has to know that the link has a host name
    prefix = {"prefix": HOST} if link.mode == HOST else {}
    return {"action": action, "url": link_path(user, link), "target": link.target, "user": user, **prefix}


def _user_step(action: str, user: str, target: str) -> PlanStep:
    return {"action": action, "url": f"/{user}/", "target": target, "user": user}


def close_step(user: str) -> PlanStep:
    """The step that ends a user's history."""
    return _user_step(CLOSE, user, "history")


def _repairs(includes: str, files: Iterable[str], changing: set[str]) -> list[PlanStep]:
    """A step for every include file that differs although its user declares the same as before."""
    steps = []
    for path in files:
        user = os.path.basename(path).rpartition(".")[0]
        if path.startswith(includes) and user not in changing:
            steps.append(_user_step("repair", user, path))
    return steps


def link_path(user: str, link: Link) -> str:
    """A link's address below the gateway's own; `model.urls` knows where that is for users with host names."""
    return f"/{user}/{link.name}/"


def describe_link(link: Link) -> str:
    """All properties of a link on one line."""
    description = f"  # {shown(link.description)}" if link.description else ""
    unverified = "" if link.verify else ", unverified"
    return f"{link.target} ({link.kind}, prefix {link.mode}{unverified}){description}"


def _link_diff(old: Mapping[str, UserData], new: Mapping[str, UserData]) -> list[FileDiff]:
    """The URLs and logins before and after, of the users for whom they differ."""
    differing = [user for user in new if old[user] != new[user]]
    if not differing:
        return []

    def lines(state: Mapping[str, UserData], former: Mapping[str, UserData]) -> str:
        texts = []
        for user in differing:
            for link in state[user].links:
                texts.append(f"{link_path(user, link)} -> {describe_link(link)}\n")
            known = {login.name: login for login in former[user].logins}
            for login in state[user].logins:
                changed = " (password changes)" if known.get(login.name, login) != login else ""
                texts.append(f"/{user}/ opened by login {login.name}{changed}\n")
        return "".join(texts)

    return [{"before_header": "links", "after_header": "links", "before": lines(old, old), "after": lines(new, old)}]


def _file_diff(includes: str, files: Texts, present: Texts) -> list[FileDiff]:
    """The include files that change: maps and pages as text, password files by the names in them alone."""
    return [
        {
            "before_header": path,
            "after_header": path,
            "before": _presentable(path, present[path]),
            "after": _presentable(path, text),
        }
        for path, text in files.items()
        if path.startswith(includes)
    ]


def _presentable(path: str, text: str | None) -> str:
    text = text or ""
    if path.endswith(".htpasswd"):
        return "".join(line.partition(":")[0] + ":(hash not shown)\n" for line in text.splitlines())
    # a terminal would obey control characters
    return "\n".join(map(printable, text.split("\n")))


def _emptied(files: dict[str, str | None], present: Texts) -> dict[str, str]:
    """Withdraws the entries of the maps that are `present` and will be others: somebody may have written some by hand, and
    nginx has read them since. Of `files` that are to go, maps become empty ones: nginx, which may have listed the folder
    in this moment, would not forgive one that is gone."""
    entries: dict[str, str] = {}
    for path, text in present.items():
        if path.endswith(".map") and text is not None and text != files[path]:
            entries.update(dict.fromkeys(_KEY.findall(text), ""))
            files[path] = files[path] or user_files.EMPTY
    return entries
