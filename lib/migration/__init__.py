"""Moving servers between hypervisors: policy, placement check, the migration step."""
