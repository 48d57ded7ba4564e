# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Self-service: what users may ask for, what they are refused, and how their own and inventory's links live together."""

from __future__ import annotations

import errno
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply import nginx_check
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.change import Options
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.host import socket_dirs
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import UserData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.outcome import Outcome
from ansible_collections.vizgate.gateway.plugins.module_utils._core.registry import audit, store
from ansible_collections.vizgate.gateway.plugins.module_utils._core.registry.store import Registry
from ansible_collections.vizgate.gateway.plugins.module_utils._core.selfservice.dispatch import answer
from ansible_collections.vizgate.gateway.tests.unit.support import HASH, POLICY, Control, data, tree
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.usefixtures("control")


def ask(gateway: Gateway, do: str, user: str = "alice", **keys: Any) -> dict[str, Any]:
    """The answer to one request of the user's."""
    gateway.registry.actor = user
    return answer(gateway, user, {"do": do, **keys})


def add(gateway: Gateway, name: str, port: int = 9000, user: str = "alice", **keys: Any) -> dict[str, Any]:
    """The answer to a request for a link."""
    return ask(gateway, "add", user, link={"name": name, "port": port, **keys})


def inventory(gateway: Gateway, *links: dict[str, Any], **options: Any) -> Outcome:
    """Declares alice's links in inventory."""
    declared = data(*links)
    return gateway.declare("inventory", lambda registry: {"alice": declared}, Options(prune=True, **options))


def actions(plan: list[dict[str, str]]) -> list[tuple[str, str, str]]:
    """What a plan does to which address."""
    return [(step["action"], step["url"], step["target"]) for step in plan]


# what users can do


def test_a_link_is_added_edited_renamed_and_removed(gateway: Gateway, control: Control) -> None:
    assert actions(add(gateway, "run", 8097, kind="visdom")["plan"]) == [("add", "/alice/run/", "127.0.0.1:8097")]
    assert control.entries["alice/run"] == "keep 127.0.0.1:8097"
    (step,) = ask(gateway, "edit", name="run", link={"kind": None, "description": "Loss"})["plan"]
    assert (step["was"], step["now"]) == (
        "127.0.0.1:8097 (visdom, prefix keep)",
        "127.0.0.1:8097 (http, prefix strip)  # 'Loss'",
    )
    assert control.entries["alice/run"] == "strip 127.0.0.1:8097"
    assert actions(ask(gateway, "edit", name="run", link={"name": "loss", "port": 8098})["plan"]) == [
        ("add", "/alice/loss/", "127.0.0.1:8098"),
        ("remove", "/alice/run/", "127.0.0.1:8097"),
    ]
    assert control.entries["alice/run"] == ""
    assert actions(ask(gateway, "remove", name="loss")["plan"]) == [("remove", "/alice/loss/", "127.0.0.1:8098")]
    assert gateway.registry.users() == []


def test_a_login_is_added_changed_and_removed(gateway: Gateway, control: Control) -> None:
    assert actions(ask(gateway, "add_login", name="guest", password="one")["plan"]) == [
        ("add login", "/alice/", "guest")
    ]
    first = control.entries["alice/"]
    ask(gateway, "change_login", name="guest", password="two")
    assert control.entries["alice/"] not in ("", first)
    assert actions(ask(gateway, "remove_login", name="guest")["plan"]) == [("remove login", "/alice/", "guest")]
    assert control.entries["alice/"] == ""


def test_a_socket_takes_the_place_of_host_and_port(gateway: Gateway, control: Control) -> None:
    add(gateway, "run", 9000, host="10.0.0.5")
    socket = f"{gateway.paths.sockets('alice')}/run.sock"
    assert "plan" in ask(gateway, "edit", name="run", link={"socket": socket})
    assert control.entries["alice/run"] == f"strip unix:{socket}"
    assert os.stat(gateway.paths.sockets("alice")).st_mode & 0o007 == 0
    ask(gateway, "edit", name="run", link={"port": 9001})
    assert control.entries["alice/run"] == "strip 127.0.0.1:9001"


