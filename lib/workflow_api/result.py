"""The one shape in which every runbook answers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SCHEMA = 1
# StackStorm's web UI and API grow slow on large results and MongoDB refuses 16 MB.
MAX_BYTES = 1_000_000
# Room for saying what was cut.
_NOTE = 200


@dataclass
class Result:
    """What a runbook answers, in words and as data.

    ``changed``, ``skipped``, ``failed`` and ``left`` hold one mapping an object with at least
    ``what`` (a sentence or name) and, but for ``changed``, ``why``.
    """

    run: str | None = None
    summary: str = ""
    changed: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)
    left: list[dict[str, Any]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    text: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON data with the schema's version first."""
        return {"schema": SCHEMA, **{name: plain(value) for name, value in vars(self).items()}}


def plain(value: Any) -> Any:
    """Return ``value`` as JSON data that any reader takes, whatever a runbook put into it.

    What JSON has no form for becomes text; numbers that not every reader can hold do too.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if abs(value) < 2**63 else str(int(value))
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, Mapping):
        return {_text(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(inner) for inner in value]
    return _text(value)


def _text(value: Any) -> str:
    # A lone surrogate, which JSON lets in, could neither be sent nor stored.
    return str(value).encode("utf-8", "replace").decode()


def cap(result: dict[str, Any], limit: int = MAX_BYTES) -> dict[str, Any]:
    """Return ``result`` cut to ``limit`` bytes of JSON, saying in its summary what was cut.

    The text goes first (it repeats the rows), then rows from the end of the largest list.
    """
    if _size(result) <= limit:
        return result
    capped, room, cut = dict(result), limit // 4, 0
    if len(capped["text"].encode()) > room:
        capped["text"] = capped["text"].encode()[:room].decode(errors="ignore") + "\n[cut]\n"
    capped["summary"] = capped["summary"][:1000]
    sizes = {name: _size(capped[name]) for name in ("rows", "changed", "skipped", "failed", "left")}
    others = _size({**capped, **dict.fromkeys(sizes)}) + _NOTE
    while others + sum(sizes.values()) > limit:
        name = max(sizes, key=lambda n: sizes[n])
        if not capped[name]:
            break
        keep = len(capped[name]) * 3 // 4
        cut += len(capped[name]) - keep
        capped[name] = capped[name][:keep]
        sizes[name] = _size(capped[name])
    note = f"cut to {limit // 1000} kB: {cut} entries left out; give output_file for the whole"
    capped["summary"] += f" ({note})"
    return capped


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())
