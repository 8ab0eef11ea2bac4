"""Writing an answer to a file that the operator named."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from workflow_api.errors import UserError


def write(path: Path, text: str) -> None:
    """Write the whole file or nothing, readable by its owner and group only."""
    if not path.is_absolute():
        raise UserError(f"output_file must be an absolute path, not {str(path)!r}.")
    draft = None
    try:
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, delete=False, encoding="utf-8", errors="replace"
        ) as file:
            draft = file.name
            file.write(text)
        os.chmod(draft, 0o640)
        os.replace(draft, path)
    except OSError as error:
        if draft is not None:
            Path(draft).unlink(missing_ok=True)
        why = error.strerror or type(error).__name__
        raise UserError(f"output_file {path} cannot be written: {why}.") from None
