"""Volumes of a real cloud in situations that a verb's stand does not know."""

from __future__ import annotations

import datetime
import uuid
from typing import Any

from support.cloud_site import Site

KEEP_UNTIL = "openstack_ops:keep_until"
Parameters = dict[str, Any]


def day(days: int) -> str:
    """Return the day in UTC that is so many days from now."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return f"{now + datetime.timedelta(days=days):%Y-%m-%d}"


def named_volume(site: Site) -> Parameters:
    """Make a volume for whatever takes one."""
    return {"volume": site.volume(f"proof-{uuid.uuid4().hex[:8]}")}


def to_transfer(site: Site) -> Parameters:
    """Make a volume, and a project in which the account has a role."""
    project = site.project()
    member = site.sdk.identity.find_role("member")
    site.sdk.identity.assign_project_role_to_user(project, site.sdk.current_user_id, member)
    return {**named_volume(site), "project": project}


def hanging(site: Site) -> Parameters:
    """Make a volume of which Cinder has an attachment to a server that never was."""
    found = named_volume(site)
    body = {"volume_uuid": found["volume"], "instance_uuid": str(uuid.uuid4())}
    answer = site.sdk.block_storage.post(
        "/attachments", json={"attachment": body}, microversion="3.27"
    )
    assert answer.status_code in (200, 202), answer.text
    return {**found, "older_than": "0s"}


def to_prune(site: Site) -> Parameters:
    """Make snapshots of a volume: one of ours whose day is over, one to be kept, one of others."""
    name = f"proof-{uuid.uuid4().hex[:8]}"
    volume = site.volume(name)
    run = {"openstack_ops:run": "a-run", "openstack_ops:step": "a-step"}
    site.volume_snapshot(f"{name}-past", volume, **run, **{KEEP_UNTIL: day(-1)})
    site.volume_snapshot(f"{name}-kept", volume, **run, **{KEEP_UNTIL: day(1)})
    site.volume_snapshot(f"{name}-theirs", volume)
    where = f"name starts_with {name}"
    return {"where": where, "of": "volumes", "keep": 0, "older_than": "0s"}
