"""sensors/*.yaml and triggers/*.yaml: of each observer, and of what reads notifications."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import yaml

from accounts.sensor_config import Sensors
from notification_api.notified import TRIGGERS
from observers.observer import Observer, names, observer
from payload_schema import payload_schema, struct_schema

NOTIFICATIONS = "notifications"
_FOLDER = Path(__file__).resolve().parents[1] / "sensors" / "src"
Given = dict[str, Any]


def sensor_files() -> dict[str, str]:
    """Return the text of each sensor's YAML, by the name of the file without its ending."""
    found = {name: _written(_sensor(observer(name))) for name in names()}
    return {**found, NOTIFICATIONS: _written(_reader())}


def trigger_files() -> dict[str, str]:
    """Return the text of each trigger type's YAML, by the name of the file without its ending."""
    found = {name: _written(_trigger(observer(name))) for name in names()}
    told = {name: _written(_notification(name)) for name in TRIGGERS}
    return {**found, **told}


def every(name: str) -> float:
    """Return how many seconds a sensor waits between two polls if nobody says otherwise."""
    return float(getattr(Sensors(), name).every)


def about(struct: type[msgspec.Struct]) -> str:
    """Return the first sentence of what a payload's struct says of itself."""
    return str(struct.__doc__).partition("\n")[0]


def _entry(name: str) -> Given:
    """Return where StackStorm finds the class of a sensor."""
    entry = _FOLDER / f"{name}_sensor.py"
    (class_name,) = re.findall(r"^class (\w+)\(", entry.read_text(), re.MULTILINE)
    return {"class_name": class_name, "entry_point": f"src/{entry.name}"}


def _sensor(of: Observer) -> Given:
    return {
        **_entry(of.name),
        "description": f"Dispatches openstack_ops.{of.name}. {of.about} Its clouds and thresholds "
        f"are sensors.{of.name} of the configuration.",
        # The configuration's takes its place at the first poll.
        "poll_interval": round(every(of.name)),
        "enabled": True,
    }


def _reader() -> Given:
    """Without a broker there is nothing to read, so it is enabled where there is one."""
    return {
        **_entry(NOTIFICATIONS),
        "description": "Dispatches what OpenStack's services notify, as it happens: "
        f"{', '.join(f'openstack_ops.{name}' for name in TRIGGERS)}. Its brokers are brokers of "
        "the configuration.",
        "enabled": False,
    }


def _notification(name: str) -> Given:
    struct = TRIGGERS[name]
    return {"name": name, "description": about(struct), "payload_schema": struct_schema(struct)}


def _trigger(of: Observer) -> Given:
    return {"name": of.name, "description": of.about, "payload_schema": payload_schema(of)}


def _written(given: Given) -> str:
    return "---\n" + yaml.safe_dump(given, sort_keys=False, width=100, allow_unicode=True)
