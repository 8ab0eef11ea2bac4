"""The steps that make flavors, and what a flavor is made of."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from accounts.cloud import Cloud
from openstack_api import flavor as change
from query_api.lookups import flavors, things
from query_api.lookups.things import Thing
from workflow_api import Attempt, Plan, Ref, clean, step

Data = dict[str, Any]
# What cannot be changed of a flavor, as queries call it -> as the SDK calls it.
FACTS = {
    "vcpus": "vcpus",
    "ram": "ram",
    "disk": "disk",
    "ephemeral": "ephemeral",
    "swap": "swap",
    "rxtx_factor": "rxtx_factor",
    "is_public": "is_public",
    "description": "description",
}


class NewFlavor:
    """The name of a flavor that is to be made, which one run at a time may give."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def subject(self) -> str:
        """What a run claims: made of the name, for there is no id yet."""
        return f"new_flavor:{uuid.uuid5(uuid.NAMESPACE_URL, self.name)}"


def facts_of(flavor: Thing) -> Data:
    """Return what a flavor like this one is made of, but for its name, its id and extra specs."""
    return {sdk: flavor.values.get(name) for name, sdk in FACTS.items()}


def differences(wanted: Mapping[str, Any], specs: Mapping[str, str], there: Thing) -> Iterator[str]:
    """Tell in words how a flavor that is there is other than one of these facts and specs."""
    known = facts_of(there)
    for name, value in wanted.items():
        if value is not None and known[name] != value:
            yield f"{name} is {_as_text(known[name])} and not {_as_text(value)}"
    found = there.extra_specs or {}
    for name in sorted({*specs, *found}):
        if specs.get(name) != found.get(name):
            yield (
                f"the extra spec {clean(name)} is {_as_text(found.get(name))} and not "
                f"{_as_text(specs.get(name))}"
            )


def _as_text(value: Any) -> str:
    return "missing" if value in (None, "") else str(clean(value))


def add_flavor(
    plan: Plan,
    cloud: Cloud,
    name: str,
    facts: Mapping[str, Any],
    specs: Mapping[str, str],
    *,
    flavor_id: str | None = None,
    projects: Mapping[str, str] | None = None,
) -> Ref:
    """Add the steps that make a flavor with its extra specs for some projects; return the first.

    Without a ``flavor_id`` it has one that is made of the run. ``projects`` are ids with names.
    """
    made = plan.add(make, cloud=cloud, name=name, facts=dict(facts), flavor_id=flavor_id)
    if specs:
        plan.add(set_specs, cloud=cloud, name=name, flavor=made["id"], specs=dict(specs))
    granted = [
        {"cloud": cloud, "name": name, "flavor": made["id"], "project": id, "called": called}
        for id, called in (projects or {}).items()
    ]
    plan.each(let_use, granted)
    return made


def _id_of(attempt: Attempt, flavor_id: str | None) -> str:
    return flavor_id or str(uuid.uuid5(uuid.UUID(attempt.run), attempt.key))


def find_made(attempt: Attempt, cloud: Cloud, name: str, flavor_id: str | None) -> Data | None:
    """Return the flavor that an earlier attempt made, known by its id; None if there is none."""
    found = things.look(cloud, "flavor", _id_of(attempt, flavor_id))
    if found is None or found.name != name:
        return None
    return {"id": found.id, "said": f"flavor {clean(name)} is there: {found.id}"}


def unmake(attempt: Attempt, cloud: Cloud, name: str, flavor_id: str | None) -> None:
    """Delete the flavor again, if it is there."""
    if found := find_made(attempt, cloud, name, flavor_id):
        change.delete_flavor(cloud, found["id"])


@step("flavor.make", "make flavor {name}", key="{name}", find=find_made, undo=unmake)
def make(
    attempt: Attempt, cloud: Cloud, name: str, facts: Data, flavor_id: str | None = None
) -> Data:
    """Make a flavor without extra specs, of what the SDK's Flavor has; return its id."""
    id = change.create_flavor(cloud, name=name, id=_id_of(attempt, flavor_id), **facts)
    return {"id": id, "said": f"flavor {clean(name)} is there: {id}"}


@step("flavor.set_specs", "set the extra specs of flavor {name}", key="{name}", repeatable=True)
def set_specs(cloud: Cloud, name: str, flavor: str, specs: Data) -> Data:
    """Set extra specs, which twice does no harm."""
    change.set_extra_specs(cloud, flavor, specs)
    return {"said": f"flavor {clean(name)} has {', '.join(map(clean, sorted(specs)))}"}


def find_granted(cloud: Cloud, name: str, flavor: str, project: str, called: str) -> Data | None:
    """Return that the project may use the flavor; None if it may not."""
    if project in flavors.access_of(cloud, flavor):
        return {"said": f"project {clean(called)} may use flavor {clean(name)}"}
    return None


@step(
    "flavor.let_use",
    "let project {called} use flavor {name}",
    key="{name}:{project}",
    find=find_granted,
)
def let_use(cloud: Cloud, name: str, flavor: str, project: str, called: str) -> Data:
    """Let one project use a flavor."""
    change.grant_flavor(cloud, flavor, project)
    return {"said": f"project {clean(called)} may use flavor {clean(name)}"}


def find_taken(cloud: Cloud, name: str, flavor: str, project: str, called: str) -> Data | None:
    """Return that the project may not use the flavor; None if it may."""
    if project not in flavors.access_of(cloud, flavor):
        return {"said": f"project {clean(called)} may not use flavor {clean(name)}"}
    return None


@step(
    "flavor.take_from",
    "take flavor {name} from project {called}",
    key="{name}:{project}",
    find=find_taken,
)
def take_from(cloud: Cloud, name: str, flavor: str, project: str, called: str) -> Data:
    """Take a flavor from one project; its servers keep theirs."""
    change.revoke_flavor(cloud, flavor, project)
    return {"said": f"project {clean(called)} may not use flavor {clean(name)}"}


def named_projects(found: Sequence[Thing]) -> dict[str, str]:
    """Return projects as ids with their names."""
    return {project.id: str(clean(project.name)) for project in found}
