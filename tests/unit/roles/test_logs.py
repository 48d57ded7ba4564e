# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role tells logrotate and fail2ban, judged by these; and that the core reads what nginx is told to write."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.logs import access_log
from ansible_collections.vizgate.gateway.plugins.module_utils._core.paths import Paths
from ansible_collections.vizgate.gateway.tests.unit.support import ROLE, evaluated, rendered

DEBIAN_RULE = "/var/log/nginx/*.log"
"""What nginx's own package has rotated."""
LOGS = ["/var/log/nginx/vizgate.jsonl", "/var/log/nginx/vizgate-logins.jsonl"]
ATTACKER, VICTIM = "192.0.2.66", "198.51.100.1"


def failure(login: str, address: str = ATTACKER, outcome: str = "refused", user: str = "alice") -> str:
    """A line of the log of logins, as nginx writes it."""
    network = address + "/64" if ":" in address and not address.startswith("::ffff:") else address
    line = {"time": "2026-11-25T15:10:39+01:00", "address": address, "network": network, "outcome": outcome}
    line |= {"user": user, "login": login}
    return json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n"


def test_the_logs_are_where_the_core_looks_and_are_rotated_once() -> None:
    text = rendered("nginx/gateway.conf.j2")
    assert sorted(set(re.findall(r"access_log (/\S+)", text))) == sorted(LOGS)
    assert Paths().access_log == LOGS[0]
    assert not any(fnmatch.fnmatch(log, DEBIAN_RULE) for log in LOGS)
    assert f"{' '.join(LOGS)} {{\n" in rendered("logrotate.j2")


def test_the_core_reads_what_nginx_writes() -> None:
    formats = re.search(r"log_format vizgate escape=json ([^;]*);", rendered("nginx/gateway.conf.j2"))
    assert formats
    written = re.sub(r"'\s*'", "", formats[1]).strip("'")
    assert written.count("$") == 19
    values = {"$vizgate_user": "alice", "$vizgate_link": "run", "$time_iso8601": "2026-11-25T15:10:39+01:00"}
    text = re.sub(r"\$\w+", lambda found: values.get(found[0], "7"), written)
    for link in ("", "run"):
        lines = access_log.Lines("alice", link, 0, 10)
        lines.add(text.encode())
        assert [line["link"] for line in lines.found] == ["run"]
    # quotes stand around all that is not a number whatever comes
    bare = re.findall(r'":(\$\w+)', written)
    assert bare == ["$vizgate_status", "$body_bytes_sent", "$request_time"]


def test_every_server_of_the_gateway_writes_this_log() -> None:
    """By default nginx would write the queries of requests, with the tokens in them, into its own."""
    text = rendered("nginx/gateway.conf.j2", gateway_tls=True, gateway_listen_port=443)
    servers = text.split("\nserver {")[1:]
    assert len(servers) == 3
    assert [
        ("access_log off;" in server, f"access_log {LOGS[0]} vizgate buffer=32k flush=100ms;" in server)
        for server in servers
    ] == [
        (True, False),
        (False, True),
        (False, True),
    ]


