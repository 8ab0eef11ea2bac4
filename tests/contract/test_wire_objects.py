"""What a service answers is described once, whichever lane to the cloud reads it."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections import defaultdict
from collections.abc import Iterator

import msgspec

import query_api

#: Structs of the same fields that are not the same thing, by the fields.
ALIKE = {
    ("allocations",): "what a consumer holds, and one way to take what was asked for",
    (
        "domain",
        "id",
        "name",
    ): "Keystone's words on somebody, and the columns that tell groups apart",
    ("hypervisor",): "a host as a text is looked up, and its uptime",
    ("id",): "ids as they are read and checked: one that may be a number, as an aggregate's",
    ("ip_address",): "an allowed address of a port, and an address of a router's gateway",
    ("parts",): "an explanation, and the conditions that are all or any of others",
    ("resource_providers",): "whole providers, and the two columns that make a tree of them",
    ("users",): "accounts with their addresses, and ids that are compared",
}


def structs(kind: type[msgspec.Struct] = msgspec.Struct) -> Iterator[type[msgspec.Struct]]:
    for inner in kind.__subclasses__():
        # Those that queries have made, in whatever tests ran before, are described by tables.
        if vars(sys.modules[inner.__module__]).get(inner.__name__) is inner:
            yield inner
        yield from structs(inner)


def test_no_object_is_described_twice() -> None:
    for module in pkgutil.walk_packages(query_api.__path__, "query_api."):
        importlib.import_module(module.name)
    found = defaultdict(set)
    for struct in structs():
        if struct.__module__.startswith("query_api.") and struct.__struct_encode_fields__:
            fields = tuple(sorted(struct.__struct_encode_fields__))
            found[fields].add(f"{struct.__module__}.{struct.__name__}")
    assert len(found) > 100
    twice = {fields: sorted(names) for fields, names in found.items() if len(names) > 1}
    unknown = {fields: names for fields, names in twice.items() if fields not in ALIKE}
    assert unknown == {}, "describe it once, in query_api/wire/objects.py"
    assert twice.keys() == ALIKE.keys(), "an exception that is none any more"
