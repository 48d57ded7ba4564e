"""Links with a host name of their own: what is whose there, and that no spelling of a host leads to anything else."""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import urllib.parse
from collections.abc import Iterator

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply import control
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import InvalidData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link, Login
from conftest import Backends
from rig import ALICE, BOB, Rig, eventually
from test_origins import FETCH, FRAME, NAVIGATION, OTHERS, PICTURE, handshake, site
from test_subdomains import DOMAIN, OWN, ask

HOST = f"study--alice.{DOMAIN}"
ORIGIN = f"http://{HOST}"
PROXY = "127.8.8.8"


@pytest.fixture(scope="module")
def hosts(backends: Backends) -> Iterator[Rig]:
    """The gateway, with the address at which a browser would find it."""
    users = {
        "alice": {
            "links": [
                {"name": "study", "port": backends.alice.port, "prefix": "host"},
                {"name": "socket", "port": backends.websocket.port, "prefix": "host"},
                {"name": "down", "port": backends.dead, "prefix": "host"},
                {"name": "keep", "port": backends.alice.port, "prefix": "keep"},
                {"name": "9", "port": backends.alice.port, "prefix": "host"},
            ],
            "logins": [{"name": ALICE[0], "password": ALICE[1]}],
        },
        # whose links have names that look as if they were others'
        "bob": {
            "links": [
                {"name": name, "port": backends.bob.port, "prefix": "host"}
                for name in ("study", "study--alice", "x--", "alice")
            ],
            "logins": [{"name": BOB[0], "password": BOB[1]}],
        },
    }
    with Rig.temporary(
        users,
        gateway_url_style="subdomain",
        gateway_public_url=f"http://{DOMAIN}",
        gateway_trusted_proxies=[PROXY],
    ) as rig:
        rig.build()
        yield rig


@pytest.fixture
def gate(hosts: Rig, backends: Backends) -> Iterator[Rig]:
    for backend in (backends.alice, backends.bob):
        backend.seen.clear()
    yield hosts
    hosts.withdraw()


@pytest.mark.parametrize("host", [HOST, HOST.title()])
@pytest.mark.parametrize(
    "path",
    ["/", "/page", "/study/", "/?q=1&r=%2F", "/a%2Fb/../c", "//double//slash", "/-/status/study", "/_usage/", "/keep/"],
)
def test_the_backend_gets_all_of_the_host(gate: Rig, host: str, path: str) -> None:
    """And no prefix, which it does not have."""
    for _ in range(4):
        seen = ask(gate, path, host).json()
        headers = {key.lower(): value for key, value in seen["headers"]}
        assert (seen["backend"], seen["target"]) == ("alice's", path)
        assert (headers["x-forwarded-host"], headers["host"]) == (host, host)
        assert "x-forwarded-prefix" not in headers


def test_everybodys_links_have_hosts(gate: Rig, backends: Backends) -> None:
    """The last two hyphens part link and user."""
    for _ in range(4):
        assert ask(gate, "/", HOST).backend == ask(gate, "/", f"9--alice.{DOMAIN}").backend == "alice's"
        for link in ("study", "study--alice", "x--", "alice"):
            assert ask(gate, "/", f"{link}--bob.{DOMAIN}", BOB).backend == "bob's"
    backends.alice.seen.clear()
    backends.bob.seen.clear()
    for host, login in (
        (HOST, BOB),
        (HOST, None),
        (f"study--bob.{DOMAIN}", ALICE),
        (f"study--alice--bob.{DOMAIN}", ALICE),
        (f"alice--bob.{DOMAIN}", ALICE),
    ):
        for path in ("/", "/study/", "/-/status/study"):
            assert ask(gate, path, host, login).status == 401
    assert backends.alice.seen == backends.bob.seen == []


def test_a_link_is_at_one_place_alone(gate: Rig, backends: Backends) -> None:
    """Whatever has been remembered of the other place."""
    for _ in range(4):
        assert ask(gate, "/", HOST).status == ask(gate, "/keep/").status == 200
        assert ask(gate, "/study/").status == 307
        # a link with a path has no host, not even for its owner
        assert ask(gate, "/", f"keep--alice.{DOMAIN}").status == 404
        assert ask(gate, "/keep/", f"keep--alice.{DOMAIN}").status == 404


