# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written and run for an app: units, variables, and the scripts of steps, which are run here for real."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps import sandbox, scripts, units
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.releases import Settings
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.units import Place, Step
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.app import App, Limits
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.targets import SOCKET_CHARACTERS

APP = App("flasktasks", "/srv/git/tasks.git", "wsgi:application")


def place(user: str = "alice", name: str = "flasktasks", home: str = "/home/alice") -> Place:
    """Where an app is."""
    prefix = f"/{user}/{name}"
    return Place(
        *(user, name, home, f"/run/vizgate/sockets/{user}", prefix, f"http://gate:1234{prefix}"),
        "/var/lib/vizgate/apps",
    )


def lines(text: str) -> dict[str, str]:
    """The settings of a unit that stand there once."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def test_longest_names_fit_into_a_sockets_path() -> None:
    assert len(place("a" * 32, "b" * 40).socket(9999)) <= SOCKET_CHARACTERS


def test_no_two_apps_have_a_unit_or_a_database_in_common() -> None:
    pairs = [("a", "b-c"), ("a-b", "c"), ("a_b", "c"), ("a", "b"), ("a-b-c", "d")]
    assert len({place(*pair).unit(1) for pair in pairs}) == len(pairs)
    assert len({place(*pair).database for pair in pairs}) == len(pairs)


@pytest.mark.parametrize("number", [1, 20])
def test_release_of_a_socket(number: int) -> None:
    assert units.number_of(place(), place().socket(number)) == number
    assert units.number_of(place(), place(name="other").socket(number)) is None


def test_unit_fences_the_app() -> None:
    found = lines(units.unit(place(), APP._replace(limits=Limits("300M", "150%", 20)), 3))
    expected = {
        "User": "alice",
        "NoNewPrivileges": "yes",
        "CapabilityBoundingSet": "",
        "ProtectSystem": "strict",
        "ProtectHome": "read-only",
        "PrivateTmp": "yes",
        "MemoryMax": "300M",
        "CPUQuota": "150%",
        "TasksMax": "20",
        "Restart": "on-failure",
        "WantedBy": "multi-user.target",
        "ReadWritePaths": "/home/alice",
        "TemporaryFileSystem": "/run:ro,mode=0755",
        "BindPaths": "/run/vizgate/sockets/alice",
    }
    assert {key: found[key] for key in expected} == expected
    assert {"-/home/alice/.ssh", "-/home/alice/.gnupg", "-/dev/pts"} <= set(found["InaccessiblePaths"].split())
    folder = "/home/alice/apps/flasktasks"
    start = [sandbox.RUN, f"{folder}/log/flasktasks.log", "--home", "/home/alice", "--open", folder]
    start += ["--write", f"{folder}/shared", "--"]
    assert found["ExecStart"].split()[: len(start)] == start, "Landlock restricts it"


def test_devices_are_closed_but_for_gpus_where_they_are_declared() -> None:
    without, having = (units.unit(place(), APP._replace(gpu=gpu), 3).splitlines() for gpu in (False, True))
    opened = [
        "DevicePolicy=closed",
        "DeviceAllow=char-drm rw",
        "DeviceAllow=char-kfd rw",
        "DeviceAllow=char-nvidia* rw",
    ]
    runtime, *without_alone = [line for line in without if line not in having]
    assert without_alone == ["PrivateDevices=yes"]
    assert [line for line in having if line not in without] == [f"{runtime} -/run/nvidia-persistenced", *opened]


def test_root_runs_nothing_of_the_users() -> None:
    text = units.unit(place(), APP, 3)
    programs = [line for line in text.splitlines() if line.startswith("Exec")]
    assert [line.partition("=")[2][:1] for line in programs] == ["/"], "with a plus it would be run by root"
    assert lines(text)["User"] == "alice"
    # what PID 1 opens is root's, too
    opened = [
        path.partition("append:")[2] or path for path in re.findall(r"(?:Standard\w+|EnvironmentFile)=(.*)", text)
    ]
    assert opened == ["/var/lib/vizgate/apps/alice/flasktasks.3.env"]


@pytest.mark.parametrize("app", [APP, APP._replace(asgi=True, gpu=True, conda="e.yml", migrate="x", shared=("a",))])
def test_pid_1_binds_nothing_that_the_owner_could_replace(app: App) -> None:
    lines = units.unit(place(), app, 3).splitlines()
    others = [Step("migrate", "x", writable=("/w",)), Step("tail", "x", writable=(place().log_folder,))]
    for step in [*units.steps(place(), app, 3, Settings()), *others]:
        lines += units.command(place(), app, step, environment="/e", memory="1G")
    settings = [line.partition("=") for line in lines if "=" in line]
    binding = ("BindPaths", "BindReadOnlyPaths", "ReadWritePaths", "ReadOnlyPaths", "ExecPaths", "NoExecPaths")
    bound = {path.lstrip("-") for key, _, value in settings if key in binding for path in value.split()}
    assert len(bound) > 2
    # the way to each is root's: Host.home_problem looks after the home's
    assert {path for path in bound if not path.startswith("/run/")} == {"/home/alice"}
    assert {value for key, _, value in settings if key == "TemporaryFileSystem"} == {"/run:ro,mode=0755"}
    assert not {"RootDirectory", "ExecStartPre"} & {key for key, _, value in settings}


def test_step_that_is_under_way_survives_a_reload_of_systemd() -> None:
    for step in units.steps(place(), APP, 3, Settings()):
        words = units.command(place(), APP, step, environment="/root.env", memory="2G")
        # systemd writes it into a unit file as it is; the command's own words it escapes
        assert f"--description=vizgate app alice/{APP.name}, step {step.name}" in words


def test_servers() -> None:
    wsgi = units.server(place(), APP, 3)
    assert wsgi[:2] == [
        "/home/alice/apps/flasktasks/releases/3/env/bin/gunicorn",
        "--bind=unix:/run/vizgate/sockets/alice/flasktasks.3.sock",
    ]
    asgi = units.server(place(), APP._replace(asgi=True), 3)
    assert "--root-path=/alice/flasktasks" in asgi


def test_variables() -> None:
    app = APP._replace(environment=(("DATABASE_URL", "sqlite:///own"), ("A", "b")))
    found = units.variables(place(), app, 3, {"KEY": "secret"})
    assert found["SCRIPT_NAME"] == "/alice/flasktasks"
    assert (found["DATABASE_URL"], found["A"], found["KEY"]) == ("sqlite:///own", "b", "secret")
    assert "SCRIPT_NAME" not in units.variables(place(), app._replace(asgi=True), 3, {})
    assert units.variables(place(), APP, 3, {})["DATABASE_URL"] == (
        "sqlite:////home/alice/apps/flasktasks/shared/flasktasks.sqlite3"
    )
    assert units.variables(place(), APP._replace(database="postgresql"), 3, {})["DATABASE_URL"] == (
        "postgresql:///alice_flasktasks?host=/var/run/postgresql"
    )
    assert "DATABASE_URL" not in units.variables(place(), APP._replace(database="none"), 3, {})
    assert "CONDA_PREFIX" not in found
    assert units.variables(place(), APP._replace(conda="e.yml"), 3, {})["CONDA_PREFIX"] == (
        "/home/alice/apps/flasktasks/releases/3/env"
    )


def test_environment_file_is_read_as_it_was_meant() -> None:
    values = {"A": 'a "quoted" $HOME `id` \\ back', "B": " spaces ", "C": "# no comment"}
    text = units.environment_file(values)
    said = subprocess.run(
        ["sh", "-c", f'{text}\nprintf \'%s\\n\' "$A" "$B" "$C"'], capture_output=True, text=True, check=True
    )
    assert said.stdout.splitlines() == list(values.values())


def test_steps_are_run_as_the_owner_and_secrets_are_in_no_word() -> None:
    step = Step("migrate", "flask db upgrade", (), "/x", (place().shared,), units.APP, seconds=9)
    words = units.command(place(), APP, step, environment="/root.env", memory="2G")
    assert {"User=alice", "NoNewPrivileges=yes", "RuntimeMaxSec=9", "EnvironmentFile=/root.env"} < set(words)
    assert {"ReadWritePaths=/home/alice", "MemoryMax=1G"} < set(words)
    assert words[words.index("--write") + 1] == place().shared
    step = Step("fetch", 'echo "$1 ${HOME}"', ("$(id)",))
    words = units.command(place(), APP, step, environment="/root.env", memory="2G")
    assert "User=alice" in words


def test_systemd_finds_nothing_to_replace_in_the_words_of_a_step() -> None:
    step = Step("fetch", "echo \"$0 $1 ${HOME} 100%n\"\necho '$2'", ("$(id) ${HOME} 'a\"", ""))
    words = units.command(place(), APP, step, environment="/root.env", memory="2G")
    assert not [word for word in words if "$" in word or "\n" in word or "%" in word]
    command = words[words.index("/bin/sh") :]
    said = subprocess.run(
        command, env={"HOME": "/x", "PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True
    )
    assert said.stdout == "fetch $(id) ${HOME} 'a\" /x 100%n\n$2\n"


# scripts


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a tag, and a branch that has gone on."""
    source = tmp_path / "source"
    (source / "server" / "uploads").mkdir(parents=True)
    (source / "server" / "uploads" / "first.txt").write_text("came along", encoding="utf-8")
    (source / "server" / "requirements.txt").write_text("# nothing\n", encoding="utf-8")
    git(source, "init", "-q", "-b", "main")
    git(source, "add", ".")
    git(source, "commit", "-q", "-m", "one")
    git(source, "tag", "v1")
    (source / "server" / "new.txt").write_text("new", encoding="utf-8")
    git(source, "add", ".")
    git(source, "commit", "-q", "-m", "two")
    return source


