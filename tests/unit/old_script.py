# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the original multivisdom script leaves in its folder, but for the passwords: those are htpasswd's."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import Path

LINK = """
###{path}||{server}||{description}
location {path}/ {{
    auth_basic "Protected access";
    auth_basic_user_file /etc/nginx/sites-available/multivisdom/{user}.htpasswd;
    proxy_pass {server};
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection "upgrade";
    proxy_set_header Host $http_host{path};
    proxy_connect_timeout 7d;
    proxy_send_timeout 7d;
    proxy_read_timeout 7d;
}}


"""
INDEX = """
location /{user}/ {{
    rewrite (.*) /{user};
}}

location = /{user} {{
    auth_basic "Protected access";
    auth_basic_user_file /etc/nginx/sites-available/multivisdom/{user}.htpasswd;
    default_type "text/html";
    alias /etc/nginx/sites-available/multivisdom/{user}.html;
}}


"""


def write_script_files(folder: Path, user: str, links: Iterable[tuple[str, str, str]]) -> None:
    """Writes the user's `.conf` and `.html`, in a folder that every account may write, as the script makes it. Of each link: name,
    address of the tool, description."""
    links = list(links)
    folder.chmod(folder.stat().st_mode | stat.S_IWOTH)
    conf = "".join(
        LINK.format(user=user, path=f"/{user}/{name}", server=server, description=description)
        for name, server, description in links
    )
    (folder / f"{user}.conf").write_text(conf + INDEX.format(user=user), encoding="utf-8")
    items = "".join(f'\n<li><a href="/{user}/{name}">/{user}/{name}</a>\n' for name, _server, _description in links)
    (folder / f"{user}.html").write_text(f"\n<h2>Boards for {user}</h2>\n<ul>\n{items}\n</ul>\n", encoding="utf-8")
