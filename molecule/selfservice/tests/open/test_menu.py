"""The menu that `vizgate` opens in a terminal: the actions of accounts, and the additional ones of root."""

from __future__ import annotations

ACCOUNT = "mallory"


def test_add_offers_a_login_and_a_password_is_not_shown(terminal, get, name):
    shown = terminal(
        ACCOUNT,
        [
            ("Action: ", "2"),
            ("Link name: ", "/board"),
            ("Server [127.0.0.1]: ", ""),
            ("Port: ", "9088"),
            ("One-line description: ", "Curves {of} $run 12"),
            ("board => 127.0.0.1:9088\nIs that right? [y/n]: ".replace("\n", "\r\n"), "y"),
            ("Add one? [y/n]: ", "y"),
            (f"Login name [{ACCOUNT}]: ", ""),
            (f"Password of login {ACCOUNT}: ", f"{ACCOUNT}-secret"),
            ("Repeat the password: ", f"{ACCOUNT}-secret"),
            ("Action: ", "0"),
        ],
    )
    assert f"added http://{name}:1234/{ACCOUNT}/board/ -> 127.0.0.1:9088\n" in shown
    assert f"added login {ACCOUNT} of http://{name}:1234/{ACCOUNT}/\n" in shown
    assert "secret" not in shown
    answer = get(f"/{ACCOUNT}/board/x", ACCOUNT)
    assert (answer.status, answer.port, answer.path) == (200, 9088, "/x")


def test_answers_that_cannot_be_are_asked_again(terminal, get):
    shown = terminal(
        ACCOUNT,
        [
            ("Action: ", "9"),
            ("'9' is not a number from 0 to 4", None),
            ("Action: ", "2"),
            ("Link name: ", "board"),
            ("link 'board': you already have a link of this name", None),
            ("Link name: ", "a b"),
            ("link 'a b': the name is not of the form", None),
            ("Link name: ", "second"),
            ("Server [127.0.0.1]: ", "no host"),
            ("host 'no host' is neither an IP address nor a host name", None),
            ("Server [127.0.0.1]: ", ""),
            ("Port: ", "99999"),
            ("'99999' is not a number from 1 to 65535", None),
            ("Port: ", "22"),
            ("One-line description: ", ""),
            ("Is that right?", "y"),
            # the gateway rejects the port, and only the port must be typed again
            ("port 22 is not in allowed_ports: 1024-65535", None),
            ("Link name [second]: ", ""),
            ("Server [127.0.0.1]: ", ""),
            ("Port [22]: ", "9089"),
            ("One-line description: ", ""),
            ("Is that right? [y/n]: ", "n"),
            ("Action: ", "0"),
        ],
    )
    assert "added" not in shown
    assert get(f"/{ACCOUNT}/second/", ACCOUNT).status == 404


def test_list(terminal, name):
    shown = terminal(ACCOUNT, [("Action: ", "1"), ("Action: ", "0")])
    assert f"http://{name}:1234/{ACCOUNT}/board/" in shown
    assert "Curves {of} $run 12" in shown


def test_add_a_login(terminal, get):
    shown = terminal(
        ACCOUNT,
        [
            ("Action: ", "4"),
            ("Login name: ", ACCOUNT),
            (f"login '{ACCOUNT}' exists; vizgate login password {ACCOUNT} changes its password", None),
            ("Login name: ", "guest"),
            ("Password of login guest: ", "guest-secret"),
            ("Repeat the password: ", "other"),
            ("Password of login guest: ", "guest-secret"),
            ("Repeat the password: ", "guest-secret"),
            ("Action: ", "0"),
        ],
    )
    assert "secret" not in shown
    assert get(f"/{ACCOUNT}/board/", "guest").status == 200


def test_delete_asks_first(terminal, get, name):
    link = f"http://{name}:1234/{ACCOUNT}/board/ => 127.0.0.1:9088"
    choose = [
        ("Action: ", "3"),
        (f"1: {link}", None),
        ("Number of the link to remove: ", "1"),
        (f"Remove {link}? [y/n]: ", "n"),
    ]
    shown = terminal(ACCOUNT, [*choose, ("Action: ", "0")])
    assert "removed" not in shown
    assert get(f"/{ACCOUNT}/board/", ACCOUNT).status == 200
    shown = terminal(ACCOUNT, [*choose[:-1], (choose[-1][0], "y"), ("Action: ", "0")])
    assert f"removed http://{name}:1234/{ACCOUNT}/board/ -> 127.0.0.1:9088\n" in shown
    assert get(f"/{ACCOUNT}/board/", ACCOUNT).status == 404


def test_keys_that_end_it_change_nothing(terminal, get):
    for key in ("\x03", "\x04"):
        terminal(ACCOUNT, [("Action: ", "2"), ("Link name: ", "half"), ("Server [127.0.0.1]: ", key)])
    assert get(f"/{ACCOUNT}/half/", ACCOUNT).status == 404


def test_status_is_watched_until_it_is_interrupted(terminal):
    shown = terminal("alice", [("train", None), ("train", "\x03")], "vizgate status --watch")
    assert "127.0.0.1:9087" in shown


def test_commands_ask_in_a_terminal(terminal, get):
    shown = terminal(
        ACCOUNT,
        [("Password of login guest: ", "third-secret"), ("Repeat the password: ", "third-secret")],
        "vizgate login password guest",
    )
    assert "secret" not in shown
    assert get(f"/{ACCOUNT}/", "guest", "third-secret").status == 200


def test_root_makes_the_gateway_whole_again(host, terminal, get):
    for path in ("/etc/nginx/vizgate/links.d/alice.map", "/etc/nginx/vizgate/logins.d/alice.htpasswd"):
        host.check_output(f"echo '# edited' >{path}")
    host.check_output("systemctl stop nginx")
    shown = terminal("root", [("6: remove everything", None), ("Action: ", "5"), ("Action: ", "0")])
    assert "repaired /etc/nginx/vizgate/links.d/alice.map\n" in shown
    assert "the services run" in shown
    assert get("/alice/train/", "alice").status == 200
