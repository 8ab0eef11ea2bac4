"""What in a cloud goes by a text: an id, a name, a MAC or IP address, a host name.

A filter of the service answers each question; nothing is listed to be looked through, however
large the cloud is. What no filter can be asked for is said to be missing.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from accounts.cloud import not_there
from common.errors import CloudError
from query_api.execution.query import query
from query_api.language.conditions import Condition, Test, all_of
from query_api.lookups import people
from query_api.lookups.clues import LOOKS, SHOWN, Clue, Look
from query_api.resources import resource
from query_api.wire.reading import Reading

# So many things of one kind are told of; a text that fits more says little.
MOST = 100
_HYPERVISORS = "2.53"
# Neutron keeps a floating IP for itself with a port of this owner, which is nobody's.
_RESERVED = "network:floatingip"
# What every service takes as a part of a name just as it is.
_PLAIN = re.compile(r"[A-Za-z0-9 ._-]+")
_LONGEST_PART = 64
_ORDER = list(SHOWN)


class Match(msgspec.Struct):
    """One thing that a text stands for; ``what`` is its resource.

    ``device`` is what a port or a floating IP belongs to, ``servers`` are the ids of the servers
    behind anything.
    """

    what: str
    id: str
    name: str | None = None
    state: str | None = None
    project_id: str | None = None
    user_id: str | None = None
    domain_id: str | None = None
    host: str | None = None
    servers: list[str] = []
    device: str | None = None
    device_owner: str | None = None
    volume_id: str | None = None


class _Host(msgspec.Struct):
    id: str
    name: str = msgspec.field(name="hypervisor_hostname")
    state: str | None = None
    service: dict[str, Any] = {}


class _Hypervisor(msgspec.Struct):
    hypervisor: _Host


def matches(reading: Reading, clue: Clue) -> list[Match]:
    """Return what goes by a text in one cloud, each thing once.

    What a service refuses is said in the reading; CloudError is raised if all of them do.
    """
    answers = reading.each(lambda look: _tried(reading, look, clue), LOOKS[clue.kind])
    errors = [answer for answer in answers if isinstance(answer, CloudError)]
    if len(errors) == len(answers):
        raise errors[0]
    found = [one for answer in answers if not isinstance(answer, CloudError) for one in answer]
    if not found and clue.kind == "IP address":
        # Hosts cannot be asked for by address; but there are far fewer of them than of servers.
        found = _with_address(reading, clue.value)
    if any(one.what == "floating_ip" for one in found):
        found = [one for one in found if one.device_owner != _RESERVED]
    return _once(found)


def servers(reading: Reading, ids: list[str]) -> dict[str, Match | None]:
    """Return servers by their ids, one request for each; None for one that is no more.

    Those that could not be read are left out and said to be missing. Raises CloudError if none
    could.
    """
    found = reading.answers(
        lambda id: _asked(reading, "server", Test("id", "equal_to", (id,))),
        ids,
        lambda id: f"servers of {reading.cloud.name} ({id})",
    )
    return {id: some[0] if some else None for id, some in found.items()}


def routers(reading: Reading, ids: list[str]) -> dict[str, Match]:
    """Return routers by their ids, in one request; those that are no more are left out."""
    found = _asked(reading, "router", Test("id", "any_in", tuple(ids))) if ids else []
    return {one.id: one for one in found}


def _once(found: list[Match]) -> list[Match]:
    once = {(one.what, one.id): one for one in found}
    return sorted(once.values(), key=lambda one: (_ORDER.index(one.what), one.name or "", one.id))


def _tried(reading: Reading, look: Look, clue: Clue) -> list[Match] | CloudError:
    """Return what one question finds, or the error after it was told of in the reading."""
    try:
        return _answer(reading, look, clue)
    except CloudError as error:
        if error.status is None and _lacks(reading, resource(look.resource).listings[0].service):
            return []
        reading.incomplete(_plural(reading, look.resource), str(error))
        return error


def _with_address(reading: Reading, address: str) -> list[Match]:
    try:
        return _asked(reading, "hypervisor", Test("host_ip", "equal_to", (address,)))
    except CloudError as error:
        reading.incomplete(_plural(reading, "hypervisor"), str(error))
        return []


def _lacks(reading: Reading, service: str) -> bool:
    """Return whether the cloud has no such service at all, and so nothing of its things."""
    try:
        return reading.cloud.endpoint(service) is None
    except CloudError:
        return False


def _plural(reading: Reading, name: str) -> str:
    return f"{resource(name).plural.replace('_', ' ')} of {reading.cloud.name}"


def _answer(reading: Reading, look: Look, clue: Clue) -> list[Match]:
    value = clue.host if look.path == "hostname" else clue.value
    if not value:
        return []
    if look.path == "":
        by_id = {"project": people.project, "user": people.user}[look.resource]
        account = by_id(reading, value)
        return [_account(look.resource, account)] if account else []
    if look.resource == "user":
        return [_account("user", one) for one in people.users_named(reading, value)]
    condition = _condition(look, value)
    if condition is None:
        why = f"their service cannot be asked for the {look.path} {value!r}"
        reading.incomplete(_plural(reading, look.resource), why)
        return []
    found = _asked(reading, look.resource, condition)
    if look.resource != "resource_provider":
        return found
    tried = reading.tried(lambda one: _hypervisor(reading, one) or one, found)
    plural = _plural(reading, "hypervisor")
    told = [(f"{plural} ({one.id})", got) for one, got in zip(found, tried, strict=True)]
    reading.say_failed([*told, (plural, found)])  # what is known of the provider is kept
    return [
        one if isinstance(got, CloudError) else got for one, got in zip(found, tried, strict=True)
    ]


def _account(what: str, account: people.Account) -> Match:
    state = None if account.enabled else "disabled"
    return Match(what, account.id, account.name, state, domain_id=account.domain_id)


def _condition(look: Look, value: str) -> Condition | None:
    """Return a condition that the service can be asked for; None if it cannot."""
    prop = resource(look.resource).property(look.path)
    assert prop is not None
    whole = Test(look.path, "equal_to", (value,))
    if prop.filters["equal_to"].encode(value) is not None:
        return whole
    part = max(_PLAIN.findall(value), key=len, default="")[:_LONGEST_PART]
    less = prop.filters.get("contains")
    if less is None or not part or less.encode(part) is None:
        return None
    return all_of(whole, Test(look.path, "contains", (part,)))


def _asked(reading: Reading, name: str, condition: Condition) -> list[Match]:
    fields = {"id": "id", **SHOWN[name]}
    asked = query(name).where(condition).select(*fields.values()).limit(MOST + 1)
    answer = asked.run([reading.cloud])
    for what, why in answer.reasons:
        reading.incomplete(what, why)
    if len(answer.rows) > MOST:
        why = f"it fits more than {MOST} of them: give the id of the one you mean"
        reading.incomplete(_plural(reading, name), why)
    return [_match(name, row, fields) for row in answer.dicts()[:MOST]]


def _match(name: str, row: dict[str, Any], fields: dict[str, str]) -> Match:
    found = {field: row[path] for field, path in fields.items()}
    behind = found.pop("servers", None) or []
    if (found.get("device_owner") or "").startswith("compute:"):
        behind = found["device"]
    return Match(name, servers=[behind] if isinstance(behind, str) else behind, **found)


def _hypervisor(reading: Reading, provider: Match) -> Match | None:
    """Return the hypervisor that a resource provider is; None if it is none."""
    path = f"/os-hypervisors/{provider.id}"
    try:
        host = reading.one("compute", path, _Hypervisor, None, _HYPERVISORS).hypervisor
    except CloudError as error:
        if not not_there(error):
            raise
        return None
    return Match("hypervisor", host.id, host.name, host.state, host=host.service.get("host"))
