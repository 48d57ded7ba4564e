# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the bytecode of Ansible's modules on test hosts.

Ansible sends each module with its libraries as a zip file without bytecode, and Python compiles all of it again at each run. That is
half of the time of most modules. Here, the bytecode is kept by the digest of its source.
"""

from __future__ import annotations

import hashlib
import marshal
import os
import sys
import zipimport

CACHE = "/var/cache/ansible-bytecode"
compile_source = zipimport._compile_source

# programs that a module starts are not tested with this
os.environ.pop("PYTHONPATH", None)


def cached(path, source):
    """The code of a source, as zipimport's own function returns it."""
    kept = f"{CACHE}/{sys.implementation.cache_tag}-{hashlib.sha256(source).hexdigest()}"
    try:
        with open(kept, "rb") as file:
            return marshal.load(file)
    except (OSError, EOFError, ValueError):
        code = compile_source(path, source)
    try:
        with open(f"{kept}.{os.getpid()}", "wb") as file:
            marshal.dump(code, file)
        os.replace(file.name, kept)
    except OSError:
        # another user's module cannot write there
        pass
    return code


zipimport._compile_source = cached
