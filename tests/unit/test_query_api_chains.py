"""The languages of links that are followed, and of columns that are joined over links."""

from __future__ import annotations

import pytest

from common.errors import UserError
from query_api.language.chains import parse_follow, parse_join


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("", []),
        (" \n", []),
        ("project", ["project"]),
        ("user, project", ["user", "project"]),
        ("user,project,user", ["user", "project", "user"]),
        ("'user', \"project\"", ["user", "project"]),
    ],
)
def test_links_are_followed_in_their_order(text: str, links: list[str]) -> None:
    assert [one.link for one in parse_follow(text)] == links


def test_links_know_their_places() -> None:
    assert [one.at for one in parse_follow("user,  project")] == [0, 7]


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("", []),
        ("user: name", ["user.name"]),
        ("user:name,email;project:name", ["user.name", "user.email", "project.name"]),
        ("user: name, email; project: name;", ["user.name", "user.email", "project.name"]),
        ("user.domain: name", ["user.domain.name"]),
        ("user: domain.name; user: name", ["user.domain.name", "user.name"]),
        ("flavor: extra_specs.hw:cpu_policy", ["flavor.extra_specs.hw:cpu_policy"]),
        ('image: properties."a, b: c"', ["image.properties.a, b: c"]),
    ],
)
def test_columns_are_joined_over_links(text: str, paths: list[str]) -> None:
    assert [one.path for one in parse_join(text)] == paths


def test_joined_columns_know_their_places() -> None:
    assert [one.at for one in parse_join("user: name, email; project: name")] == [6, 12, 28]


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (parse_follow, "user,¶", "the name of a link is missing at the end"),
        (parse_follow, "¶, user", "the name of a link is missing before ','"),
        (parse_follow, "user ¶project", "a comma is missing before 'project'"),
        (parse_follow, "user¶: name", "a comma is missing before ':'"),
        (parse_join, "¶user", "say which of its properties after a colon, as in user: name"),
        (parse_join, "¶user name", "say which of its properties after a colon, as in user: name"),
        (parse_join, "¶user, project: name", "say which of its properties after a colon"),
        (parse_join, "user:¶", "a property to join over 'user' is missing at the end"),
        (parse_join, "user: name,¶; project: id", "a property to join over 'user' is missing"),
        (parse_join, "user: name ¶project: name", "a comma or ; is missing before 'project:'"),
        (parse_join, "user: name, ¶project: name", "a ; comes before the next link, not a comma"),
        (parse_join, "user: name, ¶name", "'user.name' is there twice"),
        (parse_join, "user: name; ¶: name", "the name of a link is missing before"),
        (parse_join, "user: ¶“name”", "is not a quote here"),
    ],
)
def test_errors_point_at_the_word(parse, text: str, message: str) -> None:
    at = text.index("¶")
    with pytest.raises(UserError) as caught:
        parse(text.replace("¶", ""))
    said = str(caught.value)
    assert said.startswith(f"At character {at + 1}: ")
    assert message in said
    assert said.splitlines()[2] == "  " + " " * at + "^"
