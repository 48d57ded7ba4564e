# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data that an action plugin sends to its module, in the module's option `packed`.

The option is sent together with the module. A file would take five more commands on the host. The option is marked no_log, so that
neither the host's log nor Ansible's output has it.
"""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

OPTION = {"type": "str", "no_log": True}
"""The argument spec of `packed`."""


def pack(data: Any) -> str:
    """The text of JSON-like data."""
    return base64.b64encode(zlib.compress(json.dumps(data).encode(), level=1)).decode()


def unpack(text: str) -> Any:
    """The data of a text that `pack` returned."""
    return json.loads(zlib.decompress(base64.b64decode(text)))
