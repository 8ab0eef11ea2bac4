"""Single things by name or id, and what runbooks read without a query."""
