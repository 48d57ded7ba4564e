"""Links by script: what is said, what is served, and what is refused."""

from __future__ import annotations

import json
import os
import re
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link, UserData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.kinds import OTHERS
from ansible_collections.vizgate.gateway.plugins.plugin_utils._users_files import parse_users
from backends import Backend, Handler
from conftest import ENVIRONMENT, Vizgate
from rig import BOB, Rig, free_port

Serves = Callable[..., "str | int"]


def test_a_link_comes_changes_and_goes(vizgate: Vizgate, backend: Backend, dead: int, serves: Serves) -> None:
    url, target = f"{vizgate.site}/alice/train/", f"127.0.0.1:{backend.port}"
    assert serves("/alice/train/") == 404
    assert vizgate.ok("add", "train", "--port", str(dead), "--description", "Loss") == (
        f"added {url} -> 127.0.0.1:{dead}\n"
    )
    assert serves("/alice/train/") == 502
    assert vizgate.ok("edit", "train", "--port", str(backend.port)) == (
        f"changed {url} -> {target} (http, prefix strip)  # 'Loss',"
        f" was 127.0.0.1:{dead} (http, prefix strip)  # 'Loss'\n"
    )
    assert serves("/alice/train/") == "tool"
    assert vizgate.ok("open", "train") == url + "\n"
    assert vizgate.ok("edit", "train", "--name", "loss") == (
        f"added {vizgate.site}/alice/loss/ -> {target}\nremoved {url} -> {target}\n"
    )
    assert (serves("/alice/train/"), serves("/alice/loss/")) == (404, "tool")
    assert vizgate.ok("remove", "loss", "--yes") == f"removed {vizgate.site}/alice/loss/ -> {target}\n"
    assert serves("/alice/loss/") == 404


def test_every_option_arrives_and_goes_back_to_its_default(vizgate: Vizgate, backend: Backend) -> None:
    vizgate.ok(
        "add", "t", "--host", "127.0.0.2", "--port", "9000", "--kind", "bokeh", "--description", "d", "--prefix", "strip"
    )  # fmt: skip
    keys = ("host", "port", "kind", "description", "prefix")

    def told() -> list[Any]:
        (link,) = json.loads(vizgate.ok("list", "--json"))
        return [link[key] for key in keys]

    assert told() == ["127.0.0.2", 9000, "bokeh", "d", "strip"]
    vizgate.ok("edit", "t", "--host", "", "--prefix", "", "--description", "")
    assert told() == ["127.0.0.1", 9000, "bokeh", "", "keep"]
    vizgate.ok("edit", "t", "--kind", "", "--port", "9001")
    assert told() == ["127.0.0.1", 9001, "http", "", "strip"]


def test_https(vizgate: Vizgate) -> None:
    target = "https://127.0.0.1:8443"
    assert vizgate.ok("add", "t", "--port", "8443", "--scheme", "https", "--insecure").endswith(f"-> {target}\n")
    exported = {"name": "t", "port": 8443, "scheme": "https", "verify": False}
    assert yaml.safe_load(vizgate.ok("export")) == {"links": [exported]}
    done = vizgate("edit", "t", "--verify")
    assert done.code == 1
    assert "give the host as a name" in done.err
    vizgate.ok("edit", "t", "--host", "localhost", "--verify")
    del exported["verify"]
    assert yaml.safe_load(vizgate.ok("export")) == {"links": [{**exported, "host": "localhost"}]}
    vizgate.ok("edit", "t", "--scheme", "")
    assert yaml.safe_load(vizgate.ok("export")) == {"links": [{"name": "t", "host": "localhost", "port": 8443}]}


