"""The tables. Times are seconds since 1970 by the database's clock.

The wide columns come last: SQLite reads a row from its start, and a plan can fill many pages.
What only MariaDB is told of a table (its engine, and that texts are compared byte by byte, as
SQLite does: by its default `Web-1` and `web-1 ` would be one subject) stands in the migrations,
which make the tables. Here it would import that dialect for each process on SQLite.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
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
from sqlalchemy.ext.compiler import compiles

# The revision of the newest migration; the store compares it without importing alembic.
HEAD = "0007"

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)


class _LongText(Text):
    """Text without a bound. MariaDB's LONGTEXT, whose dialect SQLite need not import for it."""


@compiles(_LongText, "mariadb")
def _longtext(element: Any, compiler: Any, **kw: Any) -> str:
    return "LONGTEXT"


_UUID = String(36)
_STATE = String(16)
_LONG = _LongText()
_JSON = JSON(none_as_null=True)
_SERIAL = BigInteger().with_variant(Integer(), "sqlite")


def _run() -> ForeignKey:
    return ForeignKey("runs.id", ondelete="CASCADE")


runs = Table(
    "runs",
    metadata,
    Column("id", _UUID, primary_key=True),
    # A child run works under the claims and the lease of its root; a root is its own.
    Column("root", _UUID, nullable=False, index=True),
    Column("parent", _UUID, index=True),
    Column("state", _STATE, nullable=False, index=True),
    # Whether its plan was drawn under its claims; until then it can have changed nothing.
    Column("drawn", Boolean, nullable=False),
    # Who acts for this run: the lease is renewed by its holder, the generation is raised by
    # whoever takes it over, and nothing is committed for an older generation.
    Column("generation", Integer, nullable=False),
    Column("lease_until", Double),
    Column("holder", String(255)),
    # For processes of version 0.1.0, which may be at work while the pack is upgraded and hear of a
    # request to stop here. This code writes it and reads run_requests.
    Column("cancel_requested_by", String(255)),
    Column("created_at", Double, nullable=False, index=True),
    Column("started_at", Double),
    Column("ended_at", Double),
    Column("workflow", String(128), nullable=False),
    # What tells one request from another: workflow and parameters, hashed.
    Column("request", String(64), nullable=False),
    Column("pack_version", String(32), nullable=False),
    Column("requested_by", String(255), nullable=False),
    Column("origin", String(255), nullable=False),
    Column("ticket", String(255)),
    Column("execution_id", String(64)),
    Column("trigger_id", String(64), unique=True),
    Column("max_changes", Integer),
    # The run that went on in its place: what was asked for is done there.
    Column("gave_way_to", _UUID),
    Column("parent_step", String(255)),
    # When one that is paused goes on, by the wall clock.
    Column("go_on_at", Double),
    Column("parameters", _JSON, nullable=False),
    Column("summary", _LONG),
    Column("error", _LONG),
    Column("plan", _JSON),
)

# What was asked of a run after it was drawn, by whom and from where. A request to cancel is open
# until the transaction that ends the run settles it: no step is begun while one is open.
run_requests = Table(
    "run_requests",
    metadata,
    Column("serial", _SERIAL, primary_key=True, autoincrement=True),
    Column("run", _UUID, _run(), nullable=False, index=True),
    Column("verb", _STATE, nullable=False),
    Column("requested_by", String(255), nullable=False),
    Column("origin", String(255), nullable=False),
    Column("execution_id", String(64)),
    Column("requested_at", Double, nullable=False),
    Column("settled_at", Double),
    # The state in which the run ended.
    Column("settled_as", _STATE),
)

