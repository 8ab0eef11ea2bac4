"""docs/MAIL_TEMPLATES.md tells of every notice, variable and type, and its example is a notice."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from accounts.mail_config import Organisation
from email_api.environment import environment
from email_api.notices import example, names, notice
from email_api.variables import Kind

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs" / "MAIL_TEMPLATES.md").read_text()


@pytest.mark.parametrize("name", names())
def test_every_variable_has_a_row(name: str) -> None:
    section = PAGE.split(f"\n### {name}\n")[1].split("\n### ")[0]
    shared = PAGE.split("\n## Our notices\n")[1].split("\n### ")[0]
    for variable, spec in notice(name).schema.variables.items():
        assert f"\n| `{variable}` | {spec.type}" in section + shared
        for column in spec.columns:
            assert f"\n| `{variable}[].{column}` | " in section


def test_every_type_and_filter_of_ours_has_a_row() -> None:
    for kind in get_args(Kind):
        for inner in get_args(kind) or (kind,):
            assert f"\n| `{inner}` | " in PAGE
    ours = {
        name
        for name, made in environment(()).filters.items()
        if made.__module__ == environment.__module__
    }
    rows = set(re.findall(r"^\| `(?:\w+ \\\| )?(\w+)(?:\([^`]*\))?` \| ", PAGE, re.MULTILINE))
    assert ours > {"table", "day"}
    assert ours | {"listed"} <= rows


def test_the_example_of_the_page_is_a_notice(tmp_path: Path) -> None:
    (tmp_path / "volume_cleanup").mkdir()
    found = re.findall(r"^`(volume_cleanup/\S+)`.*?\n```\w+\n(.*?)^```$", PAGE, re.M | re.S)
    assert len(found) == 5
    for path, source in found:
        (tmp_path / path).write_text(source)
    given = example("volume_cleanup", [tmp_path])
    made = notice("volume_cleanup", [tmp_path]).render(given, Organisation())
    assert made.subject == "2 volumes of yours are not in use"
    assert "scratch  200 GiB  2025-03-01 08:00" in made.text
    assert "What is not in use on 31 December 2026 is deleted then.\n" in made.text
    assert "<strong>31 December 2026</strong>" in made.html