def test_links_that_are_not_there_look_like_users_who_are_not(gate: Rig) -> None:
    known, unknown = (f"{name}.{DOMAIN}" for name in ("nolink--alice", "study--carol"))
    answers = [ask(gate, "/", host, login) for host in (HOST, known, unknown) for login in (None, BOB)]
    assert {answer.status for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert ask(gate, "/", known).status == 404


@pytest.mark.parametrize(
    "host",
    [
        f"--alice.{DOMAIN}",
        f"study--.{DOMAIN}",
        f"x--.{DOMAIN}",
        f"--.{DOMAIN}",
        f"-study--alice.{DOMAIN}",
        f"study--_alice.{DOMAIN}",
        f"study--9.{DOMAIN}",
        f"st.udy--alice.{DOMAIN}",
        f"st_udy--alice.{DOMAIN}",
        f"study.alice.{DOMAIN}",
        f"study--alice.alice.{DOMAIN}",
        f"study--alice.{DOMAIN}.",
        f"study--alice.{DOMAIN}1",
        f"study--alice.{DOMAIN.partition(':')[0]}",
        "study--alice.gate.example.org.:81",
        "study--alice.gate.example.org.evil.example:81",
        f"study--alice.{DOMAIN}@evil.example",
        f"study--al%69ce.{DOMAIN}",
        f"study-%2dalice.{DOMAIN}",
        f"study--{'a' * 33}.{DOMAIN}",
    ],
    ids=ascii,
)
@pytest.mark.parametrize("path", ["/", "/study/", "/-/index"])
def test_no_other_host_has_anything(gate: Rig, backends: Backends, host: str, path: str) -> None:
    assert ask(gate, path, host).status in (400, 404)
    assert backends.alice.seen == backends.bob.seen == []


@pytest.mark.parametrize(
    "host",
    [f"study--alice-.{DOMAIN}", f"study--alice--.{DOMAIN}", f"study--alice--study.{DOMAIN}", f"xn--alice.{DOMAIN}"],
)
def test_nobody_is_called_so(gate: Rig, backends: Backends, host: str) -> None:
    assert ask(gate, "/", host, BOB).status == 401
    assert ask(gate, "/", host).status in (401, 404)
    assert backends.alice.seen == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize(
    ("path", "becomes"),
    [
        ("/study/", "/"),
        ("/study", "/"),
        ("/study?x=1", "/?x=1"),
        ("/study/a%2Fb/?q=%20", "/a%2Fb/?q=%20"),
        ("/study/@evil.example", "/@evil.example"),
        ("/study//evil.example", "//evil.example"),
        ("/study/\\evil.example", "/\\evil.example"),
    ],
)
def test_the_path_leads_to_the_host(gate: Rig, method: str, path: str, becomes: str) -> None:
    """In full, so that nothing of the path becomes part of the host; what is sent goes along."""
    answer = ask(gate, path, method=method)
    assert (answer.status, answer.all("Location")) == (307, [ORIGIN + becomes])
    assert ask(gate, path, login=None, method=method).status == 401
    assert ask(gate, path, login=BOB, method=method).status == 401


@pytest.mark.parametrize("path", ["/study@evil.example", "/study.evil.example/", "//study/", "/s%74udy/", "/studyx/"])
def test_other_paths_lead_nowhere(gate: Rig, path: str) -> None:
    assert ask(gate, path).status == 404


def test_the_list_of_links_and_the_error_page_lead_there_and_back(gate: Rig) -> None:
    assert 'href="/study/"' in ask(gate, "/").text
    assert ask(gate, "/-/status/study").json()["answers"] is True
    assert ask(gate, "/-/status/down").json()["answers"] is False
    for _ in range(2):
        down = ask(gate, "/page", f"down--alice.{DOMAIN}")
        assert (down.status, f'<a href="{OWN}/">All links of alice</a>' in down.text) == (502, True)
    # what a page of a link's own host asks for is never outside of it
    foreign = ask(gate, "/static/x", HOST, headers={"Referer": f"{ORIGIN}/page/", **site("cross-site", PICTURE)})
    assert (foreign.status, "outside of" in foreign.text) == (403, False)


@pytest.mark.parametrize(
    ("place", "becomes"),
    [
        ("/login", "/login"),
        ("/", "/"),
        ("login", "login"),
        ("?x", "?x"),
        (f"{ORIGIN}/login", "/login"),
        ("http://127.0.0.1:{port}/login", "/login"),
        # others, also those whose names begin so
        ("//evil.example/", "//evil.example/"),
        (f"{ORIGIN}.evil.example/", f"{ORIGIN}.evil.example/"),
        (f"{ORIGIN}1/", f"{ORIGIN}1/"),
        ("http://127.0.0.1:{port}1/", "http://127.0.0.1:{port}1/"),
        (f"{OWN}/study/", f"{OWN}/study/"),
    ],
)
def test_redirects_stay_on_the_host(gate: Rig, backends: Backends, place: str, becomes: str) -> None:
    place, becomes = (text.format(port=backends.alice.port) for text in (place, becomes))
    query = urllib.parse.urlencode({"status": "302", "header": f"Location: {place}"})
    assert ask(gate, f"/?{query}", HOST).all("Location") == [becomes]


def cookie(gate: Rig, host: str = HOST, path: str = "/app") -> str:
    """What becomes of a cookie that a backend sets for all hosts there are."""
    answer = ask(gate, f"/?header=Set-Cookie:+s=1;+Path={path};+Domain=gate.example.org", host)
    (found,) = answer.all("Set-Cookie")
    return found


def test_cookies_are_for_the_host_alone(gate: Rig, backends: Backends) -> None:
    """Any page below the domain may write cookies for it; they come along, but not to the backend."""
    mine, others = cookie(gate), cookie(gate, f"9--alice.{DOMAIN}")
    assert mine.partition("s=1")[2] == "; Path=/app; HttpOnly"
    assert cookie(gate, path="/").partition("s=1")[2] == "; Path=/; HttpOnly"
    pairs = [text.partition(";")[0] for text in (mine, others)]
    assert len(set(pairs)) == 2
    for _ in range(4):
        ask(gate, "/", HOST, headers={"Cookie": f"s=planted; {pairs[1]}"})
        assert backends.alice.seen[-1].header("Cookie") is None
        ask(gate, "/", HOST, headers={"Cookie": f"s=planted; {'; '.join(pairs)}"})
        assert backends.alice.seen[-1].header("Cookie") == "s=1"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": ORIGIN},
        {"Referer": f"{ORIGIN}/page"},
        site("same-origin", FETCH, f"{ORIGIN}/page", ORIGIN),
        site("same-origin", FRAME),
        # the list of links
        site("same-site", NAVIGATION, f"{OWN}/"),
        site("cross-site", NAVIGATION),
    ],
)
def test_own_pages_and_navigations_pass(gate: Rig, headers: dict[str, str]) -> None:
    assert ask(gate, "/page", HOST, headers=headers).status == 200


