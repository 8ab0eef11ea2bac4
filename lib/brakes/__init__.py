"""Brakes for everything that works on hosts: how many at once, how soon again, and whether we see."""
