# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Self-service at its worst: killed, failing or without room at every step, and requests of somebody who means harm.

What holds all the same: an answer with a plan is true, any other answer has changed nothing, the next run repairs, and
whatever mallory asks for, what is alice's and bob's stays as it is.
"""

from __future__ import annotations

import dataclasses
import errno
import io
import itertools
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core import fs
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply import gateway as gateway_module
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply import inspection, nginx_check, publisher
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.host import passwords, socket_dirs
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.sources import effective_data
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net import resolve
from ansible_collections.vizgate.gateway.plugins.module_utils._core.paths import Paths
from ansible_collections.vizgate.gateway.plugins.module_utils._core.registry import store
from ansible_collections.vizgate.gateway.plugins.module_utils._core.render import user_files
from ansible_collections.vizgate.gateway.plugins.module_utils._core.selfservice.dispatch import answer
from ansible_collections.vizgate.gateway.tests.unit.support import (
    HASH,
    POLICY,
    Control,
    Faulty,
    Killed,
    data,
    make_gateway,
    short_folder,
    tree,
)
from hypothesis import strategies as st

Request = dict[str, Any]
MODULES = (gateway_module, publisher, nginx_check, fs, store, socket_dirs)
"""Where the core touches files."""
NO_ROOM = OSError(errno.ENOSPC, "No space left on device")


def ask(gateway: Gateway, user: str, do: str, **keys: Any) -> dict[str, Any]:
    """The answer to one request of the user's."""
    gateway.registry.actor = user
    return answer(gateway, user, {"do": do, **keys})


# mishaps


class FullDisk:
    """Stands for `os` and `open` in the core's modules: from call number `at` on there is no room for anything new."""

    CALLS = frozenset(("makedirs", "mkdir", "open", "write"))

    def __init__(self, at: int) -> None:
        self.at, self.calls = at, 0

    @property
    def happened(self) -> bool:
        """Whether there were as many calls as it took to fail."""
        return self.calls >= self.at

    def take_room(self) -> None:
        """One more thing that needs room."""
        self.calls += 1
        if self.happened:
            raise NO_ROOM

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in self.CALLS:
            return real

        def call(*arguments: Any, **options: Any) -> Any:
            if name != "open" or arguments[1] & os.O_CREAT:
                self.take_room()
            return real(*arguments, **options)

        return call

    def opened(self, file: Any, mode: str = "r", **options: Any) -> Any:
        """`open`, with files that take nothing in."""
        if mode == "r":
            return open(file, mode, **options)
        written = _Torn(open(file, mode + "b"), **options)  # noqa: SIM115  # whoever opens it closes it
        written.disk = self
        return written


