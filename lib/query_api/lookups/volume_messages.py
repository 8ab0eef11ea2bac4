"""What Cinder says to users of what went wrong, which a volume's state does not tell."""

from __future__ import annotations

import msgspec

from accounts.cloud import Cloud
from common.errors import CloudError
from query_api.language import times
from query_api.wire.reader import one

# From which microversion on messages are found by what they are about.
_VERSION = "3.5"


class _Message(msgspec.Struct):
    user_message: str = ""
    created_at: str = ""


class _Messages(msgspec.Struct):
    messages: list[_Message]


def last_message(cloud: Cloud, id: str) -> str:
    """Return the newest message about a volume or a snapshot with its time; "" if there is none.

    It is asked for when something has failed, so it fails itself in silence.
    """
    params = {"resource_uuid": id, "sort": "created_at:desc"}
    try:
        known = one(
            cloud, "block-storage", "/messages", _Messages, params=params, microversion=_VERSION
        ).messages
    except CloudError:
        return ""
    for message in known:
        at = times.normal(message.created_at) if message.created_at else "an unknown time"
        return f"{message.user_message.rstrip('.')}, said at {at}"
    return ""
