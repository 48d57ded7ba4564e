"""Whatever links there can be, their users file says the same links."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import hypothesis
import hypothesis.strategies as st
import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.kinds import KINDS
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.names import LINK
from ansible_collections.vizgate.gateway.plugins.plugin_utils._users_files import parse_users

REPOSITORY = Path(__file__).resolve().parents[2]
TRAPS = [
    "on",
    "Yes",
    "null",
    "~",
    "1e3",
    "2026-11-23",
    "0x1f",
    "1_000",
    "12:30:45",
    "- a",
    "a: b",
    "a #b",
    "!x",
    "&a",
    "=",
    "a ",
]
descriptions = st.sampled_from(TRAPS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
names = st.sampled_from(["on", "1e3", "0x1f", "12"]) | st.from_regex(LINK, fullmatch=True)


@pytest.fixture(scope="session")
def users_file(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The command's module, the core beside it as where it is installed."""
    lib = tmp_path_factory.mktemp("lib")
    (lib / "vizgate").symlink_to(REPOSITORY / "plugins/module_utils/_core")
    (lib / "vizgate_cli").symlink_to(REPOSITORY / "roles/gateway/files/cli/vizgate_cli")
    sys.path.insert(0, str(lib))
    from vizgate_cli.output import users_file

    return users_file


links = st.builds(
    Link,
    names,
    st.integers(1, 65535),
    st.sampled_from(sorted(KINDS)),
    st.sampled_from(["127.0.0.1", "::1", "10.0.0.7", "node12", "on", "12.lab"]),
    description=descriptions,
    prefix=st.sampled_from(["keep", "strip"]),
    socket=st.just(""),
    scheme=st.just("http"),
    verify=st.just(True),
)
# what is not given, hypothesis makes up
links |= links.map(lambda link: link._replace(scheme="https", host="node12"))
links |= links.map(lambda link: link._replace(scheme="https", verify=False))
links |= links.map(
    lambda link: Link(link.name, socket="/run/vizgate/sockets/alice/a.sock", description=link.description)
)


@hypothesis.settings(deadline=None, database=None, derandomize=True, max_examples=200)
@hypothesis.given(st.lists(links, unique_by=lambda link: link.name))
def test_it_reads_back(users_file: ModuleType, declared: list[Link]) -> None:
    told = [{**link.as_json(), "prefix": link.mode} for link in declared]
    users, problems = parse_users({"alice.yml": users_file.as_yaml(told)}, str)
    assert problems == []
    read, wanted = ([link._replace(prefix=link.mode) for link in links] for links in (users["alice"].links, declared))
    assert read == sorted(wanted, key=lambda link: link.name)
