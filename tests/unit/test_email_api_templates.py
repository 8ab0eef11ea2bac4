"""An operator's own templates and schemas, checked as ours are; variables that are wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from accounts.mail_config import Organisation
from email_api import environment, notices
from email_api.notices import example, names, notice
from email_api.rendering import finished
from email_api.styles import STYLES, contrast, inlined, look
from support.mail_notices import Page
from workflow_api import NotFound, UserError

SCHEMA = """about: Ours.
variables:
  who: {about: a name}
  servers: {about: some, type: rows, optional: true, columns: {name: {about: its name}}}
"""
HTML = '{% extends "layout.html.j2" %}\n{% block content %}<p>Hi {{ who }}.</p>{% endblock %}\n'


def own(folder: Path, name: str = "own", **parts: str) -> list[Path]:
    """Write a notice of an operator's, and return where it is looked for."""
    place = folder / name
    place.mkdir()
    files = {"schema.yaml": SCHEMA, "subject.j2": "To {{ who }}", "text.j2": "Hi {{ who }}."}
    files |= {"html.j2": HTML} | {part.replace("_", "."): text for part, text in parts.items()}
    for file, text in files.items():
        (place / file).write_text(text)
    return [folder]


def made(directories: list[Path], **given: Any) -> Any:
    return notice("own", directories).render({"who": "<Ann>", **given}, Organisation())


def fault(directories: list[Path], **given: Any) -> str:
    with pytest.raises(UserError) as caught:
        made(directories, **given)
    return str(caught.value)


# -- finding -----------------------------------------------------------------------------------


def test_an_operators_notice_is_found_beside_ours(tmp_path: Path) -> None:
    directories = own(tmp_path)
    assert {"own", "test"} < set(names(directories))
    mail = made(directories)
    assert (mail.subject, mail.text) == ("To <Ann>", "Hi <Ann>.\n")
    assert "Hi &lt;Ann&gt;." in mail.html


def test_one_part_of_ours_can_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "subject.j2").write_text("Probe {{ account }}")
    (tmp_path / "layout.text.j2").write_text("{% block content %}{% endblock %}\nBye.")
    mail = notice("test", [tmp_path]).render(example("test", [tmp_path]), Organisation())
    assert mail.subject == "Probe relay"
    assert mail.text.endswith("You need do nothing.\nBye.\n")
    ours = notice("test").render(example("test"), Organisation())
    assert ours.subject == "Test mail through relay"


def test_ours_can_be_built_upon(tmp_path: Path) -> None:
    text = '{% extends "ours/layout.text.j2" %}{% block greeting %}Dear {{ who }}{% endblock %}'
    assert made(own(tmp_path, text_j2=text)).text.startswith("Dear <Ann>\n")


