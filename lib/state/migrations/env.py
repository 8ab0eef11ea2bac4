"""Run by alembic: apply the versions over the connection that state.upgrade hands in.

On SQLite the whole upgrade is one transaction. MariaDB commits at every change of the schema, so
each version must do only what is missing: it is run again if its process was killed in it.
"""

from alembic import context

from state.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
