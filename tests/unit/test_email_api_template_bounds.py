"""An operator's template that would take for ever, or do something by itself, is told in words."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from accounts.mail_config import Organisation
from email_api.notices import notice
from support.sampling import sampled
from workflow_api import UserError

SCHEMA = """about: Ours.
variables:
  who: {about: a name}
  names: {about: some, type: texts}
  more: {about: where, type: link, optional: true}
"""
HTML = '{% extends "layout.html.j2" %}\n{% block content %}<p>Hi.</p>{% endblock %}\n'
NAMES = [f"n{number}" for number in range(500)]


def made(folder: Path, **parts: str) -> Any:
    place = folder / "own"
    place.mkdir()
    files = {"schema.yaml": SCHEMA, "subject.j2": "S", "text.j2": "T", "html.j2": HTML, **parts}
    for file, text in files.items():
        (place / file).write_text(text)
    given = {"who": "Ann", "names": NAMES, "more": "https://example.org/"}
    return notice("own", [folder]).render(given, Organisation())


NESTED = "{% for a in names %}" * 4 + "x" + "{% endfor %}" * 4
ENDLESS = {
    "nested loops": NESTED,
    "loops that make nothing": "{% for a in names %}{% for b in names %}{% for c in names %}"
    "{% set x = a %}{% endfor %}{% endfor %}{% endfor %}",
    "a macro that calls itself twice": "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}"
    "{% endif %}{% endmacro %}{{ m(60) }}",
    "a template that takes itself in twice": '{% include "own/text.j2" %}' * 2,
    "a power of powers": "{{ 9 ** 9 ** 9 }}",
    "a power of a variable": "{% set n = 9 %}{{ n ** n ** n }}",
    "a long text": "{{ 'x' * 10 ** 9 }}",
    "a long list": "{{ ([1] * 10 ** 9) | length }}",
    "a text that doubles": "{% set n = namespace(t='xx') %}{% for a in names %}"
    "{% set n.t = n.t ~ n.t %}{% endfor %}{{ n.t }}",
    "a sum that doubles": "{% set n = namespace(t='xx') %}{% for a in names %}"
    "{% set n.t = n.t + n.t %}{% endfor %}{{ n.t }}",
    "a number that squares": "{% set n = namespace(t=9) %}{% for a in names %}"
    "{% set n.t = n.t * n.t %}{% endfor %}{{ n.t }}",
    "a wide column": "{{ who | center(10 ** 9) }}",
    "a constant width": "{{ 'x' | center(1000000000) }}",
    "a deep indent": "{{ who | indent(10 ** 9) }}",
    "a wide format": "{{ '%1000000000d' % 1 }}",
    "a formatting filter": "{{ '%1000000000d' | format(1) }}",
    "a formatting method": "{{ '{:>1000000000}'.format(1) }}",
    "a padding method": "{{ who.ljust(10 ** 9) }}",
    "slices": "{{ names | slice(10 ** 9) | list | length }}",
    "a loop that goes into itself": "{% for a in names recursive %}{{ loop(names) }}{% endfor %}",
}


@pytest.mark.parametrize("what", sampled(ENDLESS, 8))
def test_a_template_that_takes_for_ever_is_told_in_words(what: str, tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(UserError) as caught:
        made(tmp_path, **{"text.j2": ENDLESS[what]})
    assert time.monotonic() - began < 20
    assert "Notice own: " in str(caught.value)
    assert "text.j2" in str(caught.value) or "No filter" in str(caught.value)


def test_what_mails_need_is_far_within_the_bounds(tmp_path: Path) -> None:
    text = (
        "{% for a in names %}{% for b in names[:50] %}{% if loop.last %}{{ a ~ b }}{% endif %}"
        "{% endfor %}{% endfor %}{{ 2 ** 10 + 1 }} {{ names | join(', ') | length }} "
        "{% for a in names | batch(100) %}{{ loop.length }}{% endfor %}{{ 7 % 3 }} {{ who * 2 }}"
    )
    mail = made(tmp_path, **{"text.j2": text})
    assert "1025" in mail.text
    assert "AnnAnn" in mail.text


@pytest.mark.parametrize(
    ("html", "why"),
    [
        ("<script>alert(1)</script>", "line 2: <script> would do something"),
        ("<SCRIPT src=x>", "<script> would do something"),
        ('<img src="cid:logo" onerror="alert(1)">', "onerror= would do something"),
        ('<p\nonclick = "x()">', "onclick= would do something"),
        ("<form action=https://example.org>", "<form> would do something"),
        ('<a href="javascript:alert(1)">x</a>', "a link leads to javascript:"),
        ('<a href="JaVa&#83;cript:alert(1)">x</a>', "a link leads to javascript:"),
        ('<a href=" java\tscript:alert(1)">x</a>', "a link leads to javascript:"),
        ("<a href='vbscript:x'>x</a>", "a link leads to vbscript:"),
        ("<a href=data:text/html,x>x</a>", "a link leads to data:"),
        ('<a href="{{ who }}">x</a>', "a link is made of 'who', which may be anything"),
    ],
)
def test_what_does_something_by_itself_is_refused(html: str, why: str, tmp_path: Path) -> None:
    source = HTML.replace("<p>Hi.</p>", f"<p>Hi.</p>{html}")
    with pytest.raises(UserError, match=r"Notice own: .*html\.j2, line \d") as caught:
        made(tmp_path, **{"html.j2": source})
    assert why in str(caught.value)


@pytest.mark.parametrize(
    "html",
    [
        '<a href="https://example.org/x?on=1">on time = now</a>',
        '<a href="mailto:ops@example.org">x</a>',
        '<a href="{{ more }}">x</a>',
        '<a href="{{ who | web }}">x</a>',
        "{# <script> #}",
        "<p>javascript: is a word</p>",
    ],
)
def test_links_are_fine(html: str, tmp_path: Path) -> None:
    source = HTML.replace("<p>Hi.</p>", f"<p>Hi.</p>{html}")
    assert "Hi." in made(tmp_path, **{"html.j2": source}).html


def test_a_file_that_is_no_template(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="larger than 1 MiB"):
        made(tmp_path, **{"text.j2": "x" * (2**20 + 1)})
    (tmp_path / "b").mkdir()
    with pytest.raises(UserError, match=r"text\.j2"):
        made(tmp_path / "b", **{"text.j2": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}"})
