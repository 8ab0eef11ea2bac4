"""The tables. Times are seconds since 1970 by the database's clock."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.dialects.mysql import LONGTEXT

# The revision of the newest migration; the store compares it without importing alembic.
HEAD = "0001"

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)

_UUID = String(36)
_STATE = String(16)
_LONG = Text().with_variant(LONGTEXT(), "mysql", "mariadb")

runs = Table(
    "runs",
    metadata,
    Column("id", _UUID, primary_key=True),
    # A child run works under the claims and the lease of its root; a root is its own.
    Column("root", _UUID, nullable=False, index=True),
    Column("parent", _UUID),
    Column("parent_step", String(255)),
    Column("workflow", String(128), nullable=False),
    Column("parameters", JSON, nullable=False),
    # What tells one request from another: workflow and parameters, hashed.
    Column("request", String(64), nullable=False, index=True),
    Column("state", _STATE, nullable=False, index=True),
    Column("pack_version", String(32), nullable=False),
    Column("plan", JSON),
    Column("summary", _LONG),
    Column("error", _LONG),
    Column("requested_by", String(255), nullable=False),
    Column("origin", String(255), nullable=False),
    Column("ticket", String(255)),
    Column("execution_id", String(64)),
    Column("trigger_id", String(64), unique=True),
    Column("max_changes", Integer),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("ended_at", Double),
    Column("cancel_requested_by", String(255)),
    # Who acts for this run: the lease is renewed by its holder, the generation is raised by
    # whoever takes it over, and nothing is committed for an older generation.
    Column("generation", Integer, nullable=False, default=0),
    Column("holder", String(255)),
    Column("lease_until", Double),
)

steps = Table(
    "steps",
    metadata,
    Column("run", _UUID, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("sentence", _LONG, nullable=False),
    Column("state", _STATE, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("result", JSON),
    Column("error", _LONG),
    Column("started_at", Double),
    Column("ended_at", Double),
    Column("undone", Boolean, nullable=False, default=False),
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", _UUID, primary_key=True),
    Column("run", _UUID, nullable=False),
    Column("key", String(255), nullable=False),
    Column("kind", _STATE, nullable=False),
    Column("number", Integer, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("state", _STATE, nullable=False),
    Column("notes", JSON, nullable=False),
    Column("request_ids", JSON, nullable=False),
    Column("error", _LONG),
    Column("started_at", Double, nullable=False),
    Column("ended_at", Double),
    Index("ix_attempts_step", "run", "key"),
)

claims = Table(
    "claims",
    metadata,
    # One run at a time: the primary key is what makes a claim exclusive.
    Column("subject", String(255), primary_key=True),
    Column("run", _UUID, nullable=False, index=True),
    Column("claimed_at", Double, nullable=False),
)