FOREIGN = [
    OWN,
    f"http://9--alice.{DOMAIN}",
    f"http://study--bob.{DOMAIN}",
    f"http://{DOMAIN}",
    f"{ORIGIN}.evil.example",
]


@pytest.mark.parametrize(
    "headers",
    [
        *({"Origin": origin} for origin in FOREIGN),
        *({"Referer": f"{origin}/study/"} for origin in FOREIGN),
        site("same-site", FETCH),
        site("same-site", PICTURE, f"{OWN}/"),
        site("same-site", FRAME),
    ],
)
def test_pages_of_others_and_of_the_users_own_other_links_are_refused(
    gate: Rig, backends: Backends, headers: dict[str, str]
) -> None:
    assert (ask(gate, "/", HOST, headers=headers).status, backends.alice.seen) == (403, [])
    # and the other way round, her other links from this one
    assert ask(gate, "/keep/", headers={"Origin": ORIGIN}).status == 403
    assert ask(gate, "/keep/", headers={"Referer": f"{ORIGIN}/keep/"}).status == 403


@pytest.mark.parametrize("headers", [site("same-site", NAVIGATION), {"Origin": OWN}])
def test_forms_of_others_change_nothing(gate: Rig, backends: Backends, headers: dict[str, str]) -> None:
    assert ask(gate, "/", HOST, method="POST", headers=headers).status == 403
    assert backends.alice.seen == []


