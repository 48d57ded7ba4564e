# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree of commands. Whatever only some of them need is imported by those."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import click
from click.shell_completion import CompletionItem

from . import VERSION, show, talk

EXIT_CODES = {
    0: "done",
    1: "refused (the reasons are on stderr, one in a line), or thought better of",
    2: "wrong usage",
    3: "a link does not work (status NAME, doctor)",
    4: "the gateway cannot do it now: there is none, nginx does not serve, sudo or the administrator does not let you",
}

Completion = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


class Commands(click.Group):
    """Commands in the order of their definition, whose failures are told in lines and by the exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except talk.Failed as failed:
            show.problems(failed.lines)
            ctx.exit(failed.code)


def _names(what: str) -> Completion:
    """Completes the names of the user's links or logins (`what`); where the gateway does not tell, nothing."""

    def complete(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        talk.behalf = ctx.find_root().params.get("user") or ""
        try:
            found = talk.ask({"do": "show"})[what]
        except Exception:  # in the middle of a command line nobody wants to read why
            return []
        return [
            CompletionItem(item["name"], help=show.clean(item.get("description", "")) or None)
            for item in found
            if item["name"].startswith(incomplete)
        ]

    return complete


def _kinds(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from vizgate.model.kinds import KINDS

    return [CompletionItem(name) for name in KINDS if name.startswith(incomplete)]


def _answers() -> dict[str, Any]:
    return talk.ask({"do": "show"})


def _interactive() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _with(*options: Callable[[Any], Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Options that several commands have."""

    def add(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


_json = click.option("--json", "plain", is_flag=True, help="Print JSON, for scripts.")
_link_options = _with(
    click.option("--host", metavar="HOST", help="IP address or name of the machine; 127.0.0.1 by default."),
    click.option("--port", metavar="PORT", type=int, help="Port on which the tool listens."),
    click.option("--socket", metavar="PATH", help="Unix socket on which it listens, instead of host and port."),
    click.option("--kind", metavar="KIND", shell_complete=_kinds, help="Which tool it is: see vizgate kinds."),
    click.option("--description", metavar="TEXT", help="One line for the page of links."),
    click.option(
        "--prefix",
        metavar="keep|strip|host",
        type=click.Choice(["keep", "strip", "host", ""]),
        help="Whether the tool sees /USER/NAME/ in its URLs (keep) or / (strip); by default what the kind says. With host, the"
        " link has a host name of its own, for a tool that has no base path.",
    ),
    click.option(
        "--scheme", metavar="http|https", type=click.Choice(["http", "https", ""]), help="What the tool speaks; http."
    ),
    click.option(
        "--verify/--insecure",
        default=None,
        help="With https, whether its certificate has to be good for HOST; it has to, unless told.",
    ),
)
_password_options = _with(
    click.option("--password-stdin", is_flag=True, help="Read the password from stdin."),
    click.option("--password-fd", metavar="N", type=int, help="Read the password from file descriptor N."),
)


@click.group(
    cls=Commands,
    invoke_without_command=True,
    no_args_is_help=False,
    context_settings={"help_option_names": ["--help"], "max_content_width": 100},
    epilog="Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()) + ".",
)
@click.option("--user", metavar="NAME", help="Act for this user; for root, and in a rootless gateway.")
@click.version_option(VERSION, message="vizgate %(version)s")
@click.pass_context
def cli(ctx: click.Context, user: str | None) -> None:
    """Publish what you run (visdom, TensorBoard, Jupyter, any web page) at a stable, password-protected address.

    A link leads from http://GATEWAY/USER/NAME/ to a host and port, or to a unix socket; a login is a name and password
    that open your links. A change is live when the command returns. Without a command, and on a terminal, there is a menu.

    Example:

    \b
      vizgate add train --kind tensorboard --port 6006
      vizgate login add alice
    """
    talk.behalf = user or ""
    if os.environ.get("NO_COLOR"):
        ctx.color = False
    if ctx.invoked_subcommand is None:
        if not _interactive():
            click.echo(ctx.get_help(), err=True)
            ctx.exit(2)
        from . import menu

        menu.run()


@cli.command("list")
@_json
def list_links(plain: bool) -> None:
    """List your links.

    Example:

    \b
      vizgate list
      vizgate list --json
    """
    answer = _answers()
    if plain:
        show.as_json([{**link, "url": show.full(link, answer["site"])} for link in answer["links"]])
        return
    show.links(answer)
    if not answer["serving"]:
        show.problems(["nginx does not run with the gateway's configuration: no link is served"])


@cli.command()
@click.argument("name")
@_link_options
def add(name: str, **given: Any) -> None:
    """Publish a port, or a unix socket, as the link NAME.

    Names are of lower-case letters, digits, '.', '_' and '-'.

    Example:

    \b
      vizgate add train --port 8097 --kind visdom --description "Loss curves"
      vizgate add plots --host node12 --port 5006 --kind bokeh
    """
    if (given["port"] is None) == (given["socket"] is None):
        raise click.UsageError("Give either --port or --socket.")
    link = {"name": name, **{key: value for key, value in given.items() if value is not None}}
    answer = talk.ask({"do": "add", "link": link})
    show.results(answer)
    if sys.stdout.isatty():
        show.how_to_start(answer, link)


@cli.command()
@click.argument("name", shell_complete=_names("links"))
@_link_options
@click.option("--name", "new", metavar="NEW", help="Rename the link.")
def edit(name: str, new: str | None, **given: Any) -> None:
    """Change your link NAME.

    What is not given stays; an empty value ("") goes back to the default.

    Example:

    \b
      vizgate edit train --port 8098
      vizgate edit train --name training --description ""
    """
    changes = {key: None if value == "" else value for key, value in given.items() if value is not None}
    if new is not None:
        changes["name"] = new
    if not changes:
        raise click.UsageError("Nothing to change: give an option.")
    show.results(talk.ask({"do": "edit", "name": name, "link": changes}))


@cli.command()
@click.argument("name", shell_complete=_names("links"))
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(name: str, yes: bool) -> None:
    """Remove your link NAME, after a question.

    Example:

    \b
      vizgate remove train
    """
    if not yes:
        if not _interactive():
            raise click.UsageError("Nobody is there to be asked: give --yes.")
        answer = _answers()
        link = show.find(answer, name)
        click.confirm(f"Remove {show.full(link, answer['site'])} -> {link['target']}?", default=None, abort=True)
    show.results(talk.ask({"do": "remove", "name": name}))


@cli.group(cls=Commands, no_args_is_help=False)
def login() -> None:
    """Names and passwords that open your links.

    Passwords come from a prompt, from stdin or from a file descriptor, never from the command line, which everybody
    on the machine can read.
    """


def _password(name: str, stdin: bool, descriptor: int | None) -> str:
    if stdin and descriptor is not None:
        raise click.UsageError("Give either --password-stdin or --password-fd.")
    if stdin or descriptor is not None:
        try:
            with open(0 if descriptor is None else descriptor, encoding="utf-8", closefd=False) as file:
                return file.read(10_000).removesuffix("\n")
        except OSError as error:
            raise talk.refused(f"login {name!a}: the password cannot be read ({error.strerror})") from None
        except ValueError:  # whose text could show a part of it
            raise talk.refused(f"login {name!a}: the password is not UTF-8") from None
    if not _interactive():
        raise click.UsageError("Nobody is there to be asked: give --password-stdin or --password-fd.")
    from . import menu

    return menu.ask_password(name)


@login.command("list")
@_json
def list_logins(plain: bool) -> None:
    """List your logins.

    Example:

    \b
      vizgate login list
    """
    answer = _answers()
    if plain:
        show.as_json(answer["logins"])
    else:
        show.logins(answer)


@login.command("add")
@click.argument("name")
@_password_options
def add_login(name: str, password_stdin: bool, password_fd: int | None) -> None:
    """Add the login NAME, which opens your links.

    Example:

    \b
      vizgate login add alice
      pass show gate | vizgate login add alice --password-stdin
    """
    show.results(talk.ask({"do": "add_login", "name": name, "password": _password(name, password_stdin, password_fd)}))


@login.command("remove")
@click.argument("name", shell_complete=_names("logins"))
def remove_login(name: str) -> None:
    """Remove your login NAME.

    It opens nothing from then on.

    Example:

    \b
      vizgate login remove guest
    """
    show.results(talk.ask({"do": "remove_login", "name": name}))


@login.command("password")
@click.argument("name", shell_complete=_names("logins"))
@_password_options
def change_login(name: str, password_stdin: bool, password_fd: int | None) -> None:
    """Change the password of your login NAME.

    The old one opens nothing from then on.

    Example:

    \b
      vizgate login password alice
    """
    password = _password(name, password_stdin, password_fd)
    show.results(talk.ask({"do": "change_login", "name": name, "password": password}))


@cli.command()
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=_names("links"))
@click.option("--watch", is_flag=True, help="Look at links again every two seconds, until ctrl-C.")
@click.option("--all", "everybody", is_flag=True, help="The links of all users, and files edited by hand; for root.")
@_json
@click.pass_context
def status(ctx: click.Context, names: tuple[str, ...], watch: bool, everybody: bool, plain: bool) -> None:
    """Tell whether your links work, and how fast.

    For each link: who declares it, whether it stands in the gateway's files and is served, whether anything listens and
    answers, and whose process it is. With NAMEs, only these, and exit code 3 where one of them does not work.

    What --all finds edited by hand in the gateway's files is told on stderr, and by --watch not at all. Its JSON is
    {"links": [...], "drift": [lines]}.

    Example:

    \b
      vizgate status
      vizgate status train && echo works
    """
    from . import status as look

    if watch and (plain or not sys.stdout.isatty()):
        raise click.UsageError("--watch needs a terminal, and no --json.")
    if everybody and names:
        raise click.UsageError("Give either --all or NAMEs.")
    if watch:
        look.watch(names, everybody)
        return
    links = look.links(names, everybody)
    if plain:
        show.as_json({"links": links, "drift": look.drift()} if everybody else links)
    else:
        show.table(*look.table(links, everybody))
        if everybody:
            show.problems(look.drift())
    if names and not all(link["works"] for link in links):
        ctx.exit(3)


@cli.command()
@_json
def ports(plain: bool) -> None:
    """Show your range of ports, and who listens there.

    Where users have ranges, your links lead to ports of this host in yours alone, and no other account can connect to
    them. The range stays yours.

    Example:

    \b
      vizgate ports
      vizgate add train --port "$(vizgate ports --json | jq .free)"
    """
    from . import status as look

    found = look.ports()
    if plain:
        show.as_json(found)
    else:
        show.ports(found)


@cli.command("open")
@click.argument("name", shell_complete=_names("links"))
def print_url(name: str) -> None:
    """Print the address of your link NAME.

    Example:

    \b
      xdg-open "$(vizgate open train)"
    """
    answer = _answers()
    click.echo(show.full(show.find(answer, name), answer["site"]))


@cli.command()
@click.argument("kind", required=False, shell_complete=_kinds)
@click.option(
    "--for", "name", metavar="NAME", shell_complete=_names("links"), help="The exact command for your link NAME."
)
@_json
def kinds(kind: str | None, name: str | None, plain: bool) -> None:
    """Tell how each kind of tool has to be started.

    Example:

    \b
      vizgate kinds jupyter
      vizgate kinds --for train
    """
    if name is not None:
        if kind or plain:
            raise click.UsageError("Give --for NAME alone.")
        answer = _answers()
        show.command_for(show.find(answer, name), answer["site"])
    else:
        show.kinds(kind, plain)


@cli.command()
@click.option(
    "--move", is_flag=True, help="Also hand the links over, at the next run of the playbook that declares them."
)
def export(move: bool) -> None:
    """Print your own links as a users file.

    It is ready to commit. Logins are not in it: nobody can read a password back.

    Example:

    \b
      vizgate export > users/alice.yml
    """
    links = [link for link in _answers()["links"] if link["source"] == "self"]
    if move:
        talk.ask({"do": "move"})
    click.echo(show.users_file(links), nl=False)
    if move:
        show.problems([f"{len(links)} links pass to inventory as soon as it declares them"])


@cli.command()
@click.option(
    "--lines", metavar="N", type=click.IntRange(1, 10_000), default=50, help="At most so many lines; 50 by default."
)
@_json
def history(lines: int, plain: bool) -> None:
    """Show who changed your links and logins, and when.

    The newest change comes last.

    Example:

    \b
      vizgate history
      vizgate history --lines 10000
    """
    found = talk.ask({"do": "history", "lines": lines})["lines"]
    if plain:
        show.as_json(found)
    else:
        show.history(found)


@cli.command()
@click.argument("name", metavar="[NAME]", required=False, shell_complete=_names("links"))
@click.option("--follow", "-f", is_flag=True, help="Go on with those that come, until ctrl-C.")
@click.option(
    "--lines", metavar="N", type=click.IntRange(1, 10_000), default=20, help="At most so many lines; 20 by default."
)
@click.option("--json", "plain", is_flag=True, help="Print JSON, one line for each, for scripts.")
def log(name: str | None, follow: bool, lines: int, plain: bool) -> None:
    """Show who has asked for your pages, newest last.

    When, from which address, with which login, the answer's status, what was asked for, how long it took, and which
    program of yours has answered. With NAME, only for that link. Queries are not kept, as tools have their tokens
    there; a websocket is told when it ends. Lines are the gateway's of today and yesterday.

    Example:

    \b
      vizgate log train --follow
      vizgate log --lines 1000 --json | jq -r .address | sort | uniq -c
    """
    show.log({"do": "log", "lines": lines, "link": name or "", "cursor": ""}, follow, plain)


@cli.command()
@click.argument("name", shell_complete=_names("links"))
@_json
@click.pass_context
def doctor(ctx: click.Context, name: str, plain: bool) -> None:
    """Find out why your link NAME does not work.

    Every finding comes with what to do about it.

    Example:

    \b
      vizgate doctor train
    """
    from vizgate.diagnose.doctor import diagnose

    answer = _answers()
    show.find(answer, name)
    findings = diagnose(answer, name, talk.ask({"do": "log", "lines": 1000, "link": name, "cursor": ""}))
    if plain:
        show.as_json(findings)
    else:
        show.findings(findings)
    if any(finding["severity"] == "error" for finding in findings):
        ctx.exit(3)


@cli.group(cls=Commands, no_args_is_help=False)
def app() -> None:
    """Your web apps, which the site deploys from git.

    What they are, and in which version, stands in your users file.
    """


def _app_names(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    talk.behalf = ctx.find_root().params.get("user") or ""
    try:
        found = talk.ask({"do": "apps"})["apps"]
    except Exception:  # in the middle of a command line nobody wants to read why
        return []
    return [CompletionItem(item["name"]) for item in found if item["name"].startswith(incomplete)]


@app.command("list")
@_json
def list_apps(plain: bool) -> None:
    """List your apps, and what serves.

    Example:

    \b
      vizgate app list
    """
    found = talk.ask({"do": "apps"})["apps"]
    if plain:
        show.as_json(found)
    else:
        show.apps(found)


@app.command("releases")
@click.argument("name", shell_complete=_app_names)
@_json
def list_releases(name: str, plain: bool) -> None:
    """List the releases of your app NAME that are kept.

    The administrator goes back to one by playbook app_rollback.

    Example:

    \b
      vizgate app releases flasktasks
    """
    found = show.find_app(talk.ask({"do": "apps"})["apps"], name)
    if plain:
        show.as_json(found["releases"])
    else:
        show.releases(found)


@app.command("restart")
@click.argument("name", shell_complete=_app_names)
def restart_app(name: str) -> None:
    """Restart your app NAME, and wait until it answers.

    Requests that come meanwhile fail; a new release is what makes none fail.

    Example:

    \b
      vizgate app restart flasktasks
    """
    click.echo(f"restarted {name}, release {talk.ask({'do': 'restart_app', 'name': name})['release']}")


@app.command("logs")
@click.argument("name", shell_complete=_app_names)
@click.option("--build", is_flag=True, help="What fetching, building and migrating have said.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes, until ctrl-C.")
@click.option(
    "--lines", metavar="N", type=click.IntRange(1, 10_000), default=50, help="At most so many lines; 50 by default."
)
def app_logs(name: str, build: bool, follow: bool, lines: int) -> None:
    """Show what your app NAME has said, newest last.

    Example:

    \b
      vizgate app logs flasktasks --follow
      vizgate app logs flasktasks --build
    """
    show.app_log({"do": "app_log", "name": name, "which": "build" if build else "app"}, lines, follow)


@cli.command()
def init() -> None:
    """Make the gateway whole again (root).

    Finishes what was cut short, publishes everything anew, and starts the services.

    Example:

    \b
      sudo vizgate init
    """
    from . import root

    root.init()


@cli.command()
@_json
def protection(plain: bool) -> None:
    """Tell which of the recommended protection is off (root).

    What each measure protects from, and which variable switches it on.

    Example:

    \b
      sudo vizgate protection
    """
    from . import protection as measures

    measures.run(plain)


@cli.command("remove-everything")
@click.option("--confirm", metavar="HOSTNAME", help="The name of this host, instead of typing it.")
def remove_everything(confirm: str | None) -> None:
    """Take all links and logins away (root).

    Leaves an archive of what was there, of all users; the site policy stays.

    Example:

    \b
      sudo vizgate remove-everything --confirm "$(hostname)"
    """
    from . import root

    if confirm is None and not _interactive():
        raise click.UsageError("Nobody is there to be asked: give --confirm HOSTNAME.")
    root.remove_everything(confirm)


@cli.command("import-multivisdom")
@click.argument("folder", metavar="[FOLDER]", required=False)
@click.option("--check", is_flag=True, help="Only tell what would be imported.")
def import_multivisdom(folder: str | None, check: bool) -> None:
    """Import the links and logins of multivisdom_proxy (root).

    From what its script has left in FOLDER, /etc/nginx/sites-available/multivisdom by default. Names that users have
    here stay as they are. Exit code 1 where something is refused; all the rest is imported.

    Example:

    \b
      sudo vizgate import-multivisdom --check
    """
    from . import importing

    importing.run(folder, check)


def main() -> None:
    """What the launcher calls."""
    # a name in letters that the terminal's encoding lacks is no reason to fail
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    code: object = 0
    try:
        cli(prog_name="vizgate")
    except SystemExit as end:
        code = end.code
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        pass  # whoever read it has gone
    # taking the interpreter apart would take longer than most of the work
    os._exit(code if isinstance(code, int) else 1 if code else 0)
