"""Asking and changing an Alertmanager, by version 2 of its API: silences and alerts."""
