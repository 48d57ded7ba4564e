# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why nothing answers where the link leads to."""

from __future__ import annotations

import shlex

from ..model.kinds import KEEP
from ..model.targets import HTTP, HTTPS
from ..net import probe as probing
from ..net.http_client import LATE, NO_END, PASSED_HEAD_BYTES, PLAIN, REFUSED, TLS, UNTRUSTED
from ..net.listener_table import Listener
from .advice import (
    Finding,
    curl_command,
    describe_process,
    edit_command,
    error,
    policy_refusal,
    short_command,
    start_command,
    warning,
)
from .observation import Observed

SHORTER_HEAD = "make the tool's response headers shorter; the longest are usually Set-Cookie or Content-Security-Policy"


def answer_too_long(seen: Observed, text: str, path: str) -> Finding:
    """That the gateway does not pass an answer on, as its head is too long."""
    limit = f"the gateway passes on {PASSED_HEAD_BYTES:,}, and visitors get 502"
    return error(f"{text}: {limit}; {SHORTER_HEAD}", curl_command(seen, path))


def no_answer(seen: Observed) -> Finding:
    """Why nothing answers."""
    probe, link, start = seen.probe, seen.link, start_command(seen)
    if probe.problem == probing.NO_ADDRESS:
        return error(f"host '{link['host']}' has no address", edit_command(seen, host="ADDRESS"))
    if probe.problem == TLS:
        return _speaks_tls(seen)
    if probe.problem == PLAIN:
        return error(
            f"{describe_process(seen)} does not use TLS on {seen.place}, but the link has scheme https",
            edit_command(seen, scheme=HTTP),
        )
    if probe.problem.startswith(UNTRUSTED):
        text = f"{describe_process(seen)} answers on {seen.place}, but {probe.problem}; ask the administrator to add its CA certificate to"
        return error(f"{text} gateway_backend_ca, or switch off the verification", edit_command(seen, verify=False))
    if probe.listening is False:
        return _nobody(seen)
    if probe.listening and probe.problem.startswith(LATE):
        text = f"{describe_process(seen)} listens on {seen.place}, but is busy or hangs: {probe.problem}; its log should say why"
        return error(text, curl_command(seen, seen.base + "/" if link["prefix"] == KEEP else "/"))
    if seen.here and probe.problem == REFUSED:
        home = seen.base.removesuffix(seen.name) or "/"
        where = f"{seen.answer['site']['url'].rstrip('/')}{home}-/status/{seen.name}"
        return warning(
            f"{describe_process(seen)} listens on {seen.place}, but a firewall rejects you; check whether the gateway can connect",
            shlex.join(["curl", "-u", seen.user, where]),
        )
    if probe.problem == REFUSED:
        text = f"nothing listens on {seen.place}, or the tool listens only on the loopback of {link['host']}; start it there"
        return error(text, start)
    if not probe.listening:
        return error(
            f"{seen.place} cannot be reached from the gateway ({probe.problem}); see whether it listens",
            shlex.join(["ssh", link["host"], "ss", "-ltn", "sport", "=", f":{link['port']}"]),
        )
    if probe.problem == NO_END:
        text = f"{describe_process(seen)} answers on {seen.place}, but {probe.problem}"
        return answer_too_long(seen, text, seen.base + "/" if link["prefix"] == KEEP else "/")
    return error(f"{describe_process(seen)} listens on {seen.place}, but {probe.problem}", start)


def _speaks_tls(seen: Observed) -> Finding:
    """The link says http, and should not."""
    text = f"{describe_process(seen)} uses TLS (https) on {seen.place}, but the link has scheme http"
    if seen.link.get("socket"):
        return error(text, start_command(seen))
    if seen.secure and seen.secure.answers:
        return error(text, edit_command(seen, scheme=HTTPS))
    why = (
        seen.secure.problem if seen.secure else "a certificate is verified for a host name, and the link has an address"
    )
    return error(f"{text}; the gateway would not trust the tool: {why}", edit_command(seen, scheme=HTTPS, verify=False))


def _nobody(seen: Observed) -> Finding:
    """Nothing listens where the link leads to: perhaps it does nearby."""
    link = seen.link
    friends = ("root", seen.user, seen.account)
    nearby = next(
        (one for one in seen.known if one.port and one.port == link.get("port") and one.user in friends), None
    )
    if nearby:
        whose = f"'{short_command(nearby.command)}'" if nearby.command else f"a process of {nearby.user}"
        host = "::1" if nearby.address == "::" else nearby.address
        text = f"{whose} listens on address {nearby.address}, port {nearby.port}, but the link leads to {seen.place}"
        return error(text, start_command(seen) if policy_refusal(seen, host=host) else edit_command(seen, host=host))
    moved = _moved(seen)
    if moved:
        text = f"nothing listens on {seen.place}, but '{short_command(moved.command)}' listens on port {moved.port}"
        return error(text, edit_command(seen, port=moved.port))
    return error(f"nothing listens on {seen.place}", start_command(seen))


def _moved(seen: Observed) -> Listener | None:
    """What was started for this link, but on a port that no link names: some tools take the next if theirs is busy."""
    named = {link.get("port") for link in seen.answer["links"]}
    # without a prefix nothing tells which link a program was started for
    for one in seen.known if seen.base else ():
        if one.port and one.port not in named and any(word.endswith(seen.base) for word in one.command.split(" ")):
            reached = one.address in (seen.link.get("host"), "0.0.0.0", "::")  # noqa: S104  # compared, not bound
            if reached and not policy_refusal(seen, port=one.port):
                return one
    return None
