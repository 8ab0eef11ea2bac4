"""A cloud of many servers on loopback, in a process of its own that costs almost nothing to ask.

Keystone and Nova are spoken as far as a listing needs them: version documents, a login with a
catalogue, users, projects, domains, and servers brief and in detail by ``limit`` and ``marker``,
the newest first or, asked to sort by ``uuid`` within the time, the oldest first.
Filters are ignored. All bodies are made before the first request: a page is a slice of one text.
Pages can be made to take time, and requests and logins are counted.

    python bench/big_cloud.py --servers 10000    (prints its URL, ends when its stdin is closed)
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from big_estate import Collection, Estate
from own_process import in_a_process

_MOST_A_PAGE = 1000  # Nova's own osapi_max_limit
_LOGIN = "POST /identity/v3/auth/tokens"


class BigCloud:
    """The running server, as the benchmark sees it. Its ``url`` has no path."""

    def __init__(self, url: str) -> None:
        self.url = url

    def slow(self, detail_ms: float, brief_ms: float) -> None:
        """Make each page of servers take so many milliseconds from now on."""
        self._bench(f"slow?detail_ms={detail_ms}&brief_ms={brief_ms}")

    def reset(self) -> None:
        """Count from nothing."""
        self._bench("reset")

    def counts(self) -> dict[str, int]:
        """Return the number of requests since the reset, by method and path."""
        counted: dict[str, int] = self._bench("counts")
        return counted

    def _bench(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/bench/{path}", timeout=60) as answer:
            return json.load(answer)


@contextmanager
def big_cloud(servers: int, users: int = 5000, projects: int = 500) -> Iterator[BigCloud]:
    """Run the server in a process of its own while the block runs."""
    words = [f"--servers={servers}", f"--users={users}", f"--projects={projects}"]
    with in_a_process(__file__, *words) as url:
        yield BigCloud(url)


_HOSTS = [
    {
        "id": f"{number:032x}",
        "binary": "nova-compute",
        "host": f"cmp-{number:03d}.example.org",
        "zone": "nova",
        "status": "enabled",
        "state": "up",
        "updated_at": "2026-01-01T00:00:00.000000",
        "disabled_reason": None,
        "forced_down": False,
    }
    for number in range(1, 401)
]


class Services:
    """What is answered to which request. ``answer`` returns parts of a body, without copying."""

    #: The services by their types, each with its path.
    catalogue: ClassVar[dict[str, str]] = {"identity": "/identity/v3", "compute": "/compute/v2.1"}

    def __init__(self, estate: Estate, url: str) -> None:
        self._estate, self._url = estate, url
        self.counts: Counter[str] = Counter()
        self._delays = {"detail_ms": 0.0, "brief_ms": 0.0}

    def answer(self, method: str, target: str, token: bool) -> tuple[float, int, list[Any]]:
        """Return seconds to wait, the status, and the parts of the body."""
        split = urlsplit(target)
        path, asked = split.path.rstrip("/"), parse_qsl(split.query)
        if path.startswith("/bench/"):
            return 0.0, 200, [_json(self._bench(path.removeprefix("/bench/"), dict(asked)))]
        self.counts[f"{method} {path}"] += 1
        if f"{method} {path}" == _LOGIN:
            return 0.0, 201, [_json(self._token())]
        documents = {
            "/identity": (300, {"versions": {"values": [self._keystone()]}}),
            "/identity/v3": (200, {"version": self._keystone()}),
            "/compute": (200, {"versions": [self._nova()]}),
            "/compute/v2.1": (200, {"version": self._nova()}),
        }
        if path in documents:
            status, document = documents[path]
            return 0.0, status, [_json(document)]
        if not token:
            return 0.0, 401, [_json({"error": {"code": 401, "message": "Log in first."}})]
        if path == "/compute/v2.1/servers/detail":
            return self._page(self._estate.servers, asked, path, "detail_ms")
        if path == "/compute/v2.1/servers":
            return self._page(self._estate.brief, asked, path, "brief_ms")
        if path == "/compute/v2.1/os-services":
            return 0.0, 200, [_json({"services": _HOSTS})]
        rest = path.removeprefix("/identity/v3/")
        if rest in self._estate.identity:
            everything = self._estate.identity[rest]
            links = _json({"next": None, "self": f"{self._url}{path}", "previous": None})
            return (
                0.0,
                200,
                [b'{"%b": [' % rest.encode(), everything.text, b'], "links": %b}' % links],
            )
        return 0.0, 404, [_json({"error": {"code": 404, "message": f"{path} is not here."}})]

    def _page(
        self, rows: Collection, asked: list[tuple[str, str]], path: str, delay: str
    ) -> tuple[float, int, list[Any]]:
        start, words = 0, dict(asked)
        turned = words.get("sort_key") == "uuid"  # the second of two: the oldest come first
        if marker := words.get("marker"):
            if marker not in self._estate.places:
                text = f"marker [{marker}] not found"
                return 0.0, 400, [_json({"badRequest": {"code": 400, "message": text}})]
            place = self._estate.places[marker]
            start = rows.count - place if turned else place + 1
        limit = min(int(words.get("limit", _MOST_A_PAGE)), _MOST_A_PAGE)
        end = min(start + limit, rows.count)
        links = b""
        if end - start == limit > 0:  # Nova links on from a full page, even if it was the last
            on = [pair for pair in asked if pair[0] != "marker"]
            on.append(("marker", self._estate.ids[-end if turned else end - 1]))
            href = f"{self._url}{path}?{urlencode(on)}"
            links = b', "servers_links": %b' % _json([{"rel": "next", "href": href}])
        parts = [b'{"servers": [', rows.slice(start, end, turned), b"]%b}" % links]
        return self._delays[delay] / 1000, 200, parts

    def _bench(self, word: str, asked: dict[str, str]) -> Any:
        if word == "slow":
            self._delays.update({name: float(value) for name, value in asked.items()})
        elif word == "reset":
            self.counts.clear()
        return self.counts

    def _keystone(self) -> dict[str, Any]:
        return {
            "id": "v3.14",
            "status": "stable",
            "updated": "2020-04-07T00:00:00Z",
            "links": [{"rel": "self", "href": f"{self._url}/identity/v3/"}],
            "media-types": [
                {
                    "base": "application/json",
                    "type": "application/vnd.openstack.identity-v3+json",
                }
            ],
        }

    def _nova(self) -> dict[str, Any]:
        return {
            "id": "v2.1",
            "status": "CURRENT",
            "version": "2.96",
            "min_version": "2.1",
            "updated": "2013-07-23T11:33:21Z",
            "links": [{"rel": "self", "href": f"{self._url}/compute/v2.1/"}],
        }

    def _token(self) -> dict[str, Any]:
        default = {"id": "default", "name": "Default"}
        catalog = [
            {
                "id": f"{kind}-id",
                "type": kind,
                "name": kind,
                "endpoints": [
                    {
                        "id": f"{kind}-{interface}",
                        "interface": interface,
                        "region": "RegionOne",
                        "region_id": "RegionOne",
                        "url": self._url + path,
                    }
                    for interface in ("public", "internal", "admin")
                ],
            }
            for kind, path in self.catalogue.items()
        ]
        return {
            "token": {
                "methods": ["password"],
                "user": {"domain": default, "id": "admin-id", "name": "admin"},
                "project": {"domain": default, "id": "admin-project", "name": "admin"},
                "roles": [{"id": "admin-role", "name": "admin"}],
                "is_domain": False,
                "audit_ids": ["bench"],
                "issued_at": "2026-01-01T00:00:00.000000Z",
                "expires_at": "2099-01-01T00:00:00.000000Z",
                "catalog": catalog,
            }
        }


class Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive and Content-Length; a request after another, no pipelining."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._buffer = bytearray()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        first, *lines = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}
        whole = end + 4 + int(headers.get("content-length", 0))
        if len(self._buffer) < whole:
            return
        del self._buffer[:whole]
        method, target, _protocol = first.split(" ")
        wait, status, parts = self._services.answer(method, target, "x-auth-token" in headers)
        version = headers.get("openstack-api-version", "")
        send = partial(self._send, status, parts, version)
        if wait:
            asyncio.get_running_loop().call_later(wait, send)
        else:
            send()

    def _send(self, status: int, parts: list[Any], version: str) -> None:
        if self._transport.is_closing():
            return
        lines = [
            f"HTTP/1.1 {status} Answer",
            "Content-Type: application/json",
            f"Content-Length: {sum(map(len, parts))}",
            "X-OpenStack-Request-ID: req-00000000-0000-4000-8000-000000000000",
            "Vary: OpenStack-API-Version, X-Auth-Token",
        ]
        if version:
            lines.append(f"OpenStack-API-Version: {version}")
        if status == 201:
            lines.append("X-Subject-Token: bench-token")
        self._transport.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        for part in parts:
            self._transport.write(part)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


async def serve(estate: Estate, kind: type[Services] = Services) -> None:
    """Print the URL, and serve until stdin is closed."""
    loop = asyncio.get_running_loop()
    services: list[Services] = []
    server = await loop.create_server(lambda: Connection(services[0]), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    estate.place(url)
    services.append(kind(estate, url))
    print(url, flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    """Serve until stdin is closed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--servers", type=int, default=10_000)
    parser.add_argument("--users", type=int, default=5000)
    parser.add_argument("--projects", type=int, default=500)
    options = parser.parse_args()
    asyncio.run(serve(Estate(options.servers, options.users, options.projects)))


if __name__ == "__main__":
    main()
