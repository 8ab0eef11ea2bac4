"""The files that an account names: its authority, its client certificate and its key."""

from __future__ import annotations

import os
from collections.abc import Mapping

from common.errors import UserError
from common.files import read_regular
from common.text import clean


def check_readable(files: Mapping[str, str | None], where: str) -> None:
    """Raise UserError, which begins with ``where``, for a file that cannot be read.

    ``files`` has the paths by the keys of the configuration that name them.
    """
    for key, path in files.items():
        if not path or (key == "cacert" and os.path.isdir(path)):
            continue  # an authority may be a folder of hashed certificates
        try:
            read_regular(path)
        except FileNotFoundError:
            raise UserError(
                f"{where}: there is no file {clean(path)}, which {key} names."
            ) from None
        except OSError as error:
            raise UserError(
                f"{where}: {clean(path)}, which {key} names, cannot be read: "
                f"{clean(error.strerror)}."
            ) from None
