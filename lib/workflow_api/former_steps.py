"""Steps as plans of earlier versions stored them, read as what they are called and take now.

A plan that was stored by an earlier version and was interrupted still has to resume. Up to 0.1.0 a
step was called by its module and function.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class Former(msgspec.Struct, frozen=True):
    """A step's name of today, and the data that has another name now, by its former one."""

    name: str
    renamed: Mapping[str, str] = {}


FORMER = {
    "moving.move_server": Former("server.move"),
    "moving.verify_arrived": Former("server.verify_arrived"),
    "campaign_steps.record_campaign": Former("campaign.record"),
    "campaign_steps.send_again": Former("campaign.send_again"),
    "campaign_steps.send_campaign": Former("campaign.send"),
    # The service's host was enough while a service had one hypervisor; both find the same.
    "hypervisor.verify_empty": Former("hypervisor.verify_empty", {"compute_host": "hypervisor"}),
}


def modernised(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored step as this version stores it; its key stays, as the journal has it."""
    former = FORMER.get(stored["name"])
    if former is None:
        return dict(stored)
    data = {former.renamed.get(name, name): value for name, value in stored["data"].items()}
    return {**stored, "name": former.name, "data": data}
