"""Whom a thing belongs to, and who is told of it."""
