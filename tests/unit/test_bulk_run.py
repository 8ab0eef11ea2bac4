"""bulk.run over a query of a fake cloud: drawn, refused, carried out, each row once."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import children
from engine.dispatch import dispatch
from support.bulk import Site
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor, Server
from support.fake_cloud_flavors import FakeFlavors
from support.fake_cloud_power import Power
from support.fake_cloud_volume import FakeCinder
from workflow_api import Plan

TAG = "openstack-ops-protected"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    servers = [Server(name) for name in ("web-1", "web-2", "web-3")]
    servers += [Server("off-1", status="SHUTOFF"), Server("safe-1", tags=[TAG])]
    servers += [Server("bad-1", status="ERROR", fault="no disk")]
    with FakeCloud([Hypervisor("cmp-1")], servers) as fake:
        for server in servers:
            fake.nova.power.courses[server.id] = Power(seconds=0.05)
        yield Site(fake, tmp_path)


def rows(result: dict[str, Any]) -> list[tuple[int, str]]:
    return [(row["row"], row["state"]) for row in result["rows"]]


# -- what is planned ---------------------------------------------------------------------------


def test_each_row_is_planned_and_each_that_is_not_says_why(site: Site) -> None:
    kind, result = site.bulk(resource="server", dry_run=True)
    assert kind == "done"
    assert site.fake.changes == []
    assert "server.stop for 6 rows of servers: 3 steps, 3 changes" in result["summary"]
    assert [(entry["what"], entry["why"]) for entry in result["left"]] == [
        ("bad-1", "bad-1 cannot be stopped: it is in ERROR: no disk")
    ]
    assert [(entry["what"], entry["why"]) for entry in result["skipped"]] == [
        ("off-1", "it is SHUTOFF already"),
        ("safe-1", f"safe-1 cannot be stopped: it is protected by the tag {TAG}"),
    ]
    for name in ("web-1", "web-2", "web-3"):
        assert f"- Stop {name}" in result["text"]


def test_what_each_plan_has_to_say_is_told(site: Site) -> None:
    fake, file = site.fake, site.folder / "rows.csv"
    flavors = fake.part(FakeFlavors)
    flavors.flavor("m1.small")
    flavors.flavor("m1.large", ram=4096)
    kind, result = site.bulk(
        "server.resize",
        where=site.named("web-1", "web-2"),
        set="flavor='m1.large'",
        dry_run=True,
        output_file=str(file),
    )
    assert kind == "done", result["text"]
    size = "to flavor m1.large (1 vCPU, 4 GiB, 10 GiB of disk)."
    for row, written in zip(result["rows"], csv.DictReader(file.open()), strict=True):
        assert any(note.startswith("From flavor") for note in row["notes"])
        assert size in written["notes"]
    assert result["text"].count(size) == 2
    assert result["text"].count("Its guest is shut down for that") == 2


@pytest.mark.long
def test_what_is_planned_is_what_is_done(site: Site) -> None:
    shown = site.bulk(where="name starts_with web-", dry_run=True)[1]
    kind, result = site.ask("run.apply", run=shown["run"])
    assert kind == "done", result["text"]
    assert sorted(site.stopped()) == ["off-1", "web-1", "web-2", "web-3"]
    assert rows(result) == [(1, "done"), (2, "done"), (3, "done")]
    assert [row["said"] for row in result["rows"]] == [f"web-{n} is SHUTOFF" for n in (1, 2, 3)]
    assert len(site.fake.changes) == 3


def test_a_plan_that_would_be_another_one_is_not_applied(site: Site) -> None:
    shown = site.bulk(where="name starts_with web-", dry_run=True)[1]
    site.fake.servers.append(Server("web-4"))
    kind, result = site.ask("run.apply", run=shown["run"])
    assert kind == "refused"
    assert "newly planned: Stop web-4" in result["text"]
    assert site.fake.changes == []


def test_where_every_row_is_refused_the_whole_is(site: Site) -> None:
    kind, result = site.bulk("server.pause", where=site.named("bad-1", "off-1"))
    assert kind == "refused"
    assert "bad-1 cannot be paused" in result["text"]
    assert "off-1 cannot be paused" in result["text"]


def test_max_changes_counts_all_rows(site: Site) -> None:
    kind, result = site.bulk(where="name starts_with web-", max_changes=2)
    assert (kind, site.fake.changes) == ("refused", [])
    assert "it would make 3 changes and max_changes is 2" in result["text"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"action": "server.stopp"}, "Did you mean server.stop"),
        ({"action": "servr.stop"}, "Did you mean server"),
        ({"action": "server.list"}, "server.list changes nothing: it reads"),
        ({"action": "bulk.run"}, "bulk.run cannot be run for many rows"),
        ({"action": "run.apply"}, "run.apply cannot be run for many rows"),
        ({"set": "servr=id"}, "server.stop has no parameter 'servr'; did you mean server"),
        ({"set": "dry_run=id"}, "dry_run is given once for all rows"),
        ({"set": "server="}, "here a column or a text in quotes is expected"),
        ({"set": "server=id server=name"}, "'id server=name' is not a property"),
        ({"set": "server=id; server=name"}, "server is set twice"),
        ({"set": "server id"}, "= is missing after server"),
        ({"set": "server='{'"}, "a brace is not closed in this text"),
        ({"set": "server='{id:>5}'"}, "between braces stands a column and nothing else"),
        ({"set": "server=nmae"}, "nmae"),
        ({"where": "nmae = web-1"}, "nmae"),
        ({"resource": "flavor"}, "server has no column: server.stop needs it"),
        ({"at_most_per": "host"}, "at_most_per is a column and a number"),
        ({"at_most_per": "host: 0"}, "at_most_per is a column and a number"),
        ({"resource": "server", "file": "/tmp/x.csv"}, "those of a file or of a query"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(
    site: Site, given: dict[str, Any], said: str
) -> None:
    kind, result = site.bulk(**given)
    assert (kind, site.fake.changes) == ("refused", [])
    assert said in result["text"]


# -- what becomes a parameter ------------------------------------------------------------------


@pytest.mark.long
def test_a_text_is_filled_for_each_row(site: Site) -> None:
    kind, result = site.bulk(
        "server.lock",
        where=site.named("web-1", "web-2"),
        set="reason='it is {name} on {host}'",
    )
    assert kind == "done", result["text"]
    reasons = [site.fake.server(name).locked_reason for name in ("web-1", "web-2")]
    assert reasons == ["it is web-1 on cmp-1", "it is web-2 on cmp-1"]


def test_a_row_that_lacks_a_word_of_a_text_is_left(site: Site) -> None:
    site.fake.server("web-2").host = None
    where = site.named("web-1", "web-2")
    kind, result = site.bulk("server.lock", where=where, set="reason='it is on {host}'")
    assert kind == "done"
    assert [(entry["what"], entry["why"]) for entry in result["left"]] == [
        ("web-2", "reason: it has no host")
    ]
    assert not site.fake.server("web-2").locked


# -- how it goes on ----------------------------------------------------------------------------


@pytest.mark.long
def test_what_another_run_holds_is_left(site: Site) -> None:
    site.fake.nova.power.courses[site.fake.server("web-1").id] = Power(seconds=None)
    config = {**site.config, "limits": {"grace": "0.1s"}}
    one = {"server": site.fake.server("web-1").id, "dry_run": False, "deadline": 1}
    kind, _ = dispatch("server.stop", one, config)
    assert kind == "interrupted"
    site.fake.server("web-1").task = None  # Nova has come to an end with it
    kind, result = site.bulk(where=site.named("web-1", "web-2"))
    assert kind == "done"
    (left,) = result["left"]
    assert left["what"] == "web-1"
    assert "run.resume" in left["why"]
    assert site.fake.server("web-2").status == "SHUTOFF"


@pytest.mark.long
def test_a_failed_row_is_told_and_the_others_go_on(site: Site) -> None:
    web_2 = site.fake.server("web-2")
    site.fake.nova.power.courses[web_2.id] = Power(ends="ERROR", fault="libvirt went away")
    kind, result = site.bulk(where="name starts_with web-")
    assert kind == "failed"
    assert rows(result) == [(1, "done"), (2, "failed"), (3, "done")]
    assert "libvirt went away" in result["rows"][1]["error"]


# -- what it costs -----------------------------------------------------------------------------

# The second is a brief one, by which a slow listing is read side by side.
_PAGES = "GET /compute/v2.1/servers(/detail)?$"


@pytest.mark.long
def test_a_plan_over_500_servers_is_drawn_in_a_few_requests(tmp_path: Path) -> None:
    servers = [Server(f"web-{number:03}") for number in range(500)]
    with FakeCloud([Hypervisor("cmp-1")], servers) as fake:
        site = Site(fake, tmp_path)
        fake.page = 100
        kind, result = site.bulk(dry_run=True, max_changes=500)
        assert kind == "done"
        assert "500 steps, 500 changes" in result["summary"]
        assert fake.count() - fake.count(_PAGES) <= 10


@pytest.mark.long
def test_it_sends_a_request_a_change_and_shared_polls(tmp_path: Path) -> None:
    servers = [Server(f"web-{number:03}") for number in range(80)]
    with FakeCloud([Hypervisor("cmp-1")], servers) as fake:
        site = Site(fake, tmp_path)
        kind, _ = site.bulk(max_parallel=20)
        assert kind == "done"
        assert len(fake.changes) == 80
        asked = fake.count() - 80 - fake.count("GET /compute/v2.1$")
        # A poll each would be 80 at least.
        assert asked < 60, "one listing for all that wait, not one poll each"


@pytest.mark.long
@pytest.mark.parametrize("action", ["server.migrate", "server.snapshot"])
def test_what_is_waited_for_shares_its_polls_too(tmp_path: Path, action: str) -> None:
    hosts = [Hypervisor("cmp-1"), Hypervisor("cmp-2")]
    for host in hosts:
        host.holds = dict.fromkeys(host.holds, 1_000_000)
    servers = [Server(f"web-{number:03}") for number in range(60)]
    with FakeCloud(hosts, servers) as fake:
        fake.nova.saving = 2.0
        site = Site(fake, tmp_path)
        kind, result = site.bulk(action, resource="server", max_parallel=20)
        assert kind == "done", result["text"]
        assert len(fake.changes) == 60
        polls = fake.count("GET .*/(servers|images)/[0-9a-f-]{36}$")
        polls += fake.count("GET .*/(servers/detail|images)$")
        assert polls < 60, "a poll each would be 60 at least"


@pytest.mark.long
@pytest.mark.parametrize("redrawn", [False, True])
def test_what_has_changed_since_the_plan_was_drawn_is_seen(
    site: Site, monkeypatch: pytest.MonkeyPatch, redrawn: bool
) -> None:
    """A young plan is carried out as it is, and the cloud refuses; an old one is drawn again."""
    if redrawn:
        monkeypatch.setattr("engine.children._FRESH", 0.0)
    sent = site.fake.hooks

    def pause_web_3(request: Any) -> None:
        if request.method == "POST" and request.path.endswith("/action"):
            site.fake.server("web-3").status = "PAUSED"

    sent.append(pause_web_3)
    kind, result = site.bulk(where="name starts_with web-", max_parallel=1)
    assert kind == "failed"
    assert rows(result) == [(1, "done"), (2, "done"), (3, "failed")]
    why = result["rows"][2]["error"]
    assert ("web-3 cannot be stopped: it is paused" in why) is redrawn
    assert ("while it is in vm_state PAUSED" in why) is not redrawn
    assert len(site.fake.changes) == (2 if redrawn else 3)


# -- what nobody has named -----------------------------------------------------------------------


@pytest.fixture
def moving(tmp_path: Path) -> Iterator[Site]:
    servers = [Server("web-1"), Server("safe-1", tags=[TAG]), Server("held-1", locked=True)]
    with FakeCloud([Hypervisor("cmp-1"), Hypervisor("cmp-2")], servers) as fake:
        yield Site(fake, tmp_path)


def test_protected_servers_are_migrated_if_named_and_never_in_bulk(moving: Site) -> None:
    kind, result = moving.bulk("server.migrate", resource="server", dry_run=True)
    assert kind == "done", result["text"]
    assert [(entry["what"], entry["why"]) for entry in result["skipped"]] == [
        ("held-1", "held-1 cannot be moved: it is locked: unlock it first if its owner agrees"),
        ("safe-1", f"safe-1 cannot be moved: it is protected by the tag {TAG}"),
    ]
    assert (result["left"], "live-migrate web-1" in result["text"]) == ([], True)
    kind, result = moving.ask("server.migrate", server="safe-1", dry_run=True)
    assert kind == "done"
    assert "live-migrate safe-1" in result["text"]


def test_a_server_that_is_protected_meanwhile_is_not_migrated(
    moving: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its plan is drawn again when it is reached, as one of many still."""
    monkeypatch.setattr("engine.children._FRESH", 0.0)
    drawn_when_reached = children.draw

    def protect_first(*arguments: Any, **more: Any) -> Plan:
        moving.fake.server("web-1").tags = [TAG]
        return drawn_when_reached(*arguments, **more)

    monkeypatch.setattr(children, "draw", protect_first)
    kind, result = moving.bulk("server.migrate", resource="server", where="name = web-1")
    assert kind == "failed", result["text"]
    assert f"it is protected by the tag {TAG}" in result["rows"][0]["error"]
    assert moving.fake.changes == []


