"""sensors/*.yaml and triggers/*.yaml: one of each for every observer."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from accounts.sensor_config import Sensors
from observers.observer import Observer, names, observer
from payload_schema import payload_schema

_FOLDER = Path(__file__).resolve().parents[1] / "sensors" / "src"
Given = dict[str, Any]


def sensor_files() -> dict[str, str]:
    """Return the text of each sensor's YAML, by the name of the file without its ending."""
    return {name: _written(_sensor(observer(name))) for name in names()}


def trigger_files() -> dict[str, str]:
    """Return the text of each trigger type's YAML, by the name of the file without its ending."""
    return {name: _written(_trigger(observer(name))) for name in names()}


def every(name: str) -> float:
    """Return how many seconds a sensor waits between two polls if nobody says otherwise."""
    return float(getattr(Sensors(), name).every)


def _sensor(of: Observer) -> Given:
    entry = _FOLDER / f"{of.name}_sensor.py"
    (class_name,) = re.findall(r"^class (\w+)\(", entry.read_text(), re.MULTILINE)
    return {
        "class_name": class_name,
        "entry_point": f"src/{entry.name}",
        "description": f"Dispatches openstack_ops.{of.name}. {of.about} Its clouds and thresholds "
        f"are sensors.{of.name} of the configuration.",
        # The configuration's takes its place at the first poll.
        "poll_interval": round(every(of.name)),
        "enabled": True,
    }


def _trigger(of: Observer) -> Given:
    return {"name": of.name, "description": of.about, "payload_schema": payload_schema(of)}


def _written(given: Given) -> str:
    return "---\n" + yaml.safe_dump(given, sort_keys=False, width=100, allow_unicode=True)