def test_what_https_needs_goes_with_it(gateway: Gateway, control: Control) -> None:
    control.entries["alice/run"] = ""
    add(gateway, "run", 9000)

    def entry(**changes: Any) -> str:
        told = ask(gateway, "edit", name="run", link=changes)
        assert "plan" in told, told
        return control.entries["alice/run"]

    assert entry(scheme="https", verify=False) == "strip:unverified: 127.0.0.1:9000"
    assert entry(port=9001) == "strip:unverified: 127.0.0.1:9001"
    assert entry(scheme="http") == "strip 127.0.0.1:9001"
    assert entry(scheme="https", verify=False) == "strip:unverified: 127.0.0.1:9001"
    assert entry(scheme=None) == "strip 127.0.0.1:9001"
    entry(scheme="https", verify=False)
    socket = f"{gateway.paths.sockets('alice')}/run.sock"
    assert entry(socket=socket) == f"strip unix:{socket}"


def test_show_tells_what_there_is_and_what_is_allowed(gateway: Gateway) -> None:
    inventory(gateway, {"name": "team", "port": 8000})
    add(gateway, "run", 8097, kind="visdom", description="Loss")
    ask(gateway, "add_login", name="guest", password="secret")
    found = ask(gateway, "show")
    assert {(link["name"], link["source"], link["live"], link["rendered"]) for link in found["links"]} == {
        ("team", "inventory", True, True),
        ("run", "self", True, True),
    }
    assert found["logins"] == [
        {"name": "guest", "source": "self", "yields_to": "", "legacy": False, "rendered": True, "live": True}
    ]
    assert found["site"] == {
        "backend_ca": "/etc/ssl/certs/ca-certificates.crt",
        "legacy_hashes_until": "",
        "url_style": "path",
        **{key: POLICY[key] for key in ("url", "links_per_user", "logins_per_user", "self_service")},
        "allowed_hosts": tuple(POLICY["allowed_hosts"]),
        "allowed_ports": tuple(POLICY["allowed_ports"]),
    }
    assert (found["user"], found["serving"]) == ("alice", True)
    assert "$2y$" not in json.dumps(found)


def test_history_is_ones_own_from_all_sources_newest_last(gateway: Gateway) -> None:
    inventory(gateway, {"name": "team", "port": 8000})
    add(gateway, "run")
    add(gateway, "run", user="bob")
    ask(gateway, "add_login", name="guest", password="secret")
    lines = ask(gateway, "history", lines=50)["lines"]
    assert [(line["source"], line["action"], line["url"]) for line in lines] == [
        ("inventory", "add", "/alice/team/"),
        ("self", "add", "/alice/run/"),
        ("self", "add login", "/alice/"),
    ]
    assert ask(gateway, "history", lines=1)["lines"] == lines[-1:]
    assert "secret" not in json.dumps(lines)
    assert "$2y$" not in json.dumps(lines)


def test_who_gets_a_withdrawn_users_name_begins_with_nothing(gateway: Gateway) -> None:
    inventory(gateway, {"name": "team", "port": 8000})
    add(gateway, "run")
    ask(gateway, "move")
    gateway.withdraw("alice")
    assert ask(gateway, "history", lines=50)["lines"] == []
    found = ask(gateway, "show")
    assert (found["links"], found["logins"]) == ([], [])
    add(gateway, "mine")
    assert [line["url"] for line in ask(gateway, "history", lines=50)["lines"]] == ["/alice/mine/"]


def test_a_long_history_ends_the_file_before_it_fills_the_disk(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "OWN_AUDIT_BYTES", 1000)
    monkeypatch.setattr(audit, "OWN_OLDER", 2)
    monkeypatch.setattr(audit, "KEPT_DAYS", -1)
    for number in range(40):
        add(gateway, "run")
        ask(gateway, "edit", name="run", link={"port": 9001 + number})
        ask(gateway, "remove", name="run")
    log = Path(gateway.paths.audit("alice"))
    names = ["alice.jsonl", "alice.jsonl.1", "alice.jsonl.2"]
    assert sorted(path.name for path in log.parent.iterdir()) == names
    assert all(path.stat().st_size < 1500 for path in log.parent.iterdir())
    lines = ask(gateway, "history", lines=50)["lines"]
    assert lines[-1]["action"] == "remove"
    texts = [(log.parent / name).read_text(encoding="utf-8") for name in reversed(names)]
    assert lines == [json.loads(line) for line in "".join(texts).splitlines()], "all files count"


