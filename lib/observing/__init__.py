"""Polls: who looks, what is news, and that each event is told until it has arrived."""
