"""A gateway on which every user has a host name: what is whose, and that nothing passes from one to another."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.parse
from collections.abc import Iterator, Mapping

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import InvalidData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link, Login
from conftest import Backends
from rig import ALICE, BOB, Answer, Credential, Rig, eventually, free_port
from test_origins import FETCH, FRAME, NAVIGATION, OTHERS, PICTURE, PLAIN_NAVIGATION, handshake, site

DOMAIN = "gate.example.org:81"
OWN = f"http://alice.{DOMAIN}"


@pytest.fixture(scope="module")
def hosts(backends: Backends) -> Iterator[Rig]:
    """The gateway, with the address at which a browser would find it."""
    users = {
        "alice": {
            "links": [
                {"name": "echo", "port": backends.alice.port},
                {"name": "keep", "port": backends.alice.port, "prefix": "keep"},
                {"name": "ws", "port": backends.websocket.port},
                {"name": "dead", "port": backends.dead},
            ],
            "logins": [{"name": ALICE[0], "password": ALICE[1]}],
        },
        "bob": {
            "links": [{"name": "echo", "port": backends.bob.port}, {"name": "alice", "port": backends.bob.port}],
            "logins": [{"name": BOB[0], "password": BOB[1]}],
        },
    }
    with Rig.temporary(users, gateway_url_style="subdomain", gateway_public_url=f"http://{DOMAIN}") as rig:
        rig.build()
        yield rig


@pytest.fixture
def gate(hosts: Rig, backends: Backends) -> Iterator[Rig]:
    for backend in (backends.alice, backends.bob):
        backend.seen.clear()
    yield hosts
    hosts.withdraw()


def ask(
    gate: Rig,
    path: str = "/echo/",
    host: str = f"alice.{DOMAIN}",
    login: Credential | None = ALICE,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    return gate.get(path, login, method=method, headers={"Host": host, **(headers or {})})


@pytest.mark.parametrize("host", [f"alice.{DOMAIN}", f"ALICE.{DOMAIN.title()}"])
@pytest.mark.parametrize("tail", ["", "page", "?q=1&r=%2F", "a%2Fb/../c", "/double//slash"])
def test_the_backend_gets_what_the_client_wrote(gate: Rig, host: str, tail: str) -> None:
    for _ in range(4):
        stripped, kept = ask(gate, f"/echo/{tail}", host), ask(gate, f"/keep/{tail}", host)
        assert (stripped.json()["target"], kept.json()["target"]) == (f"/{tail}", f"/keep/{tail}")
        told = {key.lower(): value for key, value in kept.json()["headers"]}
        assert (told["x-forwarded-prefix"], told["x-forwarded-host"], told["host"]) == ("/keep", host, host)


def test_the_log_says_whose_page_has_asked_for_what_is_outside(gate: Rig) -> None:
    """Of the same host alone, where everything is one user's; and for who has passed a login."""
    page, others = {"Referer": f"{OWN}/echo/page"}, {"Referer": f"http://bob.{DOMAIN}/echo/page"}
    assert ask(gate, "/static/app.js", headers=page).status == 404
    assert ask(gate, "/static/others", headers=others).status == 403
    assert ask(gate, "/static/stranger", login=None, headers=page).status == 401
    log = gate.root / "var/log/nginx/vizgate.jsonl"
    eventually(lambda: log.read_text().count('"path":"/static/') == 3)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    concerns = {line["path"]: line["concerns"] for line in lines if line["path"].startswith("/static/")}
    assert concerns == {"/static/app.js": "alice/echo", "/static/others": "", "/static/stranger": ""}


def test_everybody_has_a_host(gate: Rig, backends: Backends) -> None:
    bobs = f"bob.{DOMAIN}"
    for _ in range(4):
        assert ask(gate).backend == "alice's"
        assert ask(gate, "/echo/", bobs, BOB).backend == "bob's"
        # a link may be called like somebody else
        assert ask(gate, "/alice/echo/", bobs, BOB).json()["target"] == "/echo/"
    backends.alice.seen.clear()
    backends.bob.seen.clear()
    for host, login in ((bobs, ALICE), (f"alice.{DOMAIN}", BOB), (f"alice.{DOMAIN}", None), (f"carol.{DOMAIN}", ALICE)):
        for path in ("/echo/", "/", "/echo", "/-/status/echo", "/nolink/"):
            assert ask(gate, path, host, login).status == 401
    assert ask(gate, "/alice/echo/").status == 404
    assert backends.alice.seen == backends.bob.seen == []


