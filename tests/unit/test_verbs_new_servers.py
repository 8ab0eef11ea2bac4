"""Creating servers: what is sent for what is asked, and what is refused before."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts.cloud import Cloud
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import OWNER, Group, Project, uuid_of
from support.fake_cloud_http import Answer
from support.fake_cloud_runs import Clock, FakeAttempt, drawn, perform
from support.fake_cloud_tables import Tables
from support.fake_cloud_volume import FakeCinder
from support.server_stand import ServerBirth
from workflow_api import Ambiguous, NotFound, Plan, Refused, UserError

ROOT = uuid_of("volume", "root")


@pytest.fixture
def fake(clock: Clock) -> Iterator[FakeCloud]:
    with FakeCloud(now=clock.monotonic) as fake:
        cinder = fake.part(FakeCinder)
        root = cinder.volume("root", size=5, bootable="true")
        cinder.snapshot("yesterday", root)
        ServerBirth(fake)
        yield fake


def planned(fake: FakeCloud, **options: Any) -> Plan:
    usual = {"name": "web-9", "flavor": "m1.small", "source": "debian-12"}
    return drawn(fake.account(), "server.create", **{**usual, **options})


def sent(fake: FakeCloud, attempt: FakeAttempt, **options: Any) -> dict[str, Any]:
    """Return what Nova is sent for options."""
    (step,) = planned(fake, **options).steps()
    perform(step, fake.account(), attempt)
    (request,) = fake.asked("POST .*/servers$")
    body: dict[str, Any] = request.body
    return body


def refused(fake: FakeCloud, **options: Any) -> str:
    with pytest.raises(Refused) as error:
        planned(fake, **options)
    assert fake.changes == []
    return str(error.value)


# -- what is sent ------------------------------------------------------------------------------


def test_by_itself_it_boots_from_an_image_and_nova_chooses_the_network(
    fake: FakeCloud, attempt: FakeAttempt
) -> None:
    server = sent(fake, attempt)["server"]
    assert server["imageRef"] == uuid_of("image", "debian-12")
    assert server["flavorRef"] == uuid_of("flavor", "m1.small")
    assert server["networks"] == "auto"
    assert server["metadata"] == {
        "openstack_ops:run": attempt.run,
        "openstack_ops:step": attempt.key,
    }
    assert set(server) == {"name", "imageRef", "flavorRef", "networks", "metadata"}


def test_everything_that_can_be_asked_for_is_sent(fake: FakeCloud, attempt: FakeAttempt) -> None:
    fake.groups.append(Group("apart", "anti-affinity", []))
    fake.part(Tables).ports.append({"id": "port-1", "name": "vip", "project_id": OWNER})
    body = sent(
        fake,
        attempt,
        networks=["shop-net"],
        ports=["vip"],
        security_groups=["default"],
        hypervisor="cmp-1",
        server_group="apart",
        tags=["a", "b"],
        metadata="role=web; note='a; b'",
        description="a test",
    )
    server = body["server"]
    assert server["networks"] == [{"uuid": "net-1"}, {"port": "port-1"}]
    assert server["security_groups"] == [{"name": f"default-of-{OWNER}"}]
    assert server["hypervisor_hostname"] == "cmp-1"
    assert server["tags"] == ["a", "b"]
    assert server["metadata"].items() >= {"role": "web", "note": "a; b"}.items()
    assert server["description"] == "a test"
    assert body["os:scheduler_hints"] == {"group": uuid_of("group", "apart")}
    (request,) = fake.asked("POST .*/servers$")
    assert request.version == (2, 74)


@pytest.mark.parametrize(
    ("options", "mapping"),
    [
        (
            {"boot_size_gib": 20, "delete_on_termination": True},
            ("image", uuid_of("image", "debian-12"), 20, True),
        ),
        ({"boot_from": "volume", "source": "root"}, ("volume", ROOT, None, False)),
        (
            {"boot_from": "snapshot", "source": "yesterday"},
            ("snapshot", uuid_of("snapshot", "yesterday"), 5, False),
        ),
    ],
)
def test_it_can_boot_from_a_volume(
    fake: FakeCloud, attempt: FakeAttempt, options: dict[str, Any], mapping: tuple[Any, ...]
) -> None:
    server = sent(fake, attempt, **options)["server"]
    (disk,) = server["block_device_mapping_v2"]
    found = (disk["source_type"], disk["uuid"], disk.get("volume_size"))
    assert (*found, disk["delete_on_termination"]) == mapping
    assert (disk["boot_index"], disk["destination_type"]) == (0, "volume")
    assert "imageRef" not in server


@pytest.mark.parametrize("word", ["auto", "none"])
def test_a_word_can_stand_for_the_networks(
    fake: FakeCloud, attempt: FakeAttempt, word: str
) -> None:
    assert sent(fake, attempt, networks=[word])["server"]["networks"] == word


def test_a_port_is_enough_of_a_network(fake: FakeCloud, attempt: FakeAttempt) -> None:
    fake.part(Tables).ports.append({"id": "port-1", "name": "vip", "project_id": OWNER})
    assert sent(fake, attempt, ports=["vip"])["server"]["networks"] == [{"port": "port-1"}]


# -- names -------------------------------------------------------------------------------------


def test_the_thing_of_the_project_is_meant_where_several_have_the_name(fake: FakeCloud) -> None:
    other = Project("other")
    fake.projects.append(other)
    groups = fake.part(Tables).security_groups
    groups.append({"id": "theirs", "name": "default", "project_id": other.id})
    (step,) = planned(fake, project="other", security_groups=["default"]).steps()
    assert step.data["options"]["security_groups"] == ["theirs"]
    assert step.data["names"]["security_groups"] == ["default"]


def test_names_that_nothing_or_several_have_are_told(fake: FakeCloud) -> None:
    with pytest.raises(NotFound, match="no network 'shop-nett'"):
        planned(fake, networks=["shop-net", "shop-nett"])
    networks = fake.part(Tables).networks
    networks += [{"id": f"net-{n}", "name": "twin", "project_id": "another"} for n in (2, 3)]
    with pytest.raises(Ambiguous, match="net-2"):
        planned(fake, networks=["twin"])


# -- what is refused ---------------------------------------------------------------------------


def test_all_that_speaks_against_it_is_told_at_once(fake: FakeCloud) -> None:
    fake.images[-1] |= {"status": "queued", "min_disk": 20, "min_ram": 2048}
    fake.nova.lives.quota |= {"instances": 0, "ram": 512}
    fake.hypervisors[0].holds["VCPU"] = 0
    said = refused(fake, networks=["auto", "shop-net"])
    for why in (
        "auto and none stand for all its networks",
        "the image debian-12 is queued",
        "the image debian-12 needs 2048 MiB of memory, and the flavor has 1024",
        "the image debian-12 needs a disk of 20 GiB, and it would have 10",
        "quota of instances is 0, of which 0 are free, and it needs 1",
        "quota of ram is 512, of which 512 are free, and it needs 1024",
        "no hypervisor has room for flavor m1.small (1 vCPU, 1 GiB, 10 GiB of disk)",
    ):
        assert why in said


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"boot_size_gib": 3000}, "quota of gigabytes is 1000"),
        (
            {"boot_from": "snapshot", "source": "yesterday", "boot_size_gib": 4},
            "the snapshot yesterday needs a disk of 5 GiB, and it would have 4",
        ),
        (
            {"boot_from": "volume", "source": "root", "boot_size_gib": 4},
            "leave boot_size_gib empty",
        ),
        ({"networks": ["none"], "security_groups": ["default"]}, "security groups are for new"),
    ],
)
def test_what_cannot_be_is_refused(fake: FakeCloud, options: dict[str, Any], why: str) -> None:
    assert why in refused(fake, **options)


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"status": "in-use"}, "the volume root is in-use"),
        ({"bootable": "false"}, "the volume root is not bootable"),
        ({"os-vol-tenant-attr:tenant_id": "another"}, "the volume root is another project's"),
    ],
)
def test_a_volume_has_to_be_fit_to_boot_from(
    fake: FakeCloud, facts: dict[str, Any], why: str
) -> None:
    fake.part(FakeCinder).volumes[0] |= facts
    assert why in refused(fake, boot_from="volume", source="root")


@pytest.mark.parametrize(
    ("visibility", "member", "usable"),
    [
        ("public", "", True),
        ("community", "", True),
        ("private", "", False),
        ("shared", "someone-else", False),
        ("shared", OWNER, True),
    ],
)
def test_an_image_of_another_project_has_to_be_shared(
    fake: FakeCloud, visibility: str, member: str, usable: bool
) -> None:
    fake.images[-1] |= {"visibility": visibility, "owner": "another"}
    members = {"members": [{"member_id": member, "status": "pending"}] if member else []}
    fake.route("GET /image/v2/images/([^/]+)/members", lambda request: Answer(members), first=True)
    if usable:
        assert planned(fake).changes() == 1
    else:
        assert "the image debian-12 is another project's, and not shared" in refused(fake)


def test_the_hypervisor_that_is_named_has_to_have_room(fake: FakeCloud) -> None:
    fake.hypervisors[0].status = "disabled"
    assert "that hypervisor has no room for" in refused(fake, hypervisor="cmp-1")


def test_few_requests_are_made(fake: FakeCloud) -> None:
    planned(fake, networks=["shop-net"], security_groups=["default"])
    asked = (
        "/flavors/",
        "/networks",
        "/security-groups",
        "/servers/detail",
        "/os-quota-sets/",
        "/allocation_candidates",
    )
    assert [fake.count(part) for part in asked] == [1] * len(asked)


def test_a_protected_volume_is_not_given_to_be_deleted_with_the_server(fake: FakeCloud) -> None:
    fake.part(FakeCinder).volumes[0]["metadata"] = {"openstack_ops:protected": "yes"}
    why = refused(fake, boot_from="volume", source="root", delete_on_termination=True)
    assert "the volume root is protected by its metadata" in why
    assert planned(fake, boot_from="volume", source="root").changes() == 1


# -- user data ---------------------------------------------------------------------------------


def account(fake: FakeCloud, folder: Path) -> Cloud:
    return fake.account(files={"allowed": [str(folder)]})


def planned_with(fake: FakeCloud, folder: Path, file: Path) -> Plan:
    usual = {"name": "web-9", "flavor": "m1.small", "source": "debian-12"}
    return drawn(account(fake, folder), "server.create", **usual, user_data_file=str(file))


def test_user_data_from_elsewhere_are_not_sent(fake: FakeCloud, tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    file = tmp_path / "user-data"
    file.write_text("root:x:0:0")
    (allowed / "link").symlink_to(file)
    for path in (file, allowed / "link", Path("/etc/passwd")):
        with pytest.raises(UserError, match="lies outside the folders that files are taken from"):
            planned_with(fake, allowed, path)


def test_user_data_are_sent_and_stand_in_no_plan(
    fake: FakeCloud, attempt: FakeAttempt, tmp_path: Path
) -> None:
    file = tmp_path / "user-data"
    file.write_text("#cloud-config\npassword: open sesame\n")
    plan = planned_with(fake, tmp_path, file)
    (step,) = plan.steps()
    assert step.data["options"]["user_data_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    stored = json.dumps(plan.as_data())
    assert "sesame" not in stored
    assert base64.b64encode(file.read_bytes()).decode() not in stored
    perform(step, account(fake, tmp_path), attempt)
    (request,) = fake.asked("POST .*/servers$")
    assert base64.b64decode(request.body["server"]["user_data"]) == file.read_bytes()


def test_user_data_that_have_changed_are_not_sent(
    fake: FakeCloud, attempt: FakeAttempt, tmp_path: Path
) -> None:
    file = tmp_path / "user-data"
    file.write_text("one")
    (step,) = planned_with(fake, tmp_path, file).steps()
    file.write_text("two")
    with pytest.raises(UserError, match="not as it was when this was planned"):
        perform(step, account(fake, tmp_path), attempt)
    assert fake.servers == []


@pytest.mark.parametrize(
    ("size", "why"), [(None, "cannot be read"), (49_150, "larger than 49149 bytes")]
)
def test_a_file_that_is_no_user_data_is_refused(
    fake: FakeCloud, tmp_path: Path, size: int | None, why: str
) -> None:
    file = tmp_path / "user-data"
    if size is not None:
        file.write_bytes(b"x" * size)
    with pytest.raises(UserError, match=why):
        planned_with(fake, tmp_path, file)


def test_a_path_has_to_be_absolute(fake: FakeCloud) -> None:
    with pytest.raises(UserError, match="must be an absolute path"):
        planned(fake, user_data_file="user-data")
