# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written and run for an app: its places, its unit, its variables, and the steps of a release. All of it is text."""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Mapping
from typing import NamedTuple

from ..model.app import POSTGRESQL, SQLITE, SUPERVISORD, App, database_name
from . import sandbox
from .releases import Settings
from .scripts import BUILD, FETCH

HOME = re.compile(r"(?:/[A-Za-z0-9._-]+)+")
POSTGRESQL_SOCKETS = "/var/run/postgresql"
SUPERVISOR_SOCKETS = "/run/vizgate-supervisord"
"""Has a folder for each user whose supervisord runs; apps do not see it."""
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
STOP_SECONDS = 30
"""How long requests that are under way when a release is stopped have to end."""
STEP_STOP_SECONDS = 10
"""How long a step has to end when its time is up."""
CONTROL_SECONDS = 120
"""How long the owner's supervisord, or the removal of an old release's folder, may take. What stops takes 30 s."""


class Place(NamedTuple):
    """Where one app of one user's is, on the host."""

    user: str
    name: str
    home: str
    sockets: str
    """The user's folder of sockets."""
    prefix: str
    """Where browsers find the app, from the first slash on, without the last."""
    url: str
    """The same with scheme and host in front."""
    state: str
    """The folder of what root remembers of apps."""

    @property
    def folder(self) -> str:
        """The user's own folder of the app. Root writes nothing there, and follows no path in it."""
        return f"{self.home}/apps/{self.name}"

    @property
    def shared(self) -> str:
        """What all releases share, and what is the home of the app's processes."""
        return f"{self.folder}/shared"

    @property
    def log_folder(self) -> str:
        """Where the logs are."""
        return f"{self.folder}/log"

    @property
    def log(self) -> str:
        """What the app's processes say. It is the user's: root opens it never, neither to write nor to read."""
        return f"{self.log_folder}/{self.name}.log"

    @property
    def build_log(self) -> str:
        """What the steps of releases have said; likewise."""
        return f"{self.log_folder}/{self.name}.build.log"

    @property
    def cache(self) -> str:
        """Packages that releases are built from: not the owner's own cache, from which programs outside of the fence are installed."""
        return f"{self.folder}/cache"

    def file(self, ending: str) -> str:
        """A file about the app that is root's alone."""
        return f"{self.state}/{self.user}/{self.name}.{ending}"

    def release(self, number: int) -> str:
        """A release's folder."""
        return f"{self.folder}/releases/{number}"

    def socket(self, number: int) -> str:
        """A release's socket."""
        return f"{self.sockets}/{self.name}.{number}.sock"

    def unit(self, number: int) -> str:
        """A release's unit. Neither part has a colon, so that no two apps' units have the same name."""
        return f"vizgate-app-{self.user}:{self.name}:{number}.service"

    def program(self, number: int) -> str:
        """A release's program, where the owner's supervisord runs it."""
        return f"{self.name}.{number}"

    @property
    def step_unit(self) -> str:
        """The unit in which a step of a release is run."""
        return f"vizgate-app-step-{self.user}:{self.name}.service"

    @property
    def database(self) -> str:
        """The app's database, where it has one."""
        return database_name(self.user, self.name)


def number_of(place: Place, socket: str) -> int | None:
    """The release that has a socket."""
    found = re.fullmatch(rf"{re.escape(place.sockets)}/{re.escape(place.name)}\.([0-9]+)\.sock", socket)
    return int(found[1]) if found else None


def limits(app: App) -> list[tuple[str, str]]:
    """The properties of systemd that are about how much an app takes."""
    return [
        ("MemoryMax", app.limits.memory),
        ("MemorySwapMax", "0"),
        ("CPUQuota", app.limits.cpu),
        ("TasksMax", str(app.limits.tasks)),
    ]