@pytest.mark.parametrize(
    "host",
    [
        DOMAIN,
        "." + DOMAIN,
        f"alice.{DOMAIN}1",
        f"alice.{DOMAIN[:-1]}",
        f"alice.{DOMAIN.partition(':')[0]}",
        f"alice.{DOMAIN}.",
        f"alice.{DOMAIN}.evil.example",
        f"alice.{DOMAIN}@evil.example",
        "alice.gate.example.org.:81",
        "alice.gate.example.org.evil.example:81",
        "alice.evil-gate.example.org:81",
        "alicegate.example.org:81",
        "alice.gatexexample.org:81",
        f"x.alice.{DOMAIN}",
        f"alice.alice.{DOMAIN}",
        f"alice_.{DOMAIN}",
        f"-.{DOMAIN}",
        f"al%69ce.{DOMAIN}",
        f"alice/.{DOMAIN}",
        f"alice\t.{DOMAIN}",
        f"{'a' * 33}.{DOMAIN}",
        "127.0.0.1",
        "localhost",
        "alice",
        "",
    ],
    ids=ascii,
)
@pytest.mark.parametrize("path", ["/echo/", "/alice/echo/", "/", "/-/index"])
def test_no_other_host_has_anything(gate: Rig, backends: Backends, host: str, path: str) -> None:
    """GHSA-gcv9-6737-pjqw: a check of the host that was not one of the whole host."""
    assert ask(gate, host=host, path=path).status in (400, 404)
    assert backends.alice.seen == backends.bob.seen == []


def test_the_list_of_links_and_the_error_page_lead_to_the_users_own_host(gate: Rig) -> None:
    index = ask(gate, "/")
    assert index.status == 200
    assert re.findall(r'href="(.*?)"', index.text) == ["/dead/", "/echo/", "/keep/", "/ws/"]
    assert '<body data-home="/">' in index.text
    assert ask(gate, "/-/status/echo").json()["answers"] is True
    for _ in range(2):
        dead = ask(gate, "/dead/")
        assert (dead.status, re.findall(r'href="(.*?)">(.*?)<', dead.text)) == (
            502,
            [(f"{OWN}/", "All links of alice")],
        )
    assert ask(gate, "/echo?x=1").all("Location") == ["/echo/?x=1"]


def test_a_page_that_looks_outside_of_its_link_is_explained(gate: Rig) -> None:
    answer = ask(gate, "/static/app.js", headers={"Referer": f"{OWN}/keep/page"})
    assert answer.status == 404
    for text in ("<code>/keep/</code>", "<code>/static/app.js</code>", "base path <code>/keep</code>", "doctor keep<"):
        assert text in answer.text
    for referer in (f"{OWN}/", f"{OWN}/static/x", f"http://bob.{DOMAIN}/keep/"):
        headers = {"Referer": referer, **PLAIN_NAVIGATION}
        assert "outside of its own address" not in ask(gate, "/static/app.js", headers=headers).text


@pytest.mark.parametrize(
    ("place", "becomes"),
    [
        ("/login", "/keep/login"),
        ("/keep/login", "/keep/login"),
        (f"{OWN}/login", "/keep/login"),
        (f"{OWN}/keep/login", "/keep/login"),
        (f"http://bob.{DOMAIN}/", f"http://bob.{DOMAIN}/"),
    ],
)
def test_redirects_stay_below_the_link(gate: Rig, place: str, becomes: str) -> None:
    query = urllib.parse.urlencode({"status": "302", "header": f"Location: {place}"})
    assert ask(gate, f"/keep/?{query}").all("Location") == [becomes]


def cookie(gate: Rig, name: str, host: str = f"alice.{DOMAIN}", login: Credential = ALICE) -> str:
    """What becomes of a cookie that a backend sets for all hosts there are."""
    answer = ask(gate, f"/{name}/?header=Set-Cookie:+s=1;+Path=/;+Domain=gate.example.org", host, login)
    (found,) = answer.all("Set-Cookie")
    return found


