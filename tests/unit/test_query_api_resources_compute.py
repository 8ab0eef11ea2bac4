"""The tables of Nova's and Placement's resources, and of quotas."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from query_api.language.schema import Filter, Link, Listing, Property, Resource, Source
from query_api.resources import (
    compute,
    flavor,
    hypervisor,
    placement,
    quota,
    server,
    server_history,
)
from query_api.wire.decode import shape_of
from support.resource_rules import faults_of

TABLES: dict[str, Resource] = {
    name: resource
    for module in (server, hypervisor, compute, server_history, quota, placement)
    for name, resource in module.RESOURCES.items()
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_sound(name: str) -> None:
    assert TABLES[name].name == name
    assert faults_of(TABLES[name], TABLES) == []


# -- the rules themselves ------------------------------------------------------------------------

ID = Property(name="id", kind="text", about="Its id.")
NAME = Property(name="name", kind="text", about="Its name.")
LISTING = Listing(service="compute", path="/things", collection="things", microversion="2.10")
SOUND = Resource(
    name="thing",
    plural="things",
    about="A thing.",
    listings=(LISTING,),
    properties=(ID, NAME),
    default=("id",),
)


def changed(table: Any, **how: Any) -> Any:
    return msgspec.structs.replace(table, **how)


def named(**how: Any) -> Resource:
    """Return the sound table with another name property."""
    return changed(SOUND, properties=(ID, changed(NAME, **how)))  # type: ignore[no-any-return]


def listed(**how: Any) -> Resource:
    return changed(SOUND, listings=(changed(LISTING, **how),))  # type: ignore[no-any-return]


FAULTS: dict[str, Resource] = {
    "two things are called id": changed(SOUND, properties=(ID, ID)),
    "two things are called name": changed(SOUND, links=(Link("name", "thing", "id"),)),
    "'Name' cannot be a property's name": named(name="Name"),
    "no columns are shown by default": changed(SOUND, default=()),
    "the default size is not a property": changed(SOUND, default=("size",)),
    "its key uuid is not a property": changed(SOUND, key="uuid"),
    "ends with a full stop": named(about="Its name"),
    "rows are either in a collection or unpacked": listed(collection=""),
    "its pages cannot be told apart": changed(listed(paging="links"), key=""),
    "a brief listing gives markers": listed(brief="/brief"),
    "only with a brief listing": listed(backwards={"sort_dir": "asc"}),
    "2.9 is not better than 2.10": listed(better="2.9"),
    "size is not among what it needs": listed(path="/things/{size}"),
    "read in two shapes": named(wire="id", shape=int, of=str),
    "read whole and in parts": named(wire="id/name"),
    "there is no source mist": named(source="mist"),
    "name is not among what is asked for": named(asked=True),
    "nothing is made of the whole row": named(wire="*"),
    "not brought into our form": named(kind="time", of=str),
    "nothing makes its kind of it": named(shape=int),
    "is no number and has a unit": named(unit="MiB"),
    "is no text and has a case": named(kind="integer", case="upper"),
    "older_than does not fit a text": named(filters={"older_than": Filter(param="x")}),
    "takes in what is missing": named(filters={"not_equal_to": Filter(param="x")}),
    "contains takes one value": named(filters={"contains": Filter(param="x", many="comma")}),
    "there is no size to leave rows out by": named(
        filters={"equal_to": Filter(param="x", unless=("size", "9"))}
    ),
    "it needs size, which is not a property": changed(SOUND, needs={"size": None}),
    "it needs name, and cannot ask with it": changed(SOUND, needs={"name": None}),
    "it needs thing.size, which does not exist": changed(
        listed(path="/things/{name}"), needs={"name": "thing.size"}
    ),
    "begins at size": changed(SOUND, links=(Link("other", "thing", "size"),)),
    "ends at thing.size": changed(SOUND, links=(Link("other", "thing", "id", "size"),)),
    "leads from text to integer": changed(
        named(kind="integer"), links=(Link("other", "thing", "id", "name"),)
    ),
    "leads to many, but id is the key": changed(
        SOUND, links=(Link("other", "thing", "name", "id", many=True),)
    ),
    "nothing is taken from the source mist": changed(
        SOUND, sources={"mist": Source(key="id", read=lambda reading, keys: {}, cost="much")}
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_table_is_found_out(fault: str) -> None:
    found = faults_of(FAULTS[fault], {})
    assert [sentence for sentence in found if fault in sentence], found


def test_a_sound_table() -> None:
    assert faults_of(SOUND, {}) == []


# -- values --------------------------------------------------------------------------------------


def column(resource: Resource, name: str, row: dict[str, Any]) -> Any:
    """Return a property of a row as the service gives it."""
    (prop,) = [one for one in resource.properties if one.name == name]
    listing = resource.listings[0]
    shape = shape_of(listing, [prop])
    answer = msgspec.convert({listing.collection: [row]}, shape.answer, strict=False)
    return shape.page(answer).columns[0][0]


FIXED = {"addr": "10.0.0.5", "version": 4, "OS-EXT-IPS:type": "fixed",
         "OS-EXT-IPS-MAC:mac_addr": "fa:16:3e:00:00:01"}  # fmt: skip
FLOATING = {**FIXED, "addr": "203.0.113.9", "OS-EXT-IPS:type": "floating"}
ROW = {
    "addresses": {"blue": [FIXED, FLOATING], "red": [{"addr": "2001:db8::5", "version": 6}]},
    "image": {"id": "i", "links": []},
    "OS-EXT-STS:power_state": 4,
    "OS-EXT-AZ:availability_zone": "",
    "os-extended-volumes:volumes_attached": [{"id": "v", "delete_on_termination": False}],
    "security_groups": [{"name": "default"}, {"name": "default"}, {"name": "web"}],
    "config_drive": "True",
    "fault": {"message": "No valid host was found. ", "code": 500},
    "accessIPv4": "",
}
VALUES: list[tuple[str, dict[str, Any], Any]] = [
    ("addresses", ROW, ["10.0.0.5", "203.0.113.9", "2001:db8::5"]),
    ("fixed_addresses", ROW, ["10.0.0.5", "2001:db8::5"]),
    ("floating_addresses", ROW, ["203.0.113.9"]),
    ("mac_addresses", ROW, ["fa:16:3e:00:00:01"]),
    ("networks", ROW, ["blue", "red"]),
    ("image_id", ROW, "i"),
    ("image_id", {"image": ""}, None),
    ("image_id", {"image": None}, None),
    ("power_state", ROW, "SHUTDOWN"),
    ("power_state", {"OS-EXT-STS:power_state": 9}, "9"),
    ("availability_zone", ROW, None),
    ("volume_ids", ROW, ["v"]),
    ("security_groups", ROW, ["default", "web"]),
    ("security_groups", {}, None),
    ("config_drive", ROW, True),
    ("config_drive", {"config_drive": ""}, False),
    ("fault", ROW, "No valid host was found."),
    ("fault", {}, None),
    ("access_ipv4", ROW, None),
]


@pytest.mark.parametrize(("name", "row", "value"), VALUES)
def test_a_server_property(name: str, row: dict[str, Any], value: Any) -> None:
    assert column(server.SERVER, name, row) == value


@pytest.mark.parametrize(("swap", "value"), [("", 0), (512, 512), (0, 0), (None, None)])
def test_a_flavor_without_swap(swap: Any, value: int | None) -> None:
    assert column(flavor.FLAVOR, "swap", {"swap": swap}) == value


def test_an_availability_zone_and_its_hosts() -> None:
    up, down = {"nova-compute": {"available": True}}, {"nova-compute": {"available": False}}
    row = {"zoneName": "nova", "hosts": {"cmp-1": up, "cmp-2": down}}
    assert column(compute.AVAILABILITY_ZONE, "hosts", row) == ["cmp-1", "cmp-2"]
    assert column(compute.AVAILABILITY_ZONE, "hosts_down", row) == ["cmp-2"]
    # A zone whose services are all disabled.
    assert column(compute.AVAILABILITY_ZONE, "hosts", {"zoneName": "old", "hosts": None}) is None


def test_quotas_of_three_services_have_one_form() -> None:
    nova, cinder, neutron = (listing.unpack for listing in quota.QUOTA.listings)
    assert nova is not None
    assert cinder is not None
    assert neutron is not None
    ram = {"limit": 10, "in_use": 12, "reserved": 1}
    (row,) = nova({"quota_set": {"id": "p", "ram": ram}})
    assert row == {**ram, "service": "compute", "resource": "ram", "free": -3}
    (row,) = cinder({"quota_set": {"id": "p", "volumes": {**ram, "limit": -1}}})
    assert (row["service"], row["limit"], row["free"]) == ("block-storage", None, None)
    (row,) = neutron({"quota": {"port": {"limit": 5, "used": 2, "reserved": 0}}})
    assert (row["service"], row["in_use"], row["free"]) == ("network", 2, 3)


EVENT = server_history.Event
PART = EVENT("a", finish_time="2026-01-02T03:04:05.000000", result="Success", host="cmp-1")
FAILED = EVENT("b", finish_time="2026-01-02T03:04:06.500000", result="Error", details="No room. ")
RUNNING = EVENT("c", host="cmp-1")


@pytest.mark.parametrize(
    ("events", "result", "finished", "failure"),
    [
        ([PART], "Success", "2026-01-02T03:04:05Z", None),
        ([PART, FAILED], "Error", "2026-01-02T03:04:06.5Z", "No room."),
        ([PART, RUNNING], None, None, None),
        ([FAILED, RUNNING], "Error", None, "No room."),
        ([], None, None, None),
    ],
)
def test_how_an_action_went(events: list[Any], result: Any, finished: Any, failure: Any) -> None:
    values = {p.name: p.of for p in server_history.SERVER_ACTION.properties if p.of and p.source}
    assert [values[name](events) for name in ("result", "finish_time", "failure")] == [
        result,
        finished,
        failure,
    ]
    assert values["hosts"]([PART, RUNNING, FAILED]) == ["cmp-1"]
