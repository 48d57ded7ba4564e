# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be declared: every refusal with its exact words, and what is accepted and how it is read."""

from __future__ import annotations

import ctypes
import datetime
from typing import Any

import hypothesis
import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import InvalidData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link, Login, UserData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.kinds import OTHERS
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.names import name_problem
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.parse import (
    Problem,
    parse_user,
    password_problem,
)
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.targets import host_problem
from ansible_collections.vizgate.gateway.plugins.module_utils._core.text import shown
from ansible_collections.vizgate.gateway.tests.unit.support import HASH
from hypothesis import strategies

FORM = {
    "user": "[a-z_][a-z0-9_-]{0,31}",
    "link": "[a-z0-9][a-z0-9._-]{0,62}",
    "login": "[A-Za-z0-9_][A-Za-z0-9._@+-]{0,62}",
    "source": "[a-z][a-z0-9_-]{0,31}",
}


def problems(link: dict[Any, Any] | None = None, login: dict[Any, Any] | None = None) -> list[str]:
    """What is wrong with one link or login, which are complete but for what the test gives."""
    data: dict[str, Any] = {}
    if link is not None:
        data["links"] = [{"name": "run1", "port": 8097, **link}]
    if login is not None:
        data["logins"] = [{"name": "alice", **({} if "password" in login else {"password_hash": HASH}), **login}]
    found = parse_user(data)[1]
    return [problem.text for problem in found]


# names


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("user", "alice"),
        ("user", "_apt"),
        ("user", "a"),
        ("user", "a" * 32),
        ("user", "a-b_c-9"),
        ("link", "training"),
        ("link", "0"),
        ("link", "run-1.2_b"),
        ("link", "a" * 63),
        ("link", "a..b"),
        ("login", "alice"),
        ("login", "Alice.B+x@example.org"),
        ("login", "_"),
        ("login", "a" * 63),
        ("source", "inventory"),
        ("source", "a" * 32),
    ],
)
def test_names_that_can_be_taken(what: str, name: str) -> None:
    assert name_problem(what, name) is None


@pytest.mark.parametrize(
    ("what", "name", "seen"),
    [
        ("user", "", "''"),
        ("user", "Alice", "'Alice'"),
        ("user", "9alice", "'9alice'"),
        ("user", "-alice", "'-alice'"),
        ("user", "al ice", "'al ice'"),
        ("user", "alice\n", r"'alice\n'"),
        ("user", "\nalice", r"'\nalice'"),
        ("user", "alice/bob", "'alice/bob'"),
        ("user", "..", "'..'"),
        ("user", "al.ice", "'al.ice'"),
        ("user", "älice", r"'\xe4lice'"),
        ("user", "аlice", r"'\u0430lice'"),  # noqa: RUF001  # the Cyrillic letter is the point
        ("user", "alice\0", r"'alice\x00'"),
        ("user", "a" * 33, "'" + "a" * 33 + "'"),
        ("user", "a" * 500, "'" + "a" * 77 + "…'"),
        ("user", None, "'None'"),
        ("user", 7, "'7'"),
        ("user", True, "'True'"),
        ("link", "", "''"),
        ("link", "-x", "'-x'"),
        ("link", ".x", "'.x'"),
        ("link", "_x", "'_x'"),
        ("link", "Run", "'Run'"),
        ("link", "run 1", "'run 1'"),
        ("link", "a/b", "'a/b'"),
        ("link", "a%2fb", "'a%2fb'"),
        ("link", "a;b", "'a;b'"),
        ("link", 'a"b', "'a\"b'"),
        ("link", "$host", "'$host'"),
        ("link", "run1\n", r"'run1\n'"),
        ("link", "run\u2028", r"'run\u2028'"),
        ("link", "run\ud800", r"'run\ud800'"),
        ("link", "a" * 64, "'" + "a" * 64 + "'"),
        ("link", 2024, "'2024'"),
        ("login", "", "''"),
        ("login", "a:b", "'a:b'"),
        ("login", "#a", "'#a'"),
        ("login", "-a", "'-a'"),
        ("login", "a b", "'a b'"),
        ("login", "alice\n", r"'alice\n'"),
        ("login", "ä", r"'\xe4'"),
        ("login", "a" * 64, "'" + "a" * 64 + "'"),
        ("source", "Apps", "'Apps'"),
        ("source", "../x", "'../x'"),
        ("source", "9x", "'9x'"),
        ("source", "x.json", "'x.json'"),
        ("source", "a" * 33, "'" + "a" * 33 + "'"),
    ],
)
def test_names_of_another_form(what: str, name: object, seen: str) -> None:
    assert name_problem(what, name) == f"{what} {seen}: the name is not of the form {FORM[what]}"


