"""The cloud that is being seeded: logins, threads, and a count of what was changed."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlencode

import openstack
from openstack import exceptions
from openstack.connection import Connection

from devcloud.settings import Settings

NEWEST = "2.96"
"""The microversion of Nova that is spoken here."""

PAGE = 1000
"""The most that Nova answers at once."""

_THERE_ALREADY = (HTTPStatus.CONFLICT, HTTPStatus.BAD_REQUEST)
"""What a service says of a name that it has, and Neutron of a subnet's addresses."""

Item = TypeVar("Item")
Result = TypeVar("Result")

AT_ONCE = 6
"""Requests at a time: more would only queue up in APIs that have two cores between them."""


class Site:
    """Who talks to the cloud, and what has been done so far."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.changes = 0
        self.ids: dict[tuple[str, str], str] = {}
        self._owners: dict[tuple[str, str], Connection] = {}
        self._lock = threading.Lock()
        self.admin = self._log_in("admin", "admin", settings.passwords["admin"])

    def owner(self, user: str, project: str) -> Connection:
        """The session of one user in one project."""
        with self._lock:
            if (user, project) not in self._owners:
                password = self.settings.passwords["users"]
                self._owners[user, project] = self._log_in(user, project, password)
            return self._owners[user, project]

    def forget_owners(self) -> None:
        """After roles have changed, what was logged in before is worth nothing."""
        self._owners.clear()

    def did(self, what: str) -> None:
        """Say and count a change."""
        with self._lock:
            self.changes += 1
            print(f"  {what}", flush=True)

    def each(self, work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Do the work for all items, a few at a time; the first error ends it."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(work, items))

    def _log_in(self, user: str, project: str, password: str) -> Connection:
        return openstack.connect(
            load_yaml_config=False,
            load_envvars=False,
            auth={
                "auth_url": self.settings.url("keystone", "/v3"),
                "username": user,
                "password": password,
                "project_name": project,
                "user_domain_id": "default",
                "project_domain_id": "default",
            },
            region_name="RegionOne",
            compute_default_microversion=NEWEST,
        )


def answer(response: Any) -> Any:
    """The JSON of a response, or the error it stands for."""
    exceptions.raise_from_response(response)
    return response.json() if response.content else None


def list_servers(site: Site, microversion: str = NEWEST, **wanted: str) -> list[dict]:
    """All servers that pass Nova's own filters, page by page."""
    rows: list[dict] = []
    query = {"all_tenants": "1", "limit": str(PAGE), **wanted}
    while True:
        path = f"/servers/detail?{urlencode(query)}"
        page = answer(site.admin.compute.get(path, microversion=microversion))["servers"]
        rows += page
        if len(page) < PAGE:
            return rows
        query["marker"] = page[-1]["id"]


def delete_server(site: Site, server: str) -> None:
    """Delete a server at once: a plain DELETE would leave it on its host for ten minutes."""
    answer(site.admin.compute.post(f"/servers/{server}/action", json={"forceDelete": None}))


class Collection:
    """All objects of one kind, listed once, and created where they are missing.

    `api` is the SDK's proxy, `path` the listing, `key` what one object is called in a request.
    """

    def __init__(self, site: Site, api: str, path: str, key: str, query: str = "") -> None:
        self._site, self._api, self._path, self._key = site, api, path, key
        self._query = query
        self.rows = self._listed()

    def _listed(self) -> list[dict]:
        listing = answer(getattr(self._site.admin, self._api).get(self._path + self._query))
        (rows,) = (rows for rows in listing.values() if isinstance(rows, list))
        return rows

    def find(self, **wanted: object) -> dict | None:
        """The object that has all these values."""
        for row in self.rows:
            if all(row.get(name) == value for name, value in wanted.items()):
                return row
        return None

    def ensure(
        self,
        same: dict,
        more: dict | None = None,
        by: Connection | None = None,
        within: dict | None = None,
    ) -> dict:
        """The object that is the `same`, created with `more` if there is none.

        `within` is what follows from who creates it, so it is looked for but not sent.
        """
        found = self.find(**same, **(within or {}))
        if found:
            return found
        sent = {name: value for name, value in same.items() if value is not None}
        api = getattr(by or self._site.admin, self._api)
        response = api.post(self._path, json={self._key: sent | (more or {})})
        if response.status_code in _THERE_ALREADY:
            # A service that has just started can leave out of a listing what it has.
            self.rows = self._listed()
            if found := self.find(**same, **(within or {})):
                return found
        row = answer(response)[self._key]
        self._site.did(f"{self._key.replace('_', ' ')} {row.get('name', row['id'])}")
        return row