steps = Table(
    "steps",
    metadata,
    Column("run", _UUID, _run(), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("state", _STATE, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("started_at", Double),
    Column("ended_at", Double),
    Column("undone", Boolean, nullable=False),
    Column("sentence", _LONG, nullable=False),
    Column("error", _LONG),
    Column("result", _JSON),
)

attempts = Table(
    "attempts",
    metadata,
    # The order in which they were begun, whatever clocks say.
    Column("serial", _SERIAL, primary_key=True, autoincrement=True),
    Column("id", _UUID, nullable=False, unique=True),
    Column("run", _UUID, _run(), nullable=False),
    Column("key", String(255), nullable=False),
    Column("kind", _STATE, nullable=False),
    Column("number", Integer, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("state", _STATE, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("error", _LONG),
    Column("request_ids", _JSON, nullable=False),
    Column("notes", _JSON, nullable=False),
    Index("ix_attempts_step", "run", "key"),
)

# One row: which store this is, and by which boot of this machine its clock goes (see clock.py).
identity = Table(
    "identity",
    metadata,
    Column("id", _UUID, primary_key=True),
    Column("made_at", Double, nullable=False),
    Column("boot", String(64)),
    Column("epoch", Double),
)

claims = Table(
    "claims",
    metadata,
    # One run at a time: the primary key is what makes a claim exclusive.
    Column("subject", String(255), primary_key=True),
    Column("run", _UUID, _run(), nullable=False, index=True),
    Column("claimed_at", Double, nullable=False),
    # What people call it; None where version 0.1.0 claimed it.
    Column("name", String(255)),
)

# One row while a lock is set, also when its end is over; its name is always the same.
ops_lock = Table(
    "ops_lock",
    metadata,
    Column("name", _STATE, primary_key=True),
    Column("until", Double),
    Column("locked_at", Double, nullable=False),
    Column("locked_by", String(255), nullable=False),
    Column("run", _UUID, nullable=False),
    Column("reason", String(255), nullable=False),
)

# Which hosts runs have taken in work. They stand longer than the runs: a parked host is in work
# until it is given back, and how long ago one was worked on is asked for days.
host_works = Table(
    "host_works",
    metadata,
    Column("serial", _SERIAL, primary_key=True, autoincrement=True),
    Column("subject", String(255), nullable=False, index=True),
    Column("name", String(255), nullable=False),
    Column("run", _UUID, nullable=False),
    Column("begun_at", Double, nullable=False),
    Column("ended_at", Double),
)

# What an observer remembers of a cloud, and who looks at it: a lease as that of a run.
observations = Table(
    "observations",
    metadata,
    Column("observer", String(64), primary_key=True),
    Column("cloud", String(64), primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("lease_until", Double, nullable=False),
    Column("holder", String(255), nullable=False),
    Column("looked_at", Double),
    # When it was last seen whole, and what has kept the last look from it.
    Column("succeeded_at", Double),
    Column("error", _LONG),
    Column("memory", _LONG),
)

# What observers have found to be news. It is written with the memory that knows of it, and told
# until somebody has confirmed that it was dispatched.
events = Table(
    "events",
    metadata,
    # The order in which they are told.
    Column("serial", _SERIAL, primary_key=True, autoincrement=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("observer", String(64), nullable=False),
    Column("cloud", String(64), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("trigger_name", String(64), nullable=False),
    Column("found_at", Double, nullable=False),
    Column("told_at", Double),
    Column("payload", _JSON, nullable=False),
    Index("ix_events_untold", "observer", "cloud", "told_at"),
)

campaigns = Table(
    "campaigns",
    metadata,
    Column("id", _UUID, primary_key=True),
    # What makes it the same campaign when it is run again.
    Column("key", String(255), nullable=False, unique=True),
    Column("notice", String(128), nullable=False),
    Column("account", String(128), nullable=False),
    Column("requested_by", String(255), nullable=False),
    Column("created_at", Double, nullable=False, index=True),
    Column("options", _JSON, nullable=False),
)

mails = Table(
    "mails",
    metadata,
    Column("campaign", _UUID, ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
    # A mail address has at most 254 characters (RFC 5321).
    Column("recipient", String(254), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("state", _STATE, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("code", Integer),
    Column("changed_at", Double, nullable=False),
    Column("sent_at", Double),
    # The run that last did something about it.
    Column("run", _UUID),
    Column("message_id", String(255), nullable=False),
    Column("subject", _LONG, nullable=False),
    Column("said", _LONG),
    Column("content", _JSON, nullable=False),
    Index("ix_mails_state", "campaign", "state"),
)
