# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role gateway's templates, rendered by Ansible's own templar and judged by the programs that read them."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply import control
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import InvalidData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.host import certificates
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.policy import Policy
from ansible_collections.vizgate.gateway.plugins.module_utils._core.paths import Paths
from ansible_collections.vizgate.gateway.tests.unit.support import (
    HASH,
    NGINX,
    ROLE,
    configure,
    data,
    evaluated,
    free_port,
    refusal,
    rendered,
    serving,
    with_settings,
)

POLICY = "{{ __gateway_policy | to_nice_json }}"
"""As task "Write the settings and the cookie name key" has it."""

ALICE = data({"name": "training", "kind": "visdom", "port": 8097}, logins=[{"name": "alice", "password_hash": HASH}])


def templates() -> list[str]:
    """The templates of whole files. The core fills in those of the include files; parts are in one that includes them."""
    folder = ROLE / "templates"
    paths = (path.relative_to(folder) for path in folder.rglob("*.j2"))
    return sorted(str(path) for path in paths if path.parent != Path("nginx/gateway"))


def declare(gateway: Gateway) -> None:
    """Declares alice."""
    gateway.declare("inventory", lambda registry: {"alice": ALICE})


@pytest.mark.parametrize("template", templates())
@pytest.mark.parametrize("folder", ["", "/home/alice/gateway"])
def test_every_template_renders_and_says_who_wrote_it(template: str, folder: str) -> None:
    text = rendered(template, gateway_rootless_dir=folder)
    assert "Ansible managed" in "".join(text.splitlines(keepends=True)[:6])
    assert "{{" not in text
    assert "{%" not in text
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"__gateway_listen": ["127.0.0.1", "[::1]"]},
        {"__gateway_listen": ["0.0.0.0", "[::]"]},
        {"gateway_idle_timeout": "90s", "gateway_links_memory": "1m"},
        {"gateway_trusted_proxies": ["10.0.0.7", "10.1.0.0/16", "2001:db8::7", "2001:db8::/64"]},
        {
            "gateway_trusted_proxies": ["10.0.0.7"],
            "gateway_auth": "forward",
            "__gateway_forward_auth": ["127.0.0.1:1", "/"],
        },
        {"ansible_facts": {"user_id": "alice", "python": {"executable": "/usr/bin/python3"}}},
    ],
)
def test_nginx_takes_the_whole_configuration(gateway: Gateway, variables: dict[str, Any]) -> None:
    declare(gateway)
    if any("[" in address for address in variables.get("__gateway_listen", [])) and not os.path.exists(
        "/proc/net/if_inet6"
    ):
        pytest.skip("this machine has no IPv6")
    assert refusal(configure(gateway, **variables)) == ""


def test_the_page_of_links_has_the_script_that_browsers_are_told_to_run() -> None:
    (script,) = re.findall(r"<script>(.*?)</script>", (ROLE / "templates/include/index.html").read_text(), re.DOTALL)
    assert "$" not in script, "it would be another for each user"
    told = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert evaluated("{{ __gateway_index_script }}") == f"sha256-{told}"


@pytest.mark.parametrize(
    ("ancestors", "told"),
    [
        (["'self'"], "\"frame-ancestors 'self'\";"),
        (["'self'", "https://wiki.example.org"], "\"frame-ancestors 'self' https://wiki.example.org\";"),
        ([], '"";'),
    ],
)
def test_who_may_show_pages_in_frames(gateway: Gateway, ancestors: list[str], told: str) -> None:
    assert refusal(configure(gateway, gateway_frame_ancestors=ancestors)) == ""
    text = Path(gateway.paths.includes, "gateway.conf").read_text(encoding="utf-8")
    policy = 'map $upstream_http_content_security_policy $vizgate_framing {\n    "" %s\n    ~*frame-ancestors "";\n    default %s\n}'
    assert policy % (told, told) in text


@pytest.mark.parametrize(
    ("proxy", "is_one"),
    [
        *(
            (proxy, True)
            for proxy in ("10.0.0.7", "10.0.0.0/28", "255.0.0.1/32", "2001:db8::/64", "::1", "::ffff:10.0.0.7")
        ),
        *(
            (proxy, False)
            for proxy in ("proxy.example", "10.0.0", "300.0.0.1", "10.0.0.1/0", "10.0.0.1/33", "10.0.0.1/", "")
        ),
        *((proxy, False) for proxy in ("::/0", "::1/129", "abcd", "unix:", "10.0.0.7; root /", "10.0.0.7\n", "::1\n")),
    ],
)
def test_what_is_a_proxys_address(proxy: str, is_one: bool) -> None:
    assert evaluated("{{ proxy is match(__gateway_proxy) }}", proxy=proxy) == str(is_one)


