# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two promises, tried with whatever hypothesis can think of.

Whatever the model accepts becomes a configuration that a real nginx serves, in which every URL leads where its own
user said. And any value in any field is refused in one fit line, or does no harm.
"""

from __future__ import annotations

import datetime
import html.parser
import ipaddress
import os
import re
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply import control
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.change import Options
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import InvalidData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.host.passwords import hash_password, verify_password
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link, UserData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.kinds import KINDS
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.names import (
    LINK,
    LOGIN,
    RESERVED_LINKS,
    RESERVED_USERS,
    USER,
)
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.parse import parse_user
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.policy import Policy
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.targets import address_problem
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net import resolve
from ansible_collections.vizgate.gateway.plugins.module_utils._core.render.user_files import entries, render
from ansible_collections.vizgate.gateway.plugins.module_utils._core.text import shown
from ansible_collections.vizgate.gateway.plugins.plugin_utils._users_files import parse_users
from ansible_collections.vizgate.gateway.tests.unit.support import (
    HASH,
    OTHER_HASH,
    TEMPLATES,
    configure,
    make_gateway,
    serving,
    short_folder,
)
from hypothesis import strategies as st

FEWER = hypothesis.settings(max_examples=max(hypothesis.settings.default.max_examples // 4, 1))
"""For what starts a program for each example."""
MORE = hypothesis.settings(max_examples=hypothesis.settings.default.max_examples * 3)

EVERYWHERE = {"allowed_hosts": ["0.0.0.0/0", "::/0", "*", "*.*", "*.*.*"], "allowed_ports": ["1-65535"]}


GENERATION = r"[0-9a-f]{24}(?: [A-Za-z0-9._@+-]+)+"
"""A user's logins: their generation, and their names."""


# what the model accepts

# words that mean something to nginx, and names that begin like others
USERS = st.sampled_from(["a", "a-b", "a_b", "aa", "_", "default", "include", "hostnames", "volatile", "map", "u" * 32])
LINKS = st.sampled_from(["a", "a.b", "a-b", "aa", "default", "include", "0", "a..b", "a.map", "status", "l" * 63])
user_names = (USERS | st.from_regex(USER, fullmatch=True)).filter(lambda name: name not in RESERVED_USERS)
link_names = (LINKS | st.from_regex(LINK, fullmatch=True)).filter(lambda name: name not in RESERVED_LINKS)
labels = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
addresses = st.ip_addresses().filter(lambda address: address_problem(address) is None)
hosts = addresses.map(str) | st.lists(labels, min_size=1, max_size=3).map(".".join)
links = st.fixed_dictionaries(
    {"name": link_names, "port": st.integers(1, 65535)},
    optional={
        "host": hosts,
        "kind": st.sampled_from(sorted(KINDS)),
        "prefix": st.sampled_from(["keep", "strip", ""]),
        "description": st.text(max_size=200),
    },
)
logins = st.fixed_dictionaries(
    {"name": st.from_regex(LOGIN, fullmatch=True), "password_hash": st.sampled_from([HASH, OTHER_HASH])}
)
users = st.dictionaries(
    user_names,
    st.fixed_dictionaries(
        {
            "links": st.lists(links, max_size=6, unique_by=lambda link: link["name"]),
            "logins": st.lists(logins, max_size=3, unique_by=lambda login: login["name"]),
        }
    ),
    min_size=1,
    max_size=6,
)


def address_of(host: str) -> str | None:
    """What the tests' name server says: the same for one name for ever, another for every name, nothing for some."""
    number = zlib.crc32(host.encode())
    if number % 7 == 0:
        return None
    return (
        f"fd00::{number >> 16:x}:{number & 0xFFFF:x}"
        if number % 5 == 0
        else str(ipaddress.ip_address(0x0B000000 + (number >> 8)))
    )


@pytest.fixture
def name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers with `address_of`."""

    def getaddrinfo(host: str, *arguments: object, **options: object) -> list[tuple[object, ...]]:
        address = address_of(host)
        if address is None:
            raise OSError("no such host")
        return [(None, None, 0, "", (address, 0))]

    monkeypatch.setattr(resolve.socket, "getaddrinfo", getaddrinfo)


@pytest.fixture(scope="module")
def whole() -> Iterator[tuple[Gateway, str]]:
    """A gateway with nginx's whole configuration, and the path of that."""
    with pytest.MonkeyPatch.context() as patch, short_folder() as root:
        # nothing here loses power, and flushing takes most of the time
        patch.setattr(os, "fsync", lambda descriptor: None)
        patch.setattr(os, "sync", lambda: None)
        gateway = make_gateway(root, EVERYWHERE)
        yield gateway, configure(gateway)


