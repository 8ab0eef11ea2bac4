"""The one shape in which every runbook answers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from common.rows import Rows

SCHEMA = 1
# StackStorm's web UI and API grow slow on large results and MongoDB refuses 16 MB.
MAX_BYTES = 1_000_000
# Room for saying what was cut.
_NOTE = 500
# Characters of a summary, which stands where there is one line; the text has what is longer.
_SUMMARY = 2000
# The lists of a result in the order in which they are shown.
_LISTS = ("changed", "skipped", "failed", "left", "rows")


class Result(msgspec.Struct):
    """What a runbook answers, in words and as data.

    ``changed``, ``skipped``, ``failed`` and ``left`` hold one mapping an object with at least
    ``what`` (a sentence or name) and, but for ``changed``, ``why``. ``complete`` says that the
    answer is whole and what was asked for was done; ``left`` otherwise says what is missing and
    why, and ``truncated`` how many entries of each list (and characters of the text) were cut.
    ``output_file`` is where the whole answer was written to, if it was.
    """

    run: str | None = None
    summary: str = ""
    complete: bool = True
    changed: list[dict[str, Any]] = msgspec.field(default_factory=list)
    skipped: list[dict[str, Any]] = msgspec.field(default_factory=list)
    failed: list[dict[str, Any]] = msgspec.field(default_factory=list)
    left: list[dict[str, Any]] = msgspec.field(default_factory=list)
    rows: Sequence[dict[str, Any]] = msgspec.field(default_factory=list)
    text: str = ""
    output_file: str | None = None
    truncated: dict[str, int] = msgspec.field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON data: first what a person reads, last what fills screens."""
        return {
            "summary": plain(self.summary),
            "text": plain(self.text),
            "schema": SCHEMA,
            "run": self.run,
            "complete": self.complete,
            "truncated": dict(self.truncated),
            "output_file": self.output_file,
            **{name: plain(getattr(self, name)) for name in _LISTS},
        }

    def trim(self, limit: int = MAX_BYTES) -> None:
        """Let go of what ``cap`` would cut in any case.

        A large table is then not prepared whole for an answer that shows the start of it.
        """
        room, kept = limit - min(len(self.text), limit // 4), 0
        # Cut far behind what is shown: a secret must still be whole where it is looked for.
        _count(self.truncated, "text", len(self.text) - limit)
        self.text = self.text[:limit]
        for row in self.rows:
            room -= len(json.dumps(row, ensure_ascii=False, default=str, skipkeys=True))
            if room < 0:
                break
            kept += 1
        _count(self.truncated, "rows", len(self.rows) - kept)
        self.rows = self.rows[:kept]


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


def cap(result: dict[str, Any], limit: int = MAX_BYTES) -> dict[str, Any]:
    """Return ``result`` cut to ``limit`` bytes of JSON.

    The text goes first (it repeats the rows), then entries from the end of the largest list. What
    was cut is counted in ``truncated``, and the summary says so and where the whole is. A result
    that was cut, by ``Result.trim`` or here, is not complete. A summary that repeats a long value
    is shortened: that one stands in the text.
    """
    if len(result["summary"]) > _SUMMARY:
        result = {**result, "summary": result["summary"][: _SUMMARY - 1] + "…"}
    if not result["truncated"] and _size(result) <= limit:
        return result
    cut, room = dict(result["truncated"]), limit // 4
    capped = {**result, "complete": False, "truncated": cut}
    capped["text"] = shown = leading(result["text"], room)
    _count(cut, "text", len(result["text"]) - len(shown))
    if "text" in cut:
        capped["text"] = shown.removesuffix("\n") + "\n[cut]\n"
    capped["summary"] = capped["summary"][:1000]
    sizes = {name: _size(capped[name]) for name in _LISTS}
    others = _size({**capped, **dict.fromkeys(_LISTS)}) + _NOTE
    while others + sum(sizes.values()) > limit:
        name = max(sizes, key=lambda n: sizes[n])
        if not capped[name]:
            break
        keep = len(capped[name]) * 15 // 16
        _count(cut, name, len(capped[name]) - keep)
        capped[name] = capped[name][:keep]
        sizes[name] = _size(capped[name])
    missing = [f"{number} of {name}" for name, number in cut.items() if name != "text"]
    left_out = f": {', '.join(missing)} left out" if missing else ""
    capped["summary"] += f" (cut to {limit // 1000} kB{left_out}; {whereabouts(result)})"
    return capped


def whereabouts(result: Mapping[str, Any]) -> str:
    """Return where the whole of an answer is that is too long to be shown, as half a sentence."""
    if result["output_file"]:
        return f"the whole is in {result['output_file']}"
    if result["run"]:
        return f"for the whole: run.show run={result['run']} output_file=<path>"
    return "give output_file for the whole"


def leading(text: str, limit: int) -> str:
    """Return as many whole lines from the start of a text as ``limit`` bytes of UTF-8 hold.

    If not even the first one fits, as much of it as does.
    """
    encoded = text.encode()
    if len(encoded) <= limit:
        return text
    fits = encoded[:limit]
    whole = fits[: fits.rfind(b"\n") + 1]
    return (whole or fits).decode(errors="ignore")


def _count(truncated: dict[str, int], name: str, number: int) -> None:
    if number > 0:
        truncated[name] = truncated.get(name, 0) + number


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())
