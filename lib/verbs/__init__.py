"""Changes that are one request and a wait: a table of verbs, from which runbooks are made."""