def emptied(gateway: Gateway) -> Gateway:
    """The gateway with nothing declared, whatever the example before has left."""
    for folder in (
        gateway.paths.users,
        *(os.path.join(gateway.paths.includes, name) for name in ("links.d", "logins.d", "pages")),
    ):
        shutil.rmtree(folder)
        os.mkdir(folder)
    for path in (gateway.paths.addresses, gateway.paths.control):
        Path(path).unlink(missing_ok=True)
    return gateway


def parsed(declared: dict[str, Any]) -> dict[str, UserData]:
    """User → data; all of it has to be right."""
    found = {}
    for user, plain in declared.items():
        found[user], problems = parse_user(plain)
        assert problems == []
    return found


def targets(declared: dict[str, Any]) -> dict[str, str]:
    """What the entries of all links have to be, worked out from what was declared alone."""
    found = {}
    for user, plain in declared.items():
        for link in plain["links"]:
            host = link.get("host", "127.0.0.1")
            try:
                address: Any = ipaddress.ip_address(host)
            except ValueError:
                answer = address_of(host)
                address = ipaddress.ip_address(answer) if answer else None
            written = "" if address is None else f"[{address}]" if address.version == 6 else str(address)
            mode = link.get("prefix") or KINDS[link.get("kind", "http")].prefix
            found[f"{user}/{link['name']}"] = f"{mode} {written}:{link['port']}"
    return found


@FEWER
@hypothesis.given(declared=users)
def test_nginx_serves_exactly_what_every_user_declared(
    whole: tuple[Gateway, str], name_server: None, declared: dict[str, Any]
) -> None:
    gateway, configuration = whole
    data = parsed(declared)
    # nginx -t of the include files is a part of this
    emptied(gateway).declare("inventory", lambda registry: data)
    expected = targets(declared)
    # every user's links, asked for below every user's name, and a few that nobody has
    asked = {f"{user}/{key.partition('/')[2]}" for user in declared for key in expected} | expected.keys()
    asked |= {f"{user}/" for user in declared} | {key + more for key in expected for more in ("/", "x", ".map")}
    with serving(gateway, configuration):
        found = control.served(gateway.paths.control, sorted(asked))
    generations = {user + "/" for user, plain in declared.items() if plain["logins"]}
    for key, value in found.items():
        if key in generations:
            assert re.fullmatch(GENERATION, value)
        else:
            assert value == expected.get(key, "")


MAP_LINE = re.compile(rf'"([a-z_][a-z0-9_-]*)/([a-z0-9._-]*)" "([a-z]+ [0-9a-f.:\[\]]*:[0-9]+|{GENERATION})";')
LOGIN_LINE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+-]*:\$[A-Za-z0-9./$=]+")


def assert_harmless(user: str, data: UserData) -> None:
    """The include files hold lines of their own form and nothing else, and the page is the text that was declared."""
    files = render(str(TEMPLATES), user, data, entries(user, data, {}))
    if not files:
        return
    comment, *lines = files[f"links.d/{user}.map"].split("\n")[:-1]
    assert comment.startswith("# ")
    matches = [MAP_LINE.fullmatch(line) for line in lines]
    assert all(match and match[1] == user for match in matches)
    assert len(lines) == len(data.links) + bool(data.logins)
    passwords = files[f"logins.d/{user}.htpasswd"].split("\n")[:-1]
    assert all(map(LOGIN_LINE.fullmatch, passwords))
    assert len(passwords) == len(data.logins)
    page = Page(files[f"pages/{user}.html"])
    assert page.descriptions == [link.description for link in data.links]
    plain = render(str(TEMPLATES), user, plain_texts(data), {})
    assert page.tags == Page(plain[f"pages/{user}.html"]).tags


def plain_texts(data: UserData) -> UserData:
    """The same with descriptions in which there is nothing to escape."""
    plain = tuple(Link(link.name, link.port, link.kind, link.host, "x", link.prefix) for link in data.links)
    return UserData(plain, data.logins)


