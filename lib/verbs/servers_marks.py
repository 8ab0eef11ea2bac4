"""Verbs that put the mark on a server that keeps runbooks off it, and take it off."""

from __future__ import annotations

import msgspec

from accounts.cloud import Cloud
from accounts.config import Protected
from openstack_api import compute as change
from protection.marks import protected
from query_api.lookups import compute
from query_api.lookups.compute_types import Server
from verbs.verb import Options, Verb
from workflow_api import ParameterGroup


class MarkOptions(ParameterGroup, frozen=True, kw_only=True):
    """The marks that the configuration names: a plan keeps what it was drawn with."""

    no_parameters = frozenset({"tag", "metadata_key"})

    tag: str = ""
    metadata_key: str = ""


def _of_config(cloud: Cloud, server: Server, options: Options) -> Options:
    marks = cloud.config.protected
    return msgspec.structs.replace(options, tag=marks.tag, metadata_key=marks.metadata_key)


def _marks(options: MarkOptions) -> Protected:
    return Protected(tag=options.tag, metadata_key=options.metadata_key)


def _is_protected(server: Server, options: MarkOptions) -> bool:
    return bool(protected(server.tags, server.metadata, _marks(options)))


def _take_off(cloud: Cloud, id: str, options: MarkOptions) -> None:
    """Take off each mark that is there: a repeat takes off what the first try did not."""
    server = compute.server(cloud, id)
    if protected((), server.metadata, _marks(options)):
        change.remove_server_metadata(cloud, id, options.metadata_key)
    if options.tag in server.tags:
        change.remove_server_tag(cloud, id, options.tag)


MARK_VERBS = (
    Verb(
        name="server.protect",
        summary="Mark a server as protected, so that runbooks leave it alone.",
        sentence="protect {name} by the tag {options[tag]}",
        participle="protected",
        request=lambda cloud, id, options: change.add_server_tag(cloud, id, options.tag),
        ends=_is_protected,
        outcome=lambda server, options: "protected",
        options=MarkOptions,
        completed=_of_config,
        disturbs=False,
    ),
    Verb(
        name="server.unprotect",
        summary="Remove the marks that protect a server from runbooks.",
        sentence="no longer protect {name}",
        participle="left unprotected",
        request=_take_off,
        ends=lambda server, options: not _is_protected(server, options),
        outcome=lambda server, options: "not protected",
        options=MarkOptions,
        completed=_of_config,
        disturbs=False,
    ),
)