# -- what all rows take of a quota ---------------------------------------------------------------


@pytest.fixture
def full(site: Site) -> FakeCinder:
    """Six volumes of 1 GiB, and room for 8 GiB more, in all."""
    cinder = site.fake.part(FakeCinder)
    for number in range(6):
        cinder.volume(f"data-{number}")
    cinder.quota = {"gigabytes": 14}
    return cinder


def extended(site: Site, **given: Any) -> dict[str, Any]:
    return site.bulk("volume.extend", set="size_gib='4'", **given)[1]


@pytest.mark.long
@pytest.mark.parametrize("dry_run", [True, False])
def test_rows_that_fit_singly_and_not_together_are_left(
    site: Site, full: FakeCinder, dry_run: bool
) -> None:
    """Two rows of 3 GiB more fit into 8 GiB, and none of the others does."""
    result = extended(site, dry_run=dry_run, on_failure="continue")
    assert len(result["left"]) == 4
    for entry in result["left"]:
        assert entry["why"].endswith(
            "quota of gigabytes is 14, of which 8 are free, 6 of them for others of this run, "
            "and it needs 3"
        )
    sizes = sorted(row["size"] for row in full.volumes)
    assert sizes == ([1] * 6 if dry_run else [1] * 4 + [4] * 2)


def test_a_row_that_is_refused_takes_nothing_of_the_quota(site: Site, full: FakeCinder) -> None:
    for row in full.volumes[:4]:
        row["status"] = "error"
    result = extended(site, dry_run=True)
    assert [entry["what"] for entry in result["left"]] == [f"data-{n}" for n in range(4)]
    assert not any("quota" in entry["why"] for entry in result["left"])


def test_what_one_thing_may_have_at_most_is_not_shared(site: Site, full: FakeCinder) -> None:
    full.quota = {"gigabytes": -1, "volumes": -1, "per_volume_gigabytes": 5}
    content = "name,size_gib\n" + "".join(f"new-{number},4\n" for number in range(5))
    (site.folder / "new.csv").write_text(content)
    file = str(site.folder / "new.csv")
    result = site.bulk("volume.create", file=file, dry_run=True)[1]
    assert result["left"] == []
    full.quota["gigabytes"] = 6 + 9
    result = site.bulk("volume.create", file=file, dry_run=True)[1]
    assert len(result["left"]) == 3
