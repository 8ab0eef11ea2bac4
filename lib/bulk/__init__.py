"""One runbook for many rows: of a query or of a file, each a child run of its own."""