@pytest.fixture
def socket(gate: Rig) -> Iterator[str]:
    """A backend on a unix socket in alice's folder."""
    folder = gate.root / "run/vizgate/sockets/alice"
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    path = folder / "tool.sock"
    backend = Backend("unused")
    backend.name = "socket"
    handler = type("UnixHandler", (Handler,), {"backend": backend, "disable_nagle_algorithm": False})
    server = socketserver.ThreadingUnixStreamServer(str(path), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield str(path)
    server.shutdown()
    server.server_close()
    backend.close()
    path.unlink()


def test_a_link_to_a_socket(vizgate: Vizgate, backend: Backend, socket: str, serves: Serves) -> None:
    assert vizgate.ok("add", "t", "--socket", socket) == f"added {vizgate.site}/alice/t/ -> unix:{socket}\n"
    assert serves("/alice/t/") == "socket"
    vizgate.ok("edit", "t", "--port", str(backend.port))
    assert serves("/alice/t/") == "tool"
    vizgate.ok("edit", "t", "--socket", socket)
    assert serves("/alice/t/") == "socket"
    assert yaml.safe_load(vizgate.ok("export")) == {"links": [{"name": "t", "socket": socket}]}
    done = vizgate("kinds", "--for", "t")
    assert (done.code, done.err) == (1, f"link 't': kind http has no known command for socket {socket}\n")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["add", "Train", "--port", "9"], "link 'Train': the name is not of the form [a-z0-9][a-z0-9._-]{0,62}"),
        (["add", "t", "--port", "99999"], "link 't': port 99999 is not in 1-65535"),
        (["add", "t", "--port", "9000", "--kind", "vsdom"], "link 't': kind 'vsdom' is not known; did you mean 'visdom'?"),
        (["add", "t", "--port", "9000", "--kind", "ttyd"], f"link 't': kind 'ttyd' is not known; {OTHERS}"),
        (
            ["add", "mine", "--port", "9000"],
            "link 'mine': you already have a link with this name; change or remove it, or choose another name",
        ),
        (["edit", "min", "--port", "9000"], "you have no link 'min' of your own; your own links: mine"),
        (["remove", "min", "--yes"], "you have no link 'min' of your own; your own links: mine"),
        (["open", "min"], "link 'min': alice has no link of this name; did you mean 'mine'?"),
        (["open", "other"], "link 'other': alice has no link of this name; vizgate list shows your links"),
        (["status", "other"], "link 'other': alice has no link of this name; vizgate list shows your links"),
        (["doctor", "other"], "link 'other': alice has no link of this name; vizgate list shows your links"),
        (["kinds", "--for", "other"], "link 'other': alice has no link of this name; vizgate list shows your links"),
        (["kinds", "vsdom"], f"kind 'vsdom' is not known; {OTHERS}"),
        (["add", "t\n\x1b[31m", "--port", "9"], "link 't\\n\\x1b[31m': the name is not of the form [a-z0-9][a-z0-9._-]{0,62}"),
        (["login", "remove", "guest"], "you have no login 'guest' of your own; your own logins: none"),
    ],
)  # fmt: skip
def test_refused(vizgate: Vizgate, gate: Rig, words: list[str], problem: str) -> None:
    vizgate.ok("add", "mine", "--port", "9000")
    before = gate.state()
    done = vizgate(*words)
    assert (done.code, done.out, done.err) == (1, "", problem + "\n")
    assert gate.state() == before


def test_every_problem_has_a_line(vizgate: Vizgate) -> None:
    done = vizgate("add", "t", "--port", "0", "--kind", "x", "--host", "a b")
    assert done.code == 1
    assert [line.partition(": ")[2].split()[0] for line in done.err.splitlines()] == ["kind", "host", "port"]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["add", "t"], "Give either --port or --socket."),
        (["add", "t", "--port", "1", "--socket", "/x"], "Give either --port or --socket."),
        (["add"], "Missing argument 'NAME'."),
        (["edit", "t"], "Nothing to change: give an option."),
        (["remove", "t"], "Not a terminal: pass --yes to skip the confirmation."),
        (["login"], "Missing command."),
        (["login", "add", "x"], "Not a terminal: pass --password-stdin or --password-fd."),
        (["login", "add", "x", "--password-stdin", "--password-fd", "0"], "Give either --password-stdin or --password-fd."),
        (["status", "--watch"], "--watch needs a terminal, and no --json."),
        (["status", "--all", "t"], "Give either --all or NAMEs."),
        (["kinds", "http", "--for", "t"], "Give --for NAME alone."),
        (["remove-everything"], "Not a terminal: pass --confirm HOSTNAME."),
        (["xyzzy"], "No such command 'xyzzy'."),
        (["ad"], "No such command 'ad'; did you mean 'add'?"),
        (["login", "pasword", "x"], "No such command 'pasword'; did you mean 'password'?"),
    ],
)  # fmt: skip
def test_wrong_usage(vizgate: Vizgate, gate: Rig, words: list[str], error: str) -> None:
    before = gate.state()
    done = vizgate(*words)
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1] == f"Error: {error}"
    assert gate.state() == before