def test_a_directory_before_another_comes_first(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    first.mkdir()
    second.mkdir()
    (first / "own").mkdir()
    (first / "own" / "text.j2").write_text("First {{ who }}")
    assert made([first, *own(second)]).text == "First <Ann>\n"


@pytest.mark.parametrize("name", ["tset", "../test", "test/", "", "Test", "a b"])
def test_an_unknown_notice_is_not_found(name: str) -> None:
    with pytest.raises(NotFound):
        notice(name)


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere is not there"):
        notice("test", [tmp_path / "nowhere"])


def test_a_part_that_is_missing(tmp_path: Path) -> None:
    directories = own(tmp_path)
    (tmp_path / "own" / "html.j2").unlink()
    assert "Notice own has no html.j2 in" in fault(directories)


# -- what is broken ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "source", "said"),
    [
        ("text_j2", "a\n{% if %}", "own/text.j2, line 2: Expected an expression"),
        ("text_j2", "a\n\n{{ whoo }}", "own/text.j2, line 3: the schema has no variable 'whoo'"),
        ("text_j2", "{% if not who %}\n{{ x }}{% endif %}", "own/text.j2, line 2: the schema"),
        ("subject_j2", "{{ who | shout }}", "own/subject.j2, line 1: No filter named 'shout'"),
        ("text_j2", "a\n{{ who.name }}", "own/text.j2, line 2: 'str object' has no attribute"),
        ("text_j2", "{{ servers[9].name }}", "own/text.j2, line 1: None has no element 9"),
        ("text_j2", "\n{{ 1 / 0 }}", "own/text.j2, line 2: division by zero"),
        ("text_j2", "{% for a in range(9) %}{% endfor %}", "has no variable 'range'"),
        ("text_j2", "\n{{ lipsum(n=5000000) }}", "line 2: the schema has no variable 'lipsum'"),
        ("html_j2", "{{ cycler('a').next() }}", "line 1: the schema has no variable 'cycler'"),
        ("html_j2", "{{ joiner('<b>')() }}", "line 1: the schema has no variable 'joiner'"),
        ("text_j2", "{{ who.__class__.__mro__ }}", "line 1: access to attribute '__class__'"),
        ("text_j2", "{{ 'x' * 5000000 }}", "line 1: it makes a text or list of 5,000,000"),
        ("text_j2", '{% include "../../etc/passwd" %}', "no template '../../etc/passwd'"),
        ("text_j2", '{% extends "layuot.text.j2" %}', "there is no template 'layuot.text.j2'"),
        ("subject_j2", " \n ", "has no subject"),
        ("html_j2", "{{ who | safe }}", "own/html.j2, line 1: No filter named 'safe'"),
        ("html_j2", "\n{% autoescape false %}{{ who }}{% endautoescape %}", "line 2: escaping"),
        ("html_j2", '{% include "own/text.j2" %}', "would not be escaped"),
        ("html_j2", "{% include who %}", "would not be escaped"),
        ("schema_yaml", "about: [", "own/schema.yaml, line 1:"),
        ("schema_yaml", "about: 2026-02-30", "own/schema.yaml: a value is not right"),
        ("schema_yaml", "about: &a [*a]", "own/schema.yaml, line 1: it refers to itself"),
        ("schema_yaml", "about: a\nvariables: {1: {about: b}}", "and 1 is none"),
        ("schema_yaml", "[" * 500, "own/schema.yaml: it is nested too deeply"),
        ("schema_yaml", "{}", "schema.yaml is not a notice's schema: Object missing required"),
        ("schema_yaml", "about: a\nvariables: {A: {about: b}}", "cannot be called 'A'"),
        ("schema_yaml", "about: a\nvariables: {look: {about: b}}", "cannot be called 'look'"),
        ("schema_yaml", "about: a\nvariables: {who: {about: b, type: rows}}", "rows have columns"),
        ("schema_yaml", "about: a\nvariables: {who: {about: b, type: choice}}", "has choices"),
        ("schema_yaml", "about: a\nvariables: {who: {about: b, type: wurst}}", "Invalid enum"),
    ],
)
def test_what_is_broken_is_told_with_its_place(
    tmp_path: Path, part: str, source: str, said: str
) -> None:
    assert said in fault(own(tmp_path, **{part: source}))


@pytest.mark.parametrize("source", ["who: 2026-02-30", "who: !!binary aGk=", "[" * 500])
def test_an_example_that_is_no_plain_data(tmp_path: Path, source: str) -> None:
    directories = own(tmp_path, example_yaml=source)
    with pytest.raises(UserError, match=r"own/example\.yaml: "):
        example("own", directories)


def test_a_template_cannot_change_what_it_is_given(tmp_path: Path) -> None:
    directories = own(tmp_path, text_j2="\n{{ servers.append(1) }}")
    assert "own/text.j2, line 2: " in fault(directories, servers=[{"name": "a"}])


REMOTE = [
    '<img src="https://example.org/x.png">',
    "<img alt='x' SRC = '//example.org/x.png'>",
    "<img src=http://example.org/x.png>",
    '<img src="&#104;ttps://example.org/x.png">',
    '<img src="{{ who }}">',
    '<img src="{% if who %}https://example.org/x{% endif %}">',
    '<img srcset="a.png 1x, https://example.org/x.png 2x">',
    '<td background="https://example.org/x.png">',
    '<link rel="stylesheet" href="https://example.org/x.css">',
    '<p style="background: url( &quot;https://example.org/x.png&quot; )">',
    "<style>@font-face { src: url(https://example.org/x.woff) }</style>",
    '<style>@import "https://example.org/x.css";</style>',
    '<!--[if mso]><v:image src="https://example.org/x.png"/><![endif]-->',
    '<iframe src="https://example.org"></iframe>',
    '<object data="https://example.org/x.svg"></object>',
]


@pytest.mark.parametrize("source", REMOTE)
def test_what_a_mail_would_load_is_refused_with_its_place(tmp_path: Path, source: str) -> None:
    said = fault(own(tmp_path, html_j2=f"<p>\n\n{source}</p>"))
    assert "own/html.j2, line 3: " in said
    assert "would be loaded from elsewhere when the mail is read." in said
    assert ".." not in said


def test_so_it_is_in_a_template_that_is_taken_in(tmp_path: Path) -> None:
    directories = own(tmp_path, html_j2='{% include "own/part.j2" %}')
    (tmp_path / "own" / "part.j2").write_text(f"\n{REMOTE[0]}")
    assert "own/part.j2, line 2: " in fault(directories)


