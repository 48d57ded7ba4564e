"""The modules, as `ansible` runs them against the gateway: check, diff, second run, errors in words, no secrets."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link, Login
from conftest import Backends
from rig import ALICE, Rig, eventually

SECRET = "s3cret-Wort"
HASH = "$2y$04$abcdefghijklmnopqrstuuMmYlVUWPwJQHOP3VBqSYzcmHGDFUNVC"


class Adhoc:
    """One module call: its result, and all that was printed."""

    def __init__(self, gate: Rig, module: str, arguments: dict[str, Any], *options: str) -> None:
        given = ["-a", json.dumps(arguments)] if arguments else []
        done = gate.run(
            "ansible", "gate", "-i", str(gate.inventory), "-m", f"vizgate.gateway.{module}",
            *given, *options,
        )  # fmt: skip
        self.printed = done.stdout + done.stderr
        found = re.search(r"^gate \| (\w+)!? => (?=\{)", done.stdout, re.MULTILINE)
        assert found, self.printed
        self.outcome = found[1]
        self.result = json.JSONDecoder().raw_decode(done.stdout, found.end())[0]


def test_link(gate: Rig, backends: Backends) -> None:
    wanted = {
        "user": "alice",
        "name": "board",
        "port": backends.alice.port,
        "kind": "tensorboard",
        "description": "<b>12",
    }
    line = f"/alice/board/ -> 127.0.0.1:{backends.alice.port} (tensorboard, prefix keep)"
    plan = [{"action": "add", "url": "/alice/board/", "target": f"127.0.0.1:{backends.alice.port}", "user": "alice"}]
    before = gate.state()
    checked = Adhoc(gate, "link", wanted, "--check", "--diff")
    assert (checked.outcome, checked.result["plan"], f"+{line}" in checked.printed) == ("CHANGED", plan, True)
    assert gate.state() == before
    assert gate.get("/alice/board/", ALICE).status == 404

    done = Adhoc(gate, "link", wanted)
    assert (done.outcome, done.result["plan"], done.result["reload"]) == ("CHANGED", plan, False)
    assert gate.get("/alice/board/x", ALICE).json()["target"] == "/alice/board/x"
    assert Adhoc(gate, "link", wanted, "--diff").outcome == "SUCCESS"

    gone = {"user": "alice", "name": "board", "state": "absent"}
    removed = Adhoc(gate, "link", gone, "--diff")
    assert (removed.outcome, removed.result["plan"][0]["action"], f"-{line}" in removed.printed) == (
        "CHANGED",
        "remove",
        True,
    )
    assert gate.get("/alice/board/", ALICE).status == 404
    assert Adhoc(gate, "link", gone).outcome == "SUCCESS"
    assert gate.state() == before


def test_user(gate: Rig, backends: Backends, tmp_path: Path) -> None:
    def state() -> dict[str, bytes]:
        """Less the map that stays, as nginx may be about to open it."""
        return {path: text for path, text in gate.state().items() if not path.endswith("/links.d/carol.map")}

    before = state()
    for source in ("apps", "sessions"):
        link = {"user": "carol", "name": source, "port": backends.alice.port, "source": source}
        assert Adhoc(gate, "link", link).outcome == "CHANGED"
    Adhoc(gate, "login", {"user": "carol", "name": "carol", "password": SECRET})
    assert gate.get("/carol/apps/", ("carol", SECRET)).status == 200

    gone = {"name": "carol", "state": "absent"}
    checked = Adhoc(gate, "user", gone, "--check", "--diff")
    assert gate.get("/carol/apps/", ("carol", SECRET)).status == 200
    done = Adhoc(gate, "user", gone, "--diff")
    assert (checked.outcome, done.outcome, done.result["reload"]) == ("CHANGED", "CHANGED", False)
    assert [step["action"] for step in done.result["plan"]] == ["remove", "remove", "remove login", "close"]
    assert done.result["plan"] == checked.result["plan"]
    assert "-/carol/apps/ -> " in done.printed
    assert gate.get("/carol/apps/", ("carol", SECRET)).status == 401
    assert state() == before
    assert Adhoc(gate, "user", gone, "--diff").outcome == "SUCCESS"
    nowhere = Adhoc(gate, "user", {**gone, "root": str(tmp_path)})
    assert (nowhere.outcome, nowhere.result["plan"], list(tmp_path.iterdir())) == ("SUCCESS", [], [])


def test_login(gate: Rig) -> None:
    """A password and its hash are in no output, however talkative."""
    wanted = {"user": "alice", "name": "guest", "password": SECRET}
    runs = [Adhoc(gate, "login", wanted, "--check", "--diff", "-vvv"), Adhoc(gate, "login", wanted, "--diff", "-vvv")]
    assert gate.get("/alice/", ("guest", SECRET)).status == 200
    hashed = re.search(
        r"^guest:(\S+)$", (gate.root / "etc/nginx/vizgate/logins.d/alice.htpasswd").read_text(), re.MULTILINE
    )
    assert hashed
    assert hashed[1].startswith("$2y$10$")
    runs.append(Adhoc(gate, "login", wanted, "--diff", "-vvv"))
    runs.append(Adhoc(gate, "login", {"user": "alice", "name": "guest", "password_hash": HASH}, "--diff", "-vvv"))
    assert gate.get("/alice/", ("guest", SECRET)).status == 401
    runs.append(Adhoc(gate, "login", {"user": "alice", "name": "guest", "state": "absent"}, "--diff", "-vvv"))
    assert [run.outcome for run in runs] == ["CHANGED", "CHANGED", "SUCCESS", "CHANGED", "CHANGED"]
    actions = [[step["action"] for step in run.result["plan"]] for run in runs]
    assert actions == [["add login"], ["add login"], [], ["change login"], ["remove login"]]
    assert "+/alice/ opened by login guest" in runs[0].printed
    for run in runs:
        for secret in (SECRET, hashed[1], HASH, hashed[1][7:], HASH[7:]):
            assert secret not in run.printed


def test_info(gate: Rig) -> None:
    gate.declare("alice", [Link("t", 9099, "visdom", description="Losses")], [Login("guest", HASH)])
    found = Adhoc(gate, "info", {"user": "alice"})
    assert (found.outcome, found.result["live"]) == ("SUCCESS", True)
    alice = found.result["users"]["alice"]
    assert {login["name"]: login["source"] for login in alice["logins"]} == {"alice": "inventory", "guest": "tests"}
    assert next(link for link in alice["links"] if link["name"] == "t") == {
        "name": "t", "url": "/alice/t/", "kind": "visdom", "host": "127.0.0.1", "port": 9099, "target": "127.0.0.1:9099",
        "prefix": "keep", "description": "Losses", "source": "tests", "yields_to": "", "moving": False, "rendered": True,
        "live": True,
    }  # fmt: skip
    everybody = Adhoc(gate, "info", {}, "--check")
    assert everybody.outcome == "SUCCESS", everybody.printed
    assert everybody.result["drift"] == []
    assert set(everybody.result["users"]) == {"alice", "bob"}
    assert "$2y$" not in found.printed + everybody.printed


LINK = {"user": "alice", "name": "t", "port": 9099}
LOGIN = {"user": "alice", "name": "guest", "password": SECRET}
ERRORS: list[tuple[str, dict[str, Any], str]] = [
    ("link", {**LINK, "port": 99999}, "link 't': port 99999 is not in 1-65535"),
    ("link", {**LINK, "port": 80}, "user 'alice': link 't': port 80 is not in allowed_ports: 1024-65535 ("),
    (
        "link",
        {**LINK, "host": "169.254.169.254"},
        "link 't': address 169.254.169.254 is never allowed as a target (built-in",
    ),
    ("link", {**LINK, "kind": "jupiter"}, "link 't': kind 'jupiter' is not known; did you mean 'jupyter'?"),
    ("link", {**LINK, "user": "../bob"}, "user '../bob': the name is not of the form"),
    ("link", {**LINK, "source": "inventory"}, "source 'inventory' is reserved"),
    ("link", {**LINK, "source": "../x"}, "source '../x': the name is not of the form"),
    ("link", {**LINK, "name": "echo"}, "user 'alice': link 'echo' belongs to source 'inventory'; remove it there, or"),
    ("link", {"user": "alice", "name": "t"}, "state is present but any of the following are missing: port, socket"),
    (
        "link",
        {**LINK, "root": "/nowhere"},
        "/nowhere/etc/vizgate/policy.json is missing: no gateway is installed here;",
    ),
    ("login", {**LOGIN, "name": "alice"}, "user 'alice': login 'alice' belongs to source 'inventory'; remove it"),
    ("login", {**LOGIN, "password": "x" * 73}, "login 'guest': the password has 73 bytes; bcrypt takes 72 at most"),
    ("login", {"user": "alice", "name": "guest"}, "state is present but any of the following are missing: password"),
    ("links", {"source": "files"}, "links: src is missing; give the folder of the users files"),
    ("links", {"source": "files", "src": "/nowhere"}, "links: src /nowhere: No such file or directory; give the"),
]


def test_errors_name_what_was_found_and_the_fix(gate: Rig) -> None:
    """All wrong calls in one play; none of them changes anything."""
    before = gate.state()
    tasks: list[dict[str, Any]] = [
        {f"vizgate.gateway.{module}": arguments, "register": f"result{number}", "ignore_errors": True}
        for number, (module, arguments, _) in enumerate(ERRORS)
    ]
    results = [f"result{number}.msg | default('did not fail')" for number in range(len(ERRORS))]
    told = gate.folder / "told.json"
    content = "{{ [" + ", ".join(results) + "] | to_json }}"
    tasks.append({"ansible.builtin.copy": {"dest": str(told), "content": content, "mode": "0600"}})
    play = gate.folder / "wrong.yml"
    play.write_text(yaml.safe_dump([{"hosts": "gate", "gather_facts": False, "tasks": tasks}]))
    done = gate.run("ansible-playbook", "-i", str(gate.inventory), str(play))
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(told.read_text())
    assert [line for line, (*_, expected) in zip(said, ERRORS, strict=True) if expected not in line] == []
    assert [line for line in said if "\n" in line or SECRET in line] == []
    assert gate.state() == before


def test_links(gate: Rig, backends: Backends) -> None:
    """A users folder of another source: it comes, stays, shrinks and goes, and leaves the inventory's alone."""
    port = backends.bob.port
    link = {"name": "t", "port": port}
    src = gate.write_users(
        gate.folder / "files",
        {"alice": {"links": [link]}, "carol": {"links": [link], "logins": [{"name": "carol", "password": SECRET}]}},
    )
    arguments = {"src": str(src), "source": "files"}
    before = gate.state()
    checked = Adhoc(gate, "links", arguments, "--check", "--diff")
    for url in ("/alice/t/", "/carol/t/"):
        assert f"+{url} -> 127.0.0.1:{port} (http, prefix strip)" in checked.printed
    assert gate.state() == before

    runs = [checked, Adhoc(gate, "links", arguments, "--diff", "-vvv"), Adhoc(gate, "links", arguments)]
    assert gate.get("/carol/t/", ("carol", SECRET)).backend == "bob's"
    (src / "carol.yml").unlink()
    (src / "alice.yml").write_text(f"links:\n  - {{name: u, port: {port}}}\n")
    runs += [Adhoc(gate, "links", arguments, "--diff"), Adhoc(gate, "links", arguments)]
    assert [run.outcome for run in runs] == ["CHANGED", "CHANGED", "SUCCESS", "CHANGED", "SUCCESS"]
    assert {(step["action"], step["url"]) for step in runs[3].result["plan"]} == {
        ("add", "/alice/u/"), ("remove", "/alice/t/"), ("remove", "/carol/t/"), ("remove login", "/carol/"),
    }  # fmt: skip
    answers = [gate.get(f"/alice/{name}/", ALICE) for name in ("t", "u", "echo")]
    assert [answer.backend or answer.status for answer in answers] == [404, "bob's", "alice's"]
    assert gate.get("/carol/t/", ("carol", SECRET), source=gate.address()).status == 401
    for run in runs:
        assert SECRET not in run.printed
        assert "$2y$10$" not in run.printed


