"""Which things bulk runbooks leave alone."""
