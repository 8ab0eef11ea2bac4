"""The devcloud that runs ($DEVCLOUD_STATE, or .devcloud): commands, estate, faults."""

import contextlib
import json
import subprocess
import time
import uuid
from urllib.parse import urlsplit

import pytest

from devcloud import faults, power
from devcloud.rest import Admin
from devcloud.services import all_services
from devcloud.settings import HERE, existing

pytestmark = pytest.mark.cloud


def run(command, *arguments):
    return subprocess.run([HERE / command, *arguments], capture_output=True, text=True, timeout=300)


def pids():
    settings = existing()
    return {service.name: service.process(settings).pid() for service in all_services(settings)}


def until(is_so, seconds=60):
    end = time.monotonic() + seconds
    while not (answer := is_so()):
        assert time.monotonic() < end, f"not so within {seconds} s"
        time.sleep(0.3)
    return answer


@pytest.fixture(scope="module")
def admin():
    return Admin(existing())


@pytest.fixture(autouse=True)
def no_faults():
    yield
    faults.clear()


@contextlib.contextmanager
def booted(admin, host):
    """A server of our own on a host, without a port."""
    flavors = admin.get("nova", "/v2.1/flavors")["flavors"]
    images = admin.get("glance", "/v2/images?name=debian-12")["images"]
    server = {
        "name": f"test-{uuid.uuid4().hex[:8]}",
        "flavorRef": next(row["id"] for row in flavors if row["name"] == "m1.small"),
        "imageRef": images[0]["id"],
        "networks": "none",
        "availability_zone": f"nova:{host}",
    }
    path = "/v2.1/servers"
    server_id = admin.request("POST", "nova", path, {"server": server})["server"]["id"]
    try:
        until(lambda: shown(admin, server_id)["status"] == "ACTIVE")
        yield server_id
    finally:
        faults.clear()
        admin.request("POST", "nova", f"{path}/{server_id}/action", {"forceDelete": None})


def shown(admin, server_id):
    return admin.get("nova", f"/v2.1/servers/{server_id}")["server"]


def live_migration(admin, server_id):
    """Live-migrate a server and answer how it ended."""
    body = {"os-migrateLive": {"host": None, "block_migration": "auto"}}
    path = f"/v2.1/os-migrations?instance_uuid={server_id}"
    before = max((row["id"] for row in admin.get("nova", path)["migrations"]), default=0)
    admin.request("POST", "nova", f"/v2.1/servers/{server_id}/action", body)

    def ended():
        rows = [row for row in admin.get("nova", path)["migrations"] if row["id"] > before]
        return rows and rows[0]["status"] in ("completed", "error", "failed") and rows[0]["status"]

    status = until(ended)
    until(lambda: not shown(admin, server_id)["OS-EXT-STS:task_state"])
    return status


def host_of(admin, server_id):
    return shown(admin, server_id)["OS-EXT-SRV-ATTR:host"]


def test_a_second_up_changes_nothing():
    before = pids()
    assert None not in before.values()
    start = time.monotonic()
    ended = run("up")
    assert ended.returncode == 0
    assert "all services run already" in ended.stdout
    assert pids() == before
    assert time.monotonic() - start < 5


def test_status_shows_every_service_and_host():
    ended = run("status")
    assert ended.returncode == 0, ended.stdout
    for name, pid in pids().items():
        assert f"{name} " in ended.stdout
        assert str(pid) in ended.stdout
    assert "cmp-1: up, enabled" in ended.stdout


def test_a_second_seed_changes_nothing():
    assert run("seed", "--reset").returncode == 0
    start = time.monotonic()
    ended = run("seed")
    assert ended.returncode == 0, ended.stderr
    assert "nothing to change" in ended.stdout
    assert time.monotonic() - start < 10


def test_the_estate_is_what_its_data_file_says(admin):
    rows = admin.get("nova", "/v2.1/servers/detail?all_tenants=1")["servers"]
    there = {row["name"]: row for row in rows}
    on_first = [row for row in rows if row["OS-EXT-SRV-ATTR:host"] == "cmp-1"]
    assert len([row for row in on_first if not row["name"].startswith(("test-", "scale-"))]) == 8
    assert there["notebook-2"]["status"] == "PAUSED"
    assert there["etl-1"]["status"] == "ERROR"
    assert there["ledger-1"]["metadata"] == {"openstack_ops:protected": "true"}
    web = {there[name]["OS-EXT-SRV-ATTR:host"] for name in ("web-1", "web-2")}
    assert len(web) == 2
    users = {row["name"]: row for row in admin.get("keystone", "/v3/users")["users"]}
    assert there["web-1"]["user_id"] == users["alice"]["id"]
    assert users["alice"]["email"] == "alice@example.org"
    assert "email" not in users["farid"]
    projects = {row["name"]: row for row in admin.get("keystone", "/v3/projects")["projects"]}
    assert there["web-1"]["tenant_id"] == projects["shop"]["id"]
    assert projects["shop"]["contact"] == "shop-team@example.org"
    admins = admin.get("keystone", f"/v3/role_assignments?user.id={users['alice']['id']}")
    assert len(admins["role_assignments"]) == 1


