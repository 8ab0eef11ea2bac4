"""A cloud whose services are functions: no HTTP, no login. What they raise is what it answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from accounts.cloud import Cloud
from accounts.config import PackConfig, load
from common.errors import CloudError

Json = dict[str, Any]
# Called with the path, the parameters and the microversion of a request.
Serve = Callable[[str, Mapping[str, Any], str | None], Any]


@cache
def _config(name: str, most: int) -> PackConfig:
    entry = {"name": name, "auth": {"auth_url": "http://nowhere/v3"}}
    return load({"clouds": [entry], "limits": {"parallel_requests": most}})


def refused(status: int, said: str = "no") -> CloudError:
    """Return the error for a service's answer with a status."""
    return CloudError(f"Cloud memory: {status}: {said}.", status=status)


class MemoryCloud(Cloud):
    """A cloud with services by type; a service may answer with bytes, or anything for JSON.

    ``requests`` are what was asked, ``together`` the most requests that a service was serving at
    a time.
    """

    def __init__(
        self, services: Mapping[str, Serve], *, most: int = 4, name: str = "memory"
    ) -> None:
        config = _config(name, most)
        super().__init__(config.cloud(None), config)
        self.services = services
        self.requests: list[tuple[str, str, Json, str | None]] = []
        self.together: dict[str, int] = {}
        self.domain: str | None = None
        self._serving: dict[str, int] = {}
        self._counting = threading.Lock()

    def get(
        self,
        service: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        microversion: str | None = None,
    ) -> bytes:
        asked = {name: value for name, value in (params or {}).items() if value is not None}
        with self._counting:
            self.requests.append((service, path, asked, microversion))
            self._serving[service] = now = self._serving.get(service, 0) + 1
            self.together[service] = max(now, self.together.get(service, 0))
        try:
            if service not in self.services:
                raise CloudError(f"Cloud {self.name}: its catalogue has no {service}.")
            said = self.services[service](path, asked, microversion)
        finally:
            with self._counting:
                self._serving[service] -= 1
        return said if isinstance(said, bytes) else json.dumps(said).encode()

    def log_in(self) -> None:
        """Nobody has to."""

    def confined_to(self) -> str | None:
        return self.domain

    def asked(self, service: str) -> list[Json]:
        """Return the parameters of the requests to a service, in their order."""
        return [params for name, _, params, _ in self.requests if name == service]


class Shelf:
    """A listing that is read in pages, as services do it: ``rows`` in their order, each with an id.

    ``at_most`` is the service's own limit. ``hooks`` are called before each request; ``ignores``
    are the parameters that it pays no heed to. With ``sort_dir`` the order is turned round. A
    marker that is no row is a 400.
    """

    def __init__(self, rows: list[Json], *, at_most: int = 1000, name: str = "things") -> None:
        self.rows, self.at_most, self.name = rows, at_most, name
        self.hooks: list[Callable[[], None]] = []
        self.ignores: set[str] = set()
        self.last: Json = {}
        self._lock = threading.Lock()

    def __call__(self, path: str, params: Mapping[str, Any], microversion: str | None) -> Json:
        with self._lock:
            for hook in self.hooks:
                hook()
            heeded = {name: v for name, v in params.items() if name not in self.ignores}
            size = len(self.rows) if "limit" in self.ignores else self.at_most
            size = min(size, int(heeded.get("limit", size)))
            start = int(heeded.get("offset", 0))
            rows = self.rows[::-1] if "sort_dir" in heeded else self.rows
            if "marker" in heeded:
                ids = [str(row["id"]) for row in rows]
                if heeded["marker"] not in ids:
                    raise refused(400, "marker not found")
                start = ids.index(heeded["marker"]) + 1
            page = rows[start : start + size]
            if path.endswith("/brief"):
                page = [{"id": row["id"]} for row in page]
            self.last = {self.name: page}
            if page and (len(page) == size) and "offset" not in params:
                href = f"http://nowhere{path}?limit={size}&marker={page[-1]['id']}"
                self.last[f"{self.name}_links"] = [{"rel": "next", "href": href}]
            return self.last
