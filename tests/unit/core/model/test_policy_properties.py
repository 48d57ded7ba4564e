# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any text in the site policy is refused in one fit line, or is a policy."""

from __future__ import annotations

import re
from typing import Any

import hypothesis
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import InvalidData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.policy import Policy
from ansible_collections.vizgate.gateway.tests.unit.strategies import MORE, assert_fit, texts, values
from hypothesis import strategies as st


@MORE
@hypothesis.given(
    line=st.sampled_from(["10.0.0.0/8", "::1/128", "gpu*", "*.example", "fd00::/8"]).flatmap(
        lambda fit: st.builds(
            lambda at, odd: fit[: at % (len(fit) + 1)] + odd + fit[at % (len(fit) + 1) :], st.integers(0, 20), texts
        )
    )
    | texts
)
def test_any_line_in_the_policy(line: str) -> None:
    try:
        rules = Policy((line,), ("1-65535",), "policy.json").checked()
    except InvalidData as error:
        assert_fit(error.problems, "policy.json: allowed_hosts: ")
        return
    assert re.fullmatch("[A-Za-z0-9.*:/-]+", line)
    for host in (
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "fe80::1",
        "0.0.0.0",
        "metadata.google.internal",
        "a.b.c.d.e",
    ):
        problem = rules.link_problem(Link("a", 8097, host=host))
        assert problem is not None or host == line
        assert_fit([problem or ""])


@hypothesis.given(line=texts | st.integers().map(str))
def test_any_line_of_ports_in_the_policy(line: str) -> None:
    try:
        rules = Policy(("*",), (line,), "policy.json").checked()
    except InvalidData as error:
        assert_fit(error.problems, "policy.json: allowed_ports: ")
        return
    first, _, last = line.partition("-")
    for port in {1, 65535, int(first) - 1, int(first), int(last or first), int(last or first) + 1}:
        allowed = rules.link_problem(Link("a", port, host="gpu1")) is None
        assert allowed == (int(first) <= port <= int(last or first))


@hypothesis.given(declared=values | st.fixed_dictionaries({"allowed_hosts": values, "allowed_ports": values}))
def test_any_data_as_the_policy(declared: Any) -> None:
    try:
        Policy.parse(declared, "policy.json")
    except InvalidData as error:
        assert_fit(error.problems, "policy.json: ")