def test_no_user_pushes_their_own_recent_history_out(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "OWN_AUDIT_BYTES", 1000)
    ask(gateway, "add_login", name="outsider", password="secret")
    add(gateway, "run")
    answers = [ask(gateway, "edit", name="run", link={"port": 9001 + number}) for number in range(40)]
    assert "history: the log of your own changes is full" in answers[-1]["problems"][0]
    assert gateway.paths.audit("alice") + ".7" in answers[-1]["problems"][0]
    full = tree(gateway.paths.root)
    assert ask(gateway, "edit", name="run", link={"port": 9900})["problems"]
    assert tree(gateway.paths.root) == full, "nothing has happened"
    # what takes something away is never refused
    assert "problems" not in ask(gateway, "remove_login", name="outsider")
    assert "problems" not in ask(gateway, "remove", name="run")
    lines = ask(gateway, "history", lines=100)["lines"]
    assert (lines[0]["action"], lines[0]["target"]) == ("add login", "outsider")
    assert [line["action"] for line in lines[-2:]] == ["remove login", "remove"]
    # administrators are not concerned, nor are others
    inventory(gateway, {"name": "theirs", "port": 9100})
    assert "problems" not in add(gateway, "run", user="bob")
    # a month later the oldest goes
    monkeypatch.setattr(audit, "KEPT_DAYS", -1)
    assert "problems" not in add(gateway, "run")
    assert ask(gateway, "history", lines=100)["lines"][0]["target"] != "outsider"


def test_what_an_administrator_does_for_a_user_is_in_the_administrators_log(gateway: Gateway) -> None:
    for_alice = Gateway(gateway.paths, actor="root")
    answer(for_alice, "alice", {"do": "add", "link": {"name": "run", "port": 9000}})
    assert not Path(gateway.paths.audit("alice")).exists()
    (line,) = ask(gateway, "history", lines=9)["lines"]
    assert (line["by"], line["action"], line["url"]) == ("root", "add", "/alice/run/")


# what they are refused


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        (None, "request 'None' is not known; there are: show, history, add, edit, remove,"),
        ([], "request 'None' is not known"),
        ({"do": ["add"]}, """request "['add']" is not known"""),
        ({"do": "sources"}, "request 'sources' is not known"),
        ({"do": "add"}, "request 'add': link 'None' is no mapping"),
        ({"do": "add", "link": []}, "request 'add': link '[]' is no mapping"),
        ({"do": "remove", "name": 5}, "request 'remove': name '5' is no text"),
        ({"do": "show", "user": "bob"}, "request 'show': unknown key 'user'"),
        (
            {"do": "add", "link": {"name": "a", "port": 9000}, "source": "inventory"},
            "request 'add': unknown key 'source'",
        ),
        ({"do": "add", "link": {"name": "a", "port": 9000, "user": "bob"}}, "link 'a': unknown key 'user'"),
        ({"do": "add", "link": {"name": "../bob/a", "port": 9000}}, "link '../bob/a': the name is not of the form"),
        ({"do": "add", "link": {"name": "a\n", "port": 9000}}, r"link 'a\n': the name is not of the form"),
        ({"do": "add", "link": {"name": ["a"], "port": 9000}}, """link "['a']": the name is not of the form"""),
        ({"do": "add", "link": {"name": "a", "port": 22}}, "user 'alice': link 'a': port 22 is not in allowed_ports"),
        ({"do": "add", "link": {"name": "a", "port": "9000"}}, "link 'a': port '9000' is not a number"),
        ({"do": "add", "link": {"name": "a", "port": 9000, "host": "a;b"}}, "link 'a': host 'a;b' is neither"),
        ({"do": "add", "link": {"name": "a", "socket": "/etc/passwd"}}, "socket '/etc/passwd' is not in /"),
        ({"do": "add", "link": {"name": "a", "socket": "x"}}, "socket 'x' is not an absolute path"),
        ({"do": "edit", "name": "b", "link": {}}, "you have no link 'b' of your own; your own links: none"),
        ({"do": "remove", "name": "b"}, "you have no link 'b' of your own; your own links: none"),
        ({"do": "remove_login", "name": "b"}, "you have no login 'b' of your own; your own logins: none"),
        (
            {"do": "change_login", "name": "b", "password": "x"},
            "you have no login 'b' of your own; your own logins: none",
        ),
        ({"do": "add_login", "name": "a:b", "password": "x"}, "login 'a:b': the name is not of the form"),
        ({"do": "add_login", "name": "a", "password": "x\ny"}, "the password holds a control character"),
        ({"do": "add_login", "name": "a", "password": ""}, "the password is not a text"),
        ({"do": "add_login", "name": "a", "password": "x" * 73}, "the password has 73 bytes"),
    ],
)
def test_a_request_that_is_refused_changes_nothing(gateway: Gateway, request_: Any, problem: str) -> None:
    before = {path for path in tree(gateway.paths.root) if "/turns/" not in path}
    (found,) = answer(gateway, "alice", request_)["problems"]
    assert problem in found
    assert {path for path in tree(gateway.paths.root) if "/turns/" not in path} == before


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["add", "edit", "show", "run", "name"]),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["do", "link", "name", "port"]) | st.text(), inner)
        ),
    )
)
def test_no_request_is_worse_than_refused(request_: Any) -> None:
    class Untouched:
        """No gateway at all: what is said to nonsense needs none."""

    try:
        found = answer(Untouched(), "alice", request_)  # type: ignore[arg-type]
    except AttributeError:
        assert request_["do"] in ("show", "add", "edit"), "only a request of the right shape gets so far"
    else:
        assert list(found) == ["problems"]


