"""Given this cloud, this plan: how hypervisor.drain judges each server, as data."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Flavor, Hypervisor, Server, uuid_of
from support.fake_cloud_plans import LIVE, drain, hosts, told
from support.fake_cloud_runs import Remembered, call
from workflow_api import Refused, UserError

PINNED = Flavor("pinned", extra_specs={"hw:cpu_policy": "dedicated"})
FORBIDDEN = "servers with hw:cpu_policy=dedicated must not be live-migrated"
COLD = "migration=cold would move it with a downtime"
COLDLY = "cold-migrate a (1 vCPU, 1 GiB) from cmp-1"
OFF = "a: it is shut off: only cold migration can move it"
PAUSED = "a: it is paused: only live migration can move it"
SUSPENDED = "a: it is suspended, and Nova moves no suspended server: resume it first"
UNCONFIRMED = "a: a resize or migration of it waits to be confirmed or reverted"
RESCUE, ERROR = "a: it is in rescue mode: unrescue it first", "a: it is in ERROR: the disk is gone"
BUILD, ODD = "a: it is still being built", "a: a server that is PASSWORD cannot be moved"
# status: with auto, live and cold
BY_STATUS = {
    "ACTIVE": (LIVE, LIVE, COLDLY),
    "PAUSED": (LIVE, LIVE, PAUSED),
    "SHUTOFF": (COLDLY, OFF, COLDLY),
    "SUSPENDED": (SUSPENDED,) * 3,
    "VERIFY_RESIZE": (UNCONFIRMED,) * 3,
    "RESCUE": (RESCUE,) * 3,
    "ERROR": (ERROR,) * 3,
    "BUILD": (BUILD,) * 3,
    "PASSWORD": (ODD,) * 3,
}  # fmt: skip


@pytest.mark.parametrize("status", BY_STATUS)
def test_how_a_server_of_each_state_is_moved(status: str) -> None:
    server = Server("a", status=status, fault="the disk is gone" if status == "ERROR" else "")
    with FakeCloud(hosts(), [server]) as fake:
        plans = [drain(fake, migration=how) for how in ("auto", "live", "cold")]
    assert [told(plan) for plan in plans] == [[words] for words in BY_STATUS[status]]
    for plan in plans:
        assert bool(plan.left) == bool(plan.notes), "what is left is said to fail the last check"


class Case(NamedTuple):
    """One server with what is special about it, and what becomes of it."""

    id: str
    server: Server
    words: str
    config: dict[str, Any] = {}  # noqa: RUF012 - never changed
    asked: dict[str, Any] = {}  # noqa: RUF012 - never changed


CASES = [
    Case("locked", Server("a", locked=True),
         "a: it is locked: unlock it first if its owner agrees"),
    Case("mid-task", Server("a", task="image_uploading"),
         "a: a task is under way on it (image_uploading)"),
    Case("tagged", Server("a", tags=["openstack-ops-protected"]),
         "a: it is protected by the tag openstack-ops-protected"),
    Case("tagged as the site says", Server("a", tags=["hands-off"]),
         "a: it is protected by the tag hands-off", {"protected": {"tag": "hands-off"}}),
    Case("another tag is no protection", Server("a", tags=["hands-off"]), LIVE),
    Case("marked", Server("a", metadata={"openstack_ops:protected": "True"}),
         "a: it is protected by its metadata openstack_ops:protected"),
    *(
        Case(f"marked {value!r}", Server("a", metadata={"openstack_ops:protected": value}),
             "a: it is protected by its metadata openstack_ops:protected")
        for value in ("true", "1", "yes", "on", "until June", "")
    ),
    *(
        Case(f"marked {value!r}", Server("a", metadata={"openstack_ops:protected": value}), LIVE)
        for value in ("No", " off ", "0", "FALSE")
    ),
    Case("marked as not protected", Server("a", metadata={"openstack_ops:protected": "false"}),
         LIVE),
    Case("forbidden by its extra spec", Server("a", flavor=PINNED), f"a: {FORBIDDEN}; {COLD}"),
    Case("forbidden live, and shut off", Server("a", status="SHUTOFF", flavor=PINNED), COLDLY),
    Case("forbidden live, moved cold", Server("a", flavor=PINNED), COLDLY,
         asked={"migration": "cold"}),
    Case("forbidden live, and paused", Server("a", status="PAUSED", flavor=PINNED),
         f"a: {FORBIDDEN}"),
    Case("forbidden by an extra spec of any value",
         Server("a", flavor=Flavor(extra_specs={"pci_passthrough:alias": "gpu:1"})),
         f"a: servers with pci_passthrough:alias=gpu:1 must not be live-migrated; {COLD}"),
    Case("the spec with another value", Server("a", flavor=Flavor(
        extra_specs={"hw:cpu_policy": "shared"})), LIVE),
    Case("forbidden by its flavor's name", Server("a", flavor=Flavor("gpu.large")),
         f"a: servers of flavor gpu.large must not be live-migrated; {COLD}",
         {"live_migration_forbidden": {"flavors": ["gpu.*"]}}),
    Case("the pattern is of the whole name", Server("a", flavor=Flavor("no-gpu.large")), LIVE,
         {"live_migration_forbidden": {"flavors": ["gpu.*"]}}),
    Case("an empty list forbids nothing", Server("a", flavor=PINNED), LIVE,
         {"live_migration_forbidden": {"extra_specs": []}}),
    Case("protection is told before the rest", Server("a", locked=True, status="ERROR",
         tags=["openstack-ops-protected"]),
         "a: it is protected by the tag openstack-ops-protected"),
    Case("a hostile name", Server("a\x1b[31m\n", locked=True),
         "a : it is locked: unlock it first if its owner agrees"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_what_keeps_a_server_where_it_is(case: Case) -> None:
    with FakeCloud(hosts(), [case.server]) as fake:
        assert told(drain(fake, case.config, **case.asked)) == [case.words]


def test_the_whole_plan() -> None:
    servers = [
        Server("b"),
        Server("a", status="SHUTOFF"),
        Server("kept"),
        Server("c", host="cmp-2"),
    ]
    with FakeCloud(hosts(), servers) as fake:
        claims = Remembered()
        asked = {"hypervisor": "cmp-1", "reason": "new RAM", "exclude": ["kept"]}
        plan = call(fake.account(), "hypervisor.drain", claims, max_parallel=3, **asked)
        assert fake.changes == []
    assert [(step.sentence, step.undo) for step in plan.steps()] == [
        ("disable scheduling of cmp-1: new RAM", "never"),
        ("cold-migrate a (1 vCPU, 1 GiB) from cmp-1", "never"),
        ("live-migrate b (1 vCPU, 1 GiB) from cmp-1", "never"),
        ("check that what was moved arrived well", "never"),
        ("check that cmp-1 is empty", "never"),
    ]
    assert [(stage.at_most, stage.on_failure) for stage in plan.stages] == [
        (1, "stop"), (3, "stop"), (1, "stop"), (1, "stop"),
    ]  # fmt: skip
    assert plan.skipped == [{"what": "kept", "why": "it was excluded"}]
    assert next(plan.steps()).data == {
        "service": uuid_of("service", "cmp-1"),
        "host": "cmp-1",
        "reason": "new RAM",
        "was": {"status": "enabled", "reason": None},
        "now": "",
    }
    here = [f"server:{s.id}" for s in servers if s.host == "cmp-1"]
    assert sorted(claims.subjects) == sorted(
        [f"hypervisor:{uuid_of('hypervisor', 'cmp-1')}", *here]
    )


def test_the_operators_choices_stand_in_the_plan() -> None:
    with FakeCloud(hosts(), [Server("a")]) as fake:
        config = {"limits": {"max_parallel": 7}}
        plan = drain(fake, config, on_failure="continue", on_cancel="restore", target="cmp-2")
    assert [(stage.at_most, stage.on_failure) for stage in plan.stages][1] == (7, "continue")
    disable, move, *_ = plan.steps()
    assert (disable.undo, move.data["target"]) == ("on_cancel", "cmp-2")


def test_a_host_that_was_disabled_before_stays_so_with_its_reason() -> None:
    disabled = Hypervisor("cmp-1", status="disabled", reason="burnt")
    with FakeCloud([disabled, Hypervisor("cmp-2")], [Server("a")]) as fake:
        plan = drain(fake)
    assert [step.name for step in plan.steps()] == [
        "server.move",
        "server.verify_arrived",
        "hypervisor.verify_empty",
    ]
    assert plan.skipped == [{"what": "scheduling of cmp-1", "why": "it is disabled already: burnt"}]


def test_a_host_that_was_disabled_without_a_reason() -> None:
    with FakeCloud([Hypervisor("cmp-1", status="disabled"), Hypervisor("cmp-2")]) as fake:
        (skipped,) = drain(fake).skipped
    assert skipped["why"] == "it is disabled already"


def test_an_empty_host_is_disabled_and_checked() -> None:
    with FakeCloud([Hypervisor("cmp-1")]) as fake, pytest.raises(Refused) as refused:
        drain(fake)
    assert refused.value.reasons == ["no other hypervisor is up and enabled"]
    with FakeCloud(hosts()) as fake:
        names = [step.name for step in drain(fake).steps()]
    assert names == ["hypervisor.disable_scheduling", "hypervisor.verify_empty"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"exclude": ["a", "ghost", "b"]}, "not on the hypervisor: ghost, b."),
        ({"reason": " "}, "reason must have 1 to 255 characters, not 0."),
        ({"reason": "x" * 256}, "reason must have 1 to 255 characters, not 256."),
        ({"hypervisor": "cmp-11"}, "There is no hypervisor 'cmp-11' in cloud fake. Did you mean"),
    ],
)
def test_bad_input(asked: dict[str, Any], words: str) -> None:
    servers = [Server("a"), Server("b", host="cmp-2")]
    with FakeCloud(hosts(), servers) as fake, pytest.raises(UserError) as refused:
        drain(fake, **asked)
    assert words in str(refused.value)


def test_a_dead_host_is_evacuated_and_not_drained() -> None:
    down = Hypervisor("cmp-1", state="down")
    with FakeCloud([down, Hypervisor("cmp-2")]) as fake, pytest.raises(Refused) as refused:
        drain(fake)
    assert refused.value.reasons == ["its compute service is down"]
    assert "hypervisor.evacuate" in str(refused.value)
