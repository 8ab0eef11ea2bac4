"""What observers remember of clouds, and what they have to tell."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import LONGTEXT

revision = "0007"
down_revision = "0006"

_LONG = sa.Text().with_variant(LONGTEXT(), "mariadb")
_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OPTIONS: dict[str, Any] = {
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_nopad_bin",
}


def upgrade() -> None:
    # MariaDB keeps what was made before a kill.
    there = sa.inspect(op.get_bind())
    if not there.has_table("observations"):
        op.create_table(
            "observations",
            sa.Column("observer", sa.String(64), nullable=False),
            sa.Column("cloud", sa.String(64), nullable=False),
            sa.Column("generation", sa.Integer, nullable=False),
            sa.Column("lease_until", sa.Double, nullable=False),
            sa.Column("holder", sa.String(255), nullable=False),
            sa.Column("looked_at", sa.Double),
            sa.Column("succeeded_at", sa.Double),
            sa.Column("error", _LONG),
            sa.Column("memory", _LONG),
            sa.PrimaryKeyConstraint("observer", "cloud", name="pk_observations"),
            **_OPTIONS,
        )
    if not there.has_table("events"):
        op.create_table(
            "events",
            sa.Column("serial", _SERIAL, autoincrement=True, nullable=False),
            sa.Column("id", sa.String(32), nullable=False),
            sa.Column("observer", sa.String(64), nullable=False),
            sa.Column("cloud", sa.String(64), nullable=False),
            sa.Column("subject", sa.String(255), nullable=False),
            sa.Column("trigger_name", sa.String(64), nullable=False),
            sa.Column("found_at", sa.Double, nullable=False),
            sa.Column("told_at", sa.Double),
            sa.Column("payload", sa.JSON(none_as_null=True), nullable=False),
            sa.PrimaryKeyConstraint("serial", name="pk_events"),
            sa.UniqueConstraint("id", name="uq_events_id"),
            **_OPTIONS,
        )
    known = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes("events")}
    if "ix_events_untold" not in known:
        op.create_index("ix_events_untold", "events", ["observer", "cloud", "told_at"])
