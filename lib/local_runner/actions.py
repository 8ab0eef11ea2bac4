"""The pack's action YAMLs: what there is to run and which parameters it takes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from common.errors import NotFound, UserError
from common.text import clean, near

PACK = "openstack_ops"
ACTIONS = Path(__file__).resolve().parents[2] / "actions"
_FILE_NAME = re.compile(r"[A-Za-z0-9_.-]+")
# The C loader reads a hundred files in the time the other one needs for ten.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# What StackStorm's Python runner adds to every action. An action may redeclare these.
RUNNER_PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "timeout": {
        "type": "integer",
        "minimum": 0,
        "description": "Seconds after which the run stops itself; no limit unless given.",
    },
    "env": {"type": "object", "description": "Has no effect here."},
    "debug": {"type": "boolean", "description": "Has no effect here."},
    "log_level": {
        "type": "string",
        "enum": ["AUDIT", "CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"],
        "description": "Has no effect here.",
    },
    "content_version": {"type": "string", "description": "Has no effect here."},
}


@dataclass(frozen=True)
class Parameter:
    """One parameter of an action, as its YAML describes it."""

    name: str
    schema: Mapping[str, Any]

    @property
    def type(self) -> str:
        """The JSON type, or an empty text if the YAML names none."""
        return str(self.schema.get("type") or "")

    @property
    def description(self) -> str:
        """What the parameter is, in a sentence; the runner's own mean something else here."""
        if self.is_runners:
            return str(RUNNER_PARAMETERS[self.name]["description"])
        return clean(self.schema.get("description") or "")

    @property
    def required(self) -> bool:
        """Whether a caller has to give it: StackStorm lets a default stand in."""
        return bool(self.schema.get("required")) and self.default is None and not self.immutable

    @property
    def immutable(self) -> bool:
        """Whether a caller may not give it."""
        return bool(self.schema.get("immutable"))

    @property
    def secret(self) -> bool:
        """Whether its value must not be shown."""
        return bool(self.schema.get("secret"))

    @property
    def default(self) -> Any:
        """Its value if it is not given."""
        return self.schema.get("default")

    @property
    def choices(self) -> list[Any]:
        """The values it may have, if they are few enough to be listed in the YAML."""
        if self.type == "boolean":
            return ["true", "false"]
        return list(self.schema.get("enum") or [])

    @property
    def is_runners(self) -> bool:
        """Whether it is the Python runner's own parameter, which no runbook ever sees."""
        return self.name in RUNNER_PARAMETERS


@dataclass(frozen=True)
class Action:
    """One action of the pack."""

    name: str
    description: str
    enabled: bool
    parameters: Mapping[str, Parameter]

    @property
    def workflow(self) -> str:
        """The workflow behind the action.

        Raises UserError if this is not one of the pack's Python actions.
        """
        parameter = self.parameters.get("workflow")
        if parameter is None or not parameter.immutable or not isinstance(parameter.default, str):
            raise UserError(f"{self.name} has no workflow behind it, so only StackStorm runs it.")
        return parameter.default

    @property
    def givable(self) -> list[Parameter]:
        """The parameters that a caller may give, as StackStorm's web form orders them.

        The runner's own are among them only if the YAML redeclares them.
        """

        def place(parameter: Parameter) -> tuple[bool, float, str]:
            position = parameter.schema.get("position")
            return position is None, position or 0, parameter.name

        return sorted((p for p in self.parameters.values() if not p.immutable), key=place)


def read_action(path: Path) -> Action:
    """Read one action YAML; raises UserError that says what is wrong with it."""
    try:
        with path.open(encoding="utf-8") as file:
            raw = yaml.load(file, Loader=_Loader)  # noqa: S506 (both are safe loaders)
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {clean(error)}.") from None
    parameters = raw.get("parameters") or {} if isinstance(raw, dict) else None
    if not isinstance(parameters, dict) or not isinstance(raw.get("name"), str):
        raise UserError(f"{path} is not an action: it needs a name and a mapping of parameters.")
    return Action(
        name=raw["name"],
        description=clean(raw.get("description") or ""),
        enabled=bool(raw.get("enabled", True)),
        parameters={
            str(name): Parameter(str(name), {**RUNNER_PARAMETERS.get(name, {}), **(schema or {})})
            for name, schema in parameters.items()
        },
    )


@dataclass
class Catalogue:
    """A folder of action YAMLs. A file that cannot be read does not hide the others."""

    folder: Path = ACTIONS
    problems: list[str] = field(default_factory=list)

    def all(self) -> list[Action]:
        """Return every action, by name; what cannot be read is told in ``problems``."""
        return sorted(self._read(), key=lambda action: action.name)

    def _read(self) -> Iterator[Action]:
        self.problems.clear()
        for path in sorted(self.folder.glob("*.yaml")):
            try:
                yield read_action(path)
            except UserError as error:
                self.problems.append(str(error))

    def action(self, name: str) -> Action:
        """Return the action called ``name``, with or without the pack in front.

        Raises NotFound with names that look like it.
        """
        name = name.removeprefix(f"{PACK}.")
        path = self.folder / f"{name}.yaml"
        if _FILE_NAME.fullmatch(name) and path.is_file():
            found = read_action(path)
            if found.name == name:
                return found
        actions = {action.name: action for action in self.all()}
        if name in actions:
            return actions[name]
        if not actions:
            raise UserError(f"There are no actions in {self.folder}.", advice=_first(self.problems))
        raise NotFound("action", clean(name), near=alike(name, actions))

    def subjects(self) -> list[str]:
        """Return the first words of all actions' names."""
        return sorted({action.name.partition(".")[0] for action in self.all()})


def alike(name: str, known: Mapping[str, Any]) -> list[str]:
    """Return names that look like ``name`` or contain it: ``drain`` finds ``hypervisor.drain``."""
    return near(name, known) or [other for other in sorted(known) if name.casefold() in other][:5]


def _first(problems: list[str]) -> str:
    return problems[0] if problems else ""
