"""docs/SENSORS.md: what is written by hand in sensors_page.md, and each sensor with its trigger."""

from __future__ import annotations

import inspect
import json
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import yaml

from notification_api.notified import TRIGGERS, Notified
from observers.events import Payload
from observers.observer import Observer, names, observer
from pages import cell, code, filled, table
from payload_schema import keys, payload_schema, struct_schema
from sensor_files import every

_BY_HAND = Path(__file__).with_name("sensors_page.md")
_EXAMPLES = Path(__file__).resolve().parents[1] / "tests" / "data" / "events.yaml"


def sensors_page() -> str:
    """Return the whole page."""
    made = {
        "payload": table("key", "type", "what it is", rows=_rows(struct_schema(Payload))),
        "sensors": "\n".join(_section(observer(name)) for name in names()),
        "notifications": _notifications(),
    }
    return filled(_BY_HAND.read_text(), made)


@cache
def event_examples() -> dict[str, Any]:
    """Return an example payload of each trigger type, by its name; nobody may change them."""
    found: dict[str, Any] = yaml.safe_load(_EXAMPLES.read_text())
    return found


def _section(of: Observer) -> str:
    own = {field.name for field in msgspec.structs.fields(Payload)}
    facts = [row for row in _rows(payload_schema(of)) if row.split("`")[1] not in own]
    states = [
        f"| `{state}` | {cell(says)} | {'' if state in of.normal else 'yes'} |"
        for state, says in of.states.items()
    ]
    about = f"{of.about} About: {of.kind}. Looks every {every(of.name):.0f} s by default"
    example = json.dumps(event_examples()[of.name], indent=2)
    return "\n".join(
        [
            f"### {of.name}\n",
            f"{about}; settings: [sensors.{of.name}](CONFIGURATION.md#sensors).\n",
            table("state", "what it means", "announced again", rows=states),
            f"Trigger `openstack_ops.{of.name}`, beside the common keys:\n",
            table("key", "type", "what it is", rows=facts),
            f"```json\n{example}\n```\n",
        ]
    )


def _notifications() -> str:
    """Return the triggers of notifications: what they have in common, and then each."""
    common = table("key", "type", "what it is", rows=_rows(struct_schema(Notified)))
    told = "\n".join(_notification(name, struct) for name, struct in TRIGGERS.items())
    return f"### What the trigger of every notification has\n\n{common}\n{told}\n"


def _notification(name: str, struct: type[msgspec.Struct]) -> str:
    shared = {field.name for field in msgspec.structs.fields(Notified)}
    common = shared if issubclass(struct, Notified) else set()
    own = [row for row in _rows(struct_schema(struct)) if row.split("`")[1] not in common]
    example = json.dumps(event_examples()[name], indent=2)
    beside = ", beside the common keys" if common else ""
    return "\n".join(
        [
            f"### {name}\n",
            f"{inspect.getdoc(struct)} Trigger `openstack_ops.{name}`{beside}:\n",
            table("key", "type", "what it is", rows=own),
            f"```json\n{example}\n```\n",
        ]
    )


def _rows(schema: dict[str, Any]) -> list[str]:
    return [
        f"| `{name}` | {_kind(given)} | {cell(given['description'])} |"
        for name, given in keys(schema)
    ]


def _kind(given: dict[str, Any]) -> str:
    if words := [one for one in given.get("enum", ()) if one is not None]:
        return ", ".join(map(code, words)) + (", null" if None in given["enum"] else "")
    found = given.get("type", "object, null")
    return found if isinstance(found, str) else ", ".join(found)
