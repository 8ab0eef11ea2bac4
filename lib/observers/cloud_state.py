"""Whether a cloud can be logged in to, and whether each of its services answers."""

from __future__ import annotations

from typing import Annotated

import msgspec

from accounts.cloud import Cloud
from accounts.sensor_config import CloudStateSettings
from common.errors import CloudError, UserError
from observers.observer import Condition, Observer, Sight, Surroundings
from query_api.wire.reading import Reading

# What the pack asks of each service that it uses, where only those answer who do their work: a
# service whose database is away shows its versions all the same.
_ASKED = {
    "compute": ("/os-availability-zone", None),
    "network": ("/v2.0/extensions", None),
    "image": ("/v2/images", {"limit": 1}),
    "block-storage": ("/limits", None),
    "placement": ("/resource_classes", None),
}
_SERVES_AT_ALL = 500


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a cloud or a service."""

    why: Annotated[str | None, msgspec.Meta(description="What it says, or how it fails.")] = None


def look(cloud: Cloud, settings: CloudStateSettings, around: Surroundings) -> Sight:
    """Log in, and ask each service something small. What fails is what is seen."""
    try:
        cloud.log_in()
        cloud.locate()
    except (CloudError, UserError) as error:
        down = Condition("cloud", cloud.name, cloud.name, "UNREACHABLE", Facts(why=str(error)))
        return Sight([down], ["services: nobody can be asked without a login"])
    reading = Reading(cloud)
    there = [one for one in _ASKED if cloud.has(one)]
    tried = reading.each(lambda service: _asked(reading, service), there)
    services = [
        Condition(
            "cloud_service", f"{cloud.name}/{one}", one, "DOWN" if why else "UP", Facts(why=why)
        )
        for one, why in zip(there, tried, strict=True)
    ]
    up = Condition("cloud", cloud.name, cloud.name, "REACHABLE", Facts())
    return Sight([up, *services])


def _asked(reading: Reading, service: str) -> str | None:
    """Return why a service does not do its work, None if it does."""
    path, params = _ASKED[service]
    try:
        reading.one(service, path, msgspec.Raw, params)
    except CloudError as error:
        # Whoever refuses a question is at work.
        return str(error) if (error.status or _SERVES_AT_ALL) >= _SERVES_AT_ALL else None
    return None


OBSERVER = Observer(
    name="cloud_state",
    about="A cloud or one of its services does not answer, or answers again.",
    kind="cloud or cloud_service",
    facts=Facts,
    states={
        "REACHABLE": "the cloud can be logged in to.",
        "UNREACHABLE": "the cloud cannot be logged in to; nothing is said of its services then.",
        "UP": "the service answers.",
        "DOWN": "the service does not answer, or answers with a server error.",
    },
    normal=frozenset({"REACHABLE", "UP"}),
    look=look,
)