class _Torn(io.TextIOWrapper):
    disk: FullDisk

    def write(self, text: str) -> int:
        try:
            self.disk.take_room()
        except OSError:
            super().write(text[: len(text) // 2])
            raise
        return super().write(text)


Mishap = Callable[[pytest.MonkeyPatch, int], Any]


def killed(patch: pytest.MonkeyPatch, at: int) -> Faulty:
    """The process ends at a step."""
    return everywhere(patch, Faulty(patch, fs, at, Killed()))


def failing(patch: pytest.MonkeyPatch, at: int) -> Faulty:
    """One step fails, the next ones work."""
    return everywhere(patch, Faulty(patch, fs, at, OSError(errno.EIO, "Input/output error")))


def failing_then_killed(patch: pytest.MonkeyPatch, at: int) -> Faulty:
    """One step fails, and the process ends while it deals with that."""
    return everywhere(patch, _Worse(patch, fs, at, OSError(errno.EIO, "Input/output error")))


class _Worse(Faulty):
    def _count(self) -> None:
        super()._count()
        # two steps later the way on has begun, whichever it is
        if self.calls == self.at + 2:
            raise Killed


def without_room(patch: pytest.MonkeyPatch, at: int) -> FullDisk:
    """From a step on the disk is full."""
    disk = FullDisk(at)
    for module in MODULES:
        patch.setattr(module, "os", disk)
        patch.setattr(module, "open", disk.opened, raising=False)
    return disk


def everywhere(patch: pytest.MonkeyPatch, faulty: Faulty) -> Faulty:
    """The same steps, counted through all modules."""
    for module in MODULES:
        patch.setattr(module, "os", faulty)
    return faulty


# what is asked for when they happen

FORMER = data(
    {"name": "run", "port": 9000}, {"name": "rest", "port": 9001}, logins=[{"name": "guest", "password_hash": HASH}]
)
ONE = data({"name": "run", "port": 9000})
SCENES: dict[str, tuple[Any, Request]] = {
    "first link, on a socket": (None, {"do": "add", "link": {"name": "sock", "socket": "SOCKETS/s"}}),
    "link renamed": (FORMER, {"do": "edit", "name": "run", "link": {"name": "loss", "port": 9002}}),
    "last link removed": (ONE, {"do": "remove", "name": "run"}),
    "first login": (ONE, {"do": "add_login", "name": "guest", "password": "secret"}),
}


@dataclasses.dataclass
class Scene:
    """Gateways where alice is about to make one change, bob and inventory are there, and nginx speaks on a socket."""

    folder: str
    former: str
    request: Request
    before: Any
    after: Any = None
    lines: int = 0
    """How many lines her log has before."""

    def gateway(self, name: str) -> Gateway:
        """A new one."""
        root = os.path.join(self.folder, name)
        shutil.copytree(self.former, root, symlinks=True)
        return Gateway(Paths(root), actor="alice")

    def make(self, gateway: Gateway) -> dict[str, Any] | None:
        """Makes the change; what it is answered with, None for a process that is killed."""
        request = json.loads(json.dumps(self.request).replace("SOCKETS", gateway.paths.sockets("alice")))
        try:
            return answer(gateway, "alice", request)
        except Killed:
            return None


def state(gateway: Gateway) -> Any:
    """What is declared for alice, if the include files and nginx say the same."""
    sources = gateway.registry.sources("alice")
    declared = effective_data(sources)
    entries = user_files.entries("alice", declared, gateway.registry.addresses())
    found = {path: Path(gateway.paths.includes, path) for path in user_files.file_names("alice")}
    texts = {path: file.read_text(encoding="utf-8") for path, file in found.items() if file.exists()}
    assert texts == user_files.render(gateway.paths.templates, "alice", declared, entries)
    assert not os.path.exists(gateway.paths.journal)
    root = gateway.paths.root
    return {
        source: (
            [{**link._asdict(), "socket": link.socket.removeprefix(root)} for link in data.links],
            data.logins,
        )
        for source, data in sources.items()
    }


def served(gateway: Gateway, control: Control) -> None:
    """nginx serves what is declared, and nothing else."""
    expected: dict[str, str] = {}
    for user, sources in gateway.registry.everything().items():
        expected.update(user_files.entries(user, effective_data(sources), gateway.registry.addresses()))
    assert {key: value for key, value in control.entries.items() if value} == expected


def audited(gateway: Gateway) -> int:
    """How many steps of alice's own changes the log has."""
    path = gateway.paths.audit("alice")
    return len(Path(path).read_text(encoding="utf-8").splitlines()) if os.path.exists(path) else 0


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves out what takes most of the time: nobody loses power here, nginx -t and hashing have tests of their own."""
    monkeypatch.setattr(nginx_check, "check_maps", lambda folder, maps: None)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(passwords, "hash_password", lambda password: HASH.replace("4bQ", "5bQ"))


@pytest.fixture(params=SCENES)
def scene(request: pytest.FixtureRequest, root: str, quick: None) -> Scene:
    """Each of the changes."""
    own, asked = SCENES[request.param]
    gateway = make_gateway(os.path.join(root, "former"))
    bobs = data({"name": "lab", "port": 8888})
    gateway.declare("inventory", lambda registry: {"bob": bobs, "alice": data({"name": "team", "port": 8000})})
    if own:
        gateway.declare("self", lambda registry: {"alice": own})
    made = Scene(root, gateway.paths.root, asked, state(gateway), lines=audited(gateway))
    sample = made.gateway("sample")
    with speaking(sample) as control:
        assert "plan" in (made.make(sample) or {})
        served(sample, control)
    made.after = state(sample)
    assert made.after != made.before
    return made


class speaking:
    """A control socket of a gateway, on which an nginx speaks that has read the include files."""

    def __init__(self, gateway: Gateway, *, full: bool = False) -> None:
        """`full`: from the first publication on it has no room."""
        self.gateway, self.full = gateway, full

    def __enter__(self) -> Control:
        self.control = Control(self.gateway.paths.control)
        if self.full:
            self.control.before = lambda: setattr(self.control, "status", 507)
        for user, sources in self.gateway.registry.everything().items():
            self.control.entries.update(user_files.entries(user, effective_data(sources), {}))
        return self.control

    def __exit__(self, *problem: object) -> None:
        self.control.stop()


def steps(
    scene: Scene, mishap: Mishap, *, full: bool = False
) -> Iterator[tuple[dict[str, Any] | None, Gateway, Control]]:
    """Makes the change on as many gateways as it has steps, with the mishap at each of them in turn."""
    for at in itertools.count(1):
        gateway = scene.gateway(str(at))
        with speaking(gateway, full=full) as control:
            with pytest.MonkeyPatch.context() as patch:
                happening = mishap(patch, at)
                told = scene.make(gateway)
            if not happening.happened:
                assert at > 10, "there was more to go wrong"
                return
            yield told, gateway, control
        shutil.rmtree(gateway.paths.root)


def next_run(gateway: Gateway, control: Control) -> None:
    """Somebody else's change, after nginx has come to itself."""
    control.before, control.status = lambda: None, 200
    assert "plan" in ask(gateway, "bob", "add", link={"name": "next", "port": 9009})


def test_killed_at_every_step_the_next_run_repairs(scene: Scene) -> None:
    seen = []
    for told, gateway, control in steps(scene, killed):
        next_run(gateway, control)
        found = state(gateway)
        assert found in (scene.before, scene.after)
        assert told is None or found == scene.after
        served(gateway, control)
        assert (audited(gateway) > scene.lines) == (found == scene.after)
        seen.append(found == scene.after)
    assert seen == sorted(seen), "once it is decided, it stays decided"
    assert set(seen) == {False, True}


@pytest.mark.parametrize("mishap", [killed, failing_then_killed])
def test_killed_while_it_is_put_back_the_next_run_repairs(scene: Scene, mishap: Mishap) -> None:
    for told, gateway, control in steps(scene, mishap, full=True):
        assert told is None or "unavailable" in told
        next_run(gateway, control)
        assert state(gateway) in (scene.before, scene.after)
        assert told is None or state(gateway) == scene.before
        served(gateway, control)


@pytest.mark.parametrize("mishap", [failing, without_room])
@pytest.mark.parametrize("full", [False, True])
def test_what_is_not_acknowledged_has_changed_nothing(scene: Scene, mishap: Mishap, full: bool) -> None:
    for told, gateway, control in steps(scene, mishap, full=full):
        assert told is not None
        assert [*told] in (["plan"], ["unavailable"])
        stays = "plan" in told or "the rollback failed" in told["unavailable"]
        expected = scene.after if stays else scene.before
        if not os.path.exists(gateway.paths.journal):
            assert state(gateway) == expected
        next_run(gateway, control)
        assert state(gateway) == expected, told
        served(gateway, control)
        assert (audited(gateway) > scene.lines) == stays
        assert not (full and "plan" in told)


def test_nginx_gone_between_change_and_look_is_a_change_that_was_not_made(scene: Scene) -> None:
    gateway = scene.gateway("gone")
    with speaking(gateway) as control:
        # the first answer is the last one
        control.before = lambda: os.unlink(gateway.paths.control)
        told = scene.make(gateway)
        assert told is not None
        assert told["unavailable"].startswith(
            "nginx does not serve the change, so nothing was changed: nothing answers"
        )
        assert state(gateway) == scene.before
        Path(gateway.paths.control).touch()


def test_no_full_disk_keeps_what_was_decided_from_being_finished(scene: Scene) -> None:
    """At boot, before nginx starts: renaming takes no room."""
    finished = 0
    for told, gateway, _control in steps(scene, killed):
        if told is None and os.path.exists(gateway.paths.journal):
            with pytest.MonkeyPatch.context() as patch:
                without_room(patch, 1)
                with gateway.registry.locked(1):
                    gateway.recover()
            assert state(gateway) == scene.after
            finished += 1
    assert finished > 5


# requests of somebody who means harm

NAMES = "alice bob bob/lab ../bob mallory/ // a/b - . .. a..b default self inventory apps name moving user source lab own x keep visdom"
CODE = r"""' " { } ${host} $(id) `id` ; # \ \n "; ~.* volatile; %0a {{7*7}} {%raw%} </span><script>alert(1)</script> "x" """
HOSTS = "127.0.0.1 ::1 ::ffff:169.254.169.254 169.254.169.254 0x7f.1 127.1 fe80::1%eth0 unix:/x evil; 8.8.8.8 localhost"
PATHS = "SOCKETS/mallory/s SOCKETS/bob/s SOCKETS/mallory/../bob/s SOCKETS/mallory//s SOCKETS/mallory SOCKETS/mallory/d/s /etc/shadow"
LETTERS = "\n|a\nb|a\n|\r|\0|x\0|\t| |\x1b]0;x\x07|\x1b[2J|\x7f|\x85|\u2028|\u202e|\ufeff|\ud800|é|\uff41|\u212a"
ENDS = ("127.0.0.1\n", "SOCKETS/mallory/s\n", "own\n", "keep\n")
POISON = (
    *NAMES.split(),
    *CODE.split(),
    *HOSTS.split(),
    *PATHS.split(),
    *LETTERS.split("|"),
    *ENDS,
    *(
        "",
        "a" * 63,
        "a" * 64,
        "😀" * 200,
        "😀" * 201,
        '"; } http { server { listen 1; } } #',
        'x" "y";\n"bob/lab" "strip 127.0.0.1:22',
    ),
    *(None, True, 0, -1, 22, 9000, 65536, 1e3, float("nan"), float("inf"), 10**400, [], {}, [[[]]], {"a": {"b": 1}}),
)


_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}\Z", re.ASCII)


class Victims:
    """A gateway with links and logins of alice's and bob's, and mallory, who asks for things."""

    def __init__(self, root: str, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(os, "fsync", lambda descriptor: None)
        patch.setattr(passwords, "hash_password", lambda password: HASH)
        patch.setattr(resolve, "resolve", _resolved)
        self.gateway = make_gateway(root)
        self.sockets = os.path.dirname(self.gateway.paths.sockets("x"))

    def __enter__(self) -> Victims:
        self.nginx = speaking(self.gateway)
        self.control = self.nginx.__enter__()
        for user in ("alice", "bob"):
            ask(self.gateway, user, "add", link={"name": "lab", "port": 8888})
            ask(self.gateway, user, "add_login", name=user, password="theirs")
        ask(self.gateway, "mallory", "add", link={"name": "own", "port": 9000})
        self.before, self.entries = self._files(), self._entries()
        return self

    def __exit__(self, *problem: object) -> None:
        self.nginx.__exit__()

    def ask(self, request: Any) -> dict[str, Any]:
        """mallory's request, and an answer that harms no terminal."""
        self.gateway.registry.actor = "mallory"
        told = answer(self.gateway, "mallory", _at(self.sockets, request))
        assert "unavailable" not in told, "nothing but data has gone wrong"
        for line in told.get("problems", []):
            assert line.replace("…", "").isascii()
            assert line.isprintable()
            assert len(line) < 1000
        assert "$2y$" not in json.dumps(told)
        return told

    def unharmed(self) -> None:
        """What is not mallory's is as it was; what is hers leads where she may lead."""
        assert self._files() == self.before
        assert self._entries() == self.entries
        log = Path(self.gateway.paths.audit("mallory")).read_text(encoding="ascii").splitlines()
        assert {json.loads(line)["user"] for line in log} == {"mallory"}
        assert {json.loads(line)["url"].split("/")[1] for line in log} == {"mallory"}
        found = Path(self.gateway.paths.includes, "links.d", "mallory.map")
        lines = found.read_text(encoding="utf-8").splitlines()[1:] if found.exists() else []
        assert len(lines) == len({line.partition(" ")[0] for line in lines})
        for line in lines:
            link = rf"(?:keep|strip) (?:(?:127\.0\.0\.1|\[::1\]):[0-9]+|unix:{self.sockets}/mallory/[\w.-]+)"
            assert re.fullmatch(
                f'"mallory/(?:[a-z0-9][a-z0-9._-]*" "{link}|" "[0-9a-f]{{24}}(?: [A-Za-z0-9_.@+-]+)+)";', line
            )
        published = {key: value for key, value in self.control.entries.items() if key.startswith("mallory/") and value}
        assert published == dict(inspection._ENTRY.findall("\n".join(lines)))

    def _files(self) -> dict[str, bytes]:
        """Every file but mallory's own, and the addresses of the hosts that she has named."""
        own = re.compile(r"(?:.*/)?(?:mallory(?:\.\w+)*(?:/.*)?|addresses\.json)$")
        return {path: text for path, text in tree(self.gateway.paths.root).items() if not own.match(path)}

    def _entries(self) -> dict[str, str]:
        return {key: value for key, value in self.control.entries.items() if not key.startswith("mallory/")}


@pytest.mark.parametrize("field", ["name", "kind", "host", "port", "socket", "description", "prefix", "user"])
def test_nothing_in_any_field_reaches_further_than_her_own(
    root: str, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    with Victims(root, monkeypatch) as victims:
        taken = []
        for poison in POISON:
            link = {"name": "x", "port": 9000, **({"port": None} if field == "socket" else {}), field: poison}
            told = victims.ask({"do": "add", "link": link})
            victims.unharmed()
            if "plan" in told:
                taken.append(poison)
                assert "plan" in victims.ask({"do": "remove", "name": link["name"]})
    fine = {
        "name": [text for text in POISON if isinstance(text, str) and _NAME.match(text) and text != "own"],
        "kind": ["visdom", None],
        "port": [9000],
        "socket": ["SOCKETS/mallory/s"],
        "prefix": ["keep", "", None],
        "user": [None],
    }
    if field == "host":
        assert {"127.0.0.1", "localhost", None} <= {*taken}
        assert not {*taken} & {"8.8.8.8", "169.254.169.254", "::ffff:169.254.169.254", "127.1", "0x7f.1"}
    elif field == "description":
        assert len(taken) > 70
    else:
        assert taken == fine[field]


poison = st.sampled_from(POISON) | st.text(max_size=12) | st.integers(-10, 70000)
keys = st.sampled_from(["name", "kind", "host", "port", "socket", "description", "prefix", "moving"]) | poison.map(str)
names = st.sampled_from(["own", "x", "y", "lab", "team"]) | poison
good = st.fixed_dictionaries(
    {"name": names, "port": st.integers(1024, 1030)}, optional={"description": poison, "host": poison}
)
requests = st.one_of(
    st.fixed_dictionaries({"do": st.just("add"), "link": good | st.dictionaries(keys, poison, max_size=4)}),
    st.fixed_dictionaries({"do": st.just("edit"), "name": names, "link": st.dictionaries(keys, poison, max_size=3)}),
    st.fixed_dictionaries({"do": st.sampled_from(["remove", "remove_login"]), "name": names}),
    st.fixed_dictionaries({"do": st.sampled_from(["add_login", "change_login"]), "name": names, "password": names}),
    st.fixed_dictionaries({"do": st.just("history"), "lines": poison}),
    st.fixed_dictionaries({"do": st.sampled_from(["move", "show"]) | poison}, optional={"user": names, "name": names}),
)


@hypothesis.settings(max_examples=40)
@hypothesis.given(asked=st.lists(requests, min_size=1, max_size=4))
def test_no_request_touches_what_is_not_ones_own(asked: list[Any]) -> None:
    with short_folder() as root, pytest.MonkeyPatch.context() as patch, Victims(root, patch) as victims:
        for request in asked:
            told = victims.ask(request)
            hypothesis.event(f"{str(request['do'])[:12]!a}: {next(iter(told))}")
        victims.unharmed()


def _resolved(hosts: Any, known: Any) -> dict[str, str]:
    """Every name is this machine's."""
    return dict.fromkeys(filter(resolve.is_name, hosts), "127.0.0.1")


def _at(sockets: str, value: Any) -> Any:
    """A request with the gateway's own folder of sockets in it."""
    if isinstance(value, dict):
        return {_at(sockets, key): _at(sockets, item) for key, item in value.items()}
    return value.replace("SOCKETS", sockets) if isinstance(value, str) else value


@pytest.mark.parametrize(
    "text",
    [
        "</span><script>alert(1)</script>",
        "<!--",
        "\x1b]0;x\x07\x1b[2J",
        "a\nb",
        "'\"><img src=x onerror=alert(1)>",
        "\u202e\u2028",
    ],
)
def test_a_description_is_nothing_but_text_on_her_page(gateway: Gateway, control: Control, text: str) -> None:
    plain = Path(gateway.paths.includes, "pages", "mallory.html")
    ask(gateway, "mallory", "add", link={"name": "own", "port": 9000, "description": "TEXT"})
    expected = plain.read_text(encoding="utf-8")
    assert "plan" in ask(gateway, "mallory", "edit", name="own", link={"description": text})
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("'", "&#x27;")
    with open(plain, encoding="utf-8", newline="") as page:
        assert page.read() == expected.replace("TEXT", escaped.replace('"', "&quot;"))
    # what a terminal would obey is written in letters
    log = Path(gateway.paths.audit("mallory")).read_text(encoding="utf-8")
    assert log.replace("\n", "").isprintable()
    assert log.isascii()


def test_a_narrower_policy_keeps_nobody_from_tidying_up(gateway: Gateway, control: Control) -> None:
    for name, port in (("a", 9000), ("b", 9001), ("c", 9500)):
        ask(gateway, "alice", "add", link={"name": name, "port": port})
    Path(gateway.paths.policy).write_text(json.dumps({**POLICY, "allowed_ports": ["9500"]}), encoding="utf-8")
    assert "plan" in ask(gateway, "alice", "remove", name="a")
    assert "plan" in ask(gateway, "alice", "edit", name="c", link={"description": "x"})
    # but what is refused now is not to be had anew, nor changed
    for request in (
        {"do": "add", "link": {"name": "d", "port": 9001}},
        {"do": "edit", "name": "b", "link": {"description": "x"}},
        {"do": "edit", "name": "c", "link": {"port": 9001}},
    ):
        (problem,) = answer(gateway, "alice", request)["problems"]
        assert f"port 9001 is not in allowed_ports: 9500 ({gateway.paths.policy})" in problem
    assert control.entries["alice/b"] == "strip 127.0.0.1:9001"


def test_nobodys_history_has_a_line_of_anybody_elses(gateway: Gateway, control: Control) -> None:
    theirs = {user: data({"name": f"{user}s", "port": 8000}) for user in ("alice", "bob")}
    gateway.declare("inventory", lambda registry: theirs)
    ask(gateway, "bob", "add", link={"name": "secret", "port": 9000})
    lines = ask(gateway, "alice", "history", lines=50)["lines"]
    assert [line["url"] for line in lines] == ["/alice/alices/"]
    assert "bob" not in json.dumps(lines)


def test_a_damaged_log_hides_only_the_damaged_line(gateway: Gateway, control: Control) -> None:
    ask(gateway, "alice", "add", link={"name": "a", "port": 9000})
    with open(gateway.paths.audit("alice"), "ab") as log:
        log.write(b'{broken\n\xff\n[1]\n"x"\n{"user": "alice"}\n')
    ask(gateway, "alice", "add", link={"name": "b", "port": 9000})
    lines = ask(gateway, "alice", "history", lines=50)["lines"]
    assert [(line["action"], line["url"]) for line in lines] == [("add", "/alice/a/"), ("add", "/alice/b/")]
