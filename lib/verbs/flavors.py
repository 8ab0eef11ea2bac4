"""The verbs of flavors. Nova has them done when it answers: nothing is waited for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from accounts.cloud import Cloud
from accounts.config import PackConfig
from common.pairs import pairs
from openstack_api import flavor as change
from protection.marks import protected
from query_api.lookups import flavors, things, usage
from verbs.projects_kept import protected_project
from verbs.verb import Options, Subject, Verb
from workflow_api import ParameterGroup, count
from workflow_api.parameters import FlavorName, ProjectName


class AboutFlavor(ParameterGroup, frozen=True, kw_only=True):
    """The flavor that a verb is about."""

    flavor: FlavorName


def _kept(flavor: Any, config: PackConfig, verb: Verb) -> str:
    return protected((), flavor.extra_specs, config.protected) if verb.disturbs else ""


FLAVOR = Subject(
    name="flavor",
    about=AboutFlavor,
    find=lambda cloud, wanted: things.find(cloud, "flavor", wanted),
    look=lambda cloud, id: things.look(cloud, "flavor", id),
    state=lambda flavor: "there",
    kept=_kept,
)


class AccessOptions(ParameterGroup, frozen=True, kw_only=True):
    """Who may use a flavor."""

    project: ProjectName


class FlavorChanges(ParameterGroup, frozen=True, kw_only=True):
    """What is changed of a flavor; all that is not given stays as it is.

    description: The description; removed if it is a blank.
    set_extra_specs: Extra specs to set, as hw:cpu_policy=dedicated; hw:mem_page_size=large.
    remove_extra_specs: Extra specs to remove, by their names.
    """

    description: Annotated[str, Meta(max_length=65535)] | None = None
    set_extra_specs: str | None = None
    remove_extra_specs: list[str] = msgspec.field(default_factory=list)

    @property
    def specs(self) -> dict[str, str]:
        """The extra specs to set; raises UserError."""
        return pairs("set_extra_specs", self.set_extra_specs)


# -- who may use it --------------------------------------------------------------------------------


def _may_use(flavor: Any, options: Options) -> bool:
    return not flavor.is_public and options.project in _granted(flavor)


def _may_not_use(flavor: Any, options: Options) -> bool:
    return not flavor.is_public and options.project not in _granted(flavor)


def _granted(flavor: Any) -> list[str]:
    # One that went away while it was read has no such list.
    known: list[str] = flavor.values.get("access_project_ids", [])
    return known


def _public(cloud: Cloud, flavor: Any, options: Options) -> Iterator[str]:
    if flavor.is_public:
        yield "it is public: every project may use it, and Nova keeps no list of them"


# -- what it is ------------------------------------------------------------------------------------


def _is_updated(flavor: Any, options: Options) -> bool:
    wanted = (
        options.description is None or (flavor.description or "") == options.description.strip()
    )
    specs = flavor.extra_specs or {}
    return (
        wanted
        and all(specs.get(name) == value for name, value in options.specs.items())
        and not set(options.remove_extra_specs) & specs.keys()
    )


def _at_odds(cloud: Cloud, flavor: Any, options: Options) -> Iterator[str]:
    for name in sorted(options.specs.keys() & set(options.remove_extra_specs)):
        yield f"the extra spec {name} is to be set and to be removed"


def _update(cloud: Cloud, id: str, options: Options) -> None:
    """Send what is not so yet: a request for the description, one for specs, one a removal."""
    now = things.look(cloud, "flavor", id)
    specs = (now and now.extra_specs) or {}
    description = options.description
    if description is not None and description.strip() != ((now and now.description) or ""):
        change.describe_flavor(cloud, id, description.strip())
    if new := {name: value for name, value in options.specs.items() if specs.get(name) != value}:
        change.set_extra_specs(cloud, id, new)
    for name in options.remove_extra_specs:
        if name in specs:
            change.remove_extra_spec(cloud, id, name)


def in_use(cloud: Cloud, flavor: Any, options: Options) -> Iterator[str]:
    """Tell how many servers have a flavor, if any."""
    if servers := usage.servers_with(cloud, flavor):
        yield (
            f"{count(servers, 'server')} {'has' if servers == 1 else 'have'} it: see them with "
            f"server.search where='flavor.name = \"{flavor.name}\"'"
        )


def _not_to_revoke(cloud: Cloud, flavor: Any, options: Options) -> Iterator[str]:
    yield from _public(cloud, flavor, options)
    yield from protected_project(cloud, flavor, options)


FLAVOR_VERBS = (
    Verb(
        name="flavor.update",
        summary="Change a flavor's description and its extra specs.",
        sentence="update flavor {name}",
        participle="updated",
        request=_update,
        ends=_is_updated,
        outcome=lambda flavor, options: "as asked for",
        options=FlavorChanges,
        unfit=_at_odds,
        disturbs=False,
    ),
    Verb(
        name="flavor.grant",
        summary="Grant a project access to a private flavor.",
        sentence="let project {names[project]} use flavor {name}",
        participle="granted",
        request=lambda cloud, id, options: change.grant_flavor(cloud, id, options.project),
        ends=_may_use,
        outcome=lambda flavor, options: "granted to the project",
        undo="flavor.revoke",
        options=AccessOptions,
        others={"project": "project"},
        unfit=_public,
        look=flavors.with_access,
        disturbs=False,
    ),
    Verb(
        name="flavor.revoke",
        summary="Revoke a project's access to a private flavor; its servers keep it.",
        sentence="take flavor {name} from project {names[project]}",
        participle="revoked",
        request=lambda cloud, id, options: change.revoke_flavor(cloud, id, options.project),
        ends=_may_not_use,
        outcome=lambda flavor, options: "not granted to the project",
        undo="flavor.grant",
        options=AccessOptions,
        others={"project": "project"},
        unfit=_not_to_revoke,
        look=flavors.with_access,
    ),
    Verb(
        name="flavor.delete",
        summary="Delete a flavor that no server uses.",
        sentence="delete flavor {name}",
        participle="deleted",
        request=lambda cloud, id, options: change.delete_flavor(cloud, id),
        gone=True,
        unless=in_use,
    ),
)
