"""Hosts and services of an Icinga, by name and state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from accounts.icinga import Icinga
from icinga_api.listing import Filter, Found, objects
from icinga_api.patterns import matches

State = Literal["UP", "DOWN", "OK", "WARNING", "CRITICAL", "UNKNOWN", "PENDING"]

_OF_HOSTS: tuple[State, ...] = ("UP", "DOWN")
_OF_SERVICES: tuple[State, ...] = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
_WELL = frozenset({"UP", "OK", "PENDING"})
_TESTS = (
    "(any_host || {host} in wanted_hosts) && match(wanted_pattern, {host})"
    " && (any_state || {it}.state in wanted_states)"
    " && (also_quiet || {it}.state != 0 || {it}.downtime_depth > 0 || {it}.acknowledgement != 0)"
)
_HOSTS = _TESTS.format(it="host", host="host.name")
_SERVICES = _TESTS.format(it="service", host="service.host_name")
_BULKY = ("last_check_result",)


class Watched(msgspec.Struct, frozen=True):
    """A host, or with ``service`` a service of it, and how it is.

    ``hard`` says that Icinga has looked often enough to be sure. ``since`` is in seconds since the
    epoch, 0 if it was never another way. ``output`` is what the last check said, "" if unknown.
    """

    host: str
    service: str | None
    state: State
    hard: bool
    since: float
    acknowledged: bool
    in_downtime: bool
    output: str

    @property
    def name(self) -> str:
        """The full name in Icinga, as ``cmp-1!nova-compute``."""
        return self.host if self.service is None else f"{self.host}!{self.service}"

    @property
    def is_problem(self) -> bool:
        """Whether it is not as it should be; what was never checked is not known to be."""
        return self.state not in _WELL

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing to tell of it: no problem, downtime or acknowledgement."""
        return not (self.is_problem or self.in_downtime or self.acknowledged)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which hosts, or services of which hosts, are asked for.

    ``hosts`` are names, None for any; ``pattern`` is one as ``cmp-*``; ``states`` none for any;
    ``noted`` leaves out what is quiet.
    """

    hosts: tuple[str, ...] | None = None
    pattern: str = "*"
    states: tuple[State, ...] = ()
    noted: bool = False

    def fits(self, one: Watched) -> bool:
        """Return whether this one is asked for."""
        return (
            (self.hosts is None or one.host in self.hosts)
            and matches(self.pattern, one.host)
            and (not self.states or one.state in self.states)
            and not (self.noted and one.is_quiet)
        )


class _Check(msgspec.Struct):
    output: str = ""


class _HostAttributes(msgspec.Struct):
    name: str
    state: float
    state_type: float = 1
    last_check: float = -1
    last_state_change: float = 0
    acknowledgement: float = 0
    downtime_depth: float = 0
    last_check_result: _Check | None = None


class _ServiceAttributes(_HostAttributes, kw_only=True):
    host_name: str


EVERY = Wanted()


def hosts(icinga: Icinga, wanted: Wanted = EVERY) -> list[Watched]:
    """Return hosts, by name, in one request. Raises CloudError."""
    if wanted.hosts == ():
        return []
    found = objects(
        icinga,
        "hosts",
        _HostAttributes,
        narrowed=_narrowed(_HOSTS, wanted, _OF_HOSTS),
        bulky=_BULKY,
    )
    return _chosen((_watched(one, one.attrs.name, None, _OF_HOSTS) for one in found), wanted)


def services(icinga: Icinga, wanted: Wanted = EVERY) -> list[Watched]:
    """Return services of hosts, by name, in one request. Raises CloudError."""
    if wanted.hosts == ():
        return []
    found = objects(
        icinga,
        "services",
        _ServiceAttributes,
        narrowed=_narrowed(_SERVICES, wanted, _OF_SERVICES),
        bulky=_BULKY,
    )
    return _chosen(
        (_watched(one, one.attrs.host_name, one.attrs.name, _OF_SERVICES) for one in found), wanted
    )


def _narrowed(text: str, wanted: Wanted, states: tuple[State, ...]) -> Filter | None:
    """Return the filter; None where all is wanted, which needs no right to use one."""
    if wanted == EVERY:
        return None
    # What was never checked has a number too, and no filter tells that from a real one.
    any_state = not wanted.states or "PENDING" in wanted.states
    return Filter(
        text,
        {
            "any_host": wanted.hosts is None,
            "wanted_hosts": list(wanted.hosts or ()),
            "wanted_pattern": wanted.pattern,
            "any_state": any_state,
            "wanted_states": [states.index(one) for one in wanted.states if one in states],
            "also_quiet": not wanted.noted,
        },
    )


def _watched(
    one: Found[_HostAttributes] | Found[_ServiceAttributes],
    host: str,
    service: str | None,
    states: tuple[State, ...],
) -> Watched:
    found, number = one.attrs, int(one.attrs.state)
    state: State = states[number] if 0 <= number < len(states) else "UNKNOWN"
    return Watched(
        host=host,
        service=service,
        state="PENDING" if found.last_check < 0 else state,
        hard=found.state_type == 1,
        since=max(0.0, found.last_state_change),
        acknowledged=found.acknowledgement != 0,
        in_downtime=found.downtime_depth > 0,
        output=found.last_check_result.output if found.last_check_result else "",
    )


def _chosen(found: Iterable[Watched], wanted: Wanted) -> list[Watched]:
    return sorted((one for one in found if wanted.fits(one)), key=lambda one: one.name)
