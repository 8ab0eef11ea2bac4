"""The schema's history, applied by state.upgrade with alembic."""
