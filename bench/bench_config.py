"""The configuration of a benchmark: a cloud on loopback, and a state store in a scratch folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def bench_config(url: str, folder: Path) -> dict[str, Any]:
    """Return the pack's configuration for the cloud at ``url``; its state is new, in ``folder``."""
    state = folder / "state"
    state.mkdir()
    state.chmod(0o2770)
    auth = {
        "auth_url": f"{url}/identity/v3",
        "username": "u",
        "password": "p",
        "project_name": "p",
        "user_domain_id": "default",
        "project_domain_id": "default",
    }
    return {"clouds": [{"name": "bench", "auth": auth}], "state_url": f"sqlite:///{state}/state.db"}
