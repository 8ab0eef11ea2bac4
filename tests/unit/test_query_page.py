"""The examples of docs/QUERY.md are understood: by the command, the languages and the tables."""

from __future__ import annotations

from typing import Any

import pytest

from local_runner.actions import Catalogue
from local_runner.arguments import parameters_for
from query_api.execution.paths import resolve
from searches.searching import Selection, question
from support.query_page import commands, conditions, programs

# What is not part of the question itself.
_AROUND = {"clouds", "resource", "explain", "allow_partial", "output", "output_file"}
_AROUND |= {"requested_by", "deadline"}


def asked(words: list[str]) -> tuple[str, dict[str, Any]]:
    """Return the resource that a command asks about, and its parameters."""
    action = Catalogue().action(words[0])
    parameters = parameters_for(action, words[1:], "ann")
    return parameters.get("resource") or action.name.partition(".")[0], parameters


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_a_command_is_a_sound_question(words: list[str]) -> None:
    of, parameters = asked(words)
    given = {name: value for name, value in parameters.items() if name not in _AROUND}
    where, limit = given.pop("where", None), given.pop("limit", None)
    query = question(of, where=where, limit=limit, selection=Selection(**given))
    for path in parameters["select"] + [name.lstrip("-") for name in parameters["sort_by"]]:
        aggregates = parameters.get("aggregate")
        assert aggregates or path in ("*", "cloud") or resolve(query.resource, path)
    assert query.explain().parts, "all of it fits"


@pytest.mark.parametrize("text", conditions())
def test_a_condition_is_one_of_servers(text: str) -> None:
    question("server", where=text).explain()


@pytest.mark.parametrize("program", programs())
def test_a_program_runs(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(program, "docs/QUERY.md", "exec"), {"clouds": []})


def test_there_are_examples_of_everything() -> None:
    words = [word for command in commands() for word in command]
    for name in ("where", "select", "sort_by", "group_by", "aggregate", "follow", "join", "limit"):
        assert any(word.startswith(f"{name}=") for word in words), name
    assert {"explain=true", "clouds=*"} <= set(words)
    assert len(programs()) >= 2
