"""The one shape in which every runbook answers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workflow_api.rows import Rows

SCHEMA = 1
# StackStorm's web UI and API grow slow on large results and MongoDB refuses 16 MB.
MAX_BYTES = 1_000_000
# Room for saying what was cut.
_NOTE = 200


@dataclass
class Result:
    """What a runbook answers, in words and as data.

    ``changed``, ``skipped``, ``failed`` and ``left`` hold one mapping an object with at least
    ``what`` (a sentence or name) and, but for ``changed``, ``why``. ``complete=False`` says that
    an answer is not whole; ``left`` then says what is missing and why.
    """

    run: str | None = None
    summary: str = ""
    complete: bool = True
    changed: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)
    left: list[dict[str, Any]] = field(default_factory=list)
    rows: Sequence[dict[str, Any]] = field(default_factory=list)
    text: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON data with the schema's version first."""
        return {"schema": SCHEMA, **{name: plain(value) for name, value in vars(self).items()}}

    def trim(self, limit: int = MAX_BYTES) -> int:
        """Let go of rows that ``cap`` would cut in any case; return how many.

        A large table is then not prepared whole for an answer that shows the start of it.
        """
        room, kept = limit - min(len(self.text), limit // 4), 0
        # Cut far behind what is shown: a secret must still be whole where it is looked for.
        self.text = self.text[:limit]
        for row in self.rows:
            room -= len(json.dumps(row, ensure_ascii=False, default=str, skipkeys=True))
            if room < 0:
                break
            kept += 1
        cut = len(self.rows) - kept
        self.rows = self.rows[:kept]
        return cut


def plain(value: Any) -> Any:
    """Return ``value`` as JSON data that any reader takes, whatever a runbook put into it.

    What JSON has no form for becomes text; numbers that not every reader can hold do too.
    """
    kind = type(value)
    if kind is str:  # asked first because there are so many of them
        return value if value.isascii() else _text(value)
    if value is None or kind is bool:
        return value
    if isinstance(value, int):
        return int(value) if abs(value) < 2**63 else str(int(value))
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, Mapping):
        return {_text(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset, Rows)):
        return [plain(inner) for inner in value]
    return _text(value)


def _text(value: Any) -> str:
    # A lone surrogate, which JSON lets in, could neither be sent nor stored.
    if type(value) is str and value.isascii():
        return value
    return str(value).encode("utf-8", "replace").decode()


def cap(result: dict[str, Any], limit: int = MAX_BYTES, cut: int = 0) -> dict[str, Any]:
    """Return ``result`` cut to ``limit`` bytes of JSON, saying in its summary what was cut.

    The text goes first (it repeats the rows), then rows from the end of the largest list. ``cut``
    is how many entries were left out before.
    """
    if not cut and _size(result) <= limit:
        return result
    capped, room = dict(result), limit // 4
    if len(capped["text"].encode()) > room:
        capped["text"] = capped["text"].encode()[:room].decode(errors="ignore") + "\n[cut]\n"
    capped["summary"] = capped["summary"][:1000]
    sizes = {name: _size(capped[name]) for name in ("rows", "changed", "skipped", "failed", "left")}
    others = _size({**capped, **dict.fromkeys(sizes)}) + _NOTE
    while others + sum(sizes.values()) > limit:
        name = max(sizes, key=lambda n: sizes[n])
        if not capped[name]:
            break
        keep = len(capped[name]) * 15 // 16
        cut += len(capped[name]) - keep
        capped[name] = capped[name][:keep]
        sizes[name] = _size(capped[name])
    note = f"cut to {limit // 1000} kB: {cut} entries left out; give output_file for the whole"
    capped["summary"] += f" ({note})"
    return capped


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())
