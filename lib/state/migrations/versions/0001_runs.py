"""Runs, steps, attempts and claims."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import LONGTEXT

revision = "0001"
down_revision = None

_LONG = sa.Text().with_variant(LONGTEXT(), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("root", sa.String(36), nullable=False),
        sa.Column("parent", sa.String(36)),
        sa.Column("parent_step", sa.String(255)),
        sa.Column("workflow", sa.String(128), nullable=False),
        sa.Column("parameters", sa.JSON, nullable=False),
        sa.Column("request", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("pack_version", sa.String(32), nullable=False),
        sa.Column("plan", sa.JSON),
        sa.Column("summary", _LONG),
        sa.Column("error", _LONG),
        sa.Column("requested_by", sa.String(255), nullable=False),
        sa.Column("origin", sa.String(255), nullable=False),
        sa.Column("ticket", sa.String(255)),
        sa.Column("execution_id", sa.String(64)),
        sa.Column("trigger_id", sa.String(64)),
        sa.Column("max_changes", sa.Integer),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("started_at", sa.Double),
        sa.Column("ended_at", sa.Double),
        sa.Column("cancel_requested_by", sa.String(255)),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("holder", sa.String(255)),
        sa.Column("lease_until", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.UniqueConstraint("trigger_id", name="uq_runs_trigger_id"),
    )
    for column in ("root", "request", "state"):
        op.create_index(f"ix_runs_{column}", "runs", [column])
    op.create_table(
        "steps",
        sa.Column("run", sa.String(36), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("sentence", _LONG, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("result", sa.JSON),
        sa.Column("error", _LONG),
        sa.Column("started_at", sa.Double),
        sa.Column("ended_at", sa.Double),
        sa.Column("undone", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("run", "key", name="pk_steps"),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_steps_run", ondelete="CASCADE"),
    )
    op.create_table(
        "attempts",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("run", sa.String(36), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("notes", sa.JSON, nullable=False),
        sa.Column("request_ids", sa.JSON, nullable=False),
        sa.Column("error", _LONG),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
    )
    op.create_index("ix_attempts_step", "attempts", ["run", "key"])
    op.create_table(
        "claims",
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("run", sa.String(36), nullable=False),
        sa.Column("claimed_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("subject", name="pk_claims"),
    )
    op.create_index("ix_claims_run", "claims", ["run"])
