"""What a service leaves out of its listings without a word: what an account may not see, and what
a part of the service that does not answer would have said.

It is asked for something that it grants only to those who see everything. That is said for a cloud
and a service once in a while.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import msgspec

from accounts.cloud import Cloud
from common.errors import CloudError
from common.text import listed
from query_api.wire.reading import Reading

# For so many seconds it is believed; a cell can go down or come back.
_VALID = 60.0
_FORBIDDEN, _TOO_NEW = 403, 406
_NO_RIGHT = "the account has no right to see all of them"


class _Service(msgspec.Struct):
    host: str = ""
    status: str = ""


class _Said(msgspec.Struct):
    services: list[_Service] = []


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """What only those are told who see everything of a service; others are forbidden it.

    ``version`` is a microversion in which services are listed that a part of it (a cell) has and
    that does not answer: their status is UNKNOWN. It is asked also where rows prove the right.
    """

    path: str
    params: Mapping[str, str | int] = {}
    version: str = ""


PROBES: Mapping[str, Probe] = {
    # Whoever may list all servers of all projects is forbidden nothing else. Nova has a way to list
    # servers of cells that are down, but not with pages or filters.
    "compute": Probe(path="/os-services", params={"binary": "nova-compute"}, version="2.69"),
    # The quota of a project that is not one's own: there need not be such a project.
    "network": Probe(path=f"/v2.0/quotas/{'0' * 32}"),
    "image": Probe(path="/v2/tasks", params={"limit": 1}),
    "block-storage": Probe(path="/os-services"),
}


class _Found:
    """What was found out of a cloud's services, and when."""

    def __init__(self, cloud: Cloud) -> None:
        self.lock = threading.Lock()
        self.why: dict[str, tuple[float, str]] = {}


def always(service: str) -> bool:
    """Return whether a service can leave out rows of those, too, who have the right to see them."""
    return service in PROBES and bool(PROBES[service].version)


def unseen(reading: Reading, service: str) -> str:
    """Return why a service's listings may lack rows; nothing if they do not.

    What is not in ``PROBES`` forbids its listings as a whole. Raises UserError.
    """
    found = reading.cloud.shared(_Found)
    with found.lock:
        since, why = found.why.get(service, (0.0, ""))
        if service not in found.why or time.monotonic() - since > _VALID:
            why = _look(reading, service)
            found.why[service] = (time.monotonic(), why)
    return why


def _look(reading: Reading, service: str) -> str:
    try:
        if service == "identity":
            domain = reading.cloud.confined_to()
            return f"the account sees only what is in its domain, {domain}" if domain else ""
        return _asked(reading, service, PROBES[service]) if service in PROBES else ""
    except CloudError as error:
        if error.status == _FORBIDDEN:
            return _NO_RIGHT
        return f"whether these are all is not known: {error.message}"


def _asked(reading: Reading, service: str, probe: Probe) -> str:
    def asked(version: str | None) -> _Said:
        said: _Said = reading.one(service, probe.path, _Said, probe.params, version)
        return said

    if not probe.version:
        asked(None)
        return ""
    try:
        said = asked(probe.version)
    except CloudError as error:
        if error.status != _TOO_NEW:
            raise
        said = asked(None)
    down = sorted({one.host for one in said.services if one.status == "UNKNOWN"})
    if not down:
        return ""
    hosts = listed(down, 10)
    return f"a part of the service (a cell) does not answer: what is on {hosts} is missing"