def test_alone_and_without_a_terminal_it_helps(vizgate: Vizgate) -> None:
    done = vizgate()
    assert (done.code, done.out, done.err) == (2, "", vizgate.ok("--help"))


def test_list(vizgate: Vizgate) -> None:
    assert vizgate.ok("list") == "alice has no links yet; vizgate add NAME --port PORT makes one\n"
    vizgate.ok("add", "zeta", "--port", "9000", "--kind", "visdom", user="bob")
    vizgate.gate.declare("bob", [Link("other", 9001, description="\x1b[31mred\u202e")])
    lines = [re.split(r"  +", line) for line in vizgate.ok("list", user="bob").splitlines()]
    assert [lines[0], *sorted(lines[1:])] == [
        ["URL", "TARGET", "KIND", "SOURCE", "DESCRIPTION"],
        *sorted(
            [
                [f"{vizgate.site}/bob/fixed/", lines[1][1], "http", "inventory", "from a file"],
                [f"{vizgate.site}/bob/other/", "127.0.0.1:9001", "http", "tests", r"\x1b[31mred\u202e"],
                [f"{vizgate.site}/bob/zeta/", "127.0.0.1:9000", "visdom", "self"],
            ]
        ),
    ]
    urls = {link["name"]: link["url"] for link in json.loads(vizgate.ok("list", "--json", user="bob"))}
    assert urls == {name: f"{vizgate.site}/bob/{name}/" for name in ("fixed", "other", "zeta")}


def test_a_link_that_inventory_has_too(vizgate: Vizgate, backend: Backend, dead: int) -> None:
    """The users file's counts; what the user declared is still there."""
    vizgate.ok("add", "mine", "--port", str(backend.port), user="bob")
    inventory = vizgate.gate.core.registry.sources("bob")["inventory"]
    taken = UserData((*inventory.links, Link("mine", dead)), inventory.logins)
    vizgate.gate.core.declare("inventory", lambda _: {"bob": taken})
    try:
        found = {
            link["source"]: link
            for link in json.loads(vizgate.ok("list", "--json", user="bob"))
            if link["name"] == "mine"
        }
        assert {source: link["yields_to"] for source, link in found.items()} == {"inventory": "", "self": "inventory"}
        assert "self, overridden by inventory" in vizgate.ok("list", user="bob")
        assert vizgate("status", "mine", user="bob").code == 3
        assert f"127.0.0.1:{dead}" in vizgate("status", "mine", user="bob").out
    finally:
        vizgate.gate.core.declare("inventory", lambda _: {"bob": inventory})
    assert vizgate("status", "mine", user="bob").code == 0


def test_status(vizgate: Vizgate, backend: Backend, dead: int) -> None:
    vizgate.ok("add", "works", "--port", str(backend.port))
    vizgate.ok("add", "broken", "--port", str(dead))
    lines = [re.split(r"  +", line) for line in vizgate.ok("status").splitlines()]
    assert lines[0] == ["LINK", "TARGET", "SOURCE", "SERVED", "LISTENS", "ANSWERS", "PROCESS"]
    assert lines[1] == ["broken", f"127.0.0.1:{dead}", "self", "yes", "no", "connection refused"]
    assert lines[2][:5] == ["works", f"127.0.0.1:{backend.port}", "self", "yes", "yes"]
    assert re.fullmatch(r"200, \d+\.\d ms", lines[2][5])
    assert f" {os.getpid()} python" in lines[2][6]
    works, broken = vizgate("status", "works"), vizgate("status", "works", "broken")
    assert (works.code, broken.code, broken.err) == (0, 3, "")
    found = {link["name"]: link for link in json.loads(vizgate.ok("status", "--json"))}
    assert {name: (link["works"], link["probe"]["pid"]) for name, link in found.items()} == {
        "works": (True, os.getpid()),
        "broken": (False, 0),
    }


