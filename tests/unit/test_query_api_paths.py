"""Paths: where they lead, and what is suggested for one that leads nowhere."""

from __future__ import annotations

import pytest

from common.errors import UserError
from query_api.execution.paths import resolve
from query_api.resources import resource

SERVER = resource("server")


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("usr.name", "user.name"),
        ("userr.emial", "user.email"),
        ("proj.domain.name", "project.domain.name"),
        ("flavr.ram", "flavor.ram"),
        ("metdata.owner", "metadata.owner"),
        ("serer_group.name", "server_group.name"),
        ("project.domian.name", "domain.name"),
    ],
)
def test_a_mistyped_word_before_a_dot_is_mended(path: str, meant: str) -> None:
    with pytest.raises(UserError, match="have no property") as told:
        resolve(SERVER, path)
    assert told.value.advice == f"Did you mean {meant}?"


@pytest.mark.parametrize("path", ["hostt", "status.x", "image_id.x"])
def test_other_words_are_likened_to_names(path: str) -> None:
    with pytest.raises(UserError) as told:
        resolve(SERVER, path)
    assert path.partition(".")[0][:4] in told.value.advice


def test_a_path_of_very_many_words_is_refused_at_once() -> None:
    with pytest.raises(UserError, match="have no property"):
        resolve(SERVER, "usr" + ".usr" * 10_000)


# -- stars -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["metadata.*", "flavor.extra_specs.*", "image.properties.*"])
def test_a_star_does_not_stand_for_all_keys(path: str) -> None:
    with pytest.raises(UserError, match="a star does not stand for all keys") as told:
        resolve(SERVER, path)
    whole = path[:-2]
    assert f"Select {whole} for the whole map; {whole} has_key" in told.value.advice
    assert f'{whole}."*"' in told.value.advice


@pytest.mark.parametrize("path", ['metadata."*"', "metadata.'*'", 'image.properties."*"'])
def test_a_quoted_star_is_a_key(path: str) -> None:
    assert resolve(SERVER, path).key == "*"


@pytest.mark.parametrize("key", ["a*", "*a", "**", "a.*", 'x"*"'])
def test_stars_within_a_key_are_itself(key: str) -> None:
    assert resolve(SERVER, f"metadata.{key}").key == key
