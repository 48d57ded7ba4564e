# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups, options and completions that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click
from click.shell_completion import CompletionItem

from . import client
from .output import tables

Completion = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


class Commands(click.Group):
    """Commands in the order of their definition; failures become lines on stderr and the exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except client.Failed as failed:
            tables.print_problems(failed.lines)
            ctx.exit(failed.code)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        # click suggests nothing before 8.4, and never a command that is not imported yet
        known = self.list_commands(ctx)
        if args[0] not in known and not args[0].startswith("-") and not ctx.resilient_parsing:
            from vizgate.text import did_you_mean  # only by who has mistyped

            advice = did_you_mean(args[0], known, 0.6)
            ctx.fail(f"No such command {args[0]!a}{'; ' + advice if advice else '.'}")
        return super().resolve_command(ctx, args)


def is_interactive() -> bool:
    """Whether the user can be asked a question."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def names(read: Callable[[], list[dict[str, Any]]]) -> Completion:
    """Completes the names of the items that `read` returns; completes nothing if the gateway does not respond."""

    def complete(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        client.acting_user = ctx.find_root().params.get("user") or ""
        try:
            items = read()
        except Exception:  # an error in the middle of a command line would only disturb
            return []
        return [
            CompletionItem(item["name"], help=tables.clean(item.get("description", "")) or None)
            for item in items
            if item["name"].startswith(incomplete)
        ]

    return complete


def kinds(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completes the names of kinds."""
    from vizgate.model.kinds import KINDS

    return [CompletionItem(name) for name in KINDS if name.startswith(incomplete)]


link_names = names(lambda: client.get_state()["links"])
login_names = names(lambda: client.get_state()["logins"])
app_names = names(client.get_apps)

json_option = click.option("--json", "plain", is_flag=True, help="Print JSON, for scripts.")


def options(*decorators: Callable[[Any], Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """One decorator for options that several commands have."""

    def add(command: Callable[..., None]) -> Callable[..., None]:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return add


def lines_option(default: int) -> Callable[[Any], Any]:
    """Option `--lines`: how many lines of a log to print."""
    return click.option(
        "--lines",
        metavar="N",
        type=click.IntRange(1, 10_000),
        default=default,
        help=f"Number of lines at most; {default} by default.",
    )