def test_a_second_region_has_endpoints_without_a_version(admin):
    endpoints = admin.get("keystone", "/v3/endpoints")["endpoints"]
    services = {row["id"]: row for row in admin.get("keystone", "/v3/services")["services"]}
    by_region = {
        region: {
            services[row["service_id"]]["type"]: urlsplit(row["url"]).path
            for row in endpoints
            if (row["region_id"], row["interface"]) == (region, "public")
        }
        for region in ("RegionOne", "RegionTwo")
    }
    assert by_region["RegionOne"].keys() == by_region["RegionTwo"].keys()
    assert by_region["RegionOne"]["compute"] == "/v2.1"
    unversioned = {kind for kind, path in by_region["RegionTwo"].items() if path == "/"}
    assert unversioned >= {"identity", "compute", "block-storage", "image", "network"}
    assert by_region["RegionTwo"]["volumev3"] == "/v3"


def test_a_deleted_server_can_be_brought_back(admin):
    with booted(admin, "cmp-3") as server_id:
        admin.request("DELETE", "nova", f"/v2.1/servers/{server_id}")
        until(lambda: shown(admin, server_id)["status"] == "SOFT_DELETED")
        assert host_of(admin, server_id) == "cmp-3"
        path = f"/v2.1/servers/{server_id}/action"
        admin.request("POST", "nova", path, {"restore": None})
        until(lambda: shown(admin, server_id)["status"] == "ACTIVE")


def test_a_live_migration_fails_when_told_to_and_only_for_whom(admin):
    with booted(admin, "cmp-3") as server_id:
        faults.set_knobs("cmp-3", live_migration_fail_for=[str(uuid.uuid4()), server_id])
        assert live_migration(admin, server_id) in ("error", "failed")
        assert host_of(admin, server_id) == "cmp-3"
        assert shown(admin, server_id)["status"] == "ACTIVE"
        faults.set_knobs("cmp-3", live_migration_fail_for=[str(uuid.uuid4())])
        assert live_migration(admin, server_id) == "completed"
        assert host_of(admin, server_id) != "cmp-3"


def test_a_knob_of_the_command_line_makes_an_operation_slow(admin):
    with booted(admin, "cmp-3") as server_id:
        assert run("fault", "set", "cmp-3", "power_seconds=2").returncode == 0
        start = time.monotonic()
        admin.request("POST", "nova", f"/v2.1/servers/{server_id}/action", {"os-stop": None})
        until(lambda: shown(admin, server_id)["status"] == "SHUTOFF")
        assert time.monotonic() - start > 2
        assert json.loads((existing().var / "nova/cmp-3/knobs.json").read_text()) == {
            "power_seconds": 2.0
        }


def test_a_killed_compute_is_shown_and_healed(admin):
    before = pids()
    faults.kill_compute("cmp-3")
    ended = run("status")
    assert ended.returncode == 1
    assert "nova-compute-cmp-3     dead" in ended.stdout
    faults.start_compute("cmp-3")
    after = pids()
    assert after.pop("nova-compute-cmp-3") != before.pop("nova-compute-cmp-3")
    assert after == before
    assert faults.compute_states(admin)["cmp-3"]["state"] == "up"
    assert run("status").returncode == 0


@pytest.mark.usefixtures("ssh_hosts")
def test_up_leaves_a_host_off_that_was_switched_off(admin):
    power.switch("cmp-3", "off")
    ended = run("up")
    assert ended.returncode == 0
    assert "all services run already" in ended.stdout
    assert pids()["nova-compute-cmp-3"] is None
    assert "nova-compute-cmp-3     off" in run("status").stdout
    power.switch("cmp-3", "on")
    until(lambda: faults.compute_states(admin)["cmp-3"]["state"] == "up")
    assert "nova-compute-cmp-3     running" in run("status").stdout


def test_up_heals_a_service_that_died(admin):
    settings = existing()
    services = {service.name: service for service in all_services(settings)}
    services["glance-api"].process(settings).kill()
    ended = run("up")
    assert ended.returncode == 0
    assert "1 services started" in ended.stdout
    assert admin.get("glance", "/v2/images")["images"]
