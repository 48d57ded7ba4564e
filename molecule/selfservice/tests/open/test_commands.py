"""Every command as alice runs it in a shell, and its effect for visitors."""

from __future__ import annotations

import json

import pytest
import yaml

CROWDS_HASH = "$2y$04$hUO4GNNTX5DMsxYxErJeaOThfazzKU/IaM0QJzzod93CrOm1xl9EK"  # of crowd-secret


@pytest.fixture(scope="module")
def alice(run):
    """Runs a shell command of alice that must succeed; returns its output."""

    def alice(line, code=0):
        done = run("alice", line)
        assert done[0] == code, done
        return done[1] if code == 0 else done[2]

    return alice


def test_link_is_there_when_add_returns(alice, get, name):
    output = alice("vizgate add train --port 9087 --description 'Loss curves'")
    assert output == f"added http://{name}:1234/alice/train/ -> 127.0.0.1:9087\n"
    assert get("/alice/train/").status == 401


def test_login_opens_it(alice, get, name):
    output = alice("echo alice-secret | vizgate login add alice --password-stdin")
    assert output == f"added login alice of http://{name}:1234/alice/\n"
    answer = get("/alice/train/a%2Fb?c", "alice")
    assert (answer.status, answer.port, answer.path) == (200, 9087, "/a%2Fb?c")
    assert get("/alice/train/", "alice", "wrong").status == 401
    assert get("/bob/training/", "alice").status == 401


def test_list(alice, name):
    _header, line = alice("vizgate list").splitlines()
    for text in (f"http://{name}:1234/alice/train/", "127.0.0.1:9087", "http", "self", "Loss curves"):
        assert text in line
    (link,) = json.loads(alice("vizgate list --json"))
    assert (link["url"], link["port"], link["source"]) == (f"http://{name}:1234/alice/train/", 9087, "self")
    assert (link["rendered"], link["live"]) == (True, True)


def test_edit(alice, get):
    alice("vizgate edit train --port 9088 --kind visdom")
    answer = get("/alice/train/x", "alice")
    assert (answer.port, answer.path) == (9088, "/alice/train/x")


def test_rename(alice, get):
    alice("vizgate edit train --name training")
    assert [get(f"/alice/{link}/", "alice").status for link in ("train", "training")] == [404, 200]
    alice("vizgate edit training --name train")
    assert [get(f"/alice/{link}/", "alice").status for link in ("train", "training")] == [200, 404]


def test_unix_socket(host, alice, get, name):
    path = "/run/vizgate/sockets/alice/page.sock"
    output = alice(f"vizgate add page --socket {path}")
    assert output == f"added http://{name}:1234/alice/page/ -> unix:{path}\n"
    assert get("/alice/page/", "alice").status == 502
    host.check_output(f"systemd-run --quiet --uid=alice --unit=page python3 /opt/unix_backend.py {path}")
    host.check_output(f"timeout 60 sh -c 'until [ -S {path} ]; do sleep 0.05; done'")
    answer = get("/alice/page/x", "alice")
    assert (answer.status, answer.body.decode()) == (200, f"{host.user('alice').uid} /x")
    alice("vizgate remove page --yes")
    host.check_output("systemctl stop page")


def test_other_logins(alice, get):
    alice("vizgate login add guest --password-fd 3 3<<<guest-secret")
    assert get("/alice/train/", "guest").status == 200
    _header, *lines = alice("vizgate login list").splitlines()
    assert [line.split()[0] for line in lines] == ["alice", "guest"]
    assert [login["name"] for login in json.loads(alice("vizgate login list --json"))] == ["alice", "guest"]
    alice("printf another | vizgate login password guest --password-stdin")
    assert [get("/alice/train/", "guest", password).status for password in ("guest-secret", "another")] == [401, 200]
    alice("vizgate login remove guest")
    assert get("/alice/train/", "guest", "another").status == 401


def test_status(alice):
    alice("vizgate add dead --port 9099")
    lines = [line.split() for line in alice("vizgate status").splitlines()]
    assert [line[0] for line in lines] == ["LINK", "dead", "train"]
    works = {link["name"]: link["works"] for link in json.loads(alice("vizgate status --json"))}
    assert works == {"dead": False, "train": True}
    alice("vizgate status train")
    alice("vizgate status dead train", code=3)


