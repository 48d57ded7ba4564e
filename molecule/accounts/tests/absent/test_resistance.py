"""Alice's preparations against her off-boarding, made by molecule/accounts/resist, have no effect."""

from __future__ import annotations

import pytest
from conftest import UID

SUBORDINATE = "-uid +99999 -uid -165536"
"""Alice's range of subordinate uids, as arguments of find(1)."""


def test_no_process_under_a_subordinate_uid(host):
    uids = {int(uid) for uid in host.check_output("ps -e -o uid= -o euid=").split()}
    assert not {uid for uid in uids if uid == UID or 100000 <= uid < 165536}


def test_no_unit_of_hers(host):
    assert host.run("systemctl is-active lab-of-alice.service").stdout.strip() in ("inactive", "failed")
    said = host.check_output("systemctl show --property=Id,User '*.service'")
    assert f"User={UID}" not in said
    assert "User=alice" not in said


@pytest.mark.parametrize("owner", [f"-uid {UID}", SUBORDINATE])
def test_no_file_of_hers(host, owner):
    assert host.check_output(f"find / /tmp /dev/shm /dev/mqueue /run -xdev '(' {owner} ')' -print") == ""


def test_no_shared_memory_of_hers(host):
    assert f" {UID} " not in host.check_output("cat /proc/sysvipc/shm /proc/sysvipc/sem /proc/sysvipc/msg")


def test_nothing_of_the_name_but_what_root_keeps(host):
    found = host.check_output(
        "find / /run /tmp -xdev '(' -name '*alice*' -o -path '*user-1501*' ')' -not -path '*/user-1501*.journal'"
    )
    kept = [line for line in found.splitlines() if not line.startswith(("/var/backups/vizgate/homes/alice-", "/root/"))]
    # an empty map, which nginx may be about to open; the audit log, whose history is closed; a folder with a file of bob
    assert set(kept) <= {
        "/etc/nginx/vizgate/links.d/alice.map",
        "/var/lib/vizgate/audit/alice.jsonl",
        "/tmp/of-alice",
    }


def test_a_folder_with_a_file_of_bobs_stays_and_is_roots(host):
    assert host.file("/tmp/of-alice").user == "root"
    assert host.file("/tmp/of-alice/file-of-bobs").user == "bob"


def test_no_mount_in_the_home(host):
    assert "/home/alice" not in host.check_output("cat /proc/mounts")


def test_the_archive_has_it_all(host):
    (archive,) = host.check_output("ls /var/backups/vizgate/homes/ | grep alice-").split()
    listed = host.check_output(f"tar -tzf /var/backups/vizgate/homes/{archive}").splitlines()
    assert {"home/alice/sub/of-5/file", "home/alice/apps/web/releases/1/", "home/alice/new\\nline/"} < set(listed)
    assert max(line.count("/deeper") for line in listed) == 3000
    assert host.file(f"/var/backups/vizgate/homes/{archive}").size < 50 << 20, "the 15 TB are a hole"


def test_the_report_names_it(output):
    lines, _changed, _text = output("first")
    assert {
        "app /alice/web/",
        "app /alice/old/, removed earlier: its secrets and logs",
        "unit lab-of-alice.service, stopped and disabled",
    } < set(lines)
