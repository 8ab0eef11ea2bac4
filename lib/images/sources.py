"""Where an image's data come from: a file of the action runner, or an address for Glance itself."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator

from common.errors import StepFailed, UserError
from common.files import Places, open_regular
from common.text import clean

_PART = 1024 * 1024
_URL = re.compile(r"https?://[^\s/]+\S*", re.IGNORECASE)


def is_address(source: str) -> bool:
    """Return whether a source is an http or https address."""
    return bool(_URL.fullmatch(source))


class ImageFile:
    """A file that is read from its beginning as often as it is sent, and hashed meanwhile.

    ``size`` is how many bytes it has to have.
    """

    def __init__(self, places: Places, path: str, size: int) -> None:
        self._places, self._path, self._size = places, path, size
        #: The SHA-512 of what was read last.
        self.sha512 = ""

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        digest, seen = hashlib.sha512(), 0
        with open_regular(self._places, "source", self._path) as file:
            while part := file.read(_PART):
                digest.update(part)
                seen += len(part)
                if seen > self._size:
                    break
                yield part
        if seen != self._size:
            raise StepFailed(f"{clean(self._path)} is not {self._size} bytes long any more.")
        self.sha512 = digest.hexdigest()


def size_of(places: Places, path: str) -> int:
    """Return how many bytes a file has; raises UserError if it may not be read, or is empty."""
    with open_regular(places, "source", path) as file:
        size = os.fstat(file.fileno()).st_size
    if not size:
        raise UserError(f"source {clean(path)} is empty.")
    return size


def digest_of(places: Places, path: str, algorithm: str) -> str:
    """Return the hash of a file by the name that hashlib has for the algorithm."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with open_regular(places, "source", path) as file:
        while part := file.read(_PART):
            digest.update(part)
    return digest.hexdigest()