@pytest.mark.parametrize(
    ("what", "name"),
    [
        *[("user", name) for name in ("api", "login", "logout", "paraview", "proxy", "static", "vizgate")],
        *[("link", name) for name in ("favicon.ico", "index.html", "robots.txt")],
    ],
)
def test_reserved_names(what: str, name: str) -> None:
    assert name_problem(what, name) == f"{what} '{name}': the name is reserved; take another"


# hosts


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.255.255.255",
        "::1",
        "fd00::1",
        "FD00::0:1",
        "::ffff:10.0.0.1",
        "localhost",
        "visdomserv1",
        "GPU-7.Cluster.example",
        "1and1.example",
        "0x.example",
        "a" * 63,
        ".".join(["a" * 63] * 3 + ["a" * 61]),
    ],
)
def test_hosts(host: str) -> None:
    assert host_problem(host) is None


@pytest.mark.parametrize(
    ("host", "seen"),
    [
        ("", "''"),
        (" 10.0.0.1", "' 10.0.0.1'"),
        ("10.0.0.1\n", r"'10.0.0.1\n'"),
        ("10.0.0.1:80", "'10.0.0.1:80'"),
        ("10.0.0.0/8", "'10.0.0.0/8'"),
        # what the C library would take for 127.0.0.1
        ("127.1", "'127.1'"),
        ("127.0.1", "'127.0.1'"),
        ("2130706433", "'2130706433'"),
        ("0x7f.1", "'0x7f.1'"),
        ("0x7f000001", "'0x7f000001'"),
        ("0X7F000001", "'0X7F000001'"),
        ("0x", "'0x'"),
        ("0177.0.0.1", "'0177.0.0.1'"),
        ("127.0.0.0x1", "'127.0.0.0x1'"),
        ("127.0.0.01", "'127.0.0.01'"),
        ("1.2.3.4.5", "'1.2.3.4.5'"),
        ("256.0.0.1", "'256.0.0.1'"),
        ("١٢٧.0.0.1", r"'\u0661\u0662\u0667.0.0.1'"),
        # IPv6 the way other places write it
        ("[::1]", "'[::1]'"),
        ("fe80::1%eth0", "'fe80::1%eth0'"),
        ("::1%\n", r"'::1%\n'"),
        ("::g", "'::g'"),
        ("1::2::3", "'1::2::3'"),
        # names that are none
        ("host.", "'host.'"),
        (".host", "'.host'"),
        ("a..b", "'a..b'"),
        ("-host", "'-host'"),
        ("host-", "'host-'"),
        ("ho_st", "'ho_st'"),
        ("ho st", "'ho st'"),
        ("host;", "'host;'"),
        ("$host", "'$host'"),
        ("unix:/run/x.sock", "'unix:/run/x.sock'"),
        ("http://host", "'http://host'"),
        ("host/path", "'host/path'"),
        ("user@host", "'user@host'"),
        ("*", "'*'"),
        ("\u212aelvin", r"'\u212aelvin'"),
        ("hôst", r"'h\xf4st'"),
        ("host\0", r"'host\x00'"),
        ("host。example", r"'host\u3002example'"),
        ("a" * 64, "'" + "a" * 64 + "'"),
        (".".join(["a" * 63] * 3 + ["a" * 62]), "'" + "a" * 63 + "." + "a" * 13 + "…'"),
    ],
)
def test_hosts_that_are_none(host: str, seen: str) -> None:
    assert host_problem(host) == (
        f"host {seen} is neither an IP address nor a host name (letters, digits, '-' and '.')"
    )


