"""Tests that several modules run, each on a ground of its own: a database, a server."""
