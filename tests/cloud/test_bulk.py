"""bulk.run on a real cloud: by query and by file, with lost answers, killed and resumed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.cloud_operator import Operator
from support.cloud_proxied import Proxied
from support.cloud_site import Guest, Site, until
from support.proxy import Cut, Hold, Match

_CHANGE = Match("compute", "POST", "/action$")
_DOZEN = 12


@pytest.fixture
def dozen(site: Site) -> list[Guest]:
    return site.boot(_DOZEN)


def named(guests: Sequence[Guest]) -> str:
    """Return the condition that these servers pass, and no others."""
    return f"id any_in ({', '.join(guest.id for guest in guests)})"


def statuses(site: Site, guests: Sequence[Guest]) -> Counter[str]:
    return Counter(site.status_of(guest) for guest in guests)


def sent(proxied: Proxied, guests: Sequence[Guest]) -> Counter[str]:
    """Return how many changes were sent for each of the servers."""
    changes = [change.path for change in proxied.proxy.changes()]
    return Counter(guest.id for guest in guests for path in changes if guest.id in path)


def test_a_dozen_are_stopped_by_query_and_started_by_a_file(
    site: Site, operator: Operator, proxied: Proxied, dozen: list[Guest], tmp_path: Path
) -> None:
    asked = {"action": "server.stop", "where": named(dozen), "max_parallel": 6}
    proxied.operator.dry_run("bulk.run", **asked)
    assert proxied.proxy.changes() == []

    before = len(proxied.proxy.requests)
    ended = proxied.operator.done("bulk.run", **asked)
    assert statuses(site, dozen) == {"SHUTOFF": _DOZEN}
    assert [row["state"] for row in ended.result["rows"]] == ["done"] * _DOZEN
    assert sent(proxied, dozen) == {guest.id: 1 for guest in dozen}
    # One listing for all that wait: a poll each would be a dozen at least.
    ran = proxied.proxy.requests[before:]
    first = next(place for place, request in enumerate(ran) if _CHANGE.fits(request))
    polls = [request for request in ran[first:] if request.method == "GET"]
    assert len(polls) < _DOZEN

    file = tmp_path / "rows.csv"
    file.write_text("Server;Owner\n" + "".join(f"{guest.name};ann\n" for guest in dozen))
    shown = operator.run("bulk.run", action="server.start", file=str(file), dry_run=True)
    assert shown.kind == "done", shown
    assert statuses(site, dozen) == {"SHUTOFF": _DOZEN}
    operator.done("run.apply", run=shown.run)
    assert statuses(site, dozen) == {"ACTIVE": _DOZEN}


def test_answers_that_are_lost_are_looked_up(
    site: Site, proxied: Proxied, dozen: list[Guest]
) -> None:
    for _ in range(3):
        proxied.proxy.fault(_CHANGE, Cut(after=True))
    proxied.operator.done("bulk.run", action="server.stop", where=named(dozen), max_parallel=4)
    assert statuses(site, dozen) == {"SHUTOFF": _DOZEN}
    assert sent(proxied, dozen) == {guest.id: 1 for guest in dozen}


@pytest.mark.usefixtures("hasty")
def test_killed_and_resumed_each_row_is_done_once(
    site: Site, operator: Operator, proxied: Proxied, dozen: list[Guest]
) -> None:
    held = proxied.proxy.fault(_CHANGE, Hold("answer"))
    victim = proxied.operator.start(
        "bulk.run", action="server.stop", where=named(dozen), max_parallel=3
    )
    held.wait_reached(60)
    run = victim.run
    assert victim.kill()
    held.remove()
    held.release()

    ended = proxied.operator.done("run.resume", run=run)

    until(lambda: statuses(site, dozen) == {"SHUTOFF": _DOZEN}, "all are stopped", 30)
    assert sent(proxied, dozen) == {guest.id: 1 for guest in dozen}
    assert [row["state"] for row in ended.result["rows"]] == ["done"] * _DOZEN


def test_what_the_cloud_gives_no_row_for_is_left(
    site: Site, operator: Operator, dozen: list[Guest]
) -> None:
    site.tag(dozen[0], "openstack-ops-protected")
    site.act(dozen[1], "pause", "PAUSED")
    ended = operator.done("bulk.run", action="server.stop", where=named(dozen))
    assert statuses(site, dozen) == {"ACTIVE": 1, "PAUSED": 1, "SHUTOFF": _DOZEN - 2}
    assert [entry["what"] for entry in ended.result["skipped"]] == [dozen[0].name]
    assert [entry["what"] for entry in ended.result["left"]] == [dozen[1].name]
