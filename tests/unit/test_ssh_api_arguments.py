"""Commands of the configuration: every value stays one argument, whatever stands in it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from common.errors import UserError
from ssh_api.arguments import filled, parameters_of, quoted
from support.ssh import HOSTILE


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_shell_makes_of_it_the_same_arguments(shell: str, tmp_path: Path) -> None:
    command = ["printf", "%s\\0", *(f"{{p{n}}}" for n in range(len(HOSTILE)))]
    parameters = {f"p{n}": value for n, value in enumerate(HOSTILE)}
    text = quoted(filled("test", command, parameters))
    ran = subprocess.run([shell, "-c", text], capture_output=True, cwd=tmp_path)
    assert ran.stdout.decode().split("\0") == [*HOSTILE, ""]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_within_an_argument_stays_there(value: str) -> None:
    words = filled("test", ["run", "--level={level}", "--", "{level}"], {"level": value})
    assert words == ["run", f"--level={value}", "--", value]


def test_braces_that_are_no_parameter_stay() -> None:
    command = ["awk", "{print $1}", "{}", "{A}", "{1}"]
    assert parameters_of(command) == []
    assert filled("first", command, {}) == command


@pytest.mark.parametrize(
    ("command", "parameters", "says"),
    [
        (["run", "{level}"], {}, "Command test needs level"),
        (["run"], {"level": "1"}, "has no parameter 'level'.* It takes none"),
        (["run", "{level}"], {"levl": "1"}, "Did you mean level"),
        (["run", "{level}"], {"level": "a\0b"}, "level has a NUL"),
        (["run", "{level}"], {"level": "-rf"}, "begins with a hyphen"),
        (["run", "{a}{level}"], {"a": "--x", "level": ""}, "a begins with a hyphen"),
        (["run", "{level}"], {"level": "x" * 30_001}, "longer than 30000 bytes"),
    ],
)
def test_what_no_command_can_be_made_of_is_refused(
    command: list[str], parameters: dict[str, str], says: str
) -> None:
    with pytest.raises(UserError, match=says):
        filled("test", command, parameters)


@pytest.mark.parametrize("command", [["rm", "--", "{name}"], ["find", "--name={name}"]])
def test_a_hyphen_is_taken_where_no_option_is_read(command: list[str]) -> None:
    assert filled("test", command, {"name": "-rf"})[-1].endswith("-rf")
