"""The menu, and whatever else asks, in a terminal."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from backends import Backend
from conftest import Terminal, Vizgate
from rig import Rig

HOST = os.uname().nodename
MENU = """\
0: quit
1: list all links
2: add a link
3: delete a link
4: add a login
5: initialise: repair the gateway
6: remove everything
Action: """
Serves = Callable[..., "str | int"]


@pytest.fixture
def menu(vizgate: Vizgate) -> Terminal:
    """alice's menu."""
    return vizgate.terminal()


def test_list_and_quit(vizgate: Vizgate, backend: Backend) -> None:
    vizgate.ok("add", "t", "--port", str(backend.port), "--description", "Loss")
    menu = vizgate.terminal(NO_COLOR="1")
    assert menu.answer(MENU, "1").splitlines()[:2] == ["Links of alice", ""]
    listed = menu.answer(MENU, "0")
    for text in ("DESCRIPTION", f"{vizgate.site}/alice/t/", f"127.0.0.1:{backend.port}", "Loss", "self"):
        assert text in listed
    assert menu.end() == 0


def test_wrong_actions_are_asked_again(menu: Terminal) -> None:
    for wrong in ("7", "-1", "x", "1 ", "²", "9" * 30):
        menu.answer("Action: ", wrong)
        if wrong != "1 ":
            menu.expect(f"Error: {wrong!a} is not a number from 0 to 6")
    menu.answer("Action: ", "0")
    assert menu.end() == 0


def test_add_a_link_and_the_login_that_is_missing(vizgate: Vizgate, backend: Backend, serves: Serves) -> None:
    menu = vizgate.terminal(user="carol")
    menu.answer("Action: ", "2")
    menu.answer("Link name: ", "Not So")
    menu.expect("Error: link 'Not So': the name is not of the form [a-z0-9][a-z0-9._-]{0,62}")
    menu.answer("Link name: ", "/train")
    menu.answer("Server [127.0.0.1]: ", "no server")
    menu.expect("Error: host 'no server' is neither an IP address nor a host name (letters, digits, '-' and '.')")
    menu.answer("Server [127.0.0.1]: ", "")
    menu.answer("Port: ", "99999")
    menu.expect("Error: '99999' is not a number from 1 to 65535")
    menu.answer("Port: ", str(backend.port))
    menu.answer("One-line description: ", "Loss curves")
    assert f"train => 127.0.0.1:{backend.port}\n" in menu.answer("Is that right? [y/n]: ", "perhaps")
    menu.answer("Is that right? [y/n]: ", "y")
    menu.expect(f"added {vizgate.site}/carol/train/ -> 127.0.0.1:{backend.port}\n")
    menu.answer("Your links cannot be opened without a login. Add one? [y/n]: ", "y")
    menu.answer("Login name [carol]: ", "")
    menu.answer("Password of login carol: ", "x" * 73)
    menu.expect("Error: the password has 73 bytes; bcrypt takes 72 at most")
    menu.answer("Password of login carol: ", "s3cret")
    menu.answer("Repeat the password: ", "other")
    menu.expect("Error: The two entered values do not match.")
    menu.answer("Password of login carol: ", "s3cret")
    menu.answer("Repeat the password: ", "s3cret")
    menu.expect(f"added login carol of {vizgate.site}/carol/\n")
    menu.answer("Action: ", "0")
    assert menu.end() == 0
    assert "s3cret" not in menu.said
    assert serves("/carol/train/", ("carol", "s3cret")) == "tool"


def test_what_the_gateway_refuses_is_asked_again(
    vizgate: Vizgate, menu: Terminal, backend: Backend, serves: Serves
) -> None:
    menu.answer("Action: ", "2")
    menu.answer("Link name: ", "t")
    menu.answer("Server [127.0.0.1]: ", "")
    menu.answer("Port: ", "80")
    menu.answer("description: ", "Loss")
    menu.answer("[y/n]: ", "y")
    menu.expect("link 't': port 80 is not in allowed_ports: 1024-65535 (")
    menu.answer("Link name [t]: ", "")
    menu.answer("Server [127.0.0.1]: ", "")
    menu.answer("Port [80]: ", str(backend.port))
    menu.answer("description [Loss]: ", "")
    menu.answer("[y/n]: ", "y")
    menu.expect(f"added {vizgate.site}/alice/t/ -> 127.0.0.1:{backend.port}\n")
    menu.answer("Action: ", "2")
    menu.answer("Link name: ", "t")
    menu.expect("Error: link 't': you already have a link of this name; remove it first, or choose another name")
    menu.key("Link name: ", "c")
    assert menu.end() == 0
    assert serves("/alice/t/") == "tool"


