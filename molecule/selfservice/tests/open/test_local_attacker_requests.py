"""mallory attacks by requests: unreadable, poisoned, too many, too slow, all at once; and by what others read of them."""

from __future__ import annotations

import itertools
import json
import re

import pytest
from attacker import SOCKETS
from conftest import HELPER

pytestmark = pytest.mark.usefixtures("nobody_else_notices")

UNUSABLE = {
    # as Python expressions, because the texts are too long for a command line
    "one byte too much": ("b' ' * 65536 + b'1'", "the request has more than 65536 bytes"),
    "a hundred megabytes": ("b'[' * 100_000_000", "the request has more than 65536 bytes"),
    "too deep": ("b'[' * 60000", "the request is no JSON: maximum recursion depth exceeded"),
    "not UTF-8": (
        """b'{"do": "show", "x": "\\xff"}'""",
        "the request is no JSON: 'utf-8' codec can't decode byte 0xff",
    ),
    "no JSON": ("b'add train 9087'", "the request is no JSON: Expecting value"),
    "two requests": ("""b'{"do": "show"}' * 2""", "the request is no JSON: Extra data"),
    "half a request": ("""b'{"do": "show"'""", "the request is no JSON: Expecting ',' delimiter"),
    "NUL": ("""b'{"do": "show"}\\0'""", "the request is no JSON: Extra data"),
    "a huge number": (
        """b'{"do": "history", "lines": ' + b'9' * 60000 + b'}'""",
        "the request is no JSON: Exceeds the limit",
    ),
}
REFUSED = {
    "a list": ("[]", "request 'None' is not known"),
    "not a number": ("add('a', port=float('nan'))", "link 'a': port 'nan' is not a number"),
    "infinity": ("add('a', port=float('inf'))", "link 'a': port 'inf' is not a number"),
    "a thousand digits": ("add('a', port=10**1000)", "link 'a': port '1000"),
    "the last of two": ("""b'{"do": "show", "do": "rm", "user": "bob"}'""", "request 'rm' is not known"),
    "somebody else's": ("{'do': 'show', 'user': 'bob'}", "request 'show': unknown key 'user'"),
    "another source": ("{'do': 'move', 'source': 'inventory'}", "request 'move': unknown key 'source'"),
    "bob's link": ("add('../bob/x')", "link '../bob/x': the name is not of"),
    "half a character": (
        "{'do': 'add_login', 'name': 'm', 'password': '\\ud800'}",
        "the password is not valid Unicode",
    ),
    "UTF-16": ("""'{"do": "rm"}'.encode('utf-16')""", "request 'rm' is not known"),
}


@pytest.fixture(scope="module")
def unusable(python):
    """The responses to invalid requests."""
    code = """
print(json.dumps({name: ask(eval(text)) for name, text in json.loads(sys.argv[1]).items()}))
"""
    texts = {name: text for name, (text, _said) in {**UNUSABLE, **REFUSED}.items()}
    return python("mallory", code, texts)


@pytest.mark.parametrize("request_", UNUSABLE)
def test_a_request_that_cannot_be_read(unusable, request_):
    code, said, errors = unusable[request_]
    assert (code, errors) == (1, "")
    assert json.loads(said)["unavailable"].startswith(f"{HELPER}: {UNUSABLE[request_][1]}")


@pytest.mark.parametrize("request_", REFUSED)
def test_a_request_that_is_refused(unusable, request_):
    code, said, errors = unusable[request_]
    assert (code, errors) == (1, "")
    assert json.loads(said)["problems"][0].startswith(REFUSED[request_][1])


POISON = [
    *("\n", "\r\n", "\0", "\t", "\x7f", "\x1b[2J", '"', "'", "{", "}", "$", "${host}", ";", "#", "\\", "%0a", "%00"),
    *("$(id)", "`id`", "{{ 7*7 }}", "{% raw %}", "../", "<script>", "\u202e", "\u2028", "\ufeff", "\u212a", "é"),
    *('"; } http { server { listen 1; } } #', '" "y";\n"bob/lab" "strip 127.0.0.1:22'),
]
FIELDS = ["name", "host", "kind", "prefix", "socket", "login", "description", "password"]


