"""Events as people are told them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common.text import clean


def headline(payload: Mapping[str, Any]) -> str:
    """Return what has happened: ``hypervisor cmp-1 is DOWN, was RUNNING``."""
    kind, name = payload["kind"].replace("_", " "), clean(payload["name"])
    state = payload["state"]
    told = {
        "new": f"{name} is {state}",
        "changed": f"{name} is {state}, was {payload['before']}",
        "still": f"{name} is still {state}",
        "gone": f"{name} is gone, was {state}",
    }[payload["change"]]
    return f"{kind} {told}"


def facts(payload: Mapping[str, Any]) -> str:
    """Return what else is known, as ``host cmp-1, servers 3``; "" if nothing is."""
    known = {key: one for key, one in (payload["facts"] or {}).items() if one not in (None, [])}
    return ", ".join(f"{key} {clean(_short(value))}" for key, value in known.items())


def sentence(payload: Mapping[str, Any]) -> str:
    """Return an event in one line."""
    more = facts(payload)
    run = f"; run {payload['run']} is at work on it" if payload["run"] else ""
    told = f"{payload['at']} {payload['cloud']}: {headline(payload)}"
    return f"{told}{f' ({more})' if more else ''}{run}"


def _short(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
