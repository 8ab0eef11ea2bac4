"""Writing an answer to a file that the operator named."""

from __future__ import annotations

import os
from collections.abc import Sequence

from common.errors import UserError
from common.files import Places, check_absolute

#: What a file's name ends with that says why the one beside it is short.
INCOMPLETE = ".incomplete"


class OutputFile:
    """A file that an answer is to be written to, looked at before anything is asked.

    Raises UserError for what is no absolute path below an allowed folder, for a folder that is not
    there or may not be written to, and for what is there and is not a file of ours.
    """

    def __init__(self, given: str, places: Places) -> None:
        self._given, self._places = given, places
        self._folder, self._name = os.path.split(given)
        check_absolute("output_file", given)
        if self._name in ("", ".", ".."):
            raise UserError(f"output_file {given} cannot be written: it names no file.")
        with places.folder("output_file", self._folder) as folder:
            folder.check(self._name)

    def write(self, text: str, reasons: Sequence[str] = ()) -> None:
        """Write the whole file or nothing, readable by its owner and group only.

        ``reasons`` say why the answer is short, where the text itself cannot: they go into a file
        beside it. One that an earlier answer left there is removed. Raises UserError.
        """
        beside = self._name + INCOMPLETE
        with self._places.folder("output_file", self._folder) as folder:
            if reasons:  # first, so that nobody finds a short answer that is not marked
                folder.write(beside, "".join(f"{reason}\n" for reason in reasons).encode())
            folder.write(self._name, text.encode("utf-8", "replace"))
            if not reasons:
                folder.remove(beside)

    def __str__(self) -> str:
        return self._given