def test_a_websocket_needs_exactly_the_links_origin(gate: Rig) -> None:
    host = f"socket--alice.{DOMAIN}"
    for path in ("/", "/any/where"):
        for _ in range(4):
            assert handshake(gate, {"Host": host, "Origin": f"http://{host}"}, path) == 101
    assert handshake(gate, {"Host": host}, "/") == 101
    others = [other.replace("gate.example:81", host) for other in OTHERS]
    for origin in (*others, *FOREIGN, ORIGIN):
        assert handshake(gate, {"Host": host, "Origin": origin}, "/") == 403
    assert handshake(gate, {"Host": host, "Authorization": "None"}, "/") == 401


def test_only_a_trusted_proxy_names_the_host(gate: Rig) -> None:
    """And the scheme, with which the link's own address then begins."""

    def by(source: str, path: str, said: str, origin: str) -> tuple[int, list[str]]:
        headers = {"Host": "inside", "X-Forwarded-Host": said, "X-Forwarded-Proto": "https", "Origin": origin}
        answer = gate.get(path, ALICE, source=source, headers=headers)
        return answer.status, answer.all("Location")

    origin = ORIGIN.replace("http:", "https:")
    for _ in range(4):
        assert by(PROXY, "/", HOST, origin) == (200, [])
        assert by(PROXY, "/", HOST, OWN)[0] == 403
        assert by(PROXY, "/", f"evil.example, {HOST}", origin) == (200, [])
        assert by(PROXY, "/", f"{HOST}, evil.example", origin)[0] == 403
        assert by("127.0.0.1", "/", HOST, "http://inside") == (404, [])
    query = urllib.parse.urlencode({"status": "302", "header": f"Location: {origin}/login"})
    assert by(PROXY, f"/?{query}", HOST, origin) == (302, ["/login"])


@pytest.mark.skipif(os.getuid() != 0, reason="only root listens as another account")
def test_a_program_of_another_account_is_quarantined_there(gate: Rig, backends: Backends) -> None:
    """What the entry of a link with a port of its owner's range says is looked at by every address."""
    # a socket is whose account makes it
    os.seteuid(58234)
    try:
        foreign = socket.create_server(("127.0.0.1", 0))
    finally:
        os.seteuid(0)
    with foreign:
        control.publish(gate.core.paths.control, {"alice/study": f"host 127.0.0.1:{foreign.getsockname()[1]} 4711"})
        try:
            answer = ask(gate, "/", HOST)
            assert (answer.status, "study is in quarantine" in answer.text) == (502, True)
            assert ask(gate, "/study/").status == 307
        finally:
            control.publish(gate.core.paths.control, {"alice/study": f"host 127.0.0.1:{backends.alice.port}"})
    assert ask(gate, "/", HOST).status == 200


def test_a_changed_login_counts_there_at_once(gate: Rig) -> None:
    gate.declare("alice", logins=[Login("guest", password="open")])
    assert [ask(gate, "/", HOST, ("guest", "open")).status for _ in range(4)] == [200] * 4
    gate.declare("alice", logins=[Login("guest", password="other")])
    assert ask(gate, "/", HOST, ("guest", "open")).status == 401
    gate.declare("alice")
    assert ask(gate, "/", HOST, ("guest", "other")).status == 401


def test_guesses_count_whatever_the_host(gate: Rig) -> None:
    """One login has one lock, by the user's host and by the links' own."""
    attacker, hosts = gate.address(), itertools.cycle([HOST, f"9--alice.{DOMAIN}", f"alice.{DOMAIN}"])
    statuses = []
    for number in range(11):
        credential = ("alice", f"wrong {number}")
        answer = gate.get("/", credential, source=attacker, headers={"Host": next(hosts)})
        statuses.append(answer.status)
    assert statuses == [401] * 10 + [429]


def test_the_log_has_user_link_and_login(gate: Rig) -> None:
    ask(gate, "/in/the/log?token=secret", HOST)
    log = gate.root / "var/log/nginx/vizgate.jsonl"
    eventually(lambda: "/in/the/log" in log.read_text())
    (line,) = [json.loads(text) for text in log.read_text().splitlines() if "/in/the/log" in text]
    assert [line[key] for key in ("user", "link", "login", "path")] == ["alice", "study", "alice", "/in/the/log"]


