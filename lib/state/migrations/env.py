"""Run by alembic: apply the versions over the connection that state.upgrade hands in."""

from alembic import context

from state.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