def test_doctor(alice):
    code = "vizgate doctor dead; echo $?"
    found = alice(code)
    assert "error: nothing listens on 127.0.0.1:9099" in found
    assert found.splitlines()[-1] == "3"
    assert alice("vizgate doctor train; echo $?").splitlines()[-1] == "0"
    (finding,) = json.loads(alice("vizgate doctor dead --json || true"))
    assert (finding["severity"], finding["fix"]) == ("error", "start your tool on address 127.0.0.1, port 9099")


def test_open(alice, name):
    assert alice("vizgate open train") == f"http://{name}:1234/alice/train/\n"


def test_kinds(alice):
    assert "jupyter lab" in alice("vizgate kinds")
    assert "prefix:      keep" in alice("vizgate kinds visdom")
    assert alice("vizgate kinds --for train") == "visdom -port 9088 -base_url /alice/train -bind_local\n"


def test_export(alice):
    assert yaml.safe_load(alice("vizgate export")) == {
        "links": [
            {"name": "dead", "port": 9099},
            {"name": "train", "kind": "visdom", "port": 9088, "description": "Loss curves"},
        ]
    }


def test_history(alice):
    lines = [line.split(None, 4) for line in alice("vizgate history").splitlines()]
    steps = [(who, action, rest) for _at, who, action, *rest in lines[1:]]
    assert all(who == "alice" for who, _action, _rest in steps)
    assert steps[0] == ("alice", "add", ["/alice/train/", "127.0.0.1:9087"])
    assert steps[-1] == ("alice", "add", ["/alice/dead/", "127.0.0.1:9099"])
    assert "secret" not in str(lines)
    assert json.loads(alice("vizgate history --json"))[0]["url"] == "/alice/train/"


def test_doctor_says_whose_process_it_is(host, alice):
    page = "python3 -m http.server --bind 127.0.0.1 --directory /var/empty-page 9095"
    host.check_output(f"mkdir -p /var/empty-page; systemd-run --quiet --uid=bob --unit=bobs-page {page}")
    host.check_output("timeout 60 sh -c 'until ss -Hltn | grep -q :9095; do sleep 0.05; done'")
    alice("vizgate add bobs --port 9095")
    said = "127.0.0.1:9095 is used by a program of bob, not of alice: visitors see the pages of that program"
    # a page that responds may be intended; one that does not respond is reported
    for kind, severity, code in (("http", "warning", "0"), ("visdom", "error", "3")):
        alice(f"vizgate edit bobs --kind {kind} --description {kind}")
        found = alice("vizgate doctor bobs; echo $?").splitlines()
        assert found[0] == f"{severity}: {said}"
        assert found[-1] == code
    alice("vizgate remove bobs --yes")
    host.check_output("systemctl stop bobs-page; rmdir /var/empty-page")


def test_remove(alice, get, name):
    assert alice("vizgate remove dead --yes") == f"removed http://{name}:1234/alice/dead/ -> 127.0.0.1:9099\n"
    assert get("/alice/dead/", "alice").status == 404


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("vizgate add train --port 9087", 1, "link 'train': you already have a link with this name"),
        ("vizgate add 'a b' --port 9087", 1, "link 'a b': the name is not of the form"),
        ("vizgate add low --port 22", 1, "user 'alice': link 'low': port 22 is not in allowed_ports: 1024-65535"),
        ("vizgate add far --port 9087 --host 8.8.8.8", 1, "host '8.8.8.8' is not in allowed_hosts"),
        ("vizgate add there --socket /tmp/x", 1, "socket '/tmp/x' is not in /run/vizgate/sockets/alice; put it there"),
        ("vizgate edit none --port 9087", 1, "you have no link 'none' of your own; your own links: train"),
        ("vizgate remove none --yes", 1, "you have no link 'none' of your own; your own links: train"),
        ("vizgate doctor none", 1, "link 'none': alice has no link of this name"),
        (
            "echo x | vizgate login add alice --password-stdin",
            1,
            "login 'alice': you already have a login with this name",
        ),
        ("vizgate remove train", 2, "Not a terminal: pass --yes to skip the confirmation."),
        ("vizgate login add other", 2, "Not a terminal: pass --password-stdin or --password-fd."),
        ("vizgate", 2, "Usage: vizgate"),
        ("vizgate add", 2, "Missing argument 'NAME'"),
        ("vizgate --user bob list", 1, "--user bob: only root can act for other users"),
        ("vizgate status --all", 1, "--all: only root can see the links of all users"),
        ("vizgate init", 1, "init: only root can do that"),
        ("vizgate remove-everything --confirm $(hostname)", 1, "remove-everything: only root can do that"),
        ("vizgate import-multivisdom", 1, "import-multivisdom: only root can do that"),
    ],
)
def test_refusals_say_why(alice, line, code, said):
    assert said in alice(f"{line} </dev/null" if "|" not in line else line, code)


