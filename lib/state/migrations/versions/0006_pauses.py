"""When a run that is paused goes on."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    # MariaDB keeps what was made before a kill.
    columns = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("runs")}
    if "go_on_at" not in columns:
        op.add_column("runs", sa.Column("go_on_at", sa.Double))
