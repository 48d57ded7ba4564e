"""The git workflow of docs/guide/git-workflow.md: a bare repository whose hook plans branches and publishes main, and the CI files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from conftest import Backends
from rig import REPOSITORY, Rig

EXAMPLES = REPOSITORY / "docs/examples/git-workflow"
ALICE = ("alice", "wonder")
CAROL = ("carol", "christmas")


class Site:
    """A bare repository with a site in it, and a clone of alice's."""

    def __init__(self, rig: Rig, folder: Path, users: Mapping[str, object]) -> None:
        self.origin, self.clone = folder / "site.git", folder / "clone"
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "GIT_"))}
        self.environment |= {
            "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / "collections"),
            "ANSIBLE_NOCOLOR": "1",
            "GIT_AUTHOR_EMAIL": "alice@example.org",
            "GIT_AUTHOR_NAME": "alice",
            "GIT_COMMITTER_EMAIL": "alice@example.org",
            "GIT_COMMITTER_NAME": "alice",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        self.run(folder, "git", "init", "--quiet", "--bare", "--initial-branch=main", str(self.origin))
        self.run(folder, "git", "clone", "--quiet", str(self.origin), str(self.clone))
        self.run(self.clone, "git", "checkout", "--quiet", "-b", "main")
        host = {key: value for key, value in rig.host.items() if key != "gateway_users_dir"}
        self.write("inventories/lab/hosts.yml", {"gateways": {"hosts": {"gate": host}}})
        for user, data in users.items():
            self.write(f"users/lab/{user}.yml", data)
        (self.clone / "ci").mkdir()
        for source, target in (("links", "ci/links"), ("CODEOWNERS", "CODEOWNERS")):
            (self.clone / target).write_bytes((EXAMPLES / source).read_bytes())
        (self.clone / "ci/links").chmod(0o755)
        self.commit("site")
        self.push("main")
        # from the second push on, as the guide has it
        (self.origin / "hooks/post-receive").write_bytes((EXAMPLES / "post-receive").read_bytes())
        (self.origin / "hooks/post-receive").chmod(0o755)

    def run(self, folder: Path, *command: str, code: int = 0, **environment: str) -> str:
        """Runs a command; returns what it printed."""
        done = subprocess.run(
            command,
            cwd=folder,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    def write(self, path: str, data: object) -> None:
        """Writes a file of the clone: a text, or data as YAML."""
        file = self.clone / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(data if isinstance(data, str) else yaml.safe_dump(data), encoding="utf-8")

    def branch(self, name: str) -> None:
        """Begins a branch from main."""
        self.run(self.clone, "git", "checkout", "--quiet", "-B", name, "main")

    def commit(self, message: str) -> None:
        self.run(self.clone, "git", "add", "--all")
        self.run(self.clone, "git", "commit", "--quiet", "--message", message)

    def push(self, branch: str) -> str:
        """Pushes; returns what the hook printed."""
        return self.run(self.clone, "git", "push", "--quiet", "origin", branch)

    def merge(self, branch: str) -> str:
        """Merges a branch into main and pushes that."""
        self.run(self.clone, "git", "checkout", "--quiet", "main")
        self.run(self.clone, "git", "merge", "--quiet", "--no-edit", "--no-ff", branch)
        return self.push("main")


def users_files(rig: Rig) -> dict[str, dict[str, list[dict[str, object]]]]:
    """What the gateway's own users files declare."""
    folder = rig.folder / "inventory/users"
    return {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in folder.glob("*.yml")}


@pytest.fixture
def site(gate: Rig, tmp_path: Path) -> Iterator[Site]:
    """A repository that has what the gateway serves; in the end the gateway's own users files hold again."""
    yield Site(gate, tmp_path, users_files(gate))
    done = gate.run("ansible-playbook", "-i", str(gate.inventory), "playbooks/links.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def with_link(gate: Rig, backends: Backends, name: str) -> dict[str, object]:
    """Alice's users file with one more link."""
    alice = users_files(gate)["alice"]
    return {**alice, "links": [*alice["links"], {"name": name, "port": backends.alice.port}]}


def test_a_branch_is_planned_and_main_is_published(gate: Rig, backends: Backends, site: Site) -> None:
    site.branch("notebook")
    site.write("users/lab/alice.yml", with_link(gate, backends, "notebook"))
    site.commit("alice: publish the notebook")
    plan = site.push("notebook")
    assert f"/alice/notebook/ -> 127.0.0.1:{backends.alice.port}" in plan
    assert "changed=1" in plan
    assert gate.get("/alice/notebook/", ALICE).status == 404

    applied = site.merge("notebook")
    assert f"/alice/notebook/ -> 127.0.0.1:{backends.alice.port}" in applied
    assert gate.get("/alice/notebook/", ALICE).backend == "alice's"
    assert gate.get("/alice/echo/", ALICE).backend == "alice's"
    assert site.run(site.origin, "git", "worktree", "list").count("\n") == 1


def test_a_plan_is_of_the_merge(gate: Rig, backends: Backends, site: Site) -> None:
    """What has come to main since a branch was made is not in its plan."""
    site.branch("old")
    site.write("users/lab/alice.yml", with_link(gate, backends, "notebook"))
    site.commit("alice: publish the notebook")
    site.branch("carol")
    carol = {
        "links": [{"name": "plots", "port": backends.bob.port}],
        "logins": [{"name": CAROL[0], "password": CAROL[1]}],
    }
    site.write("users/lab/carol.yml", carol)
    site.commit("carol: new user")
    site.merge("carol")
    assert gate.get("/carol/plots/", CAROL).backend == "bob's"
    plan = site.push("old")
    assert "/alice/notebook/" in plan
    assert "/carol/" not in plan
    # and what leaves the folder leaves the gateway
    site.branch("gone")
    (site.clone / "users/lab/carol.yml").unlink()
    site.commit("carol: leave")
    assert "/carol/plots/" in site.push("gone")
    site.merge("gone")
    assert gate.get("/carol/plots/", CAROL).status == 401


def test_a_mistake_is_reported_with_file_and_line(gate: Rig, site: Site) -> None:
    site.branch("typo")
    site.write("users/lab/alice.yml", "links:\n  - name: notebook\n    port: 99999\n")
    site.commit("alice: publish the notebook")
    assert "lab/alice.yml:3: link 'notebook': port 99999 is not in 1-65535" in site.push("typo")


def test_a_proposal_runs_no_code(gate: Rig, site: Site, tmp_path: Path) -> None:
    """Only users files are taken from a proposal: no script, inventory, setting or link of it counts."""
    ran = tmp_path / "ran"
    site.branch("attack")
    site.write("ci/links", f"#!/bin/sh\ntouch {ran}\n")
    site.write("inventories/lab/hosts.yml", f"#!/bin/sh\ntouch {ran}\n")
    (site.clone / "inventories/lab/hosts.yml").chmod(0o755)
    site.write("ansible.cfg", "[defaults]\ncallback_plugins = plugins\n")
    site.write("users/lab/mallory.yml", f"#!/bin/sh\ntouch {ran}\n")
    (site.clone / "users/lab/mallory.yml").chmod(0o755)
    (site.clone / "users/lab/eve.yml").symlink_to("/etc/passwd")
    site.commit("attack")
    plan = site.push("attack")
    assert "not in this plan, an administrator has to review it: ci/links" in plan
    assert "not in this plan, an administrator has to review it: inventories/lab/hosts.yml" in plan
    assert "lab/mallory.yml:" in plan
    assert "lab/eve.yml" in plan
    assert "root:" not in plan
    assert not ran.exists()


def jobs(name: str) -> dict[str, list[str]]:
    """The commands that a CI file runs to plan and to publish."""
    data = yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8"))
    if name.startswith("gitlab"):
        return {job: data[job]["script"] for job in ("plan", "apply")}
    steps = {step.get("name"): step for step in data["jobs"]["links"]["steps"]}
    return {"plan": steps["Plan"]["run"].splitlines(), "apply": steps["Apply"]["run"].splitlines()}


@pytest.mark.parametrize("name", ["gitlab-ci.yml", "github-workflow.yml"])
def test_the_jobs_of_the_ci_files_do_the_same(
    gate: Rig, backends: Backends, site: Site, tmp_path: Path, name: str
) -> None:
    (site.origin / "hooks/post-receive").unlink()
    site.branch("notebook")
    site.write("users/lab/alice.yml", with_link(gate, backends, "notebook"))
    site.commit("alice: publish the notebook")
    site.push("notebook")
    commit = site.run(site.clone, "git", "rev-parse", "HEAD").strip()
    site.run(site.origin, "git", "update-ref", "refs/pull/7/head", commit)
    runner = tmp_path / "runner"
    site.run(tmp_path, "git", "clone", "--quiet", str(site.origin), str(runner))
    if name.startswith("gitlab"):
        site.run(runner, "git", "checkout", "--quiet", commit)
    variables = {
        "CI_COMMIT_SHA": commit,
        "CI_DEFAULT_BRANCH": "main",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        "NUMBER": "7",
    }
    plan = site.run(runner, "sh", "-euc", "\n".join(jobs(name)["plan"]), **variables)
    assert "/alice/notebook/" in plan
    assert gate.get("/alice/notebook/", ALICE).status == 404
    site.merge("notebook")
    site.run(runner, "sh", "-euc", "\n".join(jobs(name)["apply"]), **variables)
    assert gate.get("/alice/notebook/", ALICE).backend == "alice's"
