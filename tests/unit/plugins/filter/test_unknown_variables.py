# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Misspelt variables of every role: refused by its first task, with the name that was meant, before anything else happens."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.vizgate.gateway.plugins.filter.unknown_variables import RESULTS, unknown_variables
from ansible_collections.vizgate.gateway.tests.readme import ROLES, options
from ansible_collections.vizgate.gateway.tests.unit.support import COLLECTION

HOSTS = f"all: {{hosts: {{localhost: {{ansible_connection: local, ansible_python_interpreter: {sys.executable}}}}}}}"


@pytest.mark.parametrize(
    ("role", "name", "advice"),
    [
        ("gateway", "gateway_lockout_adress_failures", "did you mean 'gateway_lockout_failures'?"),
        ("gateway", "gateway_tsl", "did you mean 'gateway_tls'?"),
        ("firewall", "firewall_sshd_ports", "did you mean 'firewall_ssh_ports'?"),
        ("accounts", "accounts_entirely_different", "remove it."),
    ],
)
def test_a_misspelt_name_is_a_problem_with_advice(role: str, name: str, advice: str) -> None:
    assert unknown_variables([name], role) == [
        f"role {role} has no variable '{name}'; {advice} If something else uses it, add it to gateway_ignored_variables."
    ]


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_what_the_role_knows_is_no_problem(role: Path) -> None:
    known = options(role)
    others = ["__gateway_policy", "ansible_facts", "inventory_dir", "gatewayed", "firewalls", role.name]
    assert unknown_variables([*known, *others, *RESULTS], role.name) == []


def test_variables_of_something_else_are_ignored_by_name_or_pattern() -> None:
    names = ["firewall_allowed_tcp_ports", "firewall_log", "firewall_logs"]
    assert len(unknown_variables(names, "firewall")) == 3
    assert len(unknown_variables(names, "firewall", ["firewall_log"])) == 2
    assert unknown_variables(names, "firewall", ["firewall_allowed_*", "firewall_log*"]) == []


def test_the_results_are_the_facts_that_the_collection_sets() -> None:
    files = [*COLLECTION.glob("roles/*/tasks/*.yml"), *COLLECTION.glob("playbooks/*.yml")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    # what a set_fact task sets stands further to the right than the module's name
    found = set(re.findall(r"^( *)ansible\.builtin\.set_fact:\n(?:\1 +.*\n)*?\1  ([a-z]\w+):", text, re.MULTILINE))
    found = {name for _indent, name in found}
    registered = set(re.findall(r"^ *register: (\w+)", text, re.MULTILINE))
    assert {name for name in found | registered if not name.startswith("_")} == RESULTS


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_the_role_begins_with_it(role: Path) -> None:
    first = yaml.safe_load((role / "tasks" / "main.yml").read_text(encoding="utf-8"))[0]
    assert first["ansible.builtin.include_tasks"] == "preflight.yml"
    assert "when" not in first
    task = yaml.safe_load((role / "tasks" / "preflight.yml").read_text(encoding="utf-8"))[0]
    assert task["name"] == "Refuse unknown variables"
    assert "when" not in task


def converged(folder: Path, role: str, *variables: str) -> str:
    """What Ansible says when it runs the role on this host in check mode, up to its first error."""
    play = [{"hosts": "all", "gather_facts": False, "roles": [f"vizgate.gateway.{role}"]}]
    (folder / "play.yml").write_text(yaml.safe_dump(play), encoding="utf-8")
    (folder / "hosts.yml").write_text(HOSTS, encoding="utf-8")
    command = [sys.executable, "-m", "ansible", "playbook", "--check", "-i", "hosts.yml", "play.yml"]
    for variable in variables:
        command += ["-e", variable]
    done = subprocess.run(
        command,
        cwd=folder,
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTION / "collections"),
            "ANSIBLE_HOME": str(folder / "home"),
            "ANSIBLE_INJECT_FACT_VARS": "false",
            "ANSIBLE_NOCOLOR": "1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode != 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_ansible_refuses_it_before_anything_else(tmp_path: Path) -> None:
    said = converged(tmp_path, "gateway", "gateway_lockout_adress_failures=3", "gateway_url_stile=path")
    assert "did you mean 'gateway_lockout_failures'?" in said
    assert "did you mean 'gateway_url_style'?" in said
    assert "Gather the facts of the host" not in said


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_role_refuses_its_own(tmp_path: Path, role: Path) -> None:
    name, ignored = f"{role.name}_surely_unknown", f"{role.name}_of_another_tool"
    variables = {name: 1, ignored: 1, "gateway_ignored_variables": [ignored]}
    said = converged(tmp_path, role.name, json.dumps(variables))
    assert f"role {role.name} has no variable '{name}'; remove it." in said
    assert ignored not in said


def test_ansible_goes_on_where_it_is_ignored(tmp_path: Path) -> None:
    # the next reason to refuse is in a later task
    ignored = '{"gateway_ignored_variables": ["gateway_legacy_*"], "gateway_legacy_site": 1}'
    said = converged(tmp_path, "gateway", ignored, "gateway_rootless_dir=relative")
    assert "has no variable" not in said
    assert "gateway_rootless_dir is relative; set an absolute path" in said
