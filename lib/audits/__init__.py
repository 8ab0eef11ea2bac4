"""What audits look for; the runbooks are in workflows.audit."""
