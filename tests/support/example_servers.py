"""The servers that examples of actions name, on a fake cloud."""

from __future__ import annotations

from support.fake_cloud_estate import Server

_STATES = {
    "web-1": "ACTIVE",
    "wiki-1": "SHUTOFF",
    "notebook-2": "PAUSED",
    "staging-1": "SUSPENDED",
    "legacy-1": "SHELVED_OFFLOADED",
}


def example_servers() -> list[Server]:
    """Return the servers, each in a state in which its example has something to do."""
    servers = [Server(name, status=status) for name, status in _STATES.items()]
    return [*servers, Server("vault-1", locked=True)]
