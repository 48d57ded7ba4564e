# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the manual page vizgate(1) from the command's own tree of commands: `python tests/man.py`."""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import click

COLLECTION = Path(__file__).resolve().parents[1]
COMMAND = COLLECTION / "roles/gateway/files/cli"
PAGE = COMMAND / "tree/usr/local/share/man/man1/vizgate.1"

sys.path.insert(0, str(COMMAND))
# the core as the role installs it, beside the command
core = sys.modules["vizgate"] = types.ModuleType("vizgate")
core.__path__ = [str(COLLECTION / "plugins/module_utils/_core")]

from vizgate_cli import VERSION  # noqa: E402  # the command is installed nowhere
from vizgate_cli.app import EXIT_CODES, cli  # noqa: E402  # likewise


def _text(text: str) -> str:
    """A text that troff takes as it is."""
    return text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq")


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b\n"):
            yield f".PP\n.nf\n{_text(paragraph[2:])}\n.fi\n"
        else:
            yield f".PP\n{_text(' '.join(paragraph.split()))}\n"


def _synopsis(name: str, command: click.Command) -> str:
    words = [rf"\fB{_text(name)}\fR"]
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            word = _option(parameter)
            words.append(f"[{word}]" if parameter.is_flag else rf"[{word} \fI{_text(str(parameter.metavar))}\fR]")
        else:
            word = _text(parameter.metavar or str(parameter.name).upper())
            words.append(rf"\fI{word}\fR" if parameter.required or parameter.metavar else rf"[\fI{word}\fR]")
    return " ".join([*words, *([r"\fICOMMAND\fR"] if isinstance(command, click.Group) else [])])


def _option(option: click.Option) -> str:
    """Its name, and that of its opposite if it has one."""
    return "|".join(rf"\fB{_text(name)}\fR" for name in (option.opts[0], *option.secondary_opts))


def _options(command: click.Command) -> Iterator[str]:
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            metavar = "" if parameter.is_flag else rf" \fI{_text(str(parameter.metavar))}\fR"
            yield f".TP\n{_option(parameter)}{metavar}\n{_text(str(parameter.help))}\n"


def _commands(name: str, group: click.Group) -> Iterator[str]:
    context = click.Context(group)
    for word in group.list_commands(context):
        command = group.get_command(context, word)
        assert command
        yield f".SS {_synopsis(f'{name} {word}', command)}\n"
        yield from _paragraphs(str(command.help))
        yield from _options(command)
        if isinstance(command, click.Group):
            yield from _commands(f"{name} {word}", command)


def page() -> str:
    """The manual page, in troff."""
    summary, *description = str(cli.help).split("\n\n")
    parts = [
        f'.\\" Written by tests/man.py.\n.TH VIZGATE 1 "" "vizgate {VERSION}" "User Commands"\n',
        f".SH NAME\nvizgate \\- {_text(summary[0].lower() + ' '.join(summary[1:].split()).rstrip('.'))}\n",
        f".SH SYNOPSIS\n{_synopsis('vizgate', cli)} ...\n",
        ".SH DESCRIPTION\n",
        *_paragraphs("\n\n".join(description)),
        ".SH OPTIONS\n",
        *_options(cli),
        ".SH COMMANDS\n",
        *_commands("vizgate", cli),
        ".SH EXIT STATUS\n",
        *(f".TP\n{code}\n{_text(meaning)}\n" for code, meaning in EXIT_CODES.items()),
        ".SH ENVIRONMENT\n.TP\nNO_COLOR\nIf set, nothing is coloured.\n",
    ]
    return "".join(parts)


def main() -> None:
    """Brings the page up to date."""
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page():
        PAGE.write_text(page(), encoding="utf-8")
        print(f"{PAGE.relative_to(COMMAND.parents[3])}: renewed")


if __name__ == "__main__":
    main()
