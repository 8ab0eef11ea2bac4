"""The pictures of docs/ARCHITECTURE.md show the folders and the errors that there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import engine.run_lease  # noqa: F401 - so that no error is missed that stands outside common
from common.errors import RunbookError
from email_api.connecting import SmtpError
from sizes import sizes

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs" / "ARCHITECTURE.md").read_text()


def picture(heading: str) -> str:
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = re.search(r"```text\n(.*?)```", section, re.DOTALL)
    assert found
    return found[1]


def test_every_folder_is_in_the_picture() -> None:
    folders = {path.parent.name for path in (TOP / "lib").glob("*/__init__.py")}
    inner = {path.parent.name for path in (TOP / "lib" / "query_api").glob("*/__init__.py")}
    drawn = picture("The folders, and who may import whom")
    assert set(re.findall(r"\b(\w+)/(?=\s)", drawn)) - {"actions"} == folders
    assert inner <= set(re.findall(r"\w+", drawn))


def test_the_table_says_how_large_folders_are() -> None:
    """To a tenth, or two modules, so that not every change is one of this page."""
    rows = re.findall(r"^\| `(\w+)/` \| (\d+) \| (\d+) \|$", PAGE, re.MULTILINE)
    told = {name: (int(modules), int(lines)) for name, modules, lines in rows}
    found = sizes()
    assert told.keys() == found.keys(), "run `make sizes`"
    off = {
        name: (told[name], (modules, lines))
        for name, (modules, lines) in found.items()
        if abs(told[name][0] - modules) > max(2, modules / 10)
        or abs(told[name][1] - lines) > max(100, lines / 10)
    }
    assert off == {}, "run `make sizes`"


def test_the_tree_of_errors_is_the_one_of_the_code() -> None:
    """The name of each error, how deep it stands, and how a call ends that lets it out."""
    drawn = [
        (len(found[1]) // 4, found[2], found[3])
        for line in picture("Errors").splitlines()
        if (found := re.match(r"([│├└─ ]*)(\w+)(?: {2,}(failed|refused|interrupted) )?", line))
    ]
    assert [(depth, name) for depth, name, _ in drawn] == [
        (depth, kind.__name__) for depth, kind in tree(RunbookError)
    ]
    known = {kind.__name__: kind for _, kind in tree(RunbookError)}
    above: dict[int, str] = {}
    for depth, name, ending in drawn:
        above[depth] = ending or above[depth - 1]
        assert known[name].ending == above[depth], name


def tree(kind: type[RunbookError], depth: int = 0) -> Iterator[tuple[int, type[RunbookError]]]:
    yield depth, kind
    # Those of query_api and the like that are a kind of UserError only there are left out.
    for inner in kind.__subclasses__():
        if inner.__module__ in ("common.errors", SmtpError.__module__):
            yield from tree(inner, depth + 1) if inner.__bases__[0] is kind else ()
