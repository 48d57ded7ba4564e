# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx's settings for the documentation site; docs/site/build runs it."""

from __future__ import annotations

from typing import Any

from docutils import nodes

project = "vizgate.gateway"
author = copyright = "The vizgate authors"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
include_patterns = ["*.md", "docs/**", "roles/*/README.md", "reference/**"]
# the start page includes README.md
exclude_patterns = ["README.md", "docs/site/**"]
myst_heading_anchors = 4
html_theme = "furo"
html_title = "vizgate.gateway"
html_show_sphinx = False
html_copy_source = False
# GitHub knows languages, such as HAProxy's, that Pygments does not
suppress_warnings = ["misc.highlighting_failure"]

ANSIBLE = "https://docs.ansible.com/ansible/latest/"
LABELS = {
    "action_plugins": "plugins/action.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}
"""What the modules' pages link to in Ansible's own documentation, whose index a build does not fetch."""


def link_to_ansible(_app: Any, _env: Any, node: Any, text: nodes.Element) -> nodes.Element | None:
    """Resolves a label of Ansible's documentation, and of its builtin plugins; all others stay errors."""
    target = str(node["reftarget"])
    prefix = "ansible_collections.ansible.builtin."
    if target in LABELS:
        path = LABELS[target]
    elif target.startswith(prefix):
        path = f"collections/ansible/builtin/{target.removeprefix(prefix)}.html"
    else:
        return None
    return nodes.reference("", "", text, refuri=ANSIBLE + path, internal=False)


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("missing-reference", link_to_ansible)
