#!/usr/bin/python3
"""Runs a command in a pseudo-terminal: `terminal.py '[["expected text", "input"], …]' COMMAND …`.

Prints the output of the terminal. The return key follows each input except a control character; null is no input.
"""

from __future__ import annotations

import json
import sys

import pexpect

dialogue, command = json.loads(sys.argv[1]), sys.argv[2:]
child = pexpect.spawn(command[0], command[1:], timeout=60, encoding="utf-8", dimensions=(50, 160))
child.logfile_read = sys.stdout
for asked, typed in dialogue:
    try:
        child.expect_exact(asked)
    except (pexpect.TIMEOUT, pexpect.EOF) as error:
        sys.exit(f"\n{command} never asked {asked!r}: {type(error).__name__}")
    if typed is not None:
        (child.send if typed and typed < " " else child.sendline)(typed)
child.expect(pexpect.EOF)
child.close()
sys.exit(child.exitstatus)