@pytest.mark.parametrize("variables", [{}, {"gateway_hsts_seconds": 86400, "gateway_redirect_port": 0}])
def test_nginx_takes_the_whole_configuration_with_tls(gateway: Gateway, variables: dict[str, Any]) -> None:
    declare(gateway)
    certificates.install(gateway.paths.certificate, certificates.self_signed(["gate"]))
    version = subprocess.run([NGINX or "", "-v"], capture_output=True, text=True, check=True).stderr
    variables = {"gateway_redirect_port": free_port(), **variables}
    configuration = configure(gateway, gateway_tls=True, __gateway_nginx={"stderr": version}, **variables)
    assert refusal(configuration) == ""
    text = Path(gateway.paths.includes, "gateway.conf").read_text(encoding="utf-8")
    assert text.count("Strict-Transport-Security max-age=86400 always;") == (
        6 if "gateway_hsts_seconds" in variables else 0
    )


@pytest.mark.parametrize(
    ("version", "listen", "directive"), [("1.22.1", " ssl http2 ", 0), ("1.25.1", " ssl ", 1), ("1.26.3", " ssl ", 1)]
)
def test_http2_is_switched_on_as_this_nginx_has_it(version: str, listen: str, directive: int) -> None:
    nginx = {"stderr": f"nginx version: nginx/{version} (Ubuntu)"}
    text = rendered("nginx/gateway.conf.j2", gateway_tls=True, __gateway_nginx=nginx)
    assert f"listen 127.0.0.1:1234{listen}" in text
    assert text.count("http2 on;") == directive


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({}, "http://gate:1234"),
        ({"gateway_listen_port": 80}, "http://gate"),
        ({"gateway_tls": True}, "https://gate:1234"),
        ({"gateway_tls": True, "gateway_listen_port": "443"}, "https://gate"),
        ({"gateway_tls": True, "gateway_listen_port": 80}, "https://gate:80"),
    ],
)
def test_the_public_address_is_as_browsers_write_it(variables: dict[str, Any], url: str) -> None:
    assert evaluated("{{ gateway_public_url }}", **variables) == url


