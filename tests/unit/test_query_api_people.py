"""Mail addresses of users: by a page where there are many, one by one who is not on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from query_api.lookups.people import FEW, MOST, accounts, project, roles_in, roles_of, users_named
from query_api.wire.reading import Reading
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Project
from support.fake_cloud_tables import Tables
from workflow_api import CloudError


class Keystone(Reading):
    """A Reading of a cloud that has these users: a page holds the first of each domain."""

    def __init__(self, users: dict[str, str], page: int) -> None:
        super().__init__(SimpleNamespace(name="fake"))  # type: ignore[arg-type]
        self.users, self.page = users, page
        self.asked: list[str] = []
        self.broken: set[str] = set()

    most = 4  # type: ignore[assignment]

    def log_in(self) -> None:
        pass

    def one(
        self, service: str, path: str, shape: Any, params: Any = None, microversion: Any = None
    ) -> Any:
        self.asked.append(path)
        if {path, (params or {}).get("domain_id")} & self.broken:
            raise CloudError("It hurts.", status=500)
        if path == "/users":
            mine = [id for id, domain in self.users.items() if domain == params["domain_id"]]
            return msgspec.convert({"users": [{"id": id} for id in mine[: self.page]]}, shape)
        id = path.rpartition("/")[2]
        if id not in self.users:
            raise CloudError("Could not find user.", status=404)
        return msgspec.convert({"user": {"id": id, "email": f"{id}@example.org"}}, shape)


def read(keystone: Keystone, ids: Iterable[str]) -> set[str]:
    wanted = {id: keystone.users.get(id) for id in ids}
    return {id for id, account in accounts(keystone, wanted).items() if account}


def ids(number: int, start: str = "u") -> dict[str, str]:
    return {f"{start}{n:03}": "default" for n in range(number)}


def test_a_few_are_asked_for_one_by_one() -> None:
    keystone = Keystone(ids(1000), 1000)
    assert read(keystone, ids(FEW)) == set(ids(FEW))
    assert keystone.asked == [f"/users/{id}" for id in ids(FEW)]


def test_many_are_on_one_page_of_each_domain() -> None:
    keystone = Keystone({**ids(40), "ldap": "west"}, 1000)
    assert read(keystone, [*ids(40), "ldap"]) == {*ids(40), "ldap"}
    assert keystone.asked == ["/users", "/users"]


def test_who_is_not_on_the_page_is_asked_for() -> None:
    keystone = Keystone(ids(40), 37)
    assert read(keystone, ids(40)) == set(ids(40))
    assert keystone.asked == ["/users", "/users/u037", "/users/u038", "/users/u039"]


def test_there_is_a_bound_and_it_is_told() -> None:
    keystone = Keystone(ids(500), 0)
    assert len(read(keystone, ids(MOST + 7))) == MOST
    assert keystone.reasons == [
        ("mail addresses of users of fake", f"only {MOST} of {MOST + 7} were asked for")
    ]


def test_who_is_no_more_is_left_out() -> None:
    keystone = Keystone(ids(1), 1000)
    assert read(keystone, ["u000", "gone"]) == {"u000"}


def test_whoever_could_not_be_read_is_named_and_not_taken_for_gone() -> None:
    keystone = Keystone(ids(3), 1000)
    keystone.broken = {"/users/u001"}
    found = accounts(keystone, {"u000": None, "u001": None, "gone": None})
    assert {id: bool(account) for id, account in found.items()} == {"u000": True, "gone": False}
    assert keystone.reasons == [("mail addresses of users of fake (u001)", "It hurts.")]


def test_users_of_a_domain_that_gives_no_page_are_asked_for_one_by_one() -> None:
    keystone = Keystone({**ids(6), "ldap": "west"}, 1000)
    keystone.broken = {"west"}
    assert read(keystone, [*ids(6), "ldap"]) == {*ids(6), "ldap"}
    assert keystone.reasons == []


def test_what_answers_nothing_is_not_asked_on_and_on() -> None:
    keystone = Keystone(ids(MOST), 0)
    keystone.broken = {"default", *(f"/users/{id}" for id in ids(MOST))}
    with pytest.raises(CloudError, match="It hurts"):
        accounts(keystone, dict.fromkeys(ids(MOST)))
    assert len(keystone.asked) < 12


def test_an_id_is_one_word_of_a_path() -> None:
    keystone = Keystone({}, 0)
    assert project(keystone, "../users?x=1") is None
    assert keystone.asked == ["/projects/..%2Fusers%3Fx%3D1"]


@pytest.fixture
def fake() -> Iterator[FakeCloud]:
    with FakeCloud(domains=["default", "west"]) as fake:
        Tables(fake).person("ann", "ann@example.org")
        yield fake


def test_users_by_name_in_every_domain(fake: FakeCloud) -> None:
    reading = Reading(fake.account())
    assert [one.mail for one in users_named(reading, "ann")] == ["ann@example.org"]
    asked = [request.query for request in fake.asked("GET /identity/v3/users")]
    assert {"name": "ann", "domain_id": "west"} in asked
    assert len(asked) == 2
    assert users_named(reading, "Ann") == []
    assert reading.reasons == []


@pytest.fixture
def shop() -> Iterator[FakeCloud]:
    with FakeCloud(projects=[Project("shop")]) as fake:
        yield fake


def test_roles_of_who_has_one_in_a_project_that_is_no_more(shop: FakeCloud) -> None:
    tables = Tables(shop)
    bob = tables.person("bob", shop="member")
    tables.grant(bob, {"id": "gone", "name": "?"}, "reader")
    tables.grant(bob, shop.projects[0].as_json(), "reader", granted="member")
    reading = Reading(shop.account())
    assert roles_of(reading, bob["id"]) == [("gone", "reader"), ("shop", "member")]
    (asked,) = shop.asked("GET /identity/v3/role_assignments")
    assert asked.query == {"effective": "true", "user.id": bob["id"]}


def test_roles_in_a_project_that_are_for_those_below_it_too(shop: FakeCloud) -> None:
    tables = Tables(shop)
    tables.person("bob", shop="member")
    tables.role_assignments[0]["links"]["assignment"] += "/inherited_to_projects"
    reading = Reading(shop.account())
    assert [one.roles for one in roles_in(reading, shop.projects[0].id)] == [["member"]]


def test_more_domains_than_are_asked_are_told_of(fake: FakeCloud) -> None:
    fake.domains = [f"domain-{number}" for number in range(101)]
    reading = Reading(fake.account())
    assert len(users_named(reading, "ann")) == 1
    assert fake.count("GET /identity/v3/users") == 1
    assert "more than 100 domains" in reading.reasons[0][1]