def test_cookies_are_for_one_link_on_one_host(gate: Rig, backends: Backends) -> None:
    """A page of bob's may write cookies for the hosts of all users; they come along, but not to the backend."""
    mine = cookie(gate, "echo")
    assert mine.partition("s=1")[2] == "; Path=/echo/; HttpOnly"
    others = [cookie(gate, "keep"), cookie(gate, "echo", f"bob.{DOMAIN}", BOB)]
    pairs = [text.partition(";")[0] for text in (mine, *others)]
    assert len(set(pairs)) == 3
    for _ in range(4):
        ask(gate, headers={"Cookie": f"s=planted; {pairs[1]}; {pairs[2]}"})
        assert backends.alice.seen[-1].header("Cookie") is None
        ask(gate, headers={"Cookie": f"s=planted; {'; '.join(pairs)}"})
        assert backends.alice.seen[-1].header("Cookie") == "s=1"
        # the right one, whichever has been remembered
        assert cookie(gate, "echo") == mine


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": OWN},
        {"Referer": f"{OWN}/bob/echo/"},
        {"Referer": f"http://bob.{DOMAIN}/", **PLAIN_NAVIGATION},
        site("same-origin", FETCH, f"{OWN}/keep/", OWN),
        site("same-origin", PICTURE),
        site("same-origin", FRAME),
        site("same-site", NAVIGATION, f"http://bob.{DOMAIN}/"),
        site("cross-site", NAVIGATION),
        site("none", PICTURE),
    ],
)
def test_own_pages_and_navigations_pass(gate: Rig, headers: dict[str, str]) -> None:
    assert ask(gate, headers=headers).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": f"http://bob.{DOMAIN}"},
        {"Origin": f"http://{DOMAIN}"},
        {"Referer": f"http://bob.{DOMAIN}/alice/"},
        {"Referer": f"http://{DOMAIN}/"},
        {"Referer": f"{OWN}.evil.example/"},
        site("same-site", FETCH),
        site("same-site", PICTURE, f"http://bob.{DOMAIN}/"),
        site("same-site", FRAME),
        site("cross-site", PICTURE),
    ],
)
@pytest.mark.parametrize("path", ["/echo/", "/", "/-/status/echo"])
def test_pages_of_others_are_refused(gate: Rig, backends: Backends, headers: dict[str, str], path: str) -> None:
    answer = ask(gate, path, headers=headers)
    assert (answer.status, backends.alice.seen) == (403, [])
    assert "came from another user's page" in answer.text


@pytest.mark.parametrize("headers", [site("same-site", NAVIGATION), {"Origin": f"http://bob.{DOMAIN}"}])
def test_forms_of_others_change_nothing(gate: Rig, backends: Backends, headers: dict[str, str]) -> None:
    assert ask(gate, method="POST", headers=headers).status == 403
    assert backends.alice.seen == []


def test_a_websocket_needs_exactly_the_users_origin(gate: Rig) -> None:
    mine = {"Host": f"alice.{DOMAIN}"}
    for _ in range(4):
        assert handshake(gate, {**mine, "Origin": OWN}, "/ws/") == 101
    assert handshake(gate, mine, "/ws/") == 101
    # browsers follow no redirect to the slash
    assert handshake(gate, mine, "/ws") == 101
    others = [other.replace("gate.example:81", f"alice.{DOMAIN}") for other in OTHERS]
    for origin in (*others, f"http://bob.{DOMAIN}", f"http://{DOMAIN}", f"http://x.alice.{DOMAIN}"):
        assert handshake(gate, {**mine, "Origin": origin}, "/ws/") == 403
    assert handshake(gate, {**mine, "Origin": OWN, "Authorization": "None"}, "/ws/") == 401
    assert handshake(gate, {"Host": DOMAIN, "Origin": f"http://{DOMAIN}"}, "/ws/") == 404


def test_names_that_no_host_can_have_are_refused(gate: Rig) -> None:
    for user in ("a_b", "ab-"):
        with pytest.raises(InvalidData, match=f"user '{user}': this gateway gives every user a host name"):
            gate.declare(user, [Link("run", 9000)], [Login("x", password="y")])
    users = Rig.write_users(gate.folder / "odd", {"a_b": {"links": [{"name": "run", "port": 9000}]}})
    done = gate.run(
        "ansible-playbook", "-i", str(gate.inventory), "playbooks/site.yml", "-e", f"gateway_users_dir={users}"
    )
    assert "a_b.yml:1: user 'a_b': this gateway gives every user a host name" in done.stdout
    assert done.returncode != 0


