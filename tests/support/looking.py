"""An observer's look at a fake cloud."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import yaml

from accounts.cloud import Cloud
from accounts.config import load
from accounts.sensor_config import SensorSettings
from observers.observer import Condition, Sight, Surroundings, observer
from support.fake_cloud import FakeCloud

_TRIGGERS = Path(__file__).parents[2] / "triggers"
#: When looks happen: Nova writes times that are ``ago`` before it.
NOW = datetime(2026, 11, 28, 4, 0, tzinfo=timezone.utc).timestamp()


def ago(seconds: float) -> str:
    """Return a time before NOW as Nova writes it."""
    return f"{datetime.fromtimestamp(NOW - seconds, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


def settings_of(name: str, **given: Any) -> SensorSettings:
    """Return an observer's settings as the configuration gives them."""
    found: SensorSettings = getattr(load({"clouds": [], "sensors": {name: given}}).sensors, name)
    return found


def look(
    cloud: FakeCloud | Cloud,
    name: str,
    *,
    now: float = NOW,
    runs: Mapping[str, str] | None = None,
    **given: Any,
) -> Sight:
    """Return what an observer sees of a cloud, with these settings; it is fit for its trigger."""
    asked = cloud.account() if isinstance(cloud, FakeCloud) else cloud
    sight = observer(name).look(
        asked, settings_of(name, **given), Surroundings(now, lambda subjects: runs or {})
    )
    for one in sight.conditions:
        told = {"state": one.state, "facts": msgspec.to_builtins(one.facts)}
        _schema(name).validate(told)
    return sight


@cache
def _schema(name: str) -> Any:
    """Return what checks the parts of a trigger's payload that are the observer's own."""
    trigger = yaml.safe_load((_TRIGGERS / f"{name}.yaml").read_text())
    properties = trigger["payload_schema"]["properties"]
    own = {word: properties[word] for word in ("state", "facts")}
    return jsonschema.Draft3Validator({"type": "object", "properties": own})


def states(sight: Sight) -> dict[str, str]:
    """Return the states that were seen, by the names of the things; nothing was unread."""
    assert list(sight.unread) == []
    return {one.name: one.state for one in sight.conditions}


def facts(conditions: Sequence[Condition], name: str) -> dict[str, Any]:
    """Return the facts of the one thing of that name."""
    (found,) = (msgspec.to_builtins(one.facts) for one in conditions if one.name == name)
    return dict(found)


__all__ = ["NOW", "ago", "facts", "look", "settings_of", "states"]