@pytest.mark.parametrize(
    ("host", "seen"), [(None, "None"), (127, "127"), (1.5, "1.5"), (["a"], "['a']"), (True, "True")]
)
def test_hosts_that_are_no_text(host: object, seen: str) -> None:
    quote = '"' if "'" in seen else "'"
    assert problems(link={"host": host}) == [f"link 'run1': host {quote}{seen}{quote} is not a text; quote it"]


@pytest.mark.parametrize(
    ("written", "read"),
    [("FD00:0:0::A", "fd00::a"), ("GPU-7.Example", "gpu-7.example"), ("10.0.0.1", "10.0.0.1"), ("::", "::")],
)
def test_hosts_are_read_in_one_spelling(written: str, read: str) -> None:
    link = parse_user({"links": [{"name": "a", "port": 1, "host": written}]})[0].links[0]
    assert link.host == read


# links


@pytest.mark.parametrize(
    ("more", "target", "told"),
    [
        ({"host": "node7"}, "node7:8443", {}),
        ({"host": "node7", "scheme": "http", "verify": True}, "node7:8443", {}),
        ({"host": "node7", "scheme": "https"}, "https://node7:8443", {"scheme": "https", "verify": True}),
        (
            {"host": "fd00::7", "scheme": "https", "verify": False},
            "https://[fd00::7]:8443",
            {"scheme": "https", "verify": False},
        ),
    ],
)
def test_schemes(more: dict[str, Any], target: str, told: dict[str, Any]) -> None:
    found, wrong = parse_user({"links": [{"name": "a", "port": 8443, **more}]})
    assert not wrong
    assert found.links[0].target == target
    assert {key: value for key, value in found.links[0].as_json().items() if key in ("scheme", "verify")} == told
    assert parse_user(found.as_json())[0] == found