def test_a_setting_of_the_request_logic_that_does_not_exist_is_refused(gateway: Gateway) -> None:
    configuration = configure(gateway)
    conf = Path(gateway.paths.includes, "gateway.conf")
    text = with_settings(conf.read_text(encoding="utf-8"), "vizgate.configure { loopback = 1 }")
    conf.write_text(text, encoding="utf-8")
    assert NGINX
    # only a start runs it, a mere look at the configuration does not
    done = subprocess.run([NGINX, "-e", "stderr", "-c", configuration], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "vizgate has no setting 'loopback'; config.lua has a list" in done.stderr


def test_nginx_takes_the_password_checkers_configuration(gateway: Gateway) -> None:
    configuration = configure(gateway)
    assert refusal(os.path.join(os.path.dirname(configuration), "auth.conf")) == ""


def test_nginx_takes_the_configuration_of_a_whole_host(gateway: Gateway) -> None:
    declare(gateway)
    root = gateway.paths.root
    configuration = configure(gateway)
    whole_host = rendered("nginx/gateway.conf.j2", __gateway_root=root, gateway_listen_port=free_port())
    Path(root, "whole-host.conf").write_text(whole_host, encoding="utf-8")
    # stands for Debian's nginx.conf
    text = Path(configuration).read_text(encoding="utf-8")
    assert f"include {root}/etc/nginx/vizgate/gateway.conf;" in text
    text = text.replace(f"{root}/etc/nginx/vizgate/gateway.conf", f"{root}/whole-host.conf")
    Path(configuration).write_text(text, encoding="utf-8")
    assert refusal(configuration) == ""


def test_nginx_reads_the_include_files_of_all_users(gateway: Gateway) -> None:
    declare(gateway)
    gateway.declare("apps", lambda registry: {"bob": ALICE, "alice": data({"name": "app", "port": 9000})})
    configuration = configure(gateway)
    with serving(gateway, configuration):
        found = control.served(gateway.paths.control, ["alice/training", "alice/app", "bob/training", "bob/app"])
        live = gateway.info()["live"]
    assert found == {
        "alice/training": "keep 127.0.0.1:8097",
        "alice/app": "strip 127.0.0.1:9000",
        "bob/training": "keep 127.0.0.1:8097",
        "bob/app": "",
    }
    assert live is True


def test_a_broken_include_file_would_be_noticed(gateway: Gateway) -> None:
    declare(gateway)
    configuration = configure(gateway)
    with Path(gateway.paths.includes, "links.d", "alice.map").open("a", encoding="utf-8") as file:
        file.write('"alice/x" "strip 10.0.0.1:22"')
    assert "alice.map" in refusal(configuration)


def test_backends_see_no_credentials() -> None:
    text = rendered("nginx/gateway.conf.j2")
    assert 'proxy_set_header Authorization "";' in text
    assert "proxy_set_header Cookie $vizgate_cookies;" in text


@pytest.mark.parametrize(
    "lines",
    [
        ["10.0.0.0/8", "*"],
        ["*.lab.example", "::1/128"],
        ["null", "no", "1e3", "0x10", "gpu-1", "2026-01-02"],
    ],
)
def test_the_policy_is_read_back_as_it_was_given(lines: list[str]) -> None:
    text = evaluated(POLICY, gateway_allowed_hosts=lines, gateway_allowed_ports=["1024-65535", "80"])
    found = Policy.parse(json.loads(text), "policy.json")
    assert list(found.allowed_hosts) == lines
    assert list(found.allowed_ports) == ["1024-65535", "80"]


def test_the_default_policy_is_one() -> None:
    found = Policy.parse(json.loads(evaluated(POLICY)), "policy.json")
    assert (found.url, found.self_service) == ("http://gate:1234", True)
    assert (found.links_per_user, found.logins_per_user) == (200, 50)
    assert found.legacy_hashes_until == ""


def test_a_day_of_the_policy_may_be_written_without_quotes() -> None:
    found = Policy.parse(
        json.loads(evaluated(POLICY, gateway_legacy_hashes_until=datetime.date(2027, 3, 31))), "policy"
    )
    assert found.legacy_hashes_until == "2027-03-31"
    with pytest.raises(InvalidData, match=r"legacy_hashes_until '31.3.2027' is not a day like 2027-03-31, or empty"):
        Policy.parse(json.loads(evaluated(POLICY, gateway_legacy_hashes_until="31.3.2027")), "policy")


@pytest.mark.skipif(not shutil.which("visudo", path="/usr/sbin:/usr/bin"), reason="sudo is not installed here")
def test_sudo_takes_the_rule(tmp_path: Path) -> None:
    path = tmp_path / "sudoers"
    path.write_text(rendered("sudoers.j2"), encoding="utf-8")
    path.chmod(0o440)
    subprocess.run(["/usr/sbin/visudo", "-cf", path], check=True, capture_output=True)


def test_sudo_allows_exactly_the_reload_and_the_helper() -> None:
    # a command without arguments would allow all arguments
    reload = "ALL ALL=(root) NOPASSWD: /usr/sbin/service nginx reload"
    helper = 'ALL ALL=(root) NOPASSWD: /usr/local/libexec/vizgate/apply ""'
    for self_service, rules in ((True, [reload, helper]), (False, [reload])):
        lines = rendered("sudoers.j2", gateway_self_service=self_service).splitlines()
        assert [line for line in lines if line and not line.startswith(("#", "Defaults!", "Cmnd_Alias "))] == rules
        # the settings are for all of them
        commands = [rule.partition("NOPASSWD: ")[2] for rule in rules]
        assert f"Cmnd_Alias VIZGATE = {', '.join(commands)}" in lines


@pytest.mark.parametrize("folder", ["/home/alice/gateway", "/home/al ice/$(id);x"])
def test_the_rootless_command_is_a_shell_script_for_any_folder(tmp_path: Path, folder: str) -> None:
    path = tmp_path / "script"
    path.write_text(rendered("rootless.sh.j2", gateway_rootless_dir=folder), encoding="utf-8")
    subprocess.run(["sh", "-n", path], check=True, capture_output=True)
    done = subprocess.run(["sh", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: ")
    assert f"root={shlex.quote(folder)}\n" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", ["", "/home/alice/gateway"])
def test_the_role_and_the_core_agree_about_places(folder: str) -> None:
    paths = Paths(folder or "/")
    gateway_conf = rendered("nginx/gateway.conf.j2", gateway_rootless_dir=folder)
    auth_conf = rendered("nginx/auth.conf.j2", gateway_rootless_dir=folder)
    assert f"listen unix:{paths.control};" in gateway_conf
    assert f"include {paths.includes}/links.d/*.map;" in gateway_conf
    assert f"root {paths.includes}/pages;" in gateway_conf
    assert f'lua_package_path "{paths.lib}/lua/?.lua;;";' in gateway_conf
    assert f"auth_basic_user_file {paths.includes}/logins.d/$http_x_vizgate_user.htpasswd;" in auth_conf
    socket = re.search(r"listen unix:(\S+);", auth_conf)
    assert socket
    assert f'checker = "unix:{socket[1]}",' in gateway_conf


@pytest.mark.parametrize(
    ("url", "place", "path"),
    [
        ("http://127.0.0.1:4180/-/oauth2/auth", "127.0.0.1:4180", "/-/oauth2/auth"),
        ("http://[::1]:9091/api?a=b", "[::1]:9091", "/api?a=b"),
        ("http://unix:/run/o/socket:/-/oauth2/auth", "unix:/run/o/socket", "/-/oauth2/auth"),
    ],
)
def test_nginx_takes_the_whole_configuration_with_a_sign_in_service(
    gateway: Gateway, url: str, place: str, path: str
) -> None:
    configuration = configure(gateway, gateway_auth="forward", gateway_forward_auth_url=url)
    assert refusal(configuration) == ""
    text = Path(gateway.paths.includes, "gateway.conf").read_text(encoding="utf-8")
    assert f'place = "{place}"' in text
    assert f'path = "{path}"' in text
    assert f"proxy_pass http://{place};" in text


def test_only_with_pam_is_the_checker_in_the_group_of_shadow() -> None:
    unit = "systemd/vizgate-auth.service.j2"
    assert "SupplementaryGroups=shadow\n" in rendered(unit, gateway_auth="pam")
    assert "shadow" not in rendered(unit) + rendered(unit, gateway_auth="forward")