def server(place: Place, app: App, number: int) -> list[str]:
    """The words of the command that serves a release on its socket."""
    programs = f"{place.release(number)}/env/bin"
    if app.asgi:
        # it puts the prefix before the path again, which the gateway takes off
        return [
            f"{programs}/uvicorn",
            f"--uds={place.socket(number)}",
            f"--root-path={place.prefix}",
            f"--workers={app.workers}",
            "--forwarded-allow-ips=*",
            f"--timeout-graceful-shutdown={STOP_SECONDS - 5}",
            app.entry,
        ]
    return [
        f"{programs}/gunicorn",
        f"--bind=unix:{place.socket(number)}",
        # it gives the socket to the owner's own group, which nginx is not in; who comes near it is for the folder to say
        "--umask=0",
        f"--workers={app.workers}",
        f"--threads={app.threads}",
        "--forwarded-allow-ips=*",
        f"--graceful-timeout={STOP_SECONDS - 5}",
        app.entry,
    ]


def unit(place: Place, app: App, number: int) -> str:
    """The unit file of a release."""
    properties = [*limits(app), *sandbox.fence(place.user, place.home, place.sockets, app.gpu)]
    launcher = sandbox.launcher(place.log, home=place.home, folder=place.folder, writable=(place.shared,))
    sockets = f"vizgate-sockets@{place.user}.service"
    lines = [
        "# Written by vizgate.gateway.apps; what changes here is lost.",
        "[Unit]",
        f"Description=vizgate app {place.user}/{place.name}, release {number}",
        f"RequiresMountsFor={place.sockets} {place.home}",
        # after a reboot the folder of sockets is not there yet
        f"Wants={sockets}",
        f"After=network.target postgresql.service {sockets}",
        # what crashes for an hour because something else is away comes back when that does
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=exec",
        f"WorkingDirectory={workdir(place, app, number)}",
        f"EnvironmentFile={place.file(f'{number}.env')}",
        f"ExecStart={' '.join((*launcher, *server(place, app, number)))}",
        "Restart=on-failure",
        "RestartSec=2",
        "KillMode=mixed",
        f"TimeoutStopSec={STOP_SECONDS}",
        *(f"{key}={value}" for key, value in properties),
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines) + "\n"


def supervisor_config(place: Place) -> str:
    """The owner's `~/etc/supervisord.conf`, where there is none; `supervisorctl` finds it from the home."""
    return f"""\
; The programs of {place.user}. It is yours: vizgate wrote it once, and puts files into etc/supervisor.d.
[unix_http_server]
file={SUPERVISOR_SOCKETS}/{place.user}/supervisor.sock
chmod=0700

[supervisord]
logfile={place.home}/log/supervisord.log
logfile_backups=10
pidfile={place.home}/run/supervisord.pid
umask=077

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://{SUPERVISOR_SOCKETS}/{place.user}/supervisor.sock

[include]
files={place.home}/etc/supervisor.d/*.conf"""


def program(place: Place, app: App, number: int) -> str:
    """A release as a program of the owner's supervisord."""
    return f"""\
; Written by vizgate.gateway.apps; what changes here is lost.
[program:{place.program(number)}]
command={place.release(number)}/run
directory={workdir(place, app, number)}
umask=007
autorestart=unexpected
startretries=20
stopwaitsecs={STOP_SECONDS}
killasgroup=true
redirect_stderr=true
stdout_logfile=NONE"""


def command_line(place: Place, app: App, number: int) -> str:
    """The command that serves a release, for a shell."""
    # its own words need no quotes but for a factory's parentheses and the star
    return " ".join(f"'{word}'" for word in (*sandbox.launcher(place.log), *server(place, app, number)))


def workdir(place: Place, app: App, number: int) -> str:
    """Where a release's processes run."""
    return "/".join(filter(None, (place.release(number), "src", app.subdirectory)))


def variables(place: Place, app: App, number: int, secrets: Mapping[str, str]) -> dict[str, str]:
    """What a release's processes find in their environment; what the users file says comes last."""
    databases = {
        SQLITE: f"sqlite:///{place.shared}/{place.name}.sqlite3",
        POSTGRESQL: f"postgresql:///{place.database}?host={POSTGRESQL_SOCKETS}",
    }
    return {
        "HOME": place.shared,
        "PATH": f"{place.release(number)}/env/bin:{SYSTEM_PATH}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "VIZGATE_SHARED": place.shared,
        "VIZGATE_URL": place.url,
        # a WSGI server takes it off the path; an ASGI server has an option for it
        **({} if app.asgi else {"SCRIPT_NAME": place.prefix}),
        # gunicorn's control socket, which was in the home, where other apps reach it; it is the unit's own /tmp
        **({} if app.supervisor == SUPERVISORD else {"XDG_RUNTIME_DIR": "/tmp"}),  # noqa: S108
        # packages look for their data there; else nothing of what activation does is done
        **({"CONDA_PREFIX": f"{place.release(number)}/env"} if app.conda else {}),
        **({"DATABASE_URL": databases[app.database]} if app.database in databases else {}),
        **dict(app.environment),
        **secrets,
    }


