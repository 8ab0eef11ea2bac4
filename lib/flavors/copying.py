"""Flavors of one cloud that another one lacks: what is made there, and what is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from accounts.cloud import Cloud
from flavors.making import NewFlavor, add_flavor, differences, facts_of
from query_api.execution.query import query
from query_api.lookups import flavors, things
from query_api.lookups.things import Thing
from workflow_api import CloudError, Context, NotFound, Plan, clean, listed, near


def plan_copy(ctx: Context, plan: Plan, source: Cloud, target: Cloud, names: Sequence[str]) -> None:
    """Add to a plan what makes the flavors of ``source`` in ``target`` that are missing there.

    Only those of ``names``, if any are given. Raises NotFound, with near names, for one of them
    that the source has not, and CloudError if not everything could be read.
    """
    here, there = _flavors(source), _flavors(target)
    for name in names:
        if name not in here:
            where = f"cloud {source.name}"
            raise NotFound("flavor", clean(name), where=where, near=near(name, here))
    wanted = {name: here[name] for name in names or sorted(here)}
    missing = [flavor for name, flavor in wanted.items() if name not in there]
    ctx.claim(*(NewFlavor(flavor.name) for flavor in missing))
    private = [flavor for flavor in missing if not flavor.is_public]
    projects = _Projects(source, target) if private else None
    taken = {flavor.id for flavor in there.values()}
    for name, flavor in wanted.items():
        if name in there:
            _compare(plan, target, flavor, there[name])
            continue
        granted = projects.granted(plan, flavor) if projects and not flavor.is_public else {}
        add_flavor(
            plan,
            target,
            name,
            facts_of(flavor),
            flavor.extra_specs or {},
            # Kept where it is free in the other cloud: what refers to the flavor by id still works.
            flavor_id=None if flavor.id in taken else flavor.id,
            projects=granted,
        )


def _compare(plan: Plan, target: Cloud, wanted: Thing, there: Thing) -> None:
    found = list(differences(facts_of(wanted), wanted.extra_specs or {}, there))
    if found:
        why = f"it exists but differs: {listed(found)}"
        plan.leave(f"flavor {clean(wanted.name)} of {target.name}", why)
    else:
        plan.skip(str(clean(wanted.name)), f"{target.name} has it already")


def _flavors(cloud: Cloud) -> dict[str, Thing]:
    return {flavor.name: flavor for flavor in things.of_query(cloud, query("flavor"))}


class _Projects:
    """The projects of two clouds, which are the same where name and domain are."""

    def __init__(self, source: Cloud, target: Cloud) -> None:
        self._source, self._target = source, target
        self._names = _projects(source)
        self._ids = {named: id for id, named in _projects(target).items()}

    def granted(self, plan: Plan, flavor: Thing) -> Mapping[str, str]:
        """Return those of the target that may use a flavor; what it has not is left, and said."""
        found: dict[str, str] = {}
        for id in flavors.access_of(self._source, flavor.id):
            named = self._names.get(id, ("?", id))
            shown = "/".join(map(clean, named))
            if named in self._ids:
                found[self._ids[named]] = shown
            else:
                why = f"{self._target.name} has no such project"
                plan.leave(f"project {shown} of flavor {clean(flavor.name)}", why)
        return found


def _projects(cloud: Cloud) -> dict[str, tuple[str, str]]:
    answer = query("project").select("id", "domain.name", "name").run([cloud])
    if answer.reasons:
        what, why = answer.reasons[0]
        raise CloudError(f"Not everything could be read ({what}): {why}")
    return {id: (domain or "", name) for id, domain, name in answer.rows}
