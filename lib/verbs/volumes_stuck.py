"""Whether a volume hangs in a state: what Nova, Cinder and its backend say of it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import Any

from accounts.cloud import Cloud
from query_api.execution.query import query
from query_api.lookups.attachments import Attached, attached
from verbs.verb import Options
from workflow_api import clean, humanize

_ANY = frozenset({"available", "in-use", "error"})
_AT_REST = frozenset({"available", "in-use"})
_ERROR = frozenset({"error"})
# What a volume may be called that hangs in a state. What is half written, or half deleted, is
# in error; what is not here is left alone.
ALLOWED: Mapping[str, frozenset[str]] = {
    "attaching": _ANY,
    "backing-up": _ANY,
    "creating": _ERROR,
    "deleting": _ERROR,
    "detaching": _ANY,
    "downloading": _ERROR,
    "error": _AT_REST,
    "error_backing-up": _AT_REST,
    "error_deleting": frozenset({"available", "error"}),
    "error_extending": _ANY,
    "error_managing": _ERROR,
    "error_restoring": _ERROR,
    "extending": _ANY,
    "in-use": frozenset({"available"}),
    "maintenance": _AT_REST,
    "reserved": frozenset({"available", "error"}),
    "restoring-backup": _ERROR,
    "retyping": _ANY,
    "uploading": _ANY,
}


def refusals(cloud: Cloud, volume: Any, options: Options) -> Iterator[str]:
    """Tell why a volume's state is not to be reset: it may be right, or it would be a lie."""
    allowed = ALLOWED.get(volume.status, frozenset()) - {volume.status}
    if not allowed:
        yield f"it is {volume.status}: there is nothing to reset"
        return
    if options.to not in allowed:
        yield f"one that is {volume.status} may only be reset to {', '.join(sorted(allowed))}"
        return
    age = age_of(volume)
    if age is not None and age < options.older_than:
        yield (
            f"it has been {volume.status} for {humanize(age)} at most, less than "
            f"{options.older_than}: it may still be busy"
        )
    known = attached(cloud, volume)
    if options.to == "available" and (known.nova or known.records):
        yield "it is attached: volume.detach_stuck clears up a stuck attachment"
    if options.to == "in-use" and not (known.nova and known.records):
        yield "Nova and Cinder do not both say that it is attached"


def evidence(cloud: Cloud, volume: Any, options: Options) -> Iterator[str]:
    """Tell how long a volume is as it is, who says that it is attached, and how its backend is."""
    age = age_of(volume)
    if age is not None:
        yield f"it has been {volume.status} for {humanize(age)} at most"
    yield from told(attached(cloud, volume))
    yield _service(cloud, volume)


def told(known: Attached) -> Iterator[str]:
    """Tell what Cinder and Nova say of a volume's attachments, a sentence each."""
    for record in known.records:
        yield (
            f"Cinder has the attachment {record.id} ({clean(record.status)}) to "
            f"{of_server(known, record.instance)}"
        )
    if not known.records:
        yield "Cinder has no attachment of it"
    for id, at_nova in known.nova.items():
        by = f" by the attachment {at_nova.attachment_id}" if at_nova.attachment_id else ""
        yield f"Nova has it on {of_server(known, id)}{by}"
    if not known.nova:
        yield "Nova has it on no server"


def of_server(known: Attached, id: str | None) -> str:
    """Return a server in words, for a sentence."""
    if id is None:
        return "no server"
    name = known.servers.get(id)
    return f"server {clean(name)} ({id})" if name else f"server {id}, which is gone"


def age_of(volume: Any) -> float | None:
    """Return the seconds since Cinder last touched it; nobody is told when it came to its state."""
    if not volume.updated_at:
        return None
    touched = datetime.datetime.fromisoformat(f"{volume.updated_at[:19]}+00:00")
    now = datetime.datetime.now(datetime.timezone.utc)
    return max(0.0, (now - touched).total_seconds())


def _service(cloud: Cloud, volume: Any) -> str:
    if not volume.host:
        return "it is on no backend"
    asked = query("volume_service").where("host", "equal_to", volume.backend)
    for row in asked.select("state", "status").run([cloud]).dicts():
        how = f"{row['state']} and {row['status']}"
        return f"the service of its backend {clean(volume.backend)} is {how}"
    return f"Cinder knows no service of its backend {clean(volume.backend)}"
