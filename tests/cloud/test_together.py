"""Several operators at once: each succeeds, or is told who has what it wanted."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from devcloud import faults
from support.cloud_operator import Operator
from support.cloud_site import Site
from support.readable import command_for_others, why_one_user

PROCESSES = 8
#: Two users of one group, that need not be known to the system.
GROUP, USERS = 61000, (61001, 61002)
AS_USER = "tests/support/cloud_as_user.py"


def _colleagues(config: dict[str, Any], folder: Path, users: str) -> list[Operator]:
    """Return eight operators with one state folder: one user, or two users of one group."""
    state = folder / "state"
    if users == "one user":
        return [Operator(folder / f"colleague-{n}", config) for n in range(PROCESSES)]
    os.chown(state, -1, GROUP)
    state.chmod(0o2770)
    command = command_for_others(AS_USER, folder)
    colleagues = []
    for number in range(PROCESSES):
        home, user = folder / f"colleague-{number}", USERS[number % 2]
        home.mkdir()
        (home / "openstack_ops.yaml").touch(0o600)
        for path in (home, home / "openstack_ops.yaml"):
            os.chown(path, user, GROUP)
        colleagues.append(Operator(home, config, [*command, str(user), str(GROUP)]))
    return colleagues


@pytest.mark.parametrize("users", ["one user", "two users"])
def test_eight_start_on_an_empty_state(
    users: str, site: Site, cloud_config: dict[str, Any], folder: Path
) -> None:
    if users == "two users" and (why := why_one_user()):
        pytest.skip(why)
    colleagues = _colleagues(cloud_config, folder, users)
    try:
        started = [
            (
                colleague.start("hypervisor.drain", dry_run=True, hypervisor=host, reason="proof")
                if number < PROCESSES // 2
                else colleague.start("hypervisor.disable", hypervisor=host, reason="proof")
            )
            for number, colleague in enumerate(colleagues)
            for host in [site.hosts[number % 2]]
        ]
        ended = [one.end() for one in started]
    finally:
        for colleague in colleagues:
            colleague.leave()

    dry_runs, disables = ended[: PROCESSES // 2], ended[PROCESSES // 2 :]
    assert [one.kind for one in dry_runs] == ["done"] * len(dry_runs), list(map(str, dry_runs))
    runs = {one.run for one in disables if one.kind == "done"}
    assert len(runs) >= 2
    for one in disables:
        held = re.search(r"held by run ([0-9a-f-]{36})", one.summary)
        assert one.kind == "done" or (one.kind == "refused" and held and held[1] in runs), one
    for host in site.hosts[:2]:
        assert site.service(host)["disabled_reason"] == "proof"


def test_two_drains_of_one_host(site: Site, operator: Operator) -> None:
    guests = site.boot(2)
    since = site.newest_migration()
    drain = {"hypervisor": site.source, "reason": "proof"}

    both = [operator.start("hypervisor.drain", **drain, max_parallel=n) for n in (1, 2)]
    ended = [one.end() for one in both]

    (done,) = [one for one in ended if one.kind == "done"]
    (told,) = [one for one in ended if one.kind == "refused"]
    assert f"is held by run {done.run} (hypervisor.drain)" in told.summary
    assert f"run.show run={done.run}" in told.summary
    assert [len(site.migrations(since, guest)) for guest in guests] == [1, 1]


def test_drain_and_migration_of_one_of_its_servers(site: Site, operator: Operator) -> None:
    guests = site.boot(2)
    since = site.newest_migration()
    faults.set_knobs(site.source, live_migration_seconds=4)
    drain = operator.start(
        "hypervisor.drain", hypervisor=site.source, reason="proof", max_parallel=1
    )
    drain.wait_line("^start  live-migrate")

    held = f"is held by run {drain.run} (hypervisor.drain)"
    operator.refused("server.migrate", held, server=guests[0].id)
    # A dry run of one that is not moved yet is not refused, and says so.
    shown = operator.dry_run("server.migrate", server=guests[1].id)

    assert held in shown.text
    ended = drain.end()
    assert ended.kind == "done", ended
    assert [len(site.migrations(since, guest)) for guest in guests] == [1, 1]


def test_migration_and_drain_of_its_host(site: Site, operator: Operator) -> None:
    (guest,) = site.boot()
    faults.set_knobs(site.source, live_migration_seconds=4)
    migration = operator.start("server.migrate", server=guest.id)
    migration.wait_line("^start  live-migrate")

    operator.refused(
        "hypervisor.drain",
        f"is held by run {migration.run} (server.migrate)",
        hypervisor=site.source,
        reason="proof",
    )

    assert site.service(site.source)["status"] == "enabled"
    ended = migration.end()
    assert ended.kind == "done", ended
