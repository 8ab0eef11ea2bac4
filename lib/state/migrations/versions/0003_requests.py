"""Who asked for what of a run, names of what is claimed, and which store this is."""

import uuid
from typing import Any

import sqlalchemy as sa
from alembic import op

from state.clock import db_now

revision = "0003"
down_revision = "0002"

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OPTIONS: dict[str, Any] = {
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_nopad_bin",
}


def upgrade() -> None:
    _make(
        "run_requests",
        sa.Column("serial", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("run", sa.String(36), nullable=False),
        sa.Column("verb", sa.String(16), nullable=False),
        sa.Column("requested_by", sa.String(255), nullable=False),
        sa.Column("origin", sa.String(255), nullable=False),
        sa.Column("execution_id", sa.String(64)),
        sa.Column("requested_at", sa.Double, nullable=False),
        sa.Column("settled_at", sa.Double),
        sa.Column("settled_as", sa.String(16)),
        sa.PrimaryKeyConstraint("serial", name="pk_run_requests"),
        sa.ForeignKeyConstraint(
            ["run"], ["runs.id"], name="fk_run_requests_run", ondelete="CASCADE"
        ),
        indexes={"ix_run_requests_run": ["run"]},
    )
    _make(
        "identity",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("made_at", sa.Double, nullable=False),
        sa.Column("boot", sa.String(64)),
        sa.Column("epoch", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_identity"),
        indexes={},
    )
    columns = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("claims")}
    if "name" not in columns:
        op.add_column("claims", sa.Column("name", sa.String(255)))
    _name_the_store()
    _keep_requests_to_stop()


def _name_the_store() -> None:
    identity = sa.table("identity", sa.column("id"), sa.column("made_at"))
    if op.get_bind().execute(sa.select(identity.c.id)).first() is None:
        op.execute(sa.insert(identity).values(id=str(uuid.uuid4()), made_at=db_now()))


def _keep_requests_to_stop() -> None:
    """Make rows of the requests that version 0.1.0 kept in the run; when each came, it did not."""
    names = "id", "root", "state", "cancel_requested_by", "created_at", "ended_at"
    runs = sa.table("runs", *map(sa.column, names))
    fields = "run", "verb", "requested_by", "origin", "requested_at", "settled_at", "settled_as"
    made = sa.table("run_requests", *map(sa.column, fields))
    ended = runs.c.state.in_(("succeeded", "failed", "cancelled"))
    known = sa.exists().where(made.c.run == runs.c.id)
    asked = sa.select(
        runs.c.id,
        sa.literal("cancel"),
        runs.c.cancel_requested_by,
        sa.literal("unknown"),
        sa.func.coalesce(runs.c.ended_at, runs.c.created_at),
        sa.case((ended, runs.c.ended_at)),
        sa.case((ended, runs.c.state)),
    ).where(runs.c.cancel_requested_by.is_not(None), runs.c.id == runs.c.root, ~known)
    op.execute(sa.insert(made).from_select(list(fields), asked))


def _make(name: str, *parts: Any, indexes: dict[str, list[str]]) -> None:
    """Make what is missing of a table: MariaDB keeps what was made before a kill."""
    if not sa.inspect(op.get_bind()).has_table(name):
        op.create_table(name, *parts, **_OPTIONS)
    there = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(name)}
    for index, columns in indexes.items():
        if index not in there:
            op.create_index(index, name, columns)
