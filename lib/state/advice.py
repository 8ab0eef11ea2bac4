"""Commands that an operator can paste to put the place of a state store right, and harm nothing."""

from __future__ import annotations

import grp
import shlex
from pathlib import Path

GROUP = "st2packs"
_OWN = Path("/var/lib/openstack_ops")
# Folders of the system and of all users: whoever closes one of them breaks the machine.
_TOP = 2


def quoted(path: Path | str) -> str:
    """Return a path as a shell takes it."""
    return shlex.quote(str(path))


def make(folder: Path) -> str:
    """Return the command that makes a folder for the group of actions and sensors."""
    return f"{_group()}install -d -m 2770 -g {GROUP} {quoted(folder)}"


def share(path: Path) -> str:
    """Return how the store at ``path`` is opened to the group that runs actions and sensors.

    Only for a folder that holds nothing else: the mode of any other is not the store's to change.
    """
    folder = path.parent
    if not _is_own(path):
        return (
            f"{folder} is not the state store's own, so leave it as it is: make another with "
            f"{make(_OWN)} and set state_url to sqlite:///{_OWN / 'state.db'}"
        )
    return (
        f"Give its group access: {_group()}chgrp {GROUP} {quoted(folder)}; "
        f"chmod 2770 {quoted(folder)}; chmod 660 {quoted(path)}*"
    )


def open_files(path: Path, group: str = GROUP) -> str:
    """Return the commands that open the store's files to a group."""
    files = f"{quoted(path)}*"
    return f"chgrp {quoted(group)} {files}; chmod 660 {files}"


def _is_own(path: Path) -> bool:
    """Whether the folder can be the store's alone: deep enough, and with nothing else in it."""
    folder = path.parent
    try:
        if len(folder.resolve().parts) <= _TOP or folder.resolve() == Path("~").expanduser():
            return False
        return all(
            path.name in one.name or one.name == "out" or ".log" in one.name
            for one in folder.iterdir()
        )
    except OSError:  # this user may not see what is in it
        return True


def _group() -> str:
    try:
        grp.getgrnam(GROUP)
    except KeyError:
        return f"groupadd --system {GROUP}; "
    return ""
