# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  root:
    description:
      - Root folder of the gateway. C(/) for a system-wide gateway, or the folder of a rootless gateway.
      - If it is omitted, the host's variable C(gateway_rootless_dir) is used.
    type: path
    default: /
attributes:
  check_mode:
    support: full
    description: Says what would change and changes nothing.
  diff_mode:
    support: full
    description: Shows URLs and include files before and after, never a password or its hash.
  idempotent:
    support: full
    description: A second run changes nothing.
  action_group:
    support: full
    membership: [vizgate.gateway.gateway]
    description: Belongs to C(vizgate.gateway.gateway), so that C(module_defaults) can name I(root) once.
author:
  - The vizgate authors (@vizgate)
requirements:
  - nginx with its Lua module, and htpasswd, on the gateway; role C(vizgate.gateway.gateway) installs them
"""
