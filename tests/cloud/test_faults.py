"""What goes wrong in a cloud or on the way to it is survived if it can be, and told if not."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from devcloud import faults
from support.cloud_operator import Ended
from support.cloud_proxied import Proxied
from support.cloud_site import Guest, Site, until
from support.proxy import Cut, CutHalf, Delay, Hold, Kind, Match, Slow, Status

_RECORDS = Match("compute", "GET", "/os-migrations")
_LIVE = Match("compute", "POST", "/action$", "os-migrateLive")
_COLD = Match("compute", "POST", "/action$", '"migrate"')
_CONFIRM = Match("compute", "POST", "/action$", "confirmResize")
_DISABLE = Match("compute", "PUT", "/os-services/")


def _migrate(proxied: Proxied, guest: Guest, **parameters: str) -> Ended:
    return proxied.operator.done("server.migrate", server=guest.id, **parameters)


def _assert_migrated_once(site: Site, guest: Guest, since: int) -> None:
    """Nova has moved the server, once."""
    records = site.migrations(since, guest)
    assert [record["status"] in ("completed", "confirmed") for record in records] == [True]
    assert site.host_of(guest) == records[0]["dest_compute"] != site.source
    assert site.status_of(guest) == "ACTIVE"


@pytest.mark.parametrize("migration", ["live", "cold"])
def test_bad_answers_while_polling(migration: str, site: Site, proxied: Proxied) -> None:
    (guest,) = site.boot()
    since = site.newest_migration()
    bad: list[Kind] = [
        Status(503),
        Cut(before=True),
        Status(429, retry_after=1),
        CutHalf(),
        Status(500),
        Cut(after=True),
        Slow(0.5),
        Delay(0.5),
    ]
    change = proxied.proxy.fault(_LIVE if migration == "live" else _COLD, Hold("answer"))
    started = proxied.operator.start("server.migrate", server=guest.id, migration=migration)
    change.wait_reached(60)
    hit = [
        proxied.proxy.fault(polls, kind, skip=n)
        for polls in (_RECORDS, Match("compute", "GET", f"/servers/{guest.id}$"))
        for n, kind in enumerate(bad)
    ]
    change.remove()

    ended = started.end()

    assert ended.kind == "done", ended
    # The first look that is answered at all comes after these six.
    assert all(fault.hits for fault in hit[:6])
    _assert_migrated_once(site, guest, since)


def test_bad_answers_while_planning(site: Site, proxied: Proxied) -> None:
    (guest,) = site.boot()
    since = site.newest_migration()
    login = Match("identity", "POST", "/auth/tokens")
    reads = [Match("placement", "GET"), Match("compute", "GET", "/os-hypervisors")]
    hit = [proxied.proxy.fault(match, kind) for match in reads for kind in (Status(503), CutHalf())]
    hit.append(proxied.proxy.fault(login, Status(503)))

    _migrate(proxied, guest)

    assert all(fault.hits for fault in hit)
    _assert_migrated_once(site, guest, since)


@pytest.mark.parametrize("kind", [Cut(after=True), Status(503, after=True)], ids=["cut", "503"])
@pytest.mark.parametrize("change", [_LIVE, _COLD, _CONFIRM], ids=["live", "cold", "confirm"])
def test_answer_lost_after_the_cloud_accepted(
    change: Match, kind: Kind, site: Site, proxied: Proxied
) -> None:
    (guest,) = site.boot()
    since = site.newest_migration()
    lost = proxied.proxy.fault(change, kind)

    ended = _migrate(proxied, guest, migration="live" if change is _LIVE else "cold")

    assert len(lost.hits) == 1
    assert len(proxied.proxy.find(change)) == 1, "it is looked up, not sent again"
    assert any("look up: " in line for line in ended.lines)
    _assert_migrated_once(site, guest, since)


@pytest.mark.parametrize("kind", [Cut(before=True), Status(503)], ids=["cut", "503"])
def test_request_lost_before_the_cloud_got_it(kind: Kind, site: Site, proxied: Proxied) -> None:
    (guest,) = site.boot()
    since = site.newest_migration()
    proxied.proxy.fault(_LIVE, kind)

    _migrate(proxied, guest)

    first, second = proxied.proxy.find(_LIVE)
    assert (first.upstream_status, second.upstream_status) == (None, 202)
    assert first.global_request_id != second.global_request_id, "another attempt"
    _assert_migrated_once(site, guest, since)


def test_request_that_arrives_when_it_was_given_up(site: Site, proxied: Proxied) -> None:
    """Nobody has answered in time, nothing is to be seen: sent again, and then both arrive."""
    proxied.operator.config["limits"]["timeouts"] = {"request": "3s"}
    (guest,) = site.boot()
    since = site.newest_migration()
    faults.set_knobs(site.source, live_migration_seconds=3)
    late = proxied.proxy.fault(_LIVE, Delay(120))
    again = proxied.proxy.fault(_LIVE, Hold("request"), skip=1)
    started = proxied.operator.start("server.migrate", server=guest.id)
    again.wait_reached(60)

    late.release()
    until(lambda: site.migrations(since, guest), "the late request has begun a migration")
    again.release()
    ended = started.end()

    assert ended.kind == "done", ended
    assert [request.upstream_status for request in proxied.proxy.find(_LIVE)] == [202, 409]
    _assert_migrated_once(site, guest, since)


def test_snapshot_whose_answer_is_lost(site: Site, proxied: Proxied) -> None:
    (guest,) = site.boot()
    since = site.newest_migration()
    proxied.proxy.fault(Match("compute", "POST", "/action$", "createImage"), Cut(after=True))

    ended = _migrate(proxied, guest, snapshot="true")

    (image_id,) = [row["image"] for row in ended.result["changed"] if "image" in row]
    images = [
        image.id
        for image in site.sdk.image.images()
        if (image.properties or {}).get("openstack_ops:run") == ended.run
    ]
    for image in images:
        site.sdk.image.delete_image(image)
    assert images == [image_id]
    _assert_migrated_once(site, guest, since)


def test_too_many_requests(site: Site, proxied: Proxied) -> None:
    (guest,) = site.boot()
    since = site.newest_migration()
    proxied.proxy.fault(_LIVE, Status(429, retry_after=2), times=2)

    _migrate(proxied, guest)

    sent = proxied.proxy.find(_LIVE)
    assert [request.status for request in sent] == [429, 429, 202]
    assert len({request.global_request_id for request in sent}) == 1, "one attempt"
    pauses = [b.started - (a.ended or 0) for a, b in pairwise(sent)]
    assert min(pauses) >= 1.9
    _assert_migrated_once(site, guest, since)


def test_disabling_whose_answer_is_lost(site: Site, proxied: Proxied) -> None:
    proxied.proxy.fault(_DISABLE, Cut(after=True))

    proxied.operator.done("hypervisor.disable", hypervisor=site.source, reason="proof")

    assert len(proxied.proxy.changes()) == 1
    assert site.service(site.source)["disabled_reason"] == "proof"


def test_refusal_with_the_clouds_request_id(site: Site, proxied: Proxied) -> None:
    (guest,) = site.boot()
    proxied.proxy.fault(
        _LIVE, Status(409, body={"conflictingRequest": {"code": 409, "message": "Not now."}})
    )

    ended = proxied.operator.run("server.migrate", server=guest.id)

    assert ended.kind == "failed", ended
    assert "409: Not now." in ended.summary
    assert proxied.proxy.count("compute", "POST") == 1
    assert site.host_of(guest) == site.source


def test_cloud_that_stays_away(site: Site, proxied: Proxied) -> None:
    """Nova accepts the request and cannot be asked any more: the end is bounded and honest."""
    proxied.operator.config["limits"]["timeouts"] = {"live_migration": "8s"}
    (guest,) = site.boot()
    since = site.newest_migration()
    proxied.proxy.fault(_LIVE, Cut(after=True))
    started = proxied.operator.start("server.migrate", server=guest.id)
    started.wait_line("^start  look up: ")
    gone = proxied.proxy.fault(Match("compute", "GET"), Status(503), None)
    ended = started.end()

    assert ended.kind == "interrupted", ended
    assert "503" in ended.text
    assert f"run.resume run={ended.run}" in ended.summary
    gone.remove()
    proxied.operator.done("run.resume", run=ended.run)
    _assert_migrated_once(site, guest, since)


def test_compute_dies_in_the_middle(site: Site, proxied: Proxied) -> None:
    (guest,) = site.boot()
    since = site.newest_migration()
    faults.set_knobs(site.source, live_migration_seconds=600)
    started = proxied.operator.start("server.migrate", server=guest.id)

    def is_running() -> bool:
        return [r["status"] for r in site.migrations(since, guest)] == ["running"]

    until(is_running, "the migration is running")
    faults.kill_compute(site.source)
    died = time.monotonic()
    ended = started.end()

    assert ended.kind == "interrupted", ended
    assert f"nova-compute on {site.source} went down" in ended.text
    assert "its migration is at 'running'" in ended.text
    # Nova notices after 30 s, we look every 10 s: far from the hour that a migration may take.
    assert time.monotonic() - died < 180
    shown = proxied.operator.done("run.show", run=ended.run)
    assert f"run.resume run={ended.run}" in shown.text

    faults.clear(site.source)
    faults.start_compute(site.source)
    resumed = proxied.operator.run("run.resume", run=ended.run)

    # A nova-compute that comes back gives up the migrations that it was in.
    assert [r["status"] for r in site.migrations(since, guest)] == ["error"]
    assert resumed.kind == "failed", resumed
    assert "Nova ended the migration" in resumed.summary
    assert "'error'" in resumed.summary
    assert site.host_of(guest) == site.source
    assert len(proxied.proxy.find(_LIVE)) == 1
    assert guest.name in resumed.summary
    # And what failed can be asked for again.
    _migrate(proxied, guest)
    assert site.host_of(guest) != site.source
