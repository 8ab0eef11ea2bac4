"""Plans of hypervisor.drain, drawn on a fake cloud and told in words."""

from __future__ import annotations

from typing import Any

import pytest

from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor
from support.fake_cloud_runs import drawn
from workflow_api import Plan, Refused

LIVE = "live-migrate a (1 vCPU, 1 GiB) from cmp-1"


def hosts(*more: Hypervisor) -> list[Hypervisor]:
    """Return cmp-1, which is drained, and cmp-2."""
    return [Hypervisor("cmp-1"), Hypervisor("cmp-2"), *more]


def drain(fake: FakeCloud, config: dict[str, Any] | None = None, **parameters: Any) -> Plan:
    """Draw the plan of a drain of cmp-1."""
    asked = {"hypervisor": "cmp-1", "reason": "new RAM", **parameters}
    return drawn(fake.account(**config or {}), "hypervisor.drain", **asked)


def told(plan: Plan) -> list[str]:
    """Return the moves of a plan, and what is left with why, in words."""
    moves = [step.sentence for step in plan.steps() if step.name == "server.move"]
    return moves + [f"{entry['what'].split(' (')[0]}: {entry['why']}" for entry in plan.left]


def refusal(fake: FakeCloud, **parameters: Any) -> list[str]:
    """Return the reasons for which the drain is refused."""
    with pytest.raises(Refused) as refused:
        drain(fake, **parameters)
    return refused.value.reasons