def test_links_names_every_mistake_and_its_line(gate: Rig) -> None:
    src = gate.write_users(
        gate.folder / "bad",
        {
            "alice": "links:\n  - name: a\n    port: 99999\n  - name: B\n    port: 9000\n    colour: red\n",
            "bob": "links:\n  - name: a\n   port: 1\n",
            "carol": "logins:\n  - name: carol\n    passwort: x\n",
            "dave": "links:\n  - {name: t, port: 9000}\n  - {name: t, port: 9001}\n",
            "Erin": "links: []\n",
            "frank": "links: 7\n",
            "grace": "{}\n",
        },
    )
    before = gate.state()
    failed = Adhoc(gate, "links", {"src": str(src), "source": "files"})
    first, *lines = failed.result["msg"].splitlines()
    assert (failed.outcome, first) == ("FAILED", "9 problems in the users files, nothing was changed:")
    starts = [
        "bad/Erin.yml:1: user 'Erin': the name is not of the form",
        "bad/alice.yml:3: link 'a': port 99999 is not in 1-65535",
        "bad/alice.yml:4: link 'B': the name is not of the form",
        "bad/alice.yml:6: link 'B': unknown key 'colour'; known keys: name,",
        "bad/bob.yml:3: this is not YAML: ",
        "bad/carol.yml:2: login 'carol': give either password or password_hash",
        "bad/carol.yml:3: login 'carol': unknown key 'passwort'; did you mean 'password'?",
        "bad/dave.yml:3: link 't': declared twice",
        "bad/frank.yml:1: links: '7' is not a list of links",
    ]
    assert [line for line, start in zip(sorted(lines), starts, strict=True) if not line.startswith(start)] == []
    assert gate.state() == before


