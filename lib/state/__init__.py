"""The SQL store: the journal of runs with their claims and leases."""
