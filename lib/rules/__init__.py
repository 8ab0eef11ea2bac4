"""Rule files as StackStorm's rule engine takes them: whether one matches, and what it calls."""