def test_logrotate_takes_the_rule(tmp_path: Path) -> None:
    rule = tmp_path / "vizgate"
    rule.write_text(rendered("logrotate.j2", gateway_log_days=5), encoding="utf-8")
    rule.chmod(0o644)
    done = subprocess.run(
        ["/usr/sbin/logrotate", "--debug", "--state", tmp_path / "state", rule],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "error" not in done.stderr
    assert f"rotating pattern: {' '.join(LOGS)}  after 1 days (5 rotations)" in done.stderr


# fail2ban


@pytest.fixture
def fail2ban(tmp_path: Path) -> Path:
    """A folder of fail2ban's configuration: Debian's, and what the role adds."""
    folder = tmp_path / "fail2ban"
    shutil.copytree("/etc/fail2ban", folder)
    for kind in ("action", "filter", "jail"):
        (folder / f"{kind}.d/vizgate.conf").write_text(rendered(f"fail2ban/{kind}.conf.j2"), encoding="utf-8")
    (folder / "jail.d/vizgate-sshd.conf").write_text(rendered("fail2ban/sshd.conf.j2"), encoding="utf-8")
    return folder


def banned(folder: Path, *lines: str) -> list[str]:
    """The address that the filter finds in each line, where it finds one; read as a file, as fail2ban does."""
    log = folder / "log"
    log.write_bytes("".join(lines).encode(errors="surrogateescape"))
    done = subprocess.run(
        ["fail2ban-regex", "--config", folder, "--out", "ip", log, folder / "filter.d/vizgate.conf"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize("address", [ATTACKER, "2001:db8::66", "::ffff:192.0.2.66"])
@pytest.mark.parametrize("outcome", ["refused", "locked out"])
def test_fail2ban_finds_the_address_or_network(fail2ban: Path, address: str, outcome: str) -> None:
    network = {"2001:db8::66": "2001:db8::/64"}.get(address, address.removeprefix("::ffff:"))
    assert banned(fail2ban, failure("alice", address, outcome)) == [network]


@pytest.mark.parametrize(
    "login",
    [
        VICTIM,
        f'","address":"{VICTIM}","network":"{VICTIM}","outcome":"refused","user":"',
        f'x"}}\n{{"time":"2026-11-25T15:10:39+01:00","address":"{VICTIM}","network":"{VICTIM}","outcome":"refused",',
        f'{{"time":"","address":"{VICTIM}","network":"{VICTIM}","outcome":"refused",',
        f" - {VICTIM} - ",
        f"alice from {VICTIM} port 22 ssh2",
        f"\r{VICTIM}\u2028{VICTIM}\u0085{VICTIM}",
        "2026-11-26T15:10:39+01:00",
        "\x1b[2J",
        "\udcff\udcfe",
        "<HOST>",
        "%(failregex)s",
        "a" * 5000,
    ],
)
def test_no_name_of_a_login_bans_somebody_else(fail2ban: Path, login: str) -> None:
    # and the attacker does not escape by it, either
    assert banned(fail2ban, failure(login), failure("alice", "192.0.2.67")) == [ATTACKER, "192.0.2.67"]


def test_the_address_is_the_first_even_if_nothing_was_escaped(fail2ban: Path) -> None:
    forged = failure("LOGIN").replace(
        "LOGIN", f'","address":"{VICTIM}","network":"{VICTIM}","outcome":"refused","user":"'
    )
    assert banned(fail2ban, forged) == [ATTACKER]


def test_other_lines_ban_nobody(fail2ban: Path) -> None:
    access = failure("x").replace('"outcome":"refused"', '"user":"alice"')
    assert banned(fail2ban, access, failure("x", outcome=""), failure("x", "gate.example.org"), "\n", "{}\n") == []


def test_fail2ban_takes_the_configuration(fail2ban: Path) -> None:
    def dump() -> str:
        command = ["fail2ban-client", "-c", fail2ban, "-d"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    jail, log = fail2ban / "jail.d/vizgate.conf", fail2ban / "log"
    text = jail.read_text(encoding="utf-8")
    assert f"logpath = {LOGS[1]}\n" in text
    jail.write_text(text.replace(LOGS[1], str(log)), encoding="utf-8")
    # a log that is missing costs this jail alone, and Debian's own needs no file
    without = dump()
    assert "['start', 'sshd']" in without
    assert "['add', 'sshd', 'systemd']" in without
    assert "'vizgate', 'addlogpath'" not in without
    log.touch()
    found = dump()
    for words in (f"'addlogpath', '{log}'", "'maxretry', 30]", "'findtime', '3600']", "'bantime', '3600']"):
        assert f"['set', 'vizgate', {words}" in found
    assert "['port', '1234']" in found
    assert "dport \\\\{ $(echo '1234'" in found
    # a set of single addresses would not take a network
    assert "ipv6_addr \\\\; flags interval" in found


@pytest.mark.parametrize(
    ("variables", "ports"),
    [
        ({}, "1234"),
        ({"gateway_listen_port": 8080}, "8080"),
        ({"gateway_tls": True, "gateway_listen_port": 443}, "443,80"),
        ({"gateway_tls": True, "gateway_listen_port": 443, "gateway_redirect_port": 0}, "443"),
    ],
)
def test_all_ports_of_the_gateway_are_guarded(variables: dict[str, object], ports: str) -> None:
    assert f"port = {ports}\n" in rendered("fail2ban/jail.conf.j2", **variables)


def test_nothing_of_it_is_left_behind() -> None:
    files = evaluated("{{ __gateway_files | join('\n') }}").splitlines()
    tasks = (ROLE / "tasks" / "logs.yml").read_text(encoding="utf-8")
    written = re.findall(r"(?:dest|path): \"?(/etc/[^,\"\n]+)", tasks)
    assert len(written) == 5
    assert set(written) <= set(files)


@pytest.mark.parametrize(("wanted", "packages"), [(False, 0), (True, 3)])
def test_fail2ban_comes_only_if_it_is_wanted(wanted: bool, packages: int) -> None:
    found = evaluated("{{ __gateway_packages | join(' ') }}", gateway_fail2ban=wanted).split()
    assert len({"fail2ban", "nftables", "python3-systemd"} & set(found)) == packages
    assert "logrotate" in found
    assert "logrotate" not in evaluated("{{ __gateway_packages | join(' ') }}", gateway_rootless_dir="/x").split()


def test_a_log_folder_of_everybodys_would_be_refused(tmp_path: Path) -> None:
    """Why the core opens the log without following links: root reads it."""
    os.symlink("/etc/passwd", tmp_path / "log")
    with pytest.raises(OSError, match="symbolic"):
        access_log.Part(str(tmp_path / "log"))
