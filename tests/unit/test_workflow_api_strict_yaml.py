"""YAML that a person wrote: what stands twice, grows or turns in circles is refused."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml

from common.errors import UserError
from common.strict_yaml import LONGEST, Unreadable, load
from local_runner.configuration import read

LAUGHS = "a0: &a0 [x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
)
EVIL: dict[str, tuple[str, int, str]] = {
    "a key twice": ("a: 1\nb: 2\na: 3\n", 3, "the key 'a' is there twice, first in line 1"),
    "a key twice, below": (
        "clouds:\n- name: x\n  auth: {}\n  name: y\n",
        4,
        "the key 'name' is there twice, first in line 2",
    ),
    "a key twice, in one line": ("{a: 1, a: 1}", 1, "the key 'a' is there twice"),
    "a key twice, quoted": ("a: 1\n'a': 2\n", 2, "the key 'a' is there twice"),
    "a billion laughs": (LAUGHS, 7, "its aliases make too much of it"),
    "laughs of merge keys": (
        "a: &a {x: 1}\n"
        + "".join(
            f"{k}: &{k} {{{', '.join(f'{m}: *{j}' for m in 'abcdefghi')}}}\n"
            for j, k in zip("abcdefg", "bcdefgh", strict=True)
        ),
        6,
        "its aliases make too much of it",
    ),
    "a circle": ("a: &a [1, *a]\n", 1, "it refers to itself"),
    "a circle of two": ("a: &a {b: &b {c: *a}}\n", 1, "it refers to itself"),
    "a deep one": ("[" * 60 + "]" * 60, 1, "it is nested too deeply"),
    "a very deep one": ("[" * 100_000, 0, "it is nested too deeply"),
    "a deep block": ("\n".join(" " * n + "a:" for n in range(70)), 51, "nested too deeply"),
    "a long one": ("a: " + "x" * LONGEST, 0, "it is longer than 1 MiB"),
    "no YAML": ("a: [", 1, "expected"),
    "an object": ("a: !!python/object/apply:os.system [x]", 1, "could not determine"),
    "a day that is none": ("a: 2026-02-30", 0, "a value is not right"),
    "two documents": ("a: 1\n---\nb: 2\n", 2, "found another document"),
    "a control character": ("a: \x07", 0, "special characters are not allowed"),
}


@pytest.mark.parametrize("case", EVIL)
def test_what_is_refused(case: str) -> None:
    text, line, why = EVIL[case]
    began = time.process_time()
    with pytest.raises(Unreadable) as refused:
        load(text)
    assert why in refused.value.why
    if line:
        assert refused.value.line == line
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: 1",
        "[1, 2]",
        "a: &x {b: 1}\nc: *x\nd: {<<: *x, b: 2}",
        "- a: 1\n- a: 1",
        "? [a]\n: 1",
    ],
)
def test_what_is_fine_reads_as_pyyaml_does(text: str) -> None:
    try:
        expected = yaml.safe_load(text)
    except yaml.YAMLError:
        with pytest.raises(Unreadable):
            load(text)
    else:
        assert load(text) == expected


@pytest.mark.parametrize("case", EVIL)
def test_a_configuration_that_is_refused_shows_no_value(case: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("password: open sesame\n" + EVIL[case][0])
    with pytest.raises(UserError) as refused:
        read(path)
    assert str(path) in str(refused.value)
    assert "open sesame" not in str(refused.value)
