"""A Python and a checkout that other users can read, for the tests of several users."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
#: Where systems keep their own Python, for one whose virtualenv was made from a private one.
_SYSTEM = ("/usr/bin", "/usr/local/bin")


def why_one_user() -> str:
    """Return why tests as several users cannot be here, "" if they can."""
    if os.geteuid() != 0:
        return "only root can become other users"
    if not any(map(_is_open, _pythons())):
        version = ".".join(map(str, sys.version_info[:2]))
        return f"other users cannot read {sys.executable}, and there is no other Python {version}"
    return ""


def command_for_others(script: str, folder: Path) -> list[str]:
    """Return how other users start a script of the checkout.

    What of the checkout and the virtualenv they cannot read is copied into the folder.
    """
    python = next(filter(_is_open, _pythons()))
    packages, checkout = Path(sysconfig.get_path("purelib")), REPOSITORY
    if not _is_open(packages):
        packages = _copied(packages, folder / "packages")
    if not _is_open(checkout):
        for part in ("lib", "actions", str(Path(script).parent)):
            _copied(checkout / part, folder / "checkout" / part)
        checkout = folder / "checkout"
    return ["/usr/bin/env", f"PYTHONPATH={packages}", str(python), "-B", str(checkout / script)]


def _pythons() -> Iterator[Path]:
    """Yield the Pythons that can load what is in the virtualenv."""
    yield Path(sys.executable)
    for folder in _SYSTEM:
        path = Path(folder) / "python{}.{}".format(*sys.version_info)
        if path.exists():
            yield path


def _is_open(path: Path) -> bool:
    """Whether others can reach and read a path, by its name and where its links lead."""
    ways = (*path.parents, *path.resolve().parents, path)
    return all(way.stat().st_mode & stat.S_IXOTH for way in ways)


def _copied(source: Path, target: Path) -> Path:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return target
