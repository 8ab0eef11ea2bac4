"""Which hosts and services depend on a host: what its downtime can be extended to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from accounts.icinga import Icinga
from icinga_api.listing import objects


class _Dependency(msgspec.Struct):
    parent_host_name: str
    child_host_name: str
    parent_service_name: str = ""
    child_service_name: str = ""


def children(icinga: Icinga, hosts: Iterable[str]) -> dict[str, list[str]]:
    """Return the full names of all that depends on each host itself, over others too, sorted.

    One request, however many hosts. Raises CloudError.
    """
    below: defaultdict[str, set[str]] = defaultdict(set)
    for found in objects(icinga, "dependencies", _Dependency):
        one = found.attrs
        parent = _name(one.parent_host_name, one.parent_service_name)
        below[parent].add(_name(one.child_host_name, one.child_service_name))
    return {host: _all_below(below, host) for host in hosts}


def _all_below(below: defaultdict[str, set[str]], host: str) -> list[str]:
    known, ahead = {host}, [host]
    while ahead:
        new = below[ahead.pop()] - known
        known |= new
        ahead += new
    return sorted(known - {host})


def _name(host: str, service: str) -> str:
    return f"{host}!{service}" if service else host
