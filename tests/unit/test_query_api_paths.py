"""Paths: where they lead, and what is suggested for one that leads nowhere."""

from __future__ import annotations

import pytest

from query_api.paths import resolve
from query_api.resources import resource
from workflow_api.errors import UserError

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
