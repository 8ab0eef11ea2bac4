"""What a server has written to its console."""

from __future__ import annotations

import msgspec

from accounts.cloud import Cloud
from query_api.lookups import compute
from query_api.wire.reader import decoder, not_understood


class _Output(msgspec.Struct):
    output: str | None = None


def output(cloud: Cloud, server_id: str, lines: int) -> str:
    """Return the last lines of a server's console, as the guest wrote them.

    Raises CloudError: with status 404 or 409 where there is no console (yet).
    """
    path = f"/servers/{server_id}/action"
    asked = {"os-getConsoleOutput": {"length": lines}}
    body = cloud.ask("compute", path, asked, microversion=compute.SERVERS)
    try:
        answer: _Output = decoder(_Output).decode(body)
    except (msgspec.MsgspecError, ValueError) as error:
        raise not_understood(cloud, "compute", path, error) from None
    return answer.output or ""
