"""Accounts that attack by their names and uids: reserved names, a second root, a former user's folder."""

from __future__ import annotations

import json

import pytest
from attacker import SOCKETS
from conftest import HELPER

pytestmark = pytest.mark.usefixtures("nobody_else_notices")


@pytest.fixture
def account(host):
    """Creates accounts, and removes them with their files."""
    made = []

    def account(name, *options):
        host.check_output("useradd --badname -m %s " + " ".join(options), name)
        made.append(name)
        return int(host.check_output("id -u %s", name))

    yield account
    for name in made:
        host.run("userdel -r %s", name)
        host.run("umount --lazy %s; rm -rf %s", f"{SOCKETS}/{name}", f"{SOCKETS}/{name}")


@pytest.mark.parametrize("name", ["api", "static"])
def test_a_reserved_name_has_no_links(host, account, name):
    account(name)
    said = host.run(f"""echo '{{"do": "show"}}' | runuser -u {name} -- sudo -n {HELPER}""")
    assert json.loads(said.stdout)["problems"] == [
        f"user '{name}': the name is reserved; take another; self-service needs an account with such a name"
    ]


@pytest.mark.parametrize("name", ["proxy", "vizgate"])
def test_a_reserved_name_that_a_service_has_is_not_asked_further(host, name):
    said = host.run(f"""echo '{{"do": "show"}}' | runuser -u {name} -- sudo -n {HELPER}""")
    assert f"{name} is a system account" in json.loads(said.stdout)["unavailable"]


@pytest.mark.parametrize("name", ["Carol", "carol.x", "c" * 32 + "x"])
def test_a_name_that_is_no_address_has_no_links(host, account, name):
    if host.run("useradd --badname -m %s", name).rc != 0:
        assert len(name) > 32, "Debian has no longer names"
        return
    try:
        said = host.run(f"""echo '{{"do": "show"}}' | runuser -u {name} -- sudo -n {HELPER}""")
        assert json.loads(said.stdout)["problems"][0].startswith(f"user '{name}': the name is not of the form ")
    finally:
        host.check_output("userdel -r %s 2>/dev/null", name)


def test_a_second_root_is_nobody(host, account):
    account("toor", "-o", "-u", "0")
    said = host.run(f"""echo '{{"do": "show"}}' | runuser -u toor -- sudo -n {HELPER}""")
    assert json.loads(said.stdout) == {"unavailable": f"{HELPER}: sudo did not pass the uid of the caller (SUDO_UID)"}
    # userdel would refuse, because every process of root belongs to this account as well
    host.check_output("sed -i /^toor:/d /etc/passwd /etc/shadow /etc/group /etc/gshadow /etc/subuid /etc/subgid")


def test_two_names_of_one_number_are_the_first(host, account, ask):
    """The kernel and sudo know uids only."""
    account("mallory2", "-o", "-u", host.check_output("id -u mallory"))
    assert ask("mallory2", "show")["user"] == "mallory"


def test_a_folder_for_sockets_is_not_inherited(host, account, ask):
    """carol is removed, eve gets her uid, and a new carol is created: eve's files in carol's folder are never served."""
    uid = account("carol")
    assert "plan" in ask("carol", "add", link={"name": "s", "socket": f"{SOCKETS}/carol/s"})
    refresh, look = "systemctl start vizgate-resolve.service", f"stat -c '%U %G %a' {SOCKETS}/carol"
    assert host.check_output(look) == "carol www-data 2710"
    host.check_output("userdel -r carol 2>/dev/null")
    host.check_output(refresh)
    # no user owns the folder yet
    assert host.check_output(look) == "UNKNOWN www-data 2710"
    account("eve", "-u", str(uid))
    assert host.run(f"runuser -u eve -- touch {SOCKETS}/carol/eves").rc == 0
    host.check_output(refresh)
    assert not host.file(f"{SOCKETS}/carol").exists
    host.check_output(f"useradd -m carol; mkdir -m 2710 {SOCKETS}/carol; chown eve {SOCKETS}/carol")
    host.check_output(refresh)
    assert host.check_output(look) == "carol www-data 2710"
    assert host.check_output(f"ls {SOCKETS}/carol") == ""
    # the new carol owns what the earlier carol has declared
    assert "plan" in ask("carol", "remove", name="s")


def test_a_folder_that_was_half_made_is_made_whole(host, ask):
    """Killed between creating and mounting it; also full of her files, as with an old gateway with one file system for all."""
    host.run(f"umount --lazy {SOCKETS}/alice")
    host.check_output(f"rm -rf {SOCKETS}/alice && mkdir -m 700 {SOCKETS}/alice && touch {SOCKETS}/alice/left")
    assert "plan" in ask("alice", "add", link={"name": "half", "socket": f"{SOCKETS}/alice/s"})
    assert host.check_output(f"stat -c '%U %G %a' {SOCKETS}/alice; ls {SOCKETS}/alice") == "alice www-data 2710"
    assert host.run(f"mountpoint --quiet {SOCKETS}/alice").rc == 0
    assert "plan" in ask("alice", "remove", name="half")