def test_status_of_everybody(vizgate: Vizgate, gate: Rig, backend: Backend) -> None:
    vizgate.ok("add", "works", "--port", str(backend.port))
    assert [line.split()[0] for line in vizgate.ok("status", "--all").splitlines()] == [
        "LINK",
        "alice/works",
        "bob/fixed",
    ]
    edited = gate.root / "etc/nginx/vizgate/links.d/alice.map"
    text = edited.read_text()
    edited.write_text(text + '"alice/rogue" "strip 127.0.0.1:1";\n')
    done = vizgate("status", "--all")
    assert done.code == 0
    assert done.err.splitlines()[0] == f"{edited} is not as declared; vizgate init repairs it:"
    assert '-"alice/rogue" "strip 127.0.0.1:1";' in done.err.splitlines()
    told = json.loads(vizgate.ok("status", "--all", "--json"))
    assert told["drift"] == done.err.splitlines()
    assert [f"{link['user']}/{link['name']}" for link in told["links"]] == ["alice/works", "bob/fixed"]
    edited.write_text(text)
    assert json.loads(vizgate.ok("status", "--all", "--json"))["drift"] == []


def test_doctor(vizgate: Vizgate, backend: Backend, dead: int) -> None:
    vizgate.ok("add", "works", "--port", str(backend.port))
    vizgate.ok("add", "broken", "--port", str(dead))
    assert vizgate.ok("doctor", "works").startswith("ok: ")
    done = vizgate("doctor", "broken")
    assert (done.code, done.err) == (3, "")
    (finding,) = json.loads(vizgate("doctor", "broken", "--json").out)
    assert finding["finding"].startswith(f"nothing listens on 127.0.0.1:{dead}")
    assert finding["fix"] == f"start your tool on address 127.0.0.1, port {dead}"
    assert done.out == f"error: {finding['finding']}\n  {finding['fix']}\n"


def test_kinds(vizgate: Vizgate) -> None:
    lines = vizgate.ok("kinds").splitlines()
    assert [re.split("  +", line)[:2] for line in lines[:3]] == [
        ["KIND", "PREFIX"],
        ["http", "strip"],
        ["visdom", "keep"],
    ]
    assert vizgate.ok("kinds", "trame") == (
        "kind:        trame\nprefix:      strip\n"
        "start it by: python3 app.py --server --host {host} --port {port} --timeout 0\n"
        "note:        one process is one shared state for all visitors\n"
    )
    assert json.loads(vizgate.ok("kinds", "trame", "--json"))[0]["prefix"] == "strip"
    vizgate.ok("add", "t", "--kind", "bokeh", "--port", "9000")
    assert vizgate.ok("kinds", "--for", "t") == (
        "bokeh serve app.py --address 127.0.0.1 --port 9000 --prefix /alice/t"
        f" --allow-websocket-origin gate:{vizgate.gate.port} --use-xheaders\n"
    )
    vizgate.ok("edit", "t", "--prefix", "strip")
    assert vizgate("kinds", "--for", "t").err == "link 't': kind bokeh has no known command for prefix strip\n"


NASTY = 'tab\there, "quotes", \\, #no: comment, {{ x }}, é, 😀, \x85\u2028\u202e\ufeff\x7f'


def test_export_is_a_users_file(vizgate: Vizgate) -> None:
    assert vizgate.ok("export") == "links: []\n"
    links = [
        ["a", "--port", "9000"],
        ["on", "--port", "9001", "--kind", "visdom", "--prefix", "strip", "--description", NASTY],
        [
            "1e3",
            "--port",
            "9002",
            "--host",
            "node12",
            "--kind",
            "bokeh",
            "--prefix",
            "keep",
            "--description",
            "Loss of 3",
        ],
    ]
    for link in links:
        vizgate("add", *link)
    text = vizgate.ok("export")
    users, problems = parse_users({"alice.yml": text}, str)
    assert problems == []
    own = vizgate.gate.core.registry.sources("alice")["self"]
    assert [(link.name, link.target, link.kind, link.mode, link.description) for link in users["alice"].links] == [
        (link.name, link.target, link.kind, link.mode, link.description) for link in own.links
    ]
    assert "  - name: a\n    port: 9000\n" in text
    assert "    description: Loss of 3\n" in text