def environment_file(found: Mapping[str, str]) -> str:
    """Variables as systemd's EnvironmentFile= reads them."""
    escaped = {name: re.sub(r'([\\"$`])', r"\\\1", value) for name, value in found.items()}
    return "".join(f'{name}="{value}"\n' for name, value in escaped.items())


SITE, APP = "site", "app"


class Step(NamedTuple):
    """One step of a release, run as the app's owner."""

    name: str
    script: str
    """For /bin/sh -eu."""
    arguments: tuple[str, ...] = ()
    folder: str = "/"
    """Where it is run."""
    writable: tuple[str, ...] = ()
    """The folders that it may write to; with these it is fenced, as it is code of others, and without it is not."""
    environment: str = ""
    """Whose variables it gets: the app's, the site's for what comes from the network, or nobody's."""
    seconds: int = 0
    """How long it may take; 0 for as long as the site gives all steps."""
    quiet: bool = False
    """Whether systemd says nothing about it."""


def steps(place: Place, app: App, number: int, settings: Settings) -> list[Step]:
    """What is done as the owner before a release starts."""
    found = [
        Step(
            "fetch",
            FETCH,
            (place.folder, str(number), app.repo, app.version, app.subdirectory),
            environment=SITE,
        ),
        Step(
            "build",
            BUILD,
            (
                place.release(number),
                app.requirements,
                "uvicorn[standard]" if app.asgi else "gunicorn",
                place.shared,
                place.cache,
                settings.uv,
                settings.python,
                settings.conda,
                app.conda,
                *app.shared,
            ),
            workdir(place, app, number),
            (place.release(number), place.shared, place.cache),
            SITE,
        ),
    ]
    if app.migrate:
        found.append(Step("migrate", app.migrate, (), workdir(place, app, number), (place.shared,), APP))
    return found


def command(place: Place, app: App | None, step: Step, *, environment: str, memory: str) -> list[str]:
    """The words of the command that runs a step for at most its `seconds`; what it prints is the step's own output.

    `environment` is a file of variables, which must not be in words that everybody on the host reads; `app` is for
    steps that are fenced.
    """
    properties = [("MemoryMax", memory), ("TasksMax", "1024")]
    home = ""
    if step.writable:
        if app and step.environment == APP:
            properties = limits(app)
        properties += sandbox.fence(place.user, place.home)
        home = place.home
    else:
        properties += [("User", place.user), ("UMask", "0077"), ("NoNewPrivileges", "yes"), ("PrivateTmp", "yes")]
        properties += [("ProtectSystem", "full")]
    properties += [("EnvironmentFile", environment)] if environment else []
    properties += [("RuntimeMaxSec", str(step.seconds)), ("WorkingDirectory", step.folder)]
    # what does not end when it is told to is killed
    properties += [("TimeoutStopSec", str(STEP_STOP_SECONDS))]
    words = ["systemd-run", "--pipe", "--wait", "--collect", "--service-type=exec", f"--unit={place.step_unit}"]
    # without one it is the whole command, line by line; systemd would read these as settings at its next reload, and lose the unit's
    words += [f"--description=vizgate app {place.user}/{place.name}, step {step.name}"]
    words += ["--quiet"] if step.quiet else []
    words += [word for key, value in properties for word in ("-p", f"{key}={value}")]
    launcher = sandbox.launcher(place.build_log, echo=True, home=home, folder=place.folder, writable=step.writable)
    # No word has a dollar, for which systemd puts a variable in. Two would be one; but where systemd is reloaded before the command
    # runs, it reads the words from a file in which it has doubled each.
    script = base64.b64encode(f"set -- {shlex.join(step.arguments)}\n{step.script}".encode()).decode()
    return [*words, "--", *launcher, "/bin/sh", "-euc", f'eval "`echo {script} | base64 -d`"', step.name]
