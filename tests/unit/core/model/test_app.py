# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apps in users files: what is read, and what is refused in which words."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.app import (
    App,
    Limits,
    parse_apps,
    with_secrets,
)
from ansible_collections.vizgate.gateway.plugins.plugin_utils._users_files import parse_files
from ansible_collections.vizgate.gateway.tests.unit.support import COLLECTION

REPO = "https://git.example.org/alice/flask-tasks.git"
MINIMAL = {"name": "flasktasks", "repo": REPO, "entry": "wsgi:application"}

ISSUE = """\
apps:
  - name: flasktasks
    repo: https://git.example.org/alice/flask-tasks.git
    version: v1.4
    subdirectory: server
    requirements: requirements.txt
    entry: wsgi:application
    workers: 2
    supervisor: systemd
    migrate: flask db upgrade
    environment: {APP_CONFIG: production}
    secrets: {SECRET_KEY: generate}
    database: postgresql
    health: /healthz
    limits: {memory: 1G, cpu: 150%}
"""


def said(**changes: Any) -> list[str]:
    """What is said about an app that is right but for the changes."""
    data = {key: value for key, value in {**MINIMAL, **changes}.items() if value is not None}
    return [problem.text for problem in parse_apps({"apps": [data]})[1]]


def test_the_example_of_the_documentation() -> None:
    assert parse_apps(yaml.safe_load(ISSUE)) == (
        (
            App(
                name="flasktasks",
                repo=REPO,
                entry="wsgi:application",
                version="v1.4",
                subdirectory="server",
                migrate="flask db upgrade",
                environment=(("APP_CONFIG", "production"),),
                secrets=(("SECRET_KEY", "generate"),),
                database="postgresql",
                health="/healthz",
                limits=Limits("1G", "150%"),
            ),
        ),
        [],
    )


@pytest.mark.parametrize(
    "text",
    [
        ISSUE,
        f"apps: [{{name: a, repo: {REPO}, entry: 'a:b()', supervisor: supervisord, shared: [a, b/c]}}]",
        f"apps: [{{name: a, repo: {REPO}, entry: 'a:b', limits: {{tasks: 9}}, asgi: true, gpu: true, secrets: {{A: x}}}}]",
        f"apps: [{{name: a, repo: {REPO}, entry: 'a:b', conda: environment.yml}}]",
        f"apps: [{{name: a, repo: {REPO}, entry: 'a:b', conda: e.yml, requirements: requirements.txt}}]",
        f"apps: [{{name: a, repo: {REPO}, entry: 'a:b', requirements: ''}}]",
    ],
)
def test_what_is_sent_to_the_host_is_what_was_declared(text: str) -> None:
    apps, problems = parse_apps(yaml.safe_load(text))
    assert problems == []
    assert parse_apps({"apps": [app.as_json() for app in apps]}) == (apps, [])


@pytest.mark.parametrize("repo", ["/srv/git/a.git", "git@host:alice/a.git", "ssh://git@host:22/a", "git://host/a"])
def test_repositories(repo: str) -> None:
    assert said(repo=repo) == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"name": None}, "app: it has no name"),
        (
            {"name": "Flask_Tasks"},
            "app 'Flask_Tasks': the name must be 1 to 40 lower-case letters, digits and '-', and must not begin or end with '-'",
        ),
        ({"repo": None}, "app 'flasktasks': it has no repo"),
        ({"entry": None}, "app 'flasktasks': it has no entry"),
        ({"entry": "wsgi"}, "app 'flasktasks': entry 'wsgi' is not like wsgi:application"),
        ({"entry": "a:b --reload"}, "app 'flasktasks': entry 'a:b --reload' is not like wsgi:application"),
        (
            {"repo": "ext::sh -c id"},
            "app 'flasktasks': repo 'ext::sh -c id' is not an https, ssh or git URL, or an absolute path",
        ),
        (
            {"repo": "--upload-pack=id"},
            "app 'flasktasks': repo '--upload-pack=id' is not an https, ssh or git URL, or an absolute path",
        ),
        (
            {"repo": "https://alice:geheim@host/a"},
            "app 'flasktasks': repo contains a password, which other users could see; use an SSH key of the user",
        ),
        ({"version": "-x"}, "app 'flasktasks': version '-x' is not a tag, branch or commit"),
        ({"version": ""}, "app 'flasktasks': version '' is not a tag, branch or commit"),
        (
            {"subdirectory": "../other"},
            "app 'flasktasks': subdirectory '../other' is not a path below the app's own folder, without '.' and '..'",
        ),
        (
            {"shared": ["/etc"]},
            "app 'flasktasks': shared '/etc' is not a path below the app's own folder, without '.' and '..'",
        ),
        (
            {"conda": "../environment.yml"},
            "app 'flasktasks': conda '../environment.yml' is not a path below the app's own folder, without '.' and '..'",
        ),
        (
            {"conda": True},
            "app 'flasktasks': conda 'True' is not a path below the app's own folder, without '.' and '..'",
        ),
        ({"shared": ["a", "a/b"]}, "app 'flasktasks': shared 'a/b' is inside 'a'; keep one"),
        ({"workers": 0}, "app 'flasktasks': workers '0' is not a number from 1 to 64"),
        ({"workers": True}, "app 'flasktasks': workers 'True' is not a number from 1 to 64"),
        ({"asgi": "yes"}, "app 'flasktasks': asgi 'yes' is neither true nor false"),
        (
            {"supervisor": "supervisor"},
            "app 'flasktasks': supervisor 'supervisor' is not known; did you mean 'supervisord'?",
        ),
        (
            {"supervisor": "supervisord", "limits": {"cpu": "50%"}},
            "app 'flasktasks': supervisord does not support limits; remove limits, or set supervisor: systemd",
        ),
        ({"database": "postgres"}, "app 'flasktasks': database 'postgres' is not known; did you mean 'postgresql'?"),
        ({"health": "healthz"}, "app 'flasktasks': health 'healthz' is not a path like /healthz"),
        ({"health": "/a b"}, "app 'flasktasks': health '/a b' is not a path like /healthz"),
        ({"limits": {"memory": "1 GB"}}, "app 'flasktasks': memory '1 GB' is not like 512M or 2G"),
        ({"limits": {"cpu": 2}}, "app 'flasktasks': cpu '2' is not like 150%"),
        ({"limits": {"ram": "1G"}}, "app 'flasktasks': limits: unknown key 'ram'; known keys: memory, cpu, tasks"),
        ({"migrate": "a\nb"}, "app 'flasktasks': migrate 'a\\nb' is not a command on one line"),
        (
            {"environment": {"A-B": "x"}},
            "app 'flasktasks': environment: 'A-B' is not a valid name of an environment variable",
        ),
        (
            {"environment": {"PATH": "/x"}},
            "app 'flasktasks': environment: PATH is set by the gateway; choose another name",
        ),
        ({"environment": {"DEBUG": True}}, "app 'flasktasks': environment: DEBUG is not a text; quote it"),
        (
            {"environment": {"A": "x\nB=y"}},
            "app 'flasktasks': environment: A has control characters, or more than 4096 characters",
        ),
        (
            {"environment": {"A": "x"}, "secrets": {"A": "y"}},
            "app 'flasktasks': A is in environment and in secrets; keep one",
        ),
        ({"colour": "red"}, "app 'flasktasks': unknown key 'colour'; known keys: name, repo, entry, version,"),
        ({"worker": 2}, "app 'flasktasks': unknown key 'worker'; did you mean 'workers'?"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], text: str) -> None:
    found = said(**changes)
    assert len(found) == 1
    assert found[0].startswith(text)