@pytest.mark.parametrize(
    ("link", "text"),
    [
        ({"port": None}, "link 'run1': it has no port"),
        ({"port": 0}, "link 'run1': port 0 is not in 1-65535"),
        ({"port": -1}, "link 'run1': port -1 is not in 1-65535"),
        ({"port": 65536}, "link 'run1': port 65536 is not in 1-65535"),
        ({"port": 99999}, "link 'run1': port 99999 is not in 1-65535"),
        ({"port": True}, "link 'run1': port 'True' is not a number; write it without quotes"),
        ({"port": False}, "link 'run1': port 'False' is not a number; write it without quotes"),
        ({"port": "8097"}, "link 'run1': port '8097' is not a number; write it without quotes"),
        (
            {"port": "\uff18\uff10\uff19\uff17"},
            r"link 'run1': port '\uff18\uff10\uff19\uff17' is not a number; write it without quotes",
        ),
        ({"port": 8097.0}, "link 'run1': port '8097.0' is not a number; write it without quotes"),
        ({"port": float("nan")}, "link 'run1': port 'nan' is not a number; write it without quotes"),
        ({"port": [8097]}, "link 'run1': port '[8097]' is not a number; write it without quotes"),
        ({"kind": "visdon"}, "link 'run1': kind 'visdon' is not known; did you mean 'visdom'?"),
        ({"kind": "Jupyter"}, "link 'run1': kind 'Jupyter' is not known; did you mean 'jupyter'?"),
        ({"kind": "zzz"}, "link 'run1': kind 'zzz' is not known; " + OTHERS),
        # the tools of the guide that have no kind are not taken for those that have one
        *(
            ({"kind": tool}, f"link 'run1': kind '{tool}' is not known; " + OTHERS)
            for tool in ("rstudio", "ttyd", "code-server", "ray")
        ),
        ({"kind": None}, "link 'run1': kind 'None' is not known; " + OTHERS),
        ({"kind": ["http"]}, "link 'run1': kind \"['http']\" is not known; did you mean 'http'?"),
        ({"kind": "http\n"}, r"link 'run1': kind 'http\n' is not known; did you mean 'http'?"),
        ({"description": "x" * 201}, "link 'run1': the description has 201 characters; 200 is the limit"),
        ({"description": "x" * 10000}, "link 'run1': the description has 10000 characters; 200 is the limit"),
        ({"description": None}, "link 'run1': description 'None' is not a text; quote it"),
        ({"description": 12}, "link 'run1': description '12' is not a text; quote it"),
        (
            {"description": datetime.date(2026, 1, 2)},
            "link 'run1': description '2026-01-02' is not a text; quote it",
        ),
        ({"description": "a\ud800"}, "link 'run1': the description is not valid Unicode"),
        ({"prefix": "kept"}, "link 'run1': prefix 'kept' is not 'keep', 'strip' or 'host'"),
        ({"prefix": None}, "link 'run1': prefix 'None' is not 'keep', 'strip' or 'host'"),
        ({"prefix": ["keep"]}, "link 'run1': prefix \"['keep']\" is not 'keep', 'strip' or 'host'"),
        ({"prefix": "strip\n"}, r"link 'run1': prefix 'strip\n' is not 'keep', 'strip' or 'host'"),
        ({"scheme": "ftp"}, "link 'run1': scheme 'ftp' is neither 'http' nor 'https'"),
        ({"scheme": None}, "link 'run1': scheme 'None' is neither 'http' nor 'https'"),
        ({"scheme": "https", "host": "node7", "verify": "no"}, "link 'run1': verify 'no' is neither true nor false"),
        (
            {"verify": False},
            "link 'run1': verify has no effect without scheme 'https'; remove verify, or set scheme: https",
        ),
        *(
            (
                {"scheme": "https", **host},
                "link 'run1': a certificate is verified for a host name; give the host as a name, or verify: false",
            )
            for host in ({}, {"host": "10.0.0.7"}, {"host": "::1"}, {"verify": True})
        ),
        (
            {"scheme": "https", "port": None, "socket": "/run/a.sock"},
            "link 'run1': a unix socket does not need https; remove scheme",
        ),
        ({"prot": 1}, "link 'run1': unknown key 'prot'; did you mean 'port'?"),
        ({"descripton": ""}, "link 'run1': unknown key 'descripton'; did you mean 'description'?"),
        (
            {"zzz": 1},
            "link 'run1': unknown key 'zzz'; known keys: name, port, kind, host, description, prefix, socket, scheme, verify",
        ),
        (
            {5: 1},
            "link 'run1': unknown key '5'; known keys: name, port, kind, host, description, prefix, socket, scheme, verify",
        ),
        ({"mode": 1}, "link 'run1': unknown key 'mode'; did you mean 'name'?"),
        ({"port\n": 1}, r"link 'run1': unknown key 'port\n'; did you mean 'port'?"),
        ({"name": "Run"}, "link 'Run': the name is not of the form [a-z0-9][a-z0-9._-]{0,62}"),
        ({"name": "robots.txt"}, "link 'robots.txt': the name is reserved; take another"),
    ],
)
def test_links_that_are_refused(link: dict[Any, Any], text: str) -> None:
    assert problems(link=link) == [text]


def test_a_link_needs_name_and_port() -> None:
    assert [problem.text for problem in parse_user({"links": [{}]})[1]] == [
        "link: it has no name",
        "link 'None': it has no port",
    ]


