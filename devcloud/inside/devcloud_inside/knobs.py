"""The knobs of a compute host: operations made slow, or made to fail.

They are read from ``knobs.json`` in the host's state folder at each operation, so a change takes
effect at once: ``{"spawn_seconds": 2, "live_migration_fail": true}``; with
``"live_migration_fail_for": ["<server id>", ...]`` only those servers' operations fail.
"""

import json
import os
import time

from nova import exception


class Knobs:
    """What one host has been told to do wrong."""

    def __init__(self, folder):
        self._path = os.path.join(folder, "knobs.json")

    def _read(self):
        try:
            with open(self._path) as file:
                return json.load(file)
        except FileNotFoundError:
            return {}

    def seconds(self, operation):
        """How long the operation shall take."""
        return float(self._read().get(f"{operation}_seconds", 0))

    def fails(self, operation, server_id):
        """Whether the operation shall fail for this server."""
        knobs = self._read()
        chosen = knobs.get(f"{operation}_fail_for", [])
        return bool(knobs.get(f"{operation}_fail")) or server_id in chosen

    def obey(self, operation, server_id):
        """Be as slow as told, then fail if told to."""
        time.sleep(self.seconds(operation))
        if self.fails(operation, server_id):
            raise exception.NovaException(f"devcloud: {operation} made to fail")