def test_adding_can_be_thought_better_of(vizgate: Vizgate, menu: Terminal) -> None:
    menu.answer("Action: ", "2")
    menu.answer("Link name: ", "t")
    menu.answer("Server [127.0.0.1]: ", "")
    menu.answer("Port: ", "9000")
    menu.answer("description: ", "")
    menu.answer("[y/n]: ", "n")
    menu.answer("Action: ", "0")
    assert menu.end() == 0
    assert vizgate.ok("export") == "links: []\n"


def test_delete_a_link(vizgate: Vizgate, backend: Backend, serves: Serves) -> None:
    vizgate.ok("add", "a", "--port", "9000", user="bob")
    vizgate.ok("add", "b", "--port", str(backend.port), user="bob")
    menu = vizgate.terminal(user="bob")
    menu.answer("Action: ", "3")
    target = f"{vizgate.site}/bob/b/ => 127.0.0.1:{backend.port}"
    # only what is bob's own: the link of his users file is not among them
    assert f"0: none of them\n1: {vizgate.site}/bob/a/ => 127.0.0.1:9000\n2: {target}\nNumber" in menu.answer(
        "Number of the link to remove: ", "3"
    )
    menu.expect("Error: '3' is not a number from 0 to 2")
    menu.answer("Number of the link to remove: ", "2")
    menu.answer(f"Remove {target}? [y/n]: ", "n")
    menu.answer("Action: ", "3")
    menu.answer("Number of the link to remove: ", "0")
    menu.answer("Action: ", "3")
    menu.answer("Number of the link to remove: ", "2")
    menu.answer(f"Remove {target}? [y/n]: ", "y")
    menu.expect(f"removed {vizgate.site}/bob/b/ -> 127.0.0.1:{backend.port}\n")
    menu.answer("Action: ", "0")
    assert menu.end() == 0
    assert serves("/bob/b/", ("bob", "builder")) == 404
    assert "name: a\n" in vizgate.ok("export", user="bob")
    menu = vizgate.terminal(user="carol")
    menu.answer("Action: ", "3")
    menu.expect("You have no links of your own.")
    menu.key("Action: ", "d")
    assert menu.end() == 0


def test_add_a_login(vizgate: Vizgate, menu: Terminal, serves: Serves) -> None:
    menu.answer("Action: ", "4")
    menu.answer("Login name [alice]: ", "no name")
    menu.expect("Error: login 'no name': the name is not of the form")
    menu.answer("Login name [alice]: ", "guest")
    menu.answer("Password of login guest: ", "s3cret")
    menu.answer("Repeat the password: ", "s3cret")
    menu.expect(f"added login guest of {vizgate.site}/alice/\n")
    menu.answer("Action: ", "4")
    menu.answer("Login name [alice]: ", "guest")
    menu.expect("Error: login 'guest' exists; vizgate login password guest changes its password")
    menu.key("Login name [alice]: ", "d")
    assert menu.end() == 0
    assert serves("/alice/", ("guest", "s3cret")) == 200


@pytest.mark.parametrize("key", ["c", "d"])
@pytest.mark.parametrize("answers", [1, 2, 3, 4, 5, 6, 8, 9, 10])
def test_leaving_at_any_question_leaves_nothing_half_done(vizgate: Vizgate, gate: Rig, answers: int, key: str) -> None:
    """ctrl-C and ctrl-D, at the action, each question about a link, and each about the login."""
    dialogue = [
        ("Action: ", "2"),
        ("Link name: ", "t"),
        ("Server [127.0.0.1]: ", ""),
        ("Port: ", "9000"),
        ("description: ", ""),
        ("[y/n]: ", "y"),
        ("Add one? [y/n]: ", "y"),
        ("Login name [carol]: ", ""),
        ("Password of login carol: ", "s3cret"),
        ("Repeat the password: ", "s3cret"),
    ]
    menu = vizgate.terminal(user="carol")
    for question, answer in dialogue[: answers - 1]:
        menu.answer(question, answer)
    menu.key(dialogue[answers - 1][0], key)
    assert menu.end() == 0
    own = gate.core.registry.sources("carol").get("self")
    assert [link.name for link in own.links] == ["t"] if answers > 6 and own else own is None
    assert not own or own.logins == ()


