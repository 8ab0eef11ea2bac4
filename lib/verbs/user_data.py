"""User data of a new server, from a file: a plan has its digest, since it can hold secrets.

Whoever owns the server reads them, so they come from the folders of ``files.allowed`` alone.
"""

from __future__ import annotations

import base64
import hashlib

from common.files import Places, read_allowed
from workflow_api import UserError, clean

# Nova takes 65535 characters of base64.
_MOST = 65535 // 4 * 3


def digest(places: Places, path: str) -> str:
    """Return the SHA-256 of a file. Raises UserError if it cannot be user data."""
    return hashlib.sha256(_content(places, path)).hexdigest()


def encoded(places: Places, path: str, sha256: str | None) -> str:
    """Return a file's content as Nova takes it.

    Raises UserError if it is not what the digest was taken of.
    """
    content = _content(places, path)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise UserError(f"user_data_file {clean(path)} is not as it was when this was planned.")
    return base64.b64encode(content).decode()


def _content(places: Places, path: str) -> bytes:
    return read_allowed(places, "user_data_file", path, most=_MOST)
