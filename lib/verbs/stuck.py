"""Whether a server hangs in a task, by what Nova and Placement say of it, and since when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from accounts import read_cache
from accounts.cloud import Cloud
from query_api.lookups import compute, placement, server_actions
from query_api.lookups.compute_types import Hypervisor
from query_api.lookups.server_actions import ServerAndAction
from verbs.verb import Options
from workflow_api import CloudError, clean, humanize, listed

_EITHER = frozenset({"active", "error"})
_ERROR = frozenset({"error"})
# What a server may be called that hangs in a task, by its status. Where the task is half done (a
# server being built, resized or rebuilt), ACTIVE would be a lie. What is not here is left alone.
_FROM_TASK: Mapping[str, frozenset[str]] = {
    "ACTIVE": _EITHER,
    "BUILD": _ERROR,
    "ERROR": _EITHER,
    "HARD_REBOOT": _EITHER,
    "MIGRATING": _EITHER,
    "PASSWORD": _EITHER,
    "PAUSED": _ERROR,
    "REBOOT": _EITHER,
    "REBUILD": _ERROR,
    "RESCUE": _ERROR,
    "RESIZE": _ERROR,
    "REVERT_RESIZE": _ERROR,
    "SHELVED": _ERROR,
    "SHUTOFF": _ERROR,
    "SUSPENDED": _ERROR,
    "VERIFY_RESIZE": _ERROR,
}
# And one that is at rest.
_AT_REST: Mapping[str, frozenset[str]] = {"ERROR": frozenset({"active"})}


def refusals(cloud: Cloud, server: ServerAndAction, options: Options) -> Iterator[str]:
    """Tell why a server's state is not to be reset: it is well, or its task is young."""
    known = _FROM_TASK if server.task_state else _AT_REST
    allowed = known.get(server.status, frozenset())
    if not allowed:
        task = f" ({server.task_state})" if server.task_state else ", with no task under way"
        yield f"it is {server.status}{task}: there is nothing to reset"
    elif options.to not in allowed:
        task = f" in the task {server.task_state}" if server.task_state else ""
        yield f"one that is {server.status}{task} may only be reset to {', '.join(sorted(allowed))}"
    if not server.task_state:
        return
    age = _age(server)
    if age is None:
        yield f"it is not known since when it has been in the task {server.task_state}"
    elif age < options.older_than:
        yield (
            f"it has been in the task {server.task_state} for {_minutes(age)}, less than "
            f"{options.older_than}: the task may still be going on"
        )


def evidence(cloud: Cloud, server: ServerAndAction, options: Options) -> Iterator[str]:
    """Tell how long the server is in its task, how its host is, and what Placement holds of it."""
    if server.task_state:
        age = _age(server)
        since = f" for {_minutes(age)}" if age is not None else ""
        yield f"it has been in the task {server.task_state}{since}"
    if server.newest:
        begun = server_actions.as_time(server.newest.start_time) or "an unknown time"
        yield f"its newest action is {clean(server.newest.action)}, of {begun}"
    if server.fault and server.fault.message:
        yield f"its fault is: {clean(server.fault.message)}"
    known = compute.hypervisors(cloud)
    if read_cache.is_of_many():
        yield _host(server, known)
        yield "its actions, migrations and allocations are only read where one server is reset"
        return
    for record in compute.migrations(cloud, limit=1, instance_uuid=server.id):
        ends = f"from {clean(record.source_compute or '')} to {clean(record.dest_compute or '')}"
        yield f"its newest migration, {ends}, is at {clean(record.status)!r}"
    yield _host(server, known)
    yield _held(cloud, server, known)


def _age(server: ServerAndAction) -> float | None:
    """Return for how long its newest action has been under way, in seconds.

    Where actions were not read it is the time since it was last changed, which is not longer.
    """
    since = server.newest.start_time if server.newest else server.updated
    return server_actions.seconds_since(since)


def _minutes(seconds: float) -> str:
    return humanize(seconds // 60 * 60 if seconds >= 60 else seconds)


def _host(server: ServerAndAction, known: list[Hypervisor]) -> str:
    if not server.host:
        return "it is on no host"
    for one in known:
        if one.service.host == server.host:
            return f"nova-compute on its host {clean(server.host)} is {one.state} and {one.status}"
    return f"Nova knows no nova-compute on its host {clean(server.host)}"


def _held(cloud: Cloud, server: ServerAndAction, known: list[Hypervisor]) -> str:
    names = {one.id: one.name for one in known}
    try:
        held = placement.held_by(cloud, server.id)
    except CloudError as error:
        return f"what Placement holds for it could not be read: {error.message}"
    if not held:
        return "Placement holds nothing for it"
    parts = [
        f"{listed(f'{n} {c}' for c, n in sorted(taken.items()))} of {clean(names.get(id, id))}"
        for id, taken in held.items()
    ]
    return f"Placement holds for it {'; '.join(parts)}"