@pytest.mark.parametrize("user", ["Alice", "a.b", "", "../bob", "vizgate", "login"])
def test_an_account_whose_name_cannot_be_an_address(gateway: Gateway, user: str) -> None:
    (problem,) = add(gateway, "run", user=user)["problems"]
    assert problem.startswith(f"user '{user}': the name is ")
    assert problem.endswith("; self-service needs an account with such a name")


def test_nobody_has_more_than_the_quota(gateway: Gateway) -> None:
    Path(gateway.paths.policy).write_text(json.dumps({**POLICY, "links_per_user": 2, "logins_per_user": 1}))
    inventory(gateway, {"name": "team", "port": 8000})
    assert "plan" in add(gateway, "a")
    assert "plan" in add(gateway, "b")
    assert add(gateway, "c")["problems"] == ["link 'c': you have 2, and the site's limit is 2; remove one first"]
    assert "plan" in ask(gateway, "add_login", name="a", password="x")
    assert ask(gateway, "add_login", name="b", password="x")["problems"] == [
        "login 'b': you have 1, and the site's limit is 1; remove one first"
    ]


def test_the_door_can_be_closed(gateway: Gateway, control: Control) -> None:
    add(gateway, "run")
    Path(gateway.paths.policy).write_text(json.dumps({**POLICY, "self_service": False}))
    for request_ in (
        {"do": "show"},
        {"do": "remove", "name": "run"},
        {"do": "add", "link": {"name": "a", "port": 9000}},
    ):
        assert answer(gateway, "alice", request_) == {
            "unavailable": "self-service is switched off on this gateway; ask its administrator"
        }
    inventory(gateway, {"name": "team", "port": 8000})
    assert control.entries["alice/run"] == "strip 127.0.0.1:9000", "links that are there stay"


def test_the_same_name_twice_is_said_as_such(gateway: Gateway) -> None:
    add(gateway, "a")
    add(gateway, "b")
    assert add(gateway, "a", 9001)["problems"] == [
        "link 'a': you already have a link with this name; change or remove it, or choose another name"
    ]
    assert ask(gateway, "edit", name="a", link={"name": "b"})["problems"] == ["link 'b': declared twice"]
    assert ask(gateway, "remove", name="c")["problems"] == ["you have no link 'c' of your own; your own links: a, b"]


def test_why_the_gateway_cannot_do_it_now_is_told(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "LOCK_SECONDS", 0.05)
    with Registry(gateway.paths, actor="bob").locked():
        told = add(gateway, "run")["unavailable"]
    assert re.fullmatch(rf"process {os.getpid()} of bob, since [0-9:]+ has held \S+ for over 0.05 s; try again", told)

    monkeypatch.setenv("PATH", "/nonexistent")
    told = ask(gateway, "add_login", name="guest", password="x")["unavailable"]
    assert told == "htpasswd cannot be run (No such file or directory); install apache2-utils"

    monkeypatch.setattr(nginx_check, "refusal", lambda configuration: "no disk for nginx")
    told = add(gateway, "run")["unavailable"]
    assert told == "nginx refuses the include files, nothing was changed: no disk for nginx"


# served, or nothing