def poisoned(fields, number):
    """A request with fields that another program could interpret."""
    text = f"a{POISON[number]}b"
    if fields in (["login"], ["password"]):
        name, password = (text, "secret") if fields == ["login"] else (f"p{number}", text)
        return {"do": "add_login", "name": name, "password": password}
    if fields == ["socket"]:
        return {"do": "add", "link": {"name": "poison", "socket": f"{SOCKETS}/mallory/{text}"}}
    return {"do": "add", "link": {"name": f"{fields[0]}{number}", "port": 9087, **dict.fromkeys(fields, text)}}


@pytest.fixture(scope="module")
def answers(python):
    """Field → the response to each poison. Where responses list all problems, four fields share a request."""
    code = """
print(json.dumps([json.loads(ask(request)[1]) for request in json.loads(sys.argv[1])]))
"""
    groups = [FIELDS[:4], *([field] for field in FIELDS[4:])]
    results = iter(
        python("mallory", code, [poisoned(group, number) for group in groups for number in range(len(POISON))])
    )
    batches = [(group, list(itertools.islice(results, len(POISON)))) for group in groups]
    return {field: batch for group, batch in batches for field in group}


@pytest.mark.parametrize("field", [field for field in FIELDS if field not in ("description", "password")])
def test_poison_in_a_field_is_refused(answers, field):
    for poison, answer in zip(POISON, answers[field], strict=True):
        assert list(answer) == ["problems"], (poison, answer)
        value = f"{SOCKETS}/mallory/a{poison}b" if field == "socket" else f"a{poison}b"
        problem = f"{'link' if field == 'name' else field} {value!a}"
        assert any(problem in line for line in answer["problems"]), answer
        assert all(line.isprintable() for line in answer["problems"])


def test_poison_in_a_description_is_text(host, answers, ask, get, her_login):
    assert all("plan" in answer for answer in answers["description"])
    shown = {link["name"]: link for link in ask("mallory", "show")["links"]}
    for number, poison in enumerate(POISON):
        link = shown[f"description{number}"]
        assert link["description"] == f"a{poison}b"
        assert (link["rendered"], link["live"]) == (True, True)
        assert get(f"/mallory/description{number}/", "mallory").status == 200
    keys = host.check_output("cut -d ' ' -f 1 /etc/nginx/vizgate/links.d/mallory.map").split()
    assert {key.split("/")[0] for key in keys if key != "#"} == {'"mallory'}
    assert get("/bob/lab/", "bob").status == 404
    page = get("/mallory/", "mallory").body.decode()
    assert "a&lt;script&gt;b" in page
    assert "a<script>b" not in page


def test_poison_in_a_password_is_typed_by_visitors_too(answers, get):
    opened = 0
    for number, poison in enumerate(POISON):
        answer = answers["password"][number]
        if any(letter < " " or letter == "\x7f" for letter in poison):
            assert answer == {"problems": ["the password holds a control character"]}
        else:
            assert "plan" in answer
            assert get("/mallory/", f"p{number}", f"a{poison}b").status == 200, poison
            assert number % 8 or get("/mallory/", f"p{number}", "ab").status == 401
            opened += 1
    assert opened >= 20


@pytest.fixture
def no_links_of_hers(host):
    """Removes all her links at once, before and after, because single removals take too long."""
    code = """
import sys
sys.path.insert(0, "/usr/local/lib/vizgate/current")
from vizgate.apply.gateway import Gateway
from vizgate.paths import Paths
def without_links(registry):
    return {"mallory": registry.sources("mallory")["self"]._replace(links=())}
Gateway(Paths()).declare("self", without_links)
"""
    host.check_output("python3 -c %s", code)
    yield
    host.check_output("python3 -c %s", code)


def test_she_has_as_many_links_as_the_site_allows(host, python, her_login, no_links_of_hers):
    code = """
from concurrent.futures import ThreadPoolExecutor
def one_more(number):
    return json.loads(ask(add(f"quota{number}", description="x" * 200))[1])
with ThreadPoolExecutor(3) as pool:
    results = list(pool.map(one_more, range(201)))
print(json.dumps([sum("plan" in answer for answer in results), [answer for answer in results if "plan" not in answer]]))
"""
    added, (refused,) = python("mallory", code)
    assert added == 200
    assert refused["problems"][0].endswith(": you have 200, and the site's limit is 200; remove one first")
    hers = "find /etc/nginx/vizgate /var/lib/vizgate '(' -path '*/mallory/*' -o -name 'mallory.*' ')' -type f"
    sizes = list(map(int, host.check_output(f"{hers} -exec stat -c %s {{}} +").split()))
    assert len(sizes) >= 4  # registry, audit log, map, page
    assert sum(sizes) < 2 * 2**20