def test_refusals_have_changed_nothing(alice):
    assert [link["name"] for link in json.loads(alice("vizgate list --json"))] == ["train"]
    assert [login["name"] for login in json.loads(alice("vizgate login list --json"))] == ["alice"]


def test_root_acts_for_others_and_looks_at_all(host):
    output = json.loads(host.check_output("vizgate status --all --json"))
    assert {"alice", "bob"} <= {link["user"] for link in output["links"]}
    assert json.loads(host.check_output("vizgate --user alice list --json"))[0]["name"] == "train"


def test_old_script_is_imported_for_its_accounts(host, get):
    folder = "/etc/nginx/sites-available/multivisdom"
    host.check_output(
        f"mkdir -m 777 {folder}; cd {folder};"
        f" echo 'older:{CROWDS_HASH}' >alice.htpasswd; chown alice alice.htpasswd;"
        f" echo 'evil:{CROWDS_HASH}' >bob.htpasswd; chown mallory bob.htpasswd;"
        " echo '###/alice/old||http://127.0.0.1:9089/||Old one' >alice.conf; chown alice alice.conf;"
        " echo '###/bob/evil||http://127.0.0.1:9087/||' >bob.conf; chown mallory bob.conf;"
        " echo '###/x/y||http://127.0.0.1:9087/||' >nobody-here.conf"
    )
    for option in ("--check", ""):
        done = host.run(f"vizgate import-multivisdom {option}")
        assert done.rc == 1
        assert "/alice/old/ -> 127.0.0.1:9089\n" in done.stdout
        assert "added login older of " in done.stdout
        assert done.stdout.endswith("1 links and 1 logins imported, 3 lines refused\n")
        assert done.stderr.splitlines() == [
            "bob.conf: it belongs to mallory, not to bob; check what the file contains, then chown it to bob",
            "bob.htpasswd: it belongs to mallory, not to bob; check what the file contains, then chown it to bob",
            "nobody-here.conf: user 'nobody-here' has no account on this host;"
            " create one, or declare the links in inventory",
        ]
        assert get("/alice/old/", "alice").status == (404 if option else 200)
        assert get("/alice/old/", "older", "crowd-secret").status == (401 if option else 200)
    assert get("/bob/evil/", "bob").status == 404
    assert get("/bob/training/", "evil", "crowd-secret").status == 401
    assert get("/alice/old/", "older", "crowd-secre").status == 401
    host.check_output(f"rm -r {folder}")


def test_links_are_handed_over_by_export(alice):
    # users files will declare this one and train; the link own stays alice's
    alice("vizgate remove train --yes")
    alice("vizgate add eval --port 9087")
    output = alice("vizgate export --move")
    assert yaml.safe_load(output)["links"] == [
        {"name": "eval", "port": 9087},
        {"name": "old", "port": 9089, "description": "Old one"},
    ]
    assert {link["name"]: link["moving"] for link in json.loads(alice("vizgate list --json"))} == {
        "eval": True,
        "old": True,
    }
    alice("vizgate add own --port 9087")
    alice("vizgate add train --port 9087")
