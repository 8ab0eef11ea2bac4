"""The lock that holds up what rules start, and which hosts are in work since when."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OPTIONS: dict[str, Any] = {
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_nopad_bin",
}


def upgrade() -> None:
    # MariaDB keeps what was made before a kill.
    there = sa.inspect(op.get_bind())
    if not there.has_table("ops_lock"):
        op.create_table(
            "ops_lock",
            sa.Column("name", sa.String(16), nullable=False),
            sa.Column("until", sa.Double),
            sa.Column("locked_at", sa.Double, nullable=False),
            sa.Column("locked_by", sa.String(255), nullable=False),
            sa.Column("run", sa.String(36), nullable=False),
            sa.Column("reason", sa.String(255), nullable=False),
            sa.PrimaryKeyConstraint("name", name="pk_ops_lock"),
            **_OPTIONS,
        )
    if not there.has_table("host_works"):
        op.create_table(
            "host_works",
            sa.Column("serial", _SERIAL, autoincrement=True, nullable=False),
            sa.Column("subject", sa.String(255), nullable=False),
            sa.Column("name", sa.String(255), nullable=False),
            sa.Column("run", sa.String(36), nullable=False),
            sa.Column("begun_at", sa.Double, nullable=False),
            sa.Column("ended_at", sa.Double),
            sa.PrimaryKeyConstraint("serial", name="pk_host_works"),
            **_OPTIONS,
        )
    known = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes("host_works")}
    if "ix_host_works_subject" not in known:
        op.create_index("ix_host_works_subject", "host_works", ["subject"])