def test_whoever_keeps_the_helper_waiting_is_left(python):
    """Four helpers with an unfinished request, forty whose response is not read: root ends all of them soon."""
    code = """
import fcntl
pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
slow = []
# until all four are under way; one that came too late is replaced
for _ in range(50):
    slow = [helper for helper in slow if helper.poll() is None]
    while len(slow) < 4:
        slow.append(subprocess.Popen(HELPER, **pipes))
        slow[-1].stdin.write(b'{"do": ')
        slow[-1].stdin.flush()
    fifth = ask({"do": "show"})
    if fifth[0]:
        break
reader, full = os.pipe()
fcntl.fcntl(full, fcntl.F_SETPIPE_SZ, 4096)
os.write(full, b"x" * 4096)
deaf = [subprocess.Popen(HELPER, stdin=subprocess.PIPE, stdout=full, stderr=subprocess.DEVNULL) for _ in range(40)]
end = time.monotonic() + 60
while time.monotonic() < end and any(helper.poll() is None for helper in slow + deaf):
    time.sleep(0.1)
left = [sum(helper.poll() is None for helper in helpers) for helpers in (slow, deaf)]
os.close(reader)
reasons = sorted({helper.stderr.read().decode() for helper in slow})
print(json.dumps([fifth, left, reasons, ask({"do": "show"})[0]]))
"""
    fifth, left, reasons, code = python("mallory", code)
    assert reasons == ["its caller sent or read nothing for 20 s, or this host is too busy; try again\n"]
    reason = "you already have 4 requests in progress; try again when they have finished"
    assert fifth == [1, json.dumps({"unavailable": f"{HELPER}: {reason}"}) + "\n", ""]
    assert left == [0, 0]
    assert code == 0


def test_racing_herself_she_loses_nothing_and_bob_is_served(host, python, ask):
    """Eighty requests at once: each one succeeds or is refused."""
    code = """
helpers = []
for number in range(80):
    helper = subprocess.Popen(HELPER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    helpers.append(helper)
for number, helper in enumerate(helpers):
    try:
        helper.stdin.write(json.dumps(add(f"race{number % 20}")))
        helper.stdin.close()
    except BrokenPipeError:
        pass  # refused already
results = [json.loads(helper.stdout.read()) for helper in helpers]
added = sorted(step["url"].split("/")[2] for answer in results for step in answer.get("plan", []))
lines = [line for answer in results for line in [*answer.get("problems", []), answer.get("unavailable", "")]]
said = sorted({line.partition(": ")[2] for line in lines if line})
print(json.dumps([added, said, sorted(name for name in names() if name.startswith("race"))]))
"""
    added, said, names = python("mallory", code)
    assert added == names
    # concurrent requests may use the same name, and only one succeeds
    assert 1 <= len(added) <= 20
    assert set(said) <= {
        "you already have a link with this name; change or remove it, or choose another name",
        "you already have 4 requests in progress; try again when they have finished",
    }
    assert "plan" in ask("bob", "add", link={"name": "between", "port": 9087})
    assert "plan" in ask("bob", "remove", name="between")


ESCAPES = "\x1b]0;owned\x07\x1b[2J\x1b[31m\x9b31m\r\n\x00\u202e\u2028{{ 7*7 }}$(id)`id`\"'<script>"


@pytest.mark.parametrize(
    "command", ["list", "status", "status --all", "history", "export", "list --json", "history --json"]
)
def test_no_text_of_hers_reaches_a_terminal_as_it_is(host, ask, terminal, command):
    """Also in root's terminal."""
    results = ask("mallory", "add", link={"name": "escapes", "port": 9087, "description": ESCAPES})
    assert "plan" in results or "you already have a link with this name" in results["problems"][0]
    line = f"vizgate {'' if '--all' in command else '--user mallory '}{command}"
    for shown in (host.check_output(line), terminal("root", [], line)):
        # the command itself uses colours
        plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
        assert "escapes" in plain
        assert [letter for letter in plain if not letter.isprintable() and letter not in "\r\n"] == []


def test_her_links_are_hers_alone(get, ask):
    """Her names appear on no page of another user."""
    assert "plan" in ask("mallory", "add", link={"name": "training", "port": 9088})
    assert get("/bob/training/", "bob").port == 9089
    assert "plan" in ask("mallory", "remove", name="training")
