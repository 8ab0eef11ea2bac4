"""Verbs that put the mark on a volume that keeps runbooks off it, and take it off."""

from __future__ import annotations

from typing import Any

import msgspec

from accounts.cloud import Cloud
from accounts.config import Protected
from openstack_api import volume as change
from protection.marks import protected
from verbs.verb import Options, Verb
from workflow_api import ParameterGroup


class MarkOptions(ParameterGroup, frozen=True, kw_only=True):
    """The mark that the configuration names: a plan keeps what it was drawn with."""

    no_parameters = frozenset({"metadata_key"})

    metadata_key: str = ""


def _of_config(cloud: Cloud, volume: Any, options: Options) -> Options:
    key = cloud.config.protected.metadata_key
    return msgspec.structs.replace(options, metadata_key=key)


def _is_protected(volume: Any, options: Options) -> bool:
    return bool(protected((), volume.metadata, Protected(metadata_key=options.metadata_key)))


MARK_VERBS = (
    Verb(
        name="volume.protect",
        summary="Mark a volume as protected, so that runbooks leave it alone.",
        sentence="protect {name} by its metadata {options[metadata_key]}",
        participle="protected",
        request=lambda cloud, id, options: change.set_volume_metadata(
            cloud, id, {options.metadata_key: "true"}
        ),
        ends=_is_protected,
        outcome=lambda volume, options: "protected",
        undo="volume.unprotect",
        options=MarkOptions,
        completed=_of_config,
        disturbs=False,
    ),
    Verb(
        name="volume.unprotect",
        summary="Remove the mark that protects a volume from runbooks.",
        sentence="no longer protect {name}",
        participle="left unprotected",
        request=lambda cloud, id, options: change.remove_volume_metadata(
            cloud, id, options.metadata_key
        ),
        ends=lambda volume, options: not _is_protected(volume, options),
        outcome=lambda volume, options: "not protected",
        undo="volume.protect",
        options=MarkOptions,
        completed=_of_config,
        disturbs=False,
    ),
)
