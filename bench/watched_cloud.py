"""A cloud that sensors look at: hypervisors with servers on them, aggregates, and Placement.

It is big_cloud with what the observers ask for beside servers, and servers can be asked for by
status and by task. All bodies are made before the first request.

    python bench/watched_cloud.py --hypervisors 1000 --servers 20000
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from big_cloud import BigCloud, Services, serve
from big_estate import Estate
from own_process import in_a_process

_MOST_A_PAGE = 1000  # Nova's own osapi_max_limit
_NOVA = "/compute/v2.1"
_UP = " 08:32:11 up {} days, 18:25,  1 user,  load average: 0.20, 0.12, 0.14"
hypervisors = 1000


class Watched(Services):
    """The services with hypervisors. Servers are spread over them evenly."""

    catalogue = {**Services.catalogue, "placement": "/placement"}  # noqa: RUF012 - see above

    def __init__(self, estate: Estate, url: str) -> None:
        super().__init__(estate, url)
        self._rows = [self._hypervisor(number, estate) for number in range(hypervisors)]
        hosts = [row["service"]["host"] for row in self._rows]
        racks = [
            {"id": number, "name": f"rack-{number}", "hosts": hosts[number::40], "metadata": {}}
            for number in range(40)
        ]
        self._bodies: dict[str, bytes] = {
            "/compute/v2.1/os-aggregates": json.dumps({"aggregates": racks}).encode(),
            "/placement/resource_providers": b'{"resource_providers": []}',
        }
        self._pages: dict[str, bytes] = {}
        rows = json.loads(b"[%b]" % estate.servers.text)
        self._servers = [row for row in rows if row["status"] in ("ERROR", "BUILD")]

    def answer(self, method: str, target: str, token: bool) -> tuple[float, int, list[Any]]:
        """Return seconds to wait, the status, and the parts of the body."""
        split = urlsplit(target)
        asked = dict(parse_qsl(split.query))
        body = self._bodies.get(split.path)
        if split.path.startswith(f"{_NOVA}/os-hypervisors"):
            body = self._listed(target, split.path, asked)
        elif split.path == f"{_NOVA}/servers/detail" and asked.keys() & {"status", "task_state"}:
            body = self._narrowed(parse_qsl(split.query))
        if body is None:
            return super().answer(method, target, token)
        self.counts[f"{method} {split.path}"] += 1
        return 0.0, 200, [body]

    def _listed(self, target: str, path: str, asked: dict[str, str]) -> bytes:
        if target not in self._pages:
            ids = [row["id"] for row in self._rows]
            start = ids.index(asked["marker"]) + 1 if "marker" in asked else 0
            rows = self._rows[start : start + _MOST_A_PAGE]
            answer: dict[str, Any] = {"hypervisors": rows}
            if len(rows) == _MOST_A_PAGE:  # Nova links on from a full page, even if it was the last
                href = f"{self._url}{path}?{urlencode({**asked, 'marker': rows[-1]['id']})}"
                answer["hypervisors_links"] = [{"rel": "next", "href": href}]
            self._pages[target] = json.dumps(answer).encode()
        return self._pages[target]

    def _narrowed(self, asked: list[tuple[str, str]]) -> bytes:
        statuses = {value for name, value in asked if name == "status"}
        tasks = {value for name, value in asked if name == "task_state"}
        rows = [
            row
            for row in self._servers
            if row["status"] in statuses or row["OS-EXT-STS:task_state"] in tasks
        ]
        return json.dumps({"servers": rows}).encode()

    def _hypervisor(self, number: int, estate: Estate) -> dict[str, Any]:
        name = f"cmp-{number:04d}.example.org"
        guests = estate.ids[number::hypervisors]
        return {
            "id": f"{number:08x}-0000-4000-8000-000000000000",
            "hypervisor_hostname": name,
            "hypervisor_type": "QEMU",
            "hypervisor_version": 8002002,
            "host_ip": "192.0.2.1",
            "state": "up",
            "status": "disabled" if number % 50 == 0 else "enabled",
            "service": {"id": f"s-{number}", "host": name, "disabled_reason": None},
            "servers": [{"uuid": id, "name": f"instance-{id[:8]}"} for id in guests],
            "uptime": _UP.format(number % 120),
        }


@contextmanager
def watched_cloud(of_hypervisors: int, servers: int) -> Iterator[BigCloud]:
    """Run the server in a process of its own while the block runs."""
    words = [f"--hypervisors={of_hypervisors}", f"--servers={servers}"]
    with in_a_process(__file__, *words) as url:
        yield BigCloud(url)


def main() -> None:
    """Serve until stdin is closed."""
    global hypervisors
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hypervisors", type=int, default=hypervisors)
    parser.add_argument("--servers", type=int, default=20_000)
    options = parser.parse_args()
    hypervisors = options.hypervisors
    asyncio.run(serve(Estate(options.servers, users=10, projects=10), Watched))


if __name__ == "__main__":
    main()
