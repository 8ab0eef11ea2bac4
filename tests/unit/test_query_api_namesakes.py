"""Groups by a name are groups of one thing, also where several things have that name."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

from engine.dispatch import dispatch
from support.audit_cloud import AuditCloud
from support.fake_cloud_estate import Json
from support.mail_cloud import left, mail_cloud, project, user
from support.mail_cloud import server as shut_off


def server(name: str, project: str, user: str = "u1") -> Json:
    place = {"OS-EXT-SRV-ATTR:host": "cmp-1", "image": {"id": "i1"}, "metadata": {}}
    return {"id": name, "name": name, "tenant_id": project, "user_id": user, **place}


PROJECTS = [
    {"id": "p1", "name": "shop", "domain_id": "d1"},
    {"id": "p2", "name": "shop", "domain_id": "d2"},
    {"id": "p3", "name": "lab", "domain_id": "d1"},
]
DOMAINS = [{"id": "d1", "name": "Default"}, {"id": "d2", "name": "west"}]


@pytest.fixture
def cloud() -> Iterator[AuditCloud]:
    servers = [server("a", "p1"), server("b", "p2"), server("c", "p2"), server("d", "p3")]
    servers += [server("e", "gone-1"), server("f", "gone-2")]
    with AuditCloud(project=PROJECTS, domain=DOMAINS, server=servers) as cloud:
        yield cloud


def ask(cloud: AuditCloud, **parameters: Any) -> Json:
    kind, result = dispatch("server.search", parameters, cloud.config())
    assert kind == "done", result["summary"]
    return result


def counts(cloud: AuditCloud, **parameters: Any) -> dict[str | None, int]:
    rows = ask(cloud, group_by="project.name", aggregate="count", **parameters)["rows"]
    assert len({row["project.name"] for row in rows}) == len(rows)
    return {row["project.name"]: row["count"] for row in rows}


def test_two_projects_are_two_groups(cloud: AuditCloud) -> None:
    expected = {"Default/shop": 1, "west/shop": 2, "lab": 1, None: 2}
    assert counts(cloud) == expected
    in_order = list(counts(cloud, sort_by=["-count", "project.name"]))
    assert in_order == ["west/shop", None, "Default/shop", "lab"]


def test_headings_of_rows_say_which_one_it_is(cloud: AuditCloud) -> None:
    result = ask(cloud, select=["name"], group_by="project.name", output="text")
    assert "project.name: west/shop (2)" in result["text"]
    assert "project.name: lab (1)" in result["text"]
    assert {row["name"]: row["project.name"] for row in result["rows"]}["a"] == "Default/shop"


def test_names_of_one_thing_cost_nothing_more(cloud: AuditCloud) -> None:
    cloud.rows["project"] = [PROJECTS[0], PROJECTS[2]]
    cloud.asked_for()
    assert counts(cloud, where="project_id in (p1, p3)") == {"shop": 1, "lab": 1}
    assert not cloud.asked("GET /identity/v3/domains")


def test_domains_that_cannot_be_read_go_by_their_ids(cloud: AuditCloud) -> None:
    cloud.fail("GET /identity/v3/domains", 403, times=math.inf)
    assert counts(cloud) == {"d1/shop": 1, "d2/shop": 2, "lab": 1, None: 2}


def test_what_has_no_domain_goes_by_its_id(cloud: AuditCloud) -> None:
    cloud.rows["image"] = [{"id": "i1", "name": "debian"}, {"id": "i2", "name": "debian"}]
    cloud.rows["server"][0]["image"] = {"id": "i2"}
    rows = ask(cloud, group_by="image.name", aggregate="count")["rows"]
    assert {row["image.name"]: row["count"] for row in rows} == {"debian (i1)": 5, "debian (i2)": 1}


@pytest.mark.parametrize("by_cloud", [True, False])
def test_projects_of_one_name_in_two_clouds(cloud: AuditCloud, by_cloud: bool) -> None:
    cloud.rows["project"] = [PROJECTS[0], PROJECTS[2]]
    other = {"id": "p9", "name": "shop", "domain_id": "d1"}
    with AuditCloud(project=[other], domain=DOMAINS, server=[server("z", "p9")]) as second:
        config = cloud.config()
        config["clouds"].append(second.entry(name="second"))
        given = {
            "clouds": ["*"],
            "where": "project_id in (p1, p3, p9)",
            "group_by": "cloud, project.name" if by_cloud else "project.name",
            "aggregate": "count",
        }
        kind, result = dispatch("server.search", given, config)
    assert kind == "done", result["summary"]
    names = sorted(row["project.name"] for row in result["rows"])
    plain = ["lab", "shop", "shop"]
    assert names == (plain if by_cloud else ["Default/shop (p1)", "Default/shop (p9)", "lab"])


def test_people_of_one_name_who_get_no_mail_are_named_each() -> None:
    nobody = [user("u1", email=None, name="ann"), user("u2", email=None, name="ann")]
    with mail_cloud(user=nobody, project=[project("shop")]) as cloud:
        cloud.rows["server"] = [shut_off("web-1", "u1"), shut_off("web-2", "u2")]
        shown = cloud.plan("shutoff_servers", all_projects=True)
        assert left(shown) == {"ann (shop: web-1)": "no address", "ann (shop: web-2)": "no address"}
