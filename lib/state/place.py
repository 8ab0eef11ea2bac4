"""Where the state store lies, and whether that is a place where it is safe: for ``cloud.check``.

Nothing is made or changed here, and the store need not be openable.
"""

from __future__ import annotations

import grp
import os
import re
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, InvalidRequestError

from common.errors import UserError
from common.text import clean
from state import advice, engines, files, foreign
from state.clock import db_now
from state.retries import reason

_NETWORK = re.compile(
    r"nfs.*|cifs|smb.*|fuse(\..*|$)|9p|afs|ceph|gluster.*|lustre|gfs2?|ocfs2|virtiofs"
)
_TEMPORARY = {"tmpfs", "ramfs"}
_CONTAINER = {"overlay", "aufs"}
# Looked for, not used.
_TEMPORARY_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm", "/run")  # noqa: S108
_ENOUGH = 200 * 1024**2
_OLDEST = (10, 6)
_CLOCKS_AGREE = 5.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; ``ok`` is None where somebody has to judge it: a warning."""

    name: str
    ok: bool | None
    detail: str
    advice: str = ""


def look_at(url: str) -> list[Finding]:
    """Return what is good and bad about the place that a state_url names."""
    try:
        parsed = engines.parsed(url)
    except UserError as error:
        return [Finding("state_url", False, error.message, error.advice)]
    if parsed.get_backend_name() == "sqlite":
        return _file(Path(parsed.database or ""))
    return _server(parsed)


def filesystem(folder: Path, mounts: str | None = None) -> str:
    """Return the type of the filesystem that ``folder`` is on, "" if it cannot be known.

    ``mounts`` is the text of /proc/self/mountinfo.
    """
    if mounts is None:
        try:
            mounts = Path("/proc/self/mountinfo").read_text(errors="surrogateescape")
        except OSError:
            return ""
    best, found = -1, ""
    wanted = folder.resolve()
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) < 5 or not after:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4]))
        # Of two mounts at one point the later one hides the earlier.
        if wanted.is_relative_to(point) and len(point.parts) >= best:
            best, found = len(point.parts), after.split()[0]
    return found


def judge_filesystem(kind: str, folder: Path) -> Finding:
    """Return whether a journal is safe on this type of filesystem, in this folder."""
    name = "state filesystem"
    local = "Move it to a local disk and say where in state_url."
    if not kind:
        return Finding(name, None, "its type cannot be known")
    if _NETWORK.fullmatch(kind):
        cure = f"{local} For several machines use MariaDB."
        return Finding(name, False, f"{kind}: SQLite's locks do not hold on it", cure)
    temporary = any(folder.resolve().is_relative_to(known) for known in _TEMPORARY_FOLDERS)
    if kind in _TEMPORARY or temporary:
        lost = "runs that were not finished and mails that were sent are then forgotten"
        detail = f"{folder} ({kind}) is temporary: a reboot empties it, and {lost}"
        return Finding(name, None, detail, local)
    if kind in _CONTAINER:
        cure = "Put a volume there, or no run can be resumed after the container is replaced."
        return Finding(name, None, f"{kind}: a container's own disk", cure)
    return Finding(name, True, kind)


def _file(path: Path) -> list[Finding]:
    folder = path.parent
    make = advice.make(folder)
    try:
        status = folder.stat()
    except FileNotFoundError:
        if files.is_private(folder):
            return [Finding("state folder", True, f"{folder} is made on first use")]
        return [Finding("state folder", False, f"{folder} does not exist", make)]
    except OSError as error:
        return [Finding("state folder", False, f"{folder}: {error.strerror}")]
    if not stat.S_ISDIR(status.st_mode):
        return [Finding("state folder", False, f"{folder} is not a folder", make)]
    if why := foreign.why_not(path):
        name = "Name a file of its own in state_url, in a folder of its own."
        return [Finding("state file", False, f"{path}: {why}", name)]
    return [
        _folder(path, status),
        _access(path),
        *_modes(path, status),
        judge_filesystem(filesystem(folder), folder),
        _space(folder),
    ]


def _folder(path: Path, status: os.stat_result) -> Finding:
    name, folder, mode = "state folder", path.parent, stat.S_IMODE(status.st_mode)
    detail = f"{folder}: mode {mode:04o}, group {_group(status.st_gid)}"
    cure = advice.share(path)
    if mode & stat.S_IWOTH:
        return Finding(name, False, f"{detail}: anybody can write it", cure)
    if mode & stat.S_IWGRP and mode & stat.S_ISGID:
        return Finding(name, True, detail)
    if status.st_uid == os.geteuid() and not mode & stat.S_IRWXG:
        alone = f"{detail}: for this user alone"
        if files.is_private(folder):
            return Finding(name, True, alone)
        return Finding(
            name, None, alone, f"If other users run sensors or actions: {cure[0].lower()}{cure[1:]}"
        )
    return Finding(name, False, f"{detail}: not shared with a group", cure)


def _access(path: Path) -> Finding:
    there = [path, *(path.with_name(path.name + suffix) for suffix in files.SUFFIXES)]
    wrong = [
        str(one)
        for one in (path.parent, *filter(os.path.lexists, there))
        if not os.access(one, os.R_OK | os.W_OK, effective_ids=True)
    ]
    if wrong:
        cure = f"Let this user into the group of {path.parent}."
        return Finding("state access", False, f"cannot be written: {', '.join(wrong)}", cure)
    return Finding("state access", True, f"this user (uid {os.geteuid()}) can write it")


def _modes(path: Path, folder: os.stat_result) -> list[Finding]:
    """Return a finding if files are closed to the users who share the folder."""
    if not folder.st_mode & stat.S_IWGRP:
        return []
    wrong = []
    for suffix in ("", *files.SUFFIXES):
        file = path.with_name(path.name + suffix)
        try:
            status = file.stat()
        except OSError:  # it is made when it is needed
            continue
        if status.st_gid != folder.st_gid or status.st_mode & files.SHARED != files.SHARED:
            wrong.append(f"{file.name} ({_group(status.st_gid)}, {status.st_mode & 0o777:03o})")
    if not wrong:
        return [Finding("state files", True, "open to the group")]
    group = _group(folder.st_gid)
    cure = advice.open_files(path, group)
    return [Finding("state files", False, f"closed to group {group}: {', '.join(wrong)}", cure)]


def _space(folder: Path) -> Finding:
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    detail = f"{free / 1024**2:,.0f} MiB free"
    if free < _ENOUGH:
        return Finding("state space", False, detail, "Make room: a full disk stops every run.")
    return Finding("state space", True, detail)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _server(url: URL) -> list[Finding]:
    engine = engines.mariadb_engine(url)
    try:
        with engine.connect() as connection:
            version = str(connection.execute(text("SELECT VERSION()")).scalar())
            before = time.time()
            theirs = connection.execute(select(db_now())).scalar_one()
            ours = (before + time.time()) / 2
            settings: dict[str, str] = {
                name: str(value)
                for name, value in connection.execute(
                    text(
                        "SHOW GLOBAL VARIABLES WHERE Variable_name IN "
                        "('innodb_flush_log_at_trx_commit', 'wsrep_on')"
                    )
                )
            }
        why = foreign.why_not_on(engine)
    except DBAPIError as error:
        cure = "Check state_url, the server and the grants of its user."
        return [Finding("state server", False, reason(error), cure)]
    except InvalidRequestError:
        return [Finding("state server", False, "it is not MariaDB", "Use MariaDB or SQLite.")]
    finally:
        engine.dispose()
    if why:
        cure = "Name a database of its own in state_url."
        return [Finding("state database", False, f"{clean(url.database or '')}: {why}", cure)]
    return [
        _version(version),
        _clock(theirs - ours),
        _durable(settings.get("innodb_flush_log_at_trx_commit", "")),
        *_cluster(settings.get("wsrep_on", "OFF")),
    ]


def _version(version: str) -> Finding:
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if numbers < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        return Finding("state server", None, version, f"It is tested with {oldest} and newer.")
    return Finding("state server", True, version)


def _clock(difference: float) -> Finding:
    detail = f"the server's clock is {difference:+.1f} s from this machine's"
    if abs(difference) > _CLOCKS_AGREE:
        cure = "Leases go by the server's clock alone, but set both by NTP: times look wrong."
        return Finding("state clock", None, detail, cure)
    return Finding("state clock", True, detail)


def _durable(flush: str) -> Finding:
    detail = f"innodb_flush_log_at_trx_commit={flush}"
    if flush != "1":
        cure = "Set it to 1: else a power cut can make the journal forget what was just sent."
        return Finding("state durability", None, detail, cure)
    return Finding("state durability", True, detail)


def _cluster(wsrep: str) -> list[Finding]:
    if wsrep.upper() not in ("ON", "1"):
        return []
    cure = "Let every machine use the same node: a row locked on one is not locked on another."
    return [Finding("state cluster", None, "a node of a Galera cluster", cure)]
