"""Bulk runs that are killed again and again: every row is done, and each once.

What happened is counted by the cloud. ``-m crash`` kills a run over 300 rows at 30 moments.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor, Server
from support.runs import House, toy_house
from support.victims import Victim

_LEASE = "1s"


@dataclass
class Site(House):
    """A house with a cloud."""

    clouds: dict[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> dict[str, Any]:
        return {**super().config, **self.clouds}


def killed_until_done(rows: int, kills: int, seed: int, *, by_file: bool) -> None:
    """Kill a bulk run and those that go on with it, each at a moment of its own, until it is done.

    A row is six entries in the journal, with a moment before and after each.
    """
    choose = random.Random(seed)
    servers = [Server(f"web-{number:03}") for number in range(rows)]
    with toy_house() as (house, world), FakeCloud([Hypervisor("cmp-1")], servers) as fake:
        site = Site(house.state_url, {"lease": _LEASE, "max_changes": rows}, clouds=fake.config())
        asked = {"action": "server.lock", "max_parallel": 4, "on_failure": "continue"}
        if by_file:
            path = Path(world.path).with_name("rows.csv")
            path.write_text("server\n" + "".join(f"{server.id}\n" for server in servers))
            asked["file"] = str(path)
        else:
            asked |= {"resource": "server", "where": "name starts_with web-"}
        name, parameters, done, answer = "bulk.run", asked, 0, None
        share = 12 * rows // (kills + 1)
        while answer is None:
            stop_at = choose.randint(share // 2, share) if done < kills else 0
            with Victim(site, world.path, name, stop_at, **parameters) as victim:
                answer = victim.kill_when_stopped()
            done += answer is None
            name, parameters = next_request(site) or ("bulk.run", asked)
            if answer is not None and answer["kind"] == "interrupted":
                answer = None  # as after a lease that was lost on a busy machine
        assert answer["kind"] == "done", answer["result"]["summary"]
        assert done == kills, "it was done before it could be killed"
        assert all(server.locked for server in servers)
        sent = Counter(request.path for request in fake.changes)
        assert sent == {f"/compute/v2.1/servers/{s.id}/action": 1 for s in servers}
        assert [row["state"] for row in answer["result"]["rows"]] == ["done"] * rows
        with site.journal() as journal:
            last, *_ = journal.recent(limit=1)
            assert journal.claims_of(last.id) == []


def next_request(site: House) -> tuple[str, dict[str, Any]] | None:
    """Return what an operator asks for after a kill: to go on, or nothing if nothing was begun."""
    with site.journal() as journal:
        for run in journal.recent(limit=3):
            if run.plan is not None and run.state in ("running", "interrupted"):
                return "run.resume", {"run": run.id}
    return None


@pytest.mark.long
@pytest.mark.parametrize("by_file", [False, True], ids=["query", "file"])
def test_killed_anywhere_every_row_is_done_once(by_file: bool) -> None:
    killed_until_done(24, 3, seed=1, by_file=by_file)


@pytest.mark.crash
def test_300_rows_killed_at_30_moments() -> None:
    killed_until_done(300, 30, seed=2, by_file=False)
