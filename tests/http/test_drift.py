"""What somebody has changed in the gateway by hand: told, with a diff, and put right by the next playbook."""

from __future__ import annotations

import json

from rig import ALICE, Rig, eventually, is_alive


def test_hand_edits_are_told_and_put_right_by_site(gate: Rig) -> None:
    folder = gate.root / "etc/nginx/vizgate"
    links, logins = folder / "links.d/alice.map", folder / "logins.d/alice.htpasswd"
    right = {path: path.read_text() for path in (links, logins)}
    links.write_text(right[links] + '"alice/rogue" "strip 127.0.0.1:22";\n')
    logins.write_text(right[logins].replace("alice:$2y$", "alice:$2b$"))
    gate.reload()
    assert gate.get("/alice/rogue/", ALICE).status == 502, "nginx has read it"

    done = gate.run("ansible", "gate", "-i", str(gate.inventory), "-o", "-m", "vizgate.gateway.info")
    drift = {pair["before_header"]: pair for pair in json.loads(done.stdout.partition(" => ")[2])["drift"]}
    assert set(drift) == {str(links), str(logins)}
    assert "alice/rogue" in drift[str(links)]["before"]
    assert "alice/rogue" not in drift[str(links)]["after"]
    assert "$2" not in json.dumps(drift), "hashes are nobody's business"

    conf = folder / "nginx.conf"
    conf.write_text(conf.read_text() + "# edited\n")
    workers, checks = gate.workers(), gate.logged_checks()
    done = gate.run("ansible-playbook", "-i", str(gate.inventory), "playbooks/site.yml", "--diff")
    assert done.returncode == 0, done.stdout + done.stderr
    assert '-"alice/rogue" "strip 127.0.0.1:22";' in done.stdout
    for path, text in right.items():
        assert path.read_text() == text
        assert f"{path} differed from the declared state and was repaired" in (done.stdout + done.stderr).replace(
            "\n", " "
        )
    assert gate.get("/alice/rogue/", ALICE).status == 404
    assert gate.core.drift() == []
    # nginx and the password checker have read their own settings again
    eventually(lambda: not any(map(is_alive, workers)))
    assert gate.get("/alice/echo/", ("alice", "never before"), source=gate.address()).status == 401
    gate.write_logs()
    assert gate.logged_checks() == checks, "the checker of the tests logs, that of the role does not"
    gate.fit()


def test_modules_of_an_earlier_version_are_removed(gate: Rig) -> None:
    """A file that is left behind would be loaded in the place of a module that a later version moves."""
    stale = [gate.lua.with_name("vizgate_claims.lua"), gate.lua / "earlier.lua"]
    for path in stale:
        path.write_text("error('of an earlier version')\n")
    done = gate.run("ansible-playbook", "-i", str(gate.inventory), "playbooks/site.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path for path in stale if path.exists()] == []
    assert gate.get("/alice/echo/", ALICE).status == 200
    gate.fit()
