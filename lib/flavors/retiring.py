"""flavor.retire: no server boots with it any more, and it is deleted when unused."""

from __future__ import annotations

from accounts.cloud import Cloud
from accounts.config import PackConfig
from flavors.making import Data, add_flavor, facts_of, take_from
from openstack_api import flavor as change
from protection.marks import protected
from query_api.execution.query import query
from query_api.lookups import flavors, things, usage
from query_api.lookups.things import Thing
from workflow_api import Attempt, Plan, StepFailed, clean, count, step


def plan_retirement(plan: Plan, cloud: Cloud, flavor: Thing, config: PackConfig) -> int:
    """Add to a plan what retires a flavor now; return how many servers still have it.

    One that is in use is kept from everybody, one that is not is deleted. Raises Refused for a
    protected one.
    """
    name = str(clean(flavor.name))
    mark = protected((), flavor.extra_specs, config.protected)
    plan.refuse([f"{name} cannot be retired: {mark}"] if mark else [], kept=bool(mark))
    servers = usage.servers_with(cloud, flavor)
    if not servers:
        plan.add(delete, flavor=flavor.id, name=name)
        return 0
    if flavor.is_public:
        plan.note(
            "Nova cannot make a flavor private: it is deleted and created again, private, with the "
            "same id. Servers keep what they have of it."
        )
        facts, specs = facts_of(flavor), dict(flavor.extra_specs or {})
        about = {"flavor": flavor.id, "name": flavor.name}
        # The flavor must not be lost if it cannot be created again.
        plan.add(delete, undo="on_failure", facts=facts, specs=specs, **about)
        private = {**facts, "is_public": False}
        add_flavor(plan, cloud, flavor.name, private, specs, flavor_id=flavor.id)
    else:
        _take_from_all(plan, cloud, flavor)
    plan.leave(f"flavor {name}", f"{count(servers, 'server')} still {_have(servers)} it")
    return servers


def _take_from_all(plan: Plan, cloud: Cloud, flavor: Thing) -> None:
    granted = flavors.access_of(cloud, flavor.id)
    if not granted:
        plan.skip(flavor.name, "no project may use it already")
        return
    asked = query("project").where("id", "any_in", *granted).select("id", "name")
    names = dict(asked.run([cloud]).rows)
    plan.each(
        take_from,
        [
            {
                "name": flavor.name,
                "flavor": flavor.id,
                "project": id,
                "called": str(clean(names.get(id, id))),
            }
            for id in granted
        ],
    )


def _have(servers: int) -> str:
    return "has" if servers == 1 else "have"


def find_gone(attempt: Attempt, cloud: Cloud, flavor: str, name: str) -> dict[str, str] | None:
    """Return that the flavor is gone; None if it is there."""
    if things.look(cloud, "flavor", flavor) is None:
        return {"said": f"flavor {clean(name)} is gone"}
    return None


def bring_back(
    attempt: Attempt, cloud: Cloud, flavor: str, name: str, facts: Data, specs: Data
) -> None:
    """Make the flavor again as it was, with its id, if it is gone or was created again in part.

    One that was created again with all its specs stays: nothing is lost, whatever failed later.
    Raises CloudError 409 if its id is another flavor's by now.
    """
    now = things.look(cloud, "flavor", flavor)
    if now is not None and now.name != name:
        now = None
    if now is not None and (now.extra_specs or {}) == specs:
        return
    if now is not None and not now.is_public:
        change.delete_flavor(cloud, flavor)
        now = None
    if now is None:
        change.create_flavor(cloud, name=name, id=flavor, **facts)
    if specs:
        change.set_extra_specs(cloud, flavor, specs)


@step("flavor.remove", "delete flavor {name}", key="{flavor}", find=find_gone, undo=bring_back)
def delete(
    attempt: Attempt,
    cloud: Cloud,
    flavor: str,
    name: str,
    facts: Data | None = None,
    specs: Data | None = None,
) -> Data:
    """Delete the flavor; its servers keep what they have of it.

    ``facts`` and ``specs`` are what it is made again of if that has to be undone. Without them it
    goes because no server has it: raises StepFailed if one has by now.
    """
    now = things.look(cloud, "flavor", flavor) if facts is None else None
    if now is not None and (servers := usage.servers_with(cloud, now)):
        raise StepFailed(
            f"flavor {clean(name)} stays: {count(servers, 'server')} {_have(servers)} it."
        )
    change.delete_flavor(cloud, flavor)
    return {"said": f"flavor {clean(name)} is gone"}
