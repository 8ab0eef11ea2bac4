"""First use and upgrades of the schema, under an exclusive lock. The only importer of alembic."""

from __future__ import annotations

import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

# alembic keeps its context in globals: two stores of one process must not be upgraded at once.
_one_at_a_time = threading.Lock()


def upgrade(connection: Connection) -> None:
    """Bring the schema to the newest revision; the caller holds the store's exclusive lock."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    with _one_at_a_time:
        command.upgrade(config, "head")
