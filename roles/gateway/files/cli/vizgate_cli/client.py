# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends requests to the gateway: through sudo and the root helper, or in this process if it has the rights itself.

Imports next to nothing: `start_helper` is called before anything else is imported.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from vizgate.apply.gateway import Gateway

ROOT = os.path.abspath(__file__).rpartition("usr/local/lib/vizgate/releases/")[0]
"""The gateway's root: `/`, or the folder of a rootless gateway."""
SUDO = "/usr/bin/sudo"
HELPER = "/usr/local/libexec/vizgate/apply"
PATIENCE = 3
"""Seconds without an answer after which the helper may be one that was stopped."""

IMMEDIATE = frozenset({"add", "app", "doctor", "edit", "export", "history", "list", "log", "open", "ports", "status"})
"""Commands that always send a request, and ask the user nothing before."""

acting_user = ""
"""The user for whom root, or the owner of a rootless gateway, acts: option `--user`."""


class Failed(Exception):
    """A failure to report to the user, one line for each reason; `code` is the exit code."""

    def __init__(self, code: int, lines: Sequence[str]) -> None:
        self.code, self.lines = code, list(lines)
        super().__init__("\n".join(self.lines))


def refused(*lines: str) -> Failed:
    """The failure of a request that is not valid as it stands."""
    return Failed(1, lines)


def unavailable(line: str) -> Failed:
    """The failure of a gateway that cannot serve any request now."""
    return Failed(4, [line])


def is_privileged() -> bool:
    """Whether this process may change the gateway itself: root's, or any in a rootless gateway."""
    return ROOT != "/" or os.geteuid() == 0


def open_gateway() -> Gateway:
    """The gateway in this process; raises Failed if a rootless one belongs to another account."""
    from vizgate.apply.gateway import Gateway
    from vizgate.paths import Paths

    owner = os.stat(ROOT).st_uid
    if ROOT != "/" and owner != os.geteuid():
        raise unavailable(f"the gateway in {ROOT} belongs to {_account(owner)}; only that account can change it")
    return Gateway(Paths(ROOT))


def current_user() -> str:
    """The user whose links and logins the command is about."""
    return acting_user or _account(os.geteuid())


def send(request: dict[str, Any]) -> dict[str, Any]:
    """The gateway's response to one request; raises Failed if it refuses, or is unavailable."""
    if is_privileged():
        from vizgate.selfservice.dispatch import answer

        response = answer(open_gateway(), current_user(), request)
    elif acting_user:
        raise refused(f"--user {acting_user}: only root can act for other users")
    else:
        response = (_started.pop() if _started else _Helper()).send(request)
    if "problems" in response:
        raise Failed(1, response["problems"])
    if "unavailable" in response:
        raise unavailable(response["unavailable"])
    return response


def get_state() -> dict[str, Any]:
    """The user's links and logins, and what the site policy says of addresses."""
    return send({"do": "show"})


def get_apps() -> list[dict[str, Any]]:
    """The user's apps."""
    found: list[dict[str, Any]] = send({"do": "apps"})["apps"]
    return found


def find_link(state: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The user's link of this name, the one that is served if there are two; raises Failed if there is none."""
    found: list[Mapping[str, Any]] = [link for link in state["links"] if link["name"] == name]
    if not found:
        from difflib import get_close_matches

        names = sorted({link["name"] for link in state["links"]})
        near = get_close_matches(name, names, 1)
        advice = f"did you mean '{near[0]}'?" if near else "vizgate list shows your links"
        raise refused(f"link {name!a}: {state['user']} has no link of this name; {advice}")
    return min(found, key=lambda link: bool(link["yields_to"]))


def find_app(name: str) -> Mapping[str, Any]:
    """The user's app of this name; raises Failed if there is none."""
    apps = get_apps()
    for app in apps:
        if app["name"] == name:
            return app
    names = ", ".join(app["name"] for app in apps)
    raise refused(f"you have no app {name!a}; your apps: {names or 'none'}")


def start_helper(arguments: Sequence[str]) -> None:
    """Starts the root helper if the command with these arguments needs it, so that both processes import at the same time.

    The helper waits for a request, and ends silently if it gets none.
    """
    if arguments and arguments[0] in IMMEDIATE and "--help" not in arguments and not is_privileged():
        try:
            _started.append(_Helper())
        except Failed:
            pass  # the request that follows fails in the same way, and is reported


def _account(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise unavailable(f"uid {uid} has no account on this machine") from None


class _Helper:
    """The root helper, started by sudo and waiting for one request."""

    def __init__(self) -> None:
        ours = os.pipe(), os.pipe()
        (request, self._request), (self._answer, answer) = ours
        self._errors = os.memfd_create("errors")
        actions = [(os.POSIX_SPAWN_DUP2, end, number) for number, end in enumerate((request, answer, self._errors))]
        try:
            self._process = os.posix_spawn(SUDO, [SUDO, "-n", HELPER], os.environ, file_actions=actions)
        except OSError as error:
            raise unavailable(f"{SUDO} cannot be run ({error.strerror}); role gateway installs it") from None
        finally:
            os.close(request)
            os.close(answer)

    def send(self, request: dict[str, Any]) -> dict[str, Any]:
        import json

        try:
            with open(self._request, "wb") as pipe:
                pipe.write(json.dumps(request).encode())
        except BrokenPipeError:
            pass  # it ended early; its response says why
        with open(self._answer, "rb") as pipe:
            if not _is_readable(pipe.fileno()):
                # it may have been stopped together with this process, which runs again; only root can continue it
                _wake_helpers()
            text = pipe.read()
        os.waitpid(self._process, 0)
        try:
            response: dict[str, Any] = json.loads(text)
        except ValueError:
            os.lseek(self._errors, 0, os.SEEK_SET)
            with open(self._errors, encoding="utf-8", errors="replace") as file:
                said = file.read().split("\n")
            reason = ascii(([line for line in said if line] or ["no reason given"])[-1])[1:-1]
            fix = "" if reason.endswith("try again") else "; ask root to run role gateway"
            raise unavailable(f"sudo or {HELPER} fails: {reason}{fix}") from None
        return response


def _is_readable(pipe: int) -> bool:
    import select

    return bool(select.select([pipe], [], [], PATIENCE)[0])


def _wake_helpers() -> None:
    """Starts another helper without a request; it continues this user's helpers that are stopped."""
    nowhere = [(os.POSIX_SPAWN_OPEN, end, "/dev/null", os.O_RDWR, 0) for end in range(3)]
    os.waitpid(os.posix_spawn(SUDO, [SUDO, "-n", HELPER], os.environ, file_actions=nowhere), 0)


_started: list[_Helper] = []
