# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings what is declared to the running gateway: validate, stage, let nginx look at it, swap, publish. Or nothing."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping

from . import _files, _live, _passwords, _render, _resolve
from ._model import InvalidData, Link, Login, Policy, UserData, name_problem, shown
from ._paths import Paths
from ._registry import Registry, me

Declaration = Mapping[str, UserData]
"""User → what the source at hand declares for the user from now on; empty data withdraws everything."""


class NginxRefused(RuntimeError):
    """nginx does not accept the include files; the message is nginx's own."""


@dataclasses.dataclass
class Outcome:
    """What a run changed, or in check mode would change."""

    changed: bool = False
    plan: list[dict[str, str]] = dataclasses.field(default_factory=list)
    """`{action, url, target, user}`: action is add, change, remove or unresolved, for logins add login, …"""
    diff: list[dict[str, str]] = dataclasses.field(default_factory=list)
    """Ansible's before/after pairs: URLs first, then include files, never a secret."""
    reload: bool = False
    """The change is on disk, but nginx has to be reloaded (or started) to serve it."""

    @property
    def unsettled(self) -> bool:
        """Whether running the same again might end otherwise."""
        return self.reload or any(step["action"] == "unresolved" for step in self.plan)


class Gateway:
    """One gateway, on the host it runs on."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.registry = Registry(paths)

    def declare(
        self,
        source: str,
        declaration: Callable[[Registry], Declaration],
        *,
        complete: bool = False,
        check: bool = False,
        verify: bool = False,
        diff: bool = True,
        coming: Policy | None = None,
    ) -> Outcome:
        """Replaces what `source` declares.

        `declaration` is called under the lock, so that it may build on what is there. With `complete` it speaks for
        all users: who is not in it loses what the source had declared. With `verify` the include files and live
        entries of all users are put right too, not only of those for whom something changes. `check` only tells; on a
        host that is yet to become a gateway it does so by the policy that is `coming`. Without `diff` the outcome has none.

        Raises InvalidData (with every problem found), NginxRefused, Locked; then nothing has changed.
        """
        problem = name_problem("source", source)
        if problem:
            raise InvalidData([problem])
        policy = self.registry.policy(coming=coming)
        with contextlib.nullcontext() if check else self.registry.locked():
            if not check:
                self.recover()
            wanted = dict(declaration(self.registry))
            # one user's change must not cost reading everybody's files
            everybody = complete or verify
            before = self.registry.everything() if everybody else {user: self.registry.sources(user) for user in wanted}
            if complete:
                for user, sources in before.items():
                    if source in sources:
                        wanted.setdefault(user, UserData())
            _refuse_conflicts(source, wanted, before, policy)
            after = dict(before)
            for user, data in wanted.items():
                old = before.get(user, {}).get(source, UserData())
                data = UserData(data.links, _hashed(data.logins, old.logins, check))
                sources = {name: kept for name, kept in before.get(user, {}).items() if name != source}
                after[user] = {**sources, source: data} if data.links or data.logins else sources
            users = [user for user in sorted(after) if verify or after[user] != before.get(user, {})]
            return self._transact(before, after, users, check=check, verify=verify, diff=diff, cause=source)

    def refresh(self) -> Outcome:
        """Looks every host name up again and publishes the addresses that changed."""
        with self.registry.locked():
            self.recover()
            state = self.registry.everything()
            _known, moved = self._addresses((merged(sources) for sources in state.values()), forget=False)
            users = [user for user in sorted(state) if _hosts(state[user]) & moved]
            return self._transact(state, state, users, check=False, verify=False, diff=False, cause="refresh")

    def remember(self, source: str, seen: str) -> None:
        """Notes what a complete run of `source` was made from; "" for a run that is worth repeating."""
        _files.write(self.paths.digest(source), seen)

    def info(self, user: str | None = None) -> dict[str, object]:
        """What is declared, by whom, and whether nginx serves it; for one user or for all."""
        state = self.registry.everything() if user is None else {user: self.registry.sources(user)}
        addresses = self.registry.addresses()
        expected = {}
        for name, sources in state.items():
            expected.update(_render.entries(name, merged(sources), addresses))
        try:
            served = _live.served(self.paths.control, ["", *expected])
            live = True
        except _live.NotLive:
            served, live = {}, False
        users = {
            name: {
                "links": [
                    {
                        "name": link.name,
                        "url": url(name, link),
                        "kind": link.kind,
                        "target": link.target,
                        "prefix": link.mode,
                        "description": link.description,
                        "source": source,
                        "live": served.get(f"{name}/{link.name}") == expected[f"{name}/{link.name}"],
                    }
                    for source, data in sources.items()
                    for link in data.links
                ],
                "logins": [
                    {"name": login.name, "source": source} for source, data in sources.items() for login in data.logins
                ],
            }
            for name, sources in state.items()
        }
        return {"users": users, "live": live}

    def recover(self) -> None:
        """Finishes a transaction that was cut short after it had been decided; called under the lock, or at boot."""
        notes = _files.redo(self.paths.journal)
        if notes is not None:
            try:
                _live.publish(self.paths.control, notes)
            except _live.NotLive:
                pass  # nginx reads the include files when it starts
            _files.close(self.paths.journal)

    def _transact(
        self,
        before: Mapping[str, Mapping[str, UserData]],
        after: Mapping[str, Mapping[str, UserData]],
        users: list[str],
        *,
        check: bool,
        verify: bool,
        diff: bool,
        cause: str,
    ) -> Outcome:
        """Renders `users`, compares with what is there, and unless in check mode brings the difference about."""
        addresses, moved = self._addresses((merged(after[user]) for user in users), forget=verify)
        if moved:
            # whoever shares a host with these users follows it, too
            others = {user: state for user, state in self.registry.everything().items() if user not in after}
            before, after = {**before, **others}, {**after, **others}
            users = [user for user in sorted(after) if user in users or _hosts(after[user]) & moved]
        old = {user: merged(before.get(user, {})) for user in users}
        new = {user: merged(after[user]) for user in users}
        outcome = Outcome(plan=_plan(old, new, addresses))

        files = self._declarations(before, after, users)
        entries: dict[str, str] = {}
        for user in users:
            # in check mode on a host that is yet to become a gateway there are no templates
            if os.path.isdir(self.paths.templates) or not check:
                rendered = _render.render(self.paths.templates, user, new[user], addresses)
                files.update({os.path.join(self.paths.includes, path): None for path in _render.file_names(user)})
                files.update({os.path.join(self.paths.includes, path): text for path, text in rendered.files.items()})
                entries.update(dict.fromkeys(_render.entries(user, old[user], {}), ""))
                entries.update(rendered.entries)
        if verify:
            files.update(dict.fromkeys(self._strangers(after), None))
        if addresses != self.registry.addresses():
            files[self.paths.addresses] = json.dumps(addresses, indent=1, sort_keys=True) + "\n"

        present = {path: _read(path) for path in files}
        for path, text in present.items():
            # what somebody wrote by hand, and nginx has read since, is withdrawn
            if path.endswith(".map") and text != files[path]:
                entries = {**dict.fromkeys(_KEY.findall(text or ""), ""), **entries}
        files = {path: text for path, text in files.items() if text != present[path]}
        outcome.changed = any(path != self.paths.addresses for path in files)
        if diff:
            outcome.diff = _diff(old, new) + _file_diff(self.paths.includes, files, present)
        if not check:
            outcome.reload = self._bring_about(files, entries)
            if files:
                self._drop_empty_folders(after)
                self._record(outcome, cause)
        return outcome

    def _declarations(
        self,
        before: Mapping[str, Mapping[str, UserData]],
        after: Mapping[str, Mapping[str, UserData]],
        users: Iterable[str],
    ) -> dict[str, str | None]:
        """The registry files that change, with their coming text."""
        files: dict[str, str | None] = {}
        for user in users:
            for name, data in after[user].items():
                if data != before.get(user, {}).get(name):
                    files[self.registry.file(user, name)] = json.dumps(data.as_json(), sort_keys=True) + "\n"
            for name in before.get(user, {}).keys() - after[user].keys():
                files[self.registry.file(user, name)] = None
        return files

    def _bring_about(self, files: Mapping[str, str | None], entries: Mapping[str, str]) -> bool:
        """Swaps the files and publishes the entries; whether nginx has to be reloaded before it serves them."""
        if files:
            _files.stage(files)
            try:
                self._test([path for path, text in files.items() if path.endswith(".map") and text is not None])
            except BaseException:
                _files.unstage(files)
                raise
            _files.commit(self.paths.journal, files, entries)
        live = True
        try:
            _live.publish(self.paths.control, entries)
        except _live.NotLive:
            live = False
        if files:
            _files.close(self.paths.journal)
        return bool(files) and not live

    def _addresses(self, users: Iterable[UserData], forget: bool) -> tuple[dict[str, str], set[str]]:
        """Host name → address for the hosts of the users, with `forget` for no other host; and which have moved."""
        known = self.registry.addresses()
        found = _resolve.resolve({link.host for data in users for link in data.links}, known)
        moved = {host for host in found if found[host] != known.get(host)}
        return found if forget else {**known, **found}, moved

    def _strangers(self, users: Iterable[str]) -> list[str]:
        """Per-user include files of nobody for whom anything is declared."""
        expected = {os.path.join(self.paths.includes, path) for user in users for path in _render.file_names(user)}
        found = []
        for folder, ending in _render.FOLDERS.items():
            below = os.path.join(self.paths.includes, folder)
            found += [os.path.join(below, name) for name in _listed(below) if name.endswith(ending)]
        return sorted(set(found) - expected)

    def _test(self, maps: list[str]) -> None:
        """Lets nginx read the staged map files, in a configuration of their own."""
        if not maps:
            return
        nginx = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if nginx is None:
            raise NginxRefused("nginx is not installed on this host; role gateway does that")
        with tempfile.TemporaryDirectory(prefix="vizgate-") as folder:
            lines = [f"        include {path}.new;" for path in maps]
            temporary = "\n".join(
                f"    {name}_temp_path {folder}/body;" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            )
            text = _TEST.format(folder=folder, temporary=temporary, includes="\n".join(lines))
            path = os.path.join(folder, "nginx.conf")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            done = subprocess.run(
                [nginx, "-t", "-q", "-c", path, "-e", "stderr"],
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
        if done.returncode != 0:
            raise NginxRefused(f"nginx refuses the include files, nothing was changed: {done.stderr.strip()}")

    def _drop_empty_folders(self, users: Mapping[str, Mapping[str, UserData]]) -> None:
        for user, sources in users.items():
            if not sources:
                try:
                    os.rmdir(os.path.join(self.paths.users, user))
                except OSError:
                    pass  # it never was there

    def _record(self, outcome: Outcome, cause: str) -> None:
        """Adds the changes to the audit log."""
        line = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "source": cause,
            "by": os.environ.get("SUDO_USER") or me(),
        }
        with open(self.paths.audit, "a", encoding="utf-8") as file:
            for step in outcome.plan:
                if step["action"] != "unresolved":
                    file.write(json.dumps({**line, **step}) + "\n")


_KEY = re.compile(r'^[ \t]*"?([^"\s;#]+)', re.MULTILINE)
"""The keys of a map file."""

_TEST = """\
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
    access_log off;
{temporary}
    map_hash_max_size 524288;
    map_hash_bucket_size 256;
    map $arg_key $entry {{
{includes}
    }}
    server {{
        listen unix:{folder}/socket;
        return 200 $entry;
    }}
}}
"""


def merged(sources: Mapping[str, UserData]) -> UserData:
    """What all sources declare for one user, together."""
    return UserData(
        tuple(sorted((link for data in sources.values() for link in data.links), key=lambda link: link.name)),
        tuple(sorted((login for data in sources.values() for login in data.logins), key=lambda login: login.name)),
    )


def _hosts(sources: Mapping[str, UserData]) -> set[str]:
    return {link.host for data in sources.values() for link in data.links}


def _refuse_conflicts(
    source: str, wanted: Declaration, before: Mapping[str, Mapping[str, UserData]], policy: Policy
) -> None:
    """Raises InvalidData with everything that the policy or another source stands against."""
    problems = []
    for user, data in sorted(wanted.items()):
        problem = name_problem("user", user)
        if problem:
            problems.append(problem)
        others = {name: kept for name, kept in before.get(user, {}).items() if name != source}
        links = {link.name: name for name, kept in others.items() for link in kept.links}
        logins = {login.name: name for name, kept in others.items() for login in kept.logins}
        for link in data.links:
            if link.name in links:
                problems.append(
                    f"user {shown(user)}: link {shown(link.name)} belongs to source {shown(links[link.name])};"
                    f" remove it there, or take another name"
                )
            refused = policy.link_problem(link)
            if refused:
                problems.append(f"user {shown(user)}: {refused}")
        for login in data.logins:
            if login.name in logins:
                problems.append(
                    f"user {shown(user)}: login {shown(login.name)} belongs to source {shown(logins[login.name])};"
                    f" remove it there, or take another name"
                )
    if problems:
        raise InvalidData(problems)


def _hashed(logins: Iterable[Login], known: Iterable[Login], check: bool) -> tuple[Login, ...]:
    """The logins with clear passwords hashed; a hash that is already right for its password stays.

    In check mode nothing is hashed: the host may not have htpasswd yet.
    """
    hashes = {login.name: login.password_hash for login in known}
    found = []
    for login in logins:
        if login.password:
            old = hashes.get(login.name)
            right = bool(old) and _passwords.verify_password(login.password, old or "")
            new = old if right else "" if check else _passwords.hash_password(login.password)
            login = Login(login.name, new or "")
        found.append(login)
    return tuple(found)


def _plan(
    old: Mapping[str, UserData], new: Mapping[str, UserData], addresses: Mapping[str, str]
) -> list[dict[str, str]]:
    plan = []
    for user in new:
        links = {link.name: link for link in old[user].links}
        for link in new[user].links:
            was = links.pop(link.name, None)
            if was != link:
                plan.append(_step("change" if was else "add", user, link))
            if link.host not in addresses and _resolve.is_name(link.host):
                plan.append(_step("unresolved", user, link))
        plan += [_step("remove", user, link) for link in links.values()]
        logins = {login.name: login for login in old[user].logins}
        for login in new[user].logins:
            known = logins.pop(login.name, None)
            if known != login:
                plan.append(_login_step("change login" if known else "add login", user, login))
        plan += [_login_step("remove login", user, login) for login in logins.values()]
    return plan


def url(user: str, link: Link) -> str:
    """Where the gateway serves a link, below its own address."""
    return f"/{user}/{link.name}/"


def _step(action: str, user: str, link: Link) -> dict[str, str]:
    return {"action": action, "url": url(user, link), "target": link.target, "user": user}


def _login_step(action: str, user: str, login: Login) -> dict[str, str]:
    return {"action": action, "url": f"/{user}/", "target": login.name, "user": user}


def _diff(old: Mapping[str, UserData], new: Mapping[str, UserData]) -> list[dict[str, str]]:
    """The URLs and logins before and after, of the users for whom they differ."""
    differing = [user for user in new if old[user] != new[user]]
    if not differing:
        return []

    def lines(state: Mapping[str, UserData], former: Mapping[str, UserData]) -> str:
        found = []
        for user in differing:
            for link in state[user].links:
                description = f"  # {shown(link.description)}" if link.description else ""
                found.append(f"{url(user, link)} -> {link.target} ({link.kind}, prefix {link.mode}){description}\n")
            known = {login.name: login for login in former[user].logins}
            for login in state[user].logins:
                changed = " (password changes)" if known.get(login.name, login) != login else ""
                found.append(f"/{user}/ opened by login {login.name}{changed}\n")
        return "".join(found)

    return [{"before_header": "links", "after_header": "links", "before": lines(old, old), "after": lines(new, old)}]


def _file_diff(
    includes: str, files: Mapping[str, str | None], present: Mapping[str, str | None]
) -> list[dict[str, str]]:
    """The include files that change: maps and pages as text, password files by the names in them alone."""
    found = []
    for path, text in files.items():
        if path.startswith(includes):
            found.append(
                {
                    "before_header": path,
                    "after_header": path,
                    "before": _presentable(path, present[path]),
                    "after": _presentable(path, text),
                }
            )
    return found


def _presentable(path: str, text: str | None) -> str:
    text = text or ""
    if path.endswith(".htpasswd"):
        return "".join(line.partition(":")[0] + ":(hash not shown)\n" for line in text.splitlines())
    # a terminal would obey control characters
    return "".join(letter if letter.isprintable() or letter == "\n" else ascii(letter)[1:-1] for letter in text)


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
