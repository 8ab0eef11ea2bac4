"""The software a devcloud is made of: Debian's packages and a virtualenv of pinned ones."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from devcloud.errors import DevcloudError
from devcloud.groups import parts
from devcloud.progress import Say
from devcloud.services import RABBITMQ_SERVER
from devcloud.settings import HERE, SYSTEM_FOLDERS, Settings
from devcloud.work import run_to_end

REQUIREMENTS = HERE / "requirements.txt"
INSIDE = HERE / "inside"

DEBIAN_PACKAGES = {
    "mariadbd": "mariadb-server",
    "mariadb-install-db": "mariadb-server",
    "mariadb": "mariadb-client",
    "memcached": "memcached",
    RABBITMQ_SERVER: "rabbitmq-server",
    "epmd": "erlang-base",
    "openssl": "openssl",
    "qemu-img": "qemu-utils",
}
BUILD_PACKAGES = {"gcc": "gcc"}
"""Only for the virtualenv: uWSGI is compiled for its Python."""

BUILD_TOOLS = ("pip==26.3", "setuptools==84.2.1", "wheel==0.48.0")
PYTHONS = ("3.11", "3.12")
PROBE = (
    "import ensurepip, json, os, sys, sysconfig;"
    "header = os.path.join(sysconfig.get_path('include'), 'Python.h');"
    "print(json.dumps(['%d.%d' % sys.version_info[:2], sys.executable, os.path.exists(header)]))"
)


def install_system_packages(settings: Settings, say: Say) -> None:
    """Install what is missing of Debian's packages, or say in one sentence what to install."""
    wanted = DEBIAN_PACKAGES | ({} if _is_finished(settings) else BUILD_PACKAGES)
    path = os.pathsep.join(SYSTEM_FOLDERS)
    missing = sorted({wanted[name] for name in wanted if not shutil.which(name, path=path)})
    if not _is_finished(settings) and not any(_usable_pythons()):
        missing += ["python3-dev", "python3-venv"]
    if not missing:
        return
    command = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise DevcloudError(
            f"devcloud needs packages that are not installed; as root: {' '.join(command)}"
        )
    say(f"installing {', '.join(missing)}")
    # at runlevel 1 the packages' own services are not started
    environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    log = settings.log / "apt.log"
    run_to_end(["apt-get", "update"], log, environ)
    run_to_end(command, log, environ)


def unpack_programs(settings: Settings, say: Say) -> None:
    """Unpack what the groups of this devcloud need and the system lacks, with its libraries.

    Installed, these packages would start servers of their own when this machine boots.
    """
    path = os.pathsep.join(settings.program_folders)
    wanted = {name: package for part in parts(settings.groups) for name, package in part.programs}
    missing = sorted({wanted[name] for name in wanted if not shutil.which(name, path=path)})
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise DevcloudError(f"devcloud needs packages that are not installed: {', '.join(missing)}")
    say(f"unpacking {', '.join(missing)}")
    archives, log = settings.unpacked / "archives", settings.log / "apt.log"
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        run_to_end(["apt-get", "update"], log)
    fetch = ["apt-get", "install", "-y", "--no-install-recommends", "--download-only"]
    run_to_end(
        [*fetch, "-o", "Debug::NoLocking=true", "-o", f"Dir::Cache::archives={archives}", *missing],
        log,
        os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
    )
    for archive in sorted(archives.glob("*.deb")):
        run_to_end(["dpkg-deb", "--extract", archive, settings.unpacked], log)
        archive.unlink()


def make_virtualenv(settings: Settings, say: Say) -> None:
    """Make the virtualenv, anew if it is half-finished or has other versions than are pinned."""
    if not _is_finished(settings):
        _build_virtualenv(settings, say)
    _install_inside(settings)


def needs_rebuild(settings: Settings) -> bool:
    """Whether packages would be installed into the virtualenv."""
    return not _is_finished(settings) or not _has_inside(settings)


