"""Mail campaigns and what became of each of their mails."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import LONGTEXT

revision = "0002"
down_revision = "0001"

_LONG = sa.Text().with_variant(LONGTEXT(), "mariadb")
_JSON = sa.JSON(none_as_null=True)
_OPTIONS: dict[str, Any] = {
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_nopad_bin",
}


def upgrade() -> None:
    _make(
        "campaigns",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("notice", sa.String(128), nullable=False),
        sa.Column("account", sa.String(128), nullable=False),
        sa.Column("requested_by", sa.String(255), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("options", _JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_campaigns"),
        sa.UniqueConstraint("key", name="uq_campaigns_key"),
        indexes={"ix_campaigns_created_at": ["created_at"]},
    )
    _make(
        "mails",
        sa.Column("campaign", sa.String(36), nullable=False),
        sa.Column("recipient", sa.String(254), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("code", sa.Integer),
        sa.Column("changed_at", sa.Double, nullable=False),
        sa.Column("sent_at", sa.Double),
        sa.Column("run", sa.String(36)),
        sa.Column("message_id", sa.String(255), nullable=False),
        sa.Column("subject", _LONG, nullable=False),
        sa.Column("said", _LONG),
        sa.Column("content", _JSON, nullable=False),
        sa.PrimaryKeyConstraint("campaign", "recipient", name="pk_mails"),
        sa.ForeignKeyConstraint(
            ["campaign"], ["campaigns.id"], name="fk_mails_campaign", ondelete="CASCADE"
        ),
        indexes={"ix_mails_state": ["campaign", "state"]},
    )


def _make(name: str, *parts: Any, indexes: dict[str, list[str]]) -> None:
    """Make what is missing of a table: MariaDB keeps what was made before a kill."""
    if not sa.inspect(op.get_bind()).has_table(name):
        op.create_table(name, *parts, **_OPTIONS)
    there = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(name)}
    for index, columns in indexes.items():
        if index not in there:
            op.create_index(index, name, columns)