@pytest.mark.parametrize("first", [True, False])
def test_what_nginx_does_not_take_is_put_back(gateway: Gateway, control: Control, first: bool) -> None:
    if not first:
        add(gateway, "run")
    before = tree(gateway.paths.root)
    control.status = 507
    found = add(gateway, "other")
    assert found["unavailable"].startswith("nginx does not serve the change, so nothing was changed: ")
    assert " answers 507: " in found["unavailable"]
    control.status = 200
    after = tree(gateway.paths.root)
    assert {path: text for path, text in after.items() if text and "/turns/" not in path} == {
        path: text for path, text in before.items() if text and "/turns/" not in path
    }
    assert control.entries.get("alice/other", "") == ""
    assert "plan" in add(gateway, "other"), "the next one works again"


def test_what_was_there_is_put_back_though_nginx_would_not_take_it(gateway: Gateway, control: Control) -> None:
    add(gateway, "run")
    path = Path(gateway.paths.includes, "links.d", "alice.map")
    path.write_text("nothing that nginx could read {", encoding="utf-8")
    control.status = 507
    assert "nothing was changed" in add(gateway, "other")["unavailable"]
    assert not os.path.exists(gateway.paths.journal)
    assert path.read_text(encoding="utf-8") == "nothing that nginx could read {"
    assert [link.name for link in gateway.registry.sources("alice")["self"].links] == ["run"]


def test_without_a_folder_for_sockets_nothing_is_acknowledged(
    gateway: Gateway, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_dirs, "make_folder", no_room)
    socket = f"{gateway.paths.sockets('alice')}/run.sock"
    told = ask(gateway, "add", link={"name": "run", "socket": socket})["unavailable"]
    assert told == "user 'alice': no folder for sockets: [Errno 28] No space left on device; nothing was changed"
    assert gateway.registry.users() == []
    # one user's folder is nobody else's trouble
    declared = data({"name": "run", "socket": socket})
    outcome = gateway.declare("inventory", lambda registry: {"alice": declared}, Options(prune=True))
    assert outcome.warnings == ["user 'alice': no folder for sockets: [Errno 28] No space left on device"]
    assert control.entries["alice/run"] == f"strip unix:{socket}"
    assert gateway.refresh().warnings == outcome.warnings
    # nor is it in the way of what needs none
    assert "plan" in add(gateway, "other")
    assert "plan" in ask(gateway, "remove", name="other")


def no_room(*arguments: object, **options: object) -> None:
    """Stands for a folder that cannot be made."""
    raise OSError(errno.ENOSPC, "No space left on device")


def test_without_nginx_nothing_is_acknowledged(gateway: Gateway, control: Control) -> None:
    os.rename(gateway.paths.control, gateway.paths.control + ".away")
    found = add(gateway, "run")
    assert "nothing answers on " in found["unavailable"]
    assert ask(gateway, "show")["serving"] is False
    os.rename(gateway.paths.control + ".away", gateway.paths.control)
    assert gateway.registry.users() == []


def test_an_answer_that_nginx_contradicts_is_none(gateway: Gateway, control: Control) -> None:
    # as if another's change had come between
    control.before = lambda: setattr(control, "entries", _Forgetful())
    assert "unavailable" in add(gateway, "run")
    assert gateway.registry.users() == []


class _Forgetful(dict[str, str]):
    def update(self, *arguments: Any, **keys: Any) -> None:
        """Takes nothing in."""


# two sources


def test_inventory_takes_a_name_over_and_gives_it_back(gateway: Gateway, control: Control) -> None:
    add(gateway, "run", 9000)
    add(gateway, "other", 9009)
    outcome = inventory(gateway, {"name": "run", "port": 8000})
    assert actions(outcome.plan) == [("take over", "/alice/run/", "127.0.0.1:8000")]
    assert outcome.plan[0]["was"] == "127.0.0.1:9000 (http, prefix strip)"
    assert control.entries["alice/run"] == "strip 127.0.0.1:8000"
    found = {(link["name"], link["source"]): link["yields_to"] for link in ask(gateway, "show")["links"]}
    assert found == {("run", "inventory"): "", ("run", "self"): "inventory", ("other", "self"): ""}
    assert control.entries["alice/other"] == "strip 127.0.0.1:9009"

    # her other links are hers as before, and the one that yields is kept as it is
    assert "plan" in ask(gateway, "edit", name="other", link={"port": 9010})
    assert ask(gateway, "edit", name="run", link={"port": 9001})["problems"] == [
        "user 'alice': link 'run' belongs to source 'inventory'; remove it there, or take another name"
    ]
    outcome = inventory(gateway)
    assert actions(outcome.plan) == [("give back", "/alice/run/", "127.0.0.1:9000")]
    assert control.entries["alice/run"] == "strip 127.0.0.1:9000"


