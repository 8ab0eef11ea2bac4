"""An Icinga in memory that speaks its API over TLS on loopback; faults as those of a fake cloud.

Filters it takes, and answers with everything: what it was asked is tried on a real one.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from accounts.config import load
from accounts.icinga import Icinga
from support.certificates import Authority
from support.fake_cloud_http import Answer, Request, Web
from support.runs import folder

NOTHING = Answer({"error": 404, "status": "No objects found."}, 404)
_KINDS = ("host", "service", "downtime")


@dataclass
class Thing:
    """A host, or with ``service`` a service; ``state`` is Icinga's number."""

    host: str
    service: str = ""
    state: int = 0
    acknowledged: bool = False
    checked: bool = True

    @property
    def name(self) -> str:
        """The full name."""
        return f"{self.host}!{self.service}" if self.service else self.host


@dataclass
class FakeIcinga(Web):
    """A context manager. ``parents`` are (child, parent) hosts."""

    things: list[Thing]
    parents: list[tuple[str, str]] = field(default_factory=list)
    permissions: list[Any] = field(default_factory=lambda: ["*"])
    #: Whether the account may use filters.
    filters: bool = True
    place: Path = field(default_factory=folder)
    downtimes: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: Acknowledgements, by the full names of what they are of, as Icinga lists their comments.
    comments: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: After how many downtimes of a request Icinga breaks down; None for never.
    breaks_after: int | None = None

    def __post_init__(self) -> None:
        super().__init__()
        self.authority = Authority(self.place)
        self.route("GET /v1", self._status)
        self.route("POST /v1/objects/([a-z]+)", self._list)
        self.route("POST /v1/actions/schedule-downtime", self._schedule)
        self.route("POST /v1/actions/remove-downtime", self._remove)
        self.route("POST /v1/actions/acknowledge-problem", self._acknowledge)
        self.route("POST /v1/actions/remove-acknowledgement", self._forget)

    def __enter__(self) -> FakeIcinga:
        self.start(self.authority.issue())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def changes(self) -> list[Request]:
        """The requests for an action."""
        return self.asked(" /v1/actions/")

    def entry(self, name: str = "main") -> dict[str, Any]:
        """Return this Icinga as an entry of the configuration."""
        login = {"user": "openstack_ops", "password": "correct horse"}
        return {"name": name, "url": self.origin, "cacert": str(self.authority.file), **login}

    def account(self) -> Icinga:
        """Return it as an account."""
        return Icinga.from_config(load({"icingas": [self.entry()]}), None)

    def down(self, name: str) -> dict[str, Any]:
        """Return the one downtime of a host or service."""
        (found,) = (one for one in self.downtimes.values() if one["__of"] == name)
        return found

    def covered(self) -> list[str]:
        """Return the hosts and services that have a downtime, each as often as it has one."""
        return sorted(one["__of"] for one in self.downtimes.values())

    def put(self, thing: Thing, body: dict[str, Any]) -> dict[str, Any]:
        """Schedule a downtime of one thing; return what Icinga says of it."""
        if self.breaks_after is not None:
            if self.breaks_after == 0:
                raise _Broken
            self.breaks_after -= 1
        name = f"{thing.name}!{uuid.uuid4()}"
        self.downtimes[name] = {
            "__of": thing.name,
            "host_name": thing.host,
            "service_name": thing.service,
            "trigger_time": body["start_time"] if body.get("fixed", True) else 0,
            "config_owner": "",
            "duration": 0,
            **{key: body[key] for key in body if key in _KEPT},
        }
        return {"name": name, "legacy_id": len(self.downtimes), "code": 200}

    # -- what it answers ---------------------------------------------------------------------

    def _status(self, request: Request) -> Answer:
        said = {"user": "openstack_ops", "version": "r2.13.6-1", "permissions": self.permissions}
        return Answer({"results": [said]})

    def _list(self, request: Request) -> Answer:
        if request.headers.get("x-http-method-override") != "GET":
            return Answer({"error": 404, "status": "The requested path could not be found"}, 404)
        if "filter" in request.body and not self.filters:
            said = "Missing permission: filter-expression"
            return Answer({"error": 403, "status": said}, 403)
        rows = dict(getattr(self, f"_{request.parts[0]}")())
        wanted = request.body["attrs"]
        return Answer(
            {
                "results": [
                    {
                        "name": name,
                        "type": request.parts[0],
                        "joins": {},
                        "meta": {},
                        "attrs": {one: row[one] for one in wanted if one in row},
                    }
                    for name, row in rows.items()
                ]
            }
        )

    def _hosts(self) -> Iterator[tuple[str, dict[str, Any]]]:
        return ((one.name, self._row(one)) for one in self.things if not one.service)

    def _services(self) -> Iterator[tuple[str, dict[str, Any]]]:
        return ((one.name, self._row(one)) for one in self.things if one.service)

    def _downtimes(self) -> dict[str, dict[str, Any]]:
        return self.downtimes

    def _comments(self) -> dict[str, dict[str, Any]]:
        there = {one.name for one in self.things if one.acknowledged}
        return {name: row for name, row in self.comments.items() if name in there}

    def _dependencies(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for child, parent in self.parents:
            row = {"parent_host_name": parent, "child_host_name": child}
            yield f"{child}!on", row | {"parent_service_name": "", "child_service_name": ""}

    def _row(self, thing: Thing) -> dict[str, Any]:
        return {
            "name": thing.service or thing.host,
            "host_name": thing.host,
            "state": thing.state,
            "state_type": 1.0,
            "last_check": 1_700_000_000.5 if thing.checked else -1,
            "last_state_change": 1_700_000_000.5 if thing.checked else 0,
            "last_check_result": {"output": "as it is", "performance_data": []},
            "acknowledgement": 2.0 if thing.acknowledged else 0.0,
            "downtime_depth": self.covered().count(thing.name),
        }

    def _targets(self, request: Request) -> list[Any] | None:
        """Return what a request names: with a type and no name, all of it, as Icinga does."""
        body, known = request.body, {thing.name: thing for thing in self.things}
        found: list[Any] = []
        for kind in _KINDS:
            names = [*([body[kind]] if kind in body else []), *body.get(f"{kind}s", ())]
            there = self.downtimes if kind == "downtime" else known
            if any(name not in there for name in names):
                return None
            found += [name if kind == "downtime" else known[name] for name in names]
        if not found and "type" in body:
            return [
                thing for thing in self.things if bool(thing.service) == (body["type"] != "Host")
            ]
        return found or None

    def _schedule(self, request: Request) -> Answer:
        if (found := self._targets(request)) is None:
            return NOTHING
        try:
            return Answer({"results": [self._down(thing, request.body) for thing in found]})
        except _Broken:
            said = {"code": 500, "status": "Action execution failed: 'it hurts'."}
            return Answer({"results": [said]}, 500)

    def _down(self, thing: Thing, body: dict[str, Any]) -> dict[str, Any]:
        said = self.put(thing, body)
        if body.get("all_services"):
            mine = [one for one in self.things if one.host == thing.host and one.service]
            said["service_downtimes"] = [self.put(one, body) for one in mine]
        if body.get("child_options", "DowntimeNoChildren") != "DowntimeNoChildren":
            below = {child for child, parent in self.parents if parent == thing.host}
            children = [one for one in self.things if one.name in below]
            said["child_downtimes"] = [self._down(one, body) for one in children]
        return said

    def _remove(self, request: Request) -> Answer:
        if (found := self._targets(request)) is None:
            return NOTHING
        for name in found:
            self.downtimes.pop(name, None)
        return Answer({"results": [{"code": 200, "status": "removed"} for _ in found]})

    def _acknowledge(self, request: Request) -> Answer:
        if (found := self._targets(request)) is None:
            return NOTHING
        (thing,) = found
        if thing.state == 0 or thing.acknowledged:
            why = f"{thing.name} is {'already acknowledged' if thing.acknowledged else 'UP'}."
            return Answer({"results": [{"code": 409, "status": why}]}, 409)
        self.acknowledge(thing.name, **request.body)
        return Answer({"results": [{"code": 200, "status": "acknowledged"}]})

    def acknowledge(self, name: str, author: str, comment: str, **more: Any) -> None:
        """Acknowledge the problem of a host or service."""
        (thing,) = (one for one in self.things if one.name == name)
        thing.acknowledged = True
        self.comments[name] = {
            "host_name": thing.host,
            "service_name": thing.service,
            "entry_type": 4,
            "author": author,
            "text": comment,
            "entry_time": 1_700_000_000.5,
            "expire_time": more.get("expiry", 0),
            "sticky": more.get("sticky", False),
        }

    def _forget(self, request: Request) -> Answer:
        if (found := self._targets(request)) is None:
            return NOTHING
        for thing in found:
            thing.acknowledged = False
        return Answer({"results": [{"code": 200, "status": "removed"} for _ in found]})


class _Broken(Exception):
    pass


_KEPT = {"start_time", "end_time", "author", "comment", "fixed", "duration"}
