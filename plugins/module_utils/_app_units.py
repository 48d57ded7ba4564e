# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written and run for an app: its places, its unit, its variables, and the steps of a release. All of it is text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from ._apps import POSTGRESQL, SQLITE, App, database_name

HOME = re.compile(r"(?:/[A-Za-z0-9._-]+)+")
POSTGRESQL_SOCKETS = "/var/run/postgresql"
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
HIDDEN = (".ssh", ".gnupg")
"""What is in a home that an app has no business with."""
STOP_SECONDS = 30
"""How long requests that are under way when a release is stopped have to end."""
STEP_STOP_SECONDS = 10
"""How long a step has to end when its time is up."""
CONTROL_SECONDS = 120
"""How long the owner's supervisord, or the removal of an old release's folder, may take. What stops takes 30 s."""


# Kernel drivers' names. Who of the users may open what they make is for the devices' groups to say.
_GPU_DEVICES = [
    ("DevicePolicy", "closed"),
    *(("DeviceAllow", f"char-{driver} rw") for driver in ("drm", "kfd", "nvidia*")),
]


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
    logs: str

    @property
    def folder(self) -> str:
        """The user's own folder of the app. Root writes nothing there, and follows no path in it."""
        return f"{self.home}/apps/{self.name}"

    @property
    def shared(self) -> str:
        """What all releases share, and what is the home of the app's processes."""
        return f"{self.folder}/shared"

    @property
    def log(self) -> str:
        """What the app's processes say; in a folder of root's, as PID 1 opens it."""
        return f"{self.logs}/{self.user}/{self.name}.log"

    @property
    def build_log(self) -> str:
        """What the steps of releases have said."""
        return f"{self.logs}/{self.user}/{self.name}.build.log"

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


