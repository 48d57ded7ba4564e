"""System accounts cannot publish links, neither by the helper nor by a users file, and no app runs as one."""

from __future__ import annotations

import json

import pytest
from conftest import HELPER

ACCOUNTS = ["www-data", "nobody", "daemon", "backup", "dynamic"]
CORE = """
import json, sys
sys.path.insert(0, "/usr/local/lib/vizgate/current")
from vizgate.apply.change import Options
from vizgate.apply.gateway import Gateway
from vizgate.apps.deployer import Deployer
from vizgate.apps.releases import Settings
from vizgate.model.app import App
from vizgate.errors import InvalidData
from vizgate.model.entities import Link, UserData
from vizgate.paths import Paths

def declare(source, user, links):
    try:
        data = {user: UserData(links=links)}
        return Gateway(Paths()).declare(source, lambda registry: data, Options(check=True)).plan
    except InvalidData as error:
        return error.problems

def deploy(user):
    app = App(name="tasks", repo="/srv/tasks", entry="wsgi:application")
    deployer = Deployer(Gateway(Paths()), Settings())
    return [deployer.converge({user: (app,)}, only=f"{user}/tasks", check=check).problems for check in (True, False)]
"""


@pytest.fixture(scope="module", autouse=True)
def dynamic(host):
    """An account with a uid from systemd's range for dynamic users."""
    host.check_output("useradd --uid 61500 --create-home dynamic")
    yield
    host.check_output("userdel --remove dynamic")


@pytest.fixture(scope="module")
def core(host):
    """The result of the gateway's core, run by root as the modules do."""

    def core(code):
        return json.loads(host.check_output("python3 -IBc %s", f"{CORE}\nprint(json.dumps({code}))"))

    return core


@pytest.mark.parametrize("account", ACCOUNTS)
def test_the_helper_does_nothing_for_it(host, account):
    before = host.check_output("ls -R /var/lib/vizgate/users /run/vizgate/sockets | md5sum")
    request = json.dumps({"do": "add", "link": {"name": "x", "port": 9087}})
    done = host.run("echo %s | runuser -u %s -- sudo -n %s", request, account, HELPER)
    assert done.rc == 1, done.stderr
    said = json.loads(done.stdout)["unavailable"]
    assert f"{account} is a system account (uid {host.check_output('id -u %s', account)})" in said
    assert host.check_output("ls -R /var/lib/vizgate/users /run/vizgate/sockets | md5sum") == before


def test_the_command_says_why(host):
    done = host.run("runuser -u www-data -- env HOME=/var/www vizgate add x --port 9087")
    assert done.rc != 0
    assert "www-data is a system account (uid 33)" in done.stdout + done.stderr


@pytest.mark.parametrize("account", ACCOUNTS)
def test_it_gets_no_links_from_a_users_file(host, core, account):
    uid = host.check_output("id -u %s", account)
    (problem,) = core(f"declare('inventory', '{account}', (Link('x', 9087),))")
    assert problem == (
        f"user '{account}': this host has a system account with that name (uid {uid}); choose another name"
    )
    assert core(f"declare('inventory', '{account}', ())") == []


@pytest.mark.parametrize("user", ["bob", "without-an-account"])
def test_people_and_names_without_an_account_do(core, user):
    assert core(f"declare('inventory', '{user}', (Link('x', 9087),))")[0]["action"] == "add"


@pytest.mark.parametrize("account", ["www-data", "backup", "dynamic"])
def test_no_app_runs_as_it(core, account):
    checked, done = core(f"deploy('{account}')")
    assert checked == done
    assert f"user '{account}': this host has a system account with that name" in done[0]
