"""Mail runbooks: who is told of what, who is not and why, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from support.fake_cloud_estate import Json
from support.mail_cloud import (
    LATELY,
    MailCloud,
    mail_cloud,
    project,
    server,
    told,
    user,
)
from support.smtp_faults import Fault

ALL = {"all_projects": True}


@pytest.fixture
def cloud() -> Iterator[MailCloud]:
    with mail_cloud() as cloud:
        yield cloud


def day(days: float) -> str:
    return f"{datetime.now(timezone.utc) + timedelta(days=days):%Y-%m-%d}"


# -- what --------------------------------------------------------------------------------------


def test_shut_off_for_long_and_not_protected(cloud: MailCloud) -> None:
    cloud.rows["server"] = [
        server("old", metadata={"openstack_ops:protected": "off"}),
        server("new", updated=LATELY),
        server("runs", status="ACTIVE"),
        server("tagged", tags=["openstack-ops-protected"]),
        server("marked", metadata={"openstack_ops:protected": "yes"}),
    ]
    plan = cloud.plan("shutoff_servers", **ALL)
    assert {entry["what"]: entry["why"] for entry in plan["skipped"]} == {
        "marked (id-marked)": "it is protected by its metadata openstack_ops:protected",
        "tagged (id-tagged)": "it is protected by the tag openstack-ops-protected",
    }
    assert "1 server of yours has been shut off for more than 30 days" in plan["text"]
    plan = cloud.plan("shutoff_servers", include_protected=True, **ALL)
    assert "3 servers of yours" in plan["text"]


@pytest.mark.long
def test_whose_servers_are_meant(cloud: MailCloud) -> None:
    cloud.rows["project"] += [project("lab"), project("other", name="store", domain_id="domain-2")]
    cloud.rows["project"] += [project("third", name="store")]
    cloud.rows["domain"] += [{"id": "domain-2", "name": "Second"}]
    cloud.rows["server"] = [
        server("s-a"),
        server("s-b", project="lab"),
        server("s-c", project="other"),
    ]
    assert cloud.plan("shutoff_servers")["rows"] == cloud.plan("shutoff_servers", **ALL)["rows"]
    assert "not both" in cloud.refusal("errored_servers", projects=["lab"], **ALL)
    assert "Did you mean lab?" in cloud.refusal("shutoff_servers", projects=["labs"])
    assert "2 projects are called 'store'" in cloud.refusal("shutoff_servers", projects=["store"])
    sent = cloud.send("shutoff_servers", projects=["Second/store", "lab"])
    words = told(sent["ann@example.org"]).split()
    assert [word for word in words if word.startswith("s-")] == ["s-b", "s-c"]


def test_errors_with_what_the_cloud_says_of_them(cloud: MailCloud) -> None:
    fault = {"message": "No valid host\nwas found <b>", "code": 500, "created": LATELY}
    cloud.rows["server"] = [server("web-1", status="ERROR", fault=fault), server("web-2")]
    message = cloud.send("errored_servers", **ALL)["ann@example.org"]
    assert "No valid host was found <b>" in " ".join(told(message).split())
    html = message.get_body(("html",))
    assert html is not None
    assert "<b>" not in html.get_content()


def test_hostile_names_stay_names(cloud: MailCloud) -> None:
    name = "x\r\nBcc: eve@example.org <script>alert(1)</script>{{ 7*7 }}\u202e"
    cloud.rows["user"] = [user("ann", name=name)]
    cloud.rows["server"] = [server(name, id="id-1")]
    (message,) = cloud.send("shutoff_servers", **ALL).values()
    assert message["Bcc"] is None
    assert "\u202e" not in told(message)
    assert "{{ 7*7 }}" in told(message)
    html = message.get_body(("html",))
    assert html is not None
    assert "<script>" not in html.get_content()


@pytest.mark.long
def test_images_by_their_exact_name_also_behind_volumes(cloud: MailCloud) -> None:
    names = {"image-1": "debian-12", "image-2": "debian-12-old", "image-3": "debian-13"}
    cloud.rows["image"] = [{"id": id, "name": name} for id, name in names.items()]
    boot = {"attachments": [{"server_id": "id-vol"}], "bootable": "true"}
    boot["volume_image_metadata"] = {"image_id": "image-1"}
    cloud.rows["volume"] = [{"id": "v1", "os-vol-host-attr:host": "h", **boot}]
    cloud.rows["volume"] += [{**cloud.rows["volume"][0], "id": "v2", "bootable": "false"}]
    cloud.rows["volume"][1]["attachments"] = [{"server_id": "id-old"}]
    cloud.rows["server"] = [
        server("new"),
        server("old", image={"id": "image-2"}),
        server("vol", "bob", image=""),
    ]
    until = {"end_date": day(30), "replacement": "debian-13"}
    sent = cloud.send("retiring_image", image="debian-12", **until)
    assert sorted(sent) == ["ann@example.org", "bob@example.org"]
    assert "old" not in told(sent["ann@example.org"]).split()
    assert "debian-13" in told(sent["ann@example.org"])
    plan = cloud.plan("retiring_image", image="debian-12", boot_volumes=False, **until)
    assert "bob@example.org" not in plan["text"]
    assert "Owners of servers that boot from volumes are not told." in plan["text"]
    plan = cloud.plan("retiring_image", image="debian-12", match="contains", **until)
    assert "ann@example.org: " in plan["text"]
    near = cloud.refusal("retiring_image", image="debian-1", **until)
    assert "no image 'debian-1'" in near
    assert "Did you mean" in near
    same = {"end_date": day(30), "replacement": "debian-12"}
    assert "withdrawn itself" in cloud.refusal("retiring_image", image="debian-12", **same)


def test_flavors_and_days_that_are_over(cloud: MailCloud) -> None:
    cloud.rows["flavor"] = [{"id": str(n), "name": f"m1.{n}"} for n in range(3)]
    large = {"original_name": "m1.1", "vcpus": 1, "ram": 1, "disk": 1}
    cloud.rows["server"] = [server("a", flavor=large), server("b", "bob")]
    assert list(cloud.send("retiring_flavor", flavor="m1.1", end_date=day(0))) == [
        "ann@example.org"
    ]
    over = {"flavor": "m1.1", "end_date": day(-1)}
    assert "is in the past" in cloud.refusal("retiring_flavor", **over)
    assert "ann@example.org" in cloud.plan("retiring_flavor", allow_past=True, **over)["text"]
    for wrong in ("soon", "2026-02-30", "31.12.2026", ""):
        said = cloud.refusal("retiring_flavor", flavor="m1.1", end_date=wrong)
        assert "end_date is a date like 2026-11-21" in said
    assert "no flavor 'm1'" in cloud.refusal("retiring_flavor", flavor="m1", end_date=day(1))
    both = cloud.plan("retiring_flavor", flavor="m1", end_date=day(1), match="contains")
    assert "m1.0, m1.1, m1.2" in both["text"]


def of_flavor(name: str) -> Json:
    return {"flavor": {"original_name": name, "vcpus": 1, "ram": 1, "disk": 1}}


@pytest.mark.long
def test_flavors_that_are_deleted_and_still_in_use(cloud: MailCloud) -> None:
    cloud.rows["flavor"] = [{"id": "1", "name": "m2.small"}, {"id": "2", "name": "m1.large"}]
    cloud.rows["server"] = [server("a", **of_flavor("m1.small")), server("b", "bob")]
    until = {"end_date": day(30), "replacement": "m2.small"}
    shown = cloud.plan("retiring_flavor", flavor="m1.small", **until)
    assert "ann@example.org: " in shown["text"]
    assert "bob@example.org" not in shown["text"]
    both = cloud.plan("retiring_flavor", flavor="m1.", match="contains", **until)
    assert "m1.large, m1.small" in both["text"]
    assert "ann@example.org: " in both["text"]
    near = cloud.refusal("retiring_flavor", flavor="m1.smal", **until)
    assert "no flavor 'm1.smal'" in near
    assert "m1.small" in near.partition("Did you mean")[2]
    gone = {"end_date": day(30), "replacement": "m1.small"}
    assert "no flavor 'm1.small'" in cloud.refusal("retiring_flavor", flavor="m2.small", **gone)


def test_images_that_are_deleted_and_still_in_use(cloud: MailCloud) -> None:
    cloud.rows["image"] = [{"id": "image-2", "name": "debian-13"}]
    made_of = {"image_id": "image-9", "image_name": "debian-9"}
    boot = {"attachments": [{"server_id": "id-vol"}], "bootable": "true"}
    cloud.rows["volume"] = [
        {"id": "v1", "os-vol-host-attr:host": "h", "volume_image_metadata": made_of, **boot}
    ]
    cloud.rows["server"] = [
        server("plain", image={"id": "image-9"}),
        server("vol", "bob", image=""),
        server("other", "bob", image={"id": "image-2"}),
    ]
    until = {"end_date": day(30), "replacement": "debian-13"}
    for wanted in ({"image": "image-9"}, {"image": "debian-9"}):
        sent = cloud.plan("retiring_image", campaign=wanted["image"], **wanted, **until)["text"]
        assert "ann@example.org: " in sent, "by the id that the server carries"
        assert "bob@example.org: " in sent, "by the volume that it boots from"
    assert "no image 'image-8'" in cloud.refusal("retiring_image", image="image-8", **until)


@pytest.mark.long
def test_an_image_whose_name_was_given_to_another_is_still_in_use(cloud: MailCloud) -> None:
    cloud.rows["image"] = [{"id": "image-2", "name": "debian"}]
    made_of = {"image_id": "image-1", "image_name": "debian"}
    boot = {"attachments": [{"server_id": "id-vol"}], "bootable": "true"}
    cloud.rows["volume"] = [
        {"id": "v1", "os-vol-host-attr:host": "h", "volume_image_metadata": made_of, **boot}
    ]
    cloud.rows["server"] = [
        server("new", image={"id": "image-2"}),
        server("vol", "bob", image=""),
    ]
    shown = cloud.plan("retiring_image", image="debian", end_date=day(30))["text"]
    assert "ann@example.org: " in shown
    assert "bob@example.org: " in shown, "by the older one, of which the volume was made"
    one = cloud.plan("retiring_image", image="image-2", end_date=day(30))["text"]
    assert "bob@example.org" not in one
    plain = {"image": "debian", "boot_volumes": False, "end_date": day(30)}
    assert "bob@example.org" not in cloud.plan("retiring_image", **plain)["text"]


def test_what_may_be_in_use_where_nobody_could_look_is_not_called_absent(cloud: MailCloud) -> None:
    cloud.rows["flavor"] = []
    cloud.rows["service"] = [{"host": "cmp-9", "status": "UNKNOWN", "binary": "nova-compute"}]
    kind, result = cloud.ask("retiring_flavor", flavor="m1", end_date=day(3), dry_run=True)
    assert kind == "failed"
    assert "Whether there is flavor 'm1' is not known" in result["summary"]
    assert "cmp-9" in result["summary"]


# -- how ---------------------------------------------------------------------------------------


@pytest.mark.long
def test_run_again_it_tells_only_who_is_new(cloud: MailCloud) -> None:
    cloud.rows["server"] = [server("web-1"), server("web-2", "bob")]
    assert list(cloud.send("shutoff_servers", limit=1, **ALL)) == ["ann@example.org"]
    assert list(cloud.send("shutoff_servers", note="bye", **ALL)) == ["bob@example.org"]
    assert cloud.send("shutoff_servers", **ALL) == {}
    assert len(cloud.send("shutoff_servers", campaign="another", **ALL)) == 2
    assert len(cloud.send("shutoff_servers", older_than="60d", **ALL)) == 2


def test_previews_are_files_and_nothing_else(cloud: MailCloud, tmp_path: Path) -> None:
    cloud.rows["server"] = [server("web-1"), server("web-2", "bob")]
    plan = cloud.plan("shutoff_servers", preview_dir=str(tmp_path), campaign="look", **ALL)
    files = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert [name.rpartition(".")[2] for name in files] == ["eml", "html"] * 2
    assert f"2 mails to look at: {tmp_path}/look" in plan["text"]


@pytest.mark.long
def test_all_of_it_to_one_address(cloud: MailCloud) -> None:
    cloud.rows["server"] = [server("web-1"), server("web-2", "bob")]
    kind, result = cloud.ask(
        "shutoff_servers", dry_run=False, override_recipient="me@example.org", **ALL
    )
    assert kind == "done", result["summary"]
    assert [mail.recipient for mail in cloud.smtp.accepted] == ["me@example.org"] * 2
    assert sorted(cloud.send("shutoff_servers", **ALL)) == ["ann@example.org", "bob@example.org"]


@pytest.mark.long
def test_too_many_are_refused(cloud: MailCloud) -> None:
    cloud.rows["server"] = [server("web-1"), server("web-2", "bob")]
    said = cloud.refusal("shutoff_servers", max_recipients=1, **ALL)
    assert "2 recipients and max_recipients is 1" in said


def test_put_off_is_tried_again_and_refused_is_said(cloud: MailCloud) -> None:
    cloud.rows["server"] = [server("web-1"), server("web-2", "bob")]
    cloud.smtp.fault(
        Fault("rcpt", reply="451 4.7.1 later", times=1, matching="ann"),
        Fault("rcpt", reply="550 5.1.1 unknown", matching="bob"),
    )
    kind, result = cloud.ask("shutoff_servers", dry_run=False, **ALL)
    assert kind == "failed"
    assert [mail.recipient for mail in cloud.smtp.accepted] == ["ann@example.org"]
    assert "bob@example.org: refused: 550" in str(result["failed"])


def test_nobody_to_be_told(cloud: MailCloud) -> None:
    cloud.rows["server"] = []
    assert cloud.send("shutoff_servers", **ALL) == {}
    assert "There is nobody to be told." in cloud.plan("shutoff_servers", **ALL)["text"]