def test_initialise(menu: Terminal, gate: Rig) -> None:
    gate.command("stop")
    menu.answer("Action: ", "5")
    menu.expect("2 users are published, and the services run\n")
    menu.answer("Action: ", "0")
    assert menu.end() == 0
    assert gate.get("/bob/", ("bob", "builder")).status == 200


def test_remove_everything(menu: Terminal, gate: Rig) -> None:
    everything = gate.core.registry.everything()
    question = "All links and logins of all users will be removed. To confirm, type the name of this host: "
    menu.answer("Action: ", "6")
    menu.answer(question, "elsewhere")
    menu.expect(f"Error: 'elsewhere' is not the name of this host, {HOST}\n")
    assert gate.core.registry.everything() == everything
    menu.answer(question, HOST)
    menu.expect("the previous state is archived in ")
    menu.answer("Action: ", "0")
    assert menu.end() == 0
    try:
        assert gate.core.registry.everything() == {}
        assert gate.get("/bob/", ("bob", "builder")).status == 401
    finally:
        gate.core.declare("inventory", lambda _: {user: found["inventory"] for user, found in everything.items()})
        for path in (gate.root / "var/backups/vizgate").glob("*"):
            path.unlink()


def test_adding_by_command_tells_how_to_start_the_tool(vizgate: Vizgate) -> None:
    terminal = vizgate.terminal("add", "t", "--kind", "visdom", "--port", "8097")
    assert terminal.end() == 0
    assert terminal.said.splitlines()[:2] == [
        f"added {vizgate.site}/alice/t/ -> 127.0.0.1:8097",
        "start it with: visdom -port 8097 -base_url /alice/t -bind_local",
    ]
    terminal = vizgate.terminal("add", "other", "--kind", "visdom", "--prefix", "strip", "--port", "8098")
    assert (terminal.end(), "start it with" in terminal.said) == (0, False)
    terminal = vizgate.terminal("add", "any", "--port", "8099")
    assert terminal.end() == 0
    assert terminal.said.splitlines()[-1] == "next: vizgate doctor any"


def test_removing_by_command_asks(vizgate: Vizgate) -> None:
    vizgate.ok("add", "t", "--port", "9000")
    question = f"Remove {vizgate.site}/alice/t/ -> 127.0.0.1:9000? [y/n]: "
    terminal = vizgate.terminal("remove", "t")
    terminal.answer(question, "n")
    assert terminal.end() == 1
    assert "; 1 refused (reasons on stderr, one per line) or cancelled; 2 " in " ".join(vizgate.ok("--help").split())
    terminal = vizgate.terminal("remove", "t")
    terminal.key(question, "c")
    assert terminal.end() == 1
    assert "name: t\n" in vizgate.ok("export")
    terminal = vizgate.terminal("remove", "t")
    terminal.answer(question, "y")
    assert terminal.end() == 0
    assert vizgate.ok("export") == "links: []\n"


def test_a_password_by_command_is_typed_twice_and_unseen(vizgate: Vizgate, serves: Serves) -> None:
    terminal = vizgate.terminal("login", "add", "guest")
    terminal.answer("Password of login guest: ", "s3cret")
    terminal.answer("Repeat the password: ", "s3cret")
    assert terminal.end() == 0
    assert "s3cret" not in terminal.said
    assert serves("/alice/", ("guest", "s3cret")) == 200


def test_colours_and_none(vizgate: Vizgate) -> None:
    vizgate.ok("add", "t", "--port", "9000")
    for words in (["status"], ["remove", "nothing", "--yes"]):
        coloured, plain = vizgate.terminal(*words), vizgate.terminal(*words, NO_COLOR="1")
        assert coloured.end() == plain.end()
        assert "\x1b[31m" in coloured.said
        assert "\x1b[31m" not in plain.said


def test_descriptions_do_not_steer_the_terminal(vizgate: Vizgate) -> None:
    vizgate.ok("add", "t", "--port", "9000", "--description", "\x1b]0;title\x07[red]x[/red]")
    terminal = vizgate.terminal("list")
    assert terminal.end() == 0
    assert r"\x1b]0;title\x07[red]x[/red]" in terminal.said
    assert "\x07" not in terminal.said


def test_watch(vizgate: Vizgate, backend: Backend) -> None:
    terminal = vizgate.terminal("status", "--watch", NO_COLOR="1")
    terminal.expect("LINK")
    vizgate.ok("add", "late", "--port", str(backend.port))
    terminal.expect("late")
    terminal.key("200, ", "c")
    assert terminal.end() == 0
