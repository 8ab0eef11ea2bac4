"""Which run went on in the place of one that was asked for the same."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    # MariaDB keeps what was made before a kill.
    columns = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("runs")}
    if "gave_way_to" not in columns:
        op.add_column("runs", sa.Column("gave_way_to", sa.String(36)))