def test_exported_links_move_to_inventory(vizgate: Vizgate, gate: Rig, backend: Backend, serves: Serves) -> None:
    vizgate.ok("add", "t", "--port", str(backend.port), user="bob")
    done = vizgate("export", "--move", user="bob")
    assert (done.code, done.err) == (0, "1 links move to inventory as soon as it declares them\n")
    assert "self, moving to inventory" in vizgate.ok("list", user="bob")
    file = gate.folder / "inventory/users/bob.yml"
    before = file.read_text()
    data = yaml.safe_load(before)
    data["links"] += yaml.safe_load(done.out)["links"]
    try:
        file.write_text(yaml.safe_dump(data))
        played = gate.run("ansible-playbook", "-i", str(gate.inventory), "playbooks/links.yml")
        assert played.returncode == 0, played.stdout
        found = {link["name"]: link["source"] for link in json.loads(vizgate.ok("list", "--json", user="bob"))}
        assert found == {"fixed": "inventory", "t": "inventory"}
        assert serves("/bob/t/", BOB) == "tool"
    finally:
        file.write_text(before)
        gate.run("ansible-playbook", "-i", str(gate.inventory), "playbooks/links.yml")


def test_history(vizgate: Vizgate) -> None:
    user = "mallory"
    assert vizgate.ok("history", user=user) == "no changes yet\n"
    vizgate.ok("add", "t", "--port", "9000", user=user)
    vizgate.ok("edit", "t", "--port", "9001", user=user)
    vizgate.ok("login", "add", "guest", "--password-stdin", user=user, typed="s3cret-Wort")
    vizgate.ok("remove", "t", "--yes", user=user)
    lines = json.loads(vizgate.ok("history", "--json", user=user))
    assert [(line["action"], line["url"]) for line in lines] == [
        ("add", "/mallory/t/"),
        ("change", "/mallory/t/"),
        ("add login", "/mallory/"),
        ("remove", "/mallory/t/"),
    ]
    text = vizgate.ok("history", user=user)
    assert [re.split("  +", line)[2:4] for line in text.splitlines()][1:] == [
        [line["action"], line["url"]] for line in lines
    ]
    assert "127.0.0.1:9001 (http, prefix strip), was 127.0.0.1:9000 (http, prefix strip)" in text
    assert "s3cret" not in text


def test_a_gateway_that_does_not_serve(vizgate: Vizgate, gate: Rig) -> None:
    before = gate.state()
    gate.command("stop")
    try:
        done = vizgate("add", "t", "--port", "9000")
        assert (done.code, done.out, len(done.err.splitlines())) == (4, "", 1)
        assert done.err.startswith("nginx does not serve, so nothing was changed: nothing answers on ")
        assert gate.state() == before
        done = vizgate("list", user="bob")
        assert (done.code, done.err) == (0, "nginx does not run with the gateway's configuration: no link is served\n")
        assert vizgate("status", "fixed", user="bob").code == 3
    finally:
        gate.command("start")


def test_self_service_that_is_switched_off(vizgate: Vizgate, gate: Rig) -> None:
    policy = gate.root / "etc/vizgate/policy.json"
    text = policy.read_text()
    policy.write_text(json.dumps({**json.loads(text), "self_service": False}))
    try:
        done = vizgate("add", "t", "--port", "9000")
        assert (done.code, done.err) == (4, "self-service is switched off on this gateway; ask its administrator\n")
    finally:
        policy.write_text(text)


def test_somebody_elses_rootless_gateway(vizgate: Vizgate, gate: Rig) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give the gateway's folder away")
    os.chown(gate.root, 1, -1)
    try:
        done = vizgate("list")
        assert (done.code, done.err) == (
            4,
            f"the gateway in {gate.root}/ belongs to daemon; only that account can change it\n",
        )
    finally:
        os.chown(gate.root, os.geteuid(), -1)


def test_without_a_user_it_is_the_account_that_runs_it(vizgate: Vizgate) -> None:
    account = Path(os.path.expanduser("~")).owner() if os.geteuid() else "root"
    vizgate.ok("add", "t", "--port", str(free_port()), user="")
    assert list(vizgate.gate.core.registry.sources(account)) == ["self"]


def test_any_encoding_and_a_closed_pipe_will_do(vizgate: Vizgate) -> None:
    vizgate.ok("add", "t", "--port", "9000", "--description", "é → 😀")
    # without the launcher's first line, which has Python look away from such variables
    done = subprocess.run(
        [sys.executable, "-B", vizgate.path, "--user", "alice", "list"],
        capture_output=True, check=False, timeout=60, env={**ENVIRONMENT, "PYTHONIOENCODING": "latin-1"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.endswith(b" \xe9 \\u2192 \\U0001f600\n")
    shell = ["sh", "-c", f"{vizgate.path} --user alice list --json | true"]
    assert subprocess.run(shell, capture_output=True, check=False, timeout=60).stderr == b""