def test_what_inventory_has_is_not_free(gateway: Gateway) -> None:
    inventory(gateway, {"name": "run", "port": 8000})
    assert add(gateway, "run")["problems"] == [
        "user 'alice': link 'run' belongs to source 'inventory'; remove it there, or take another name"
    ]


def test_a_link_that_is_moving_stays_with_inventory(gateway: Gateway, control: Control) -> None:
    add(gateway, "run", 9000)
    add(gateway, "rest", 9009)
    ask(gateway, "move")
    assert [link["moving"] for link in ask(gateway, "show")["links"]] == [True, True]
    inventory(gateway)
    assert control.entries["alice/run"] == "strip 127.0.0.1:9000", "nobody has declared it yet"
    inventory(gateway, {"name": "run", "port": 9000})
    assert {(link["name"], link["source"]) for link in ask(gateway, "show")["links"]} == {
        ("run", "inventory"),
        ("rest", "self"),
    }
    inventory(gateway)
    assert control.entries["alice/run"] == ""
    assert control.entries["alice/rest"] == "strip 127.0.0.1:9009"


def test_a_login_of_inventory_wins_too(gateway: Gateway) -> None:
    ask(gateway, "add_login", name="alice", password="mine")
    declared = data(logins=[{"name": "alice", "password_hash": HASH}])
    outcome = gateway.declare("inventory", lambda registry: {"alice": declared}, Options(prune=True))
    assert actions(outcome.plan) == [("take over login", "/alice/", "alice")]
    text = Path(gateway.paths.includes, "logins.d", "alice.htpasswd").read_text(encoding="utf-8")
    assert text == f"alice:{HASH}\n"


@pytest.mark.parametrize("complete", [True, False])
def test_no_converge_removes_what_users_declare(gateway: Gateway, control: Control, complete: bool) -> None:
    add(gateway, "run")
    add(gateway, "run", user="bob")
    nobody: dict[str, UserData] = {}
    assert not gateway.declare("inventory", lambda registry: nobody, Options(prune=complete, repair=True)).plan
    assert control.entries == {"alice/run": "strip 127.0.0.1:9000", "bob/run": "strip 127.0.0.1:9000"}


# drift


def test_an_edit_that_changes_nothing_still_puts_right(gateway: Gateway, control: Control) -> None:
    add(gateway, "run")
    path = Path(gateway.paths.includes, "links.d", "alice.map")
    right = path.read_text(encoding="utf-8")
    path.write_text(right.replace("9000", "22"), encoding="utf-8")
    control.entries["alice/run"] = "strip 127.0.0.1:22"
    assert actions(ask(gateway, "edit", name="run", link={"port": 9000})["plan"]) == [("repair", "/alice/", str(path))]
    assert path.read_text(encoding="utf-8") == right
    assert control.entries["alice/run"] == "strip 127.0.0.1:9000"


def test_hand_edits_are_told_with_a_diff(gateway: Gateway) -> None:
    add(gateway, "run")
    assert gateway.drift() == []
    path = Path(gateway.paths.includes, "links.d", "alice.map")
    right = path.read_text(encoding="utf-8")
    path.write_text(right.replace("9000", "22"), encoding="utf-8")
    (found,) = gateway.drift()
    assert found["after_header"] == str(path)
    assert (found["before"], found["after"]) == (right.replace("9000", "22"), right)
    assert [link["rendered"] for link in ask(gateway, "show")["links"]] == [False]
    assert path.read_text(encoding="utf-8") != right, "looking repairs nothing"


def test_what_nginx_serves_otherwise_is_told(gateway: Gateway, control: Control) -> None:
    add(gateway, "run")
    ask(gateway, "add_login", name="guest", password="secret")
    right = control.entries["alice/"]
    control.entries.update({"alice/run": "strip 127.0.0.1:22", "alice/": "0123456789"})
    (found,) = gateway.drift()
    assert found == {
        "before_header": "what nginx serves",
        "after_header": "what nginx serves",
        "before": "/alice/ opened by the logins as of 0123456\n/alice/run/ -> strip 127.0.0.1:22\n",
        "after": f"/alice/ opened by the logins as of {right[:7]}\n/alice/run/ -> strip 127.0.0.1:9000\n",
    }
    assert [login["live"] for login in ask(gateway, "show")["logins"]] == [False]