@pytest.mark.parametrize("port", [1, 80, 8097, 65535])
def test_ports(port: int) -> None:
    assert problems(link={"port": port}) == []


@pytest.mark.parametrize("description", ["", "x" * 200, "ü" * 200, "a\nb\0\u2028\u202e<b>&\"'"])
def test_descriptions_are_any_text(description: str) -> None:
    assert problems(link={"description": description}) == []


def test_a_link_takes_its_defaults() -> None:
    assert parse_user({"links": [{"name": "a", "port": 8097}]}) == (
        UserData((Link("a", 8097, "http", "127.0.0.1"),)),
        [],
    )


@pytest.mark.parametrize(
    ("kind", "prefix", "mode"),
    [("http", "", "strip"), ("visdom", "", "keep"), ("http", "keep", "keep"), ("visdom", "strip", "strip")],
)
def test_a_links_prefix_overrules_its_kind(kind: str, prefix: str, mode: str) -> None:
    assert Link("a", 1, kind, prefix=prefix).mode == mode


@pytest.mark.parametrize(
    ("host", "target"), [("10.0.0.1", "10.0.0.1:80"), ("::1", "[::1]:80"), ("gpu1.example", "gpu1.example:80")]
)
def test_a_links_target_is_written_as_people_write_it(host: str, target: str) -> None:
    assert Link("a", 80, host=host).target == target


# logins

_LIBCRYPT = ctypes.CDLL("libcrypt.so.1")
_LIBCRYPT.crypt.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
_LIBCRYPT.crypt.restype = ctypes.c_char_p


def checkable(password_hash: str) -> bool:
    """Whether the C library, which nginx asks, can compare a password with the hash."""
    answer = _LIBCRYPT.crypt(b"password", password_hash.encode())
    return answer is not None and not answer.startswith(b"*")


B64 = "abcdefghijklmnopqrstuvwxyz./ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


@pytest.mark.parametrize(
    "password_hash",
    [
        HASH,
        "$2a$10$" + "a" * 53,
        "$2b$12$" + B64[:53],
        "$2y$04$" + "." * 53,
        "$y$j9T$" + "a" * 21 + "/$" + "b" * 43,
        "$6$" + "a" * 16 + "$" + "b" * 86,
        "$6$rounds=5000$" + "a" * 16 + "$" + "b" * 86,
        "$5$abc$" + "b" * 43,
        "$5$rounds=99999$abc$" + "b" * 43,
    ],
)
def test_hashes(password_hash: str) -> None:
    assert problems(login={"password_hash": password_hash}) == []
    assert checkable(password_hash)


@pytest.mark.parametrize(
    "password_hash",
    [
        "",
        "secret",
        # what nginx would take, and nobody should
        "{PLAIN}secret",
        "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "{SSHA}0EtKqnHrOYgHbNdNNLWPIeLtZFdkYWJj",
        "$apr1$abcdefgh$abcdefghijklmnopqrstuv",
        "$1$abcdefgh$abcdefghijklmnopqrstuv",
        "rqXexS6ZhobKA",
        # bcrypt, nearly
        "$2x$10$" + "a" * 53,
        "$2$10$" + "a" * 53,
        "$2y$10$" + "a" * 52,
        "$2y$10$" + "a" * 54,
        "$2y$03$" + "a" * 53,
        "$2y$16$" + "a" * 53,
        "$2y$31$" + "a" * 53,
        "$2y$1$" + "a" * 53,
        HASH + "\n",
        HASH + ":x",
        "\n" + HASH,
        HASH[:-1] + "ä",
        HASH + "\nmallory:" + HASH,
        # the others, nearly
        "$6$" + "a" * 17 + "$" + "b" * 86,
        "$6$abc$" + "b" * 85,
        "$6$rounds=1$abc$" + "b" * 86,
        "$5$abc$" + "b" * 86,
        "$y$j9T$" + "a" * 22 + "$" + "b" * 42,
        "*",
        "!",
        12345,
        True,
        ["x"],
    ],
)
def test_hashes_that_are_refused(password_hash: object) -> None:
    assert problems(login={"password_hash": password_hash}) == [
        "login 'alice': password_hash is no bcrypt, yescrypt or SHA-crypt hash; make one with 'htpasswd -nBC 10 NAME'"
    ]


