"""Hypervisors: what holds them, and where they stand."""
