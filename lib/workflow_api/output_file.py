"""Writing an answer to a file that the operator named."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workflow_api.errors import UserError

#: What a file's name ends with that says why the one beside it is short.
INCOMPLETE = ".incomplete"


class OutputFile:
    """A file that an answer is to be written to, looked at before anything is asked.

    Raises UserError for what is no absolute path, for a folder that is not there or may not be
    written to, and for what is there and is no regular file, as a pipe or a device. Where a
    symbolic link is, the file that it points to is written.
    """

    def __init__(self, given: Any) -> None:
        if not isinstance(given, str) or not given.startswith("/") or "\0" in given:
            raise UserError(f"output_file must be an absolute path, not {given!r}.")
        self._given, self._target = given, Path(os.path.realpath(given))
        folder = self._target.parent
        try:
            folder.stat()
        except OSError as error:
            raise self._wrong(error.strerror) from None
        if not folder.is_dir():
            raise self._wrong(f"{folder} is no folder")
        if self._target.exists() and not self._target.is_file():
            raise self._wrong("it is there and is no regular file")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise self._wrong(f"{folder} may not be written to")

    def write(self, text: str, reasons: Sequence[str] = ()) -> None:
        """Write the whole file or nothing, readable by its owner and group only.

        ``reasons`` say why the answer is short, where the text itself cannot: they go into a file
        beside it. One that an earlier answer left there is removed. Raises UserError.
        """
        beside = self._target.with_name(self._target.name + INCOMPLETE)
        try:
            if reasons:  # first, so that nobody finds a short answer that is not marked
                _replace(beside, "".join(f"{reason}\n" for reason in reasons))
            _replace(self._target, text)
            if not reasons:
                beside.unlink(missing_ok=True)
        except OSError as error:
            raise self._wrong(error.strerror or type(error).__name__) from None

    def _wrong(self, why: str | None) -> UserError:
        return UserError(f"output_file {self._given} cannot be written: {why}.")

    def __str__(self) -> str:
        return self._given


def _replace(path: Path, text: str) -> None:
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:50]}.")
    try:
        with open(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        os.chmod(draft, 0o640)
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise
