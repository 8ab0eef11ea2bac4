"""Whose is it: from anything that can be named to the people to write to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from msgspec import Meta

from accounts.cloud import Cloud
from accounts.clouds import EVERY, Clouds
from workflow_api import CloudError, Context, NotFound, Table, clean, count, listed, workflow
from workflow_api.parameters import AllowPartial, Name

if TYPE_CHECKING:
    from query_api.lookups.clues import Clue
    from query_api.lookups.matches import Match
    from query_api.lookups.people import Account, Holder
    from query_api.wire.reading import Reading

Item = TypeVar("Item")
Found = TypeVar("Found")
# So many servers, projects and users are looked up in each cloud; of the rest only ids are told.
_MOST = 20
_WORDS = {"floating_ip": "floating IP"}
_COLUMNS = ("cloud", "what", "name", "id", "server", "project", "made_by", "users", "note")
_EXTRA = ("state", "host", "server_ids", "project_id", "user_id", "people")
# What it means that nothing is behind one of these.
_IDLE = {
    "port": "it belongs to nothing",
    "floating_ip": "it leads nowhere",
    "volume": "it is attached to nothing",
}


EveryCloud = Annotated[
    Clouds,
    Meta(
        description="The clouds, as the configuration calls them; all of them by default.",
        extra={"default": [EVERY]},
    ),
]


@workflow("owner.find")
def find(ctx: Context, any: Name, clouds: EveryCloud, allow_partial: AllowPartial = False) -> Table:
    """Find the object behind an id, name, IP, MAC or host name, and its contact.

    any: An id, a name, an IP address, a MAC address or a host name of anything.
    """
    from query_api.lookups.clues import clue

    wanted = clue(any)
    rows, reasons = _everywhere(clouds, wanted)
    if not rows and not reasons:
        where = f"{'cloud' if len(clouds) == 1 else 'clouds'} {listed(c.name for c in clouds)}"
        raise NotFound(wanted.kind, any, where=where, near=_near(clouds, wanted))
    good = (not reasons or allow_partial) and bool(rows)
    return Table(
        _COLUMNS,
        rows,
        summary=_summary(any, rows),
        good=good,
        extra=_EXTRA,
        complete=not reasons,
        reasons=reasons,
    )


def _everywhere(
    clouds: Sequence[Cloud], wanted: Clue
) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """Return what all clouds say, and why it may not be all. Raises if none of them answers."""
    from accounts.clouds import of_each
    from query_api.wire.reading import Reading

    readings = {cloud: Reading(cloud) for cloud in clouds}
    rows: list[dict[str, Any]] = []
    for cloud, answer in of_each(clouds, lambda cloud: _rows(readings[cloud], wanted)):
        if isinstance(answer, list):
            rows += answer
        else:
            readings[cloud].incomplete(f"cloud {cloud.name}", str(answer))
    return rows, [reason for reading in readings.values() for reason in reading.reasons]


def _rows(reading: Reading, wanted: Clue) -> list[dict[str, Any]]:
    from query_api.lookups.matches import matches

    found = matches(reading, wanted)
    if not found:
        return []
    around = _Around(reading, found)
    return [around.row(one) for one in found]


class _Around:
    """What stands around the things that were found: servers, projects, people, each once."""

    def __init__(self, reading: Reading, found: Sequence[Match]) -> None:
        from query_api.lookups import matches, people

        self._reading = reading
        # In each of these None is what is no more; what could not be read, or was not looked up, is
        # not there.
        self._servers: dict[str, Match | None] = {
            one.id: one for one in found if one.what == "server"
        }
        behind = [id for one in found for id in one.servers if id not in self._servers]
        self._servers |= self._look("servers", behind, lambda ids: matches.servers(reading, ids))
        routed = [one.device for one in found if _is_routed(one) and not one.project_id]
        self._routers = self._look("routers", routed, lambda ids: matches.routers(reading, ids))
        owners = [one.id if one.what == "project" else self._project_of(one) for one in found]
        self._projects: dict[str, Account | None] = self._look(
            "projects", owners, _one_by_one(reading, "projects", people.project)
        )
        there = [id for id, project in self._projects.items() if project]
        self._holders: dict[str, list[Holder]] = self._look(
            "role assignments", there, _one_by_one(reading, "role assignments", people.roles_in)
        )
        self._roles: dict[str, list[tuple[str, str]]] = self._look(
            "role assignments",
            [one.id for one in found if one.what == "user"],
            _one_by_one(reading, "role assignments", people.roles_of),
        )
        self._users = self._accounts([one for of in self._holders.values() for one in of], found)

    def _accounts(
        self, holders: Sequence[Holder], found: Sequence[Match]
    ) -> dict[str, Account | None]:
        from query_api.lookups import people

        makers = [self._maker_of(one) for one in found]
        makers += [one.id for one in found if one.what == "user"]
        wanted: dict[str, str | None] = {
            id: None for id in list(dict.fromkeys(makers))[:_MOST] if id
        }
        wanted |= {holder.id: holder.domain_id for holder in holders}
        reading = self._reading
        return self._look("users", wanted, lambda ids: people.accounts(reading, wanted), most=None)

    def _look(
        self,
        what: str,
        ids: Iterable[str | None],
        read: Callable[[list[str]], Mapping[str, Found]],
        most: int | None = _MOST,
    ) -> dict[str, Found]:
        """Return what ``read`` says of some ids; what it cannot say is told in the reading."""
        wanted = [id for id in dict.fromkeys(ids) if id]
        where = f"{what} of {self._reading.cloud.name}"
        if most is not None and len(wanted) > most:
            why = f"only {most} of {len(wanted)} were looked up: give the id of the one you mean"
            self._reading.incomplete(where, why)
            wanted = wanted[:most]
        try:
            return dict(read(wanted)) if wanted else {}
        except CloudError as error:
            self._reading.incomplete(where, str(error))
            return {}

    def _project_of(self, one: Match) -> str | None:
        """Return the id of the project that a thing belongs to, itself or by what is behind it."""
        if one.project_id:
            return one.project_id
        router = self._routers.get(one.device or "")
        behind = [router, *(self._servers.get(id) for id in one.servers)]
        return next((other.project_id for other in behind if other and other.project_id), None)

    def _maker_of(self, one: Match) -> str | None:
        made = [one, *(self._servers.get(id) for id in one.servers)]
        return next((other.user_id for other in made if other and other.user_id), None)

    # -- what is told --------------------------------------------------------------------------

    def row(self, one: Match) -> dict[str, Any]:
        """Return what is told of a thing."""
        project_id = one.id if one.what == "project" else self._project_of(one)
        project, holders = self._projects.get(project_id or ""), self._holders.get(project_id or "")
        maker = self._maker_of(one)
        people = [self._person(h.id, h.name, h.roles) for h in holders or []]
        if one.what == "user":
            people = [self._person(one.id, one.name or one.id, [])]
        return {
            "cloud": self._reading.cloud.name,
            "what": _WORDS.get(one.what, one.what.replace("_", " ")),
            "name": one.name,
            "id": one.id,
            "server": ", ".join(self._server(id) for id in one.servers) or None,
            "project": project.name if project else project_id,
            "made_by": _written(self._person(maker, maker, [])) if maker else None,
            "users": [_written(person) for person in people] or None,
            "note": "; ".join(self._notes(one, project_id)) or None,
            "state": one.state,
            "host": one.host,
            "server_ids": one.servers,
            "project_id": project_id,
            "user_id": maker,
            "people": people,
        }

    def _server(self, id: str) -> str:
        server = self._servers.get(id)
        return server.name or id if server else id

    def _person(self, id: str, name: str, roles: list[str]) -> dict[str, Any]:
        account = self._users.get(id)
        return {
            "id": id,
            "name": account.name if account else name,
            "mail": account.mail if account else None,
            "roles": roles,
            "enabled": account.enabled if account else None,
            "unread": id not in self._users,
        }

    def _notes(self, one: Match, project_id: str | None) -> Iterable[str]:
        if one.what in _IDLE and not one.device and not one.servers:
            yield _IDLE[one.what]
        if one.device and not one.servers:
            name = self._routers[one.device].name if one.device in self._routers else one.device
            yield f"it is of {one.device_owner}: {name}"
        if one.what == "volume_snapshot" and one.volume_id:
            yield f"it is of volume {one.volume_id}"
        if one.what == "image" and one.servers:
            yield "it is a snapshot of the server"
        for id in one.servers:
            if id not in self._servers:
                yield f"server {id} could not be read or was not looked up"
            elif self._servers[id] is None:
                yield f"server {id} is not there any more"
        if project_id in self._projects and self._projects[project_id] is None:
            yield "its project does not exist any more"
        project = self._projects.get(project_id or "")
        if project and not project.enabled:
            yield "its project is disabled"
        if one.what == "user":
            held = self._roles.get(one.id)
            roles = [f"{role} in {where}" for where, role in held or ()]
            yield (
                "roles could not be read" if held is None else listed(roles, 20) or "without roles"
            )


def _is_routed(one: Match) -> bool:
    return (one.device_owner or "").startswith(("network:router", "network:ha_router"))


def _one_by_one(
    reading: Reading, what: str, read: Callable[[Reading, str], Found]
) -> Callable[[list[str]], dict[str, Found]]:
    def each(ids: list[str]) -> dict[str, Found]:
        where = f"{what} of {reading.cloud.name}"
        return reading.answers(lambda id: read(reading, id), ids, lambda id: f"{where} ({id})")

    return each


def _written(person: Mapping[str, Any]) -> str:
    """Return ``ann <ann@example.org> (member)``."""
    said = [person["name"], f"<{person['mail']}>" if person["mail"] else "", _roles(person)]
    return clean(" ".join(word for word in said if word))


def _roles(person: Mapping[str, Any]) -> str:
    words = [*person["roles"], *(["disabled"] if person["enabled"] is False else [])]
    words += ["mail address could not be read"] if person["unread"] else []
    return f"({', '.join(words)})" if words else ""


def _summary(any: str, rows: Sequence[Mapping[str, Any]]) -> str:
    if len(rows) != 1:
        return f"{clean(any)} stands for {count(len(rows), 'thing')}"
    (row,) = rows
    name = clean(row["name"] or row["id"])
    of = [f"server {clean(row['server'])}" if row["server"] and row["what"] != "server" else ""]
    of += [
        f"project {clean(row['project'])}" if row["project"] and row["what"] != "project" else ""
    ]
    return ", ".join([f"{row['what']} {name} in {row['cloud']}", *filter(None, of)])


def _near(clouds: Sequence[Cloud], wanted: Clue) -> list[str]:
    """Return names that may be meant: of projects and of a page of servers in each cloud."""
    if wanted.kind != "name":
        return []
    from query_api.lookups import compute, things
    from workflow_api import near

    known: list[str] = []
    for cloud in clouds:
        try:
            known += compute.names_like(cloud, wanted.value)
            known += things.names(cloud, "project")
        except CloudError:
            continue
    return near(wanted.value, known)
