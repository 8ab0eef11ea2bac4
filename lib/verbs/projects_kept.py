"""Projects that are protected: what they may use is not taken from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from accounts.cloud import Cloud
from protection.marks import protected
from query_api.lookups import things
from verbs.verb import Kept, Options
from workflow_api import clean


def protected_project(cloud: Cloud, thing: Any, options: Options) -> Iterator[Kept]:
    """Tell by which mark the project of the options is protected, if it is."""
    project = things.look(cloud, "project", options.project)
    if project is None:
        return
    if why := protected(project.tags, None, cloud.config.protected):
        yield Kept(f"the project {clean(project.name)} {why.removeprefix('it ')}")
