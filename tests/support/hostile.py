"""Every action, every parameter, and what nobody should give for one."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

from engine.parameters import ALWAYS, CHANGING, READING
from examples import example
from support.action_files import action
from workflow_api.workflow import workflow_named

#: Thirty values, each of which has broken some program. None of them is clearly false.
VALUES: dict[str, Any] = {
    "nothing": "",
    "blank": " \t ",
    "zero": 0,
    "negative": -1,
    "huge": 10**30,
    "64 bits": 2**63,
    "fraction": 0.5,
    "infinite": math.inf,
    "not a number": math.nan,
    "true": True,
    "list": [],
    "list of lists": [[[]]],
    "list of nothing": [None, ""],
    "mapping": {},
    "mapping of odd names": {"": {"$result": ["x"]}, "__class__": None},
    "deep": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]],
    "many": ["x"] * 20_000,
    "bytes": b"\xff\xfe",
    "NUL": "a\0b",
    "surrogate": "\ud83d",
    "emoji": "\N{ROCKET}",
    "terminal": "\x1b]0;owned\x07\x1b[2J\r\n",
    "turned": "\u202egpj.exe\u200b",
    "long": "x" * 65_000,
    "path": "../../../../etc/passwd",
    "sql": "'; DROP TABLE runs; --",
    "template": "{{ config_context.clouds }}{% for x in y %}",
    "markup": "<script>alert(1)</script>&lt;",
    "pattern": "(a+)+$|" + "a" * 28 + "!",
    "address": "javascript:alert(1)//a@b@c, <x>;\r\nBcc: d@e.org",
}  # fmt: skip


def parameters_of(name: str) -> list[str]:
    """Return every parameter that reaches the dispatcher in a call of the action."""
    workflow = workflow_named(name)
    common = CHANGING if workflow.changes else READING
    given = {*workflow.accounts, *workflow.parameters, *common, *ALWAYS}
    return sorted(given)


def plain_call(name: str) -> dict[str, Any]:
    """Return parameters with which the action can be called, as its form would send them."""
    form = {
        parameter: schema.get("default")
        for parameter, schema in action(name)["parameters"].items()
        if parameter in parameters_of(name) and not schema.get("immutable")
    }
    return {name: value for name, value in {**form, **example(name)}.items() if value is not None}


def calls(name: str, values: int = len(VALUES)) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the parameter, the kind of value, and the call that has it there.

    Of fewer ``values`` than there are, each parameter gets others than the next one, and the same
    in every run: what fails once fails again.
    """
    plain = plain_call(name)
    for parameter in parameters_of(name):
        for kind in random.Random(f"{name} {parameter}").sample(list(VALUES), values):
            call = {**plain, parameter: VALUES[kind]}
            if parameter != "dry_run" and workflow_named(name).changes:
                call["dry_run"] = True
            yield parameter, kind, call
