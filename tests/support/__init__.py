"""Helpers shared by the tests: nothing in here is a test."""
