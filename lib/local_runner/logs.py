"""Where tracebacks go: a small file of this user's, never the terminal."""

from __future__ import annotations

import errno
import io
import logging
import logging.handlers
import os
import stat
from pathlib import Path

from local_runner.configuration import private, state_folder

_BYTES, _KEPT = 1_000_000, 3
# Nothing is written through a link, and no pipe is waited for.
_APPENDED = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_APPEND
    | os.O_NOFOLLOW
    | os.O_NONBLOCK
    | os.O_NOCTTY
    | os.O_CLOEXEC
)


class LogFile(logging.handlers.RotatingFileHandler):
    """A rotating file that only its owner reads, opened when there is something to write."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=_BYTES, backupCount=_KEPT, encoding="utf-8", delay=True)
        self.path = path
        self.note = ""
        self.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, and remember where it went or that it did not."""
        private(self.path.parent)
        self.note = f"The log is {self.path}."
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # logging's own name
        """A log that cannot be written must not end a run."""
        self.note = f"The log {self.path} could not be written, so the traceback is lost."

    def _open(self) -> io.TextIOWrapper:
        file = os.open(self.path, _APPENDED, 0o600)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise OSError(errno.EINVAL, "it is not a regular file")
        return io.TextIOWrapper(os.fdopen(file, "ab"), encoding="utf-8")


def log_to_file() -> LogFile:
    """Send the pack's log to the file, and keep every other library's warnings off the screen."""
    handler = LogFile(state_folder() / "log")
    logger = logging.getLogger("openstack_ops")
    for old in [h for h in logger.handlers if isinstance(h, LogFile)]:
        logger.removeHandler(old)
        old.close()
    logger.addHandler(handler)
    logger.propagate = False
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.NullHandler())
    return handler