def test_a_public_address_without_a_name_is_refused(gate: Rig) -> None:
    for url in ("http://127.0.0.1:81", "http://[::1]", "https://gate/path", "gate.example.org"):
        done = gate.run(
            "ansible-playbook", "-i", str(gate.inventory), "playbooks/site.yml", "-e", f"gateway_public_url={url}"
        )
        assert f"gateway_public_url is {url}; gateway_url_style subdomain needs a URL" in done.stdout, done.stdout
        assert done.returncode != 0


def test_the_command_tells_users_their_own_addresses(gate: Rig) -> None:
    def say(*words: str, user: str = "alice") -> str:
        path = str(gate.root / "usr/local/bin/vizgate")
        command = [path, *(["--user", user] if user else []), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        return done.stdout + done.stderr

    assert say("open", "echo") == f"{OWN}/echo/\n"
    assert say("add", "run", "--kind", "visdom", "--port", "9000") == f"added {OWN}/run/ -> 127.0.0.1:9000\n"
    try:
        assert say("kinds", "--for", "run") == "visdom -port 9000 -base_url /run -bind_local\n"
        assert f"\n{OWN}/run/ " in say("list")
        assert {link["url"] for link in json.loads(say("list", "--json"))} >= {f"{OWN}/run/", f"{OWN}/echo/"}
        assert {link["name"]: link["url"] for link in json.loads(say("status", "--json"))}["run"] == f"{OWN}/run/"
        everything = json.loads(say("status", "--all", "--json", user=""))["links"]
        seen = {(link["user"], link["name"]): link for link in everything}
        assert seen["bob", "alice"]["url"] == f"http://bob.{DOMAIN}/alice/"
        assert seen["alice", "keep"]["works"] is True
    finally:
        assert say("remove", "run", "--yes") == f"removed {OWN}/run/ -> 127.0.0.1:9000\n"


def test_browsers_that_speak_http_are_sent_to_the_host_they_asked_for(backends: Backends) -> None:
    port = free_port()
    with Rig.temporary(
        {
            "alice": {
                "links": [{"name": "echo", "port": backends.alice.port}],
                "logins": [{"name": "alice", "password": "wonder"}],
            }
        },
        gateway_url_style="subdomain",
        gateway_public_url="https://gate.example.org:444",
        gateway_tls=True,
        gateway_redirect_port=port,
        certificate_names=["gate.example.org", "*.gate.example.org"],
    ) as rig:
        rig.build()
        for asked, sent in {
            "alice.gate.example.org": "alice.gate.example.org",
            "ALICE.gate.example.org:80": "alice.gate.example.org",
            "gate.example.org": "gate.example.org",
            "alice.gate.example.org.evil.example": "gate.example.org",
            "alice.gatexexample.org": "gate.example.org",
            "a.b.gate.example.org": "gate.example.org",
            # a link's own
            "study--alice.gate.example.org": "study--alice.gate.example.org",
            "9--alice.gate.example.org": "9--alice.gate.example.org",
            "evil.example": "gate.example.org",
        }.items():
            for at in (port, rig.port):
                command = [
                    "curl",
                    "-sS",
                    "-o",
                    "/dev/null",
                    "-w",
                    "%{http_code} %{redirect_url}",
                    "-H",
                    f"Host: {asked}",
                ]
                done = subprocess.run(
                    [*command, f"http://127.0.0.1:{at}/echo/?a=b%20c"], capture_output=True, text=True, check=True
                )
                assert done.stdout == f"308 https://{sent}:444/echo/?a=b%20c"
        resolve = ["--resolve", "alice.gate.example.org:444:127.0.0.1", "--connect-to", f"::127.0.0.1:{rig.port}"]
        certificate = str(rig.root / "etc/vizgate/tls/gateway.pem")
        command = ["curl", "-sS", "--http2", "--cacert", certificate, *resolve, "-u", "alice:wonder"]
        done = subprocess.run(
            [*command, "https://alice.gate.example.org:444/echo/"], capture_output=True, text=True, check=True
        )
        assert '"backend": "alice\'s"' in done.stdout
