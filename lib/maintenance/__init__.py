"""The circle of a host's maintenance: its stages, what parks it, and what is waited for."""