def test_links_of_two_sources_do_not_mix(gate: Rig) -> None:
    src = gate.write_users(gate.folder / "clash", {"alice": {"links": [{"name": "echo", "port": 9099}]}})
    before = gate.state()
    failed = Adhoc(gate, "links", {"src": str(src), "source": "files"})
    assert failed.outcome == "FAILED"
    assert failed.result["msg"] == (
        "user 'alice': link 'echo' belongs to source 'inventory'; remove it there, or take another name"
    )
    assert gate.state() == before


@pytest.fixture
def vault(gate: Rig) -> tuple[VaultLib, Path]:
    """A vault, and the file with its password."""
    path = gate.folder / "vault-password"
    path.write_text("vault\n")
    return VaultLib([("default", VaultSecret(b"vault"))]), path


def test_links_opens_the_vault(gate: Rig, backends: Backends, vault: tuple[VaultLib, Path]) -> None:
    """One value in a file, or the file as a whole; without the password nothing is touched."""
    lib, password_file = vault

    def locked(text: str) -> str:
        return str(lib.encrypt(text).decode())

    value = "      ".join(["", *locked("carol-word").splitlines(keepends=True)])
    src = gate.write_users(
        gate.folder / "vaulted",
        {
            "carol": f"logins:\n  - name: carol\n    password: !vault |\n{value}\n",
            "dave": locked(
                f"links: [{{name: t, port: {backends.bob.port}}}]\nlogins: [{{name: dave, password: dave-word}}]\n"
            ),
        },
    )
    arguments = {"src": str(src), "source": "files"}
    before = gate.state()
    shut = Adhoc(gate, "links", arguments)
    assert (shut.outcome, gate.state() == before) == ("FAILED", True)
    assert "vault" in shut.result["msg"].lower()
    opened = Adhoc(gate, "links", arguments, "--vault-password-file", str(password_file), "--diff", "-vvv")
    assert opened.outcome == "CHANGED", opened.printed
    assert gate.get("/carol/", ("carol", "carol-word"), source=gate.address()).status == 200
    assert gate.get("/dave/t/", ("dave", "dave-word"), source=gate.address()).backend == "bob's"
    assert "carol-word" not in opened.printed
    assert "dave-word" not in opened.printed
    assert Adhoc(gate, "links", arguments, "--vault-password-file", str(password_file)).outcome == "SUCCESS"


