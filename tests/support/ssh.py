"""SSH accounts and commands of a configuration that reaches nobody."""

from __future__ import annotations

from typing import Any

# The discard port, where nothing listens; the key is nobody's.
SSH_CONFIG: dict[str, Any] = {
    "ssh_accounts": [
        {
            "name": "hosts",
            "user": "nobody",
            "agent": True,
            "address": "127.0.0.1",
            "port": 9,
            "fingerprints": {"127.0.0.1": ["SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"]},
        }
    ],
    "ssh_commands": {"patch": {"command": ["patch-host", "--host={host}"]}},
}