def test_a_change_of_the_mode_is_live_at_once(gate: Rig, backends: Backends) -> None:
    host = f"run--alice.{DOMAIN}"
    for prefix, statuses in (("strip", (404, 200)), ("host", (200, 307)), ("keep", (404, 200))):
        gate.declare("alice", [Link("run", backends.alice.port, prefix=prefix)])
        for _ in range(4):
            assert (ask(gate, "/", host).status, ask(gate, "/run/").status) == statuses


def test_no_converge_takes_the_host_names_away(gate: Rig, backends: Backends) -> None:
    """Neither of links in users files, nor of links that users have declared themselves: nothing is touched."""

    def converge(**variables: object) -> str:
        given = json.dumps({"gateway_url_style": "path", **variables})
        done = gate.run("ansible-playbook", "-i", str(gate.inventory), "playbooks/site.yml", "-e", given)
        assert done.returncode != 0
        return " ".join(done.stdout.split())

    gate.declare("alice", [Link("run", backends.alice.port, prefix="host")])
    before = gate.state()
    assert (
        "alice.yml:2: link 'study': prefix 'host' needs url_style subdomain, but this gateway uses paths" in converge()
    )
    others = Rig.write_users(gate.folder / "others", {"carol": {"links": [{"name": "run", "port": 9000}]}})
    said = converge(gateway_users_dir=str(others))
    assert "these links use host names (prefix host): /alice/run/. Keep gateway_url_style subdomain" in said
    assert gate.state() == before
    assert ask(gate, "/", f"run--alice.{DOMAIN}").status == 200


@pytest.mark.parametrize("name", ["run.1", "run_1", "xn", "xn-", "a" * 57])
def test_names_that_no_host_can_have_are_refused(gate: Rig, backends: Backends, name: str) -> None:
    with pytest.raises(InvalidData, match=f"link '{name}': .*host name '{name}--alice'"):
        gate.declare("alice", [Link(name, backends.alice.port, prefix="host")])
    gate.declare("alice", [Link(name, backends.alice.port)])


def test_the_command_publishes_such_links(gate: Rig) -> None:
    def say(*words: str) -> str:
        path = str(gate.root / "usr/local/bin/vizgate")
        done = subprocess.run(
            [path, "--user", "alice", *words], capture_output=True, text=True, check=False, timeout=60
        )
        return done.stdout + done.stderr

    url = f"http://run--alice.{DOMAIN}/"
    assert (
        say("add", "run", "--kind", "visdom", "--port", "9000", "--prefix", "host")
        == f"added {url} -> 127.0.0.1:9000\n"
    )
    try:
        assert say("open", "run") == f"{url}\n"
        assert f"\n{url} " in say("list")
        assert say("kinds", "--for", "run") == "visdom -port 9000 -base_url '' -bind_local\n"
        assert {link["name"]: link["url"] for link in json.loads(say("list", "--json"))}["run"] == url
        seen = {link["name"]: link for link in json.loads(say("status", "--json"))}
        assert (seen["run"]["url"], seen["run"]["works"]) == (url, False)
        assert (seen["study"]["url"], seen["study"]["works"]) == (f"{ORIGIN}/", True)
        assert say("doctor", "study").startswith(f"ok: {ORIGIN}/ works: ")
        assert "    prefix: host\n" in say("export")
        assert say("edit", "run", "--name", "run_1").startswith(
            "user 'alice': link 'run_1': with prefix 'host' the name is a part of"
        )
    finally:
        assert say("remove", "run", "--yes") == f"removed {url} -> 127.0.0.1:9000\n"


def test_the_log_says_which_link_a_websocket_without_a_password_was_for(gate: Rig) -> None:
    """As WebKit sends it; at the link's own host that is always the link."""
    host = f"socket--alice.{DOMAIN}"
    gate.declare("alice", logins=[Login("visitor", password="in")])
    ask(gate, "/", host, ("visitor", "in"))
    headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "websocket"}
    assert handshake(gate, {**headers, "Authorization": "None"}, "/no-password") == 401
    assert ask(gate, "/-/nothing", host=f"alice.{DOMAIN}").status == 404
    log = gate.root / "var/log/nginx/vizgate.jsonl"
    eventually(lambda: "/-/nothing" in log.read_text())
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    concerns = {line["path"]: line.get("concerns") for line in lines if line["path"] in ("/no-password", "/-/nothing")}
    assert concerns == {"/no-password": "alice/socket", "/-/nothing": ""}
