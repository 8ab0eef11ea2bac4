"""What a notice is made from: whoever approved its mails wants to know when that has changed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from email_api.environment import OURS, PARTS, find, read

# Names of templates as templates write them, whatever they do with them.
_NAMED = re.compile(r"""["']([^"'\n]+\.j2)["']""")


def sources(name: str, directories: Sequence[str | Path] = ()) -> dict[str, str]:
    """Return the text of every file that the notice called ``name`` is made from, by its name.

    They are read again each time. Raises UserError for one that cannot be read.
    """
    places = (*map(Path, directories), OURS)
    waiting = ["common.yaml", f"{name}/schema.yaml", *(f"{name}/{part}" for part in PARTS)]
    found: dict[str, str] = {}
    while waiting:
        file = waiting.pop()
        path = None if file in found else find(file, places)
        if path is not None:
            found[file] = read(path)
            waiting += _NAMED.findall(found[file])
    return found
