# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hashing with the real htpasswd."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import HashingFailed
from ansible_collections.vizgate.gateway.plugins.module_utils._core.host import passwords
from ansible_collections.vizgate.gateway.plugins.module_utils._core.host.passwords import hash_password, verify_password
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.parse import parse_user


@pytest.mark.parametrize("password", ["geheim", "p w:$x\"'\\", "ü" * 36, "-B", " ", "\u202e\u2028"])
def test_a_hash_is_right_for_its_password_alone(password: str) -> None:
    hashed = hash_password(password)
    assert hashed.startswith("$2y$10$")
    assert parse_user({"logins": [{"name": "a", "password_hash": hashed}]})[1] == []
    assert verify_password(password, hashed)
    assert not verify_password(password[:-1] + "#", hashed)


def test_two_hashes_of_one_password_differ() -> None:
    assert hash_password("geheim") != hash_password("geheim")


def test_other_hashes_are_checked_too() -> None:
    sha512 = (
        "$6$rounds=1000$abcdefgh$hNWV3710B01PtGd5gYCv63YkS8oo9IIeqTEUJHviy9fvppwU3reFqFFBfxg/qZSYskUYQ.RC.dFh9YoQLVC2L."
    )
    yescrypt = "$y$j75$abcdefghijklmnopqrstu/$YcDSWSKXfWmoCPQqk2buijeChX0eSoseQnlf4FlZdM6"
    for password_hash in (sha512, yescrypt):
        assert verify_password("geheim", password_hash)
        assert not verify_password("geheim2", password_hash)


@pytest.mark.parametrize("damaged", ["", "*", "$2y$10$short", "geheim"])
def test_no_password_is_right_for_a_damaged_hash(damaged: str) -> None:
    assert not verify_password("geheim", damaged)


def test_passwords_never_stand_in_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *given, **options: calls.append(given) or popen(*given, **options))
    verify_password("geheim", hash_password("geheim"))
    assert len(calls) == 2
    assert "geheim" not in str(calls)


def test_a_password_is_hashed_as_utf_8_whatever_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    def in_latin_1(*arguments: object, **options: object) -> object:
        # as Python does where LC_ALL says ISO-8859-1
        return popen(*arguments, **{"encoding": "latin-1", **options})

    expected = hash_password("ü")
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", in_latin_1)
    assert verify_password("ü", expected)


def test_a_machine_that_is_too_busy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started: list[subprocess.Popen[str]] = []
    popen = subprocess.Popen

    def start(*arguments: object, **options: object) -> subprocess.Popen[str]:
        started.append(popen(*arguments, **options))
        return started[0]

    slow = tmp_path / "htpasswd"
    slow.write_text("#!/bin/sh\nexec sleep 60\n", encoding="utf-8")
    slow.chmod(0o755)
    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(passwords, "SECONDS", 0.5)
    with pytest.raises(HashingFailed, match=r"^htpasswd is not done after 0\.5 s; the machine is too busy, try again$"):
        hash_password("geheim")
    assert started[0].returncode == -signal.SIGKILL, "it would go on for nobody"


def test_a_host_without_htpasswd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(HashingFailed) as error:
        hash_password("geheim")
    assert str(error.value) == "htpasswd cannot be run (No such file or directory); install apache2-utils"


def test_htpasswds_own_words_are_passed_on() -> None:
    with pytest.raises(HashingFailed, match=r"^htpasswd: .*password too long") as error:
        hash_password("x" * 1000)
    assert "\n" not in str(error.value)
