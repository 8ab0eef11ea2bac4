"""Runs, steps, attempts and claims."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import LONGTEXT

revision = "0001"
down_revision = None

_LONG = sa.Text().with_variant(LONGTEXT(), "mariadb")
_JSON = sa.JSON(none_as_null=True)
_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OPTIONS: dict[str, Any] = {
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_nopad_bin",
}


def upgrade() -> None:
    _make(
        "runs",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("root", sa.String(36), nullable=False),
        sa.Column("parent", sa.String(36)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("drawn", sa.Boolean, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("lease_until", sa.Double),
        sa.Column("holder", sa.String(255)),
        sa.Column("cancel_requested_by", sa.String(255)),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("started_at", sa.Double),
        sa.Column("ended_at", sa.Double),
        sa.Column("workflow", sa.String(128), nullable=False),
        sa.Column("request", sa.String(64), nullable=False),
        sa.Column("pack_version", sa.String(32), nullable=False),
        sa.Column("requested_by", sa.String(255), nullable=False),
        sa.Column("origin", sa.String(255), nullable=False),
        sa.Column("ticket", sa.String(255)),
        sa.Column("execution_id", sa.String(64)),
        sa.Column("trigger_id", sa.String(64)),
        sa.Column("max_changes", sa.Integer),
        sa.Column("parent_step", sa.String(255)),
        sa.Column("parameters", _JSON, nullable=False),
        sa.Column("summary", _LONG),
        sa.Column("error", _LONG),
        sa.Column("plan", _JSON),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.UniqueConstraint("trigger_id", name="uq_runs_trigger_id"),
        indexes={f"ix_runs_{c}": [c] for c in ("root", "parent", "state", "created_at")},
    )
    _make(
        "steps",
        sa.Column("run", sa.String(36), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("started_at", sa.Double),
        sa.Column("ended_at", sa.Double),
        sa.Column("undone", sa.Boolean, nullable=False),
        sa.Column("sentence", _LONG, nullable=False),
        sa.Column("error", _LONG),
        sa.Column("result", _JSON),
        sa.PrimaryKeyConstraint("run", "key", name="pk_steps"),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_steps_run", ondelete="CASCADE"),
    )
    _make(
        "attempts",
        sa.Column("serial", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("run", sa.String(36), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double),
        sa.Column("error", _LONG),
        sa.Column("request_ids", _JSON, nullable=False),
        sa.Column("notes", _JSON, nullable=False),
        sa.PrimaryKeyConstraint("serial", name="pk_attempts"),
        sa.UniqueConstraint("id", name="uq_attempts_id"),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_attempts_run", ondelete="CASCADE"),
        indexes={"ix_attempts_step": ["run", "key"]},
    )
    _make(
        "claims",
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("run", sa.String(36), nullable=False),
        sa.Column("claimed_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("subject", name="pk_claims"),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_claims_run", ondelete="CASCADE"),
        indexes={"ix_claims_run": ["run"]},
    )


def _make(name: str, *parts: Any, indexes: dict[str, list[str]] | None = None) -> None:
    """Make what is missing of a table: MariaDB keeps what was made before a kill."""
    found = sa.inspect(op.get_bind())
    if not found.has_table(name):
        op.create_table(name, *parts, **_OPTIONS)
    there = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(name)}
    for index, columns in (indexes or {}).items():
        if index not in there:
            op.create_index(index, name, columns)