@pytest.mark.parametrize(
    ("given", "requirements"),
    [
        ({}, "requirements.txt"),
        ({"requirements": ""}, ""),
        ({"conda": "environment.yml"}, ""),
        ({"conda": "environment.yml", "requirements": "requirements.txt"}, "requirements.txt"),
    ],
)
def test_conda_leaves_out_requirements_that_nobody_asked_for(given: dict[str, str], requirements: str) -> None:
    ((app,), _problems) = parse_apps({"apps": [{**MINIMAL, **given}]})
    assert (app.conda, app.requirements) == (given.get("conda", ""), requirements)


def test_no_secret_is_ever_told() -> None:
    (app,), _problems = parse_apps({"apps": [{**MINIMAL, "secrets": {"KEY": "geheim"}}]})
    assert "geheim" not in repr(app)
    assert "geheim" not in str(said(secrets={"KEY": "geheim\n"}))


def test_links_and_apps_share_no_name_and_problems_have_lines() -> None:
    text = f"""\
links:
  - {{name: flasktasks, port: 8097}}
apps:
  - name: flasktasks
    repo: {REPO}
    entry: wsgi:application
  - name: other
    repo: {REPO}
    entry: wsgi
"""
    declared = parse_files({"users/alice.yml": text}, str)
    assert declared.problems == [
        "users/alice.yml:4: app 'flasktasks': a link has this name; take another",
        "users/alice.yml:9: app 'other': entry 'wsgi' is not like wsgi:application",
    ]


def test_the_example_inventory() -> None:
    text = (COLLECTION / "users/example/alice.yml").read_text(encoding="utf-8")
    declared = parse_files({"users/alice.yml": text}, str)
    assert ([app.name for app in declared.apps["alice"]], declared.problems) == (["flasktasks"], [])


def test_files_without_apps_are_as_before() -> None:
    declared = parse_files({"users/alice.yml": "links: []\n", "users/bob.yml": "apps:\n"}, str)
    assert (declared.apps, declared.problems) == ({"bob": ()}, [])


def test_secrets_are_generated_once() -> None:
    (app,), _problems = parse_apps({"apps": [{**MINIMAL, "secrets": {"A": "generate", "B": "generate", "C": "given"}}]})
    assert with_secrets(app, {"A": "kept", "C": "former"}, lambda: "new") == {"A": "kept", "B": "new", "C": "given"}


def test_databases_whose_names_postgresql_would_cut_are_refused() -> None:
    data = {"apps": [{**MINIMAL, "name": "a" * 40, "database": "postgresql"}]}
    assert parse_apps(data, "u" * 22)[1] == []
    (problem,) = parse_apps(data, "u" * 23)[1]
    assert problem.path == ("apps", 0, "name")
    assert "a name of 64 characters, and PostgreSQL knows 63; take a shorter name" in problem.text
    data["apps"][0]["database"] = "sqlite"
    assert parse_apps(data, "u" * 32)[1] == []
