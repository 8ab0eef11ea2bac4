"""The verbs of server groups. Nova has them done when it answers: nothing is waited for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from accounts.cloud import Cloud
from openstack_api import server_group as change
from query_api.lookups import things
from verbs.verb import Options, Subject, Verb
from workflow_api import ParameterGroup, count
from workflow_api.parameters import ServerGroupName


class AboutServerGroup(ParameterGroup, frozen=True, kw_only=True):
    """The server group that a verb is about."""

    server_group: ServerGroupName


SERVER_GROUP = Subject(
    name="server_group",
    about=AboutServerGroup,
    find=lambda cloud, wanted: things.find(cloud, "server_group", wanted),
    look=lambda cloud, id: things.look(cloud, "server_group", id),
    state=lambda group: "there",
    # Nova keeps neither tags nor metadata of one.
    kept=lambda group, config, verb: "",
)


def _servers_left(cloud: Cloud, group: Any, options: Options) -> Iterator[str]:
    if group.members:
        servers = count(len(group.members), "server")
        yield f"nothing will keep its {servers} {_HOW[group.policy]}"


_HOW = {
    "affinity": "together",
    "soft-affinity": "together",
    "anti-affinity": "apart",
    "soft-anti-affinity": "apart",
}


SERVER_GROUP_VERBS = (
    Verb(
        name="server_group.delete",
        summary="Delete a server group; its servers stay.",
        sentence="delete server group {name}",
        participle="deleted",
        request=lambda cloud, id, options: change.delete_server_group(cloud, id),
        gone=True,
        notes=_servers_left,
    ),
)