class Page(html.parser.HTMLParser):
    """The descriptions on an index page, and all tags with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.descriptions: list[str] = []
        self.tags: list[object] = []
        self._inside = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))
        self._inside = ("class", "description") in attrs
        if self._inside:
            self.descriptions.append("")

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(tag)
        self._inside = False

    def handle_data(self, text: str) -> None:
        if self._inside:
            self.descriptions[-1] += text


@hypothesis.given(declared=users)
def test_include_files_hold_their_users_lines_and_nothing_else(declared: dict[str, Any]) -> None:
    for user, data in parsed(declared).items():
        assert_harmless(user, data)


# any value in any field

SEEDS = [
    "",
    " ",
    "'",
    '"',
    "\\",
    ";",
    "{",
    "}",
    "$host",
    "${x}",
    "#",
    "~*.*",
    "*",
    "%0d%0a",
    "\n",
    "\r\n",
    "\0",
    "\t",
    "\x1b[2J",
    "\x7f",
    "\x85",
    "\xa0",
    "\u2028",
    "\u2029",
    "\u202e",
    "\u200b",
    "\ufeff",
    "\ud800",
    "\udfff",
    "\U0001f4a5",
    "ａ",  # noqa: RUF001
    "İ",
    "\u212a",
    "../",
    "/",
    "//",
    "%2F",
    "a/b",
    ":",
    "[::1]",
    "<script>alert(1)</script>",
    "</span>",
    "&amp;",
    "{{ 7*7 }}",
    "{% raw %}",
    "{#",
    "-",
    "--",
    "=",
    "@",
    "`id`",
    "$(id)",
    "|",
    '\n"a/b" "c";\n',
    '"; } include /etc/passwd; #',
]
FIT = ["training", "visdom", "http", "keep", "127.0.0.1", "::1", "gpu1.example", "8097", "alice", HASH, "Loss curves"]

any_text = st.text(st.characters(exclude_categories=()), max_size=30)
nearly_fit = st.builds(
    lambda fit, at, odd: fit[: at % (len(fit) + 1)] + odd + fit[at % (len(fit) + 1) :],
    st.sampled_from(FIT),
    st.integers(0, 100),
    st.sampled_from(SEEDS) | any_text,
)
long_text = st.sampled_from(["x", "\n", "'", "💥"]).map(lambda sign: sign * 10_000)
texts = st.one_of(st.sampled_from(SEEDS), nearly_fit, any_text, long_text)


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    texts,
    st.binary(max_size=20),
    st.dates(),
    st.datetimes(),
    st.sampled_from([0, -1, 65535, 65536, 10**40, datetime.date(1, 1, 1), float("inf")]),
)
keys = st.none() | st.booleans() | st.integers() | texts | st.dates() | st.just((1, 2))
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4) | st.sets(st.integers(), max_size=3)
    ),
    max_leaves=8,
)


def assert_fit(problems: list[str], start: str = "") -> None:
    """Every message is one bounded line that any terminal shows as it is, and begins with what it is about."""
    for problem in problems:
        assert problem.startswith(start)
        assert problem.replace("…", "").isascii()
        assert problem.isprintable()
        assert len(problem) < 500


@MORE
@hypothesis.given(
    field=st.sampled_from(["name", "kind", "host", "port", "description", "prefix"]), value=texts | values
)
@hypothesis.example("host", "\u212a")
@hypothesis.example("host", "gpu1\n")
@hypothesis.example("name", "training\n")
@hypothesis.example("description", "</span>" * 28)
def test_any_value_in_a_links_field(field: str, value: Any) -> None:
    declared = {"name": "run1", "port": 8097, field: value}
    data, problems = parse_user({"links": [declared]})
    hypothesis.event(f"{field} {'refused' if problems else 'accepted'}")
    assert_fit([problem.text for problem in problems], f"link {shown(declared['name'])}: ")
    if problems:
        assert data == UserData()
        return
    (link,) = data.links
    assert LINK.fullmatch(link.name)
    assert link.kind in KINDS
    assert re.fullmatch("[a-z0-9.:-]{1,253}", link.host)
    assert type(link.port) is int
    assert 1 <= link.port <= 65535
    assert link.prefix in ("keep", "strip", "")
    assert len(link.description) <= 200
    # nothing was changed on the way, but for the spelling of hosts
    assert getattr(link, field) == value or (field == "host" and value.isascii())
    assert_harmless("alice", data)
    assert parse_user(data.as_json()) == (data, [])


@MORE
@hypothesis.given(field=st.sampled_from(["name", "password", "password_hash"]), value=texts | values)
@hypothesis.example("password_hash", HASH + "\nmallory:" + HASH)
@hypothesis.example("name", "alice:x")
def test_any_value_in_a_logins_field(field: str, value: Any) -> None:
    declared = {"name": "alice", field: value}
    if field == "name":
        declared["password_hash"] = HASH
    data, problems = parse_user({"logins": [declared]})
    assert_fit([problem.text for problem in problems], f"login {shown(declared['name'])}: ")
    if problems:
        assert data == UserData()
        return
    (login,) = data.logins
    assert LOGIN.fullmatch(login.name)
    if login.password_hash:
        assert_harmless("alice", data)


@hypothesis.given(field=st.sampled_from(["password", "password_hash"]), secret=st.text("qwxyz#-äß\n\0", min_size=8))
def test_no_message_shows_a_secret(field: str, secret: str) -> None:
    problems = parse_user({"logins": [{"name": "alice", field: secret}]})[1]
    for text in (secret, ascii(secret)[1:-1], repr(secret)[1:-1]):
        assert text not in "".join(problem.text for problem in problems)


@hypothesis.settings(max_examples=10)
@hypothesis.given(password=st.text(min_size=1, max_size=40))
@hypothesis.example("x" * 72)
@hypothesis.example(" \x85\u2028 ")
@hypothesis.example("a:b\\$c`d`\"e'")
def test_every_accepted_password_can_be_used(password: str) -> None:
    hypothesis.assume(parse_user({"logins": [{"name": "alice", "password": password}]})[1] == [])
    assert verify_password(password, hash_password(password))


@hypothesis.given(where=st.sampled_from(["links", "logins", ""]), key=keys, value=texts | values)
def test_any_other_key_is_refused(where: str, key: Any, value: Any) -> None:
    link = {"name": "run1", "port": 8097}
    login = {"name": "alice", "password_hash": HASH}
    known = {
        "": ("links", "logins"),
        "links": Link._fields,
        "logins": ("name", "password", "password_hash"),
    }
    hypothesis.assume(key not in known[where])
    declared: dict[Any, Any] = {"links": [link], "logins": [login]}
    (declared[where][0] if where else declared)[key] = value
    problems = [problem.text for problem in parse_user(declared)[1]]
    owner = {"": "the file", "links": "link 'run1'", "logins": "login 'alice'"}[where]
    assert len(problems) == 1
    assert_fit(problems, f"{owner}: unknown key {shown(key)}; ")


@hypothesis.given(
    declared=values | st.dictionaries(st.sampled_from(["links", "logins"]), values | st.lists(values, max_size=4))
)
def test_any_data_at_all(declared: Any) -> None:
    data, problems = parse_user(declared)
    assert_fit([problem.text for problem in problems])
    assert_harmless("alice", data)


@FEWER
@hypothesis.given(
    oddities=st.lists(st.tuples(st.sampled_from(["name", "host", "description", "kind", "prefix"]), texts), max_size=12)
)
def test_nginx_takes_whatever_is_accepted(
    whole: tuple[Gateway, str], name_server: None, oddities: list[tuple[str, str]]
) -> None:
    gateway, configuration = whole
    declared = [{"name": f"run{number}", "port": 8097, field: text} for number, (field, text) in enumerate(oddities)]
    data = parse_user({"links": declared, "logins": [{"name": "alice", "password_hash": HASH}]})[0]
    emptied(gateway).declare("inventory", lambda registry: {"alice": data})
    again = gateway.declare("inventory", lambda registry: {"alice": data}, Options(repair=True))
    assert not again.changed
    with serving(gateway, configuration):
        found = control.served(gateway.paths.control, [f"alice/{link.name}" for link in data.links] or ["alice/"])
    assert all(found.values())


# users files

FRAGMENTS = [
    *("links", "logins", "name", "port", "host", "password", "description", "a", "8097", "0x1f", "017", "1:2:3", "1e9"),
    *(": ", ":", " ", "  ", "\n", "\n  ", "\n  - ", "- ", ", ", "{", "}", "[", "]", "? ", "'", '"', "|\n", ">\n", "#"),
    *(
        "&a ",
        "*a",
        "&b ",
        "*b",
        "<<: ",
        "~",
        "null",
        "yes",
        "off",
        "=",
        "2026-01-02",
        "2026-13-45",
        ".inf",
        ".nan",
        "0b2",
    ),
    *(
        "!!int ",
        "!!float ",
        "!!bool ",
        "!!binary ",
        "!!timestamp ",
        "!!set ",
        "!!omap ",
        "!!pairs ",
        "!!null ",
        "!!str ",
    ),
    *(
        "!!map ",
        "!!seq ",
        "!!python/object:os.system ",
        "!vault ",
        "!x ",
        "!",
        "---\n",
        "...\n",
        "%YAML 1.1\n",
        "%TAG ! x\n",
    ),
    *("\t", "\0", "\x85", "\u2028", "\ufeff", "\ud800", "\x1b", "\\", "@", "`", "%", "0x" + "f" * 5000, "9" * 5000),
    *("[" * 50, "{a: " * 50, "- " * 50, "💥"),
]


def decrypt(text: str) -> str:
    """A vault without a key."""
    raise ValueError(f"cannot decrypt\n{text}")


GOOD = f"""\
links:
  - name: training
    kind: visdom
    host: gpu1.example
    port: 8097
    description: "Loss curves"
  - {{name: notes, port: 9000}}
