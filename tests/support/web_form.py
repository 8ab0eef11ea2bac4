"""StackStorm's web form for an action and what becomes of it, by the rules of both.

The form (st2web 3.9) lists what is not immutable, by position where there is one. As soon as one
field is edited it posts, beside it, the default of *every* parameter that has an enum, those that
it does not list included. The API (st2 3.9) then casts, checks the schema of action and runner
merged, and refuses whatever is immutable. Where the real ``st2common`` can be imported it judges.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Mapping
from typing import Any
from unittest import mock

from jsonschema import Draft4Validator

Json = dict[str, Any]
#: The parameters of the runner python-script.
RUNNER: dict[str, Json] = {
    "debug": {"type": "boolean", "required": False, "default": False},
    "content_version": {"type": "string", "required": False},
    "env": {"type": "object"},
    "timeout": {"type": "integer", "default": 600},
    "log_level": {
        "type": "string",
        "default": "DEBUG",
        "enum": ["AUDIT", "CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"],
    },
}
#: What of a runner's parameter an action may say otherwise.
OVERRIDABLE = {"default", "description", "enum", "immutable", "required"}
IS_STACKSTORM_HERE = importlib.util.find_spec("st2common") is not None


class WebForm:
    """The form of one action."""

    def __init__(self, parameters: Mapping[str, Json]) -> None:
        """Take the ``parameters`` of an action's YAML."""
        self.own = dict(parameters)
        names = {**RUNNER, **self.own}
        self.merged = {name: {**RUNNER.get(name, {}), **self.own.get(name, {})} for name in names}

    def fields(self) -> list[str]:
        """Return the names of the fields from top to bottom."""
        shown = [name for name, given in self.merged.items() if not given.get("immutable")]
        return sorted(shown, key=functools.cmp_to_key(self._above))

    def _above(self, a: str, b: str) -> int:
        one, other = self.merged[a], self.merged[b]
        if one.get("position") or other.get("position"):  # 0 counts as none
            at, to = one.get("position"), other.get("position")
            if at is None or to is None:
                return 1 if at is None else -1
            return (at > to) - (at < to)
        if one.get("required") == other.get("required"):
            return (a > b) - (a < b)
        return -1 if one.get("required") else 1

    def post(self, **edited: Any) -> Json:
        """Return what the form sends after these fields were edited."""
        defaults = {
            name: given["default"]
            for name, given in self.merged.items()
            if "default" in given and given.get("enum")
        }
        return {**defaults, **edited}

    def typed(self, name: str) -> Any:
        """Return something that a field takes."""
        given = self.merged[name]
        if given.get("enum"):
            return given["enum"][-1]
        made = {"integer": max(1, given.get("minimum", 1)), "boolean": True, "array": ["x"]}
        return made.get(given["type"], "x")

    def refusal(self, posted: Mapping[str, Any]) -> str:
        """Return why the API refuses what was posted (HTTP 400), or nothing."""
        judge = _by_stackstorm if IS_STACKSTORM_HERE else _by_its_rules
        return judge(self, dict(posted))


def unregistered(parameters: Mapping[str, Json]) -> list[str]:
    """Return what makes the registration of an action fail, by name."""
    wrong = []
    for name, given in parameters.items():
        if name in RUNNER:
            wrong += [f"{name}.{key}" for key in given.keys() - OVERRIDABLE if key != "type"]
        if "enum" in given and not given["enum"]:
            wrong.append(f"{name}.enum")
        if given.get("immutable") and "default" not in given:
            wrong.append(f"{name}.default")
    return wrong


def _by_its_rules(form: WebForm, posted: Json) -> str:
    if unknown := posted.keys() - form.merged.keys():
        return f"unknown: {sorted(unknown)}"
    immutable = [name for name, given in form.merged.items() if given.get("immutable")]
    if overridden := [name for name in immutable if name in posted]:
        return f"Override of immutable parameter(s) {overridden} is unsupported."
    for name, given in form.merged.items():
        if given.get("required") and posted.get(name) is None and "default" not in given:
            return f"required: {name}"
    for name, value in posted.items():
        schema = {k: v for k, v in form.merged[name].items() if k not in ("required", "position")}
        optional = value is None and not form.merged[name].get("required")
        if not optional and not Draft4Validator(schema).is_valid(value):
            return f"{name}: {value!r} does not fit"
    return ""


class _AcceptedError(Exception):
    """The request got as far as being stored."""


def _by_stackstorm(form: WebForm, posted: Json) -> str:
    """Ask StackStorm's own code, up to where an execution would be stored."""
    import jsonschema
    from st2common.models.db.action import ActionDB
    from st2common.models.db.liveaction import LiveActionDB
    from st2common.models.db.runner import RunnerTypeDB
    from st2common.services import action as service

    runner = RunnerTypeDB(name="python-script", runner_parameters=RUNNER)
    known = ActionDB(
        name="x",
        pack="openstack_ops",
        ref="openstack_ops.x",
        enabled=True,
        runner_type={"name": "python-script"},
        parameters=form.own,
    )
    asked = LiveActionDB(action="openstack_ops.x", parameters=posted, context={"user": "u"})
    stored = mock.patch.object(service.LiveAction, "add_or_update", side_effect=_AcceptedError)
    try:
        with stored:
            service.create_request(asked, action_db=known, runnertype_db=runner)
    except _AcceptedError:
        return ""
    except (ValueError, jsonschema.ValidationError) as refused:
        return str(refused) or type(refused).__name__
    raise AssertionError("neither stored nor refused")
