"""Servers in ERROR, stuck ones, and resizes that nobody confirms: what is asked, and told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.audit_cloud import AuditCloud
from support.fake_cloud_estate import Json
from support.looking import ago, facts, look, states

HOUR, DAY = 3600, 86400
NAME = "server_state"


def server(name: str, status: str, task: str | None, age: float, **more: Any) -> Json:
    return {
        "id": f"id-{name}",
        "name": name,
        "status": status,
        "OS-EXT-STS:task_state": task,
        "OS-EXT-SRV-ATTR:host": "cmp-1",
        "updated": ago(age),
        "tenant_id": "project-1",
        "user_id": "user-1",
        **more,
    }


#: Status, task, seconds since the last change, and what is told of that.
CASES = [
    ("ERROR", None, 1, "ERROR"),
    ("ERROR", "powering-off", 2 * DAY, "ERROR"),
    ("ERROR", "deleting", 60, "ERROR"),
    ("ERROR", "deleting", HOUR, "STUCK_DELETING"),
    ("ACTIVE", "deleting", HOUR, "STUCK_DELETING"),
    ("SHUTOFF", "soft-deleting", HOUR, "STUCK_DELETING"),
    ("ACTIVE", "deleting", 60, None),
    ("BUILD", "spawning", 2 * HOUR, "STUCK"),
    ("BUILD", None, 2 * HOUR, "STUCK"),
    ("BUILD", "scheduling", 60, None),
    ("MIGRATING", "migrating", 2 * HOUR, "STUCK"),
    ("ACTIVE", "image_uploading", 2 * HOUR, "STUCK"),
    ("ACTIVE", "image_uploading", HOUR / 2, None),
    ("VERIFY_RESIZE", None, 2 * DAY, "UNCONFIRMED_RESIZE"),
    ("VERIFY_RESIZE", None, HOUR, None),
    ("VERIFY_RESIZE", "deleting", HOUR, "STUCK_DELETING"),
    ("ACTIVE", None, 99 * DAY, None),
    ("SHUTOFF", None, 99 * DAY, None),
]


@pytest.fixture
def cloud() -> Iterator[AuditCloud]:
    with AuditCloud() as cloud:
        yield cloud


def test_states(cloud: AuditCloud) -> None:
    """All in one look: each is told by itself."""
    cloud.rows["server"] = [
        server(f"web-{number}", status, task, age)
        for number, (status, task, age, _) in enumerate(CASES)
    ]
    wanted = {f"web-{number}": case[3] for number, case in enumerate(CASES) if case[3]}
    assert states(look(cloud, NAME)) == wanted


def test_limits_are_settings(cloud: AuditCloud) -> None:
    cloud.rows["server"] = [
        server("a", "ACTIVE", "deleting", 90),
        server("b", "REBOOT", "rebooting", 90),
        server("c", "VERIFY_RESIZE", None, 90),
        server("d", "ACTIVE", "pausing", 90),
    ]
    limits = {"stuck_after": "1m", "deleting_after": "1m", "unconfirmed_after": "1m"}
    found = {"a": "STUCK_DELETING", "b": "STUCK", "c": "UNCONFIRMED_RESIZE"}
    assert states(look(cloud, NAME, **limits)) == found, "d has a task that nobody asks for"
    assert states(look(cloud, NAME, tasks=["pausing"], **limits))["d"] == "STUCK"


def test_what_is_told_of_a_server(cloud: AuditCloud) -> None:
    fault = {"message": "No valid host was found. " * 100, "code": 500, "created": ago(60)}
    cloud.rows["server"] = [server("web-1", "ERROR", None, 60, fault=fault)]
    told = facts(look(cloud, NAME).conditions, "web-1")
    assert told["fault"].startswith("No valid host was found.")
    assert len(told["fault"]) <= 500
    assert (told["host"], told["project_id"], told["updated_at"]) == ("cmp-1", "project-1", ago(60))
    (condition,) = look(cloud, NAME).conditions
    assert condition.subject == "server:id-web-1", "as runs claim it"


def test_the_service_is_asked_for_these_servers_alone(cloud: AuditCloud) -> None:
    look(cloud, NAME, tasks=["deleting", "unshelving"])
    asked = [request.query for request in cloud.asked("/servers/detail")]
    assert len(asked) == 4
    assert all(one.keys() & {"status", "task_state"} for one in asked)
    assert {one.get("task_state") for one in asked} == {None, "deleting", "unshelving"}


def test_what_was_not_read_is_said(cloud: AuditCloud, no_back_off: None) -> None:
    cloud.rows["server"] = [server("web-1", "ERROR", None, 60)]
    cloud.fail("GET /compute/v2.1/servers/detail", 503, times=99, query={"task_state": "deleting"})
    sight = look(cloud, NAME)
    assert [one.state for one in sight.conditions] == ["ERROR"]
    assert len([one for one in sight.unread if "in task deleting" in one and "503" in one]) == 1