logins:
  - name: alice
    password_hash: {HASH}
  - name: guest
    password: geheim
"""


def put_in(places: list[tuple[int, int, str]]) -> str:
    """The good file with oddities in some places, instead of as many characters."""
    found = GOOD
    for at, size, odd in places:
        at %= len(found) + 1
        found = found[:at] + odd + found[at + size :]
    return found


places = st.tuples(st.integers(0, 1000), st.integers(0, 8), st.sampled_from(FRAGMENTS) | texts)


@MORE
@hypothesis.given(
    text=st.lists(places, max_size=3).map(put_in)
    | st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join)
    | any_text
)
def test_any_text_as_a_users_file(text: str) -> None:
    found, problems = parse_users({"users/alice.yml": text}, decrypt)
    assert_fit(problems)
    lines = text.count("\n") + text.count("\x85") + text.count("\u2028") + 2
    for problem in problems:
        match = re.match(r"users/alice\.yml:([0-9]+): ", problem)
        assert match
        assert 1 <= int(match[1]) <= lines
    hypothesis.event("refused" if problems else "accepted")
    if not problems:
        data = found["alice"]
        assert_harmless("alice", UserData(data.links, tuple(login for login in data.logins if login.password_hash)))


@hypothesis.given(name=texts.map(lambda text: text.replace("/", "")), ending=st.sampled_from([".yml", ".yaml"]))
def test_any_file_name_as_a_user(name: str, ending: str) -> None:
    found, problems = parse_users({f"users/{name}{ending}": "links: [{name: a, port: 8097}]"}, decrypt)
    assert all(re.fullmatch("[a-z_][a-z0-9_-]{0,31}", user) for user in found)
    assert len(found) + len(problems) == 1
    for problem in problems:
        assert problem.isascii() or "…" in problem
        assert problem.isprintable()
        assert f"user {shown(name)}: the name is" in problem


# the site policy


@MORE
@hypothesis.given(
    line=st.sampled_from(["10.0.0.0/8", "::1/128", "gpu*", "*.example", "fd00::/8"]).flatmap(
        lambda fit: st.builds(
            lambda at, odd: fit[: at % (len(fit) + 1)] + odd + fit[at % (len(fit) + 1) :], st.integers(0, 20), texts
        )
    )
    | texts
)
def test_any_line_in_the_policy(line: str) -> None:
    try:
        rules = Policy((line,), ("1-65535",), "policy.json").checked()
    except InvalidData as error:
        assert_fit(error.problems, "policy.json: allowed_hosts: ")
        return
    assert re.fullmatch("[A-Za-z0-9.*:/-]+", line)
    for host in (
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "fe80::1",
        "0.0.0.0",
        "metadata.google.internal",
        "a.b.c.d.e",
    ):
        problem = rules.link_problem(Link("a", 8097, host=host))
        assert problem is not None or host == line
        assert_fit([problem or ""])


@hypothesis.given(line=texts | st.integers().map(str))
def test_any_line_of_ports_in_the_policy(line: str) -> None:
    try:
        rules = Policy(("*",), (line,), "policy.json").checked()
    except InvalidData as error:
        assert_fit(error.problems, "policy.json: allowed_ports: ")
        return
    first, _, last = line.partition("-")
    for port in {1, 65535, int(first) - 1, int(first), int(last or first), int(last or first) + 1}:
        allowed = rules.link_problem(Link("a", port, host="gpu1")) is None
        assert allowed == (int(first) <= port <= int(last or first))


@hypothesis.given(declared=values | st.fixed_dictionaries({"allowed_hosts": values, "allowed_ports": values}))
def test_any_data_as_the_policy(declared: Any) -> None:
    try:
        Policy.parse(declared, "policy.json")
    except InvalidData as error:
        assert_fit(error.problems, "policy.json: ")
