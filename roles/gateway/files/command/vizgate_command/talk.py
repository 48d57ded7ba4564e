# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a request reaches the gateway: by sudo and the root helper, or in this process where it has the rights itself.

Imports next to nothing: the launcher calls `expect` before it imports anything else.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from vizgate.apply.gateway import Gateway

LIB = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = LIB.removesuffix("usr/local/lib/vizgate")
"""The gateway's root: `/`, or the folder of a rootless gateway."""
SUDO = "/usr/bin/sudo"
HELPER = "/usr/local/libexec/vizgate/apply"
PATIENCE = 3
"""Seconds without an answer after which the helper may be one that was stopped."""

AT_ONCE = frozenset({"add", "app", "doctor", "edit", "export", "history", "list", "log", "open", "ports", "status"})
"""Commands that ask the gateway something whatever comes, without a question to the user before."""

behalf = ""
"""The user in whose name root, or the owner of a rootless gateway, acts: option `--user`."""


class Failed(Exception):
    """Something that the user has to be told, one line each; `code` is the exit code."""

    def __init__(self, code: int, lines: Sequence[str]) -> None:
        self.code, self.lines = code, list(lines)
        super().__init__("\n".join(self.lines))


def refused(*lines: str) -> Failed:
    """A request that cannot be done as it is."""
    return Failed(1, lines)


def unavailable(line: str) -> Failed:
    """A gateway that can do nothing now."""
    return Failed(4, [line])


def privileged() -> bool:
    """Whether this process may change the gateway itself: root's, or any in a rootless gateway."""
    return ROOT != "/" or os.geteuid() == 0


def gateway() -> Gateway:
    """The gateway, for those who are privileged."""
    from vizgate.apply.gateway import Gateway
    from vizgate.paths import Paths

    owner = os.stat(ROOT).st_uid
    if ROOT != "/" and owner != os.geteuid():
        raise unavailable(f"the gateway in {ROOT} is that of {_account(owner)}, who alone can change it")
    return Gateway(Paths(ROOT))


def me() -> str:
    """The user whose links are meant."""
    return behalf or _account(os.geteuid())


def ask(request: dict[str, Any]) -> dict[str, Any]:
    """The gateway's answer to one request; raises Failed where it refuses, or cannot."""
    if privileged():
        from vizgate.selfservice.dispatch import answer

        told = answer(gateway(), me(), request)
    elif behalf:
        raise refused(f"--user {behalf}: only root acts in the name of others")
    else:
        told = (_waiting.pop() if _waiting else _Helper()).ask(request)
    if "problems" in told:
        raise Failed(1, told["problems"])
    if "unavailable" in told:
        raise unavailable(told["unavailable"])
    return told


def expect(arguments: Sequence[str]) -> None:
    """Starts the helper if these arguments will need it, so that it and this process get ready at the same time.

    It waits for its request, and ends without a word if none comes.
    """
    if arguments and arguments[0] in AT_ONCE and "--help" not in arguments and not privileged():
        try:
            _waiting.append(_Helper())
        except Failed:
            pass  # whoever asks is told


def _account(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise unavailable(f"uid {uid} is no account's on this machine") from None


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

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        import json

        try:
            with open(self._request, "wb") as pipe:
                pipe.write(json.dumps(request).encode())
        except BrokenPipeError:
            pass  # it had reasons, and tells them
        with open(self._answer, "rb") as pipe:
            if not _answers(pipe.fileno()):
                # it may have been stopped together with this process, which was continued; only root's can continue it
                _wake_helpers()
            text = pipe.read()
        os.waitpid(self._process, 0)
        try:
            told: dict[str, Any] = json.loads(text)
        except ValueError:
            os.lseek(self._errors, 0, os.SEEK_SET)
            with open(self._errors, encoding="utf-8", errors="replace") as file:
                said = file.read().split("\n")
            reason = [line for line in said if line][-1:] or ["no reason given"]
            raise unavailable(
                f"sudo or {HELPER} fails ({ascii(reason[0])[1:-1]}); ask root to run role gateway"
            ) from None
        return told


def _answers(pipe: int) -> bool:
    import select

    return bool(select.select([pipe], [], [], PATIENCE)[0])


def _wake_helpers() -> None:
    """Has another helper, without a request, let those go on that are stopped."""
    nowhere = [(os.POSIX_SPAWN_OPEN, end, "/dev/null", os.O_RDWR, 0) for end in range(3)]
    os.waitpid(os.posix_spawn(SUDO, [SUDO, "-n", HELPER], os.environ, file_actions=nowhere), 0)


_waiting: list[_Helper] = []
