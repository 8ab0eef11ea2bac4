"""Where several requests make one answer and one of them fails: what answered is kept, what did not
is named, and what could not be read is never called missing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, cast

import pytest

from engine.dispatch import dispatch
from query_api.execution.query import query
from query_api.lookups import compute, things
from query_api.wire.reading import Reading
from support.audit_cloud import AuditCloud
from support.audit_cloud import server as plain_server
from support.fake_cloud_estate import Json
from support.fake_cloud_http import Answer, Request
from support.mail_cloud import MailCloud, left, mail_cloud, server, user
from support.sampling import sampled
from workflow_api import CloudError, NotFound

DOMAINS = [{"id": "domain-1", "name": "Default"}, {"id": "domain-2", "name": "ldap"}]
ALL = {"all_projects": True}


class Keystone:
    """The users of a cloud, one domain at a time as where one is an LDAP; some may be broken."""

    def __init__(self, cloud: AuditCloud) -> None:
        self.cloud, self.broken, self._others = cloud, "", cloud._answer
        self.status = 403  # which is not asked for again
        cloud._answer = self.answer  # type: ignore[method-assign]

    def answer(self, request: Request) -> Answer:
        if request.path != "/identity/v3/users":
            return self._others(request)
        domain = request.query.get("domain_id")
        if domain == self.broken:
            return Answer({"error": {"message": "It hurts.", "code": self.status}}, self.status)
        return Answer({"users": [u for u in self.cloud.rows["user"] if u["domain_id"] == domain]})


@pytest.fixture
def cloud() -> Iterator[MailCloud]:
    known = [user("ann"), user("lea", domain_id="domain-2")]
    with mail_cloud(domain=DOMAINS, user=known) as cloud:
        cloud.keystone = Keystone(cloud)  # type: ignore[attr-defined]
        cloud.rows["server"] = [server("web-1"), server("web-2", "lea"), server("web-3", "gone")]
        yield cloud


def break_ldap(cloud: AuditCloud, broken: str = "domain-2", status: int = 403) -> None:
    keystone = cloud.keystone  # type: ignore[attr-defined]
    keystone.broken, keystone.status = broken, status


def asked(cloud: AuditCloud, name: str, **parameters: Any) -> tuple[str, Json]:
    return dispatch(name, parameters, cloud.config())


@pytest.mark.long
def test_users_of_the_other_domains_are_listed(cloud: MailCloud) -> None:
    break_ldap(cloud, status=500)
    kind, result = asked(cloud, "user.list", select=["name"], allow_partial=True)
    assert (kind, [row["name"] for row in result["rows"]]) == ("done", ["ann"])
    assert result["complete"] is False
    (left,) = result["left"]
    assert left["what"] == "users of fake (domain_id domain-2)"
    assert asked(cloud, "user.list", select=["name"])[0] == "failed"


def test_no_domain_at_all_is_a_failure(cloud: MailCloud) -> None:
    cloud.fail("GET /identity/v3/users", 403, times=math.inf)
    kind, result = asked(cloud, "user.list", allow_partial=True)
    assert kind == "failed"
    assert result["rows"] == []


def test_whoever_is_looked_for_and_found_is_all_that_was_wanted(cloud: MailCloud) -> None:
    break_ldap(cloud)
    cloud.rows["server"] = [server("web-1")]
    kind, result = asked(cloud, "server.list", select=["name", "user.name"])
    assert (kind, result["complete"], result["left"]) == ("done", True, [])


def test_columns_say_whether_they_could_be_read(cloud: MailCloud) -> None:
    break_ldap(cloud)
    answer = query("server").select("name", "user.name").run([cloud.account()])
    assert answer.rows == [("web-1", "ann"), ("web-2", None), ("web-3", None)]
    assert answer.unread == {"user.name"}
    assert not answer.complete
    break_ldap(cloud, "")
    assert query("server").select("user.name").run([cloud.account()]).unread == frozenset()


@pytest.mark.parametrize(
    "more",
    [
        {"where": "user.name is null"},
        {"group_by": "user.name"},
        {"group_by": "user.name", "aggregate": "count"},
        {"aggregate": "count user.name"},
        {"sort_by": ["user.name"], "limit": 2},
    ],
    ids=str,
)
def test_nothing_is_made_of_a_column_that_was_read_in_part(cloud: MailCloud, more: Json) -> None:
    break_ldap(cloud)
    kind, result = asked(cloud, "server.search", allow_partial=True, **more)
    assert (kind, result["rows"]) == ("failed", [])
    assert "could not be read whole" in result["summary"]
    assert "domain-2" in result["summary"]


@pytest.mark.parametrize("owner", ["user", "role"])
def test_mail_tells_who_was_not_found_from_who_could_not_be_read(
    cloud: MailCloud, owner: str
) -> None:
    roles = [{"id": "r1", "name": "member"}]
    cloud.rows["role"] = roles
    where = {"project": {"id": "shop", "name": "shop", "domain": {"id": "domain-1"}}}
    cloud.effective = [
        {"user": {"id": id, "name": id}, "role": roles[0], "scope": where, "links": {}}
        for id in ("ann", "lea")
    ]
    break_ldap(cloud)
    assert "not everything could be read: users of fake (domain_id domain-2)" in cloud.refusal(
        "shutoff_servers", owner=owner, **ALL
    )
    shown = cloud.plan("shutoff_servers", owner=owner, allow_partial=True, **ALL)
    whys = {what.partition(" (")[0]: why for what, why in left(shown).items()}
    assert whys["user lea"] == "user could not be read"
    assert "user was not found" not in shown["text"], "nobody knows that of anybody"
    assert "ann@example.org: " in shown["text"]
    break_ldap(cloud, "")
    shown = cloud.plan("shutoff_servers", **ALL)
    assert left(shown) == {"user gone (shop: web-3)": "user was not found"}


def test_projects_that_could_not_be_read(cloud: MailCloud) -> None:
    cloud.fail("GET /identity/v3/projects", 403, times=math.inf)
    shown = asked(
        cloud,
        "email.query",
        resource="server",
        owner="project_contact",
        select=["name"],
        subject="s",
        text="t",
        smtp="main",
        dry_run=True,
        allow_partial=True,
    )[1]
    assert "project was not found" not in shown["text"]


def test_what_is_named_by_nothing_that_was_read_is_not_called_absent() -> None:
    rows = [{"id": "p1", "name": "shop", "domain_id": "domain-1"}]
    with AuditCloud(project=rows, domain=DOMAINS) as cloud:
        account = cloud.account()
        with pytest.raises(NotFound):
            things.find_all(account, "project", ["lab"])
        cloud.fail("GET /identity/v3/domains", 403, times=math.inf)
        assert [found.id for found in things.find_all(account, "project", ["shop"])] == ["p1"]
        with pytest.raises(CloudError, match=r"Whether there is project 'ldap/lab' is not known"):
            things.find_all(account, "project", ["ldap/lab"])


@pytest.mark.parametrize("status", ["UNKNOWN", "enabled"])
def test_a_server_of_a_cell_that_is_down_is_not_called_absent(status: str) -> None:
    services = [{"host": "cmp-9", "status": status, "binary": "nova-compute"}]
    with AuditCloud(service=services, server=[plain_server("s1")]) as cloud:
        account = cloud.account()
        if status == "enabled":
            with pytest.raises(NotFound):
                compute.find_server(account, "web-9")
        else:
            with pytest.raises(CloudError, match=r"not known.*cmp-9"):
                compute.find_server(account, "web-9")


# -- several clouds ----------------------------------------------------------------------------

BROKEN: dict[str, Json] = {
    "no auth": {"auth": {}},
    "unknown auth_type": {"auth_type": "no-such-plugin"},
    "no such file": {"cacert": "/nonexistent/ca.pem"},
    "another key": {"auth": {"auth_url": "http://127.0.0.1:1/v3", "pasword": "x"}},
    "nobody listens": {"auth": {"auth_url": "http://127.0.0.1:1/v3", "username": "u",
                                "password": "p", "user_domain_id": "d", "project_id": "p"}},
}  # fmt: skip
QUESTIONS: dict[str, Json] = {
    "server.list": {"select": ["name"]},
    "query.run": {"resource": "server", "select": ["name"]},
    "owner.find": {"any": "name of s1"},
    "audit.orphans": {},
    "audit.old_snapshots": {},
}


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "wrong"), sampled(list(itertools.product(QUESTIONS, BROKEN)), len(QUESTIONS))
)
def test_one_misconfigured_cloud_among_all(name: str, wrong: str) -> None:
    with AuditCloud(server=[plain_server("s1")]) as cloud:
        config = cloud.config()
        config["clouds"].append({"name": "broken", **BROKEN[wrong]})
        config["limits"] = {"timeouts": {"request": "1s"}}
        given = {**QUESTIONS[name], "clouds": ["*"], "allow_partial": True}
        kind, result = dispatch(name, given, config)
    assert kind == "done", result["summary"]
    assert result["complete"] is False
    assert "cloud broken" in [entry["what"] for entry in result["left"]]
    if name != "audit.orphans" and name != "audit.old_snapshots":
        assert result["rows"]


def test_answers_are_kept_and_the_rest_is_not_asked_on_and_on() -> None:
    begun: list[int] = []

    def ask(number: int) -> int:
        begun.append(number)
        if number:
            raise CloudError(f"no {number}")
        return number

    with AuditCloud() as cloud:
        reading = Reading(cloud.account())
        assert reading.answers(ask, range(1000), lambda number: f"thing {number}") == {0: 0}
        assert len(begun) < 40
        reasons = cast(list[tuple[str, str]], reading.reasons)
        assert any(what.startswith("thing ") and "not asked for" in why for what, why in reasons)
        with pytest.raises(CloudError, match="no 1"):
            reading.answers(ask, [1, 2], str)