def test_the_everyday_playbook_changes_nothing_twice(gate: Rig) -> None:
    workers = gate.workers()
    done = gate.run("ansible-playbook", "-i", str(gate.inventory), "playbooks/links.yml", "--diff")
    assert re.search(r"ok=1 +changed=0 +unreachable=0 +failed=0", done.stdout), done.stdout + done.stderr
    assert gate.workers() == workers


def test_unresolved_hosts_are_warned_of(gate: Rig) -> None:
    arguments = {"user": "alice", "name": "lost", "port": 9099, "host": "no-such-host"}
    added = Adhoc(gate, "link", arguments)
    assert [step["action"] for step in added.result["plan"]] == ["add", "unresolved"]
    assert "/alice/lost/: host of no-such-host:9099 has no address" in " ".join(added.printed.split())
    eventually(lambda: gate.get("/alice/lost/", ALICE).status == 502)


def test_module_defaults_name_the_gateway_once(gate: Rig, tmp_path: Path) -> None:
    tasks = [
        {"vizgate.gateway.link": {"user": "alice", "name": "once", "port": 9000}},
        {"vizgate.gateway.login": {"user": "alice", "name": "once", "password_hash": HASH}},
        {"vizgate.gateway.info": {"user": "alice"}, "register": "found"},
        {"ansible.builtin.copy": {"dest": str(tmp_path / "found"), "content": "{{ found.users.alice | to_json }}"}},
    ]
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        "module_defaults": {"group/vizgate.gateway.gateway": {"root": str(gate.root)}},
        "tasks": tasks,
    }
    playbook = tmp_path / "play.yml"
    playbook.write_text(yaml.safe_dump([play]), encoding="utf-8")
    done = gate.run("ansible-playbook", "-i", "localhost,", str(playbook))
    assert done.returncode == 0, done.stdout
    found = json.loads((tmp_path / "found").read_text(encoding="utf-8"))
    assert {"once"} <= {link["name"] for link in found["links"]}
    assert {"once"} <= {login["name"] for login in found["logins"]}
