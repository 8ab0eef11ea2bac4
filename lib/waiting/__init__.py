"""Waiting for many things of one cloud at once: one listing serves all who wait."""