def fence(place: Place, app: App, *writable: str) -> list[tuple[str, str]]:
    """The properties of systemd that keep an app's processes, and the migration, within what is theirs.

    They write to the `writable` folders alone, and of the home they do not see what opens other doors.
    """
    return [
        ("User", place.user),
        ("UMask", "0007"),
        ("MemoryMax", app.limits.memory),
        ("MemorySwapMax", "0"),
        ("CPUQuota", app.limits.cpu),
        ("TasksMax", str(app.limits.tasks)),
        # one worker that takes too much is one worker less, until its server starts another
        ("OOMPolicy", "continue"),
        ("NoNewPrivileges", "yes"),
        ("CapabilityBoundingSet", ""),
        ("ProtectSystem", "strict"),
        # which leaves homes out
        ("ProtectHome", "read-only"),
        # Everything is read-only but this. Nothing is bound from the home to elsewhere: PID 1 would follow a link that the owner
        # puts there into a folder which others' homes keep closed, and the bound folder would be open.
        ("ReadWritePaths", " ".join(writable)),
        ("InaccessiblePaths", " ".join(f"-{place.home}/{name}" for name in HIDDEN)),
        ("PrivateTmp", "yes"),
        *(_GPU_DEVICES if app.gpu else [("PrivateDevices", "yes")]),
        ("ProtectClock", "yes"),
        ("ProtectControlGroups", "yes"),
        ("ProtectHostname", "yes"),
        ("ProtectKernelLogs", "yes"),
        ("ProtectKernelModules", "yes"),
        ("ProtectKernelTunables", "yes"),
        ("ProtectProc", "invisible"),
        ("LockPersonality", "yes"),
        ("RestrictNamespaces", "yes"),
        ("RestrictRealtime", "yes"),
        ("RestrictSUIDSGID", "yes"),
        ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK"),
        ("SystemCallArchitectures", "native"),
        ("SystemCallFilter", "@system-service"),
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
    properties = fence(place, app, place.shared, place.sockets)
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
        f"ExecStart={' '.join(server(place, app, number))}",
        f"StandardOutput=append:{place.log}",
        f"StandardError=append:{place.log}",
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
file={place.home}/run/supervisor.sock
chmod=0700

[supervisord]
logfile={place.home}/log/supervisord.log
logfile_backups=10
pidfile={place.home}/run/supervisord.pid
umask=077

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://{place.home}/run/supervisor.sock

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
stdout_logfile={place.log}
stdout_logfile_maxbytes=0"""


def command_line(place: Place, app: App, number: int) -> str:
    """The command that serves a release, for a shell."""
    # its own words need no quotes but for a factory's parentheses and the star
    return " ".join(f"'{word}'" for word in server(place, app, number))


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


class Step(NamedTuple):
    """One step of a release, run as the app's owner."""

    name: str
    script: str
    """For /bin/sh -eu."""
    arguments: tuple[str, ...] = ()
    folder: str = "/"
    """Where it is run."""
    fenced: bool = False
    """Whether it is the app's own code, which sees what the app will see."""
    variables: bool = False
    """Whether it gets the app's variables without that."""
    seconds: int = 0
    """How long it may take; 0 for as long as the site gives all steps."""


SUPERVISOR = r"""
umask 077
home=$1 app=$2
shift 2
cd "$home"
control() { supervisorctl -c "$home/etc/supervisord.conf" "$@"; }
"""

SUPERVISOR_PREPARE = r"""
number=$1 command=$2 release=$3 config=$4 program=$5
shift 5
mkdir -p etc/supervisor.d log run
[ -e etc/supervisord.conf ] || printf '%s\n' "$config" >etc/supervisord.conf
# the program's own file names no secret; what does is in the release's folder, which nobody else enters
{
    echo '#!/bin/sh'
    for name in "$@"; do
        eval "value=\$$name"
        printf "export %s='%s'\n" "$name" "$(printf '%s' "$value" | sed "s/'/'\\\\''/g")"
    done
    printf 'exec %s\n' "$command"
} >"$release/run"
chmod 0700 "$release/run"
printf '%s\n' "$program" >"etc/supervisor.d/$app.$number.kept"
"""

SUPERVISOR_START = r"""
file=etc/supervisor.d/$app.$1
[ ! -e "$file.kept" ] || mv "$file.kept" "$file.conf"
# it may just have been started itself
for _ in $(seq 100); do
    control pid >/dev/null && break
    sleep 0.1
done
control update "$app.$1"
case $(control status "$app.$1") in
*RUNNING* | *STARTING* | *BACKOFF*) ;;
*) control start "$app.$1" ;;
esac
"""

SUPERVISOR_RESTART = r"""
control restart "$app.$1"
"""

SUPERVISOR_RETIRE = r"""
file=etc/supervisor.d/$app.$1
[ ! -e "$file.conf" ] || mv "$file.conf" "$file.kept"
control update "$app.$1"
"""

SUPERVISOR_REMOVE = r"""
[ -d etc/supervisor.d ] || exit 0
for number in "$@"; do
    rm -f "etc/supervisor.d/$app.$number.conf" "etc/supervisor.d/$app.$number.kept"
    # it reads the files anew when it starts, should it be away
    control update "$app.$number" || true
done
"""

SUPERVISOR_SWEEP = r"""
current=$1 known=" $* "
[ -d etc/supervisor.d ] || exit 0
for file in etc/supervisor.d/"$app".*.conf etc/supervisor.d/"$app".*.kept; do
    [ -e "$file" ] || continue
    number=${file%.*}
    number=${number##*.}
    case $known in
    *" $number "*) [ "$number" = "$current" ] || [ "${file%.kept}" != "$file" ] || mv "$file" "${file%.conf}.kept" ;;
    *) rm "$file" ;;
    esac
    # likewise
    control update "$app.$number" || true
done
"""

SUPERVISOR_STATE = r"""
# its exit code is another for every state, and the state is what is read
control status "$app.$1" || true
"""

FETCH = r"""
umask 077
folder=$1 number=$2 repo=$3 version=$4 subdirectory=$5 logs=$6
mkdir -p "$folder/releases" "$folder/shared"
cd "$folder"
ln -sfn "$logs" log
export GIT_TERMINAL_PROMPT=0 GIT_HTTP_LOW_SPEED_LIMIT="${GIT_HTTP_LOW_SPEED_LIMIT:-1000}"
export GIT_HTTP_LOW_SPEED_TIME="${GIT_HTTP_LOW_SPEED_TIME:-60}"
export GIT_SSH_COMMAND="${GIT_SSH_COMMAND:-ssh -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=20}"
case $repo in
/*) # git refuses a repository of somebody else's, and submodules by paths; the site has declared this one
    printf '[include]\npath = ~/.gitconfig\n[safe]\ndirectory = %s\ndirectory = %s/.git\n' "$repo" "${repo%/}" >gitconfig
    printf '[protocol "file"]\nallow = always\n' >>gitconfig
    export GIT_CONFIG_GLOBAL="$folder/gitconfig"
    ;;
esac
[ -d repo.git ] || git init --quiet --bare repo.git
git -C repo.git fetch --quiet --force --prune "$repo" '+refs/heads/*:refs/heads/*' '+refs/tags/*:refs/tags/*'
for name in "refs/tags/$version" "refs/heads/$version" "$version"; do
    commit=$(git -C repo.git rev-parse --verify --quiet "$name^{commit}") && break
done || commit=
[ -n "$commit" ] || { echo "version '$version' is no tag, branch or commit of $repo" >&2; exit 1; }
rm -rf "releases/$number"
git clone --quiet --no-checkout repo.git "releases/$number/src"
(
    cd "releases/$number/src"
    # where large files come from, and where relative addresses of submodules begin
    git remote set-url origin "$repo"
    git lfs install --local >/dev/null
    git checkout --quiet --detach "$commit"
    git submodule --quiet update --init --recursive
    find . -name .git -prune -exec rm -rf {} +
)
[ -d "releases/$number/src/$subdirectory" ] || { echo "there is no subdirectory '$subdirectory' in it" >&2; exit 1; }
printf '%s\n' "$commit" >"releases/$number/commit"
echo "commit $commit"
"""

BUILD = r"""
umask 077
release=$1 requirements=$2 server=$3 shared=$4 uv=$5 python=$6 conda=$7 environment=$8
shift 8
[ -z "$requirements" ] || [ -f "$requirements" ] || { echo "there is no file '$requirements' in $PWD" >&2; exit 1; }
if [ -n "$environment" ]; then
    [ -f "$conda" ] || { echo "there is no $conda; role apps installs it" >&2; exit 1; }
    # paths in it are from where the environment file is
    pip=$environment.pip
    # the Python that is beside it has what it needs
    "${conda%/*}/python" -I "$conda" "$environment" "$release/env" "$pip"
else
    pip=
    "$uv" venv --quiet --python-preference only-system --python "$python" "$release/env"
fi
"$uv" pip install --compile-bytecode --python "$release/env/bin/python" \
    ${pip:+--requirements "$pip"} ${requirements:+--requirements "$requirements"} "$server"
for path in "$@"; do
    mkdir -p "$(dirname "$shared/$path")" "$(dirname "$path")"
    # what the first release brings along is what there is
    if [ ! -e "$shared/$path" ]; then
        if [ -d "$path" ]; then cp -a "$path" "$shared/$path"; else mkdir "$shared/$path"; fi
    fi
    rm -rf "$path"
    ln -s "$shared/$path" "$path"
done
# a file that does not compile may be one that nobody imports; the start will tell
"$release/env/bin/python" -m compileall -q . || true
"""

REMOVE = r"""
cd "$1/releases"
shift
rm -rf -- "$@"
"""

REMOVE_ALL = r"""
# no link of a user's leads this elsewhere: rm removes links, and follows none
rm -rf --one-file-system -- "$1"
# others may be in it
rmdir -- "${1%/*}" 2>/dev/null || true
"""

KEEP_DATA = r"""
[ -d "$1" ] || exit 0
cd "$1"
rm -rf -- releases repo.git gitconfig log
# what has data in it stays
rmdir -- shared 2>/dev/null || true
cd ..
rmdir -- "$1" 2>/dev/null || true
"""


def steps(place: Place, app: App, number: int, uv: str, python: str, conda: str = "") -> list[Step]:
    """What is done as the owner before a release starts."""
    found = [
        Step(
            "fetch",
            FETCH,
            (place.folder, str(number), app.repo, app.version, app.subdirectory, f"{place.logs}/{place.user}"),
        ),
        Step(
            "build",
            BUILD,
            (
                place.release(number),
                app.requirements,
                "uvicorn[standard]" if app.asgi else "gunicorn",
                place.shared,
                uv,
                python,
                conda,
                app.conda,
                *app.shared,
            ),
            workdir(place, app, number),
        ),
    ]
    if app.migrate:
        found.append(Step("migrate", app.migrate, (), workdir(place, app, number), fenced=True))
    return found


def command(place: Place, app: App | None, step: Step, *, environment: str, memory: str, seconds: int) -> list[str]:
    """The words of the command that runs a step; what it prints is the step's own output.

    `environment` is a file of variables, which must not be in words that everybody on the host reads; `app` is for
    steps that are fenced.
    """
    properties = [("User", place.user), ("UMask", "0077"), ("NoNewPrivileges", "yes"), ("PrivateTmp", "yes")]
    properties += [("ProtectSystem", "full"), ("MemoryMax", memory), ("TasksMax", "1024")]
    if step.fenced and app:
        properties = fence(place, app, place.shared)
    properties += [("EnvironmentFile", environment), ("RuntimeMaxSec", str(seconds)), ("WorkingDirectory", step.folder)]
    # what does not end when it is told to is killed
    properties += [("TimeoutStopSec", str(STEP_STOP_SECONDS))]
    words = ["systemd-run", "--pipe", "--wait", "--collect", "--service-type=exec", f"--unit={place.step_unit}"]
    # without one it is the whole command, line by line; systemd would read these as settings at its next reload, and lose the unit's
    words += [f"--description=vizgate app {place.user}/{place.name}, step {step.name}"]
    words += [word for key, value in properties for word in ("-p", f"{key}={value}")]
    # systemd puts variables into the words of a command, and a dollar for two
    script = [word.replace("$", "$$") for word in ("/bin/sh", "-euc", step.script, step.name, *step.arguments)]
    return [*words, "--", *script]
