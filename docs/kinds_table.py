"""Prints the rows of the kinds table in docs/guide/links.md; a unit test keeps the page as this prints it."""

from __future__ import annotations

from ansible_collections.vizgate.gateway.plugins.module_utils._kinds import KINDS


def rows() -> str:
    """One row per kind: name, prefix mode, the command for /alice/run on port 9000, and what to mind."""
    found = []
    for kind in KINDS.values():
        command = " ".join(kind.command("/alice/run", "127.0.0.1", 9000, "gate.example.org:1234"))
        found.append(f"| `{kind.name}` | {kind.prefix} | `{command}`{'; ' if kind.note else ''}{kind.note} |\n")
    return "".join(found)


if __name__ == "__main__":
    print(rows(), end="")
