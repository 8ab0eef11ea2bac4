"""A real mail server from Debian's packages: a postfix of our own on loopback, in one folder."""

from __future__ import annotations

import mailbox
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_PACKAGE = ["apt-get", "install", "-y", "--no-install-recommends", "postfix"]
_LONGEST = 60.0

_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
myhostname = mail.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks =
alias_maps =
smtputf8_enable = yes
smtpd_tls_security_level = may
smtpd_tls_chain_files = {certificate}
smtpd_relay_restrictions = reject_unauth_destination
message_size_limit = 200000
virtual_mailbox_domains = example.org
virtual_mailbox_base = {folder}/spool
virtual_mailbox_maps = inline:{{ {boxes} }}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
"""
# Without chroot, so that nothing has to be copied into the folder.
_MASTER = """\
127.0.0.1:{starttls} inet n - n - - smtpd
127.0.0.1:{tls} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
virtual unix - n n - - virtual
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """A context manager. Mail to the ``boxes`` at example.org ends up in a file for each."""

    def __init__(self, folder: Path, certificate: Path, boxes: tuple[str, ...]) -> None:
        """Prepare one; skips the test where there is no root to start it."""
        _install()
        self.folder, self.boxes = folder, boxes
        self.starttls, self.tls = _free_ports()
        try:
            owner = pwd.getpwnam("postfix")
        except KeyError:  # an installation that broke off has the program and not its user
            pytest.skip(f"postfix is here without its user: as root: {' '.join(_PACKAGE)}")
        for name in ("etc", "queue", "data", "spool"):
            (folder / name).mkdir()
        for name in ("data", "spool"):
            os.chown(folder / name, owner.pw_uid, owner.pw_gid)
        (folder / "etc/master.cf").write_text(_MASTER.format(starttls=self.starttls, tls=self.tls))
        (folder / "etc/main.cf").write_text(
            _MAIN.format(
                folder=folder,
                certificate=certificate,
                boxes=", ".join(f"{{ {box}@example.org = {box} }}" for box in boxes),
                uid=owner.pw_uid,
                gid=owner.pw_gid,
            )
        )
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Postfix:
        log = (self.folder / "start.log").open("wb")
        self._process = subprocess.Popen(self._command("start-fg"), stdout=log, stderr=log)
        try:
            self._until(self._answers, "postfix does not answer")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        assert self._process
        # Its script does not pass a signal on to the server.
        subprocess.run(self._command("stop"), capture_output=True, check=False)
        self._process.wait(_LONGEST)

    def delivered(self, box: str) -> list[mailbox.mboxMessage]:
        """Return what is in a box when nothing is on its way any more."""
        self._until(self._is_idle, "postfix still holds mail back")
        file = self.folder / "spool" / box
        return list(mailbox.mbox(file)) if file.exists() else []

    def _command(self, verb: str) -> list[str]:
        return ["/usr/sbin/postfix", "-c", str(self.folder / "etc"), verb]

    def _answers(self) -> bool:
        assert self._process
        assert self._process.poll() is None, self._logs()
        try:
            with socket.create_connection(("127.0.0.1", self.starttls), 1) as client:
                return client.recv(3) == b"220"
        except OSError:
            return False

    def _is_idle(self) -> bool:
        queues = ("incoming", "active", "deferred", "maildrop")
        return not any(
            path.is_file() for name in queues for path in (self.folder / "queue" / name).rglob("*")
        )

    def _until(self, true: Callable[[], bool], otherwise: str) -> None:
        give_up = time.monotonic() + _LONGEST
        while not true():
            assert time.monotonic() < give_up, f"{otherwise}:\n{self._logs()}"
            time.sleep(0.05)

    def _logs(self) -> str:
        files = [self.folder / "start.log", self.folder / "mail.log"]
        return "".join(file.read_text()[-4000:] for file in files if file.exists())


def _install() -> None:
    """Install the package if it is missing, without starting its own server."""
    if os.geteuid() != 0:
        pytest.skip("only root can start a postfix, which delivers as several users")
    if shutil.which("postfix", path=_PATH):
        return
    if not shutil.which("apt-get", path=_PATH):
        pytest.skip(f"there is no postfix here; with Debian's packages: {' '.join(_PACKAGE)}")
    # at runlevel 1 the package's own service is not started
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["apt-get", "update"], _PACKAGE):
        done = subprocess.run(command, env=environ, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"{' '.join(command)} failed: {done.stderr.strip()[-300:]}")
    if not shutil.which("postfix", path=_PATH):
        pytest.skip(f"{' '.join(_PACKAGE)} installed no postfix")


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
