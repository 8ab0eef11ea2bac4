"""Downtimes of an Icinga: scheduled, listed, removed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Literal

import msgspec

from accounts.http_account import not_there
from accounts.icinga import Icinga
from common.errors import CloudError
from icinga_api.acting import Done, act
from icinga_api.listing import Filter, objects

#: What of a host's children goes down with it: none, all for as long, or all once it begins.
Children = Literal["none", "all", "triggered"]

_CHILD_OPTIONS = {
    "none": "DowntimeNoChildren",
    "all": "DowntimeNonTriggeredChildren",
    "triggered": "DowntimeTriggeredChildren",
}
_MARKED = "(any_host || obj.host_name in wanted_hosts) && obj.comment.contains(wanted_mark)"
# A downtime that goes while others are removed has the whole request refused: it is asked again.
_TRIES = 3


class Downtime(msgspec.Struct, frozen=True):
    """A downtime; times are in seconds since the epoch.

    ``name`` is its full name, by which it is removed. A flexible one (not ``fixed``) lasts
    ``duration`` seconds from a problem between ``start`` and ``end``; it was ``triggered`` then, 0
    if not yet. ``configured`` says that Icinga's configuration makes it, and makes it again.
    """

    name: str
    host: str
    service: str | None
    start: float
    end: float
    fixed: bool
    duration: float
    triggered: float
    author: str
    comment: str
    configured: bool

    @property
    def until(self) -> float:
        """When it ends, as far as that is known by now."""
        if self.fixed or not self.triggered:
            return self.end
        return self.triggered + self.duration

    def is_in_effect(self, now: float) -> bool:
        """Return whether problems are kept quiet by it at a time."""
        begins = self.start if self.fixed else self.triggered
        return 0 < begins <= now < self.until


class NewDowntime(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be scheduled; times are in seconds since the epoch.

    ``service`` is the short name of one service alone, else ``services`` says whether those of the
    host go down with it. ``flexible`` is for how many seconds, None for a fixed one.
    """

    host: str
    start: float
    end: float
    author: str
    comment: str
    service: str | None = None
    services: bool = True
    children: Children = "none"
    flexible: float | None = None


class _Attributes(msgspec.Struct):
    host_name: str
    start_time: float
    end_time: float
    author: str
    comment: str
    service_name: str = ""
    fixed: bool = True
    duration: float = 0
    trigger_time: float = 0
    config_owner: str = ""


class _Named(msgspec.Struct):
    name: str


class _Scheduled(_Named):
    service_downtimes: list[_Named] = []
    child_downtimes: list[_Scheduled] = []


class _Results(msgspec.Struct):
    results: list[_Scheduled]


def downtimes(
    icinga: Icinga, hosts: Collection[str] | None = None, *, mark: str = ""
) -> list[Downtime]:
    """Return the downtimes of hosts and their services, of all hosts if None, by name.

    ``mark`` is what their comments have to contain. One request. Raises CloudError.
    """
    if hosts is not None and not hosts:
        return []
    values = {
        "any_host": hosts is None,
        "wanted_hosts": sorted(hosts or ()),
        "wanted_mark": mark,
    }
    narrowed = Filter(_MARKED, values) if mark or hosts is not None else None
    found = objects(icinga, "downtimes", _Attributes, narrowed=narrowed)
    all_of_them = (_downtime(one.name, one.attrs) for one in found)
    return sorted(
        (
            one
            for one in all_of_them
            if (hosts is None or one.host in hosts) and mark in one.comment
        ),
        key=lambda one: (one.host, one.service or "", one.start, one.name),
    )


def schedule(icinga: Icinga, new: NewDowntime) -> list[str]:
    """Schedule a downtime and return the names of all that came of it, the host's own first.

    Raises CloudError, with status 404 if there is no such host or service, and as
    :meth:`accounts.http_account.HttpAccount.change`.
    """
    about = {"host": new.host} if new.service is None else {"service": f"{new.host}!{new.service}"}
    body: dict[str, Any] = {
        **about,
        "start_time": new.start,
        "end_time": new.end,
        "author": new.author,
        "comment": new.comment,
        "fixed": new.flexible is None,
    }
    if new.flexible is not None:
        body["duration"] = new.flexible
    if new.service is None:
        body |= {"all_services": new.services, "child_options": _CHILD_OPTIONS[new.children]}
    answer = act(icinga, "schedule-downtime", body, "scheduling a downtime", _Results)
    return [name for one in answer.results for name in _names(one)]


def remove(icinga: Icinga, names: Iterable[str], author: str) -> None:
    """Remove downtimes by their full names; those that are gone already are no trouble.

    What goes with one of them is removed too. Raises CloudError, and as
    :meth:`accounts.http_account.HttpAccount.change`.
    """
    left = sorted(set(names))
    for tries in range(_TRIES):
        if not left:
            return
        try:
            body = {"downtimes": left, "author": author}
            act(icinga, "remove-downtime", body, "removing downtimes", Done)
            return
        except CloudError as error:
            if not not_there(error) or tries == _TRIES - 1:
                raise
            there = {one.name for one in downtimes(icinga)}
            left = [name for name in left if name in there]


def _names(one: _Scheduled) -> list[str]:
    below = [name for child in one.child_downtimes for name in _names(child)]
    return [one.name, *(service.name for service in one.service_downtimes), *below]


def _downtime(name: str, found: _Attributes) -> Downtime:
    return Downtime(
        name=name,
        host=found.host_name,
        service=found.service_name or None,
        start=found.start_time,
        end=found.end_time,
        fixed=found.fixed,
        duration=found.duration,
        triggered=found.trigger_time,
        author=found.author,
        comment=found.comment,
        configured=bool(found.config_owner),
    )
