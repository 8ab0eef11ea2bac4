"""owner.find: from anything that can be named to the people to write to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from engine.dispatch import dispatch
from query_api.lookups.clues import LOOKS, SHOWN, Clue, clue
from query_api.lookups.people import FEW
from query_api.resources import resource
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor, Json, Project, Server, uuid_of
from support.fake_cloud_tables import Tables
from workflow_api import UserError

pytestmark = pytest.mark.usefixtures("no_back_off")

SHOP, GONE = Project("shop"), "5" * 32
PORT, FLOATING, VOLUME = (uuid_of(kind, "one") for kind in ("port", "floating", "volume"))
ANN = "ann <ann@example.org> (manager)"


@pytest.fixture
def fake() -> Iterator[FakeCloud]:
    servers = [Server("web-1", project=SHOP.id), Server("orphan", project=GONE)]
    with FakeCloud([Hypervisor("cmp-1")], servers, projects=[SHOP, Project("lab")]) as fake:
        yield fake


@pytest.fixture
def tables(fake: FakeCloud) -> Tables:
    tables = Tables(fake)
    tables.person("ann", "ann@example.org", shop="manager")
    tables.person("bob", None, shop="member")
    tables.users.append({"id": "user-1", "name": "mia", "email": "mia@example.org"})
    tables.ports += [
        port(PORT, "10.0.0.5", "fa:16:3e:00:00:01", "compute:nova", fake.server("web-1").id),
        port("reserved", "192.0.2.7", "fa:16:3e:00:00:02", "network:floatingip", FLOATING, ""),
        port("gateway", "192.0.2.1", "fa:16:3e:00:00:03", "network:router_gateway", "r-1", ""),
        port("idle", "10.0.0.9", "fa:16:3e:00:00:04", "", ""),
    ]
    tables.routers.append({"id": "r-1", "name": "edge", "project_id": SHOP.id})
    details = {"device_id": fake.server("web-1").id, "device_owner": "compute:nova"}
    floating = {"id": FLOATING, "floating_ip_address": "192.0.2.7", "port_details": details}
    tables.floating_ips.append({**floating, "project_id": SHOP.id, "status": "ACTIVE"})
    tables.volumes.append(
        {
            "id": VOLUME,
            "name": "data",
            "status": "available",
            "os-vol-tenant-attr:tenant_id": SHOP.id,
            "os-vol-host-attr:host": "x",
            "attachments": [],
        }
    )
    return tables


def port(id: str, ip: str, mac: str, owner: str, device: str, project: str = SHOP.id) -> Json:
    return {
        "id": id,
        "name": "",
        "status": "ACTIVE",
        "fixed_ips": [{"ip_address": ip, "subnet_id": "s-1"}],
        "mac_address": mac,
        "device_owner": owner,
        "device_id": device,
        "project_id": project,
        "binding:host_id": "cmp-1",
    }


def found(fake: FakeCloud, any: str, **parameters: Any) -> list[Json]:
    """Return the rows of an answer that is whole."""
    kind, result = dispatch("owner.find", {"any": any, **parameters}, fake.config())
    assert kind == "done", result
    assert result["complete"]
    rows: list[Json] = result["rows"]
    return rows


def only(fake: FakeCloud, any: str) -> Json:
    (row,) = found(fake, any)
    return row


# -- what a text can be ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("FA:16:3E:00:00:01", "MAC address", "fa:16:3e:00:00:01"),
        ("fa-16-3e-00-00-01", "MAC address", "fa:16:3e:00:00:01"),
        ("fa16.3e00.0001", "MAC address", "fa:16:3e:00:00:01"),
        (" 10.0.0.5 ", "IP address", "10.0.0.5"),
        ("2001:DB8:0::1", "IP address", "2001:db8::1"),
        (PORT.upper(), "UUID", PORT),
        (SHOP.id, "id", SHOP.id),
        ("a" * 64, "id", "a" * 64),
        ("10.0.0", "name", "10.0.0"),
        ("web-1", "name", "web-1"),
        ("fa:16:3e:00:00", "name", "fa:16:3e:00:00"),
        (".", "name", "."),
    ],
)
def test_what_a_text_can_be(text: str, kind: str, value: str) -> None:
    assert (clue(text).kind, clue(text).value) == (kind, value)


def test_a_host_name_is_known_without_its_domain() -> None:
    assert clue("Web-1.Example.org") == Clue("name", "Web-1.Example.org", "web-1")
    assert clue("größe").host == clue("my server").host == clue(".").host == ""


@pytest.mark.parametrize("text", ["", "  ", "x" * 256])
def test_what_can_be_nothing_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="1 to 255 characters"):
        clue(text)


def test_every_question_is_answered_by_a_filter_or_a_path() -> None:
    for looks in LOOKS.values():
        for look in looks:
            assert look.resource in SHOWN
            prop = resource(look.resource).property(look.path)
            assert look.path == "" or (prop and "equal_to" in prop.filters), look


# -- what is found -----------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["web-1", uuid_of("server", "web-1")])
def test_a_server(fake: FakeCloud, tables: Tables, text: str) -> None:
    row = only(fake, text)
    server = fake.server("web-1")
    assert (row["cloud"], row["what"], row["name"]) == ("fake", "server", "web-1")
    assert (row["id"], row["server_ids"], row["host"]) == (server.id, [server.id], "cmp-1")
    assert (row["project"], row["project_id"]) == ("shop", SHOP.id)
    assert row["users"] == [ANN, "bob (member)"]
    assert row["made_by"] == "mia <mia@example.org>"
    assert row["people"][0] == {
        "id": uuid_of("user", "ann").replace("-", ""),
        "name": "ann",
        "mail": "ann@example.org",
        "roles": ["manager"],
        "enabled": True,
        "unread": False,
    }


@pytest.mark.parametrize("text", ["10.0.0.5", "FA-16-3E-00-00-01", PORT])
def test_a_port(fake: FakeCloud, tables: Tables, text: str) -> None:
    row = only(fake, text)
    assert (row["what"], row["id"], row["server"]) == ("port", PORT, "web-1")
    assert (row["project"], row["users"][0], row["note"]) == ("shop", ANN, None)


def test_a_floating_ip_without_the_port_that_keeps_its_address(
    fake: FakeCloud, tables: Tables
) -> None:
    row = only(fake, "192.0.2.7")
    assert (row["what"], row["name"], row["server"]) == ("floating IP", "192.0.2.7", "web-1")


def test_the_gateway_of_a_router_is_of_the_router_s_project(
    fake: FakeCloud, tables: Tables
) -> None:
    row = only(fake, "192.0.2.1")
    assert (row["project"], row["users"][0]) == ("shop", ANN)
    assert row["note"] == "it is of network:router_gateway: edge"


def test_what_nothing_is_behind(fake: FakeCloud, tables: Tables) -> None:
    assert only(fake, "10.0.0.9")["note"] == "it belongs to nothing"
    row = only(fake, "data")
    assert (row["what"], row["note"]) == ("volume", "it is attached to nothing")


@pytest.mark.parametrize("text", ["shop", SHOP.id])
def test_a_project(fake: FakeCloud, tables: Tables, text: str) -> None:
    row = only(fake, text)
    assert (row["what"], row["project"], row["users"][0]) == ("project", "shop", ANN)


@pytest.mark.parametrize("text", ["ann", uuid_of("user", "ann").replace("-", "")])
def test_a_user(fake: FakeCloud, tables: Tables, text: str) -> None:
    row = only(fake, text)
    assert (row["what"], row["users"]) == ("user", ["ann <ann@example.org>"])
    assert row["note"] == "manager in shop"


@pytest.mark.parametrize("text", ["cmp-1", uuid_of("hypervisor", "cmp-1")])
def test_a_hypervisor(fake: FakeCloud, tables: Tables, text: str) -> None:
    row = only(fake, text)
    assert (row["what"], row["name"], row["state"]) == ("hypervisor", "cmp-1", "up")


def test_a_server_of_a_project_that_is_no_more(fake: FakeCloud, tables: Tables) -> None:
    row = only(fake, "orphan")
    assert (row["project"], row["users"]) == (GONE, None)
    assert row["note"] == "its project does not exist any more"
    # Keystone would answer a question about it with a 404.
    assert fake.count("role_assignments") == 0


def test_several_things_of_one_name(fake: FakeCloud, tables: Tables) -> None:
    fake.servers.append(Server("shop", project=SHOP.id))
    assert [row["what"] for row in found(fake, "shop")] == ["server", "project"]


def test_implied_roles_and_deleted_users_are_not_told_of(fake: FakeCloud, tables: Tables) -> None:
    ann = tables.users[0]
    tables.grant(ann, SHOP.as_json(), "reader", granted="manager")
    tables.grant({**ann, "id": "lost", "name": ""}, SHOP.as_json(), "member")
    assert only(fake, "shop")["users"] == [ANN, "bob (member)"]


def test_who_is_disabled_is_told(fake: FakeCloud, tables: Tables) -> None:
    tables.users[0]["enabled"] = False
    assert only(fake, "shop")["users"][0] == "ann <ann@example.org> (manager, disabled)"


# -- what it costs -----------------------------------------------------------------------------


def test_nothing_is_listed_whole(fake: FakeCloud, tables: Tables) -> None:
    found(fake, "web-1")
    queries = [request.query for request in fake.asked("/compute/v2.1/servers/detail")]
    assert len(queries) == 2
    assert all({"name", "hostname"} & set(query) for query in queries)
    for path in ("ports", "routers", "networks", "volumes", "images", "resource_providers"):
        assert all("name" in request.query for request in fake.asked(f"GET .*/{path}"))


def test_requests_do_not_grow_with_what_is_not_asked_for(fake: FakeCloud, tables: Tables) -> None:
    found(fake, "10.0.0.5")
    few = len(fake.requests)
    fake.servers += [Server(f"other-{n}", project=SHOP.id) for n in range(500)]
    fake.requests.clear()
    found(fake, "10.0.0.5")
    # One of them asks the network service for its versions, once for each cloud.
    assert len(fake.requests) == few <= 13


def test_many_users_are_read_from_one_page(fake: FakeCloud, tables: Tables) -> None:
    for number in range(FEW * 5):
        tables.person(f"user{number:02}", f"user{number:02}@example.org", shop="member")
    row = only(fake, "shop")
    assert f"user{FEW:02} <user{FEW:02}@example.org> (member)" in row["users"]
    assert fake.count("GET /identity/v3/users") == 2  # by name, and the page
    assert fake.count("role_assignments") == 1


def test_a_text_that_fits_too_much_says_so(fake: FakeCloud, tables: Tables) -> None:
    fake.servers += [
        Server("web", id=uuid_of("server", f"web{n}"), project=SHOP.id) for n in range(150)
    ]
    kind, result = dispatch("owner.find", {"any": "web"}, fake.config())
    assert (kind, len(result["rows"]), result["complete"]) == ("failed", 100, False)
    assert "more than 100" in result["left"][0]["why"]


def test_a_name_that_nova_reads_otherwise_is_asked_for_by_a_part(
    fake: FakeCloud, tables: Tables
) -> None:
    fake.servers.append(Server("größe-1", project=SHOP.id))
    assert only(fake, "größe-1")["name"] == "größe-1"
    assert "e\\-1" in [request.query.get("name") for request in fake.asked("servers/detail")]


# -- what is not there, and clouds that are down -----------------------------------------------


def test_what_is_not_there_is_said_with_near_names(fake: FakeCloud, tables: Tables) -> None:
    kind, result = dispatch("owner.find", {"any": "webb-1"}, fake.config())
    assert kind == "refused"
    assert "There is no name 'webb-1' in cloud fake" in result["summary"]
    assert "Did you mean web-1" in result["summary"]


def test_a_service_that_the_cloud_does_not_have_lacks_nothing(
    fake: FakeCloud, tables: Tables
) -> None:
    del fake.services["block-storage"]
    assert only(fake, "web-1")["what"] == "server"


def test_a_service_that_refuses_is_told_of(fake: FakeCloud, tables: Tables) -> None:
    fake.fail("/volume/v3/volumes", 403, times=9)
    kind, result = dispatch("owner.find", {"any": "web-1"}, fake.config())
    assert (kind, result["complete"], len(result["rows"])) == ("failed", False, 1)
    assert [entry["what"] for entry in result["left"]] == ["volumes of fake"]
    kind, _ = dispatch("owner.find", {"any": "web-1", "allow_partial": True}, fake.config())
    assert kind == "done"


def test_one_cloud_is_down_and_the_others_answer(fake: FakeCloud, tables: Tables) -> None:
    with FakeCloud() as other:
        other.fail("auth/tokens", 503, times=99)
        config = fake.config(default_cloud="east")
        config["clouds"] = [fake.entry(name="east"), other.entry(name="west")]
        asked = {"any": "web-1", "clouds": ["*"], "allow_partial": True}
        kind, result = dispatch("owner.find", asked, config)
    assert (kind, result["complete"]) == ("done", False)
    assert [row["cloud"] for row in result["rows"]] == ["east"]
    assert [entry["what"] for entry in result["left"]] == ["cloud west"]


def test_what_is_found_nowhere_while_a_cloud_is_down_is_not_said_to_be_nowhere(
    fake: FakeCloud, tables: Tables
) -> None:
    with FakeCloud() as other:
        other.fail("auth/tokens", 503, times=99)
        config = fake.config(default_cloud="east")
        config["clouds"] = [fake.entry(name="east"), other.entry(name="west")]
        asked = {"any": "nowhere", "clouds": ["*"], "allow_partial": True}
        kind, result = dispatch("owner.find", asked, config)
    assert (kind, result["rows"]) == ("failed", [])