@pytest.mark.parametrize(
    "password_hash",
    [
        # libcrypt knows no such parameters, so every login of that user would answer 503
        "$6$rounds=0999$abc$" + "b" * 86,
        "$5$rounds=0001$abc$" + "b" * 43,
        "$y$zzzz$abc$" + "b" * 43,
        # minutes of work or gigabytes for one check, in the one process that checks everybody's passwords
        "$y$jDT$abc$" + "b" * 43,
        "$y$jHT$abc$" + "b" * 43,
        "$y$j9z$abcd$" + "b" * 43,
        "$2y$15$" + "a" * 53,
    ],
)
def test_hashes_that_would_stop_the_password_checker_are_refused(password_hash: str) -> None:
    assert len(problems(login={"password_hash": password_hash})) == 1


@hypothesis.given(
    strategies.sampled_from(["$2y$04$", "$y$j9T$", "$y$j1T$", "$6$", "$6$rounds=1000$", "$5$", "$5$rounds=1234$"]),
    strategies.text("./azAZ0189", max_size=24),
    strategies.sampled_from(["", "$"]),
    strategies.sampled_from([31, 43, 53, 86]),
)
@hypothesis.example("$y$j9T$", "a" * 22, "$", 43)
def test_every_accepted_hash_can_be_checked(start: str, salt: str, between: str, size: int) -> None:
    password_hash = start + salt + between + "b" * size
    hypothesis.event("accepted" if problems(login={"password_hash": password_hash}) == [] else "refused")
    assert problems(login={"password_hash": password_hash}) or checkable(password_hash)


@pytest.mark.parametrize("password", ["x", "p w", "ü" * 36, "a" * 72, "a:b#c$d\"e'f\\", "\u202e"])
def test_passwords(password: str) -> None:
    assert problems(login={"password": password}) == []


@pytest.mark.parametrize(
    ("password", "text"),
    [
        ("a" * 73, "the password has 73 bytes; bcrypt takes 72 at most"),
        ("ü" * 37, "the password has 74 bytes; bcrypt takes 72 at most"),
        ("", "the password is not a text; quote it"),
        (12345, "the password is not a text; quote it"),
        (True, "the password is not a text; quote it"),
        (["secret"], "the password is not a text; quote it"),
        ("se\ncret", "the password holds a control character"),
        ("secret\n", "the password holds a control character"),
        ("se\0cret", "the password holds a control character"),
        ("se\x7fcret", "the password holds a control character"),
        ("\t", "the password holds a control character"),
        ("a\ud800", "the password is not valid Unicode"),
    ],
)
def test_passwords_that_are_refused(password: object, text: str) -> None:
    assert problems(login={"password": password}) == [f"login 'alice': {text}"]
    assert password_problem(password) == text


@pytest.mark.parametrize(
    ("login", "texts"),
    [
        ({}, ["login: it has no name", "login 'None': give either password or password_hash"]),
        ({"name": "alice"}, ["login 'alice': give either password or password_hash"]),
        (
            {"name": "alice", "password": "x", "password_hash": HASH},
            ["login 'alice': give either password or password_hash"],
        ),
        ({"name": "a:b", "password": "x"}, [f"login 'a:b': the name is not of the form {FORM['login']}"]),
        (
            {"name": "alice", "pasword": "x", "password_hash": HASH},
            ["login 'alice': unknown key 'pasword'; did you mean 'password'?"],
        ),
        (
            {"name": "alice", "hash": "x", "password_hash": HASH},
            ["login 'alice': unknown key 'hash'; known keys: name, password_hash, password"],
        ),
    ],
)
def test_logins_that_are_refused(login: dict[str, Any], texts: list[str]) -> None:
    assert [problem.text for problem in parse_user({"logins": [login]})[1]] == texts


