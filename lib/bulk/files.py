"""The rows of a file: CSV as Excel and others write it, or a JSON list of objects.

A file is read whole, or refused with all that is wrong with it and where. It lies below the folders
of ``files.allowed``: what stands in it goes to the cloud, and into the result.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import msgspec

from common.errors import Refused, UserError
from common.files import Places, read_allowed
from common.text import clean, count

#: The most rows of a file.
MOST_ROWS = 10_000
_DELIMITERS = ",;\t"
_SEPARATOR = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
_QUOTED = re.compile(r'"[^"]*"')
# So many of the things that are wrong are told.
_TOLD = 200


class Cells(msgspec.Struct, frozen=True):
    """One row of a file: where it begins (``line 7``), its number there, its values by column."""

    place: str
    number: int
    values: Mapping[str, Any]


class Sheet(msgspec.Struct, frozen=True):
    """A file: its columns, its rows, and what is wrong with those that are none, with where."""

    path: str
    columns: list[str]
    rows: list[Cells]
    wrong: list[str]

    def refuse(self, wrong: list[str]) -> None:
        """Raise Refused if anything is wrong, with all of it."""
        if not wrong:
            return
        told = wrong[:_TOLD]
        if len(wrong) > _TOLD:
            told.append(f"{len(wrong) - _TOLD} more")
        raise Refused(f"The file {clean(self.path)}", told, advice="Nothing was done.")


def read(places: Places, path: str) -> Sheet:
    """Return what stands in a file; raises UserError for one that cannot be read as any."""
    content = read_allowed(places, "file", path)
    text = _text(path, content)
    is_json = path.lower().endswith(".json") or text.lstrip()[:1] in ("[", "{")
    sheet = _of_json(path, text) if is_json else _of_csv(path, text)
    if not sheet.rows and not sheet.wrong:
        _no(path, "it has no rows")
    if len(sheet.rows) > MOST_ROWS:
        _no(path, f"it has {len(sheet.rows)} rows, and {MOST_ROWS} is the most")
    return sheet


def _text(path: str, content: bytes) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        _no(path, "it is UTF-16: save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        _no(path, f"line {line} is not UTF-8: save it as UTF-8")


def _no(path: str, why: str) -> NoReturn:
    raise UserError(f"file {clean(path)} cannot be used: {why}.", advice="Nothing was done.")


# -- CSV ---------------------------------------------------------------------------------------


def _of_csv(path: str, text: str) -> Sheet:
    lines, delimiter = 0, ""
    if said := _SEPARATOR.match(text):  # how Excel is told
        lines, delimiter, text = 1, said[1], text[said.end() :]
    delimiter = delimiter or _delimiter(text)
    records = _records(text, delimiter, lines)
    wrong: list[str] = []
    rows: list[Cells] = []
    header: list[str] = []
    for line, cells in records:
        if isinstance(cells, str):
            wrong.append(f"line {line}: {cells}")
        elif not header:
            header = cells
        elif any("\0" in cell for cell in cells):
            wrong.append(f"line {line}: it holds a NUL character")
        elif len(cells) != len(header):
            few = "only " if len(cells) < len(header) else ""
            wrong.append(f"line {line}: it has {few}{count(len(cells), 'cell')} of {len(header)}")
        else:
            rows.append(Cells(f"line {line}", line, dict(zip(header, cells, strict=True))))
    header = _header(path, header, rows)
    rows = [Cells(one.place, one.number, {c: one.values[c] for c in header}) for one in rows]
    return Sheet(path, header, rows, wrong)


def _delimiter(text: str) -> str:
    """Return what parts the columns: what the first lines have as often as each other, and most.

    What stands in quotes is not looked at.
    """
    first, second, *_ = *_QUOTED.sub("", text).lstrip("\r\n").split("\n", 2), "", ""

    def likely(mark: str) -> tuple[bool, int]:
        number = first.count(mark)
        return number > 0 and number == second.count(mark), number

    return max(_DELIMITERS, key=likely)


def _records(text: str, delimiter: str, before: int) -> Iterator[tuple[int, list[str] | str]]:
    """Yield each record with the line that it begins on: its cells, or what is wrong with it.

    What holds nothing at all is none.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = before + reader.line_num + 1
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            yield line, f"its quotes are wrong ({clean(error)}); the rest was not read"
            return
        if any(cells):
            yield line, cells


def _header(path: str, header: list[str], rows: list[Cells]) -> list[str]:
    """Return the columns; those without a name and without a value are none."""
    named = [name for name in header if name]
    if any(row.values.get("") for row in rows):
        _no(path, "a column has no name")
    if twice := {name for name in named if named.count(name) > 1}:
        _no(path, f"{count(len(twice), 'column')} appear twice")
    if not named:
        _no(path, "it has no columns: its first line names them")
    return named


# -- JSON --------------------------------------------------------------------------------------


def _of_json(path: str, text: str) -> Sheet:
    try:
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_number)
    except (ValueError, RecursionError) as error:
        where = (
            f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else ""
        )
        _no(path, f"it is not JSON ({where or clean(error)})")
    if not isinstance(found, list):
        _no(path, "its JSON is not a list of objects")
    wrong, rows = [], []
    for number, entry in enumerate(found, 1):
        if not isinstance(entry, dict):
            wrong.append(f"row {number}: it is not an object")
        else:
            rows.append(Cells(f"row {number}", number, entry))
    columns = list(dict.fromkeys(name for row in rows for name in row.values))
    return Sheet(path, columns, rows, wrong)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has a name twice")
    return found


def _number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number")
