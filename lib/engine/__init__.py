"""What carries plans out: dispatch, planning, attempts, leases, stop, resume, reporting."""