@pytest.mark.parametrize(
    "source",
    [
        '<a href="https://example.org/x.png">x</a>',
        '<a\n href="{{ who | web }}">x</a> https://example.org',
        '<img src="{{ logo }}"><img src="cid:logo"><img src="{{- logo -}}">',
        '<img src="data:image/png;base64,//aGk=">',
        '<p style="background: url(data:image/png;base64,//aGk=)">',
        "{# <img src='https://example.org'> #}",
        "{% set source = 'https://example.org' %}",
    ],
)
def test_links_and_what_travels_with_a_mail_are_fine(tmp_path: Path, source: str) -> None:
    assert made(own(tmp_path, html_j2=source)).html is not None


def test_a_link_that_leads_out_of_the_folder_is_not_read(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "templates"
    outside.mkdir()
    folder.mkdir()
    (outside / "secret.j2").write_text("secret")
    directories = own(folder, html_j2='{% include "own/away/secret.j2" %}')
    (folder / "own" / "away").symlink_to(outside)
    assert f"own/away/secret.j2 is a link that leads out of {folder}" in fault(directories)
    (folder / "own" / "html.j2").write_text("x")
    (folder / "own" / "text.j2").write_text("{% include 'own/aw' ~ 'ay/secret.j2' %}")
    notices._notice.cache_clear()
    environment.environment.cache_clear()
    assert "is a link that leads out of" in fault(directories)
    (folder / "own" / "text.j2").unlink()
    (folder / "own" / "text.j2").symlink_to(outside / "secret.j2")
    notices._notice.cache_clear()
    assert "is a link that leads out of" in fault(directories)


def test_a_link_within_the_folder_is_followed(tmp_path: Path) -> None:
    real, folder = tmp_path / "real", tmp_path / "folder"
    real.mkdir()
    own(real)
    (real / "own" / "words.txt").write_text("Linked {{ who }}.")
    (real / "own" / "text.j2").unlink()
    (real / "own" / "text.j2").symlink_to("words.txt")
    folder.symlink_to(real)
    assert made([folder]).text == "Linked <Ann>.\n"


def test_a_template_that_is_no_text(tmp_path: Path) -> None:
    directories = own(tmp_path)
    (tmp_path / "own" / "text.j2").write_bytes(b"\xff\xfe\x00")
    assert "own/text.j2 cannot be read" in fault(directories)


def test_an_included_template_is_checked_and_escaped_whatever_its_name(tmp_path: Path) -> None:
    directories = own(tmp_path, html_j2='{% include "own/part.j2" %}')
    (tmp_path / "own" / "part.j2").write_text("<p>{{ who }}</p>")
    assert "&lt;Ann&gt;" in made(directories).html


def test_a_fault_in_an_included_template_is_told_with_its_own_place(tmp_path: Path) -> None:
    directories = own(tmp_path, text_j2='{% include "own/part.j2" %}')
    (tmp_path / "own" / "part.j2").write_text("\n\n{{ nobody }}")
    assert "own/part.j2, line 3: the schema has no variable 'nobody'" in fault(directories)


# -- variables ---------------------------------------------------------------------------------

FULL = """about: All types.
variables:
  text: {about: a}
  texts: {about: a, type: texts}
  prose: {about: a, type: prose}
  integer: {about: a, type: integer}
  number: {about: a, type: number}
  boolean: {about: a, type: boolean}
  date: {about: a, type: date}
  time: {about: a, type: time}
  link: {about: a, type: link}
  choice: {about: a, type: choice, choices: [one, two]}
  rows: {about: a, type: rows, columns: {name: {about: b}, n: {about: b, type: integer}}}
  table: {about: a, type: table}
"""


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("templates")
    return notice("own", own(folder, schema_yaml=FULL, text_j2="", html_j2="", subject_j2="s"))


GOOD: dict[str, Any] = {
    "text": "a", "texts": ["a"], "prose": "a\n\nb", "integer": 1, "number": 1.5, "boolean": True,
    "date": "2026-11-21", "time": "2026-11-21T22:00:00Z", "link": "https://example.org/x",
    "choice": "one", "rows": [{"name": "a", "n": 1}, {}],
    "table": {"columns": ["a"], "rows": [{"a": 1, "b": 2}]},
}  # fmt: skip


def test_variables_are_taken_as_plain_data(full: Any) -> None:
    taken = full.check(GOOD)
    assert taken["prose"] == ["a", "b"]
    assert taken["rows"] == [{"name": "a", "n": 1}, {"name": None, "n": None}]
    assert taken["table"]["rows"] == [{"a": 1}]
    assert taken["note"] is None
    assert full.check({k: v for k, v in taken.items() if v is not None}) == taken
    assert full.check({**GOOD, "text": "a\x1b[31m\r\nb" + "c" * 999})["text"] == (
        "a b" + "c" * 496 + "…"
    )


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("text", 1, "text must be a text, not 1"),
        ("texts", "a", "texts must be a list"),
        ("texts", ["a", None], "texts[1] must be a text, not"),
        ("prose", [1], "prose must be sentences"),
        ("prose", "a" * 20_001, "prose must be sentences of at most 20000 characters"),
        ("integer", True, "integer must be a whole number"),
        ("integer", 2**70, "integer must be a whole number"),
        ("number", "1", "number must be a number"),
        ("number", float("nan"), "number must be a number"),
        ("boolean", 1, "boolean must be true or false"),
        ("date", "2026-06-31", "date must be a date like"),
        ("date", "20261121", "date must be a date like"),
        ("time", "tomorrow", "time must be a time like"),
        ("link", "javascript:alert(1)", "link must be a link"),
        ("link", 'https://example.org/"><b', "link must be a link"),
        ("link", "https://example.org/a\nb", "link must be a link"),
        ("choice", "three", "choice must be one of one, two, not 'three'"),
        ("choice", [], "choice must be one of one, two"),
        ("rows", {}, "rows must be a list of rows"),
        ("rows", [{"name": "a"}, {"nmae": "a"}], "rows[1] must be a row of name, n (no nmae)"),
        ("rows", [{"n": 1}, {"n": "x"}], "rows[1].n must be a whole number"),
        ("rows", [{}] * 20_001, "rows must be at most 20000 rows"),
        ("table", [], "table must be a table"),
        ("table", {"columns": [], "rows": []}, "table.columns must be names of up to 20"),
        ("table", {"columns": ["a", "a"], "rows": []}, "table.columns must be names of up to 20"),
        ("table", {"columns": ["a\n"], "rows": []}, "table.columns must be names of up to 20"),
        ("table", {"columns": ["a"], "rows": [1]}, "table must be a list of rows"),
        ("table", {"columns": ["a"], "rows": [], "units": {"a": "stones"}}, "table.units must be"),
        ("text", None, "text is missing"),
        ("txet", "a", "there is no variable 'txet' (did you mean text or texts?)"),
    ],
)
def test_a_wrong_variable_is_named(full: Any, name: str, value: Any, said: str) -> None:
    with pytest.raises(UserError) as caught:
        full.check({**GOOD, name: value})
    assert f"Notice own cannot be filled: {said}" in str(caught.value)


