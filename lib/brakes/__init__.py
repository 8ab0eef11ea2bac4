"""Brakes for everything that works on hosts: how many at once, how soon again, do we see."""
