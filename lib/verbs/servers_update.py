"""The verb that changes what is written on a server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from accounts.cloud import Cloud
from common.pairs import pairs
from openstack_api import compute as change
from query_api.lookups import compute
from query_api.lookups.compute_types import Server
from verbs.verb import Options, Verb
from workflow_api import ParameterGroup, clean, listed
from workflow_api.parameters import Name

# Nova's own limits of tags, and the states in which it lets metadata be changed.
_LONGEST_TAG, _MOST_TAGS, _NOT_IN_TAGS = 60, 50, frozenset("/,")
_WRITABLE = frozenset({"ACTIVE", "PAUSED", "SUSPENDED", "SHUTOFF"})
_Text = Annotated[str, Meta(max_length=255)]


class ServerChanges(ParameterGroup, frozen=True, kw_only=True):
    """What is changed of a server; all that is not given stays as it is.

    new_name: The name to give it.
    description: The description; removed if it is a blank.
    set_metadata: Metadata to set, as role=web; team=shop.
    remove_metadata: Metadata to remove, by its keys.
    add_tags: Tags to add.
    remove_tags: Tags to remove.
    """

    new_name: Annotated[Name, Meta(min_length=1, max_length=255)] | None = None
    description: _Text | None = None
    set_metadata: str | None = None
    remove_metadata: list[str] = msgspec.field(default_factory=list)
    add_tags: list[str] = msgspec.field(default_factory=list)
    remove_tags: list[str] = msgspec.field(default_factory=list)

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata to set; raises UserError."""
        return pairs("set_metadata", self.set_metadata)


class _Lacking(msgspec.Struct, frozen=True):
    """What of the changes is not so yet."""

    facts: dict[str, str]
    metadata: dict[str, str]
    keys: list[str]
    tags: list[str]
    spent_tags: list[str]

    def __bool__(self) -> bool:
        return any((self.facts, self.metadata, self.keys, self.tags, self.spent_tags))


def _lacking(server: Server, options: ServerChanges) -> _Lacking:
    facts = {}
    if options.new_name not in (None, server.name):
        facts["name"] = str(options.new_name)
    if options.description is not None:
        wanted = options.description.strip()
        if wanted != (server.description or ""):
            facts["description"] = wanted
    known = server.metadata
    return _Lacking(
        facts=facts,
        metadata={key: text for key, text in options.metadata.items() if known.get(key) != text},
        keys=[key for key in dict.fromkeys(options.remove_metadata) if key in known],
        tags=[tag for tag in dict.fromkeys(options.add_tags) if tag not in server.tags],
        spent_tags=[tag for tag in dict.fromkeys(options.remove_tags) if tag in server.tags],
    )


def _update(cloud: Cloud, id: str, options: ServerChanges) -> None:
    """Send what is not so yet: one request for each kind of change, key removed, and tag."""
    lacks = _lacking(compute.server(cloud, id), options)
    if lacks.facts:
        change.update_server(cloud, id, lacks.facts)
    if lacks.metadata:
        change.set_server_metadata(cloud, id, lacks.metadata)
    for key in lacks.keys:
        change.remove_server_metadata(cloud, id, key)
    for tag in lacks.tags:
        change.add_server_tag(cloud, id, tag)
    for tag in lacks.spent_tags:
        change.remove_server_tag(cloud, id, tag)


def _unfit(cloud: Cloud, server: Server, options: Options) -> Iterator[str]:
    lacks = _lacking(server, options)
    for key in sorted(options.metadata.keys() & set(options.remove_metadata)):
        yield f"the metadata {clean(key)} is to be set and to be removed"
    for tag in sorted(set(options.add_tags) & set(options.remove_tags)):
        yield f"the tag {clean(tag)} is to be put on and to be taken off"
    for tag in lacks.tags:
        if not 0 < len(tag) <= _LONGEST_TAG or set(tag) & _NOT_IN_TAGS:
            yield f"{clean(tag)!r:.80} is not a tag: 1 to {_LONGEST_TAG} letters without / and ,"
    if len(server.tags) + len(lacks.tags) > _MOST_TAGS:
        yield f"it would have more than {_MOST_TAGS} tags"
    if (lacks.metadata or lacks.keys) and server.status not in _WRITABLE:
        yield f"Nova changes no metadata of one that is {server.status}"


def _notes(cloud: Cloud, server: Server, options: Options) -> Iterator[str]:
    """Tell what changes, from what to what."""
    lacks = _lacking(server, options)
    for word, text in lacks.facts.items():
        before = {"name": server.name, "description": server.description or ""}[word]
        yield f"its {word} becomes {clean(text)!r}, and was {clean(before)!r}"
    for key, text in lacks.metadata.items():
        was = f", and was {clean(server.metadata[key])!r}" if key in server.metadata else ""
        yield f"its metadata {clean(key)} becomes {clean(text)!r}{was}"
    for what, words in {
        "its metadata loses": lacks.keys,
        "it is tagged": lacks.tags,
        "it loses the tags": lacks.spent_tags,
    }.items():
        if words:
            yield f"{what} {listed(map(clean, words))}"


def _is_updated(server: Server, options: Any) -> bool:
    return not _lacking(server, options)


UPDATE_VERBS = (
    Verb(
        name="server.update",
        summary="Change a server's name, description, metadata and tags.",
        sentence="update {name}",
        participle="updated",
        request=_update,
        ends=_is_updated,
        outcome=lambda server, options: "as asked for",
        options=ServerChanges,
        unfit=_unfit,
        notes=_notes,
        disturbs=False,
    ),
)
