"""What may be written on a server of a fake cloud: its name, description, tags and metadata."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import unquote

from support.fake_cloud_estate import Server
from support.fake_cloud_http import Answer, Request

if TYPE_CHECKING:
    from support.fake_cloud import FakeCloud

_SERVER = "/compute/v2.1/servers/([^/]+)"
# The states in which Nova lets metadata be changed.
_WRITABLE = {"ACTIVE", "PAUSED", "SUSPENDED", "SHUTOFF"}


class FakeFacts:
    """The parts of the compute API that write on servers and do nothing else."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud
        for line, handle in {
            f"PUT {_SERVER}": self._update,
            f"PUT {_SERVER}/tags/([^/]+)": self._tag,
            f"DELETE {_SERVER}/tags/([^/]+)": self._untag,
            f"POST {_SERVER}/metadata": self._set,
            f"DELETE {_SERVER}/metadata/([^/]+)": self._remove,
        }.items():
            cloud.route(line, self._on_server(handle))

    def _on_server(self, handle: Callable[[Server, Request], Answer]) -> Callable[..., Answer]:
        def answer(request: Request) -> Answer:
            for server in self._cloud.servers:
                if server.id == request.parts[0]:
                    return handle(server, request)
            return _refused(f"Instance {request.parts[0]} could not be found.", 404)

        return answer

    def _update(self, server: Server, request: Request) -> Answer:
        given = request.body["server"]
        server.name = given.get("name", server.name)
        server.description = given.get("description", server.description)
        return Answer({"server": server.as_json(request.version)})

    def _tag(self, server: Server, request: Request) -> Answer:
        tag = unquote(request.parts[1])
        known = tag in server.tags
        server.tags = [*server.tags, *([] if known else [tag])]
        return Answer(status=204 if known else 201)

    def _untag(self, server: Server, request: Request) -> Answer:
        tag = unquote(request.parts[1])
        if tag not in server.tags:
            return _refused(f"Server {server.id} has no tag '{tag}'", 404)
        server.tags = [one for one in server.tags if one != tag]
        return Answer(status=204)

    def _set(self, server: Server, request: Request) -> Answer:
        if server.status not in _WRITABLE:
            said = f"Cannot 'update metadata' instance {server.id} while it is {server.status}"
            return _refused(said, 409)
        server.metadata = {**server.metadata, **request.body["metadata"]}
        return Answer({"metadata": server.metadata})

    def _remove(self, server: Server, request: Request) -> Answer:
        key = unquote(request.parts[1])
        if key not in server.metadata:
            return _refused("Metadata item was not found", 404)
        server.metadata = {k: v for k, v in server.metadata.items() if k != key}
        return Answer(status=204)


def _refused(said: str, status: int) -> Answer:
    return Answer(
        {"itemNotFound" if status == 404 else "conflictingRequest": {"message": said}}, status
    )
