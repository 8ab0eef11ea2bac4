"""What is about volumes and no verb, on a real cloud: with lost answers, and killed in between."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from support.cloud_operator import Operator
from support.cloud_proxied import Proxied
from support.cloud_site import Site
from support.cloud_volumes import KEEP_UNTIL, day, hanging, named_volume, to_prune, to_transfer
from support.proxy import Cut, Hold, Match

_OFFER = Match("block-storage", "POST", "/volume-transfers$")
_ACCEPT = Match("block-storage", "POST", "/accept$")


def _owner(site: Site, volume: str) -> Any:
    shown = site.find_volume(volume) or {}
    assert shown["status"] == "available"
    return shown["os-vol-tenant-attr:tenant_id"]


def _of_volume(site: Site, volume: str) -> list[Any]:
    return [one for one in site.sdk.block_storage.snapshots() if one.volume_id == volume]


@pytest.mark.parametrize("half", [_OFFER, _ACCEPT], ids=["offer", "accept"])
def test_a_transfer_whose_answer_is_lost(site: Site, proxied: Proxied, half: Match) -> None:
    given = to_transfer(site)
    proxied.proxy.fault(half, Cut(after=True))
    proxied.operator.done("volume.transfer", **given)
    assert _owner(site, given["volume"]) == given["project"]
    assert [
        one for one in site.sdk.block_storage.transfers() if one.volume_id == given["volume"]
    ] == []


@pytest.mark.parametrize("half", [_OFFER, _ACCEPT], ids=["offer", "accept"])
@pytest.mark.usefixtures("hasty")
def test_a_transfer_that_is_killed_in_either_half_and_resumed(
    site: Site, proxied: Proxied, half: Match
) -> None:
    given = to_transfer(site)
    held = proxied.proxy.fault(half, Hold("answer"))
    victim = proxied.operator.start("volume.transfer", **given)
    held.wait_reached(60)
    run = victim.run
    assert victim.kill()
    held.remove()
    held.release()
    proxied.operator.done("run.resume", run=run)
    assert _owner(site, given["volume"]) == given["project"]


@pytest.mark.usefixtures("hasty")
def test_a_transfer_that_is_killed_and_given_up(site: Site, proxied: Proxied) -> None:
    given = to_transfer(site)
    before = _owner(site, given["volume"])
    held = proxied.proxy.fault(_OFFER, Hold("answer"))
    victim = proxied.operator.start("volume.transfer", **given)
    held.wait_reached(60)
    run = victim.run
    assert victim.kill()
    held.remove()
    held.release()
    proxied.operator.run("run.cancel", run=run)
    assert _owner(site, given["volume"]) == before


def test_an_attachment_that_hangs_is_cleared_up(site: Site, proxied: Proxied) -> None:
    given = hanging(site)
    proxied.proxy.fault(Match("block-storage", "DELETE", "/attachments/"), Cut(after=True))
    proxied.operator.done("volume.detach_stuck", **given)
    shown = site.find_volume(given["volume"]) or {}
    assert (shown["status"], shown["attachments"]) == ("available", [])
    assert len(proxied.proxy.find(Match("block-storage", "DELETE", "/attachments/"))) == 1


def test_a_snapshot_is_marked_and_pruned_when_its_day_is_over(site: Site, proxied: Proxied) -> None:
    given = named_volume(site)
    name = f"proof-{uuid.uuid4().hex[:8]}"
    proxied.proxy.fault(Match("block-storage", "POST", "/snapshots$"), Cut(after=True))
    ended = proxied.operator.done("volume.snapshot", **given, keep="0s", name=name)
    (snapshot,) = _of_volume(site, given["volume"])
    assert snapshot.metadata[KEEP_UNTIL] == day(0)
    assert snapshot.metadata["openstack_ops:run"] == ended.run
    pruning = {"where": f"name = {name}", "dry_run": "false"}
    proxied.operator.done("snapshot.prune", **pruning)
    assert len(_of_volume(site, given["volume"])) == 1, "its day is not over"
    yesterday = {KEEP_UNTIL: day(-1)}
    site.sdk.block_storage.set_snapshot_metadata(snapshot, **yesterday)
    proxied.proxy.fault(Match("block-storage", "DELETE", "/snapshots/"), Cut(after=True))
    proxied.operator.done("snapshot.prune", **pruning)
    assert _of_volume(site, given["volume"]) == []


def test_others_snapshots_are_pruned_only_if_named(site: Site, operator: Operator) -> None:
    given = to_prune(site)
    operator.done("snapshot.prune", **given, dry_run="false")
    name = given["where"].rpartition(" ")[2]
    left = {one.name for one in site.sdk.block_storage.snapshots() if one.name.startswith(name)}
    assert left == {f"{name}-kept", f"{name}-theirs"}
    operator.done("snapshot.prune", **given, also=f"{name}-theirs", dry_run="false")
    left = {one.name for one in site.sdk.block_storage.snapshots() if one.name.startswith(name)}
    assert left == {f"{name}-kept"}


def test_an_image_of_ours_is_pruned(site: Site, operator: Operator) -> None:
    name = f"proof-{uuid.uuid4().hex[:8]}"
    marks = {"openstack_ops:run": "a-run", KEEP_UNTIL: day(-1), "image_type": "snapshot"}
    image = site.sdk.image.create_image(
        name,
        data=b"x",
        disk_format="raw",
        container_format="bare",
        validate_checksum=False,
        **marks,
    )
    operator.done("snapshot.prune", where=f"name = {name}", of="servers", dry_run="false")
    assert site.sdk.image.find_image(image.id) is None
