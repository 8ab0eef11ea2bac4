"""Events in a state store, as sensors leave them there."""

from __future__ import annotations

from typing import Any

from common.errors import NotFound
from sensors_page import event_examples
from state.observations import Found, Observations, Turn
from state.store import Store


def an_event(state_url: str, trigger: str = "hypervisor_state", **other: Any) -> dict[str, Any]:
    """Store the example event of a trigger, with ``other`` values, once; return its payload."""
    payload = {**event_examples()[trigger], **other}
    store = Store(state_url)
    observations = Observations(store)
    try:
        observations.event(payload["id"])
    except NotFound:
        turn = observations.take(trigger, payload["cloud"], "test", 60.0)
        assert isinstance(turn, Turn)
        subject = f"{payload['kind']}:{payload['subject_id']}"
        observations.remember(turn, "{}", [Found(payload["id"], subject, trigger, payload)])
    finally:
        store.close()
    return payload
