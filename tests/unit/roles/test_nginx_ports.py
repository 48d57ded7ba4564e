# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports that role gateway's nginx listens on: which are held for it, and who else answers there."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.vizgate.gateway.tests.unit.support import evaluated, rendered

WELCOME = """# configuration file /etc/nginx/sites-enabled/default:
# Default server configuration
server {
	listen 80 default_server;
	listen [::]:80 default_server;
	# listen 443 ssl default_server;
	server_name _;
}
"""
A = "# configuration file /etc/nginx/sites-enabled/a:\n"
GATEWAY = "# configuration file /etc/nginx/conf.d/00-vizgate.conf:\nserver { listen 0.0.0.0:80 default_server; }\n"


@pytest.mark.parametrize(
    ("variables", "held"),
    [
        ({}, "[1234]"),
        ({"gateway_listen_port": "443", "gateway_tls": True}, "[]"),
        ({"gateway_listen_port": 8443, "gateway_tls": True}, "[8443]"),
        # as in containers
        ({"gateway_listen_port": 443, "gateway_tls": True, "__gateway_network": {"stdout_lines": ["0"]}}, "[80, 443]"),
        ({"gateway_rootless_dir": "/home/alice/gateway"}, "[]"),
    ],
)
def test_ports_are_held_that_every_account_could_listen_on(variables: dict[str, Any], held: str) -> None:
    assert evaluated("{{ __gateway_held_ports }}", **variables) == held
    text = rendered("nginx/gateway.conf.j2", **variables)
    assert text.count(" reuseport;") == held.count(",") + (held != "[]")


@pytest.mark.parametrize(
    ("site", "rivals"),
    [
        (WELCOME, "['/etc/nginx/sites-enabled/default']"),
        (GATEWAY, "[]"),
        (GATEWAY + WELCOME, "['/etc/nginx/sites-enabled/default']"),
        (A + "server { listen 10.0.0.5:80 default; }\n", "['/etc/nginx/sites-enabled/a']"),
        (A + "server { listen 80 reuseport default_server; }\n", "['/etc/nginx/sites-enabled/a']"),
        (A + "server { listen 8080 default_server; listen 80; }\n", "[]"),
        (A + "server { # listen 80 default_server;\n}\n", "[]"),
        ("", "[]"),
    ],
)  # fmt: skip
def test_a_site_is_in_the_way_where_it_answers_whoever_asks(site: str, rivals: str) -> None:
    assert (
        evaluated("{{ __gateway_default_servers }}", gateway_listen_port=80, __gateway_nginx={"stdout": site}) == rivals
    )


def test_the_gateway_answers_whoever_asks() -> None:
    assert "listen 127.0.0.1:80 default_server;" in rendered("nginx/gateway.conf.j2", gateway_listen_port=80)


@pytest.mark.parametrize(
    ("welcome", "listens"), [("unchanged", "listen 127.0.0.1:80 default_server;"), ("", "listen 127.0.0.1:80;")]
)
def test_the_redirect_leaves_port_80_to_a_site_of_an_administrators(welcome: str, listens: str) -> None:
    variables = {"gateway_tls": True, "gateway_listen_port": 443, "__gateway_nginx": {"stdout": WELCOME}}
    text = rendered("nginx/gateway.conf.j2", __gateway_welcome_state={"stdout": welcome}, **variables)
    assert f"    {listens}\n" in text
    assert "listen 127.0.0.1:443 ssl http2 default_server;" in text
