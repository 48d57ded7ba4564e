# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exceptions of the core.

    VizgateError
    ├── InvalidData       the request is wrong; `problems` says what to change, one line each
    └── Unavailable       the request may be right, but cannot be carried out now; the message says why
        ├── CommandFailed     a program of the host failed
        ├── Exceeded          a program took longer, or printed more, than it may
        ├── GuardFailed       nft rejects the rules of the loopback guard
        ├── HashingFailed     htpasswd failed
        ├── Locked            another process is changing the same thing
        ├── NginxRefused      nginx rejects the include files
        ├── NotLive           no nginx answers at the control socket
        ├── NotReloaded       nginx serves what it served before
        ├── NotServed         nginx does not serve the change
        ├── PortTaken         another process has a port of the gateway
        └── StepFailed        a step of an app's release failed

Code that only reports an error catches `VizgateError` and `OSError`, which the disk and the network raise.
"""

from __future__ import annotations

from collections.abc import Iterable


class VizgateError(Exception):
    """What the core raises, except for OSError and for defects of its own."""


class InvalidData(VizgateError):
    """Declared data that cannot be used; `problems` are one line each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class Unavailable(VizgateError):
    """The gateway cannot do now what it can do otherwise."""


class CommandFailed(Unavailable):
    """A program of the host did not do what it does otherwise."""


class Exceeded(Unavailable):
    """A program took longer, or printed more, than it may; the message says which. It has been killed."""


class GuardFailed(Unavailable):
    """The kernel or nft does not take the rules of the loopback guard."""


class HashingFailed(Unavailable):
    """htpasswd could not be run or refused the password."""


class Locked(Unavailable):
    """Another process has held the lock for longer than one waits."""


class NginxRefused(Unavailable):
    """nginx does not accept the include files; the message is nginx's own."""


class NotLive(Unavailable):
    """No nginx with the gateway's configuration listens, or it has no room: a reload brings the change."""


class NotReloaded(Unavailable):
    """nginx serves what it served before."""


class NotServed(Unavailable):
    """nginx does not serve a change that is worth nothing otherwise; what was before has been put back."""


class PortTaken(Unavailable):
    """Another process has some of the gateway's ports."""


class StepFailed(Unavailable):
    """A step of a release went wrong; `lines` are the last of the log."""

    def __init__(self, step: str, reason: str, log: str = "", lines: list[str] | None = None) -> None:
        self.step, self.reason, self.log, self.lines = step, reason, log, lines or []
        super().__init__(f"step {step}: {reason}")