def test_all_that_is_wrong_is_told_at_once(full: Any) -> None:
    with pytest.raises(UserError, match=r"text is missing; .*; and 4 more faults\."):
        full.check({})


# -- looks -------------------------------------------------------------------------------------


def test_plain_tags_get_their_styles_and_no_line_moves() -> None:
    source = '<p>\n<p class="quiet" id="{{ a }}">\n<p style="x">\n<custom>\n<a\n href="b">'
    styled = inlined(source)
    assert styled.count("\n") == source.count("\n")
    lines = styled.split("\n")
    assert lines[0] == f'<p style="{STYLES["p"]}">'
    assert lines[1] == f'<p style="{STYLES["p.quiet"]}" class="quiet" id="{{{{ a }}}}">'
    assert lines[2:4] == ['<p style="x">', "<custom>"]
    assert lines[4] == f'<a style="{STYLES["a"]}"'


@pytest.mark.parametrize("accent", ["#ffffff", "#000000", "#ffee00", "#1b5e9e", "#102030"])
def test_links_can_be_read_whatever_the_accent_is(accent: str) -> None:
    found = look(accent, "#eeeeee")
    assert contrast(found.link, "#ffffff") >= 4.5
    assert contrast(found.dark_link, "#1d2127") >= 4.5


def test_contrast_is_as_wcag_says() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.long
def test_every_tag_of_a_mail_that_needs_a_style_has_one() -> None:
    for name in names():
        page = Page(notice(name).render(example(name), Organisation()).html)
        bare = {tag for tag, given in page.tags if "style" not in given}
        assert not bare & {"p", "h1", "h2", "ul", "li", "a", "body", "td", "th"}, name


def test_long_lines_are_folded_between_words() -> None:
    long = "- " + "word " * 30 + "x" * 90 + "  \n\n\n\nend\n\n"
    lines = finished(long).split("\n")
    assert lines[0].startswith("- word")
    assert all(line.startswith("  ") for line in lines[1:4])
    assert max(map(len, lines[:2])) <= 76
    assert lines[-4:] == ["  " + "x" * 90, "", "end", ""]