@pytest.mark.parametrize("login", [{"password": "geheim\n"}, {"password": "geheim" * 20}, {"password_hash": "geheim"}])
def test_no_message_shows_a_secret(login: dict[str, Any]) -> None:
    assert "geheim" not in "".join(problems(login=login))


def test_neither_a_login_nor_its_repr_shows_a_secret() -> None:
    assert repr(Login("alice", "$2y$x", "geheim")) == "Login(name='alice')"


# the whole


@pytest.mark.parametrize("data", [None, {}, {"links": None}, {"links": [], "logins": []}])
def test_nothing_declared(data: object) -> None:
    assert parse_user(data) == (UserData(), [])


@pytest.mark.parametrize(
    ("data", "path", "text"),
    [
        ([], (), "'[]' is not a mapping with the keys links and logins"),
        ("links", (), "'links' is not a mapping with the keys links and logins"),
        (0, (), "'0' is not a mapping with the keys links and logins"),
        ({"link": []}, ("link",), "the file: unknown key 'link'; did you mean 'links'?"),
        ({"xyz": []}, ("xyz",), "the file: unknown key 'xyz'; known keys: links, logins, apps"),
        ({None: []}, (None,), "the file: unknown key 'None'; known keys: links, logins, apps"),
        ({"links": {}}, ("links",), "links: '{}' is not a list of links"),
        ({"links": "a"}, ("links",), "links: 'a' is not a list of links"),
        ({"logins": 0}, ("logins",), "logins: '0' is not a list of logins"),
        ({"links": ["a"]}, ("links", 0), "links: 'a' is not a mapping like '- name: …'"),
        ({"logins": [None]}, ("logins", 0), "logins: 'None' is not a mapping like '- name: …'"),
    ],
)
def test_data_of_another_shape(data: object, path: tuple[str | int, ...], text: str) -> None:
    assert parse_user(data) == (UserData(), [Problem(path, text)])


def test_names_are_declared_once() -> None:
    links = [{"name": "a", "port": 1}, {"name": "b", "port": 2}, {"name": "a", "port": 3}]
    logins = [{"name": "x", "password": "1"}, {"name": "x", "password": "2"}]
    found, refused = parse_user({"links": links, "logins": logins})
    assert refused == [
        Problem(("links", 2), "link 'a': declared twice"),
        Problem(("logins", 1), "login 'x': declared twice"),
    ]
    assert [(link.name, link.port) for link in found.links] == [("a", 1), ("b", 2)]


def test_a_link_may_have_the_name_of_a_login() -> None:
    assert parse_user({"links": [{"name": "a", "port": 1}], "logins": [{"name": "a", "password": "1"}]})[1] == []


def test_every_problem_is_reported_with_its_path_and_the_good_is_kept() -> None:
    found, refused = parse_user(
        {
            "links": [
                {"name": "good", "port": 8097},
                {"name": "BAD", "port": 0, "host": "a b", "colour": "red"},
                7,
            ],
            "logins": [{"name": "x"}],
        }
    )
    assert [problem.path for problem in refused] == [
        ("links", 2),
        ("links", 1, "colour"),
        ("links", 1, "name"),
        ("links", 1, "host"),
        ("links", 1, "port"),
        ("logins", 0),
    ]
    assert [link.name for link in found.links] == ["good"]


def test_the_order_of_declaration_does_not_matter() -> None:
    links = [{"name": name, "port": 1} for name in "cab"]
    logins = [{"name": name, "password": "x"} for name in "BaC"]
    found = parse_user({"links": links, "logins": logins})
    assert found == parse_user({"links": links[::-1], "logins": logins[::-1]})


