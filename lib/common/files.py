"""Opening files that somebody has named: to be read, or to be written below allowed folders.

Actions run as root on many a site, and names come from whoever may start one. So nothing is read
but a regular file of a sane size, and nothing is written through a link, outside the folders of
``files.allowed``, or over a file that is not ours.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import BinaryIO, NoReturn

import msgspec

from common.errors import UserError
from common.text import clean, listed

#: The most bytes of a file that is read: a template, a logo, the value of a parameter.
MOST = 10 * 2**20
# What a file of ours is known by: its own digest, which one that somebody has edited has not.
_MARK = "user.OPENSTACK_OPS_DIGEST"
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LONGEST_NAME = 255
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def read_regular(path: str | os.PathLike[str], *, most: int = MOST) -> bytes:
    """Return the content of a regular file of at most so many bytes.

    Raises OSError, with what is wrong as its ``strerror``, for anything else: a device or a pipe
    is never waited for, and nothing is taken out of what the kernel makes up (``/proc/kmsg``).
    """
    with _opened(path) as opened:
        content = opened.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most // 2**20} MiB")
    return content


def open_regular(places: Places, wanted: str, path: str) -> BinaryIO:
    """Return a regular file of any size, open to be read, that lies in an allowed folder.

    The content is passed on and actions may run as root, so only allowed folders are read, for
    any caller. Raises UserError, with ``wanted`` as the parameter that named the file.
    """
    check_absolute(wanted, path)
    _check_names(wanted, path)
    real = os.path.realpath(path)
    tops = [os.path.realpath(folder) for folder in places.allowed]
    if not any(os.path.commonpath([top, real]) == top for top in tops):
        raise UserError(
            f"{wanted} {clean(path)} lies outside the folders that files are taken from: "
            f"{listed(places.allowed)}.",
            advice="Put the file below one of them, or add its folder to files.allowed.",
        )
    try:
        return _opened(real)
    except OSError as error:
        why = clean(error.strerror or type(error).__name__)
        raise UserError(f"{wanted} {clean(path)} cannot be read: {why}.") from None


def read_allowed(places: Places, wanted: str, path: str, *, most: int = MOST) -> bytes:
    """Return the content of such a file of at most so many bytes. Raises as open_regular does."""
    with open_regular(places, wanted, path) as opened:
        content = opened.read(most + 1)
    if len(content) > most:
        size = f"{most // 2**20} MiB" if most >= 2**20 else f"{most} bytes"
        raise UserError(f"{wanted} {clean(path)} cannot be read: it is larger than {size}.")
    return content


def _opened(path: str | os.PathLike[str]) -> BinaryIO:
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except ValueError:  # a NUL in it
        raise OSError(errno.EINVAL, "that is no name of a file") from None
    if not _is_stored(file):
        os.close(file)
        raise OSError(errno.EINVAL, "it is not a regular file")
    return open(file, "rb")


def _is_stored(file: int) -> bool:
    """Whether an open file is a regular one, and lies in something that stores files.

    What is in ``/proc`` and ``/sys`` calls itself regular too, but neither it nor the file system
    takes up any blocks. An empty file takes up none either, but its file system does.
    """
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode):
        return False
    return bool(status.st_blocks or os.fstatvfs(file).f_blocks)


def at_home(path: str | os.PathLike[str]) -> str:
    """Return an absolute path in which ``~`` is the home folder that it stands for.

    Raises OSError, with what is wrong as its ``strerror``, where nobody knows that folder.
    """
    given = os.fspath(path)
    found = os.path.expanduser(given)
    if given.startswith("~") and found == given:
        raise OSError(errno.ENOENT, f"there is no home folder for {given.partition('/')[0]}")
    return os.path.abspath(found)


class Folder(msgspec.Struct, frozen=True):
    """A folder that may be written to, as :meth:`Places.folder` opened it, and what it is for.

    ``wanted`` is the parameter that named it, for messages.
    """

    file: int
    path: str
    wanted: str
    is_own: bool

    def check(self, name: str) -> None:
        """Raise UserError if a file of that name could not, or must not, be written."""
        _check_names(self.wanted, name)
        try:
            found = os.stat(name, dir_fd=self.file, follow_symlinks=False)
        except FileNotFoundError:
            found = None
        if found is not None and stat.S_ISLNK(found.st_mode):
            self.refuse(name, "it is a symbolic link", "Name the file that it points to.")
        if found is not None and not stat.S_ISREG(found.st_mode):
            self.refuse(name, "it is there and is no regular file")
        if found is not None and not self._is_ours(name, found):
            self.refuse(
                name,
                "it is there, and was not written by this pack or was edited since",
                "Remove it, or give another name.",
            )
        if not os.access(".", os.W_OK | os.X_OK, dir_fd=self.file):
            self.refuse(name, f"{self.path} may not be written to")

    def write(self, name: str, content: bytes, mode: int = 0o640) -> None:
        """Write a whole file or nothing, with a mode that it has from its first moment."""
        self.check(name)
        draft = f".{uuid.uuid4().hex}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(draft, flags, 0o600, dir_fd=self.file)
        try:
            with open(file, "wb") as opened:
                opened.write(content)
                opened.flush()
                with suppress(OSError):  # a filesystem that keeps no such marks
                    os.setxattr(file, _MARK, hashlib.sha256(content).digest())
                os.fchmod(file, mode)
            os.rename(draft, name, src_dir_fd=self.file, dst_dir_fd=self.file)
        except BaseException:
            os.unlink(draft, dir_fd=self.file)
            raise

    def remove(self, name: str) -> None:
        """Remove a file of ours, if it is there."""
        with suppress(FileNotFoundError):
            found = os.stat(name, dir_fd=self.file, follow_symlinks=False)
            if stat.S_ISREG(found.st_mode) and self._is_ours(name, found):
                os.unlink(name, dir_fd=self.file)

    def refuse(self, name: str, why: str, advice: str = "") -> NoReturn:
        """Raise UserError."""
        raise UserError(
            f"{self.wanted} {clean(os.path.join(self.path, name))} cannot be written: {why}.",
            advice=advice,
        )

    def _is_ours(self, name: str, found: os.stat_result) -> bool:
        if found.st_uid != os.geteuid():
            return False
        if self.is_own:
            return True
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=self.file)
        with open(file, "rb") as opened:
            try:
                mark = os.getxattr(file, _MARK)
            except OSError:
                return False
            digest = hashlib.sha256()
            while part := opened.read(2**20):
                digest.update(part)
            return digest.digest() == mark


class Places(msgspec.Struct, frozen=True):
    """The folders below which files are written, and read from that are handed on to others.

    ``own`` is one that nothing else writes to.
    """

    allowed: Sequence[str]
    own: str = ""

    @contextmanager
    def folder(self, wanted: str, path: str, *, make: bool = False) -> Iterator[Folder]:
        """Open a folder, without following a link below the allowed one that it lies in.

        ``wanted`` is the parameter that named it; ``make`` makes what is missing of it, for this
        user alone. Raises UserError.
        """
        above, below = self._inside(wanted, path)
        is_own = bool(self.own) and above == os.path.realpath(self.own)
        opened: list[int] = []
        try:
            if above == os.path.realpath(self.own or "/"):
                _make_own(self.own)
            opened.append(os.open(above, _FOLDER))
            for part in below:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(part, 0o700, dir_fd=opened[-1])
                opened.append(os.open(part, _FOLDER, dir_fd=opened[-1]))
            yield Folder(opened[-1], os.path.join(above, *below), wanted, is_own)
        except OSError as error:
            why = clean(error.strerror or type(error).__name__)
            if error.errno == errno.ENOTDIR:
                why = f"{clean(path)} is no folder, or a symbolic link leads elsewhere"
            raise UserError(f"{wanted} {clean(path)} cannot be written: {why}.") from None
        finally:
            for file in opened:
                os.close(file)

    def _inside(self, wanted: str, path: str) -> tuple[str, list[str]]:
        """Return the allowed folder that a path lies in, and the names below it."""
        check_absolute(wanted, path)
        _check_names(wanted, path)
        real = os.path.realpath(path)
        for folder in self.allowed:
            top = os.path.realpath(folder)
            if os.path.commonpath([top, real]) == top:
                rest = os.path.relpath(real, top)
                return top, [] if rest == "." else rest.split("/")
        raise UserError(
            f"{wanted} {clean(path)} lies outside the folders that files are written to: "
            f"{listed(self.allowed)}.",
            advice="Name a file below one of them, or add its folder to files.allowed.",
        )


def check_absolute(wanted: str, path: str) -> None:
    """Raise UserError for a path that is not absolute, as ``wanted`` was given it."""
    if not path.startswith("/"):
        raise UserError(f"{wanted} must be an absolute path, not {clean(path)[:80]!r}.")


def _check_names(wanted: str, path: str) -> None:
    if _CONTROL.search(path):
        raise UserError(f"{wanted} has a control character in it. Nothing was written.")
    if any(len(part.encode("utf-8", "replace")) > _LONGEST_NAME for part in path.split("/")):
        raise UserError(f"{wanted} has a name of more than {_LONGEST_NAME} bytes in it.")


def _make_own(folder: str) -> None:
    """Make the pack's own folder for files, as open as the one that it lies in."""
    if folder and os.path.isdir(os.path.dirname(folder)):
        with suppress(FileExistsError):
            os.mkdir(folder, 0o770)
