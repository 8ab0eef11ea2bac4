"""User data of a new server, from a file: a plan has its digest, since it can hold secrets."""

from __future__ import annotations

import base64
import hashlib

from common.files import check_absolute, read_regular
from workflow_api import UserError, clean

# Nova takes 65535 characters of base64.
_MOST = 65535 // 4 * 3


def digest(path: str) -> str:
    """Return the SHA-256 of a file. Raises UserError if it cannot be user data."""
    return hashlib.sha256(_content(path)).hexdigest()


def encoded(path: str, sha256: str | None) -> str:
    """Return a file's content as Nova takes it.

    Raises UserError if it is not what the digest was taken of.
    """
    content = _content(path)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise UserError(f"user_data_file {clean(path)} is not as it was when this was planned.")
    return base64.b64encode(content).decode()


def _content(path: str) -> bytes:
    check_absolute("user_data_file", path)
    try:
        content = read_regular(path)
    except OSError as error:
        why = clean(error.strerror or type(error).__name__)
        raise UserError(f"user_data_file {clean(path)} cannot be read: {why}.") from None
    if len(content) > _MOST:
        raise UserError(
            f"user_data_file {clean(path)} has {len(content)} bytes, and Nova takes {_MOST}."
        )
    return content