def test_what_is_stored_is_read_back() -> None:
    found, refused = parse_user(
        {
            "links": [
                {"name": "a", "port": 1},
                {"name": "b", "port": 2, "kind": "visdom", "host": "::1", "description": "ü", "prefix": "strip"},
            ],
            "logins": [{"name": "x", "password_hash": HASH}, {"name": "y", "password": "clear"}],
        }
    )
    assert refused == []
    assert parse_user(found.as_json()) == (found, [])
    assert found.as_json()["links"][0] == {"name": "a", "port": 1}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "'a'"),
        ("it's", '"it\'s"'),
        ("a\nb", r"'a\nb'"),
        ("ü\u202e", r"'\xfc\u202e'"),
        ("x" * 80, "'" + "x" * 80 + "'"),
        ("x" * 81, "'" + "x" * 77 + "…'"),
        (None, "'None'"),
        (5, "'5'"),
        ({"a": 1}, "\"{'a': 1}\""),
    ],
)
def test_values_are_shown_quoted_on_one_short_line(value: object, text: str) -> None:
    assert shown(value) == text


class _Counted:
    """Counts how often it is written out."""

    times = 0

    def __repr__(self) -> str:
        type(self).times += 1
        return "x"


def test_a_value_of_many_aliases_is_not_written_out() -> None:
    nested: Any = _Counted()
    for _ in range(6):
        nested = [nested] * 6
    assert len(shown(nested)) <= 82
    assert _Counted.times < 1000, "an alias bomb of 30 lines would take all memory"


def _deep() -> list[Any]:
    found: list[Any] = []
    for _ in range(100_000):
        found = [found]
    return found


def _recursive() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


MONSTERS: dict[str, Any] = {
    "deep": _deep(),
    "recursive": _recursive(),
    "int": 16**5000,
    "negative": -(16**5000),
    "in a dict": {"a": 16**5000},
    "in a set": {16**5000},
    "bytes": b"x" * 1_000_000,
    "text": "\U0001f4a5" * 1_000_000,
}


@pytest.mark.parametrize("value", MONSTERS.values(), ids=MONSTERS)
def test_a_value_too_big_to_print_is_shown_all_the_same(value: object) -> None:
    text = shown(value)
    assert len(text) <= 82
    assert text.replace("…", "").isascii()


@pytest.mark.parametrize("value", MONSTERS.values(), ids=MONSTERS)
def test_a_value_too_big_to_print_is_refused_in_every_field(value: object) -> None:
    link = dict.fromkeys(("name", "port", "kind", "host", "description", "prefix"), value)
    login = dict.fromkeys(("name", "password_hash"), value)
    for data in (
        value,
        {"links": value, "logins": value},
        {"links": [value, link], "logins": [login, {"password": value}]},
    ):
        refused = parse_user(data)[1]
        assert refused
        assert all(len(problem.text) < 500 for problem in refused)


@pytest.mark.parametrize("key", [16**5000, "x" * 1_000_000, (1,) * 10_000, None, 1.5], ids=type)
def test_a_key_of_any_size_is_refused(key: object) -> None:
    for data in (
        {key: 1},
        {"links": [{"name": "a", "port": 1, key: 1}]},
        {"logins": [{"name": "a", "password": "x", key: 1}]},
    ):
        (problem,) = parse_user(data)[1]
        assert f"unknown key {shown(key)}; " in problem.text
        assert len(problem.text) < 500


def test_a_port_of_any_size_makes_a_short_message() -> None:
    (text,) = problems(link={"port": 16**5000})
    assert text.startswith("link 'run1': port ")
    assert len(text) < 200


def test_invalid_data_holds_its_problems_one_a_line() -> None:
    error = InvalidData(f"problem {number}" for number in (1, 2))
    assert error.problems == ["problem 1", "problem 2"]
    assert str(error) == "problem 1\nproblem 2"
