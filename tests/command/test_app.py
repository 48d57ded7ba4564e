"""vizgate app on a gateway without apps; what it does with some is tested where there are systemd and accounts."""

from __future__ import annotations

import pytest
from conftest import Vizgate


def test_no_apps(vizgate: Vizgate) -> None:
    assert vizgate.ok("app", "list") == "you have no apps; apps are declared in your users file\n"
    assert vizgate.ok("app", "list", "--json") == "[]\n"


@pytest.mark.parametrize("words", [("restart", "x"), ("logs", "x"), ("logs", "../bob/x", "--build"), ("releases", "x")])
def test_app_that_is_not_there(vizgate: Vizgate, words: tuple[str, ...]) -> None:
    done = vizgate("app", *words)
    assert (done.code, done.out, done.err) == (1, "", f"you have no app '{words[1]}'; your apps: none\n")


def test_wrong_usage(vizgate: Vizgate) -> None:
    assert vizgate("app", "logs", "x", "--lines", "0").code == 2
    assert vizgate("app", "nonsense").code == 2
