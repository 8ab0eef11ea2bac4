"""The actions' metadata, as the tests of many files look at it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

ACTIONS = Path(__file__).parents[2] / "actions"
#: The name of every action.
NAMES = sorted(path.stem for path in ACTIONS.glob("*.yaml"))
# The same language, read by C: a file is read when a test first needs it, and then only once.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def action(name: str) -> dict[str, Any]:
    """Return what stands in an action's file; nobody may change it."""
    text = (ACTIONS / f"{name}.yaml").read_text()
    return dict(yaml.load(text, Loader=_LOADER))