def git(folder: Path, *words: str) -> str:
    """What git says."""
    who = {f"GIT_{role}_{what}": "tests@example.test" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(
        ["git", *words], cwd=folder, env={**os.environ, **who}, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def run(step: Step, folder: Path | str = "/", **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a step's script as systemd would."""
    return subprocess.run(
        ["/bin/sh", "-euc", step.script, step.name, *step.arguments],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def fetched(home: Path, repository: Path, version: str, subdirectory: str = "server") -> str:
    """Release 1 of an app in a home; what the step has said."""
    app = App("tasks", str(repository), "wsgi:app", version=version, subdirectory=subdirectory)
    step = units.steps(place(name="tasks", home=str(home)), app, 1, Settings())[0]
    done = run(step, HOME=str(home))
    return done.stdout + done.stderr


def test_fetch_takes_tags_branches_and_commits(tmp_path: Path, repository: Path) -> None:
    commit = git(repository, "rev-parse", "v1")
    new = tmp_path / "apps" / "tasks" / "releases" / "1" / "src" / "server" / "new.txt"
    for version, is_new in (("v1", False), ("main", True), (commit, False), (commit[:10], False)):
        said = fetched(tmp_path, repository, version)
        assert said.splitlines()[-1] == f"commit {git(repository, 'rev-parse', version)}"
        assert new.exists() is is_new


def test_fetch_follows_a_branch_that_was_moved_back(tmp_path: Path, repository: Path) -> None:
    fetched(tmp_path, repository, "main")
    git(repository, "reset", "-q", "--hard", "v1")
    assert git(repository, "rev-parse", "v1") in fetched(tmp_path, repository, "main")


def test_fetch_says_what_is_not_there(tmp_path: Path, repository: Path) -> None:
    assert f"version 'v9' is no tag, branch or commit of {repository}" in fetched(tmp_path, repository, "v9")
    assert "there is no subdirectory 'nowhere' in it" in fetched(tmp_path, repository, "v1", "nowhere")


def test_shared_folders_survive_releases(tmp_path: Path) -> None:
    uv = tmp_path / "uv"
    uv.write_text(
        '#!/bin/sh\n[ "$1" != venv ] || { for a; do :; done; mkdir -p "$a/bin"; ln -sf "$(which python3)" "$a/bin/python"; }\n'
    )
    uv.chmod(0o755)
    app = App("tasks", "/r", "wsgi:app", shared=("uploads", "deep/er"))
    where = place(name="tasks", home=str(tmp_path))
    for number in (1, 2):
        source = Path(where.release(number)) / "src"
        (source / "uploads").mkdir(parents=True)
        (source / "uploads" / "seed.txt").write_text(str(number), encoding="utf-8")
        (source / "requirements.txt").write_text("", encoding="utf-8")
        done = run(units.steps(where, app, number, Settings(uv=str(uv), python="python3"))[1], source)
        assert done.returncode == 0, done.stderr
        assert (source / "uploads" / "seed.txt").read_text(encoding="utf-8") == "1", "what the first brought along"
        (source / "deep" / "er" / f"{number}.txt").write_text("data", encoding="utf-8")
    assert sorted(path.name for path in (Path(where.shared) / "deep" / "er").iterdir()) == ["1.txt", "2.txt"]


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """uv, and conda-environment beside a Python; both note what they are called with, in `called`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("uv", "python"):
        program = folder / name
        program.write_text(f'#!/bin/sh\necho {name} "$@" >>{tmp_path}/called\n', encoding="utf-8")
        program.chmod(0o755)
    (folder / "conda-environment").touch()
    return folder


@pytest.mark.parametrize(
    ("app", "expected"),
    [
        (
            APP,
            [
                "uv venv --quiet --python-preference only-system --python python3 {release}/env",
                "uv pip {options} --requirements requirements.txt gunicorn",
            ],
        ),
        (
            APP._replace(requirements="", asgi=True),
            [
                "uv venv --quiet --python-preference only-system --python python3 {release}/env",
                "uv pip {options} uvicorn[standard]",
            ],
        ),
        (
            APP._replace(requirements="", conda="env/e.yml"),
            [
                "python -I {bin}/conda-environment env/e.yml {release}/env env/e.yml.pip",
                "uv pip {options} --requirements env/e.yml.pip gunicorn",
            ],
        ),
        (
            APP._replace(conda="e.yml"),
            [
                "python -I {bin}/conda-environment e.yml {release}/env e.yml.pip",
                "uv pip {options} --requirements e.yml.pip --requirements requirements.txt gunicorn",
            ],
        ),
    ],
)
def test_what_an_environment_is_made_of(tmp_path: Path, programs: Path, app: App, expected: list[str]) -> None:
    where = place(home=str(tmp_path))
    source = Path(where.release(1)) / "src"
    source.mkdir(parents=True)
    (source / "requirements.txt").touch()
    build = units.steps(
        where, app, 1, Settings(uv=f"{programs}/uv", python="python3", conda=f"{programs}/conda-environment")
    )[1]
    done = run(build, source)
    assert done.returncode == 0, done.stderr
    options = f"install --compile-bytecode --python {where.release(1)}/env/bin/python"
    assert (tmp_path / "called").read_text(encoding="utf-8").splitlines() == [
        line.format(release=where.release(1), bin=programs, options=options) for line in expected
    ]


@pytest.mark.parametrize(
    ("app", "text"),
    [
        (APP, "there is no file 'requirements.txt' in {source}"),
        (
            APP._replace(requirements="", conda="e.yml"),
            "there is no /nowhere/conda-environment; role apps installs it",
        ),
    ],
)
def test_build_says_what_is_not_there(tmp_path: Path, programs: Path, app: App, text: str) -> None:
    where = place(home=str(tmp_path))
    source = Path(where.release(1)) / "src"
    source.mkdir(parents=True)
    build = units.steps(where, app, 1, Settings(uv=f"{programs}/uv", conda="/nowhere/conda-environment"))[1]
    done = run(build, source)
    assert (done.returncode, done.stderr) == (1, text.format(source=source) + "\n")
    assert not (tmp_path / "called").exists(), "nothing was made in vain"


def test_removal_keeps_data_unless_told_otherwise(tmp_path: Path) -> None:
    folder = tmp_path / "apps" / "tasks"
    for part in ("shared/uploads", "releases/1/src", "repo.git"):
        (folder / part).mkdir(parents=True)
    assert run(Step("remove", scripts.KEEP_DATA, (str(folder),))).returncode == 0
    assert [path.name for path in folder.iterdir()] == ["shared"]
    assert run(Step("remove", scripts.REMOVE_ALL, (str(folder),))).returncode == 0
    assert not (tmp_path / "apps").exists()


# the owner's own supervisord


@pytest.fixture
def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Notes what supervisorctl is called with; stands first in PATH."""
    program = tmp_path / "bin" / "supervisorctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nshift 2\necho "$@" >>{tmp_path}/called\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return tmp_path / "called"


def supervised(home: Path, script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a step about the owner's supervisord."""
    done = run(Step("step", scripts.SUPERVISOR + script, (str(home), "tasks", *arguments)), **variables)
    assert done.returncode == 0, done.stderr
    return done


def test_program_gets_its_variables_as_they_are(tmp_path: Path, control: Path) -> None:
    release = tmp_path / "release"
    release.mkdir()
    values = {"A": 'it\'s "quoted" $HOME `id` \\', "B": ""}
    words = ("3", 'printf \'%s|\' "$A" "$B"', str(release), "config", "program")
    supervised(tmp_path, scripts.SUPERVISOR_PREPARE, *words, *values, **values)
    said = subprocess.run([release / "run"], capture_output=True, text=True, check=True).stdout
    assert said == f"{values['A']}|{values['B']}|"
    assert (release / "run").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "etc/supervisor.d/tasks.3.kept").read_text(encoding="utf-8") == "program\n"
    assert (tmp_path / "etc/supervisord.conf").read_text(encoding="utf-8") == "config\n"
    (tmp_path / "etc/supervisord.conf").write_text("the owner's own", encoding="utf-8")
    supervised(tmp_path, scripts.SUPERVISOR_PREPARE, *words, *values, **values)
    assert (tmp_path / "etc/supervisord.conf").read_text(encoding="utf-8") == "the owner's own"


def test_programs_come_and_go_one_by_one(tmp_path: Path, control: Path) -> None:
    folder = tmp_path / "etc/supervisor.d"
    folder.mkdir(parents=True)
    for name in ("tasks.1.conf", "tasks.2.kept", "other.1.conf"):
        (folder / name).write_text("", encoding="utf-8")
    supervised(tmp_path, scripts.SUPERVISOR_START, "2")
    supervised(tmp_path, scripts.SUPERVISOR_RETIRE, "1")
    assert {path.name for path in folder.iterdir()} == {"tasks.1.kept", "tasks.2.conf", "other.1.conf"}
    supervised(tmp_path, scripts.SUPERVISOR_REMOVE, "1")
    assert {path.name for path in folder.iterdir()} == {"tasks.2.conf", "other.1.conf"}
    said = control.read_text(encoding="utf-8").splitlines()
    assert [line for line in said if line.startswith("update")] == [
        "update tasks.2",
        "update tasks.1",
        "update tasks.1",
    ]
    assert not {"shutdown", "reload", "update", "stop all"} & set(said), "nothing that would end others"


def test_what_was_left_behind_is_swept(tmp_path: Path, control: Path) -> None:
    folder = tmp_path / "etc/supervisor.d"
    folder.mkdir(parents=True)
    for name in ("tasks.1.kept", "tasks.2.conf", "tasks.3.conf", "tasks.4.conf", "tasks.5.kept", "other.9.conf"):
        (folder / name).write_text("", encoding="utf-8")
    supervised(tmp_path, scripts.SUPERVISOR_SWEEP, "3", "1", "2", "3")
    expected = {"tasks.1.kept", "tasks.2.kept", "tasks.3.conf", "other.9.conf"}
    assert {path.name for path in folder.iterdir()} == expected
    supervised(tmp_path, scripts.SUPERVISOR_SWEEP, "0")
    assert {path.name for path in folder.iterdir()} == {"other.9.conf"}


def test_program_file_names_no_secret_and_rotates_nothing() -> None:
    found = lines(units.program(place(), APP, 3))
    assert found["command"] == "/home/alice/apps/flasktasks/releases/3/run"
    assert found["stdout_logfile"] == "NONE", "the program writes its log itself"
    assert "environment" not in found


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    path = tmp_path / place().unit(1)
    path.write_text(units.unit(place(user="daemon", home="/home/daemon"), APP, 1), encoding="utf-8")
    said = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False).stderr
    assert [line for line in said.splitlines() if path.name in line and "not executable" not in line] == []