def _build_virtualenv(settings: Settings, say: Say) -> None:
    python = next(_usable_pythons(), None)
    if python is None:
        raise DevcloudError(
            f"devcloud needs Python {' or '.join(PYTHONS)} with its headers and venv module "
            "(python3-dev, python3-venv): install it, or name one in DEVCLOUD_PYTHON"
        )
    count = len(REQUIREMENTS.read_text().splitlines())
    say(f"installing {count} Python packages with {python} (minutes, the first time)")
    log = settings.log / "pip.log"
    shutil.rmtree(settings.venv, ignore_errors=True)
    run_to_end([python, "-m", "venv", settings.venv], log)
    pip = [settings.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run_to_end([*pip, *BUILD_TOOLS], log)
    with ThreadPoolExecutor() as pool:
        uwsgi = pool.submit(_build_uwsgi, settings)
        # the list is complete, so pip has nothing to resolve
        run_to_end([*pip, "--no-deps", "--requirement", _without_uwsgi(settings)], log)
        run_to_end([*pip, "--no-deps", uwsgi.result()], log)
    _finished_marker(settings).write_text(_digest(REQUIREMENTS))


def _build_uwsgi(settings: Settings) -> Path:
    """A wheel made here and now: one from pip's cache is linked to another build of Python."""
    wheels = settings.venv / "uwsgi"
    (pinned,) = (line for line in REQUIREMENTS.read_text().splitlines() if _is_uwsgi(line))
    options = ["--no-deps", "--no-build-isolation", "--no-cache-dir", "--no-binary", "uwsgi"]
    command = [settings.python, "-m", "pip", "wheel", *options, "--wheel-dir", wheels, pinned]
    run_to_end(command, settings.log / "uwsgi.log")
    (wheel,) = wheels.glob("*.whl")
    return wheel


def _without_uwsgi(settings: Settings) -> Path:
    others = [line for line in REQUIREMENTS.read_text().splitlines() if not _is_uwsgi(line)]
    path = settings.venv / "requirements.txt"
    path.write_text("\n".join(others) + "\n")
    return path


def _is_uwsgi(line: str) -> bool:
    return line.lower().startswith("uwsgi==")


def _install_inside(settings: Settings) -> None:
    """Install our own package from a copy: a build leaves folders behind."""
    if _has_inside(settings):
        return
    copy = settings.venv / "inside"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(INSIDE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--force-reinstall"]
    run_to_end([settings.python, "-m", "pip", "install", *options, copy], settings.log / "pip.log")
    _inside_marker(settings).write_text(_digest(*_inside_files()))


def _is_finished(settings: Settings) -> bool:
    # a link to an interpreter that has been removed since does not exist
    return _reads(_finished_marker(settings), _digest(REQUIREMENTS)) and settings.python.exists()


def _has_inside(settings: Settings) -> bool:
    return _reads(_inside_marker(settings), _digest(*_inside_files()))


def _finished_marker(settings: Settings) -> Path:
    return settings.venv / "devcloud-requirements"


def _inside_marker(settings: Settings) -> Path:
    return settings.venv / "devcloud-inside"


def _inside_files() -> list[Path]:
    return sorted(file for ending in ("*.py", "*.toml") for file in INSIDE.rglob(ending))


def _reads(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def _usable_pythons() -> Iterator[str]:
    """Interpreters that can make the virtualenv and have the headers to compile uWSGI."""
    chosen = os.environ.get("DEVCLOUD_PYTHON")
    for candidate in [chosen] if chosen else _candidates():
        try:
            answer = subprocess.run([candidate, "-c", PROBE], capture_output=True, check=True)
            version, executable, has_headers = json.loads(answer.stdout)
        except (OSError, subprocess.CalledProcessError, ValueError):
            continue
        if has_headers and (chosen or version in PYTHONS):
            yield executable


def _candidates() -> Iterator[str]:
    for version in PYTHONS:
        yield f"python{version}"
        yield from map(str, sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python")))
        yield f"/usr/bin/python{version}"
    yield sys.executable
