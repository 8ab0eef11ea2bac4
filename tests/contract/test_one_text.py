"""Texts with commas, braces and quotes reach a workflow whole: by the command and by StackStorm."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from local_runner.actions import Catalogue
from local_runner.arguments import parameters_for
from support.st2_runner import TOP, execute

TEXTS = [
    "status any_in (SHUTOFF, ERROR) and updated_at older_than 30d",
    'name matches_regex "^web" or not host is_null',
    "user: name, email; project: name",
    "flavor.ram: small ..2047, large 2048..; status",
    'name ~ "^(a|b){2},[=]$"',
    "a=b,c=d",
    "[1, 2]",
    '{"a": 1}',
    "7",
    " padded ",
]
WORDS = ("where", "group_by", "aggregate", "follow", "join")
AUTH = {"auth_url": "http://127.0.0.1:9/v3", "username": "u", "password": "throwaway-s3cret"}
CONFIG = {"clouds": [{"name": "dead", "auth": AUTH}]}


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", ["query.run", "server.search"])
def test_the_command_hands_a_text_over_as_it_is(name: str, text: str) -> None:
    words = [f"{word}={text}" for word in WORDS]
    words += ["resource=server"] * (name == "query.run")
    found = parameters_for(Catalogue().action(name), words, "ann")
    assert [found[word] for word in WORDS] == [text] * len(WORDS)


def test_the_command_splits_only_lists_of_words() -> None:
    words = ["clouds=a, b", "select=name,user.email", "sort_by=-created_at"]
    found = parameters_for(Catalogue().action("server.list"), words, "ann")
    assert found["clouds"] == ["a", "b"]
    assert found["select"] == ["name", "user.email"]
    assert found["sort_by"] == ["-created_at"]


# What is wrong is at the end, so that the message shows that all of the text has arrived.
WRONG = 'name ~ "^a{2},b" or status any_in (A, B) and hots = x'


def told(text: str) -> list[str]:
    return text.splitlines()[1:3]


EXPECTED = [f"  {WRONG}", "  " + " " * WRONG.index("hots") + "^"]


@pytest.mark.long
def test_the_entry_point_hands_it_over_as_it_is() -> None:
    parameters: dict[str, Any] = {"workflow": "query.run", "resource": "server", "where": WRONG}
    # StackStorm passes None for what was not given.
    parameters |= dict.fromkeys(("group_by", "aggregate", "follow", "join", "limit", "clouds"))
    done = execute(parameters, CONFIG)
    assert done.status is False
    assert told(done.result["summary"]) == EXPECTED
    assert told(done.stdout) == EXPECTED, "the mark stands under the word"


@pytest.mark.long
def test_a_shell_hands_it_over_as_it_is(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(CONFIG))
    config.chmod(0o600)
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} {TOP / 'runbook'} run server.search where='{WRONG}'"],
        capture_output=True,
        text=True,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "OPENSTACK_OPS_CONFIG": str(config),
        },
        timeout=60,
    )
    assert done.returncode == 2, done.stderr
    assert told(done.stderr) == EXPECTED, "the mark stands under the word"
